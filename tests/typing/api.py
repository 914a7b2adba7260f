"""The public interface as type checkers see it: read by mypy and pyright, never run.

Every ``type: ignore`` marks something that must be an error; one that is not needed is an error itself.
"""
# pyright: strict, reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

import shelve
import zipfile
from collections.abc import AsyncGenerator, Generator, Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, assert_type

from antiphon import (
    AssistantTemplate,
    Branch,
    BreakTemplate,
    CachedModel,
    CleanSessionStrategy,
    EndTemplate,
    Event,
    ExtractCodeBlock,
    Fact,
    FallbackModel,
    FilteredInheritStrategy,
    GenerateTemplate,
    IfTemplate,
    LinearTemplate,
    LoopTemplate,
    Message,
    MessageTemplate,
    Model,
    ModelCall,
    ModelSettings,
    Observer,
    ParallelTemplate,
    Reply,
    RetryingModel,
    Role,
    Runner,
    Sample,
    Session,
    SessionTransformer,
    SquashStrategy,
    SubroutineEntered,
    SubroutineTemplate,
    SystemTemplate,
    Template,
    TemplateEntered,
    ToolCall,
    Trace,
    UpdateMetadata,
    Usage,
    UserInterface,
    UserTemplate,
    Visit,
    connect,
    observing,
)
from antiphon.effects import Effect
from antiphon.errors import MessageLimitExceeded, RateLimitError, SavedByNewerVersion, TreeChanged
from antiphon.texts import Content, Environment, JinjaText, environment


class Echo(Model):
    """A model needs only `_send`, which may answer with less than a `Reply`."""

    name = "echo"
    recordable = True
    settings = ModelSettings(temperature=0)

    def __init__(self, prefix: str = "") -> None:
        self.prefix = prefix

    def _send(self, session: Session) -> str:
        return self.prefix + session.last.content


class Twice(Template):
    """A template of one's own asks, includes others, and yields messages."""

    def __init__(self, child: Template) -> None:
        super().__init__(template_id="twice", before_transform=[UpdateMetadata(topic="x"), quiet])
        self.child = child

    @property
    def branches(self) -> tuple[Branch, ...]:
        """The ways through it."""
        return Branch("once", 0), Branch("never")

    def branches_taken(self, visit: Visit) -> list[str]:
        """Those that a visit took."""
        assert_type(visit.children, frozenset[str])
        assert_type(visit.is_open, bool)
        return [branch.name for branch in self.branches if visit.error is None]

    def facts(self) -> Iterator[Fact]:
        """What there is to know."""
        yield from super().facts()
        yield Fact("text", "asks twice", name="user", text="Again?")

    def _render(self, session: Session) -> Generator[Any, Any, Session]:
        session = yield from self.include(self.child, session)
        message = yield from self.ask(session, model="openai:x")
        assert_type(message, Message)
        yield message
        return session


class Draw(Effect):
    """An effect of one's own says what it is about."""

    def asked(self) -> str:
        """Lots."""
        return "lots"

    def perform(self) -> int:
        """Draw."""
        return 4

    async def aperform(self) -> int:
        """Draw."""
        return 4


class Watching(Observer):
    """An observer overrides what it wants to hear of."""

    def on_model_call(self, call: ModelCall) -> None:
        """Look at a call."""
        assert_type(call.messages, Sequence[Message])
        assert_type(call.reply, Reply | None)
        assert_type(call.error, BaseException | None)
        assert_type(call.seconds, float)

    def on_template_enter(self, event: TemplateEntered) -> None:
        """Look at a template."""
        assert_type(event.template, Template)

    def on_subroutine_enter(self, event: SubroutineEntered) -> None:
        """Look at a parent."""
        assert_type(event.parent, Session)


class Deaf(Observer):
    """An observer is given what its method is for, not something else."""

    def on_model_call(self, call: str) -> None:  # type: ignore[override]
        """Hear nothing."""


class Upper(SessionTransformer):
    """A transform of one's own."""

    def process(self, session: Session) -> Session:
        """Change nothing."""
        return session


