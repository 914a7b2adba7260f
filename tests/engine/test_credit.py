"""Which template a call is credited to, whoever calls the model: an effect, a template, code that it runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import Context, copy_context
from threading import Barrier, Thread
from typing import Any

import pytest

from antiphon import (
    AssistantTemplate,
    LinearTemplate,
    Message,
    Model,
    Reply,
    Runner,
    Session,
    SquashStrategy,
    SubroutineTemplate,
    Template,
    TextDelta,
    ToolCall,
    ToolingTemplate,
    UserTemplate,
    observing,
    tool,
)
from antiphon.observers import Observer
from antiphon.trace import ModelCall

Credit = tuple[str, str | None, str, str]


def credits_of(session: Session) -> list[Credit]:
    return [(call.template_id, call.template_path, call.model, call.chosen_by) for call in session.trace.calls]


def asked() -> Session:
    """A conversation of somebody's own, beside that of the run."""
    return Session(messages=[Message(role="user", content="Hi")])


class Generate(Template):
    """Says what its own model answers, or the runner's."""

    def __init__(self, model: Model | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.model = model

    def _render(self, session: Session) -> Any:
        model = self.model or session.runner.model
        response = model.send(session)
        session.append(response)
        yield response
        return session


def test_a_template_that_calls_its_model_by_itself_is_the_one_that_asked(play: Any, answering: Any) -> None:
    own, runners = answering(name="own"), answering(name="runners")
    tree = LinearTemplate([UserTemplate("Hi"), Generate(own, template_id="a"), Generate(template_id="b"), Generate()])

    session = play(Runner(runners), template=tree)

    assert credits_of(session) == [
        ("a", "linear/a", "own", "template"),
        ("b", "linear/b", "runners", "runner"),
        ("linear/generate-4", "linear/generate-4", "runners", "runner"),
    ]
    assert [(message.template_path, message.model) for message in session.messages[1:3]] == [
        ("linear/a", "own"),
        ("linear/b", "runners"),
    ]


def test_in_a_subroutine_its_model_is_the_subroutine_s_choice(play: Any, answering: Any) -> None:
    generate = LinearTemplate([UserTemplate("Hi"), Generate(template_id="g")], template_id="l")
    tree = LinearTemplate(
        [
            UserTemplate("Hi"),
            SubroutineTemplate(generate, "copied"),
            SubroutineTemplate(generate, "modelled", model=answering(name="small")),
            SubroutineTemplate(generate, "served", runner=Runner(answering(name="large"))),
        ],
        template_id="t",
    )

    session = play(Runner(answering(name="usual")), template=tree)

    assert credits_of(session) == [
        ("g", "t/copied/l/g", "usual", "runner"),
        ("g", "t/modelled/l/g", "small", "subroutine"),
        ("g", "t/served/l/g", "large", "subroutine-runner"),
    ]
    assert [call.depth for call in session.trace.calls] == [1, 1, 1]


def test_code_that_runs_for_a_template_asks_for_it_also_in_a_session_of_its_own(play: Any, answering: Any) -> None:
    judge = answering(name="judge")

    def look(session: Session) -> Session:
        judge.send(asked())
        return session

    class Judged(SquashStrategy):
        def squash(self, messages: list[Message]) -> list[Message]:
            judge.send(asked())
            return messages

    inner = AssistantTemplate("ok", template_id="inner", before_transform=look)
    tree = LinearTemplate(
        [UserTemplate("Hi", template_id="hi", after_transform=look), SubroutineTemplate(inner, "sub", None, Judged())],
        template_id="t",
    )

    session = play(Runner(answering()), template=tree)

    assert credits_of(session) == [
        ("hi", "t/hi", "judge", "direct"),
        ("inner", "t/sub/inner", "judge", "direct"),
        ("sub", "t/sub", "judge", "direct"),
    ]


@pytest.fixture(params=["run", "arun", "stream", "astream"])
def streamed(request: pytest.FixtureRequest) -> Callable[[Runner, Template], Session]:
    """Runs a tree at once or piece by piece, blocking or not."""

    async def through(runner: Runner, session: Session, tree: Template) -> None:
        async for _ in runner.astream(session, template=tree):
            pass

    def play(runner: Runner, tree: Template) -> Session:
        session = Session()
        match request.param:
            case "run":
                runner.run(session, template=tree)
            case "arun":
                asyncio.run(runner.arun(session, template=tree))
            case "stream":
                list(runner.stream(session, template=tree))
            case _:
                asyncio.run(through(runner, session, tree))
        return session

    return play


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_a_tool_asks_for_the_template_that_runs_it(streamed: Any, answering: Any, is_async: bool) -> None:
    helper = answering(name="helper")

    def look_up(session: Session) -> str:
        """Look it up."""
        return helper.send(asked()).content + helper.send(session).content

    async def alook_up(session: Session) -> str:
        """Look it up."""
        return (await helper.asend(asked())).content + (await helper.asend(session)).content

    function = tool(name="look_up")(alook_up if is_async else look_up)
    model = answering(Reply("", tool_calls=(ToolCall(id="1", name="look_up"),)), "done", name="main")
    tree = LinearTemplate([UserTemplate("Hi"), ToolingTemplate([function], template_id="work")], template_id="t")

    session = streamed(Runner(model), tree)

    assert credits_of(session) == [
        ("work", "t/work", "main", "runner"),
        ("work", "t/work", "helper", "direct"),
        ("work", "t/work", "helper", "direct"),
        ("work", "t/work", "main", "runner"),
    ]
    assert session.messages[2].content == "okok"


def test_tools_at_the_same_time_ask_for_their_template(answering: Any) -> None:
    helper = answering(name="helper")

    async def look_up() -> str:
        """Look it up."""
        return (await helper.asend(asked())).content

    calls = (ToolCall(id="1", name="look_up"), ToolCall(id="2", name="look_up"))
    model = answering(Reply("", tool_calls=calls), "done", name="main")
    tree = LinearTemplate([UserTemplate("Hi"), ToolingTemplate([look_up], template_id="work")], template_id="t")

    session = asyncio.run(Runner(model).arun(template=tree))

    assert session.trace.models == {"work": ["main", "helper", "helper", "main"]}


def test_between_the_steps_it_is_the_program_that_asks(steps: Any, answering: Any, doing: Any) -> None:
    other = answering(name="other")
    session = Session()
    seen = []

    class Listening(Observer):
        def on_model_call(self, call: ModelCall) -> None:
            seen.append((call.template_id, call.template_path, call.model))

    tree = LinearTemplate([UserTemplate("Hi"), AssistantTemplate(template_id="a")])
    with observing(Listening()):
        for _ in Runner(answering(name="main")).iter(session, template=tree):
            other.send(asked())

    assert seen == [("", None, "other"), ("a", "linear/a", "main"), ("", None, "other")]
    assert session.trace.models == {"a": ["main"]}


def test_a_run_within_a_run_credits_its_own_templates(play: Any, answering: Any, doing: Any) -> None:
    inner = LinearTemplate([UserTemplate("Hi"), AssistantTemplate(template_id="within")], template_id="i")
    outer_model, inner_model = answering(name="outer"), answering(name="inner")
    found: list[Session] = []
    deed = doing(lambda session: found.append(Runner(inner_model).run(template=inner)), template_id="deed")

    session = play(Runner(outer_model), template=LinearTemplate([UserTemplate("Hi"), deed, Generate(template_id="g")]))

    assert credits_of(found[0]) == [("within", "i/within", "inner", "runner")]
    assert credits_of(session) == [("g", "linear/g", "outer", "runner")]


def test_a_thread_that_is_given_the_session_asks_for_its_template(answering: Any, doing: Any) -> None:
    helper = answering(name="helper")

    def in_thread(session: Session) -> None:
        thread = Thread(target=helper.send, args=(session,))
        thread.start()
        thread.join()

    tree = LinearTemplate([UserTemplate("Hi"), doing(in_thread, template_id="deed")], template_id="t")

    assert credits_of(Runner(answering()).run(template=tree)) == [("deed", "t/deed", "helper", "direct")]


async def _later(answering: Any, doing: Any) -> Session:
    helper, session = answering(name="helper"), asked()
    tasks: list[asyncio.Task[Message]] = []

    async def later() -> Message:
        await asyncio.sleep(0.01)
        return await helper.asend(session)

    async def start() -> str:
        """Begin something that outlives the run."""
        tasks.append(asyncio.create_task(later()))
        return "begun"

    model = answering(Reply("", tool_calls=(ToolCall(id="1", name="start"),)), "done")
    await Runner(model).arun(template=LinearTemplate([UserTemplate("Hi"), ToolingTemplate([start])]))
    await tasks[0]
    return session


def test_what_outlives_the_run_asks_for_nobody(answering: Any, doing: Any) -> None:
    assert credits_of(asyncio.run(_later(answering, doing))) == [("", None, "helper", "direct")]


def test_outside_of_templates_a_call_stands_under_no_name(answering: Any) -> None:
    session = asked()
    answering(name="m").send(session)

    assert credits_of(session) == [("", None, "m", "direct")]


Ask = Callable[[Model, Session], Message]


class Around(Model):
    """Asks other models, and says what it makes of their answers."""

    def __init__(self, *inner: Model, says: Callable[..., Any], name: str = "around") -> None:
        self.inner, self.says, self.name = inner, says, name

    def _send(self, session: Session) -> Any:
        return self.says(session, *self.inner)


def first_that_answers(session: Session, *models: Model) -> Message:
    for model in models[:-1]:
        try:
            return model.send(session)
        except LookupError:
            pass
    return models[-1].send(session)


def only_call(session: Session) -> ModelCall:
    (call,) = session.trace.calls
    return call


def test_the_model_that_answered_is_the_one_that_was_used(ask: Ask, answering: Any) -> None:
    first, second = answering(LookupError("gone"), name="first"), answering("Hello", name="second")
    around, session = Around(first, second, says=first_that_answers), asked()

    message = ask(around, session)

    call = only_call(session)
    assert (message.content, message.model) == ("Hello", "second")
    assert (call.model, call.origin, call.asked) == ("second", second, around)
    assert [(one.model, one.chosen_by, type(one.error)) for one in call.inner] == [
        ("first", "model", LookupError),
        ("second", "model", type(None)),
    ]


def test_inside_of_a_template_it_is_one_call_of_the_template(play: Any, answering: Any) -> None:
    around = Around(answering("Hello", name="strong"), says=first_that_answers)
    tree = LinearTemplate([UserTemplate("Hi"), AssistantTemplate(template_id="a", model=around)])

    session = play(Runner(answering()), template=tree)

    assert credits_of(session) == [("a", "linear/a", "strong", "template")]
    (inner,) = only_call(session).inner
    assert (inner.template_id, inner.template_path, inner.depth) == ("a", "linear/a", 0)


def in_threads(session: Session, *models: Model) -> Message:
    """As programs do that wait for no longer than so many seconds, or ask several at the same time."""
    with ThreadPoolExecutor(len(models)) as pool:
        first, *_ = [pool.submit(model.send, session) for model in models]
        return first.result(10)


def test_models_that_are_asked_in_threads_are_a_part_of_the_call(play: Any, answering: Any) -> None:
    fast, strong = answering("Hello", name="fast"), answering("Hello, you", name="strong")
    around = Around(fast, Around(strong, says=in_threads), says=in_threads)
    tree = LinearTemplate([UserTemplate("Hi"), AssistantTemplate(template_id="a", model=around)])

    session = play(Runner(answering()), template=tree)

    assert credits_of(session) == [("a", "linear/a", "fast", "template")]
    assert sorted(one.model for one in only_call(session).inner) == ["fast", "strong"]


def test_a_thread_that_was_begun_in_an_earlier_call_asks_for_the_later_one(play: Any, answering: Any) -> None:
    begun: list[Context] = []

    def in_kept_thread(session: Session, model: Model) -> Message:
        begun.append(copy_context())
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(begun[0].run, model.send, session).result(10)

    around = Around(answering("One", "Two", name="inner"), says=in_kept_thread)
    tree = LinearTemplate([UserTemplate("Hi"), AssistantTemplate(), UserTemplate("So"), AssistantTemplate()])

    session = play(Runner(around), template=tree)

    assert [[one.model for one in call.inner] for call in session.trace.calls] == [["inner"], ["inner"]]


def test_what_models_that_are_asked_at_once_ask_in_threads_is_a_part_of_the_right_call(
    play: Any, answering: Any
) -> None:
    both_are_at_work = Barrier(2)

    def when_both_are_at_work(session: Session, model: Model) -> Message:
        both_are_at_work.wait(10)
        return in_threads(session, model)

    first, second = [
        Around(answering("Hello", name=f"{name}'s"), says=when_both_are_at_work, name=name) for name in ("one", "other")
    ]

    def at_once(session: Session) -> Session:
        in_threads(session, first, second)
        return session

    around = Around(first, second, says=in_threads)
    tree = LinearTemplate([UserTemplate("Hi"), AssistantTemplate(), UserTemplate("Bye", after_transform=at_once)])

    session = play(Runner(around), template=tree)

    (whole, *by_themselves) = session.trace.calls
    for calls in (whole.inner, by_themselves):
        asked_within = {call.asked: [one.model for one in call.inner] for call in calls}
        assert asked_within == {first: ["one's"], second: ["other's"]}


@pytest.mark.parametrize("answer", ["Hello", LookupError("busy")], ids=["answered", "failed"])
def test_a_call_that_has_ended_is_no_longer_under_way(play: Any, answering: Any, answer: Any) -> None:
    runs = []

    def noting(session: Session, model: Model) -> Message:
        runs.append((session.run, len(session.run.calls)))
        return in_threads(session, model)

    tree = LinearTemplate([UserTemplate("Hi"), AssistantTemplate()])
    with suppress(LookupError):
        play(Runner(Around(answering(answer), says=noting)), template=tree)

    [(run, under_way)] = runs
    assert (under_way, run.calls) == (1, [])


def test_other_models_in_threads_are_asked_by_themselves(play: Any, answering: Any) -> None:
    helper = answering("Look", name="helper")
    around = Around(says=lambda session: in_threads(session, helper).content)

    session = play(Runner(around), template=LinearTemplate([UserTemplate("Hi"), AssistantTemplate(template_id="a")]))

    assert [call.model for call in session.trace.calls] == ["helper", "around"]


def test_a_model_around_a_model_around_a_model(ask: Ask, answering: Any) -> None:
    strong = answering("Hello", name="strong")
    outer = Around(Around(strong, says=first_that_answers, name="middle"), says=first_that_answers, name="outer")
    session = asked()

    ask(outer, session)

    call = only_call(session)
    assert (call.model, call.asked, call.inner[0].model, call.inner[0].inner[0].asked) == (
        "strong",
        outer,
        "strong",
        strong,
    )


@pytest.mark.parametrize(
    ("says", "answered"),
    [
        (lambda session, one, two: (two.send(session), one.send(session))[0], "two"),
        (lambda session, one, two: (two.send(session).content, one.send(session))[0], "two"),
        (lambda session, one, two: one.send(session).content.upper(), "one"),
        (lambda session, one, two: Reply(one.send(session).content + one.send(session).content), "one"),
        (lambda session, one, two: one.send(session).content + two.send(session).content, "around"),
        (lambda session, one, two: one.send(asked()), "one"),
        (lambda session, one, two: "from a store of its own", "around"),
    ],
    ids=["message", "text", "changed", "twice", "of both", "of another session", "of none"],
)
def test_who_answered(ask: Ask, answering: Any, says: Any, answered: str) -> None:
    one, two = answering("Hello", name="one"), answering("Bye", name="two")
    session = asked()

    assert ask(Around(one, two, says=says), session).model == answered
    assert only_call(session).model == answered


def test_an_error_that_passes_is_that_of_the_model_that_raised_it(ask: Ask, answering: Any) -> None:
    session = asked()
    with pytest.raises(LookupError):
        ask(Around(answering(LookupError("gone"), name="strong"), says=first_that_answers), session)

    assert (only_call(session).model, type(only_call(session).error)) == ("strong", LookupError)


def test_an_error_of_its_own_is_its_own(ask: Ask, answering: Any) -> None:
    def refuse(session: Session, model: Model) -> Any:
        raise ValueError(model.send(session).content)

    session = asked()
    with pytest.raises(ValueError, match="Hello"):
        ask(Around(answering("Hello", name="strong"), says=refuse), session)

    assert only_call(session).model == "around"


def test_usage_is_what_all_have_used_together(ask: Ask, answering: Any) -> None:
    used = Reply("Hm", usage={"input_tokens": 10, "output_tokens": 2, "cost": "0.01", "cached_input_tokens": 4})
    session = asked()
    model = answering(used, used, "no usage at all")

    ask(Around(model, says=lambda session, model: [model.send(session) for _ in range(3)][-1]), session)

    usage = only_call(session).usage
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens, str(usage.cost), usage.cached_input_tokens) == (20, 4, "0.02", 8)


