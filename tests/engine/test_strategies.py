"""What a subroutine inherits, and what returns from it."""

from __future__ import annotations

import pytest

from antiphon import (
    AssistantTemplate,
    CleanSessionStrategy,
    FilterByRoleStrategy,
    FilteredInheritStrategy,
    InheritSystemStrategy,
    LastMessageStrategy,
    LastNMessagesStrategy,
    LinearTemplate,
    LoopTemplate,
    Message,
    Runner,
    Session,
    SessionInitStrategy,
    SquashStrategy,
    SubroutineTemplate,
    SystemTemplate,
    Template,
    UserTemplate,
)
from antiphon.effects import ask


@pytest.fixture
def parent() -> Session:
    said = [("system", "s1"), ("user", "u1"), ("assistant", "a1"), ("system", "s2"), ("user", "u2")]
    return Session(messages=[Message(role=role, content=content) for role, content in said], metadata={"deep": [1]})


@pytest.mark.parametrize(
    ("strategy", "inherited"),
    [
        (None, []),
        (CleanSessionStrategy(), []),
        (InheritSystemStrategy(), ["s1", "s2"]),
        (LastNMessagesStrategy(0), []),
        (LastNMessagesStrategy(2), ["s2", "u2"]),
        (LastNMessagesStrategy(9), ["s1", "u1", "a1", "s2", "u2"]),
        (FilteredInheritStrategy(lambda message: message.content.endswith("1")), ["s1", "u1", "a1"]),
    ],
)
def test_a_subroutine_begins_with_what_its_strategy_takes_over(strategy, inherited, parent, play, doing, answering):
    seen: list[object] = []

    def look(session: Session) -> None:
        seen.extend([[message.content for message in session.messages], session.metadata])

    play(Runner(answering()), parent, template=SubroutineTemplate(doing(look), session_init_strategy=strategy))

    assert seen == [inherited, {"deep": [1]}]
    assert seen[1]["deep"] is not parent.metadata["deep"]
    assert len(parent.messages) == 5


@pytest.mark.parametrize("wrong", [1.5, "2", None, True])
def test_a_number_of_messages_must_be_a_number(wrong):
    with pytest.raises(TypeError, match="n is a number, not"):
        LastNMessagesStrategy(wrong)


def test_fewer_than_no_messages_are_refused():
    with pytest.raises(ValueError, match="0 or more, not -1"):
        LastNMessagesStrategy(-1)


def test_a_filter_must_be_a_function():
    with pytest.raises(TypeError, match="filter_fn is a function of a message that is not async, not str"):
        FilteredInheritStrategy("user")


TALK = LinearTemplate([SystemTemplate("s"), UserTemplate("u"), AssistantTemplate(), UserTemplate("v")])


@pytest.mark.parametrize(
    ("strategy", "returned"),
    [
        (None, ["v"]),
        (LastMessageStrategy(), ["v"]),
        (FilterByRoleStrategy(["user"]), ["u", "v"]),
        (FilterByRoleStrategy({"assistant", "system"}), ["s", "ok"]),
        (FilterByRoleStrategy(("tool",)), []),
        (FilterByRoleStrategy([]), []),
    ],
)
def test_what_returns_from_a_subroutine_is_what_its_strategy_chooses(strategy, returned, play, answering, contents):
    session = play(Runner(answering()), template=SubroutineTemplate(TALK, squash_strategy=strategy))

    assert contents(session) == returned


@pytest.mark.parametrize("strategy", [LastMessageStrategy(), FilterByRoleStrategy(["system", "user", "assistant"])])
def test_what_a_subroutine_inherited_does_not_return(strategy, parent, play, answering, contents):
    tree = SubroutineTemplate(
        LinearTemplate([]), session_init_strategy=LastNMessagesStrategy(3), squash_strategy=strategy
    )
    before = list(parent.messages)

    assert play(Runner(answering()), parent, template=tree).messages == before

    tree = SubroutineTemplate(
        UserTemplate("new"), session_init_strategy=LastNMessagesStrategy(3), squash_strategy=strategy
    )
    assert contents(play(Runner(answering()), parent, template=tree))[5:] == ["new"]


def test_squashed_messages_keep_the_path_and_the_model_of_where_they_were_said(play, answering):
    session = play(Runner(answering(name="m")), template=SubroutineTemplate(AssistantTemplate("fixed"), "sub"))

    assert session.last.template_path == "sub/assistant-1"


@pytest.mark.parametrize("roles", ["user", "us"])
def test_roles_given_as_a_text_are_refused(roles):
    with pytest.raises(TypeError, match="roles is a list of roles, not a text"):
        FilterByRoleStrategy(roles)


