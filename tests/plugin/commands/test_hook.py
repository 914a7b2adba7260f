"""The hook for pre-commit."""

from __future__ import annotations

import re
import shlex

import pytest
import yaml

from pytest_templates.commands.main import main


@pytest.fixture
def hook(request):
    [hook] = yaml.safe_load((request.config.rootpath / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    return hook


def test_the_hook_checks_the_files_that_it_is_given(desk, hook, capsys):
    python, flag, module, *words = shlex.split(hook["entry"])
    desk.copy("damaged/empty.yaml", "cassettes/bad.yaml")

    assert (python, flag, module) == ("python", "-m", "pytest_templates")
    assert main([*words, "cassettes/both.yaml"]) == 0
    assert main([*words, "cassettes/both.yaml", "cassettes/bad.yaml"]) == 1
    assert "cassettes/bad.yaml:1: the cassette is empty" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("path", "is_checked"),
    [
        ("cassettes/test_it/test_it.yaml", True),
        ("parts/desk/cassettes/both.yaml", True),
        ("cassettes/notes.txt", False),
        ("mycassettes/both.yaml", False),
        ("docs/both.yaml", False),
    ],
)
def test_the_hook_is_given_cassettes_only(hook, path, is_checked):
    assert bool(re.search(hook["files"], path)) == is_checked
