"""The places where isolation is easily forgotten; the general rule is in test_isolation.py."""

from __future__ import annotations

import gc
from copy import deepcopy

import pytest

from antiphon import (
    AssistantTemplate,
    CleanSessionStrategy,
    FilterByRoleStrategy,
    FilteredInheritStrategy,
    InheritSystemStrategy,
    LastNMessagesStrategy,
    LinearTemplate,
    LoopTemplate,
    Message,
    Model,
    ModelSettings,
    Runner,
    Session,
    SessionInitStrategy,
    SquashStrategy,
    SubroutineTemplate,
    SystemTemplate,
    Template,
    ToolCall,
    UserTemplate,
)
from antiphon.copies import isolated
from antiphon.errors import InvalidValue


def test_clause_4_metadata_added_to_an_inherited_message_without_any_stays_in_the_subroutine(play, doing, answering):
    session = Session(messages=[Message(role="system", content="x")])
    tag = doing(lambda child: child.messages[0].metadata.update(seen=True))

    play(Runner(answering()), session, template=SubroutineTemplate(tag, session_init_strategy=InheritSystemStrategy()))

    assert session.messages == [Message(role="system", content="x")]


def test_clause_4_arguments_of_an_inherited_tool_call_stay_as_they_were(play, doing, answering):
    call = ToolCall(id="1", name="look", arguments={"place": {"city": "Oslo"}})
    result = Message(role="tool", content="seen", tool_call_id="1")
    session = Session(messages=[Message(role="assistant", tool_calls=(call,)), result])
    change = doing(lambda child: child.messages[0].tool_calls[0].arguments["place"].update(city="Bergen"))

    play(
        Runner(answering()),
        session,
        template=SubroutineTemplate(change, session_init_strategy=LastNMessagesStrategy(2)),
    )

    assert session.messages[0].tool_calls[0].arguments == {"place": {"city": "Oslo"}}


def test_clause_4_the_parents_model_is_isolated_also_where_the_subroutine_is_given_that_same_model(play, doing):
    class Warm(Model):
        def _send(self, session: Session) -> str:
            return "warm"

    model = Warm()
    runner = Runner(model)

    def heat(session: Session) -> None:
        session.runner.model.settings.temperature = 2

    session = play(
        runner,
        template=SubroutineTemplate(
            LinearTemplate([doing(heat), UserTemplate("Hi"), AssistantTemplate()]), model=model
        ),
    )

    assert model.settings == ModelSettings()
    assert session.trace.calls[0].origin is model


@pytest.mark.parametrize("times", [1, 50])
def test_clause_4_class_level_settings_are_not_changed_through_a_fork(times, play, doing):
    class Fixed(Model):
        settings = ModelSettings(stop=["."])

        def _send(self, session: Session) -> str:
            return "fixed"

    template = LoopTemplate(
        [SubroutineTemplate(doing(lambda session: session.runner.model.settings.stop.append("!")))],
        exit_loop_count=times,
    )

    model = Fixed()
    play(Runner(model), template=template)

    assert Fixed.settings.stop == ["."]
    assert model.settings.stop == ["."]


def test_clause_4_what_a_strategy_takes_over_by_reference_is_copied(play, doing, answering):
    class Borrowing(SessionInitStrategy):
        def initialize(self, parent_session: Session) -> Session:
            return parent_session.model_copy()

    session = Session(messages=[Message(role="user", content="x", metadata={"a": []})], metadata={"b": []})

    def spoil(child: Session) -> None:
        child.messages[0].metadata["a"].append(1)
        child.messages.append(Message(role="user", content="y"))
        child.metadata["b"].append(1)

    play(
        Runner(answering()),
        session,
        template=SubroutineTemplate(
            LinearTemplate([doing(spoil)]), session_init_strategy=Borrowing(), squash_strategy=Nothing()
        ),
    )

    assert session.messages == [Message(role="user", content="x", metadata={"a": []})]
    assert session.metadata == {"b": []}


class Nothing(SquashStrategy):
    def squash(self, messages: list[Message]) -> list[Message]:
        return []


def test_clause_4_metadata_that_mentions_the_runner_or_the_session_leads_to_copies(play, doing, answering):
    runner, session = Runner(answering()), Session()
    session.metadata = {"runner": runner, "session": session, "list": [1]}

    def spoil(child: Session) -> None:
        child.metadata["runner"].model.name = "spoilt"
        child.metadata["session"].metadata["list"].append(2)

    play(runner, session, template=SubroutineTemplate(doing(spoil)))

    assert runner.model.name == "answering"
    assert session.metadata["list"] == [1]


@pytest.mark.llm_isolation("off", reason="the guard keeps the messages in memory")
def test_a_message_said_where_an_inherited_one_was_dropped_returns_to_the_parent(play, answering):
    def forget(session: Session) -> Session:
        session.messages.clear()
        return session

    tree = SubroutineTemplate(
        UserTemplate("said", before_transform=forget), session_init_strategy=LastNMessagesStrategy(9)
    )
    runner, returned = Runner(answering(), template=tree), []
    gc.disable()  # so that a dropped message's place in memory is soon taken by another
    try:
        for _ in range(200):
            session = Session(messages=[Message(role="user", content=str(n), metadata={"n": n}) for n in range(20)])
            returned.append(play(runner, session).last.content)
    finally:
        gc.enable()

    assert returned == ["said"] * 200


