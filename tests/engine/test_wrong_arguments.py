"""What cannot work is refused when it is given, by an error that names the parameter."""

from __future__ import annotations

from functools import partial

import pytest

from antiphon import (
    AssistantTemplate,
    ConsoleInterface,
    EndTemplate,
    ExtractCodeBlock,
    Farewell,
    FilterByRoleStrategy,
    FilteredInheritStrategy,
    IfTemplate,
    LinearTemplate,
    LLMFilteringStrategy,
    LLMSummarizingStrategy,
    LoopTemplate,
    Model,
    Observer,
    Reply,
    ResetMetadata,
    Runner,
    Session,
    SessionTransformer,
    SubroutineTemplate,
    SystemTemplate,
    Tool,
    ToolingTemplate,
    UpdateMetadata,
    UserTemplate,
    observing,
    tool,
)
from antiphon.errors import InvalidType, InvalidValue
from antiphon.terminal import CommandLineRunner

SAYING = SystemTemplate("x")


class Echo(Model):
    def _send(self, session: Session) -> str:
        return "echo"


class Phone:
    """Rings somebody up."""

    def __call__(self, number: str) -> str:
        return number


def ring(number: str) -> str:
    """Rings somebody up."""
    return number


def observe(observer: object) -> None:
    with observing(observer):
        pass


WRONG = {
    "a role that is a number": (lambda: FilterByRoleStrategy([1]), "roles is a list of roles, and has int: 1 in it"),
    "a role that is a list": (lambda: FilterByRoleStrategy([["user"]]), "roles is a list of roles, and has list"),
    "roles that are none": (lambda: FilterByRoleStrategy(3), "roles is a list of roles, not int: 3"),
    "a prompt to filter": (lambda: LLMFilteringStrategy(prompt=3), "prompt takes text, not int: 3"),
    "a prompt to summarise": (lambda: LLMSummarizingStrategy(prompt=b"x"), "prompt takes text, not bytes"),
    "a farewell": (lambda: EndTemplate(3), "farewell_message is text or a pathlib.Path to a file, not int: 3"),
    "a tool's farewell": (lambda: Farewell(3), "message takes text, not int: 3"),
    "a tool's name": (lambda: Tool(ring, name=3), "name takes text, not int: 3"),
    "a decorated tool's name": (lambda: tool(name=3)(ring), "name takes text, not int: 3"),
    "a tool's description": (lambda: Tool(ring, description=3), "description takes text, not int: 3"),
    "a subroutine's description": (lambda: Tool.from_template("a", 3, SAYING), "description takes text, not int: 3"),
    "a tool": (lambda: ToolingTemplate([ring, 3]), r"tools\[1\] takes a Tool or a function, not int: 3"),
    "a key to extract to": (lambda: ExtractCodeBlock(3), "key takes text, not int: 3"),
    "a language": (lambda: ExtractCodeBlock("code", 3), "lang takes text, not int: 3"),
    "a key to remove": (lambda: ResetMetadata("a", ["b"]), r"keys takes text, not list: \['b'\]"),
    "a type in quotes": (lambda: AssistantTemplate(output_type="Answer"), "output_type takes a type .*not str: 'Answ"),
    "an observer": (lambda: observe(3), "observer takes an Observer, not int: 3"),
    "a message": (lambda: Session().append("x"), "message takes a Message, not str: 'x'"),
    "a session to render": (lambda: list(SAYING.render(3)), "session takes a Session, not int: 3"),
    "a runner's model": (lambda: Runner(3), "model takes a Model or a name .*, not int: 3"),
    "a user interface": (lambda: CommandLineRunner(Echo(), 0), "user_interface takes a UserInterface, not int: 0"),
    "rounds": (lambda: ToolingTemplate([], max_rounds="3"), "max_rounds is a number, not str: '3'"),
}


@pytest.mark.parametrize("what", WRONG)
def test_something_of_the_wrong_kind_is_refused_by_name(what):
    give, text = WRONG[what]
    with pytest.raises(InvalidType, match=text):
        give()


