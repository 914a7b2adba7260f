"""A stream of a real model goes no further than it is heard, and ends where it is left."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing, closing
from textwrap import dedent

import anyio
import anyio.lowlevel
import pytest

from antiphon.providers import loop


class Counting:
    """Makes numbers, and tells what became of that."""

    def __init__(self) -> None:
        self.made = 0
        self.closed = False

    async def numbers(self, end: int) -> AsyncGenerator[int]:
        try:
            for number in range(end):
                await anyio.lowlevel.checkpoint()
                self.made += 1
                yield number
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(0.02)  # closing a connection takes a moment
            self.closed = True


def test_nothing_is_made_before_it_is_asked_for() -> None:
    counting = Counting()
    with closing(loop.stream(counting.numbers, 1000)) as numbers:
        for number in numbers:
            time.sleep(0.01)
            assert counting.made == number + 1
            if number == 2:
                break
    assert (counting.made, counting.closed) == (3, True)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_nor_in_an_event_loop(backend: str) -> None:
    counting = Counting()

    async def listen() -> None:
        async with aclosing(loop.astream(counting.numbers, 1000)) as numbers:
            async for number in numbers:
                await anyio.sleep(0.01)
                assert counting.made == number + 1
                if number == 2:
                    break
        assert (counting.made, counting.closed) == (3, True)

    anyio.run(listen, backend=backend)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_whoever_is_cancelled_between_two_pieces_waits_until_the_stream_is_closed(backend: str) -> None:
    counting = Counting()

    async def listen() -> None:
        with anyio.move_on_after(10) as scope:
            async with aclosing(loop.astream(counting.numbers, 1000)) as numbers:
                async for _ in numbers:
                    scope.cancel()
        assert counting.closed

    anyio.run(listen, backend=backend)


@pytest.mark.parametrize("end", [0, 1, 100])
def test_a_stream_that_is_heard_to_its_end_is_whole(end: int) -> None:
    counting = Counting()

    async def listen() -> list[int]:
        return [number async for number in loop.astream(counting.numbers, end)]

    assert list(loop.stream(counting.numbers, end)) == anyio.run(listen) == list(range(end))
    assert counting.closed


def test_an_error_comes_behind_the_pieces() -> None:
    async def failing() -> AsyncGenerator[int]:
        yield 1
        raise ValueError("the line is dead")

    async def listen() -> None:
        async with aclosing(loop.astream(failing)) as numbers:
            heard.append(await anext(numbers))
            await anext(numbers)

    heard: list[int] = []
    with pytest.raises(ValueError, match="the line is dead"):
        heard.extend(loop.stream(failing))
    with pytest.raises(ValueError, match="the line is dead"):
        anyio.run(listen)
    assert heard == [1, 1]


def test_a_stream_is_left_while_its_next_piece_is_being_made() -> None:
    waiting, closed = threading.Event(), threading.Event()

    async def silent() -> AsyncGenerator[int]:
        try:
            yield 1
            waiting.set()
            await anyio.sleep_forever()
        finally:
            closed.set()

    async def listen() -> None:
        with anyio.move_on_after(10) as scope:
            async for _ in loop.astream(silent):
                scope.deadline = anyio.current_time() + 0.05

    anyio.run(listen)
    assert waiting.is_set()
    assert closed.wait(10)


PROGRAM = dedent(
    """
    import os, sys
    from antiphon.errors import InvalidValue
    from antiphon.providers import loop

    async def numbers():
        for number in range(1000):
            yield number

    kept = loop.stream(numbers)
    next(kept)
    child = os.fork() if sys.argv[1] == "forked" else None
    if child == 0:
        try:
            next(kept)
        except InvalidValue as error:
            print("child:", error, flush=True)
        sys.exit()
    if child:
        os.waitpid(child, 0)
    print("parent:", next(kept), flush=True)
    """
)


@pytest.mark.parametrize(
    "how",
    [
        "alone",
        pytest.param("forked", marks=pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")),
    ],
)
def test_a_process_ends_with_a_stream_that_nobody_has_closed(how: str) -> None:
    command = [sys.executable, "-W", "ignore", "-c", PROGRAM, how]

    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    refused = "child: this stream was begun before the process was forked"
    said = run.stdout.splitlines()
    assert [line[: len(refused)] for line in said] == [*([refused] if how == "forked" else []), "parent: 1"]
    assert (run.returncode, run.stderr) == (0, "")
