"""RetryingModel and FallbackModel: what is tried again, when, and what the trace and the errors say of it."""

from __future__ import annotations

import asyncio
import pickle
import random
import time
from collections.abc import AsyncGenerator, Generator, Iterator
from typing import Any

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from antiphon import (
    FallbackModel,
    LinearTemplate,
    Message,
    Model,
    Reply,
    RetryingModel,
    Runner,
    Session,
    SubroutineTemplate,
    TextDelta,
    ToolCall,
    ToolingTemplate,
    UserTemplate,
    tool,
)
from antiphon.attempts import Wait, passing_waits
from antiphon.copies import isolated
from antiphon.errors import (
    AuthenticationError,
    BadAnswer,
    ContextLengthExceeded,
    InvalidConversation,
    InvalidType,
    InvalidValue,
    ModelError,
    ModelTimeout,
    OutputError,
    RateLimitError,
    ServerError,
)
from antiphon.trace import ModelCall


@pytest.fixture(autouse=True)
def waits() -> Iterator[list[Wait]]:
    """The waits of the test, none of which takes time."""
    seen: list[Wait] = []
    with passing_waits(lambda wait: seen.append(wait) is None):
        yield seen


def asked() -> Session:
    return Session(messages=[Message(role="user", content="Hi")])


def only_call(session: Session) -> ModelCall:
    (call,) = session.trace.calls
    return call


def notes_of(error: BaseException) -> str:
    return "\n".join(error.__notes__)


SLOW = RateLimitError("slow down", retry_after=1.5)
DOWN = ServerError("down", status=503)


class Breaking(Model):
    """Says something, and fails in the middle of it."""

    def __init__(self, *says: str, error: ModelError = DOWN, name: str = "breaking") -> None:
        self.says, self.error, self.name = says, error, name

    def _send(self, session: Session) -> str:
        raise self.error

    def _stream(self, session: Session) -> Generator[str]:
        yield from self.says
        raise self.error

    async def _astream(self, session: Session) -> AsyncGenerator[str]:
        for piece in self.says:
            yield piece
        raise self.error


def test_a_model_that_failed_is_asked_again(ask: Any, answering: Any, waits: list[Wait]) -> None:
    model = answering(DOWN, SLOW, "Hello.", name="strong")
    retrying, session = RetryingModel(model), asked()

    message = ask(retrying, session)

    call = only_call(session)
    assert (message.content, message.model) == ("Hello.", "strong")
    assert (call.model, call.origin, call.asked, call.error) == ("strong", model, retrying, None)
    assert [inner.error for inner in call.inner] == [DOWN, SLOW, None]
    assert [wait.seconds for wait in waits] == [1.0, 1.5]
    assert [wait.after for wait in waits] == [*call.inner[:2]]
    assert call.waited == 2.5


@pytest.mark.parametrize("error", [SLOW, DOWN, ServerError("cut off"), ModelTimeout("late")], ids=repr)
def test_what_may_pass_is_tried_again(answering: Any, error: ModelError) -> None:
    assert RetryingModel(answering(error, "Hello.")).send(asked()).content == "Hello."


@pytest.mark.parametrize(
    "error",
    [
        AuthenticationError("no"),
        ContextLengthExceeded("long"),
        BadAnswer("?"),
        OutputError("?"),
        ModelError("?"),
        InvalidConversation("?", rule="user-first", index=0),
        LookupError("a mistake"),
    ],
    ids=repr,
)
def test_what_does_not_pass_is_raised_at_once(ask: Any, answering: Any, waits: list[Wait], error: Exception) -> None:
    session = asked()

    with pytest.raises(type(error)) as caught:
        ask(RetryingModel(answering(error, "Hello.")), session)

    assert caught.value is error
    assert not hasattr(error, "__notes__")
    assert (len(only_call(session).inner), waits) == (1, [])