def test_unknown_roles_are_refused():
    with pytest.raises(ValueError, match="no such roles: bot, robot; there are system, user, assistant, tool"):
        FilterByRoleStrategy(["user", "robot", "bot"])


class Remembering(SquashStrategy):
    """Keeps what it is told, as strategies written by users do."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def initialize(self, parent_session: Session, child_session: Session) -> None:
        super().initialize(parent_session, child_session)
        self.seen.append("initialize")
        self.parent_length = len(parent_session.messages)

    def squash(self, messages: list[Message]) -> list[Message]:
        self.seen.append("squash")
        assert self.child_session.messages[-len(messages) :] == messages
        texts = f"{self.parent_length} {self.seen} {[message.content for message in messages]}"
        return [Message(role="assistant", content=texts)]


def test_a_users_strategy_is_initialized_and_then_asked_and_never_changed(play, answering, contents):
    strategy = Remembering()
    tree = LoopTemplate([SubroutineTemplate(UserTemplate("x"), squash_strategy=strategy)], exit_loop_count=2)

    session = play(Runner(answering()), template=tree)

    assert contents(session) == [f"{turn} ['initialize', 'squash'] ['x']" for turn in (0, 1)]
    assert vars(strategy) == {"seen": []}


def test_a_strategy_may_change_the_list_it_is_given(play, answering, contents):
    class Clearing(SquashStrategy):
        def squash(self, messages: list[Message]) -> list[Message]:
            return [messages.pop(0) for _ in list(messages)][:1]

    assert contents(play(Runner(answering()), template=SubroutineTemplate(TALK, squash_strategy=Clearing()))) == ["s"]


def test_squash_may_be_a_generator_that_asks_a_model(play, answering, contents):
    class Judging(SquashStrategy):
        def squash(self, messages: list[Message]):
            verdict = yield from ask(self.child_session)
            return [message for message in messages if message.content == verdict.content]

    tree = SubroutineTemplate(LinearTemplate([UserTemplate("a"), UserTemplate("b")]), "sub", squash_strategy=Judging())
    session = play(Runner(answering("a")), template=tree)

    assert contents(session) == ["a"]
    assert session.trace.models == {"sub": ["answering"]}


@pytest.mark.parametrize("wrong", [None, "text", [1], Message(role="user"), [Message(role="user"), None]])
def test_a_strategy_that_returns_no_list_of_messages_is_a_type_error(wrong, play, answering):
    class Wrong(SquashStrategy):
        def squash(self, messages: list[Message]) -> list[Message]:
            return wrong

    with pytest.raises(TypeError, match=r"Wrong\.squash returned no list of messages"):
        play(Runner(answering()), template=SubroutineTemplate(UserTemplate("x"), squash_strategy=Wrong()))


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"squash_strategy": LastMessageStrategy}, r"squash_strategy .*; give an instance: LastMessageStrategy\(\)"),
        ({"squash_strategy": "last"}, "squash_strategy takes a SquashStrategy, not str: 'last'"),
        ({"session_init_strategy": CleanSessionStrategy}, r"; give an instance: CleanSessionStrategy\(\)"),
        ({"session_init_strategy": LastMessageStrategy()}, "takes a SessionInitStrategy, not LastMessageStrategy: "),
    ],
)
def test_what_is_no_strategy_is_refused_when_the_tree_is_built(options, text):
    with pytest.raises(TypeError, match=text):
        SubroutineTemplate(UserTemplate("x"), **options)


def test_a_strategy_that_counts_as_false_is_taken_all_the_same(play, answering, contents):
    class Nothing(LastMessageStrategy):
        def __len__(self) -> int:
            return 0

        def squash(self, messages: list[Message]) -> list[Message]:
            return []

    tree = SubroutineTemplate(UserTemplate("x"), squash_strategy=Nothing())

    assert contents(play(Runner(answering()), template=tree)) == []


def test_an_init_strategy_of_a_user_makes_the_session(play, answering, contents):
    class Fixed(SessionInitStrategy):
        def initialize(self, parent_session: Session) -> Session:
            return Session(messages=[Message(role="user", content="of the strategy")], metadata={"name": "Ada"})

    tree = SubroutineTemplate(SystemTemplate("{{ name }}: {{ session.last.content }}"), session_init_strategy=Fixed())

    assert contents(play(Runner(answering()), template=tree)) == ["Ada: of the strategy"]


@pytest.mark.parametrize("nothing", [LinearTemplate([])])
def test_a_subroutine_that_says_nothing_returns_nothing(nothing: Template, play, answering):
    assert play(Runner(answering()), template=SubroutineTemplate(nothing)).messages == []