def test_the_cost_is_what_is_known_of_it(ask: Ask, answering: Any) -> None:
    model = answering(
        Reply("Hm", usage={"input_tokens": 10, "cost": "0.01"}), Reply("Hm", usage={"input_tokens": 10**15})
    )
    session = asked()

    ask(Around(model, says=lambda session, model: [model.send(session) for _ in range(2)][-1]), session)

    usage = only_call(session).usage
    assert usage is not None
    assert (usage.input_tokens, str(usage.cost)) == (10**15, "0.01")


def test_usage_that_it_tells_itself_counts(ask: Ask, answering: Any) -> None:
    inner = answering(Reply("Hm", usage={"input_tokens": 10}))
    session = asked()

    ask(Around(inner, says=lambda s, m: Reply(m.send(s).content, usage={"input_tokens": 7})), session)

    usage = only_call(session).usage
    assert usage is not None
    assert usage.input_tokens == 7


def test_a_model_that_is_recorded_as_a_whole_answers_itself(ask: Ask, answering: Any) -> None:
    class Whole(Around):
        recordable = True

    session = asked()
    ask(Whole(answering("Hello", name="strong"), says=first_that_answers), session)

    call = only_call(session)
    assert (call.model, [one.model for one in call.inner]) == ("around", ["strong"])