class Nothing(SquashStrategy):
    """A strategy of one's own."""

    def squash(self, messages: Sequence[Message]) -> list[Message]:
        """Return nothing to the parent."""
        return []


def quiet(session: Session) -> Session:
    """Be a transform without a class."""
    return session


def runners(runner: Runner, template: Template, session: Session, interface: UserInterface) -> None:
    """What a runner is made of, and gives."""
    Runner(Echo(), interface, template)
    Runner("openai:x")
    Runner(1)  # type: ignore[arg-type]
    Runner(Echo(), user_interface="me")  # type: ignore[arg-type]

    assert_type(runner.run(), Session)
    assert_type(runner.run(session, template=template, max_messages=3), Session)
    assert_type(runner.iter(session), Generator[Message, None, Session])
    assert_type(runner.aiter(session), AsyncGenerator[Message])
    assert_type(runner.stream(session), Generator[Message | Event, None, Session])
    assert_type(runner.astream(session), AsyncGenerator[Message | Event])
    print([message.content for message in runner.iter(session)])
    assert_type(runner.advance(session), Session)
    assert_type(runner.advance(session, "Hello", template=template, max_messages=3), Session)
    runner.advance(session, 1)  # type: ignore[arg-type]
    streamed = runner.stream_advance(session, "Hello", template=template, max_messages=3)
    assert_type(streamed, Generator[Message | Event, None, Session])
    held = runner.hold(session, template=template, max_messages=3)
    assert_type(held, Generator[Message | Event, None, Session])
    assert_type(runner.fork("openai:x"), Runner)
    assert_type(runner.model, Model)
    runner.model = Echo()
    runner.run(template="not a template")  # type: ignore[arg-type]


async def awaited(runner: Runner, template: Template, model: Model, session: Session) -> None:
    """What is the same without blocking the event loop."""
    assert_type(await runner.arun(session), Session)
    assert_type(await model.asend(session), Message)
    assert_type(await runner.aadvance(session, "Hello", template=template, max_messages=3), Session)
    async for step in runner.astream_advance(session, "Hello", template=template, max_messages=3):
        assert_type(step, Message | Event)
    async for message in runner.aiter(session):
        assert_type(message, Message)
    async for step in runner.astream(session):
        assert_type(step, Message | Event)
    async for step in template.arender(session):
        assert_type(step, Message | Event)


def sessions(session: Session, trace: Trace) -> None:
    """What a session holds."""
    made = Session(messages=[Message(role="user", content="Hello")], metadata={"name": "Ada"})
    Message(role="robot")  # type: ignore[arg-type]
    made.append(Message(role="tool", tool_call_id="1"))

    assert_type(session.messages, list[Message])
    assert_type(session.metadata, dict[str, Any])
    assert_type(session.metadata_as(Usage), Usage)
    session.metadata.update(session.metadata_as(Usage))
    assert_type(session.waiting_for, str | None)
    assert_type(session.is_over, bool)
    assert_type(session.model_dump_json(indent=2), str)
    assert_type(Session.model_validate_json("{}"), Session)
    session.model_dump_json(1)  # type: ignore[call-arg]
    Session(message=[])  # type: ignore[call-arg]
    assert_type(session.last, Message)
    assert_type(session.get_last_message(), Message)
    assert_type(session.last.role, Role)
    assert_type(session.last.tool_calls, tuple[ToolCall, ...])
    assert_type(session.template_path, str | None)
    assert_type(session.trace, Trace)
    assert_type(trace.models, dict[str, list[str]])
    assert_type(trace.calls, list[ModelCall])
    assert_type(trace.samples, list[Sample])
    assert_type(trace.samples[0].trace, Trace)
    assert_type(trace.samples[0].error, BaseException | None)
    assert_type(trace.at("support/**"), list[ModelCall])
    assert_type(trace.of("answer"), list[ModelCall])


