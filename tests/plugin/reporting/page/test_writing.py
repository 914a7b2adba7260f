"""What is in the file of a page, whoever opens it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import zlib
from pathlib import Path
from typing import Any

import pytest

from pytest_templates.reporting.document import Report
from pytest_templates.reporting.page.writing import write_comparison, write_page


def policy_of(page: str) -> dict[str, list[str]]:
    """The Content-Security-Policy of a page: what it allows, by directive."""
    found = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert found
    return {directive.split()[0]: directive.split()[1:] for directive in found[1].split("; ")}


def hash_of(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def lines_in(page: str) -> list[Any]:
    """What a page knows of each test that is opened."""
    found = re.search(r'<script type="text/plain" id="tests">(.*?)</script>', page, re.DOTALL)
    assert found
    packs = [zlib.decompress(base64.b64decode(pack)).decode() for pack in found[1].split()]
    return [json.loads(line) for pack in packs for line in pack.split("\n")]


def test_a_page_needs_and_allows_nothing_but_itself(run_of_desk: Path, two_runs: Path) -> None:
    for path in (run_of_desk, two_runs):
        page = path.read_text("utf-8")
        policy = policy_of(page)
        scripts = re.findall(r"<script(?: type=\"module\")?>(.*?)</script>", page, re.DOTALL)
        [style] = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)

        assert policy["default-src"] == ["'none'"]
        assert policy["img-src"] == ["data:"]
        assert policy["script-src"] == [hash_of(script) for script in scripts]
        assert policy["style-src"] == [hash_of(style)]
        assert not re.findall(r"\b(?:src|href)=(?![\"']?#)|url\(|@import|https?:", page)


def test_the_same_run_is_the_same_page(made_up: dict[str, Any], run_of_desk: Path, tmp_path: Path) -> None:
    write_page(Report.model_validate(made_up["support_desk"]()), tmp_path / "again.html")

    assert (tmp_path / "again.html").read_bytes() == run_of_desk.read_bytes()


def test_a_page_that_is_refused_leaves_the_older_one(made_up: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(OSError, match="folder"):
        write_page(Report.model_validate(made_up["support_desk"]()), tmp_path / "no folder" / "run.html")

    assert list(tmp_path.iterdir()) == []


def test_reports_of_earlier_versions_are_compared(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    reports = pytestconfig.rootpath / "docs" / "reports"
    a, b = (Report.model_validate_json((reports / name).read_text("utf-8")) for name in ("large.json", "small.json"))
    write_comparison(a, b, tmp_path / "runs.html")

    page = (tmp_path / "runs.html").read_text("utf-8")
    assert '"has_conversations":[false,false]' in page
    [part] = lines_in(page)[0]["parts"]
    assert (part["path"], part["what"]) == ("support/classify", "model")
    assert (part["before"], part["after"]) == ("openai:gpt-4o", "openai:gpt-4o-mini")
