"""What texts may reach, and how much they may make: a text of a stranger asks no model and takes no machine down."""

from __future__ import annotations

import json
import sys
import tracemalloc
from collections import Counter, OrderedDict, deque
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from itertools import count
from pathlib import Path, PurePosixPath
from time import process_time
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from antiphon import (
    LinearTemplate,
    Message,
    Model,
    Runner,
    Session,
    SystemTemplate,
    ToolCall,
    tool,
)
from antiphon.errors import RenderingError
from antiphon.making import MOST
from antiphon.tool_results import told

LAUGHS = "{% set n = namespace(x=['ha']) %}{% for i in range(60) %}{% set n.x = [n.x, n.x] %}{% endfor %}"
LAUGHS_TWICE = LAUGHS + LAUGHS.replace("set n", "set m").replace("n.x", "m.x")
TUPLES = "{% set n = namespace(x=(1,)) %}{% for i in range(60) %}{% set n.x = (n.x, n.x) %}{% endfor %}"
KEPT = "{% set n = namespace(x=0) %}{% set s = 'a' * 10**6 %}{% for i in range(999) %}"
DOUBLED = "{% set n = namespace(x='a') %}{% for i in range(99) %}"

BOMBS = {
    "range": "{{ range(10**9) | list }}",
    "repeated text": "{{ 'a' * 10**10 }}",
    "repeated the other way": "{{ 10**10 * 'a' }}",
    "repeated bytes": "{{ 'a'.encode() * 10**10 }}",
    "repeated list": "{{ [0] * 10**9 }}",
    "repeated tuple": "{{ (0, 1) * 10**9 }}",
    "repeated Markup": "{{ ('a' | e) * 10**10 }}",
    "power": "{{ 10 ** (10 ** 10) }}",
    "power of powers": "{{ (((9 ** 999) ** 999) ** 999) }}",
    "negative power": "{{ 10 ** -(10 ** 9) ** 3 ** 9 }}",
    "product": "{% set n = namespace(x=9) %}{% for i in range(99) %}{% set n.x = n.x * n.x %}{% endfor %}",
    "percent": "{{ '%0999999999d' % 1 }}",
    "percent, precision": "{{ '%.999999999f' % 1 }}",
    "percent, star": "{{ '%*d' % (10**10, 1) }}",
    "percent, precision by star": "{{ '%.*f' % (10**10, 1) }}",
    "percent, named": "{{ '%(a)0999999999d' % {'a': 1} }}",
    "percent, brackets in brackets": "{{ '%((a))0999999999d' % {'(a)': 1} }}",
    "percent, many": "{{ ('%099999999d' * 9) % (1, 2, 3, 4, 5, 6, 7, 8, 9) }}",
    "percent, bytes": "{{ '%0999999999d'.encode() % 1 }}",
    "percent of much": "{{ ('%(a)s' * 10000) % {'a': 'a' * 100000} }}",
    "percent of more digits than a number has": "{{ ('%0' ~ '9' * 5000 ~ 'd') % 1 }}",
    "filter format": "{{ '%0999999999d' | format(1) }}",
    "filter format, named": "{{ '%(a)0999999999d' | format(a=1) }}",
    "format": "{{ '{:>9999999999}'.format(1) }}",
    "format, precision": "{{ '{:.9999999999f}'.format(1.5) }}",
    "format, of a text": "{{ '{:>9999999999}'.format('x') }}",
    "format, nested": "{{ '{:{}}'.format(1, 10**10) }}",
    "format, many": "{{ ('{0:99999999}' * 9).format(1) }}",
    "format, of much": "{{ ('{0}' * 10000).format('a' * 100000) }}",
    "format_map": "{{ '{a:>9999999999}'.format_map({'a': 1}) }}",
    "format of Markup": "{{ ('{:>9999999999}' | e).format(1) }}",
    "format, by attr": "{{ ('{:>9999999999}' | attr('format'))(1) }}",
    "center": "{{ 'x' | center(10**10) }}",
    "center, mapped": "{{ ['x'] | map('center', 10**10) | list }}",
    "center, the method": "{{ 'x'.center(10**10) }}",
    "ljust": "{{ 'x'.ljust(10**10, '.') }}",
    "rjust": "{{ 'x'.rjust(10**10) }}",
    "zfill": "{{ 'x'.zfill(10**10) }}",
    "zfill of bytes": "{{ 'x'.encode().zfill(10**10) }}",
    "expandtabs": "{{ ('\t' * 1000).expandtabs(10**9) }}",
    "translate": "{{ ('a' * 10**6).translate({97: 'b' * 10**6}) }}",
    "indent": "{{ 'a\\nb' | indent(10**10) }}",
    "indent by a text": "{{ ('\\n' * 10**5) | indent('x' * 10**5) }}",
    "replace": "{{ ('a' * 10**6) | replace('a', 'b' * 10**6) }}",
    "replace, the method": "{{ ('a' * 10**6).replace('a', 'b' * 10**6) }}",
    "replace of bytes": "{{ ('a' * 10**6).encode().replace('a'.encode(), ('b' * 10**6).encode()) }}",
    "replace nothing": "{{ ('a' * 10**6).replace('', 'b' * 10**6) }}",
    "join": "{{ range(100000) | join('a' * 10**6) }}",
    "join, the method": "{{ ('a' * 10**6).join(['x'] * 10**5) }}",
    "join by attribute": "{{ ([{'a': 'x' * 10**6}] * 10**5) | join(attribute='a') }}",
    "wordwrap": "{{ ('a' * 10**6) | wordwrap(1, wrapstring='b' * 10**6) }}",
    "escapes": "{{ ('<' * 10**7) | e }}",
    "escapes of addresses": "{{ ('\\U0001f600' * 10**7) | urlencode }}",
    "escapes, the method": "{{ ('\\x00' * 10**7).encode('unicode_escape') }}",
    "batch": "{{ [1] | batch(10**9, 'x') | list }}",
    "slice": "{{ [1] | slice(10**9, 'x') | list }}",
    "round": "{{ 1 | round(-10**9) }}",
    "round up": "{{ 1 | round(10**9, 'ceil') }}",
    "tojson": "{{ [[1]] | tojson(indent=10**10) }}",
    "tojson, indented by a text": "{{ ([[1]] * 10**5) | tojson(indent='x' * 10**6) }}",
    "urlize": "{{ ('http://a.b ' * 10**5) | urlize(target='x' * 10**5) }}",
    "sum": "{{ ([[0] * 10**5] * 10**4) | sum(start=[]) }}",
    "to_bytes": "{{ (1).to_bytes(10**10, 'big') }}",
    "lipsum": "{{ lipsum(10**9) }}",
    "lipsum, long": "{{ lipsum(1, min=10**9, max=10**9 + 1) }}",
    "split": "{{ ('a ' * 10**7).split() | length }}",
    "split at": "{{ ('ab' * 10**7).split('a') | length }}",
    "words": "{{ ('a ' * 10**7) | wordcount }}",
    "doubled": DOUBLED + "{% set n.x = n.x + n.x %}{% endfor %}",
    "doubled by ~": DOUBLED + "{% set n.x = n.x ~ n.x %}{% endfor %}",
    "doubled by join": DOUBLED + "{% set n.x = [n.x, n.x] | join %}{% endfor %}",
    "doubled in a block": DOUBLED + "{% set y %}{{ n.x }}{{ n.x }}{% endset %}{% set n.x = y %}{% endfor %}",
    "doubled by a macro": "{% macro twice(x) %}{{ x }}{{ x }}{% endmacro %}"
    + DOUBLED
    + "{% set n.x = twice(n.x) %}{% endfor %}",
    "doubled list": "{% set n = namespace(x=[0]) %}{% for i in range(99) %}{% set n.x = n.x + n.x %}{% endfor %}",
    "laughs": LAUGHS + "{{ n.x }}",
    "laughs by ~": LAUGHS + "{{ n.x ~ '' }}",
    "laughs as JSON": LAUGHS + "{{ n.x | tojson }}",
    "laughs of a dict": "{% set n = namespace(x={}) %}"
    "{% for i in range(60) %}{% set n.x = {1: n.x, 2: n.x} %}{% endfor %}{{ n.x | upper }}",
    "laughs, formatted": LAUGHS + "{{ '{!r}'.format(n.x) }}",
    "laughs, by percent": LAUGHS + "{{ '%s' % n.x }}",
    "laughs, printed": LAUGHS + "{{ n.x | pprint }}",
    "laughs, joined": LAUGHS + "{{ [n.x] | join }}",
    "laughs, compared": LAUGHS_TWICE + "{{ n.x == m.x }}",
    "laughs, compared in a chain": LAUGHS_TWICE + "{{ [] < n.x <= m.x }}",
    "laughs, compared by a test": LAUGHS_TWICE + "{{ n.x is eq(m.x) }}",
    "laughs, chosen by a test": LAUGHS_TWICE + "{{ [n.x] | select('le', m.x) | list | length }}",
    "laughs, looked for": LAUGHS_TWICE + "{{ n.x in [m.x] }}",
    "laughs, looked for by a test": LAUGHS_TWICE + "{{ n.x is in([m.x]) }}",
    "laughs, looked for by a method": LAUGHS_TWICE + "{{ [n.x].index(m.x) }}",
    "laughs, counted": LAUGHS_TWICE + "{{ [n.x].count(m.x) }}",
    "laughs, sorted": LAUGHS_TWICE + "{{ [n.x, m.x] | sort | length }}",
    "laughs, the largest": LAUGHS_TWICE + "{{ [n.x, m.x] | max | length }}",
    "laughs, in groups": LAUGHS_TWICE + "{{ [{'a': n.x}, {'a': m.x}] | groupby('a') | length }}",
    "laughs, told apart by a loop": LAUGHS_TWICE + "{% for a in [n.x, m.x] %}{{ loop.changed(a) }}{% endfor %}",
    "laughs, in capitals": LAUGHS + "{{ n.x is upper }}",
    "laughs, in no capitals": LAUGHS + "{{ [n.x] | select('lower') | list | length }}",
    "tuples, hashed as a key": TUPLES + "{{ {n.x: 1} | length }}",
    "tuples, hashed for an item": TUPLES + "{{ {1: 1}[n.x] }}",
    "tuples, hashed by a method": TUPLES + "{{ {1: 1}.get(n.x) }}",
    "tuples, hashed for a search": TUPLES + "{{ n.x in {1: 1} }}",
    "tuples, hashed as they are told apart": TUPLES + "{{ [n.x] | unique | list | length }}",
    "percent, by odd": "{{ '%0999999999d' is odd }}",
    "percent, by even": "{{ ['%0999999999d'] | select('even') | list }}",
    "percent, by divisibleby": "{{ '%0999999999d' is divisibleby(1) }}",
    "kept slices": KEPT + "{% set n.x = [n.x, s[i:]] %}{% endfor %}",
    "kept capitals": KEPT + "{% set n.x = [n.x, s.upper()] %}{% endfor %}",
    "kept capitals, by the filter": KEPT + "{% set n.x = [n.x, s | upper] %}{% endfor %}",
    "loops in loops": "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
    "said again and again": "{% for a in range(100000) %}{{ 'x' * 10 }}{{ text }}{{ text }}{% endfor %}",
    "an endless list": "{{ endless | list }}",
    "an endless loop": "{% for n in endless %}{{ n }}{% endfor %}",
    "an endless loop in a block": "{% set x %}{% for n in endless %}-{% endfor %}{% endset %}",
    "an endless loop's length": "{% for n in endless %}{{ loop.length }}{% endfor %}",
    "an endless join": "{{ endless | join }}",
    "an endless join, the method": "{{ ''.join(endless) }}",
    "an endless sum": "{{ endless | sum }}",
    "an endless sort": "{{ endless | sort }}",
    "an endless choice": "{{ endless | select('lt', 0) | list }}",
    "an endless search": "{{ -1 in endless }}",
    "an endless search by a test": "{{ -1 is in(endless) }}",
    "an endless search, mapped": "{{ [-1] | reject('in', endless) | list }}",
    "an endless dict": "{{ dict.fromkeys(endless) }}",
    "endless arguments": "{{ dict(*endless) }}",
    "endless cycles": "{{ cycler(*endless) }}",
    "a macro of itself": "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "macros of each other": "{% macro f() %}{{ g() }}{% endmacro %}{% macro g() %}{{ f() }}{% endmacro %}{{ f() }}",
    "a macro twice of itself": "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}"
    "{{ f(60) }}",
    "a recursive loop": "{% for a in [1] recursive %}{{ loop([1]) }}{% endfor %}",
    "a list in a list in a list": "{% set n = namespace(x=[]) %}"
    "{% for i in range(9999) %}{% set n.x = [n.x] %}{% endfor %}{{ n.x }}",
    "brackets": "{{ " + "(" * 10_000 + "1" + ")" * 10_000 + " }}",
    "lists": "{{ " + "[" * 10_000 + "]" * 10_000 + " }}",
    "minuses": "{{ " + "-" * 10_000 + "1 }}",
    "nots": "{{ " + "not " * 10_000 + "1 }}",
    "a sum of many": "{{ 1" + " + x" * 10_000 + " }}",
    "a long chain": "{{ x" + ".a" * 10_000 + " }}",
    "filters": "{{ x" + " | upper" * 10_000 + " }}",
    "ifs": "{% if x %}" * 10_000 + "{% endif %}" * 10_000,
    "loops": "{% for x in [1] %}" * 10_000 + "{% endfor %}" * 10_000,
    "a number of many digits": "{{ " + "9" * 5_000 + " }}",
    "a number of many digits as text": "{{ 7 ** 7000 }}",
}


