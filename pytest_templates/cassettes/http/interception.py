"""Catching the requests of this process while a cassette is open.

The libraries are patched once, when the first cassette opens, and put back when the last one closes. `routing` decides
which of the open cassettes a request belongs to.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache, partial
from importlib.util import find_spec
from operator import is_
from threading import Lock
from typing import Final

from pytest_templates.cassettes.http import aiohttp, httpx
from pytest_templates.cassettes.http.routing import Recorder, routed_to
from pytest_templates.cassettes.http.seams import (
    AIOHTTP_SEAM,
    BOTOCORE,
    CLIENTS,
    GATES,
    MISSING,
    SEAMS,
    TRANSPORTS,
    Patch,
    Seam,
    gate,
    hiding,
)
from pytest_templates.cassettes.http.threads import thread_patches
from pytest_templates.support.engine import WhenLoaded


@contextmanager
def intercepting(recorder: Recorder) -> Iterator[None]:
    """Let a recorder decide about the requests that belong to it, for the length of a block.

    Raises:
        CassetteError: A library that is loaded cannot be caught: its requests would go out unrecorded.
    """
    with _PATCHES.applied(), routed_to(recorder):
        yield


class _Patches:
    """What is patched while at least one cassette is open."""

    def __init__(self) -> None:
        self._users = 0
        self._made: _PatchSet | None = None
        self._values: frozenset[int] = frozenset()
        self._undo = ExitStack()
        self._lock = Lock()

    @contextmanager
    def applied(self) -> Iterator[None]:
        with self._lock:
            if not self._users:
                self._undo = self._apply()
            self._users += 1
        try:
            self._check()
            yield
        finally:
            with self._lock:
                self._users -= 1
                if not self._users:
                    self._undo.close()

    def _apply(self) -> ExitStack:
        _load_vcr()
        from pytest_templates.cassettes.http import vcr

        with ExitStack() as stack:
            stack.enter_context(vcr.quiet_logs())
            if self._made is None or not self._made.fits():
                self._made = _PatchSet()
            stack.enter_context(self._made.applied())
            self._values = self._made.values
            for module in _LATE:
                if sys.modules.get(module) is None:
                    stack.callback(WhenLoaded(module, partial(self._catch_late, module)).forget)
            if BOTOCORE not in sys.modules:
                late = WhenLoaded(BOTOCORE, lambda: self._put_late(vcr.botocore_patches()), vcr.urllib3_as_it_is)
                stack.callback(late.forget)
            return stack.pop_all()

    def _catch_late(self, module: str) -> None:
        """Catch the requests of a library that the program imports while a cassette is open."""
        gates = [gate(seam) for seam in GATES if seam.module == module and seam.is_loaded()]
        self._put_late([*aiohttp.aiohttp_patches(module), *httpx.transport_patches(module), *gates])

    def _put_late(self, patches: list[Patch]) -> None:
        for patch in patches:
            self._undo.callback(patch.apply())
        self._values |= {id(patch.value) for patch in patches}

    def _check(self) -> None:
        """Raise where a loaded library does not go through its patch."""
        for seam in filter(Seam.is_loaded, SEAMS):
            if id(seam.value()) not in self._values:
                raise seam.lost()


class _PatchSet:
    """All that is put into the libraries that are loaded, made for them as they stand.

    To make it takes many times as long as to put it in place, and a run opens one cassette after the other. So it
    serves again, as long as it `fits`.

    Attributes:
        values: What is put in place, by `id`.
    """

    def __init__(self) -> None:
        from pytest_templates.cassettes.http import connections, vcr

        for seam in filter(Seam.is_loaded, SEAMS):
            seam.value()  # vcrpy would leave out what is not there
        caught, self._cleaners = vcr.vcr_patches()
        gates = (gate(seam) for seam in GATES if seam.is_loaded())
        self._patches = [
            *(*vcr.reset_patches(), *caught, *vcr.botocore_patches(), *connections.connection_patches()),
            *(*aiohttp.aiohttp_patches(), *httpx.transport_patches(), *thread_patches(), *gates),
        ]
        self.values = frozenset(id(patch.value) for patch in self._patches)
        self._places = [(vars(patch.owner), patch.attribute) for patch in self._patches]
        self._owners = _owners()
        self._before = self._standing()
        pairs = zip(self._patches, self._before, strict=True)
        self._overriding = [patch for patch, before in pairs if before is MISSING]
        self._inherited = self._from_bases()

    def fits(self) -> bool:
        """Whether the same libraries are loaded as when it was made, and nobody has put anything else in its places."""
        return (
            all(map(is_, _owners(), self._owners))
            and all(map(is_, self._standing(), self._before))
            and all(map(is_, self._from_bases(), self._inherited))
        )

    def _standing(self) -> list[object]:
        return [held.get(attribute, MISSING) for held, attribute in self._places]

    def _from_bases(self) -> list[object]:
        """What classes have of their bases where nothing of their own stands."""
        return [getattr(patch.owner, patch.attribute, MISSING) for patch in self._overriding]

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Have it in place for the length of a block."""
        with ExitStack() as stack:
            for cleaner in self._cleaners:
                stack.enter_context(cleaner)
            try:
                for patch in self._patches:
                    setattr(patch.owner, patch.attribute, patch.value)
                yield
            finally:
                for patch, before in zip(reversed(self._patches), reversed(self._before), strict=True):
                    patch.restore(before)


_SEAM_OWNERS: Final = tuple(dict.fromkeys((seam.module, seam.owner) for seam in (*SEAMS, *GATES)))


def _owners() -> list[object]:
    """The modules and classes in which requests are caught; ``None`` for those that are not loaded."""
    modules = ((sys.modules.get(module), owner) for module, owner in _SEAM_OWNERS)
    return [getattr(module, owner, None) if owner else module for module, owner in modules]


_OURS: Final = (AIOHTTP_SEAM, *TRANSPORTS, *CLIENTS)  # what vcrpy has no part in
_LATE: Final = tuple(dict.fromkeys(seam.module for seam in (*_OURS, *GATES)))


@cache
def _load_vcr() -> None:
    """Load vcrpy and what builds on it, without the libraries that it would import: a third of a second's work.

    Where httplib2 is installed, vcrpy goes through all that it knows again and again, and needs them.
    """
    packages = {seam.module.partition(".")[0] for seam in _OURS} | {BOTOCORE.partition(".")[0]}
    needed = "vcr.patch" in sys.modules or find_spec("httplib2") is not None
    with hiding(() if needed else packages):
        from pytest_templates.cassettes.http import connections, vcr  # noqa: F401


_PATCHES: Final = _Patches()
