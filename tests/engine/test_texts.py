"""Text of users and models is never a template. Clause 7 of what templates with models of their own must do."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from antiphon import (
    AssistantTemplate,
    EndTemplate,
    LinearTemplate,
    LLMSummarizingStrategy,
    Message,
    MessageTemplate,
    Runner,
    Session,
    SubroutineTemplate,
    SystemTemplate,
    UserTemplate,
)
from antiphon.errors import RenderingError

HOSTILE = "{{ 7 * 7 }} {% for x in session.messages %}{{ x }}{% endfor %} {# gone #} {{ session.runner.model }}"


def test_clause_7_what_a_user_says_is_never_rendered(play, saying, answering):
    model = answering()
    tree = LinearTemplate([UserTemplate(), AssistantTemplate()])

    session = play(Runner(model, user_interface=saying(HOSTILE)), template=tree)

    assert session.messages[0].content == HOSTILE
    assert model.heard == [[("user", HOSTILE)]]


def test_clause_7_what_a_model_says_is_never_rendered(play, answering):
    inner = LinearTemplate([UserTemplate("x"), AssistantTemplate()])
    tree = LinearTemplate([UserTemplate("Hi"), AssistantTemplate(), SubroutineTemplate(inner)])

    session = play(Runner(answering(HOSTILE)), template=tree)

    assert [message.content for message in session.messages[1:]] == [HOSTILE, HOSTILE]


def test_clause_7_text_that_stands_in_metadata_or_messages_is_not_rendered_when_a_template_quotes_it(play, answering):
    session = Session(messages=[Message(role="user", content=HOSTILE)], metadata={"text": HOSTILE, "list": [HOSTILE]})
    quoting = SystemTemplate("{{ text }}|{{ list[0] }}|{{ session.last.content }}|{{ text | upper | lower | trim }}")

    said = play(Runner(answering()), session, template=quoting).last.content

    assert said.split("|")[:3] == [HOSTILE] * 3


def test_clause_7_a_default_answer_is_said_as_it_stands(play, answering):
    assert play(Runner(answering()), template=UserTemplate(default=HOSTILE)).last.content == HOSTILE


def test_clause_7_a_conversation_that_a_strategy_shows_to_a_model_is_not_rendered(play, saying, answering):
    model = answering("short")
    tree = SubroutineTemplate(UserTemplate(), squash_strategy=LLMSummarizingStrategy())

    play(Runner(model, user_interface=saying(HOSTILE)), template=tree)

    assert HOSTILE in model.heard[0][0][1]


@settings(max_examples=40, deadline=None)
@given(text=st.text(alphabet="{}%#'\"<>& ax\n\\", max_size=30))
def test_clause_7_any_text_of_a_user_arrives_as_it_was_said(play, saying, answering, text):
    model = answering()

    play(Runner(model, user_interface=saying(text)), template=LinearTemplate([UserTemplate(), AssistantTemplate()]))

    assert model.heard == [[("user", text)]]


ESCAPES = [
    "{{ session.__class__ }}",
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ session.append.__globals__ }}",
    "{{ session.append.__func__.__globals__ }}",
    "{{ (session | attr('__class__')).__init__ }}",
    "{{ session['__class__'] }}",
    "{{ '{0.__class__}'.format(session) }}",
    "{{ '{a.__class__}'.format_map({'a': session}) }}",
    "{{ ('{0.__cla' ~ 'ss__}').format(session) }}",
    "{{ session._run }}",
    "{{ session.runner.model._origin }}",
    "{{ function.__globals__ }}",
    "{{ function.__code__ }}",
    "{{ cycler.__init__.__globals__ }}",
    "{{ self.__init__.__globals__ }}",
    "{{ generator.gi_frame }}",
    "{% set x = session.metadata.update(spoilt=1) %}",
    "{{ session.metadata.clear() }}",
    "{{ session.metadata.pop('function') }}",
    "{{ session.messages.clear() }}",
    "{{ session.messages.append(session.last) }}",
    "{{ session.messages.pop() }}",
    "{{ session.append(session.last) }}",
    "{{ session.trace.calls.clear() }}",
    "{{ things.append(1) }}",
]


def numbers():
    yield 1


@pytest.mark.parametrize("text", ESCAPES)
def test_clause_7_sandbox_escapes_and_changes_are_refused(text, play, answering):
    metadata = {"function": numbers, "generator": numbers(), "things": [0]}
    session = Session(messages=[Message(role="user", content="x")], metadata=dict(metadata))
    model = answering()

    with pytest.raises(RenderingError):
        play(Runner(model), session, template=SystemTemplate(text))

    assert (session.metadata, metadata["things"]) == (metadata, [0])
    assert (len(session.messages), model.heard) == (1, [])


DEEDS = [
    "{{ session.join(session.run) }}",
    "{{ session.run.moved_to(session) }}",
    "{{ session.run.said(session.last) }}",
    "{{ session.runner.run(session) }}",
    "{{ session.runner.model.send(session) }}",
]


@pytest.mark.parametrize("text", DEEDS)
def test_a_text_cannot_ask_models_or_meddle_with_the_run(text, play, answering):
    session, model = Session(messages=[Message(role="user", content="x")]), answering()

    with pytest.raises(RenderingError):
        play(Runner(model, template=UserTemplate("y")), session, template=SystemTemplate(text))

    assert (len(session.messages), model.heard) == (1, [])


QUOTED = "<b>\"Tom\" & 'Jerry'</b> 1 < 2 > 0 \u00e4 \u2028 \x00"
WITH_CONTENT = {
    "system": SystemTemplate,
    "user": UserTemplate,
    "assistant": AssistantTemplate,
    "message": lambda content, **options: MessageTemplate(content, "tool", **options),
}


@pytest.mark.parametrize("kind", WITH_CONTENT)
def test_clause_7_quotes_and_angle_brackets_arrive_unescaped(kind, play, answering):
    template = WITH_CONTENT[kind](QUOTED + "{{ text }}{{ text | upper }}{{ ['<'] }}")
    session = Session(metadata={"text": QUOTED})

    play(Runner(answering()), session, template=template)

    assert session.last.content == QUOTED + QUOTED + QUOTED.upper() + "['<']"


def test_clause_7_a_farewell_is_not_escaped_either(play, answering):
    session = Session(metadata={"text": QUOTED})

    assert play(Runner(answering()), session, template=EndTemplate("{{ text }}")).last.content == QUOTED


@pytest.mark.parametrize("kind", WITH_CONTENT)
def test_clause_7_without_jinja_a_template_says_its_content_as_it_stands(kind, play, answering, tmp_path):
    path = tmp_path / "prompt.txt"
    path.write_text(HOSTILE + "\n", encoding="utf-8")

    for content in (HOSTILE, path):
        template = WITH_CONTENT[kind](content, disable_jinja=True)
        assert play(Runner(answering()), template=template).last.content == HOSTILE
