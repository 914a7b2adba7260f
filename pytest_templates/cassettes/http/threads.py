"""Threads, and what is given to pools of threads, belong to the cassette of whoever started them.

Tasks inherit context variables; threads do so in some builds of Python only. While a cassette is open, the methods that
start threads see to it. A thread that takes its work from a queue of its own belongs to the cassette that was open
where it was started, whoever has put the work there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.pool import ThreadPool
from threading import Thread
from typing import Any, Final

from pytest_templates.cassettes.http.routing import belonging_of_new_code, belonging_to
from pytest_templates.cassettes.http.seams import Patch

_OF_THREAD_POOL: Final = ("apply_async", "_map_async", "imap", "imap_unordered")  # its other methods call these


def thread_patches() -> Iterator[Patch]:
    """What lets threads, and the work of pools, begin in the context of a cassette."""
    yield Patch(Thread, "start", _start(Thread.start))
    yield Patch(ThreadPoolExecutor, "submit", _submit(ThreadPoolExecutor.submit))
    for name in _OF_THREAD_POOL:
        yield Patch(ThreadPool, name, _of_pool(getattr(ThreadPool, name)))


def _start(real: Callable[[Thread], None]) -> Callable[[Thread], None]:
    def start(thread: Thread) -> None:
        run = thread.run

        def run_unchanged() -> None:
            undo()
            run()

        undo = Patch(thread, "run", _bound(run_unchanged)).apply()
        try:
            real(thread)
        except BaseException:
            undo()
            raise

    return start


def _submit(real: Callable[..., Any]) -> Callable[..., Any]:
    def submit(pool: ThreadPoolExecutor, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        return real(pool, _bound(fn), *args, **kwargs)

    return submit


def _of_pool(real: Callable[..., Any]) -> Callable[..., Any]:
    def call(pool: ThreadPool, func: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return real(pool, _bound(func), *args, **kwargs)

    return call


def _bound(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that belongs, wherever it is called, to the cassette of here and now."""
    belonging = belonging_of_new_code()
    if belonging is None:
        return function

    def work(*args: Any, **kwargs: Any) -> Any:
        with belonging_to(belonging):
            return function(*args, **kwargs)

    return work