def models(template: GenerateTemplate, subroutine: SubroutineTemplate, session: Session) -> None:
    """Wherever a model is accepted, its name is; what is read back is a model."""
    GenerateTemplate("assistant", model="openai:x")
    GenerateTemplate("assistant", model=Echo())
    GenerateTemplate("assistant", model=1)  # type: ignore[arg-type]
    GenerateTemplate("robot")  # type: ignore[arg-type]
    AssistantTemplate(model="openai:x")
    AssistantTemplate(model=Echo(), template_id="answer")
    SubroutineTemplate(template, model="openai:x")
    SubroutineTemplate(template, runner=Runner(Echo()))

    template.model = "openai:x"
    template.model = Echo()
    template.model = None
    template.model = 1  # type: ignore[assignment]
    assert_type(template.model, Model | None)
    subroutine.model = "openai:x"
    assert_type(subroutine.model, Model | None)

    ModelSettings(temperature=0, top_k=3, extra_body={"x": 1})
    ModelSettings(temperature="hot")  # type: ignore[arg-type]
    Reply("Hello", usage=Usage(input_tokens=1), finish_reason="stop")
    Reply(content="Hello", tool_calls=[ToolCall(id="1", name="look_up")])
    Reply(1)  # type: ignore[arg-type]
    Reply(usge=1)  # type: ignore[call-arg]
    Reply(usage=1)  # type: ignore[arg-type]

    assert_type(connect("openai:x", base_url="http://localhost", api_key="k", temperature=0.5), Model)
    retrying = RetryingModel("openai:x", attempts=5, wait=lambda attempt: attempt * 2.0)
    assert_type(retrying.model, Model)
    assert_type(retrying.settings, ModelSettings)
    RetryingModel(Echo(), 2, 1)
    RetryingModel(Echo(), wait="1s")  # type: ignore[arg-type]
    RetryingModel(Echo(), wait=lambda: 1.0)  # type: ignore[arg-type]
    assert_type(FallbackModel([retrying, "anthropic:y"]).models, tuple[Model, ...])
    FallbackModel(retrying)  # type: ignore[arg-type]
    assert_type(session.trace.calls[0].waited, float)
    kept: dict[str, str] = {}
    assert_type(CachedModel("openai:x", kept).model, Model)
    with shelve.open("answers") as shelf:
        CachedModel(Echo(), store=shelf)
    CachedModel(Echo(), store=["answers"])  # type: ignore[arg-type]
    assert_type(Echo().send(session), Message)
    assert_type(Echo().settings, ModelSettings)
    assert_type(Echo().origin, Model)


def control_templates_take_no_model(child: Template) -> None:
    """A decision of the design: models are named where they are asked."""
    LinearTemplate([child], model="openai:x")  # type: ignore[call-arg]
    LoopTemplate([child], model=Echo())  # type: ignore[call-arg]
    IfTemplate(lambda _: True, child, model=Echo())  # type: ignore[call-arg]
    BreakTemplate(model=Echo())  # type: ignore[call-arg]
    EndTemplate(model=Echo())  # type: ignore[call-arg]


def every_template_takes_the_common_options(child: Template) -> None:
    """Options are checked by name and by type."""
    MessageTemplate("x", "user", template_id="t", before_transform=quiet, after_transform=Upper(), enable_logging=False)
    SystemTemplate("x", template_id="t", before_transform=[quiet, Upper()], after_transform=quiet, enable_logging=False)
    UserTemplate("x", template_id="t", before_transform=None, after_transform=quiet, enable_logging=False)
    UserTemplate(
        description="Your name?", default="Ada", template_id="t", after_transform=ExtractCodeBlock("code", "py")
    )
    AssistantTemplate("x", template_id="t", before_transform=quiet, after_transform=quiet, enable_logging=False)
    GenerateTemplate("tool", template_id="t", before_transform=quiet, after_transform=quiet, enable_logging=False)
    LinearTemplate([child], template_id="t", before_transform=quiet, after_transform=quiet, enable_logging=False)
    LoopTemplate([child], None, 3, template_id="t", before_transform=quiet, after_transform=quiet, enable_logging=False)
    IfTemplate(
        asked, child, child, template_id="t", before_transform=quiet, after_transform=quiet, enable_logging=False
    )
    BreakTemplate(template_id="t", before_transform=quiet, after_transform=quiet, enable_logging=False)
    EndTemplate("Bye", template_id="t", before_transform=quiet, after_transform=quiet, enable_logging=False)
    SubroutineTemplate(child, "t", before_transform=quiet, after_transform=quiet, enable_logging=False)
    ParallelTemplate([child], "t", before_transform=quiet, after_transform=quiet, enable_logging=False)
    MessageTemplate(Path("prompt.jinja"), "system", disable_jinja=True)

    MessageTemplate("x", "user", template="t")  # type: ignore[call-arg]
    LinearTemplate([child], template_id=1)  # type: ignore[arg-type]
    SystemTemplate("x", after_transform="upper")  # type: ignore[arg-type]
    LoopTemplate(["text"])  # type: ignore[list-item]
    IfTemplate(quiet_condition, child)  # type: ignore[arg-type]