def test_metadata_that_a_subroutine_sets_stays_in_it(play, doing, answering):
    session = Session(metadata={"topic": "weather"})
    tree = SubroutineTemplate(
        LinearTemplate(
            [doing(lambda child: child.metadata.update(topic="sport", more=1)), SystemTemplate("{{ topic }}")]
        )
    )

    play(Runner(answering()), session, template=tree)

    assert session.metadata == {"topic": "weather"}
    assert session.last.content == "sport"


def test_what_a_subroutines_user_says_stays_in_it_unless_it_is_squashed(play, saying, answering, contents):
    tree = SubroutineTemplate(LinearTemplate([UserTemplate(), AssistantTemplate()]))

    session = play(Runner(answering("answer"), user_interface=saying("secret")), template=tree)

    assert contents(session) == ["answer"]


@pytest.mark.parametrize("returned", [None, "parent", "a list"])
def test_an_init_strategy_must_return_a_session_of_its_own(returned, play, answering):
    class Wrong(SessionInitStrategy):
        def initialize(self, parent_session: Session) -> Session:
            return parent_session if returned == "parent" else returned

    tree = SubroutineTemplate(UserTemplate("x"), session_init_strategy=Wrong())

    with pytest.raises(TypeError, match=r"Wrong\.initialize must return a session of its own, not"):
        play(Runner(answering()), template=tree)


class Counted:
    """Counts how often it is copied."""

    copies = 0

    def __deepcopy__(self, memo):
        Counted.copies += 1
        return self


@pytest.mark.parametrize(
    "strategy",
    [CleanSessionStrategy(), LastNMessagesStrategy(9), FilteredInheritStrategy(lambda message: True)],
    ids=lambda strategy: type(strategy).__name__,
)
def test_what_a_subroutine_inherits_is_copied_once(strategy, play, answering, monkeypatch):
    monkeypatch.setattr(Counted, "copies", 0)
    session = Session(messages=[Message(role="user", content="x")], metadata={"counted": Counted()})

    play(Runner(answering()), session, template=SubroutineTemplate(UserTemplate("y"), session_init_strategy=strategy))

    assert Counted.copies == 1


def test_what_a_strategy_adds_to_one_of_the_engines_is_copied_too(play, doing, answering):
    class Sharing(CleanSessionStrategy):
        def initialize(self, parent_session: Session) -> Session:
            child = super().initialize(parent_session)
            child.metadata["notes"] = parent_session.metadata["notes"]
            return child

    session = Session(metadata={"notes": []})
    spoil = doing(lambda session: session.metadata["notes"].append("spoilt"))
    play(Runner(answering()), session, template=SubroutineTemplate(spoil, session_init_strategy=Sharing()))

    assert session.metadata == {"notes": []}


def copied(session: Session) -> Session:
    return deepcopy(session)


class Repeating(Template):
    """Says, without a path, what was said before."""

    def _render(self, session: Session):
        yield Message(role="user", content="old")
        return session


@pytest.mark.parametrize("when", ["before_transform", "after_transform"])
def test_inherited_messages_do_not_return_where_a_transform_copies_the_session(when, play, answering, contents):
    said = [Message(role="user", content="old", metadata={"unequal": object()}), Message(role="user", content="old")]
    tree = SubroutineTemplate(
        LinearTemplate([Repeating(), UserTemplate("new")], **{when: copied}),
        session_init_strategy=LastNMessagesStrategy(2),
        squash_strategy=FilterByRoleStrategy(["user"]),
    )

    assert contents(play(Runner(answering()), Session(messages=said), template=tree)) == ["old", "old", "old", "new"]


def test_a_message_said_in_a_subroutine_returns_also_where_an_inherited_one_was_removed(play, answering, contents):
    def forget(session: Session) -> Session:
        session.messages.clear()
        return session

    tree = SubroutineTemplate(
        UserTemplate("old", before_transform=forget), session_init_strategy=LastNMessagesStrategy(1)
    )
    session = Session(messages=[Message(role="user", content="old")])

    assert contents(play(Runner(answering()), session, template=tree)) == ["old", "old"]


def test_metadata_may_nest_lists_and_dicts_as_deep_as_they_are():
    inmost: list[object] = ["one"]
    value: object = inmost
    for _ in range(3_000):
        value = [{"inner": value, "shared": inmost}]

    copy = isolated({"deep": value})["deep"]

    for _ in range(3_000):
        assert copy[0]["shared"] == ["one"]
        copy = copy[0]["inner"]
    assert copy == inmost
    assert copy is not inmost


def test_tuples_that_nest_too_deep_are_refused_by_their_key():
    value: tuple[object, ...] = ()
    for _ in range(100_000):
        value = (value,)

    with pytest.raises(InvalidValue, match="what it holds under the key 'deep' is nested too deep"):
        isolated({"flat": 1, "deep": value})