def test_after_the_last_attempt_its_error_is_raised_as_it_is(ask: Any, answering: Any, waits: list[Wait]) -> None:
    last = ModelTimeout("late")
    model, session = answering(DOWN, DOWN, last, name="strong"), asked()

    with pytest.raises(ModelTimeout) as caught:
        ask(RetryingModel(model, attempts=3, wait=0.25), session)

    assert caught.value is last
    assert notes_of(last) == "model 'strong' was asked 3 times, with waits of 0.5 s in all"
    assert notes_of(pickle.loads(pickle.dumps(last))) == notes_of(last)
    call = only_call(session)
    assert (call.error, call.model, call.origin, len(call.inner)) == (last, "strong", model, 3)
    assert len(waits) == 2


def test_one_attempt_is_none_again(answering: Any, waits: list[Wait]) -> None:
    with pytest.raises(RateLimitError):
        RetryingModel(answering(SLOW, "Hello."), 1).send(asked())

    assert waits == []


def test_the_usual_waits_double_up_to_a_minute_with_some_chance(answering: Any, waits: list[Wait]) -> None:
    with pytest.raises(ServerError):
        RetryingModel(answering(ServerError("down")), attempts=9).send(asked())

    assert [wait.seconds for wait in waits] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert [wait.jitter for wait in waits] == [wait.seconds / 2 for wait in waits]


@pytest.mark.parametrize(
    ("wish", "waited"), [(None, 1.0), (0.0, 1.0), (0.25, 0.25), (300.0, 300.0), (-1.0, 1.0), (float("nan"), 1.0)]
)
def test_a_provider_says_how_long(answering: Any, waits: list[Wait], wish: float | None, waited: float) -> None:
    RetryingModel(answering(RateLimitError("slow down", retry_after=wish), "Hello.")).send(asked())

    assert [wait.seconds for wait in waits] == [waited]


@pytest.mark.parametrize("wish", [300.5, float("inf")])
def test_a_provider_that_wants_more_than_five_minutes_is_not_waited_for(
    answering: Any, waits: list[Wait], wish: float
) -> None:
    with pytest.raises(RateLimitError) as caught:
        RetryingModel(answering(RateLimitError("tomorrow", retry_after=wish), "Hello.")).send(asked())

    assert f"the provider wants {wish:g} seconds to pass, more than the 300 of a wait" in notes_of(caught.value)
    assert waits == []


@pytest.mark.parametrize(("wait", "waited"), [(0, [0, 0]), (2.5, [2.5, 2.5]), (lambda attempt: attempt * 10, [10, 20])])
def test_a_program_says_how_long(answering: Any, waits: list[Wait], wait: Any, waited: list[float]) -> None:
    RetryingModel(answering(SLOW, SLOW, "Hello."), wait=wait).send(asked())

    assert [(one.seconds, one.jitter) for one in waits] == [(seconds, 0) for seconds in waited]


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"attempts": 0}, InvalidValue, "attempts is 1 or more, counting the first one, not 0"),
        ({"attempts": "3"}, InvalidType, "attempts is a number, not str: '3'"),
        ({"attempts": True}, InvalidType, "attempts is a number, not bool"),
        ({"wait": -1}, InvalidValue, "wait is 0 or more seconds, not -1"),
        ({"wait": float("inf")}, InvalidValue, "wait is 0 or more seconds, not inf"),
        ({"wait": "1s"}, InvalidType, "wait is a number of seconds, or a function that returns one, not str: '1s'"),
        ({"wait": float}, InvalidType, "wait is a number of seconds, or a function"),
        ({"wait": asyncio.sleep}, InvalidType, "wait is a number of seconds, or a function"),
    ],
)
def test_what_retrying_does_not_take(answering: Any, options: dict[str, Any], error: type, text: str) -> None:
    with pytest.raises(error, match=text):
        RetryingModel(answering(), **options)


@pytest.mark.parametrize(("says", "error"), [(-1, InvalidValue), ("1s", InvalidType), (None, InvalidType)])
def test_a_function_that_says_no_time(answering: Any, says: Any, error: type) -> None:
    with pytest.raises(error, match="wait is"):
        RetryingModel(answering(DOWN, "Hello."), wait=lambda _: says).send(asked())


