"""The plugin's errors, and what the package gives."""

from __future__ import annotations

import pickle
import re
from pathlib import Path

import pytest

import pytest_templates
from antiphon import errors as engine_errors
from antiphon.errors import AntiphonError
from pytest_templates import errors

FAMILY = [
    "UnscriptedCall",
    "UnusedSteps",
    "CassetteError",
    "IsolationViolation",
    "BudgetExceeded",
    "LiveCallRefused",
]


@pytest.mark.parametrize("name", FAMILY)
def test_an_error_is_of_the_family_and_survives_the_way_between_processes(name):
    error = getattr(pytest_templates, name)("what happened")
    error.add_note("where")

    back = pickle.loads(pickle.dumps(error))

    assert isinstance(back, AntiphonError)
    assert type(back) is type(error) is getattr(errors, name)
    assert str(back) == "what happened"
    assert back.__notes__ == ["where"]


def test_a_cassette_miss_keeps_its_reason_and_its_template():
    miss = pytest_templates.CassetteMiss("no recording", reason="no-match", template_path="talk/answer")

    back = pickle.loads(pickle.dumps(miss))

    assert isinstance(back, pytest_templates.CassetteError)
    assert (str(back), back.reason, back.template_path) == ("no recording", "no-match", "talk/answer")


def test_every_name_of_the_package_can_be_imported():
    names = {name: getattr(pytest_templates, name) for name in pytest_templates.__all__}

    assert all(value.__name__.rpartition(".")[2] == name for name, value in names.items())


@pytest.mark.parametrize("module", [engine_errors, errors], ids=["engine", "plugin"])
def test_every_error_stands_on_its_page_and_in_the_picture_of_its_module(module):
    page = (Path(__file__).parents[2] / "docs/errors.md").read_text(encoding="utf-8")
    found = [value for value in vars(module).values() if isinstance(value, type) and issubclass(value, AntiphonError)]
    own = [kind for kind in found if kind.__module__ == module.__name__]

    assert len(own) >= 18
    for kind in own:
        row = next((line for line in page.splitlines() if line.startswith(f"| `{kind.__name__}`")), None)
        assert row is not None, kind
        is_verdict = issubclass(kind, AssertionError)
        assert (chr(92) + "*" in row) == is_verdict, row
        assert re.search(rf"\b{kind.__name__}\b", module.__doc__)


def test_another_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'pytest_templates' has no attribute 'scripted_modle'"):
        _ = pytest_templates.scripted_modle