def test_pieces_that_are_passed_on_are_those_of_the_model_that_spoke(answering: Any) -> None:
    class Passing(Around):
        def _stream(self, session: Session) -> Generator[TextDelta | Message]:
            yield from self.inner[0].stream(session)

    strong, session = answering("Hello", name="strong"), asked()

    *deltas, message = Passing(strong, says=first_that_answers).stream(session)

    assert (len(deltas), only_call(session).model) == (1, "strong")
    assert isinstance(message, Message)
    assert message.model == "strong"


def test_what_templates_ask_while_a_model_answers_is_theirs(ask: Ask, answering: Any) -> None:
    within = LinearTemplate([UserTemplate("Hi"), AssistantTemplate(template_id="within")], template_id="i")
    seen = []

    class Listening(Observer):
        def on_model_call(self, call: ModelCall) -> None:
            seen.append((call.template_id, call.model))

    around = Around(
        answering("Hello", name="strong"), says=lambda s, model: Runner(model).run(template=within).last.content
    )
    with observing(Listening()):
        ask(around, asked())

    assert seen == [("within", "strong"), ("", "around")]


def test_what_goes_on_after_the_answer_is_no_part_of_it(answering: Any) -> None:
    tasks: list[asyncio.Task[Message]] = []
    slow, later = answering(name="slow"), asked()

    class Warming(Model):
        def _send(self, session: Session) -> str:
            raise NotImplementedError

        async def _asend(self, session: Session) -> str:
            async def warm() -> Message:
                await asyncio.sleep(0.01)
                return await slow.asend(later)

            tasks.append(asyncio.create_task(warm()))
            return "Hello"

    async def both() -> Session:
        session = asked()
        await Warming().asend(session)
        await tasks[0]
        return session

    assert only_call(asyncio.run(both())).inner == ()
    assert credits_of(later) == [("", None, "slow", "direct")]