def test_a_model_is_taken_by_its_name() -> None:
    retrying, fallback = RetryingModel("openai:m"), FallbackModel(["openai:m", "anthropic:n"])

    assert (retrying.name, retrying.model.name) == ("openai:m", "openai:m")
    assert (fallback.name, [model.name for model in fallback.models]) == (
        "openai:m | anthropic:n",
        ["openai:m", "anthropic:n"],
    )


def test_its_settings_are_those_of_its_model(answering: Any) -> None:
    retrying = RetryingModel(answering())

    retrying.settings.temperature = 0.5
    assert retrying.model.settings.temperature == 0.5

    fork = isolated(retrying)
    fork.settings.temperature = 1.0
    fork.settings = fork.settings.model_copy(update={"seed": 1})
    assert (fork.model.settings.temperature, fork.model.settings.seed) == (1.0, 1)
    assert (retrying.model.settings.temperature, retrying.model.settings.seed) == (0.5, None)


@pytest.mark.parametrize("given", ["openai:m", None, 3, {"openai:m"}, ["openai:m", None]], ids=repr)
def test_what_a_fallback_does_not_take(given: Any) -> None:
    with pytest.raises(InvalidType, match=r"FallbackModel takes a list of models|models\[1\] takes a Model or a name"):
        FallbackModel(given)


def test_a_fallback_to_nothing() -> None:
    with pytest.raises(InvalidValue, match="FallbackModel was given no model"):
        FallbackModel([])


@pytest.mark.parametrize(
    "error",
    [SLOW, DOWN, ModelTimeout("late"), AuthenticationError("no"), ContextLengthExceeded("long"), BadAnswer("?")],
)
def test_the_next_model_is_asked(ask: Any, answering: Any, error: ModelError) -> None:
    first, second = answering(error, name="first"), answering("Hello.", name="second")
    fallback, session = FallbackModel([first, second]), asked()

    message = ask(fallback, session)

    call = only_call(session)
    assert (message.content, message.model) == ("Hello.", "second")
    assert (call.model, call.origin, call.asked, call.waited) == ("second", second, fallback, 0)
    assert [(inner.model, inner.error) for inner in call.inner] == [("first", error), ("second", None)]


@pytest.mark.parametrize("error", [InvalidConversation("?", rule="user-first", index=0), LookupError("a mistake")])
def test_a_mistake_of_the_program_asks_no_other_model(ask: Any, answering: Any, error: Exception) -> None:
    session = asked()
    with pytest.raises(type(error)):
        ask(FallbackModel([answering(error), answering("Hello.")]), session)

    assert len(only_call(session).inner) == 1


def test_where_none_answers_the_last_error_tells_of_all(ask: Any, answering: Any) -> None:
    last = AuthenticationError("the key\nis wrong")
    session = asked()

    with pytest.raises(ModelError) as caught:
        ask(FallbackModel([answering(SLOW, name="first"), answering(last, name="second")]), session)

    assert caught.value is last
    assert notes_of(last) == (
        "none of these models answered:\n"
        "  first: RateLimitError: slow down\n"
        "  second: AuthenticationError: the key\n    is wrong"
    )
    assert (only_call(session).model, only_call(session).error) == ("second", last)


def test_they_may_be_one_within_the_other(ask: Any, answering: Any) -> None:
    first, second = answering(DOWN, DOWN, name="first"), answering(SLOW, "Hello.", name="second")
    fallback = FallbackModel([RetryingModel(first, 2, wait=1), RetryingModel(second, 2, wait=10)])
    session = asked()

    message = ask(fallback, session)

    call = only_call(session)
    assert (message.content, call.model, call.origin, call.waited) == ("Hello.", "second", second, 11)
    assert [[one.error for one in inner.inner] for inner in call.inner] == [[DOWN, DOWN], [SLOW, None]]
    assert [inner.waited for inner in call.inner] == [1, 10]


