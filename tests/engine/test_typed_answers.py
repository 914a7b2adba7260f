"""Answers of a type: asked for, validated, asked for again."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, Field

from antiphon import (
    AssistantTemplate,
    GenerateTemplate,
    LastNMessagesStrategy,
    LinearTemplate,
    Message,
    Reply,
    Runner,
    Session,
    SubroutineTemplate,
    Tool,
    UserTemplate,
)
from antiphon.errors import InvalidType, InvalidValue, OutputError


class Person(BaseModel):
    name: str
    age: int


@dataclass
class Point:
    x: int
    y: int


def tree(output_type: object, **options: object) -> LinearTemplate:
    return LinearTemplate(
        [UserTemplate("Who?"), AssistantTemplate(output_type=output_type, template_id="who", **options)],
        template_id="t",
    )


@pytest.mark.parametrize(
    ("output_type", "answer", "parsed"),
    [
        (Person, '{"name": "Ada", "age": 36}', Person(name="Ada", age=36)),
        (Person, '```json\n{"name": "Ada", "age": 36}\n```', Person(name="Ada", age=36)),
        (Person, '\n```\n{"name": "Ada", "age": 36}\n```\n', Person(name="Ada", age=36)),
        (list[int], "[1, 2]", [1, 2]),
        (Point, '{"x": 1, "y": 2}', Point(1, 2)),
        (Literal["yes", "no"], '"yes"', "yes"),
    ],
)
def test_the_message_holds_the_object(output_type, answer, parsed, play, answering):
    session = play(Runner(answering(answer)), template=tree(output_type))

    assert session.last.parsed == parsed
    assert session.last.content == answer


def test_the_model_sees_what_is_asked_of_it_while_it_is_called_and_only_then(play, answering):
    seen = []

    class Looking(answering):
        def _send(self, session):
            seen.append((session.request.output_type, session.request.output_schema))
            return super()._send(session)

    template = LinearTemplate([tree(Person), AssistantTemplate()])
    play(Runner(Looking('{"name": "Ada", "age": 36}', "ok")), template=template)

    assert seen == [(Person, Person.model_json_schema()), (None, None)]


def test_the_object_is_in_no_json_and_no_comparison(play, answering):
    session = play(Runner(answering('{"name": "Ada", "age": 36}')), template=tree(Person))

    assert "parsed" not in session.model_dump()["messages"][-1]
    assert Session.model_validate_json(session.model_dump_json()).last == session.last
    assert Message(role="user").parsed is None


def test_a_model_is_told_what_was_wrong_and_asked_again(play, answering):
    model = answering('{"name": "Ada"}', "what?", '{"name": "Ada", "age": 36}')

    session = play(Runner(model), template=tree(Person, retries=2))

    assert session.last.parsed == Person(name="Ada", age=36)
    assert [(message.role, message.content.splitlines()[0]) for message in session.messages] == [
        ("user", "Who?"),
        ("assistant", '{"name": "Ada"}'),
        ("user", "Your answer could not be used:"),
        ("assistant", "what?"),
        ("user", "Your answer could not be used:"),
        ("assistant", '{"name": "Ada", "age": 36}'),
    ]
    assert "- age: Field required" in session.messages[2].content
    assert len(session.trace.calls) == 3


@pytest.mark.parametrize("retries", [0, 2])
def test_an_answer_that_never_fits_is_an_error_that_shows_it(retries, play, answering):
    session = Session()

    with pytest.raises(OutputError, match=r"'t/who' with .*Person.*, and said: 'no'") as caught:
        play(Runner(answering("no")), session, template=tree(Person, retries=retries))

    assert caught.value.answer == "no"
    assert "Invalid JSON" in caught.value.problems
    assert caught.value.template_path == "t/who"
    assert len(session.trace.calls) == retries + 1
    assert session.last.content == "no"


def test_the_role_of_a_typed_answer_can_be_set(play, answering):
    template = LinearTemplate([UserTemplate("x"), GenerateTemplate("user", output_type=int)])

    session = play(Runner(answering("3")), template=template)

    assert (session.last.role, session.last.parsed) == ("user", 3)


def test_a_type_that_nobody_can_validate_is_refused():
    class Strange:
        pass

    with pytest.raises(InvalidType, match="output_type takes a type that pydantic can validate"):
        AssistantTemplate(output_type=Strange)


def test_a_type_that_no_model_can_be_told_of_is_refused():
    with pytest.raises(InvalidType, match=r"output_type takes .* JSON schema, not .*Callable"):
        AssistantTemplate(output_type=Callable[[], int])


HUGE = 10**5000  # more digits than Python writes out
IMPOSSIBLE = {
    "a bound too long to be written": Annotated[int, Field(gt=HUGE)],
    "a length too long to be written": Annotated[list[int], Field(max_length=HUGE)],
    "a multiple of nothing": Annotated[int, Field(multiple_of=0)],
    "a pattern that is none": Annotated[str, Field(pattern="(")],
    "half a character": Literal["\ud800"],
    "an example that is no JSON": Annotated[int, Field(examples=[object()])],
}


@pytest.mark.parametrize("kind", IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_a_type_of_which_no_schema_can_be_made_is_refused(kind):
    def find(what):
        """Finds it."""

    find.__annotations__["what"] = kind

    with pytest.raises(InvalidType, match="output_type takes a type that pydantic can validate"):
        AssistantTemplate(output_type=kind)
    with pytest.raises(InvalidType, match=r"the tool 'find' takes .*, which a model cannot give as JSON"):
        Tool(find)


def test_retries_without_a_type_are_refused_and_the_error_says_what_sends_requests_again():
    with pytest.raises(InvalidValue, match=r"there is no output_type; .* connect\(\.\.\., max_retries=\)"):
        AssistantTemplate(retries=1)


def test_a_type_beside_a_content_is_refused():
    with pytest.raises(InvalidValue, match="asks no model: leave out content or output_type"):
        AssistantTemplate("3", output_type=int)


@pytest.mark.parametrize(("retries", "error"), [(-1, InvalidValue), ("2", InvalidType), (True, InvalidType)])
def test_a_wrong_number_of_retries_is_refused(retries, error):
    with pytest.raises(error, match="retries is a number"):
        AssistantTemplate(output_type=int, retries=retries)


@pytest.mark.parametrize(
    "copied",
    [copy.copy, copy.deepcopy, lambda message: message.model_copy(), lambda m: pickle.loads(pickle.dumps(m))],
    ids=["copy", "deepcopy", "model_copy", "pickle"],
)
def test_copies_of_a_message_hold_the_object_too(copied):
    message = Message(role="assistant", content="{}").with_parsed(Person(name="Ada", age=36))

    assert copied(message).parsed == Person(name="Ada", age=36)
    assert copied(Message(role="user")).parsed is None


def test_what_a_subroutine_inherits_holds_a_copy_of_the_object(play, answering):
    def grow_older(session):
        session.messages[1].parsed.age += 1
        return session

    inner = LinearTemplate([UserTemplate("And now?", before_transform=grow_older), AssistantTemplate()])
    person = AssistantTemplate(output_type=Person)
    inherits = SubroutineTemplate(inner, session_init_strategy=LastNMessagesStrategy(5))

    session = play(
        Runner(answering('{"name": "Ada", "age": 36}', "Older.")),
        template=LinearTemplate([UserTemplate("Who?"), person, inherits]),
    )

    assert session.messages[1].parsed == Person(name="Ada", age=36)
    assert session.last.content == "Older."


@pytest.mark.parametrize("words", ["I cannot help with that.", ""])
def test_a_refusal_is_an_error_with_its_words_and_is_not_asked_again(words, play, answering):
    model = answering(Reply(refusal=words, finish_reason="content_filter"), "7")
    template = LinearTemplate([UserTemplate("How many?"), AssistantTemplate(output_type=int, retries=3)])

    with pytest.raises(OutputError, match=f"it refused: {words}") as caught:
        play(Runner(model), template=template)

    assert caught.value.refusal == words
    assert len(model.heard) == 1


def test_an_answer_that_broke_off_says_so_and_may_be_asked_again(play, answering):
    model = answering(Reply('{"a', finish_reason="length"), Reply('{"a', finish_reason="content_filter"))
    template = LinearTemplate([UserTemplate("How many?"), AssistantTemplate(output_type=int, retries=3)])

    with pytest.raises(OutputError, match="the answer broke off: the provider filtered its content"):
        play(Runner(model), template=template)

    assert "it reached the longest answer allowed" in model.heard[1][-1][1]
    assert len(model.heard) == 2
