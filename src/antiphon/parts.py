"""Parts of a run that go on at the same time: the children of a parallel template."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import aclosing, closing, suppress
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple, TypeAlias, final
from weakref import ref

from antiphon.events import Event
from antiphon.listeners import LISTENERS, tell
from antiphon.messages import Message
from antiphon.session import RENDERING, Part, Run, Session
from antiphon.threads import THREADS, Signal, Tasks, ThreadCount, is_cancelled, signal, stepwise
from antiphon.waiting import UserNeeded

Said: TypeAlias = Message | Event
Script: TypeAlias = Generator[Any, Any, Session]

_INTERRUPTIONS = (KeyboardInterrupt, SystemExit)  # they end the program, whatever else went wrong


@dataclass(slots=True, eq=False)
class Played:
    """A script that is a part of a run.

    Attributes:
        part: The part.
        place: What it is called in errors: its path.
        script: The script.
        context: The context variables in which it is played, from its beginning to its end.
        threads: How many threads work for it.
    """

    part: Part
    place: str
    script: Script
    context: Context = field(default_factory=copy_context)
    threads: ThreadCount = field(default_factory=lambda: ThreadCount(THREADS.get()))

    def __post_init__(self) -> None:
        self.context.run(THREADS.set, self.threads)
        self.context.run(RENDERING.set, ref(self.part.run))


@final
@dataclass(slots=True, eq=False)
class Parts:
    """What a template yields that has parts played: at the same time in an event loop, else one after another.

    Where one fails, those that have not ended are cancelled, and its error is raised.
    """

    parts: tuple[Played, ...]

    def played(self, play: Callable[[Script, Run], Generator[Said, None, Session]]) -> Generator[Said]:
        """Play one after another; yields what they say."""
        for one in self.parts:
            with closing(_Within(one.context, play(one.script, one.part.run))) as steps:
                yield from steps

    async def aplayed(self, play: Callable[[Script, Run], AsyncGenerator[Said]]) -> AsyncGenerator[Said]:
        """Play all at the same time; yields what they say, as they say it."""
        playing = _Playing(self.parts, play)
        try:
            try:
                playing.start()
                while await playing.has_more():
                    step, taken = playing.said.popleft()
                    yield step
                    if taken is not None:
                        taken.set()
            finally:
                await playing.cancel()
        except BaseException as leaving:
            playing.raise_first(_INTERRUPTIONS)
            if isinstance(leaving, GeneratorExit):
                playing.raise_first((Exception,))  # a note on this would reach nobody
            playing.note_errors(leaving)
            raise
        playing.raise_error()


class PartWaiting(NamedTuple):
    """A part of a run that goes on beside others waits for something, in an event loop: others may go on.

    Attributes:
        path: The path of the template that is rendered in it.
        session: Its innermost session.
    """

    path: str
    session: Session


class _Within(Generator[Said, None, None]):
    """Goes through a generator in context variables of its own."""

    def __init__(self, context: Context, steps: Generator[Said, None, Session]) -> None:
        self._context = context
        self._steps = steps

    def send(self, value: None) -> Said:
        """Go on to the next step."""
        return self._context.run(self._steps.send, value)

    def throw(self, kind: Any, value: Any = None, traceback: Any = None) -> Said:
        """Go on with an error, to the next step."""
        del traceback  # the error's own
        return self._context.run(self._steps.throw, kind if value is None else value)

    def close(self) -> None:
        """Leave it where it is, with its clean-up."""
        self._context.run(self._steps.close)


class _Playing:
    """Plays parts in tasks of their own; what they say waits here until it is handed out.

    Where the program gets what is said one by one, a part that has said something goes on when the program asks for
    the next step, so that nothing piles up.

    Attributes:
        said: What they have said, each with what is set when the program asks for more.
    """

    def __init__(self, parts: Sequence[Played], play: Callable[[Script, Run], AsyncGenerator[Said]]) -> None:
        self._parts = parts
        self._play = play
        self._tasks = Tasks()
        self.said: deque[tuple[Said, Signal | None]] = deque()
        self._something = signal()  # set when one has said something, or has ended
        self._ended: set[int] = set()
        self._turns = 0  # how many may ask the user, but for the last of them have ended
        self._errors: list[tuple[str, BaseException]] = []  # with the path of the child
        self._needed: dict[int, UserNeeded] = {}  # by which child: the others go on to where they need the user as well
        self._is_cancelled = False

    def start(self) -> None:
        for number, one in enumerate(self._parts):
            one.part.users_turn = signal()
            self._tasks.start(partial(self._played, number, one), one.context)
        self._give_turns()

    async def has_more(self) -> bool:
        """Wait until one has said something; returns whether it is so, or all have ended, or one has failed."""
        while not self.said:
            if self._errors or len(self._ended) == len(self._parts):
                return False
            self._something = signal()
            await self._something.wait()
        return True

    async def cancel(self) -> None:
        """End those that have not ended, with their clean-up."""
        self._is_cancelled = True
        await self._tasks.cancel()

    def raise_error(self) -> None:
        """Raise the error of the one that failed first, with what others raised since; else that the user is needed."""
        self.raise_first(_INTERRUPTIONS)
        self.raise_first((BaseException,))
        if self._needed:
            raise self._needed[min(self._needed)]

    def raise_first(self, kinds: tuple[type[BaseException], ...]) -> None:
        """Raise the first error of some kinds, if there is one, with what others raised."""
        for _, error in self._errors:
            if isinstance(error, kinds):
                self.note_errors(error)
                try:
                    raise error
                finally:
                    self._errors.clear()
                    del error  # its traceback holds this frame

    def note_errors(self, leaving: BaseException) -> None:
        """Note on what is raised what else went wrong."""
        for path, error in self._errors:
            if error is not leaving:
                with suppress(Exception):  # an immutable error takes no note
                    leaving.add_note(f"{error!r} was raised as well, by the template at {path!r}")

    async def _played(self, number: int, one: Played) -> None:
        try:
            if LISTENERS.now.part_wait:
                await stepwise(self._said_by(one), partial(self._stepped, one))
            else:
                await self._said_by(one)
        except UserNeeded as needed:
            self._needed[number] = needed
        except BaseException as error:  # noqa: BLE001  # raised where the parts are played
            if isinstance(error, (Exception, *_INTERRUPTIONS)) or not self._is_cancelled:
                self._errors.append((one.place, error))
        finally:
            self._ended.add(number)
            self._give_turns()
            self._something.set()

    async def _said_by(self, one: Played) -> None:
        waits = one.part.of.whole.is_handed_out
        async with aclosing(self._play(one.script, one.part.run)) as steps:
            async for step in steps:
                taken = signal() if waits else None
                self.said.append((step, taken))
                self._something.set()
                if taken is not None and not is_cancelled():
                    await taken.wait()
                    await one.part.run.until_resumed()  # the program may have taken what another has said

    def _stepped(self, one: Played, function: Callable[[Any], Any], value: Any) -> Any:
        """Let a part go on, and tell who listens that it waits; that it has ended was told by then.

        What threads of a part have done is told before that, so that it is not put down to the part that goes on.
        """
        threaded = next((other for other in (one, *self._parts) if other.threads.number), None)
        if threaded is not None:
            self._tell(threaded)
        asked = function(value)
        self._tell(one)
        return asked

    def _tell(self, one: Played) -> None:
        try:
            tell(LISTENERS.now.part_wait, PartWaiting(one.part.run.path or "", one.part.run.session))
        except BaseException as error:  # noqa: BLE001  # raised where the parts are played
            self._errors.append((one.place, error))
            self._something.set()

    def _give_turns(self) -> None:
        """Let those ask the user before whom all have ended; none where one has failed."""
        while not self._errors and self._turns < len(self._parts):
            turn = self._parts[self._turns].part.users_turn
            if turn is not None:
                turn.set()
            if self._turns not in self._ended:
                return
            self._turns += 1
