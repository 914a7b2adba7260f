"""Writes the published JSON schema of script files anew: after a fault, or another kind of step, was added."""

from __future__ import annotations

import json
from pathlib import Path

import pytest_templates
from pytest_templates.scripting.files import schema

if __name__ == "__main__":
    path = Path(pytest_templates.__file__).with_name("script.schema.json")
    path.write_text(json.dumps(schema(), indent=2) + "\n", encoding="utf-8")
    print(path)