def test_all_of_a_fallback_may_be_tried_again(ask: Any, answering: Any, waits: list[Wait]) -> None:
    first, second = answering(DOWN, "Hello.", name="first"), answering(SLOW, name="second")
    session = asked()

    assert ask(RetryingModel(FallbackModel([first, second])), session).content == "Hello."
    assert only_call(session).model == "first"
    assert [(wait.seconds, wait.after and wait.after.asked) for wait in waits] == [(1.5, second)]


STREAMS = {"stream": "stream", "astream": "astream"}


def heard_by(way: str, model: Model, session: Session) -> list[str]:
    """What is heard until the end, or until an error."""
    heard: list[str] = []

    def note(piece: TextDelta | Message) -> None:
        heard.append(piece.text if isinstance(piece, TextDelta) else "END")

    async def listen() -> None:
        async for piece in model.astream(session):
            note(piece)

    try:
        if way == "astream":
            asyncio.run(listen())
        else:
            for piece in model.stream(session):
                note(piece)
    except ModelError as error:
        heard.append(f"{type(error).__name__}: {error}; {notes_of(error)}")
    return heard


@pytest.mark.parametrize("way", STREAMS)
@pytest.mark.parametrize("around", [RetryingModel, lambda model: FallbackModel([model, model])], ids=["retry", "next"])
def test_a_stream_that_has_begun_is_not_begun_again(way: str, around: Any) -> None:
    session = asked()

    heard = heard_by(way, around(Breaking("Hel", "lo", error=ServerError("cut off"))), session)

    assert heard == [
        "Hel",
        "lo",
        "ServerError: cut off; 5 characters of the answer had been said by then: no other attempt follows them",
    ]
    call = only_call(session)
    assert len(call.inner) == 1
    assert call.reply is not None
    assert call.reply.content == "Hello"


@pytest.mark.parametrize("way", STREAMS)
def test_a_stream_that_fails_before_its_first_text_goes_on_elsewhere(way: str, answering: Any) -> None:
    assert heard_by(way, FallbackModel([Breaking(), answering("Hello.")]), asked()) == ["Hello.", "END"]


def test_a_stream_that_is_left_early_leaves_the_model_too(answering: Any) -> None:
    session = asked()
    pieces = RetryingModel(Breaking("Hel", "lo")).stream(session)
    next(pieces)
    pieces.close()

    call = only_call(session)
    assert isinstance(call.error, GeneratorExit)
    assert [type(inner.error) for inner in call.inner] == [GeneratorExit]


def test_usage_is_added_up_once(ask: Any, answering: Any) -> None:
    used = Reply("Hello.", usage={"input_tokens": 10, "output_tokens": 2, "cost": "0.01"})
    session = asked()

    ask(RetryingModel(FallbackModel([answering(DOWN), answering(used)])), session)

    usage = only_call(session).usage
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens, str(usage.cost)) == (10, 2, "0.01")


def test_tools_types_and_subroutines_reach_the_model_inside(play: Any, answering: Any) -> None:
    @tool
    def look_up() -> str:
        """Look it up."""
        return "found"

    use = Reply("", tool_calls=(ToolCall(id="1", name="look_up"),))
    model = answering(DOWN, use, DOWN, "[1, 2]", name="strong")
    retrying = RetryingModel(model)
    inner = LinearTemplate([UserTemplate("Hi"), ToolingTemplate([look_up], template_id="work", output_type=list[int])])

    session = play(Runner(retrying), template=LinearTemplate([UserTemplate("Hi"), SubroutineTemplate(inner, "sub")]))

    assert session.last.parsed == [1, 2]
    assert session.trace.models == {"work": ["strong", "strong"]}
    assert [(call.origin, call.asked, call.depth, len(call.inner)) for call in session.trace.calls] == [
        (model, retrying, 1, 2)
    ] * 2


OUTCOMES: dict[str, Any] = {
    "answer": Reply("Hello.", usage={"input_tokens": 1, "cost": "0.5"}),
    "busy": RateLimitError,
    "down": ServerError,
    "no": AuthenticationError,
}