def shout(text: str, times: int = 1) -> str:
    """Be a filter of one's own."""
    return text.upper() * times


def texts(runner: Runner) -> None:
    """Environments, and what templates take as their content."""
    prompts = environment(
        filters={"shout": shout},
        tests={"loud": str.isupper},
        globals={"shop": "Fruit & Co", "shout": shout},
        trim_blocks=True,
        lstrip_blocks=True,
    )
    assert_type(prompts, Environment)
    assert_type(prompts("{{ shop | shout }}"), JinjaText)
    contents: list[Content] = [
        "text",
        Path("prompt.jinja"),
        files("shop") / "prompt.jinja",
        zipfile.Path("shop.zip", "prompt.jinja"),
        prompts("text"),
        prompts(Path("prompt.jinja")),
        prompts(files("shop") / "prompt.jinja"),
        prompts(zipfile.Path("shop.zip", "prompt.jinja")),
    ]
    for content in contents:
        LinearTemplate(
            [
                SystemTemplate(content),
                MessageTemplate(content, "tool"),
                UserTemplate(content),
                AssistantTemplate(content),
                EndTemplate(content),
            ]
        )
    assert_type(SystemTemplate("text").content, Content | None)
    SystemTemplate(b"text")  # type: ignore[arg-type]
    prompts(prompts("text"))  # type: ignore[arg-type]
    prompts(42)  # type: ignore[arg-type]
    environment(filters={"shout": 42})  # type: ignore[dict-item]
    environment({"shout": shout})  # type: ignore[call-arg]
    environment(autoescape=True)  # type: ignore[call-arg]


def asked(session: Session) -> bool:
    """Be a condition."""
    return bool(session.messages)


def quiet_condition(text: str) -> bool:
    """Be a condition of something else."""
    return bool(text)


def trees(template: Template, session: Session) -> None:
    """A tree can be walked and rendered."""
    assert_type(template.children, tuple[Template, ...])
    assert_type(list(template.walk()), list[Template])
    assert_type(next(template.render(session)), Message | Event)
    assert_type(LoopTemplate([template]).templates, tuple[Template, ...])


def subroutines(child: Template) -> None:
    """Strategies are checked."""
    SubroutineTemplate(child, session_init_strategy=CleanSessionStrategy(), squash_strategy=Nothing())
    FilteredInheritStrategy(lambda message: message.role == "user")
    SubroutineTemplate(child, session_init_strategy=Nothing())  # type: ignore[arg-type]
    parallel = ParallelTemplate(
        [child], session_init_strategy=CleanSessionStrategy(), squash_strategy=Nothing(), model="openai:x"
    )
    assert_type(parallel.model, Model | None)
    parallel.model = Echo()
    assert_type(parallel.children, tuple[Template, ...])
    ParallelTemplate(child)  # type: ignore[arg-type]
    ParallelTemplate([child], squash_strategy=CleanSessionStrategy())  # type: ignore[arg-type]


def observers() -> None:
    """What is given to `observing` comes back as what it is."""
    with observing(Watching()) as watching:
        assert_type(watching, Watching)


def errors(limit: MessageLimitExceeded, rate: RateLimitError, changed: TreeChanged, newer: SavedByNewerVersion) -> None:
    """Errors carry data."""
    assert_type(limit.max_messages, int)
    assert_type(rate.retry_after, float | None)
    assert_type(changed.expected, str)
    assert_type(changed.found, str)
    assert_type(changed.template_path, str | None)
    assert_type(newer.version, str)