class Silent(Model):
    """Counts how often it is asked."""

    label = "label-of-the-model"
    asked = 0

    def _send(self, session: Session) -> str:
        Silent.asked += 1
        return "never"


def said(text: str, /, **metadata: Any) -> str:
    session = Session(messages=[Message(role="user", content="Hi")], metadata=metadata)
    return Runner(Silent(), template=LinearTemplate([SystemTemplate(text, template_id="it")])).run(session).last.content


@pytest.mark.parametrize("text", BOMBS.values(), ids=BOMBS)
def test_what_takes_all_memory_or_the_stack_is_refused(text):
    begun = process_time()

    with pytest.raises(RenderingError, match="it' cannot be rendered") as caught:
        said(text, endless=count(), text="x" * 1000, x=1)

    assert caught.value.line in {1, None}
    assert len(str(caught.value)) < 1000
    assert not isinstance(caught.value.__cause__, MemoryError)  # it was not tried
    assert process_time() - begun < 20


WORDS = [f"ab{space}" for space in map(chr, range(sys.maxunicode + 1)) if space.isspace()]
PARTS = [
    "{{ ('ab' * 10**7).split('a') }}",
    "{{ ('a ' * 10**7).split() }}",
    f"{{{{ (words * {MOST // 53 // len(WORDS) + 1}).split() }}}}",  # of three characters and an item: just too many
]


