"""The interactions of one open cassette: those left to play, those new, the requests sent; all of it thread-safe."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from http import HTTPStatus
from itertools import count
from threading import Lock
from typing import TypeAlias

from antiphon.trace import Caller
from pytest_templates.cassettes.processes.forking import SharedLog
from pytest_templates.cassettes.recorded import Interaction, Order

Opinion: TypeAlias = Callable[[Interaction], "bool | None"]


@dataclass(frozen=True, slots=True)
class Recording:
    """A recorded interaction with its place.

    Attributes:
        number: Its place in the cassette, from 1.
        interaction: What was recorded.
        played: Whether it was replayed already.
    """

    number: int
    interaction: Interaction
    played: bool


class Player:
    """Plays each loaded interaction once, in recorded order among equal ones, and takes new ones.

    What is recorded now is not played in the same run: a second equal request is a second recording. What an earlier
    run has left is played behind what the cassette holds, and is as good as recorded now once it was.

    Processes that are forked go on with a player of their own, and each interaction is still played once among them.

    Args:
        kept: What the cassette holds.
        left: What an earlier run has left.
        fingerprint: What of an interaction has to be equal for it to be played.

    Attributes:
        recorded: What was recorded now, in the order in which it was answered.
    """

    def __init__(
        self, kept: Sequence[Interaction], left: Sequence[Interaction], fingerprint: Callable[[Interaction], bytes]
    ) -> None:
        self._loaded = (*kept, *left)
        self._kept = len(kept)
        self._fingerprints = tuple(map(fingerprint, self._loaded))
        self._queues: dict[bytes, list[int]] = {}
        for index, known in enumerate(self._fingerprints):
            if known in self._queues:
                self._queues[known].append(index)
            else:
                self._queues[known] = [index]  # a list that has never grown is smaller
        self._played: set[int] = set()
        self._used: dict[Order, Interaction] = {}  # by the order in which it was asked for
        self._new: dict[Order, Interaction] = {}  # those of them that are not saved yet
        self._place: Order = ()  # of this process
        self._fork: Order = ()  # of the process that is being forked
        self._orders = count()
        self.recorded: list[Interaction] = []
        self._lock = Lock()
        self._shared: SharedLog | None = None  # what this process and others have played since it was forked

    def play(self, fingerprint: bytes, caller: Caller | None, opinion: Opinion | None = None) -> Interaction | None:
        """The next unplayed interaction with this fingerprint; from now on it counts as played, by this caller.

        Args:
            fingerprint: Of the request.
            caller: Who asks.
            opinion: May refuse an interaction with the fingerprint by ``False``, and where none is left accept one
                with another by ``True``.
        """
        if not self._loaded:
            return None
        with self._agreed():
            index = next(self._candidates(fingerprint, opinion), None)
            if index is None:
                return None
            order = self._next_order()
            replayed = self._loaded[index].asked_by(caller)
            self._mark(index, order, replayed)
            if self._shared is not None:
                self._shared.add([index, order, replayed.template, replayed.model])
            return replayed

    def _candidates(self, fingerprint: bytes, opinion: Opinion | None) -> Iterator[int]:
        equal = self._queues.get(fingerprint, ())
        if opinion is None:
            yield from equal
        else:
            others = (index for index in range(len(self._loaded)) if index not in self._played and index not in equal)
            yield from (index for index in equal if opinion(self._loaded[index]) is not False)
            yield from (index for index in others if opinion(self._loaded[index]) is True)

    def _mark(self, index: int, order: Order, replayed: Interaction) -> None:
        self._queues[self._fingerprints[index]].remove(index)
        self._played.add(index)
        self._used[order] = replayed
        if index >= self._kept:
            self._new[order] = replayed

    def _next_order(self) -> Order:
        return (*self._place, next(self._orders))

    @contextmanager
    def _agreed(self) -> Iterator[None]:
        """Let no other thread or process play meanwhile, and know what they have played."""
        with self._lock, self._shared.locked() if self._shared else nullcontext(()) as played:
            for index, order, template, model in played:
                replayed = replace(self._loaded[index], template=template, model=model)
                self._mark(index, tuple(order), replayed)
            yield

    def share(self) -> None:
        """Share what is played with processes that are forked from now on. Raises `OSError`."""
        with self._lock:
            self._shared = self._shared or SharedLog()

    def rest(self) -> None:
        """Let all other threads wait, since the process is about to fork, and keep a place for the new one."""
        self._lock.acquire()
        self._fork = self._next_order()

    def go_on(self, *, in_child: bool) -> None:
        """Go on after a fork, in the old process or in the new one."""
        if in_child:
            self._place, self._orders = self._fork, count()
        self._lock.release()

    def has_played(self, fingerprint: bytes) -> bool:
        """Whether interactions with this fingerprint were loaded, and every one of them was played."""
        with self._agreed():
            return fingerprint in self._queues and not self._queues[fingerprint]

    def reserve(self) -> Order:
        """A place among the interactions of this run, for a request that is about to be sent."""
        with self._lock:
            return self._next_order()

    def add(self, order: Order, interaction: Interaction) -> None:
        """Take a new interaction in at its reserved place; requests are kept in the order they were sent in."""
        with self._lock:
            self._used[order] = self._new[order] = interaction
            self.recorded.append(interaction)

    def recordings(self) -> list[Recording]:
        """The loaded interactions as they stand."""
        with self._agreed():
            return [
                Recording(number, interaction, number - 1 in self._played)
                for number, interaction in enumerate(self._loaded, 1)
            ]

    def left_by_earlier_runs(self) -> list[Recording]:
        """The answers that earlier runs have left, as they stand."""
        return [one for one in self.recordings()[self._kept :] if not one.interaction.response.is_refusal]

    def unsaved(self) -> dict[Order, Interaction]:
        """What the cassette does not hold yet, in the order in which it was sent, by keys for `mark_saved`."""
        with self._agreed():
            return dict(sorted(self._new.items()))

    def mark_saved(self, keys: Iterable[Order]) -> None:
        """Remember that these keys of `unsaved` were written."""
        with self._lock:
            for key in keys:
                del self._new[key]

    def used(self) -> list[Interaction]:
        """What was replayed and what is new, in the order in which it was asked for."""
        with self._agreed():
            return [self._used[order] for order in sorted(self._used)]


def of_model(name: str, opinion: Opinion | None) -> Opinion:
    """An opinion that refuses what was not recorded from the model of this name."""

    def judged(recorded: Interaction) -> bool | None:
        if recorded.model != name:
            return False
        return None if opinion is None else opinion(recorded)

    return judged


class SentRequests:
    """The requests that were sent, and their answers. Safe to use from many threads."""

    def __init__(self) -> None:
        self._waiting: dict[bytes, str | None] = {}
        self._answered: list[tuple[str | None, str | None]] = []
        self._refused: set[tuple[str | None, str | None]] = set()
        self._lock = Lock()

    def rest(self) -> None:
        """Let all other threads wait, since the process is about to fork."""
        self._lock.acquire()

    def go_on(self, *, in_child: bool) -> None:  # noqa: ARG002 - as of all that rests
        """Go on after a fork."""
        self._lock.release()

    def sent(self, fingerprint: bytes, template: str | None) -> None:
        """Note a request, and the path of the template that makes it; ``None`` for code outside of templates."""
        with self._lock:
            self._waiting[fingerprint] = template

    def answered(self, fingerprint: bytes, interaction: Interaction) -> None:
        """Note the answer to an equal request."""
        with self._lock:
            self._waiting.pop(fingerprint, None)
            if interaction.response.status < HTTPStatus.BAD_REQUEST:
                self._answered.append((interaction.template, interaction.model))
            else:
                self._refused.add((interaction.template, interaction.model))

    @property
    def unanswered(self) -> list[str | None]:
        """The templates of requests without an answer, in the order of sending; a retry that is answered is enough."""
        with self._lock:
            return list(self._waiting.values())

    def was_answered(self, template: str | None, model: str | None) -> bool:
        """Whether a request was sent and answered, not just replayed; each answer counts once.

        Args:
            template: The path of the template that asked; ``None`` for a call from outside of templates.
            model: The name of the model; ``None`` where a client was used without the engine.
        """
        with self._lock:
            try:
                self._answered.remove((template, model))
            except ValueError:
                return False
            return True

    def was_sent(self, template: str | None, model: str | None) -> bool:
        """Whether a request was sent, also where it was refused in the end; arguments as of `was_answered`."""
        with self._lock:
            was_refused = (template, model) in self._refused
            self._refused.discard((template, model))
        return self.was_answered(template, model) or was_refused
