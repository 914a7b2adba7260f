"""Nothing that a subroutine does reaches its parent. Clause 4 of what templates with models of their own must do."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from antiphon import (
    AssistantTemplate,
    BreakTemplate,
    CleanSessionStrategy,
    EndTemplate,
    FilterByRoleStrategy,
    FilteredInheritStrategy,
    IfTemplate,
    InheritSystemStrategy,
    LastMessageStrategy,
    LastNMessagesStrategy,
    LinearTemplate,
    LoopTemplate,
    Message,
    Model,
    ModelSettings,
    Observer,
    Runner,
    Session,
    SubroutineEntered,
    SubroutineExited,
    SubroutineTemplate,
    Template,
    ToolCall,
    UpdateMetadata,
    UserTemplate,
    observing,
)


class Rich(Model):
    """A model with something to spoil at every place where a model can keep something."""

    __slots__ = ("slot",)
    settings = ModelSettings(temperature=0.5, stop=["."], extra={"deep": [1]})

    def __init__(self, inner: Model | None = None) -> None:
        self.notes = {"deep": [1]}
        self.slot = ["slot"]
        self.inner = inner
        self.guarded = {"lock": threading.Lock(), "values": [1]}

    def _send(self, session: Session) -> str:
        return "answer"


class RichRunner(Runner):
    def __init__(self, model: Model) -> None:
        super().__init__(model)
        self.options = {"deep": [1]}


Deed = Callable[[Session], object]


def spoil_messages(session: Session) -> None:
    for message in session.messages:
        message.metadata["spoilt"] = True
        message.metadata.get("deep", []).append("spoilt")
        for call in message.tool_calls:
            call.arguments["spoilt"] = True


def spoil_metadata(session: Session) -> None:
    session.metadata.setdefault("nested", {}).setdefault("list", []).append("spoilt")
    session.metadata["object"] = session.metadata.get("object")
    vars(session.metadata["object"] or object.__new__(Thing))["spoilt"] = True


def spoil_model(model: Any) -> None:
    model.name = "spoilt"
    model.settings.temperature = 1.5
    (model.settings.stop or []).append("spoilt")
    model.settings.top_p = 0.1
    if isinstance(model, Rich):
        model.settings.extra["deep"].append("spoilt")
        model.notes["deep"].append("spoilt")
        model.slot.append("spoilt")
        model.guarded["values"].append("spoilt")
        if model.inner is not None:
            spoil_model(model.inner)


def replace_settings(session: Session) -> None:
    session.runner.model.settings = ModelSettings(temperature=2, extra={"deep": []})


def replace_runners_model(session: Session) -> None:
    session.runner.model = Rich()


def spoil_runner(session: Session) -> None:
    session.runner.options["deep"].append("spoilt")
    session.runner.template = AssistantTemplate("spoilt")
    session.runner.added = True


def replace_everything(session: Session) -> None:
    session.messages = [Message(role="user", content="spoilt")]
    session.metadata = {"spoilt": True}
    session.runner = None


DEEDS: dict[str, Deed] = {
    "spoil messages": spoil_messages,
    "spoil metadata": spoil_metadata,
    "clear metadata": lambda session: session.metadata.clear(),
    "clear messages": lambda session: session.messages.clear(),
    "reverse messages": lambda session: session.messages.reverse(),
    "drop a message": lambda session: session.messages and session.messages.pop(0),
    "append": lambda session: session.append(Message(role="system", content="spoilt")),
    "spoil model": lambda session: spoil_model(session.runner.model),
    "replace settings": replace_settings,
    "replace model": replace_runners_model,
    "spoil runner": spoil_runner,
}


class Thing:
    def __init__(self) -> None:
        self.values = [1]


class Spoiling(Template):
    def __init__(self, deeds: list[str]) -> None:
        super().__init__()
        self.deeds = deeds

    def _render(self, session: Session) -> Any:
        for deed in self.deeds:
            DEEDS[deed](session)
        return session
        yield


class OnPurpose(Exception):
    pass


def fail(session: Session) -> Session:
    raise OnPurpose


SPOILING = st.lists(st.sampled_from(sorted(DEEDS)), max_size=4).map(Spoiling)
LEAVES = st.one_of(
    SPOILING,
    st.builds(UserTemplate, st.just("{{ 1 + 1 }}"), before_transform=st.none() | st.just(UpdateMetadata(topic=[0]))),
    st.builds(BreakTemplate),
    st.builds(EndTemplate, st.none() | st.just("Bye")),
    st.builds(UserTemplate, st.just("never"), before_transform=st.just(fail)),
)
STRATEGIES = st.one_of(
    st.builds(CleanSessionStrategy),
    st.builds(InheritSystemStrategy),
    st.builds(LastNMessagesStrategy, st.integers(0, 4)),
    st.builds(FilteredInheritStrategy, st.just(lambda message: True)),
)
SQUASHING = st.one_of(st.builds(LastMessageStrategy), st.builds(FilterByRoleStrategy, st.just(["user", "system"])))


def grown(children: st.SearchStrategy[Template]) -> st.SearchStrategy[Template]:
    several = st.lists(children, min_size=1, max_size=3)
    return st.one_of(
        st.builds(LinearTemplate, several),
        st.builds(LoopTemplate, several, exit_loop_count=st.integers(0, 2)),
        st.builds(lambda child: IfTemplate(lambda session: True, child), children),
        subroutines(children),
    )


def subroutines(children: st.SearchStrategy[Template]) -> st.SearchStrategy[Template]:
    return st.builds(
        lambda child, spoiling, after, **options: SubroutineTemplate(
            LinearTemplate([child, spoiling] if after else [spoiling, child]), **options
        ),
        children,
        SPOILING,
        st.booleans(),
        session_init_strategy=STRATEGIES,
        squash_strategy=SQUASHING,
        model=st.none() | st.builds(Rich),
    )


class Guard(Observer):
    """Takes a picture of the parent when a subroutine begins, and compares when it has ended."""

    def __init__(self) -> None:
        self.before: list[Any] = []
        self.checked = 0

    def on_subroutine_enter(self, event: SubroutineEntered) -> None:
        self.before.append(picture_of(event.parent))

    def on_subroutine_exit(self, event: SubroutineExited) -> None:
        self.checked += 1
        assert picture_of(event.parent) == self.before.pop()


def picture_of(value: Any) -> Any:
    """Everything an object holds, as plain data; what may be replaced is told apart by its identity."""
    if isinstance(value, Session):
        parts = (value.messages, value.metadata, value.runner)
        return [id(value), list(map(id, value.messages)), *map(picture_of, parts)]
    if isinstance(value, Message | ModelSettings | ToolCall):
        return [id(value), picture_of(dict(value))]
    if isinstance(value, dict):
        return {key: picture_of(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [id(value), *map(picture_of, value)] if isinstance(value, list) else [*map(picture_of, value)]
    if isinstance(value, Runner | Model | Thing):
        return [id(value), picture_of(dict(vars(value))), picture_of(getattr(value, "slot", None))]
    return value


def parent() -> Session:
    shared = {"list": [1, {"deep": [2]}]}
    return Session(
        messages=[
            Message(role="system", content="plain"),
            Message(role="user", content="with metadata", metadata={"deep": [1]}),
            Message(role="assistant", tool_calls=(ToolCall(id="1", name="look", arguments={"deep": [1]}),)),
        ],
        metadata={"nested": shared, "again": shared, "object": Thing(), "lock": threading.Lock()},
    )


# Without shrinking: the trees are small, and a failure would take minutes to become smaller still.
@settings(max_examples=60, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(tree=subroutines(st.recursive(LEAVES, grown, max_leaves=5)))
def test_clause_4_nothing_that_a_subroutine_does_reaches_its_parent(play, tree):
    session, guard = parent(), Guard()
    runner = RichRunner(Rich(inner=Rich()))

    with observing(guard), suppress(OnPurpose):
        play(runner, session, template=tree)

    assert guard.checked
    assert not guard.before


DEEDS_ALSO_ALONE = DEEDS | {"replace everything": replace_everything}


@pytest.mark.parametrize("model", ["neither", "model"])
@pytest.mark.parametrize("deed", DEEDS_ALSO_ALONE)
def test_clause_4_the_parent_is_as_before_but_for_the_squashed_message(deed, model, play, doing):
    session, runner = parent(), RichRunner(Rich(inner=Rich()))
    session.runner = runner
    before = picture_of(session)
    tree = SubroutineTemplate(
        LinearTemplate([doing(DEEDS_ALSO_ALONE[deed]), UserTemplate("squashed")]),
        session_init_strategy=LastNMessagesStrategy(9),
        model=Rich() if model == "model" else None,
    )

    play(runner, session, template=tree)

    assert session.messages.pop().content == "squashed"
    assert picture_of(session) == before
