"""What was sent stays as it was sent: the messages of a trace never change."""

from __future__ import annotations

import copy
import gc
import operator
import pickle
import weakref
from contextlib import suppress

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from antiphon import (
    AssistantTemplate,
    Image,
    LinearTemplate,
    LoopTemplate,
    Message,
    Model,
    Runner,
    Session,
    UserTemplate,
)
from antiphon.history import History

INDICES = st.integers(-6, 6)
SLICES = st.builds(slice, st.none() | INDICES, st.none() | INDICES, st.none() | st.sampled_from([-2, -1, 1, 2]))


def message(number: int) -> Message:
    return Message(role="user", content=str(number))


class Counting(Model):
    """Answers nothing of interest; it is asked so that calls are recorded."""

    def _send(self, session: Session) -> str:
        return "ok"


class MessagesOfATrace(RuleBasedStateMachine):
    """Whatever is done to a session's list: the list behaves as a plain one, and what was recorded stays."""

    numbers = st.integers(0, 5)

    @initialize()
    def begin(self) -> None:
        self.model = Counting()
        self.session = Session(messages=[message(0)])
        self.plain: list[Message] = [message(0)]
        self.sent: list[list[Message]] = []

    @rule()
    def ask(self) -> None:
        if self.plain:
            self.model.send(self.session)
            self.sent.append(list(self.plain))

    @rule(number=numbers)
    def append(self, number: int) -> None:
        self.session.append(message(number))
        self.plain.append(message(number))

    @rule(numbers=st.lists(numbers, max_size=3))
    def extend(self, numbers: list[int]) -> None:
        self.session.messages.extend(map(message, numbers))
        self.plain.extend(map(message, numbers))

    @rule(numbers=st.lists(numbers, max_size=3))
    def add_in_place(self, numbers: list[int]) -> None:
        self.session.messages += list(map(message, numbers))
        self.plain += list(map(message, numbers))

    @rule(index=INDICES, number=numbers)
    def insert(self, index: int, number: int) -> None:
        for messages in (self.session.messages, self.plain):
            messages.insert(index, message(number))

    @rule(index=INDICES)
    def pop(self, index: int) -> None:
        for messages in (self.session.messages, self.plain):
            with suppress(IndexError):
                messages.pop(index)

    @rule(number=numbers)
    def remove(self, number: int) -> None:
        for messages in (self.session.messages, self.plain):
            with suppress(ValueError):
                messages.remove(message(number))

    @rule(index=INDICES, number=numbers)
    def set_item(self, index: int, number: int) -> None:
        for messages in (self.session.messages, self.plain):
            with suppress(IndexError):
                messages[index] = message(number)

    @rule(where=SLICES, numbers=st.lists(numbers, max_size=3))
    def set_slice(self, where: slice, numbers: list[int]) -> None:
        for messages in (self.session.messages, self.plain):
            with suppress(ValueError):
                messages[where] = list(map(message, numbers))

    @rule(where=INDICES | SLICES)
    def delete(self, where: int | slice) -> None:
        for messages in (self.session.messages, self.plain):
            with suppress(IndexError):
                del messages[where]

    @rule(times=st.integers(-1, 2))
    def multiply(self, times: int) -> None:
        if len(self.plain) < 20:
            for messages in (self.session.messages, self.plain):
                operator.imul(messages, times)

    @rule(way=st.sampled_from(["clear", "reverse"]))
    def call(self, way: str) -> None:
        for messages in (self.session.messages, self.plain):
            getattr(messages, way)()

    @rule(reverse=st.booleans())
    def sort(self, reverse: bool) -> None:
        for messages in (self.session.messages, self.plain):
            messages.sort(key=lambda one: one.content, reverse=reverse)

    @rule(numbers=st.lists(numbers, max_size=3))
    def replace(self, numbers: list[int]) -> None:
        self.session.messages = list(map(message, numbers))
        self.plain = list(map(message, numbers))

    @rule()
    def go_on_with_a_copy(self) -> None:
        self.session.messages = copy.copy(self.session.messages)

    @invariant()
    def the_list_is_a_list(self) -> None:
        assert self.session.messages == self.plain

    @invariant()
    def what_was_recorded_stays(self) -> None:
        for call, sent in zip(self.session.trace.calls, self.sent, strict=True):
            assert call.messages == sent
            assert len(call.messages) == len(sent)
            assert list(call.messages) == sent
            assert [call.messages[index] for index in range(-len(sent), len(sent))] == sent + sent


TestMessagesOfATrace = MessagesOfATrace.TestCase
TestMessagesOfATrace.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


