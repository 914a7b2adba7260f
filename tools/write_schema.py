"""Writes the published JSON schemas anew: of script files, as after a fault was added, of cassettes, and of reports."""

from __future__ import annotations

import json
from pathlib import Path

import pytest_templates
from pytest_templates.cassettes.format import schema as cassettes
from pytest_templates.reporting import schema as reports
from pytest_templates.scripting import files as scripts

SCHEMAS = {
    Path(pytest_templates.__file__).with_name("script.schema.json"): scripts.schema,
    Path(__file__).parents[1] / "docs" / "cassette.schema.json": cassettes.schema,
    Path(__file__).parents[1] / "docs" / "report.schema.json": reports.schema,
}

if __name__ == "__main__":
    for path, schema in SCHEMAS.items():
        path.write_text(json.dumps(schema(), indent=2) + "\n", encoding="utf-8")
        print(path)
