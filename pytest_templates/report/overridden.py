"""Overrides that replaced no model: mostly a misspelt template."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pytest_templates.overrides import Override
from pytest_templates.report.data import Row
from pytest_templates.suggestions import which_template
from pytest_templates.targets import is_meant


def without_effect(overrides: Sequence[Override], calls: Sequence[Row]) -> Iterator[str]:
    """A line for each override that replaced no model in these calls, the last of several for one template aside."""
    for override in overrides:
        meant = [call for call in calls if is_meant(override.template, call["template_path"], call["template_id"])]
        if not any(call["chosen_by"] == "override" for call in meant):
            yield f"{override.option} replaced no model: {_why(override, meant, calls)}"


def _why(override: Override, meant: Sequence[Row], calls: Sequence[Row]) -> str:
    if meant:
        return "scripted models stay, and so do all models of tests that are marked neither llm_cassette nor llm_live"
    hint = which_template(override.template, [(call["template_path"], call["template_id"]) for call in calls])
    return f"no test rendered a template that asks a model at {override.template!r}{hint}"