@pytest.fixture
def sent() -> tuple[Session, object]:
    session = Session(messages=[message(0), message(1), message(2)])
    Counting().send(session)
    return session, session.trace.calls[0].messages


def test_recorded_messages_read_like_a_list(sent):
    _, messages = sent

    assert len(messages) == 3
    assert messages[0] == message(0)
    assert messages[-1] == message(2)
    assert messages[1:] == [message(1), message(2)]
    assert messages == [message(0), message(1), message(2)] == messages
    assert messages == (message(0), message(1), message(2))
    assert messages != [message(0)]
    assert messages != "text"
    assert message(1) in messages
    assert repr(messages) == repr([message(0), message(1), message(2)])
    with pytest.raises(IndexError):
        messages[3]


def test_a_recorded_list_does_not_show_what_was_appended_later(sent):
    session, messages = sent
    session.append(message(3))

    with pytest.raises(IndexError):
        messages[3]
    assert messages[-1] == message(2)
    assert messages[:] == [message(0), message(1), message(2)]


def test_recorded_messages_cannot_be_changed(sent):
    _, messages = sent

    with pytest.raises(TypeError):
        messages[0] = message(9)
    assert not hasattr(messages, "append")
    with pytest.raises(TypeError, match="unhashable"):
        hash(messages)


def test_recorded_messages_survive_pickling_and_copying(sent):
    session, messages = sent
    session.append(message(3))

    for copied in (pickle.loads(pickle.dumps(messages)), copy.deepcopy(messages), copy.copy(messages)):
        assert copied == messages


def test_a_pickled_list_of_messages_takes_none_of_its_pictures_along(sent):
    session, messages = sent
    copied = pickle.loads(pickle.dumps(session.messages))
    copied.clear()

    assert len(messages) == 3


def test_the_memory_of_a_trace_grows_with_the_turns_and_not_with_their_square():
    def lists(turns: int) -> int:
        """How many places for messages all lists together have that the trace keeps alive."""
        tree = LoopTemplate([UserTemplate("Hi"), AssistantTemplate()], exit_loop_count=turns)
        session = Runner(Counting(), template=LinearTemplate([tree])).run()
        assert len(session.trace) == turns
        assert len(session.trace.calls[-1].messages) == 2 * turns - 1
        return sum(len(one) for one in kept_lists(session.trace.calls))

    assert lists(200) <= 2 * lists(100) + 10


def kept_lists(root: object) -> list[list[object]]:
    """Every list of messages that can be reached from an object."""
    seen: dict[int, object] = {}
    waiting = [root]
    while waiting:
        value = waiting.pop()
        if id(value) not in seen and not isinstance(value, type | type(gc)):
            seen[id(value)] = value
            if not isinstance(value, Message | Model):
                waiting.extend(gc.get_referents(value))
    return [one for one in seen.values() if isinstance(one, list)]


def test_what_is_attached_is_known_without_looking_at_old_messages_again():
    image = Image.from_bytes(b"picture", "image/png")

    class Looked:
        looks = 0

        def __init__(self, *attachments):
            self._attachments = attachments

        @property
        def attachments(self):
            Looked.looks += 1
            return self._attachments

    history = History([Looked(image), Looked()])
    before = history.picture()
    assert before.attached == [(0, image)]
    for _ in range(100):
        history.append(Looked(image))
        assert len(history.picture().attached) == len(history) - 1

    assert Looked.looks == len(history)
    assert before.attached == [(0, image)]
    del history[0]
    assert history.picture().attached[0] == (1, image)
    assert before.attached == [(0, image)]


def test_pictures_of_one_list_have_one_source_until_it_is_rewritten():
    history = History([message(1), message(2)])
    before, after = history.picture(), history.picture()
    history.append(message(3))

    assert before.source is after.source is history.picture().source
    history[0] = message(4)
    assert history.picture().source is not before.source
    assert before.source is after.source


@pytest.mark.parametrize("part", [slice(1, None), slice(None, 2), slice(-2, None), slice(None, None, -1), slice(5, 9)])
def test_a_part_of_a_picture_is_that_of_its_messages(part):
    messages = [message(number) for number in range(4)]
    history = History(messages[:3])
    picture = history.picture()
    history.append(messages[3])

    assert picture[part] == messages[:3][part]


def test_messages_that_were_sent_are_not_left_to_the_garbage_collector():
    session = Session(messages=[message(1), message(2)])
    sent = session.picture()
    history = weakref.ref(session.history)
    gc.collect()
    gc.disable()
    try:
        del session
        assert sent == [message(1), message(2)]
        del sent
        assert history() is None
    finally:
        gc.enable()
