"""What is replayed: the right answer, an old one, or none."""

from __future__ import annotations

import re

from peers import Project
from server import Served

_ASK = """
MARK
def test_asks():
    for text in os.environ["TEXTS"].split():
        answer = ask(text, os.environ.get("MODEL", "m"))
        if os.environ.get("CHECK"):
            assert answer.endswith(" heard " + text)
"""


def _outcome(project: Project, **environ: str) -> str:
    project.write(_ASK)
    recorded = project.run(project.peer.record, TEXTS="one two")
    if recorded.returncode:
        return f"not recorded: {recorded.stdout[-200:]}"
    return "error" if project.run(*project.peer.replay, **environ).returncode else "replayed"


def swapped_requests(project: Project, served: Served) -> str:
    """The same two requests the other way round."""
    outcome = _outcome(project, TEXTS="two one", CHECK="1")
    return "right answers" if outcome == "replayed" else "wrong answers"


def changed_prompt(project: Project, served: Served) -> str:
    """A prompt that was not recorded."""
    return _in_words(_outcome(project, TEXTS="one three"))


def changed_model(project: Project, served: Served) -> str:
    """A model that was not recorded."""
    return _in_words(_outcome(project, TEXTS="one two", MODEL="other"))


def _in_words(outcome: str) -> str:
    return {"error": "refused", "replayed": "an old answer, silently"}.get(outcome, outcome)


def swallowed_miss(project: Project, served: Served) -> str:
    """A program that catches every error of a call that was not recorded."""
    project.write("""
MARK
def test_asks():
    with suppress(Exception):
        client.with_options(max_retries=2).get("/models/" + os.environ["TEXTS"], cast_to=object)
""")
    project.run(project.peer.record, TEXTS="one")
    status = project.run(*project.peer.replay, TEXTS="two").returncode
    return "the test fails" if status == 1 else "the test passes" if status == 0 else f"status {status}"


def readable_gzip(project: Project, served: Served) -> str:
    """An answer that came compressed."""
    project.write(_ASK)
    project.run(project.peer.record, TEXTS="readable", CHECK="1")
    plain = b"m heard readable" in project.on_disk()
    replayed = project.run(*project.peer.replay, TEXTS="readable", CHECK="1").returncode == 0
    return f"{'readable' if plain else 'binary'}, {'replayed' if replayed else 'NOT replayed'}"


_STREAM = """
MARK
def test_streams():
    started = time.perf_counter()
    messages = [{"role": "user", "content": "w"}]
    pieces = []
    with client.chat.completions.create(model="m", messages=messages, stream=True) as stream:
        for chunk in stream:
            pieces.append(chunk.choices[0].delta.content)
            if len(pieces) == 1:
                print("FIRST", round((time.perf_counter() - started) * 1000), flush=True)
            if os.environ.get("LEAVE"):
                break
    print("LEFT", round((time.perf_counter() - started) * 1000), "PIECES", len(pieces), flush=True)
"""


def first_event(project: Project, served: Served) -> str:
    """When the first of ten events, 50 ms apart, reaches the program while it is recorded; and in replay how many."""
    project.write(_STREAM)
    recorded = project.run(project.peer.record).stdout
    replayed = project.run(*project.peer.replay).stdout
    first, pieces = re.search(r"FIRST (\d+)", recorded), re.search(r"PIECES (\d+)", replayed)
    return f"{first[1] if first else '?'} ms, {pieces[1] if pieces else 'no'} events replayed"


def early_leave(project: Project, served: Served) -> str:
    """A program that leaves the stream after its first event."""
    project.write(_STREAM)
    recorded = project.run(project.peer.record, LEAVE="1").stdout
    left = re.search(r"LEFT (\d+)", recorded)
    replayed = project.run(*project.peer.replay, LEAVE="1").returncode == 0
    return f"left after {left[1] if left else '?'} ms, {'replayed' if replayed else 'NOT replayed'}"


def many_requests(project: Project, served: Served) -> str:
    """500 different requests: what one costs in replay, with what the client itself takes."""
    project.write("""
MARK
def test_asks():
    started = time.perf_counter()
    for number in range(500):
        ask(f"question {number}")
    print("EACH", round((time.perf_counter() - started) * 2, 2), flush=True)
""")
    project.run(project.peer.record)
    each = re.search(r"EACH ([\d.]+)", project.run(*project.peer.replay).stdout)
    return f"{each[1]} ms a request" if each else "not replayed"


def guarded(project: Project, served: Served) -> str:
    """A connection to another host in replay, made by asyncio and by uvloop."""
    project.write("""
import uvloop

async def reach():
    try:
        await asyncio.wait_for(asyncio.open_connection("192.0.2.1", 443), 1)
    except Exception as error:
        return type(error).__name__, type(error).__module__
    return "connected", ""

MARK
def test_reaches_out():
    if os.environ.get("RECORD"):
        ask("x")
        return
    for name, run in (("asyncio", asyncio.run), ("uvloop", uvloop.run)):
        print("REACHED", name, *run(reach()), flush=True)
""")
    project.run(project.peer.record, RECORD="1")
    output = project.run(*project.peer.replay).stdout
    found = re.findall(r"REACHED (\w+) (\w+) ([\w.]*)", output)
    network = {"TimeoutError", "OSError", "connected", "ConnectionRefusedError", "CancelledError"}
    return ", ".join(f"{name}: {'tried' if error in network else 'refused'}" for name, error, _ in found) or "?"
