"""The JSON schema of reports, published in ``docs/``."""

from __future__ import annotations

import re
from inspect import cleandoc
from typing import Any, Final

from pydantic import BaseModel

from pytest_templates.reporting import conversation, document

_ATTRIBUTE: Final = re.compile(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", re.MULTILINE)


def schema() -> dict[str, Any]:
    """The schema of what ``--templates-json`` writes; fields that older versions did not write are not required."""
    made = document.Report.model_json_schema(mode="serialization")
    parts: dict[str, Any] = {"Report": made, **made["$defs"]}
    for name, model in _models():
        if name in parts:
            _describe(parts[name], cleandoc(model.__doc__ or ""))
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Report of antiphon's pytest plugin",
    }
    return {**head, **{name: value for name, value in made.items() if name not in head}}


def _models() -> list[tuple[str, type[BaseModel]]]:
    found = {**vars(conversation), **vars(document)}.items()
    return [(name, one) for name, one in found if isinstance(one, type) and issubclass(one, BaseModel)]


def _describe(part: dict[str, Any], text: str) -> None:
    """Put what a docstring says of each attribute to the field that it is of."""
    summary, _, attributes = text.partition("\n\nAttributes:\n")
    part["description"] = summary
    for name, said in _ATTRIBUTE.findall(attributes):
        field = part.get("properties", {}).get(name)
        if field is not None:
            field["description"] = " ".join(said.split()).replace("``", "`")
            field.pop("title", None)
