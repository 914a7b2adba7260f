"""The text of templates, and what is said when it cannot be rendered."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from antiphon import (
    AssistantTemplate,
    EndTemplate,
    LinearTemplate,
    Message,
    Runner,
    Session,
    SystemTemplate,
    UserTemplate,
)
from antiphon.errors import RenderingError


@pytest.fixture
def said(play, answering):
    """What a text says, given some metadata."""
    return lambda content, **metadata: (
        play(Runner(answering()), Session(metadata=metadata), template=SystemTemplate(content)).last.content
    )


@pytest.fixture
def failure(play, answering):
    """The error of a text in a tree, given some metadata."""

    def failure(content, **metadata) -> RenderingError:
        tree = LinearTemplate([SystemTemplate(content, template_id="rules")], template_id="support")
        with pytest.raises(RenderingError) as caught:
            play(Runner(answering()), Session(metadata=metadata), template=tree)
        return caught.value

    return failure


def test_metadata_are_the_variables(said):
    assert said("{{ name }} {{ nested.key }} {{ things[0] }}", name="Ada", nested={"key": 1}, things=[2]) == "Ada 1 2"


def test_the_session_itself_is_a_variable(play, answering):
    session = Session(messages=[Message(role="user", content="Hi")])

    text = "{{ session.last.content }} {{ session.template_path }} {{ session.messages | length }}"
    assert play(Runner(answering()), session, template=SystemTemplate(text)).last.content == "Hi system 1"


def test_a_variable_called_session_does_not_hide_the_session(said):
    assert said("{{ session.messages }}", session="mine") == "[]"


def test_jinjas_own_functions_are_there_and_metadata_go_before_them(said):
    assert said("{% for n in range(3) %}{{ n }}{% endfor %}") == "012"
    assert said("{{ range }}", range="mine") == "mine"


def test_line_breaks_at_the_end_of_a_text_are_kept(said):
    assert said("a {{ 1 }}\n\n") == "a 1\n\n"


def test_a_file_holds_the_text_without_its_last_line_break(said, tmp_path):
    path = tmp_path / "prompt.txt"
    path.write_text("Größe {{ size }}\n\n", encoding="utf-8")

    assert said(path, size=3) == "Größe 3\n"


def test_a_file_is_read_when_the_template_is_built(tmp_path, play, answering):
    path = tmp_path / "prompt.txt"
    path.write_text("then", encoding="utf-8")
    template = SystemTemplate(path)
    path.unlink()

    assert template.content == path
    assert play(Runner(answering()), template=template).last.content == "then"


@pytest.mark.parametrize("made", ["missing", "folder", "latin-1"])
def test_a_file_that_cannot_be_read_is_a_rendering_error_naming_it(made, tmp_path):
    path = tmp_path / "prompt.txt"
    if made == "folder":
        path.mkdir()
    if made == "latin-1":
        path.write_bytes(b"gr\xfc\xdfe")

    with pytest.raises(RenderingError, match=r"template 'rules' cannot be read from .*prompt\.txt") as caught:
        SystemTemplate(path, template_id="rules")

    assert (caught.value.where, caught.value.source) == ("rules", str(path))


@pytest.mark.parametrize("wrong", [42, None, b"bytes", ["text"]])
def test_content_that_is_neither_text_nor_a_path_is_refused(wrong):
    with pytest.raises(TypeError, match=r"content is text or a pathlib\.Path to a file, not"):
        SystemTemplate(wrong)


def test_an_undefined_name_shows_path_line_caret_and_the_names_at_hand(failure):
    error = failure("Hello\nDear {{ nmae }}!", name="Ada", age=3)

    assert str(error).splitlines() == [
        "template 'support/rules' cannot be rendered: 'nmae' is undefined",
        "  literal, line 2",
        "    Dear {{ nmae }}!",
        "            ^",
        "  names at hand: age, name, session",
    ]
    assert (error.where, error.source, error.line) == ("support/rules", "literal", 2)


def test_a_syntax_error_shows_itself_when_the_template_is_built():
    with pytest.raises(RenderingError) as caught:
        SystemTemplate("Hello\n{% for %}", template_id="rules")

    text = str(caught.value).splitlines()
    assert text[0].startswith("template 'rules' cannot be rendered: ")
    assert text[1:] == ["  literal, line 2", "    {% for %}", "    ^"]
    assert (caught.value.where, caught.value.line) == ("rules", 2)


def test_an_error_in_a_file_names_the_file(tmp_path, failure):
    path = tmp_path / "prompt.txt"
    path.write_text("a\nb {{ nope }}\n", encoding="utf-8")

    error = failure(path)

    assert f"\n  {path}, line 2\n    b {{{{ nope }}}}\n" in str(error)
    assert (error.source, error.line) == (str(path), 2)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{{ name.nope }}", "has no attribute 'nope'"),
        ("{{ things[7] }}", "has no element 7"),
        ("{{ 1 / 0 }}", "division by zero"),
        ("{{ name | int + name }}", "unsupported operand"),
        ("{{ things | sum }}", "unsupported operand"),
        ("{{ name() }}", "not callable"),
        ("{% include name %}", "no loader"),
        ("{{ fail() }}", "on purpose"),
        ("{% for x in 5 %}{% endfor %}", "not iterable"),
        ("{{ nope.deep.deeper }}", "'nope' is undefined"),
        ("{% if nope %}{% endif %}", "'nope' is undefined"),
        ("{{ range(100_001) | list }}", "range"),
    ],
)
def test_every_failure_while_rendering_is_a_rendering_error_with_its_line(text, reason, failure):
    def fail() -> None:
        raise KeyError("on purpose")

    error = failure(f"first\n{text}\nlast", name="Ada", things=["a"], fail=fail)

    assert reason in str(error)
    assert (error.line, error.where) == (2, "support/rules")
    assert text in str(error)
    assert error.__cause__ is not None


@pytest.mark.parametrize(
    "text",
    [
        "{{",
        "{{ }}",
        "{% if %}",
        "{{ x | nope }}",
        "{% nope %}",
        "{{ x is nope }}",
        "{% for x in y %}",
        "{{ 'x }}",
        "{# x",
    ],
)
@pytest.mark.parametrize("build", [SystemTemplate, AssistantTemplate, EndTemplate])
def test_every_failure_of_the_syntax_is_a_rendering_error_when_the_template_is_built(build, text):
    with pytest.raises(RenderingError, match="a template without an id cannot be rendered") as caught:
        build(f"first\n{text}")

    assert caught.value.line is not None
    assert caught.value.where is None


@pytest.mark.parametrize(
    "text", ["{% for a in b %}" * 25 + "{% endfor %}" * 25, "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}"]
)
def test_a_text_that_is_nested_too_deeply_is_a_rendering_error(text):
    with pytest.raises(RenderingError):
        SystemTemplate(text)


@pytest.mark.parametrize("separator", ["\u2028", "\x0c", "\x0b", "\x85", "\x1c"])
def test_only_line_breaks_count_as_lines(separator, failure):
    error = failure(f"a{separator}b\nc {{{{ nope }}}}")

    assert error.line == 2
    assert "    c {{ nope }}\n      " in str(error)


@pytest.mark.parametrize("line_break", ["\n", "\r\n", "\r"])
def test_line_breaks_of_every_system_count_as_one(line_break, failure):
    error = failure(f"a{line_break}b{line_break}c {{{{ nope }}}}")

    assert error.line == 3
    assert "\n    c {{ nope }}\n" in str(error)


def test_a_very_long_line_is_shown_around_the_trouble(failure):
    text = "x" * 500 + " {{ nope }} " + "y" * 500

    lines = str(failure(text)).splitlines()

    assert len(lines[2]) <= 110
    assert lines[2][lines[3].index("^") :].startswith("nope")


def test_the_caret_points_at_the_name_also_behind_a_tab(failure):
    lines = str(failure("\tx\t{{ nope }}")).splitlines()

    assert lines[2][lines[3].index("^") :].startswith("nope")


def test_an_error_in_an_end_template_says_where(play, answering):
    with pytest.raises(RenderingError, match="template 'linear/end-1' cannot be rendered"):
        play(Runner(answering()), template=LinearTemplate([EndTemplate("{{ nope }}")]))


def test_text_without_any_brace_is_said_as_it_is(said):
    assert said("100 % # plain") == "100 % # plain"


_VALUES = st.one_of(
    st.text(max_size=8),
    st.integers(),
    st.sampled_from([10**1001, 10**5000, True, None, 1.5, Decimal(3)]),
    st.sampled_from([[1, "a"], {"a": 1, "items": 2}, {"a": {"b": "c"}}]),
)
_NAMES = st.sampled_from(["one", "one.a", "one.items", "one.a.b", "other", "session", "self"])
_PIECES = st.one_of(_NAMES.map("{{{{ {} }}}}".format), st.just("{# note #}"), st.text("ab \n<'é", max_size=3))


@settings(max_examples=60, deadline=None)
@example(["{{ one.items }}"], {"one": {"items": 2}})
@example(["\n", "{{ one }}"], {"one": 10**5000})
@given(st.lists(_PIECES, max_size=6), st.dictionaries(st.sampled_from(["one", "other"]), _VALUES, max_size=2))
def test_a_text_of_names_alone_is_filled_in_as_jinja2_does_it(pieces, metadata):
    text = "".join(pieces)
    outcomes = []
    for written in (text, "{% if true %}" + text + "{% endif %}"):  # the second is left to jinja2
        try:
            outcomes.append([message.content for message in UserTemplate(written).render(Session(metadata=metadata))])
        except RenderingError as error:
            outcomes.append((str(error).splitlines()[0], error.line))
    assert outcomes[0] == outcomes[1]
