"""Whatever stands in a file or in a text, reading it ends in an error of the project's own family, or in a value.

Valid documents are damaged: parts are cut out, repeated, moved and replaced by what others have broken readers with. In
the suite this takes seconds; ``pytest tests/test_fuzz.py --hypothesis-profile=fuzz`` tries 200 times as many.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import date
from itertools import count
from pathlib import Path
from time import process_time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon import (
    LinearTemplate,
    LoopTemplate,
    Message,
    Model,
    Reply,
    Runner,
    Session,
    SystemTemplate,
    ToolCall,
    ToolingTemplate,
    Usage,
    UserTemplate,
)
from antiphon.errors import AntiphonError
from antiphon.saving import resumed, save
from antiphon.texts import DEFAULT
from pytest_templates.cassettes.format.vcr_import import load_vcr
from pytest_templates.cassettes.storage.store import load_cassette
from pytest_templates.commands.cassettes_show import show
from pytest_templates.commands.compare import compare
from pytest_templates.commands.coverage import report as report_coverage
from pytest_templates.lock.file import read_lock
from pytest_templates.scripting.files import load_script

SECONDS = 10  # of processor time, for one file; most take milliseconds
ROOT = Path(__file__).parents[1]
HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u200b]")

NASTY = [
    *("[" * 2000, "{" * 2000, "- " * 2000, '{"a":' * 2000, "".join(f"{' ' * depth}a:\n" for depth in range(300))),
    *("9" * 400, "9" * 5000, "-1", "1e400", "1.0e+400", ".inf", "-.inf", ".nan", "NaN", "Infinity", "1e-400", "0x10"),
    *(
        "\0",
        "\x1b[2J",
        "\r",
        "\n",
        "\t",
        "\x85",
        "\u2028",
        "\u202e",
        "\ufeff",
        "\ud800",
        "\\ud800",
        "\\u0000",
        "é",
        "😀",
    ),
    *(
        "&a [*a]",
        "&a",
        "*a",
        "<<: *a",
        "!!python/object/apply:os.system [x]",
        "!!binary x",
        "!!set {a}",
        "!!int x",
        "!x",
    ),
    *(
        "null",
        "true",
        "~",
        "{}",
        "[]",
        '""',
        "''",
        '"',
        "'",
        "|",
        ">",
        "? ",
        ": ",
        "#",
        "%",
        "---\n",
        "...\n",
        "@",
        "`",
    ),
    *("2026-01-01", "1:30:00", "<<<<<<< HEAD\n", "=======\n", "con", "../..", "/dev/zero", "a" * 5000, "=", "."),
    *(
        "{{",
        "}}",
        "{%",
        "%}",
        "{#",
        "{% for x in session %}",
        "{% endfor %}",
        "{% macro f() %}",
        "{% endmacro %}",
        "f()",
    ),
    *(
        "{% set x = session %}",
        "{% if x %}",
        "{% endif %}",
        "| list",
        "| map('last')",
        "* 10**9",
        "** 9**9",
        "~ x",
        "[::-1]",
    ),
    *(
        "range(10**9)",
        ".format(1)",
        "'%099999999d' % 1",
        "x",
        "session",
        "session.messages",
        ".run",
        ".__class__",
        "(x)",
    ),
    *("| center(10**9)", "| tojson", "| join", "loop(x)", "recursive", "{% include 'x' %}", "namespace(x=1)", "| sort"),
]


def damaged(documents: list[str]) -> st.SearchStrategy[str]:
    """Documents in which some things went wrong."""

    @st.composite
    def build(draw: Any) -> str:
        text = draw(st.sampled_from(documents))
        for _ in range(draw(st.integers(0, 5))):
            start = draw(st.integers(0, len(text)))
            end = draw(st.integers(start, min(len(text), start + 200)))
            put = draw(
                st.sampled_from(["", text[start:end] * 2, text[: end - start]])
                | st.sampled_from(NASTY)
                | st.text(max_size=9)
            )
            text = text[:start] + put + text[end:]
        return text

    @st.composite
    def build_by_words(draw: Any) -> str:
        words = re.split(r"(\s+|[\[\]{},:\"'|])", draw(st.sampled_from(documents)))
        for _ in range(draw(st.integers(1, 4))):
            words[draw(st.integers(0, len(words) - 1))] = draw(st.sampled_from([*NASTY, *words[:50]]))
        return "".join(words)

    return build() | build_by_words()


def files(*patterns: str) -> list[str]:
    return [
        path.read_text(encoding="utf-8", errors="replace")
        for pattern in patterns
        for path in sorted(ROOT.glob(pattern))
    ]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz") / "file"


def refusal(file: Path, read: Callable[[Path], object]) -> AntiphonError | None:
    try:
        read(file)
    except AntiphonError as error:
        return error
    return None


def check(file: Path, content: str, read: Callable[[Path], object]) -> None:
    """Nothing but an error of ours, in time, of a few lines, with nothing hidden in it."""
    file.write_bytes(content.encode("utf-8", "surrogatepass"))
    begun = process_time()
    error = refusal(file, read)
    if error is not None:
        assert not isinstance(error.__cause__, MemoryError)
        assert len(str(error)) < 20_000, str(error)[:1000]
        assert not HIDDEN.search(str(error)), ascii(str(error))
    assert process_time() - begun < SECONDS


@given(
    content=damaged([text for text in files("docs/cassettes/**/*.yaml", "fixtures/damaged/*.yaml") if len(text) < 9000])
)
def test_cassettes(file: Path, content: str) -> None:
    check(file, content, load_cassette)
    check(file, content, lambda path: show(path, None, lambda line: None, full=True))


@given(content=damaged(files("fixtures/vcrpy/*.yaml")))
def test_cassettes_of_other_recorders(file: Path, content: str) -> None:
    check(file, content, load_vcr)


@given(content=damaged(files("fixtures/scripts/*.yaml", "pytest_templates/demo/desk/fixtures/*.yaml")))
def test_scripts(file: Path, content: str) -> None:
    check(file, content, load_script)


@given(content=damaged(files("pytest_templates/demo/desk/templates.lock")))
def test_locks(file: Path, content: str) -> None:
    check(file, content, read_lock)


def sessions() -> Iterator[str]:
    message = Message(role="assistant", content="Hi", metadata={"a": [1, {"b": 2.5}]}, template_path="a/b", model="m")
    yield Session(
        messages=[message, message], metadata={"name": "Ada", "nested": {"deep": [1, None, True]}}
    ).model_dump_json()
    yield from files("fixtures/conversations/*.json")


class Patient(Model):
    """Asks for a tool, and tells what it said."""

    def _send(self, session: Session) -> Reply:
        if session.last.role == "tool":
            return Reply("Well.", usage=Usage(input_tokens=3))
        return Reply("", tool_calls=[ToolCall(id="1", name="look", arguments={"at": (1, 2)})])


def look(at: list[int]) -> str:
    """Looks at something."""
    return str(at)


CHAT = LinearTemplate([UserTemplate(), ToolingTemplate([look]), LoopTemplate([UserTemplate(description="You")])])


def waiting_sessions() -> Iterator[str]:
    session = Session(metadata={"due": date(2026, 3, 1)})
    for answer in (None, "Hello.", "Well?"):
        yield Runner(Patient(), template=CHAT).advance(session, answer).model_dump_json(indent=1)


@given(content=damaged(list(waiting_sessions())))
def test_sessions_that_wait(file: Path, content: str) -> None:
    def go_on(path: Path) -> None:
        session = resumed(path)
        Runner(Patient(), template=CHAT).advance(session, None if session.waiting_for is None else "Hm.")

    check(file, content, go_on)


@given(content=damaged(list(sessions())))
def test_sessions(file: Path, content: str) -> None:
    check(file, content, lambda path: save(resumed(path), path.with_name("saved")))


REPORTS = files("docs/reports/*.json")


@given(content=damaged([json.dumps(json.loads(text), indent=1)[:9000] for text in REPORTS] + REPORTS))
def test_reports(file: Path, content: str) -> None:
    good = file.with_name("good")
    good.write_text(REPORTS[0], encoding="utf-8")
    check(file, content, lambda path: compare(good, path, lambda text: None))
    check(file, content, lambda path: report_coverage([path, path], 50, lambda text: None))


class Silent(Model):
    """Is never to be asked."""

    def _send(self, session: Session) -> str:
        raise AssertionError("a text asked a model")


TEXTS = [
    "{% for m in session.messages %}{{ loop.index }} {{ m.role }}: {{ m.content | upper }}\n{% endfor %}{{ x['a'] }}",
    "{% macro f(n) %}{{ n }}{% if n %}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(3) }} {{ x | tojson }}",
    "{% set ns = namespace(t='a') %}{% for i in range(9) %}{% set ns.t = ns.t ~ ns.t %}{% endfor %}{{ ns.t | length }}",
    "{{ '%5d' % 1 }} {{ '{:>5}'.format(2) }} {{ [1, 2] | join(', ') }} {{ (2 ** 8) // 3 }} {{ 'abc'[1:] | center(9) }}",
    "{% if x is mapping and 'a' in x %}{{ x.a | default(1) | string | replace('1', '22') }}{% else %}no{% endif %}",
]


LEAVES = st.sampled_from(
    [
        *(
            "1",
            "0",
            "-1",
            "7",
            "10**9",
            "10**18",
            "3.5",
            "none",
            "true",
            "''",
            "'a'",
            "'ab\\n'",
            "'%09999999d'",
            "'{:>99999999}'",
            "'a b '",
        ),
        *(
            "x",
            "x.a",
            "session",
            "session.messages",
            "session.metadata",
            "session.last",
            "[]",
            "{}",
            "(1, 2)",
            "endless",
            "range(9)",
        ),
        *("range", "dict", "namespace", "joiner", "cycler", "lipsum", "f", "loop", "text", "number", "nothing"),
    ]
)
FILTERS = sorted(set(DEFAULT.sandbox.filters) - {"random"})
TESTS = sorted(set(DEFAULT.sandbox.tests) - {"filter", "test"})
METHODS = sorted(
    {name for kind in (str, bytes, int, list, dict, tuple) for name in dir(kind) if not name.startswith("_")}
    | {"content", "metadata"}
)


def combined(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Larger expressions of smaller ones."""
    some = st.lists(inner, max_size=2).map(", ".join)
    operators = st.sampled_from(["+", "-", "*", "/", "//", "%", "**", "~", "==", "<", "in", "not in", "and", "or"])
    return st.one_of(
        st.builds("({} {} {})".format, inner, operators, inner),
        st.builds("({} | {}({}))".format, inner, st.sampled_from(FILTERS), some),
        st.builds("({}).{}({})".format, inner, st.sampled_from(METHODS), some),
        st.builds("({} is {}({}))".format, inner, st.sampled_from(TESTS), some),
        st.builds("({} | map('{}'))".format, inner, st.sampled_from(FILTERS)),
        st.builds("({})[{}:{}]".format, inner, inner, inner),
        st.builds("({})[{}]".format, inner, inner),
        st.builds("({})({})".format, inner, some),
        st.builds("({})(*{}, **{})".format, inner, inner, inner),
        st.builds("({} if {} else {})".format, inner, inner, inner),
        st.builds("[{}]".format, some),
        st.builds("{{'a': {}, 'b': {}}}".format, inner, inner),
    )


