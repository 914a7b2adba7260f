"""Real models in a process that was forked: they neither hang nor share their parent's connections."""

from __future__ import annotations

import os
import subprocess
import sys
from textwrap import dedent
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")

# In a process of its own, in which nothing else has threads.
PROGRAM = dedent(
    """
    import multiprocessing, os, sys
    from antiphon import Message, Session, connect

    name, url = sys.argv[1:]
    model = connect(name, base_url=url, api_key="dummy-key", max_retries=0, max_tokens=100)
    session = Session(messages=[Message(role="user", content="Where is my parcel?")])

    def ask(who, model):
        print(who, model.send(session).content, flush=True)

    def fork(function, *arguments):
        process = multiprocessing.get_context("fork").Process(target=function, args=arguments)
        process.start()
        process.join(60)
        print("ended with", process.exitcode, flush=True)
        process.kill()

    ask("parent:", model)
    fork(print, "a child that asks nobody")
    fork(ask, "child, same model:", model)
    fork(ask, "child, model of its own:", connect(name, base_url=url, api_key="dummy-key", max_retries=0))
    child = os.fork()
    if not child:
        sys.exit(7)
    print("ended with", os.waitpid(child, 0)[1] >> 8, flush=True)
    ask("parent again:", model)
    """
)


def test_a_forked_process_asks_on_its_own_and_ends(provider: Any, wires: dict[str, Any]) -> None:
    wire = wires["openai"]
    provider.keeps_open = True
    provider.plays(wire.answers["text"])
    command = [sys.executable, "-W", "ignore", "-c", PROGRAM, wire.played, provider.url + wire.root]

    run = subprocess.run(command, capture_output=True, text=True, timeout=250, check=False)

    said = " The parcel is late."
    assert run.stdout.splitlines() == [
        "parent:" + said,
        "a child that asks nobody",
        "ended with 0",
        "child, same model:" + said,
        "ended with 0",
        "child, model of its own:" + said,
        "ended with 0",
        "ended with 7",
        "parent again:" + said,
    ]
    assert (run.returncode, run.stderr) == (0, "")
