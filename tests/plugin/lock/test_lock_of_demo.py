"""The demo's own lock."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest_templates.demo


def test_the_lock_of_the_demo_holds_until_a_word_of_a_prompt_is_changed(project: Any) -> None:
    desk = Path(pytest_templates.demo.__file__).parent / "desk"
    shutil.copytree(desk, project.path, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__", "pytest.ini"))
    prompt = project.path / "prompts" / "answer.jinja"

    before = project.run("--templates-lock=check")
    prompt.write_text(prompt.read_text(encoding="utf-8").replace("two", "three"), encoding="utf-8")
    after = project.run("--templates-lock=check")

    project.says(before, "templates: templates.lock holds for all 13 templates")
    project.says(after, "1 template is not as in templates.lock:", "support/user-7  support_desk.py:63")
    project.says(after, "test_a_real_model_answers_a_refund.yaml  1 of 3 calls")
