"""Where pytest leaves out the middle of a secret, the ends that it shows are hidden as well."""

from __future__ import annotations

import pytest

from pytest_templates.redaction.secrets import Source, secrets_for

KEY = "verysecret-0123456789-abcdef-tail"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"'key {KEY[:12]}...{KEY[-12:]}' == 'x'", "'key REDACTED...REDACTED' == 'x'"),
        (f"{KEY[:6]}... and ...{KEY[-6:]}", "REDACTED... and ...REDACTED"),
        (f"{KEY[:20]}…", "REDACTED…"),
        (f"{KEY[:9]}... {KEY[:9]}... {KEY}", "REDACTED... REDACTED... REDACTED"),
        # too little of it, or no dots beside it
        (f"{KEY[:5]}...{KEY[-5:]}", f"{KEY[:5]}...{KEY[-5:]}"),
        (f"{KEY[:12]} ... {KEY[-12:]}", f"{KEY[:12]} ... {KEY[-12:]}"),
        (f"...{KEY[:12]}", f"...{KEY[:12]}"),
        ("...", "..."),
    ],
)
def test_parts_beside_dots_are_hidden(text, shown):
    secrets = secrets_for({KEY: Source("the key")})

    assert secrets.replace(text, is_shortened=True) == shown
    assert secrets.replace_in({"one": [text]}, is_shortened=True) == {"one": [shown]}


def test_dots_in_a_secret_are_no_mark():
    secrets = secrets_for({"secret.with.dots": Source("the key")})

    assert secrets.replace("secret.with...", is_shortened=True) == "REDACTED..."


def test_where_nothing_is_shortened_parts_are_words():
    assert secrets_for({KEY: Source("the key")}).replace(f"{KEY[:12]}...") == f"{KEY[:12]}..."


def test_no_file_of_a_run_and_no_annotation_holds_a_part(project, monkeypatch):
    monkeypatch.setenv("SITE_KEY", KEY)
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    project.tests(
        """
        import os

        def test_it(scripted_model):
            ask(scripted_model("one"))
            assert "key " + os.environ["SITE_KEY"] * 20 == "x"
        """
    )

    result = project.run("--templates-json=run.json", "--templates-markdown=s.md")

    written = [(project.path / name).read_text("utf-8") for name in ("run.json", "s.md")]
    annotation = next(line for line in result.outlines if line.startswith("::error"))
    for text in (*written, annotation):
        assert "REDACTED..." in text
        assert KEY[:6] not in text
        assert KEY[-6:] not in text