EXPRESSIONS = st.recursive(LEAVES, combined, max_leaves=12)


OPENED = "{{% set n = namespace(a={}) %}}{{% for i in range(60) %}}"


def nested(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Larger texts of smaller ones."""
    filters, operators = st.sampled_from(FILTERS), st.sampled_from(["+", "*", "~", "%"])
    return st.one_of(
        st.builds("{{% for v in {} %}}{}{{% endfor %}}".format, EXPRESSIONS, inner),
        st.builds(
            "{{% for v in {} recursive %}}{}{{{{ loop({}) }}}}{{% endfor %}}".format, EXPRESSIONS, inner, EXPRESSIONS
        ),
        st.builds("{{% if {} %}}{}{{% endif %}}".format, EXPRESSIONS, inner),
        st.builds("{{% set x = {} %}}{}".format, EXPRESSIONS, inner),
        st.builds("{{% set text %}}{}{{% endset %}}{}".format, inner, inner),
        st.builds("{{% macro f(a, b) %}}{}{{% endmacro %}}{}".format, inner, inner),
        st.builds("{{% filter {} %}}{}{{% endfilter %}}".format, st.sampled_from(FILTERS), inner),
        st.builds(
            (OPENED + "{{% set n.a = [n.a, n.a] %}}{{% endfor %}}{{{{ n.a | {} }}}}").format, EXPRESSIONS, filters
        ),
        st.builds((OPENED + "{{% set n.a = n.a {} n.a %}}{{% endfor %}}").format, EXPRESSIONS, operators),
        st.builds("{}{}".format, inner, inner),
    )


PROGRAMS = st.recursive(st.builds("{{{{ {} }}}}".format, EXPRESSIONS), nested, max_leaves=6)


@given(content=damaged(TEXTS) | PROGRAMS)
def test_texts_of_templates(file: Path, content: str) -> None:
    def render(path: Path) -> None:
        text = path.read_bytes().decode("utf-8", "surrogatepass")
        given = {"x": {"a": 1, "b": [1, 2]}, "endless": count(), "text": "word " * 9, "number": 12}
        session = Session(messages=[Message(role="user", content="Hi")], metadata=given)
        Runner(Silent(), template=LinearTemplate([SystemTemplate(text)])).run(session)

    check(file, content, render)