def expected_of(outcomes: list[list[str]], attempts: list[int]) -> list[str]:
    """What the calls come to, of models that are tried again and of which each is the fallback of the one before."""
    made: list[str] = []
    for of_model, most in zip(outcomes, attempts, strict=True):
        for outcome in of_model[:most]:
            made.append(outcome)
            if outcome == "answer":
                return made
            if outcome == "no":
                break
    return made


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    outcomes=st.lists(st.lists(st.sampled_from([*OUTCOMES]), min_size=4, max_size=4), min_size=1, max_size=3),
    attempts=st.lists(st.integers(1, 4), min_size=3, max_size=3),
)
def test_whatever_happens_each_call_counts_once(
    ask: Any, answering: Any, outcomes: list[list[str]], attempts: list[int]
) -> None:
    def made(outcome: str) -> Any:
        given = OUTCOMES[outcome]
        return given if isinstance(given, Reply) else given(outcome)

    models = [answering(*map(made, of_model), name=str(number)) for number, of_model in enumerate(outcomes)]
    retrying = [RetryingModel(model, most, wait=1) for model, most in zip(models, attempts, strict=False)]
    expected, session = expected_of(outcomes, attempts[: len(outcomes)]), asked()

    try:
        said = ask(FallbackModel(retrying), session).content
    except ModelError as error:
        said = str(error)

    call = only_call(session)
    leaves = [leaf for inner in call.inner for leaf in inner.inner]
    assert ["answer" if leaf.error is None else str(leaf.error) for leaf in leaves] == expected
    assert said == ("Hello." if expected[-1] == "answer" else expected[-1])
    assert sum(len(model.heard) for model in models) == len(expected)
    assert call.waited == len(leaves) - len(call.inner)
    assert (call.usage and call.usage.input_tokens) == (1 if expected[-1] == "answer" else None)
    assert (call.model, call.origin) == (leaves[-1].model, leaves[-1].origin)


class TestRealWaits:
    """Waits that nothing passes by."""

    @pytest.fixture(autouse=True)
    def waits(self) -> None:
        """No virtual time."""

    def test_a_wait_takes_its_time(self, ask: Any, answering: Any) -> None:
        session, started = asked(), time.perf_counter()

        ask(RetryingModel(answering(DOWN, "Hello."), wait=0.02), session)

        assert time.perf_counter() - started >= 0.02
        assert only_call(session).waited == 0.02

    def test_chance_makes_it_longer_by_no_more_than_half(self, answering: Any) -> None:
        session = asked()
        RetryingModel(answering(RateLimitError("slow down", retry_after=0.02), "Hello.")).send(session)

        assert 0.02 <= only_call(session).waited <= 0.03

    def test_random_numbers_of_the_program_stay_as_they_are(self, answering: Any) -> None:
        random.seed(1)
        expected = random.random()
        random.seed(1)

        RetryingModel(answering(RateLimitError("slow down", retry_after=0.001), "Hello.")).send(asked())

        assert random.random() == expected

    @pytest.mark.anyio
    @pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
    async def test_others_go_on_meanwhile(self, answering: Any) -> None:
        done: list[str] = []

        async def answer(name: str, wait: float) -> None:
            done.append((await RetryingModel(answering(DOWN, name), wait=wait).asend(asked())).content)

        async with anyio.create_task_group() as group:
            group.start_soon(answer, "slow", 0.06)
            group.start_soon(answer, "fast", 0.02)

        assert done == ["fast", "slow"]

    @pytest.mark.anyio
    @pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
    async def test_who_is_cancelled_waits_no_longer(self, answering: Any) -> None:
        session = asked()
        with anyio.CancelScope() as scope:

            def wait(_attempt: int) -> float:
                scope.cancel()
                return 60

            await RetryingModel(answering(DOWN, "Hello."), wait=wait).asend(session)

        assert scope.cancelled_caught
        assert [inner.error for inner in only_call(session).inner] == [DOWN]
