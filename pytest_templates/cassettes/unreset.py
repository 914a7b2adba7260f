"""vcrpy without its one step that threads cannot share.

To make a real connection of `http.client` or urllib3, vcrpy takes all of its patches off for a moment
(``vcr.patch.force_reset``), for the whole process. A request of another thread in that moment passes the cassette by:
of 400 requests sent by 16 threads, two were recorded, and in replay 319 went to the network. The step has one use:
``HTTPSConnection.__init__`` looks its own class up by name and finds vcrpy's stub. A class whose ``__init__`` keeps the
names it was written with needs no reset.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from http import client
from types import FunctionType
from typing import Any, Final
from unittest import mock

from vcr import patch as vcr_patch
from vcr.stubs import VCRHTTPSConnection

_NEEDS_RESET: Final = "httplib2"  # its connections look up patched names of http.client themselves


@contextmanager
def without_reset() -> Iterator[None]:
    """Let vcrpy's patches stand for the length of a block, also while connections are made.

    Where httplib2 is installed, vcrpy keeps its own way: one thread at a time.
    """
    with ExitStack() as patches:
        if _NEEDS_RESET not in sys.modules:
            patches.enter_context(mock.patch.object(VCRHTTPSConnection, "_baseclass", _steady_class()))
            patches.enter_context(mock.patch.object(vcr_patch, "force_reset", _no_reset))
        yield


def _no_reset() -> AbstractContextManager[None]:
    return nullcontext()


def _steady_class() -> type[client.HTTPSConnection]:
    """`http.client.HTTPSConnection`, working also while that name stands for something else."""
    real: Any = vcr_patch._HTTPSConnection
    return type("HTTPSConnection", (real,), {"__init__": _with_own_names(real.__init__)})


def _with_own_names(function: Any) -> Callable[..., None]:
    """The function with the names of its module as they are when nothing is patched."""
    real = {"HTTPConnection": vcr_patch._HTTPConnection, "HTTPSConnection": vcr_patch._HTTPSConnection}
    names = {**function.__globals__, **real}
    steady = FunctionType(function.__code__, names, function.__name__, function.__defaults__, function.__closure__)
    steady.__kwdefaults__ = function.__kwdefaults__
    return steady
