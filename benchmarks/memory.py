"""What a conversation and its trace keep in memory, how that grows with the number of turns, and what recordings take.

Recordings are measured in processes of their own, by the most that the system gave them:

    python benchmarks/memory.py record stream 50
    python benchmarks/memory.py replay 5000
"""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory

from measuring import exponent, show
from replay import cassette
from turns import floor, looped

SIZES = (100, 1000, 10_000)
MEGABYTE = 2**20
ANSWERS = (10, 50)  # MB
CALLS = (1_000, 5_000)
EVENT = (
    b'data: {"id":"chat-1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"words "}}]}\n\n'
)
KINDS = {
    "prose": ("text/plain", b"It is said that parcels come late, and some never. " * 1_000),
    "JSON": ("application/json", b"[1.25,2.5]," * 5_000),
    "bytes": ("application/octet-stream", bytes(range(256)) * 200),
    "stream": ("text/event-stream", EVENT),
}


def kept(converse: Callable[[], object]) -> tuple[int, int]:
    """Bytes that the result of a conversation holds, and how many of them are for the trace alone."""
    converse()
    gc.collect()
    tracemalloc.start()
    try:
        before = traced()
        result = converse()
        whole = traced()
        if (trace := getattr(result, "trace", None)) is not None:
            trace.calls.clear()
        return whole - before, whole - traced()
    finally:
        tracemalloc.stop()


def traced() -> int:
    """Bytes in use, garbage apart."""
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


@contextmanager
def answering(kind: str, size: int) -> Iterator[str]:
    """A server on this machine whose answer is that long; gives its address."""
    content_type, piece = KINDS[kind]

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", content_type)
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            for _ in range(size // len(piece)):
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.write(b"0\r\n\r\n")

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}/"
        http.shutdown()
        thread.join()


def most_used() -> int:
    """The most bytes of memory that this process has had."""
    import resource

    status = Path("/proc/self/status")
    if status.exists():  # what follows counts what the process that has started this one had at that moment
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def record(url: str, size: int) -> float:
    """Record an answer; how many times its size that took at most, with the answer that the client holds."""
    import httpx2

    from pytest_templates.cassettes.cassette import open_cassette
    from pytest_templates.cassettes.settings import CassetteSettings

    with TemporaryDirectory() as folder, httpx2.Client(timeout=600) as client:
        with open_cassette(CassetteSettings(Path(folder) / "warm.yaml", "missing")):
            before = most_used()
        with open_cassette(CassetteSettings(Path(folder) / "cassettes" / "one.yaml", "missing")) as cassette:
            client.get(url)
            cassette.save()
    return (most_used() - before) / size


def replay(calls: int) -> float:
    """Replay a cassette of so many calls; how many times the size of its file that took at most."""
    import httpx2
    from replay import URL, body

    from pytest_templates.cassettes.cassette import open_cassette
    from pytest_templates.cassettes.settings import CassetteSettings

    before = 0
    with TemporaryDirectory() as folder, httpx2.Client() as client:
        for count in (10, calls):  # what the first takes is no matter of size
            path = Path(folder) / f"{count}.yaml"
            subprocess.run([sys.executable, __file__, "write", str(count), str(path)], check=True)
            before = most_used()
            with open_cassette(CassetteSettings(path)):
                for number in range(count):
                    client.post(URL, json=body(number))
        return (most_used() - before) / path.stat().st_size


def in_a_process(*arguments: object) -> float:
    """What this script says when it is called with these arguments."""
    command = [sys.executable, __file__, *map(str, arguments)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def recordings() -> None:
    """Measure recordings, and print."""
    show(
        "Most memory while an answer is recorded, in multiples of its size; the client has it as well",
        ("answer", *(f"{size} MB" for size in ANSWERS)),
        ((kind, *(in_a_process("record", kind, size) for size in ANSWERS)) for kind in KINDS),
    )
    show(
        "Most memory while a cassette is replayed, in multiples of its file",
        ("calls", "times"),
        ((f"{calls:,}", in_a_process("replay", calls)) for calls in CALLS),
    )


def main() -> None:
    """Measure, and print."""
    floors = {turns: kept(floor(turns))[0] for turns in SIZES}
    sessions = {turns: kept(looped(turns)) for turns in SIZES}
    show(
        "Bytes a turn",
        ("turns", "floor", "session and trace", "times the floor", "trace alone"),
        (
            (f"{turns:,}", floors[turns] / turns, whole / turns, whole / floors[turns], trace / turns)
            for turns, (whole, trace) in sessions.items()
        ),
    )
    print(f"  the session grows with turns ** {exponent((turns, whole) for turns, (whole, _) in sessions.items()):.2f}")
    print(f"  the trace grows with turns ** {exponent((turns, trace) for turns, (_, trace) in sessions.items()):.2f}")
    recordings()


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["record", kind, size]:
            with answering(kind, int(size) * MEGABYTE) as url:
                print(record(url, int(size) * MEGABYTE))
        case ["replay", calls]:
            print(replay(int(calls)))
        case ["write", count, path]:
            cassette(Path(path), int(count))
        case _:
            main()