@pytest.mark.parametrize("text", PARTS)
def test_a_list_of_parts_is_paid_before_it_is_made(text: str):
    tracemalloc.start()
    try:
        with pytest.raises(RenderingError, match="makes too much"):
            said(text, words="".join(WORDS))
        assert tracemalloc.get_traced_memory()[1] < 100_000_000
    finally:
        tracemalloc.stop()


INCLUDES = {
    "itself": {"main": "{% include 'main' %}"},
    "each other": {"main": "{% include 'other' %}", "other": "{% include 'main' %}"},
    "twice": {
        "main": "{% set n = 60 %}{% include 'other' %}",
        "other": "{% if n %}{% set n = n - 1 %}{% include 'other' %}{% include 'other' %}{% endif %}",
    },
    "extends itself": {"main": "{% extends 'main' %}"},
    "imports itself": {"main": "{% import 'main' as again %}{{ again }}"},
    "a block in itself": {"main": "{% block a %}{{ self.a() }}{% endblock %}"},
}


@pytest.mark.parametrize("files", INCLUDES.values(), ids=INCLUDES)
def test_files_that_include_themselves_are_refused(files: dict[str, str], tmp_path: Path):
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")

    with pytest.raises(RenderingError, match="cannot be rendered: it "):
        Runner(Silent(), template=SystemTemplate(tmp_path / "main")).run()


