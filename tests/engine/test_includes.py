"""Texts made of several files, and the variables that texts need."""

from __future__ import annotations

from pathlib import Path

import pytest

from antiphon import (
    AssistantTemplate,
    EndTemplate,
    IfTemplate,
    LinearTemplate,
    LoopTemplate,
    Runner,
    Session,
    SubroutineTemplate,
    SystemTemplate,
    UserTemplate,
)
from antiphon.errors import RenderingError


def says_goodbye(session):
    return session.last.content == "bye"


@pytest.fixture
def prompts(tmp_path):
    """Writes files of prompts; gives the path of the first."""

    def prompts(**files: str) -> Path:
        for name, text in files.items():
            path = tmp_path / name.replace("__", "/")
            path.parent.mkdir(exist_ok=True)
            path.with_suffix(".jinja").write_text(text, encoding="utf-8")
        return (tmp_path / next(iter(files))).with_suffix(".jinja")

    return prompts


@pytest.fixture
def said(play, answering):
    """What a text says, given some metadata."""
    return lambda content, **metadata: (
        play(Runner(answering()), Session(metadata=metadata), template=SystemTemplate(content)).last.content
    )


def test_a_file_includes_what_lies_beside_it_and_below(fixtures_dir, said):
    path = fixtures_dir / "prompts" / "shop.jinja"

    assert said(path, goods="tea", tone="kind", name="Ada") == "You sell tea. Be kind. Never shout, Ada."


def test_macros_are_imported(prompts, said):
    path = prompts(
        main="{% from 'macros.jinja' import listed %}{{ listed(things) }}",
        macros="{% macro listed(things) %}{% for thing in things %}- {{ thing }}\n{% endfor %}{% endmacro %}",
    )

    assert said(path, things=["<a>", "b"]) == "- <a>\n- b\n"


def test_a_file_extends_another(prompts, said):
    path = prompts(
        main="{% extends 'base.jinja' %}{% block task %}Add {{ a }}.{% endblock %}",
        base="You calculate. {% block task %}{% endblock %}",
    )

    assert said(path, a=1) == "You calculate. Add 1."


def test_what_is_included_is_read_when_the_template_is_built(prompts, play, answering, tmp_path, monkeypatch):
    prompts(main="{% include 'tone.jinja' %}", tone="then")
    monkeypatch.chdir(tmp_path)
    template = SystemTemplate(Path("main.jinja"))

    (tmp_path / "tone.jinja").write_text("now", encoding="utf-8")
    monkeypatch.chdir("/")

    assert play(Runner(answering()), template=template).last.content == "then"
    assert play(Runner(answering()), template=SystemTemplate(tmp_path / "main.jinja")).last.content == "now"


def test_an_error_in_an_included_file_shows_that_file(prompts, said, tmp_path):
    path = prompts(main="first\n{% include 'tone.jinja' %}", tone="a\nb\nBe {{ tnoe }}.")

    with pytest.raises(RenderingError) as caught:
        said(path, tone="kind")

    assert str(caught.value).splitlines() == [
        "template 'system' cannot be rendered: 'tnoe' is undefined",
        f"  {tmp_path / 'tone.jinja'}, line 3",
        "    Be {{ tnoe }}.",
        "          ^",
        "  names at hand: tone, session",
    ]


def test_a_syntax_error_in_an_included_file_shows_itself_when_the_template_is_built(prompts, tmp_path):
    path = prompts(main="{% include 'one.jinja' %}", one="{% include 'two.jinja' %}", two="fine\n{% endfor %}")

    with pytest.raises(RenderingError, match="rules") as caught:
        SystemTemplate(path, template_id="rules")

    assert (caught.value.source, caught.value.line) == (str(tmp_path / "two.jinja"), 2)


def test_a_missing_part_shows_itself_when_the_template_is_built(prompts):
    path = prompts(main="Hello\n{% include 'nope.jinja' %}")

    with pytest.raises(RenderingError, match=r"'nope\.jinja' is not found: what a file includes lies beside") as caught:
        SystemTemplate(path)

    assert (caught.value.source, caught.value.line) == (str(path), 2)
    assert "{% include 'nope.jinja' %}" in str(caught.value)


def test_what_may_be_missing_may_be_missing(prompts, said):
    path = prompts(
        main="{% include 'nope.jinja' ignore missing %}{% include ['nope.jinja', 'tone.jinja'] %}", tone="kind"
    )

    assert said(path) == "kind"


@pytest.mark.parametrize("name", ["../secret.jinja", "/etc/hostname", "parts/../../secret.jinja"])
def test_nothing_outside_of_the_folder_is_included(prompts, name, tmp_path):
    (tmp_path / "secret.jinja").write_text("secret", encoding="utf-8")
    prompts(inner__main="{% include '" + name + "' %}")

    with pytest.raises(RenderingError, match="is not found"):
        SystemTemplate(tmp_path / "inner" / "main.jinja")


def test_a_literal_cannot_include_and_says_what_can():
    with pytest.raises(RenderingError, match=r"only a text in a file, content=Path\(\.\.\.\), includes others"):
        SystemTemplate("{% include 'tone.jinja' %}")


def test_a_file_may_include_itself(prompts, said):
    path = prompts(main="{{ n }}{% if n %}{% set n = n - 1 %}{% include 'main.jinja' %}{% endif %}")

    assert said(path, n=2) == "210"
    assert SystemTemplate(path).variables == {"n"}


@pytest.mark.parametrize(
    ("text", "variables"),
    [
        ("plain", set()),
        ("{{ name }} {{ user.name }} {{ things[key] }}", {"name", "user", "things", "key"}),
        ("{{ tone | default('kind') }}{% if shout is defined %}!{% endif %}", {"tone", "shout"}),
        ("{% for thing in things %}{{ thing }}{{ loop.index }}{% endfor %}{% set a = b %}{{ a }}", {"things", "b"}),
        ("{{ session.last.content }}{% for n in range(3) %}{{ n }}{% endfor %}", set()),
    ],
)
def test_a_template_lists_the_variables_that_its_text_looks_up(text, variables):
    assert SystemTemplate(text).variables == variables
    assert EndTemplate(text).variables == variables
    assert AssistantTemplate(text).variables == variables


def test_a_text_that_is_no_jinja_needs_nothing():
    assert SystemTemplate("{{ name }}", disable_jinja=True).variables == frozenset()


def test_variables_of_included_files_count_and_those_of_imported_ones_do_not(prompts):
    path = prompts(
        main="{% set b = 1 %}{% include 'part.jinja' %}{% from 'macros.jinja' import shout %}{{ shout(c) }}",
        part="{{ a }} {{ b }}",
        macros="{% macro shout(x) %}{{ x }}{{ unseen | default('') }}{% endmacro %}",
    )

    assert SystemTemplate(path).variables == {"a", "c"}


def test_a_tree_lists_the_variables_of_all_its_texts():
    tree = LinearTemplate(
        [
            SystemTemplate("{{ tone }}"),
            LoopTemplate(
                [UserTemplate(), IfTemplate(says_goodbye, EndTemplate("Bye, {{ name }}."))], exit_loop_count=1
            ),
            SubroutineTemplate(UserTemplate("{{ question }}")),
            AssistantTemplate(),
        ]
    )

    assert tree.variables == {"tone", "name", "question"}
