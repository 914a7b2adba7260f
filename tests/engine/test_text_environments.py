"""Filters, tests and globals of a program's own; and texts that are written in many places, which are compiled once."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from time import process_time

import jinja2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon import (
    AssistantTemplate,
    EndTemplate,
    LinearTemplate,
    MessageTemplate,
    Runner,
    Session,
    SubroutineTemplate,
    SystemTemplate,
    UserTemplate,
)
from antiphon.drawing import as_text
from antiphon.errors import InvalidType, InvalidValue, RenderingError
from antiphon.texts import environment


def euros(cents: int, sign: str = "€") -> str:
    return f"{cents / 100:.2f} {sign}"


PROMPTS = environment(
    filters={"euros": euros},
    tests={"dear": lambda cents: cents > 1000},
    globals={"shop": "Fruit & Co", "twice": lambda text: text * 2},
)


@pytest.fixture
def said(play, answering):
    """What a text says, given some metadata."""
    return lambda content, **metadata: (
        play(Runner(answering()), Session(metadata=metadata), template=SystemTemplate(content)).last.content
    )


def test_a_text_uses_what_its_environment_knows(said):
    text = PROMPTS("{{ shop }}: {{ price | euros }}{% if price is dear %}!{% endif %} {{ twice('ab') }}")

    assert said(text, price=1250) == "Fruit & Co: 12.50 €! abab"


def test_own_functions_work_wherever_built_in_ones_do(said):
    text = PROMPTS("{{ prices | map('euros', sign='EUR') | join(', ') }} {{ prices | select('dear') | list }}")

    assert said(text, prices=[100, 2000]) == "1.00 EUR, 20.00 EUR [2000]"


WITH_CONTENT = [
    SystemTemplate,
    UserTemplate,
    AssistantTemplate,
    EndTemplate,
    lambda content: MessageTemplate(content, "tool"),
    lambda content: SubroutineTemplate(SystemTemplate(content)),
]


@pytest.mark.parametrize("kind", WITH_CONTENT)
def test_every_template_with_a_content_takes_it(kind, play, answering):
    session = Session(metadata={"price": 199})

    assert play(Runner(answering()), session, template=kind(PROMPTS("{{ price | euros }}"))).last.content == "1.99 €"


def test_files_and_what_they_include_and_import_use_it_too(said, tmp_path):
    (tmp_path / "main.jinja").write_text(
        "{% from 'macros.jinja' import listed %}{{ listed(prices) }}{% include 'part.jinja' %}", encoding="utf-8"
    )
    (tmp_path / "part.jinja").write_text("at {{ shop }}", encoding="utf-8")
    macros = "{% macro listed(prices) %}{% for one in prices %}{{ one | euros }} {{ shop }}, {% endfor %}{% endmacro %}"
    (tmp_path / "macros.jinja").write_text(macros, encoding="utf-8")

    assert said(PROMPTS(tmp_path / "main.jinja"), prices=[100]) == "1.00 € Fruit & Co, at Fruit & Co"


def test_metadata_go_before_globals(said):
    assert said(PROMPTS("{{ shop }}"), shop="Tea House") == "Tea House"


def test_globals_are_no_variables_that_a_template_needs():
    assert SystemTemplate(PROMPTS("{{ shop }} {{ name }} {{ twice(word) }}")).variables == {"name", "word"}


def test_block_tags_leave_no_line_breaks_and_no_spaces_where_that_is_wished(said):
    text = "Fruit:\n  {% for one in fruit %}\n- {{ one }}\n  {% endfor %}\nBye"

    assert said(text, fruit=["fig"]) == "Fruit:\n  \n- fig\n  \nBye"
    assert said(environment(trim_blocks=True)(text), fruit=["fig"]) == "Fruit:\n  - fig\n  Bye"
    assert said(environment(trim_blocks=True, lstrip_blocks=True)(text), fruit=["fig"]) == "Fruit:\n- fig\nBye"


def test_what_one_environment_knows_no_other_does(said):
    greeting = environment(filters={"greeting": lambda name: f"Hello {name}"}, globals={"shop": "Tea House"})

    assert said(greeting("{{ shop }} {{ 'Ada' | greeting }}")) == "Tea House Hello Ada"
    for text in (PROMPTS("{{ 'Ada' | greeting }}"), "{{ 'Ada' | greeting }}"):
        with pytest.raises(RenderingError, match="No filter named 'greeting'"):
            SystemTemplate(text)
    with pytest.raises(RenderingError, match="'shop' is undefined"):
        said("{{ shop }}")


def test_an_environment_does_not_change_with_what_it_was_made_of(said):
    filters = {"loud": str.upper}
    prompts = environment(filters=filters)
    filters["loud"] = str.lower
    filters["late"] = str.lower

    assert said(prompts("{{ 'Ab' | loud }}")) == "AB"
    with pytest.raises(RenderingError, match="No filter named 'late'"):
        SystemTemplate(prompts("{{ 'Ab' | late }}"))


def test_an_own_function_that_has_only_constants_to_work_on_is_asked_whenever_the_text_is_said(said):
    asked: list[str] = []

    @jinja2.pass_context
    def noted(context: jinja2.runtime.Context, word: str) -> str:
        asked.append(word)
        return f"{word}{len(asked)} of {context['name']}"

    text = environment(filters={"noted": noted}, tests={"new": lambda _: len(asked) > 1})(
        "{{ 'a' | noted }}{{ 1 is new }}"
    )

    assert [said(text, name="Ada"), said(text, name="Bob")] == ["a1 of AdaFalse", "a2 of BobTrue"]


def test_an_error_of_an_own_function_names_the_template_and_the_line(play, answering):
    def upset(value: object) -> str:
        raise KeyError(f"no price of {value}")

    prompts = environment(filters={"upset": upset}, tests={"upset": upset}, globals={"upset": upset})
    for line in ("{{ 'figs' | upset }}", "{% if 'figs' is upset %}{% endif %}", "{{ upset('figs') }}"):
        tree = LinearTemplate([SystemTemplate(prompts(f"first\n{line}"), template_id="rules")], template_id="shop")
        with pytest.raises(RenderingError, match="'shop/rules' cannot be rendered: KeyError: 'no price") as caught:
            play(Runner(answering()), template=tree)

        assert (caught.value.line, caught.value.source) == (2, "literal")
        assert isinstance(caught.value.__cause__, KeyError)


def test_own_functions_are_in_the_sandbox(said, answering):
    prompts = environment(filters={"runner_of": lambda session: session.runner, "much": lambda _: "x" * 60_000_000})

    for text in ("{{ (session | runner_of).model }}", "{{ session | runner_of }}", "{{ 1 | much }}{{ 2 | much }}"):
        with pytest.raises(RenderingError):
            said(prompts(text))
    with pytest.raises(RenderingError):
        said(prompts("{{ session.runner }}"))


def nothing(value: object) -> object:
    return value


async def waiting(value: object) -> object:
    return value


class AsyncCallable:
    async def __call__(self, value: object) -> object:
        return value


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"filters": {"upper": nothing}}, r"filters\['upper'\] has a meaning in every text already"),
        ({"tests": {"defined": nothing}}, r"tests\['defined'\] has a meaning"),
        ({"tests": {"==": nothing}}, r"tests\['=='\] has a meaning"),
        ({"globals": {"session": 1}}, r"globals\['session'\] has a meaning"),
        ({"globals": {"range": nothing}}, r"globals\['range'\] has a meaning"),
        ({"globals": {"loop": nothing}}, r"globals\['loop'\] has a meaning"),
        ({"globals": {"true": nothing}}, r"globals\['true'\] is no name that a text can say"),
        ({"globals": {"a.b": nothing}}, r"globals\['a\.b'\] is no name"),
        ({"filters": {"in euros": nothing}}, r"filters\['in euros'\] is no name"),
        ({"filters": {"": nothing}}, r"filters\[''\] is no name"),
        ({"tests": {"a(1)": nothing}}, r"tests\['a\(1\)'\] is no name"),
    ],
)
def test_a_name_that_no_text_can_say_or_that_means_something_is_refused(options, reason):
    with pytest.raises(InvalidValue, match=reason):
        environment(**options)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"filters": {"euros": "12"}}, r"filters\['euros'\] takes a function, not str: '12'"),
        ({"tests": {"dear": None}}, r"tests\['dear'\] takes a function, not NoneType"),
        ({"filters": {"euros": waiting}}, r"filters\['euros'\] takes a plain function, since no text waits"),
        ({"tests": {"dear": AsyncCallable()}}, r"tests\['dear'\] takes a plain function"),
        ({"globals": {"rate": waiting}}, r"globals\['rate'\] takes a plain function"),
        ({"filters": [nothing]}, "filters takes a dict, from names to what they mean, not list"),
        ({"globals": {1: nothing}}, "globals are given by name, and 1 is no text"),
        ({"trim_blocks": "yes"}, "trim_blocks is true or false, not str: 'yes'"),
    ],
)
def test_what_is_no_plain_function_is_refused(options, reason):
    with pytest.raises(InvalidType, match=reason):
        environment(**options)


@pytest.mark.parametrize("wrong", [42, None, b"bytes", ["text"], PROMPTS("x")])
def test_an_environment_takes_texts_and_files(wrong):
    with pytest.raises(InvalidType, match="content "):
        PROMPTS(wrong)


def test_the_content_is_kept_as_it_was_given_and_drawn_by_its_file(tmp_path):
    path = tmp_path / "offer.jinja"
    path.write_text("{{ price | euros }}", encoding="utf-8")
    content = PROMPTS(path)

    assert SystemTemplate(content).content == content == PROMPTS(path)
    assert UserTemplate(content).content == content
    assert as_text(SystemTemplate(content)) == "system (system)  says offer.jinja · needs price"


def details(template: SystemTemplate) -> tuple[object, ...]:
    return next(fact.details for fact in template.facts() if fact.text is not None)


def test_the_lock_is_told_what_an_environment_brings_into_a_text():
    trimming = environment(globals={"shop": "Fruit & Co", "sum_of": sum}, trim_blocks=True)

    assert details(SystemTemplate(PROMPTS("{{ price | euros }}"))) == ()
    assert details(SystemTemplate(PROMPTS("{{ shop }}{{ twice('a') }}"))) == ({"shop": "Fruit & Co"},)
    assert details(SystemTemplate(trimming("{{ sum_of(list) }}"))) == ("trim_blocks",)
    assert details(SystemTemplate(trimming("plain"))) == ()


# What is said of mistakes


def test_an_environment_that_was_not_called_says_how_it_is():
    with pytest.raises(InvalidType, match=r'content is what an environment makes of a text: call it, as in prompts\("'):
        SystemTemplate(PROMPTS)


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("{{ 1 | dollars }}", "filters={'dollars': ...}"),
        ("{% if 1 is cheap %}{% endif %}", "tests={'cheap': ...}"),
        (
            "{{ 1 | dollars | upper | cents }}{{ 1 is cheap }}",
            "filters={'cents': ..., 'dollars': ...}, tests={'cheap': ...}",
        ),
        ("{% if a %}{{ 1 | dollars }}{% endif %}", "filters={'dollars': ...}"),
    ],
)
def test_a_filter_that_is_not_known_is_given_by_an_environment(text, made, said):
    for content in (text, PROMPTS(text)):
        with pytest.raises(RenderingError) as caught:
            said(content, a=1)

        assert f"\n  a program gives its own: prompts = antiphon.texts.environment({made}), then" in str(caught.value)


def test_a_file_that_is_included_names_its_unknown_filter(said, tmp_path):
    (tmp_path / "main.jinja").write_text("{% include 'part.jinja' %}", encoding="utf-8")
    (tmp_path / "part.jinja").write_text("{{ 1 | dollars }}", encoding="utf-8")

    with pytest.raises(RenderingError, match=r"environment\(filters=\{'dollars': \.\.\.\}\)"):
        said(tmp_path / "main.jinja")


def test_a_text_that_cannot_be_read_at_all_says_why(said):
    with pytest.raises(RenderingError, match="names starting with an underline can not be imported"):
        said("{% from 'a.jinja' import _b %}")


def test_names_at_hand_are_also_those_of_the_environment(said):
    with pytest.raises(RenderingError, match=r"'hsop' is undefined(.|\n)*names at hand: price, shop, twice, session$"):
        said(PROMPTS("{{ hsop }}"), price=1, shop="Other")


# Compiled once


def test_equal_texts_of_an_environment_are_compiled_once():
    text = "".join(f"{{% for a in b{n} %}}{{{{ a.x | upper }}}}{{% endfor %}}" for n in range(60))
    begun = process_time()
    SystemTemplate(text)
    first = process_time() - begun
    begun = process_time()
    for _ in range(100):
        UserTemplate(str(text))

    assert process_time() - begun < first * 20


def test_a_text_that_is_said_by_several_templates_belongs_to_none_of_them(play, answering):
    text = "{{ nope }}"
    trees = [LinearTemplate([SystemTemplate(text, template_id=name)], template_id="t") for name in ("one", "two")]

    for name, tree in zip(("one", "two"), trees, strict=True):
        with pytest.raises(
            RenderingError, match=f"template 't/{name}' cannot be rendered: 'nope' is undefined"
        ) as caught:
            play(Runner(answering()), Session(metadata={name: 1}), template=tree)
        assert str(caught.value).endswith(f"names at hand: {name}, session")


def test_a_mistake_in_a_text_shows_itself_in_every_template_that_says_it():
    for name in ("one", "two"):
        with pytest.raises(RenderingError, match=f"template '{name}' cannot be rendered"):
            SystemTemplate("{% for %}", template_id=name)


def test_equal_texts_of_two_environments_stay_apart(said):
    shops = [environment(globals={"shop": name}) for name in ("one", "two")]

    assert [said(shop("{{ shop }}")) for shop in shops] == ["one", "two"]


def test_a_file_that_changes_is_compiled_anew_and_its_errors_name_it(said, tmp_path):
    one, other = tmp_path / "one.jinja", tmp_path / "other.jinja"
    one.write_text("{{ a }}", encoding="utf-8")
    other.write_text("{{ a }}", encoding="utf-8")
    assert said(one, a=1) == "1"

    for path in (one, other):
        with pytest.raises(RenderingError, match="'a' is undefined") as caught:
            said(path)
        assert caught.value.source == str(path)
    one.write_text("{{ a }}!", encoding="utf-8")

    assert said(one, a=1) == "1!"


def test_a_subclass_of_text_is_taken_for_what_it_holds(said):
    class Sly(str):
        __slots__ = ()

        def __str__(self) -> str:
            return "sly"

    assert said(Sly("{{ 1 + 1 }}")) == "2"
    assert said("{{ 1 + 1 }}") == "2"


def test_threads_and_tasks_share_texts(answering):
    def built_and_said(number: int) -> str:
        tree = LinearTemplate([UserTemplate(PROMPTS("No. {{ n }}: {{ n | euros }}"))])
        return Runner(answering()).run(Session(metadata={"n": number}), template=tree).last.content

    async def all_said() -> list[str]:
        tree = LinearTemplate([UserTemplate(PROMPTS("No. {{ n }}: {{ n | euros }}"))])
        sessions = [Session(metadata={"n": number}) for number in range(20)]
        done = await asyncio.gather(*(Runner(answering()).arun(session, template=tree) for session in sessions))
        return [session.last.content for session in done]

    expected = [f"No. {number}: {number / 100:.2f} €" for number in range(20)]
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(built_and_said, range(20))) == expected
    assert asyncio.run(all_said()) == expected


@given(words=st.lists(st.text(alphabet="ab{}%# \n", max_size=8), max_size=4))
def test_a_text_says_the_same_the_first_time_and_later(words):
    text = "{{ a }}".join(words)

    def outcome() -> str:
        try:
            session = Runner("openai:none").run(Session(metadata={"a": "x"}), template=SystemTemplate(text))
        except RenderingError as error:
            return str(error)
        return session.last.content

    assert outcome() == outcome()