CLASSES = {
    "Echo": [lambda: Runner(Echo), lambda: Runner(Echo()).fork(Echo)],
    "ConsoleInterface": [lambda: Runner(Echo(), ConsoleInterface)],
    "AssistantTemplate": [
        lambda: Runner(Echo(), template=AssistantTemplate),
        lambda: Runner(Echo()).run(template=AssistantTemplate),
        lambda: LinearTemplate([AssistantTemplate]),
        lambda: LoopTemplate([AssistantTemplate]),
        lambda: IfTemplate(len, AssistantTemplate),
        lambda: SubroutineTemplate(AssistantTemplate),
    ],
    "Session": [lambda: Runner(Echo()).run(Session, template=SAYING)],
    "Observer": [lambda: observe(Observer)],
    "UpdateMetadata": [lambda: SystemTemplate("x", before_transform=[UpdateMetadata])],
    "Phone": [lambda: ToolingTemplate([Phone]), lambda: Tool(Phone)],
    "Tool": [lambda: ToolingTemplate([Tool])],
}


@pytest.mark.parametrize(
    ("name", "give"),
    [(name, give) for name, gives in CLASSES.items() for give in gives],
)
def test_a_class_in_place_of_its_instance_is_refused_and_the_error_says_how_to_make_one(name, give):
    with pytest.raises(InvalidType, match=rf"; give an instance: {name}\(\)"):
        give()


def test_a_class_whose_objects_cannot_be_called_may_be_a_tool():
    class Appointment:
        """Fixes an appointment."""

        def __init__(self, day: str) -> None:
            self.day = day

    assert ToolingTemplate([Appointment]).tools[0].name == "Appointment"


def test_an_object_that_can_be_called_is_a_tool():
    assert ToolingTemplate([Tool(Phone(), name="ring")]).tools[0].checked({"number": "1"}) == {"number": "1"}


async def later(session: Session) -> Session:
    return session


async def bit_by_bit(session: Session):
    yield session


class Later:
    async def __call__(self, session: Session) -> Session:
        return session


class LateTransformer(SessionTransformer):
    async def process(self, session: Session) -> Session:
        return session


ASYNC = [later, bit_by_bit, partial(later), Later(), partial(Later()), Later().__call__]


@pytest.mark.parametrize("function", ASYNC)
@pytest.mark.parametrize(
    ("use", "text"),
    [
        (
            lambda given: IfTemplate(given, SAYING),
            "^condition of IfTemplate takes a plain function .* not an async one: ",
        ),
        (
            lambda given: LoopTemplate([SAYING], given),
            "exit_condition of LoopTemplate takes a plain function .* not an async one: ",
        ),
        (
            lambda given: UserTemplate("x", before_transform=given),
            "before_transform of UserTemplate takes plain functions.* async one",
        ),
        (
            lambda given: UserTemplate("x", after_transform=[given]),
            "after_transform of UserTemplate takes plain functions.* async one",
        ),
        (FilteredInheritStrategy, "filter_fn is a function of a message that is not async"),
    ],
    ids=["condition", "exit_condition", "before_transform", "after_transform", "filter_fn"],
)
def test_something_async_is_refused_where_a_plain_function_is_called(use, text, function):
    with pytest.raises(InvalidType, match=text):
        use(function)


def test_a_transformer_whose_process_is_async_is_refused():
    with pytest.raises(
        InvalidType, match=r"before_transform of hello takes plain functions, .* async one: .*LateTransf"
    ):
        SystemTemplate("x", template_id="hello", before_transform=LateTransformer())


def test_a_refused_observer_leaves_the_others_listening(play, answering):
    class Listening(Observer):
        entered = 0

        def on_template_enter(self, event):
            self.entered += 1

    with observing(Listening()) as listening, pytest.raises(InvalidType):
        observe("nobody")
    with observing(listening):
        play(Runner(answering()), template=SAYING)

    assert listening.entered == 1


def test_a_reply_with_a_misspelt_field_is_refused():
    with pytest.raises(ValueError, match="usge"):
        Reply("x", usge=1)


@pytest.mark.parametrize("count", [-1, -5])
@pytest.mark.parametrize(
    ("parameter", "give"),
    [
        ("exit_loop_count", lambda count: LoopTemplate([SAYING], exit_loop_count=count)),
        ("max_rounds", lambda count: ToolingTemplate([], max_rounds=count)),
        ("retries", lambda count: AssistantTemplate(retries=count)),
        ("max_messages", lambda count: Runner(Echo()).run(template=SAYING, max_messages=count)),
    ],
)
def test_less_than_nothing_is_refused(parameter, give, count):
    with pytest.raises(InvalidValue, match=f"{parameter} is a number, 0 or more, not {count}"):
        give(count)