def test_the_error_points_to_the_line_that_makes_too_much():
    with pytest.raises(RenderingError, match=r"line 2\n    and \{\{ 'a' \* n \}\}\n        \^\n") as caught:
        said("one\nand {{ 'a' * n }}\nthree", n=10**10)

    assert caught.value.line == 2


def test_one_rendering_may_make_a_long_text_out_of_many_small_ones():
    text = "{% set n = namespace(x='') %}{% for i in range(2000) %}"
    text += "{% set n.x = n.x ~ 'line ' ~ i ~ '\n' %}{% endfor %}{{ n.x }}"

    assert said(text).count("line") == 2000
    assert len(said("{{ document }}{{ document | indent }}", document="word\n" * 1_000_000)) > 9_000_000


def test_every_rendering_has_a_budget_of_its_own():
    text = SystemTemplate("{{ 'a' * half }}")
    tree = LinearTemplate([text, text, text])

    said_by = Runner(Silent(), template=tree).run(Session(metadata={"half": MOST // 3}))

    assert [len(message.content) for message in said_by.messages] == [MOST // 3] * 3


def test_a_text_that_renders_another_goes_on_with_its_own_budget():
    inner = SystemTemplate("{{ 'a' * 30_000_000 }}")

    def render() -> int:
        return len(Runner(Silent(), template=inner).run().last.content)

    with pytest.raises(RenderingError, match="makes too much"):
        said("{% set x = 'a' * 60_000_000 %}{{ render() }}{% set y = 'a' * 60_000_000 %}", render=render)


ALLOWED = {
    "{{ 'ab' * 3 }}": "ababab",
    "{{ [1] * 2 + [3] }}": "[1, 1, 3]",
    "{{ 2 ** 10 }} {{ 2 ** -1 }} {{ 2.5 ** 2 }} {{ (-2) ** 3 }} {{ 1 ** 10**9 }}": "1024 0.5 6.25 -8 1",
    "{{ 7 % 4 }} {{ '%05.1f|%-4s|%d%%' % (3.14159, 'ab', 7) }}": "3 003.1|ab  |7%",
    "{{ '%(a)s-%(b)s' % {'a': 1, 'b': 2} }}": "1-2",
    "{{ '%s of %s' | format('one', 'two') }} {{ '%(a)s' | format(a=1) }}": "one of two 1",
    "{{ '{:>5}|{:,}|{a!r}'.format('x', 12345, a='y') }}": "    x|12,345|'y'",
    "{{ '{a}'.format_map({'a': 1}) }}": "1",
    "{{ 'x' | center(5) }}|{{ 'x'.zfill(3) }}|{{ 'a\tb'.expandtabs(2) }}": "  x  |00x|a b",
    "{{ [3, 1, 2] | sort | join(', ') }} {{ [{'a': 1}, {'a': 2}] | join('-', attribute='a') }}": "1, 2, 3 1-2",
    "{{ 'a b'.split() }} {{ 'a,b'.split(',') }} {{ 'x'.join(['a', 'b']) }}": "['a', 'b'] ['a', 'b'] axb",
    "{{ [1, 2, 3][1:] }} {{ 'abc'[::-1] }}": "[2, 3] cba",
    "{% for a, b in {'x': 1}.items() %}{{ loop.index }}{{ loop.last }}{{ a }}{{ b }}{% endfor %}": "1Truex1",
    "{% for n in numbers %}{{ loop.index }}/{{ loop.length }} {% endfor %}": "1/3 2/3 3/3 ",
    "{% for n in tree recursive %}{{ n.name }}{{ loop(n.inner) }}{% endfor %}": "ab",
    "{{ 2 in numbers }} {{ 9 not in numbers }} {{ 'b' in 'abc' }}": "True True True",
    "{{ 1 < 2 <= 2 != 3 }} {{ 1 < 0 < nothing }} {{ 3 > 2 >= 2 == 2.0 }} {{ [1] == [1] == [2] }}": "True False "
    "True False",
    "{{ [[1], [2]] < [[1], [3]] }} {{ {'a': [1]} == {'a': [1]} }} {{ [1] in [[1]] }}": "True True True",
    "{{ {(1, (2,)): 'a'}[(1, (2,))] }} {{ [(2,), (1,), (2,)] | unique | sort }}": "a [(1,), (2,)]",
    "{{ 3 is odd }} {{ 3 is even }} {{ 6 is divisibleby 3 }} {{ 'AB' is upper }} {{ 'AB' is lower }}": "True False "
    "True True False",
    "{{ 2 is in numbers }} {{ numbers | select('>=', 2) | list }} {{ 'a' is ne 'b' }} {{ 1 is lt 1 }}": "True [2, 3] "
    "True False",
    "{% for n in [1, 1, [1], [1]] %}{{ loop.changed(n) }} {% endfor %}": "True False True False ",
    "{% macro f(a, b=2) %}{{ a }}{{ b }}{{ caller() }}{% endmacro %}{% call f(*[1]) %}!{% endcall %}": "12!",
    "{{ numbers | map('string') | select('ne', '2') | list }} {{ numbers | sum }}": "['1', '3'] 6",
    "{{ {'b': 1, 'a': [2]} | tojson(indent=1) }}": '{\n "a": [\n  2\n ],\n "b": 1\n}',
    "{{ 3.14159 | round(2) }} {{ 'a' ~ 1 ~ [2] ~ none }}": "3.14 a1[2]None",
    "{{ dict(a=1, **{'b': 2}) }} {{ '<' | e }} {{ ('%s' | e) % '<' }}": "{'a': 1, 'b': 2} &lt; &lt;",
    "{% autoescape true %}{{ '<' ~ '>' }}{% endautoescape %}": "&lt;&gt;",
    "{% set x = [1] %}{{ [x, x] }} {{ nested }}": "[[1], [1]] [[...]]",
    "{{ 'one\ntwo' | indent(2) }}|{{ 'a b c' | wordwrap(3) }}": "one\n  two|a b\nc",
    "{{ 'abcdefghijklmn' | truncate(8) }}": "abcde...",
    "{{ (1.5).is_integer() }} {{ (5).bit_length() }} {{ (258).to_bytes(2, 'big').hex() }}": "False 3 0102",
    "{{ lipsum(1, html=false, min=3, max=5) | wordcount > 1 }}": "True",
}


@pytest.mark.parametrize(("text", "expected"), ALLOWED.items())
def test_what_texts_are_written_for_works_as_jinja_has_it(text, expected):
    tree = [{"name": "a", "inner": [{"name": "b", "inner": []}]}]
    nested: list[Any] = []
    nested.append(nested)

    assert said(text, numbers=[1, 2, 3], tree=tree, nested=nested) == expected


class Customer(BaseModel):
    name: str = "Ada"
    schema_: str = "s"

    def validate_name(self) -> str:
        return f"{self.name}, validated"

    def construct(self) -> str:  # type: ignore[override]
        return "a method of its own"


@tool
def today() -> str:
    """Says which day it is."""
    return "Monday"


READABLE = {
    "{{ session.messages[0].content }}{{ session.last.role }}": "Hiuser",
    "{{ session.metadata.a }} {{ session.template_path }}": "1 linear/it",
    "{{ session.get_last_message().content }}": "Hi",
    "{% for key, value in session %}{{ key }} {% endfor %}": "messages metadata ",
    "{{ session.last.model_dump().content }} {{ session.last.tool_calls }} {{ session.last.parsed }}": "Hi () None",
    "{{ customer.name }} {{ customer.validate_name() }}": "Ada Ada, validated",
    "{{ customer.construct() }}": "a method of its own",
    "{{ customer.model_dump_json() }}": '{"name":"Ada","schema_":"s"}',
    "{{ Customer.model_json_schema().title }}": "Customer",
    "{{ today.name }}: {{ today.description }} {{ today() }}": "today: Says which day it is. Monday",
    "{{ today.parameters.type }}": "object",
    "{{ model.name }} {{ template.template_id }}": "Silent named",
    "{{ call.name }} {{ call.arguments.a }} {{ error }}": "look 1 it failed",
}


@pytest.mark.parametrize(("text", "expected"), READABLE.items())
def test_what_a_text_may_read_of_what_the_program_gives_it(text, expected):
    given: dict[str, Any] = {"a": 1, "customer": Customer(), "Customer": Customer, "today": today, "model": Silent()}
    given |= {"template": SystemTemplate("x", template_id="named")}
    given |= {"call": ToolCall(id="1", name="look", arguments={"a": 1})}

    assert said(text, **given, error=RenderingError("it failed")) == expected


PICKLED = "'cos\nsystem\n(S\"exit 1\"\ntR.'.encode()"
OUT_OF_REACH = [
    f"{{{{ session.last.parse_raw({PICKLED}, proto='pickle', allow_pickle=true) }}}}",
    f"{{{{ customer.parse_raw({PICKLED}, proto='pickle', allow_pickle=true) }}}}",
    f"{{{{ Customer.parse_raw({PICKLED}, proto='pickle', allow_pickle=true) }}}}",
    "{{ session.last.parse_file('/etc/hostname') }}",
    "{{ session.last.model_rebuild(force=true) }}",
    "{{ session.last.model_construct }}",
    "{{ customer.model_validate({}) }}",
    "{{ customer.model_copy(update={'name': 1}) }}",
    "{{ session.model_dump() }}",
    "{{ session.runner.model.label }}",
    "{{ runner.model }}",
    "{{ runner.run() }}",
    "{{ runner }}",
    "{{ runner ~ '' }}",
    "{{ runner | string }}",
    "{{ [runner] | join }}",
    "{{ '%s' % runner }}",
    "{{ '{}'.format(runner) }}",
    "{{ '{!r}'.format(runner) }}",
    "{{ '{0.model.label}'.format(runner) }}",
    "{{ runner | attr('model') }}",
    "{{ [runner] | map(attribute='model.label') | list }}",
    "{{ [{'a': runner}] | join(attribute='a.model.label') }}",
    "{{ inner.one[0].model.label }}",
    "{{ model.send(session) }}",
    "{{ model.label }}",
    "{{ model() }}",
    "{{ template.children }}",
    "{{ today.function }}",
    "{{ today.function.__globals__ }}",
    "{{ send(session) }}",
    "{{ send }}",
    "{{ sending() }}",
    "{{ sending.func(session) }}",
    "{{ sending.args[0].runner }}",
    "{{ Runner(model) }}",
    "{{ Runner.run }}",
    "{{ session.messages.picture.__self__ }}",
    "{{ things.intersection_update([]) }}",
    "{{ queue.appendleft(1) }}",
    "{{ queue.rotate(1) }}",
    "{{ ordered.move_to_end('a') }}",
    "{{ counted.subtract('a') }}",
]


@pytest.mark.parametrize("text", OUT_OF_REACH)
def test_what_acts_is_out_of_a_texts_reach(text):
    model = Silent()
    runner = Runner(model, template=SystemTemplate("x"))
    given: dict[str, Any] = {"runner": runner, "model": model, "template": LinearTemplate([SystemTemplate("x")])}
    given |= {"today": today, "customer": Customer(), "Customer": Customer}
    given |= {"Runner": Runner, "inner": {"one": [runner]}}
    given |= {"send": model.send, "sending": partial(model.send, Session(runner=runner))}
    held: dict[str, Any] = {"things": {1}, "queue": deque([1, 2])}
    held |= {"ordered": OrderedDict(a=1, b=2), "counted": Counter("aab")}
    before = repr(held)

    with pytest.raises(RenderingError) as caught:
        said(text, **given, **held)

    assert repr(held) == before
    assert Silent.asked == 0
    assert "label-of-the-model" not in str(caught.value)


REACHING = [
    "{{ session.%s }}",
    "{{ session['%s'] }}",
    "{{ session | attr('%s') }}",
    "{{ '{0.%s}'.format(session) }}",
    "{{ '{a.%s}'.format_map({'a': session}) }}",
    "{{ [session] | map(attribute='%s') | join }}",
    "{{ [session] | map('attr', '%s') | join }}",
    "{{ [session] | selectattr('%s') | list }}",
    "{{ [session, session] | sort(attribute='%s') }}",
    "{{ [session, session] | groupby('%s') }}",
    "{{ [session] | join(attribute='%s') }}",
    "{{ [session] | sum(attribute='%s') }}",
]


@pytest.mark.parametrize("text", REACHING)
def test_no_way_to_read_an_attribute_reaches_what_a_session_has_beside_what_was_said(text):
    for name in ("runner", "run", "_run", "join", "trace", "history", "__dict__", "model_dump"):
        with pytest.raises(RenderingError) as caught:
            said(text % name)
        assert "label-of-the-model" not in str(caught.value)


GOING_OVER = [
    "{% for part in session %}{{ part }}{% endfor %}",
    "{{ session | list }}",
    "{{ session | map('last') | list }}",
    "{{ session | batch(9) | list }}",
    "{{ session | sort }}",
    "{{ session | string }}",
    "{{ session | pprint }}",
    "{{ session ~ '' }}",
    "{{ '%r' % session }}",
    "{{ dict(session) }}",
    "{{ namespace(session).runner is defined }}",
    "{% set kept = namespace(s=session) %}{{ kept.s }}",
]


@pytest.mark.parametrize("text", GOING_OVER)
def test_going_over_a_session_meets_no_runner(text):
    given = said(text)

    assert "Hi" in given or given == "False"
    assert "runner" not in given.lower()
    assert "Silent" not in given


@pytest.mark.parametrize("text", ["{{ session | tojson }}", "{{ session | items | list }}", "{{ session | xmlattr }}"])
def test_a_session_is_no_dict(text):
    with pytest.raises(RenderingError):
        said(text)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-9, 10**20)
    | st.text(max_size=5)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=30, deadline=None)
@given(value=JSON, indent=st.none() | st.integers(0, 3))
def test_json_is_the_plain_json_of_a_value(value, indent):
    text = said("{{ value | tojson(indent=indent) }}", value=value, indent=indent)

    assert text == json.dumps(value, ensure_ascii=False, sort_keys=True, indent=indent)


def test_json_holds_dates_and_the_like_as_results_of_tools_do():
    value = {
        "dates": [date(2026, 3, 1), datetime(2026, 3, 1, 12, 30, tzinfo=UTC), time(12, 30), timedelta(minutes=5)],
        "price": Decimal("1.10"),
        "id": UUID(int=7),
        "sizes": [{3, 1, 2}, frozenset("ba")],
        "path": PurePosixPath("a/b"),
    }

    assert json.loads(said("{{ value | tojson }}", value=value)) == json.loads(told(value))


class Order(BaseModel):
    number: int = 1


@pytest.mark.parametrize(
    ("text", "value", "reason"),
    [
        ("{{ value | tojson }}", [float("nan")], "ValueError: Out of range float values are not JSON compliant"),
        ("{{ value | tojson }}", float("-inf"), "ValueError: Out of range float values are not JSON compliant"),
        ("{{ value | tojson }}", {"order": Order()}, r"no object of the class 'Order': of one of pydantic put its"),
        ("{{ value | tojson(sort_keys=False) }}", {}, r"TypeError: tojson\(\) got an unexpected keyword .*'sort_keys'"),
    ],
)
def test_what_is_no_json_is_refused(text, value, reason):
    with pytest.raises(RenderingError, match=reason):
        said(text, value=value)


def test_json_is_written_for_models_and_not_for_html():
    value = {"name": "Zo\u00eb \u65e5\u672c \U0001f600", "says": "<b>'Tom' & \"Jerry\"</b>"}

    expected = '{"name": "Zo\u00eb \u65e5\u672c \U0001f600", "says": "<b>\'Tom\' & \\"Jerry\\"</b>"}'
    assert said("{{ value | tojson }}", value=value) == expected
    assert said("{{ (value | tojson) ~ '<' }}{{ (value | tojson) + '<' }}", value=value) == f"{expected}<" * 2


def test_python_goes_over_a_session_without_its_runner_as_well():
    session = Session(metadata={"a": 1}, runner=Runner(Silent(), template=SystemTemplate("x")))

    assert dict(session) == {"messages": [], "metadata": {"a": 1}}