class Hedging(Model):
    """Asks two at the same time, and goes on with the one that is faster."""

    def __init__(self, *models: Model) -> None:
        self.models, self.late = models, []

    def _send(self, session: Session) -> str:
        raise NotImplementedError

    async def _asend(self, session: Session) -> Message:
        tasks = [asyncio.create_task(model.asend(session)) for model in self.models]
        done, self.late = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return done.pop().result()


class Slow(Model):
    async def _asend(self, session: Session) -> str:
        await asyncio.sleep(0.02)
        return "late"

    def _send(self, session: Session) -> str:
        raise NotImplementedError


def test_a_call_that_ends_after_the_one_around_it_is_not_lost(answering: Any) -> None:
    seen = []

    class Listening(Observer):
        def on_model_call(self, call: ModelCall) -> None:
            seen.append(call.model)

    async def both() -> Session:
        session, model = asked(), Hedging(answering("Hello", name="fast"), Slow())
        await model.asend(session)
        await asyncio.wait(model.late)
        return session

    with observing(Listening()):
        session = asyncio.run(both())

    assert seen == session.trace.models[""] == ["fast", "Slow"]


def test_what_a_run_is_gone_through_by_is_an_async_generator_to_tools(answering: Any) -> None:
    inner = LinearTemplate([UserTemplate("Hi"), AssistantTemplate("Hello.")])

    def look_up() -> Any:
        """Look it up."""
        return Runner(answering()).aiter(template=inner)

    model = answering(Reply("", tool_calls=(ToolCall(id="1", name="look_up"),)), "done")
    session = Runner(model).run(template=LinearTemplate([UserTemplate("Hi"), ToolingTemplate([look_up])]))

    assert "Hello." in session.messages[2].content


def test_tools_and_types_that_are_asked_for_reach_the_inner_model(play: Any, answering: Any) -> None:
    seen = []

    def pass_on(session: Session, model: Model) -> Message:
        seen.append([one.name for one in session.request.tools])
        return model.send(session)

    @tool
    def look_up() -> str:
        """Look it up."""
        return "found"

    inner = answering(Reply("", tool_calls=(ToolCall(id="1", name="look_up"),)), "done", name="inner")
    tree = LinearTemplate([UserTemplate("Hi"), ToolingTemplate([look_up], template_id="w")])

    session = play(Runner(Around(inner, says=pass_on)), template=tree)

    assert (seen, session.last.content) == ([["look_up"], ["look_up"]], "done")
    assert session.trace.models == {"w": ["inner", "inner"]}
