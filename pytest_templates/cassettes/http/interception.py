"""Catching the requests of this process while a cassette is open.

The libraries are patched once, when the first cassette opens, and put back when the last one closes. `routing` decides
which of the open cassettes a request belongs to.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from importlib.util import find_spec
from threading import Lock
from typing import Final

from pytest_templates.cassettes.http import aiohttp, httpx
from pytest_templates.cassettes.http.routing import Recorder, routed_to
from pytest_templates.cassettes.http.seams import (
    AIOHTTP_SEAM,
    BOTOCORE,
    CLIENTS,
    GATES,
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
        self._values: set[int] = set()
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
        with _not_imported():
            from pytest_templates.cassettes.http import connections, vcr

        for seam in filter(Seam.is_loaded, SEAMS):
            seam.value()  # vcrpy would leave out what is not there
        with ExitStack() as stack:
            stack.enter_context(vcr.quiet_logs())
            caught, cleaners = vcr.vcr_patches()
            for cleaner in cleaners:
                stack.enter_context(cleaner)
            patches = [*vcr.reset_patches(), *caught, *vcr.botocore_patches(), *connections.connection_patches()]
            patches += [*aiohttp.aiohttp_patches(), *httpx.transport_patches(), *thread_patches()]
            patches += [gate(seam) for seam in GATES if seam.is_loaded()]
            self._put(patches, stack)
            for module in {seam.module for seam in _OURS if not seam.is_loaded()}:
                stack.callback(WhenLoaded(module, partial(self._catch_late, module)).forget)
            if BOTOCORE not in sys.modules:
                late = WhenLoaded(BOTOCORE, lambda: self._put_late(vcr.botocore_patches()), vcr.urllib3_as_it_is)
                stack.callback(late.forget)
            for seam in GATES:
                if not seam.is_loaded():
                    stack.callback(WhenLoaded(seam.module, partial(self._close_late, seam)).forget)
            return stack.pop_all()

    def _catch_late(self, module: str) -> None:
        """Catch the requests of a library that the program imports while a cassette is open."""
        self._put_late([*aiohttp.aiohttp_patches(module), *httpx.transport_patches(module)])

    def _put_late(self, patches: list[Patch]) -> None:
        for patch in patches:
            self._undo.callback(patch.apply())
        self._values |= {id(patch.value) for patch in patches}

    def _close_late(self, seam: Seam) -> None:
        """Put the gate into a library that the program imports while a cassette is open."""
        self._undo.callback(gate(seam).apply())

    def _put(self, patches: list[Patch], stack: ExitStack) -> None:
        for patch in patches:
            stack.callback(patch.apply())
        self._values = {id(patch.value) for patch in patches}

    def _check(self) -> None:
        """Raise where a loaded library does not go through its patch."""
        for seam in filter(Seam.is_loaded, SEAMS):
            if id(seam.value()) not in self._values:
                raise seam.lost()


_OURS: Final = (AIOHTTP_SEAM, *TRANSPORTS, *CLIENTS)  # what vcrpy has no part in


@contextmanager
def _not_imported() -> Iterator[None]:
    """Keep vcrpy from importing libraries that the program may never load, a third of a second's work.

    Where httplib2 is installed, vcrpy goes through all that it knows again and again, and needs them.
    """
    packages = {seam.module.partition(".")[0] for seam in _OURS} | {BOTOCORE.partition(".")[0]}
    needed = "vcr.patch" in sys.modules or find_spec("httplib2") is not None
    with hiding(() if needed else packages):
        yield


_PATCHES: Final = _Patches()
