"""Follow three ways through the code, and count how often a reader of each has to change the file.

    python tools/walks.py

1. From a model call to its row in the table of --templates-summary.
2. From an HTTP request to the cassette that it is recorded in, and from that cassette to the answer in replay.
3. From a subroutine's change of its parent to the IsolationViolation that is shown.

Each is the run of one small test. A reader reads a function once, so only its first call counts.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from inspect import CO_OPTIMIZED
from io import StringIO
from itertools import groupby
from pathlib import Path
from textwrap import fill
from types import FrameType

import pytest

import antiphon
import pytest_templates

PACKAGES = [Path(str(package.__file__)).parent for package in (antiphon, pytest_templates)]
PYTEST = ["-s", "--import-mode=importlib", "-psyrupy", "-ppytest_templates.plugin", "-pno:cacheprovider"]
EVENTS = {"walk", "open", "os.rename"}  # of sys.audit: the first are raised in this file
SUMMARY = """
from antiphon import AssistantTemplate, LinearTemplate, Runner, UserTemplate

def test_it(scripted_model):
    template = LinearTemplate([UserTemplate("Hello."), AssistantTemplate()])
    Runner(scripted_model("Hi.", name="chosen"), template=template).run()
"""
CASSETTE = """
import os, sys
import pytest
from openai import OpenAI

@pytest.mark.llm_cassette
def test_it():
    with OpenAI(base_url=os.environ["CHAT_URL"], api_key="none") as client:
        sys.audit("walk", "a request")
        client.chat.completions.create(model="small", messages=[{"role": "user", "content": "Hello."}])
        sys.audit("walk", "an answer")
"""
MUTATION = """
import sys
from antiphon import AssistantTemplate, LinearTemplate, Runner, Session, SubroutineTemplate, UserTemplate

def test_it(scripted_model):
    parent = Session(metadata={"notes": []})

    def change_the_parent(session):
        sys.audit("walk", "a change")
        parent.metadata["notes"].append("x")
        return session

    inner = LinearTemplate([UserTemplate("Hello."), AssistantTemplate()], after_transform=change_the_parent)
    Runner(scripted_model("Hi."), template=SubroutineTemplate(inner, "research")).run(parent)
"""


class Walk:
    """The functions of ours that one thread calls between two events.

    Args:
        begins: The event that it begins with, as a regular expression for its name and arguments.
        ends: The event that it ends with.

    Attributes:
        functions: The file, line and name of each function, in the order of their first calls.
        is_over: Whether both events have happened.
    """

    def __init__(self, begins: str, ends: str) -> None:
        self._begins = re.compile(begins, re.DOTALL)
        self._ends = re.compile(ends, re.DOTALL)
        self._has_begun = False
        self.functions: dict[tuple[str, int, str], None] = {}
        self.is_over = False

    def hear(self, event: str, arguments: tuple[object, ...]) -> None:
        """Take notice of what happens; a hook for `sys.addaudithook`."""
        if event not in EVENTS or self.is_over:
            return
        text = " ".join(map(str, (event, *arguments)))
        if self._has_begun and self._ends.search(text):
            self.is_over = True
            sys.setprofile(None)
        elif not self._has_begun and self._begins.search(text):
            self._has_begun = True
            sys.setprofile(self._note)

    def _note(self, frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        is_function = code.co_flags & CO_OPTIMIZED  # the bodies of modules and classes, which imports run, are none
        if event == "call" and is_function and (file := file_of_ours(code.co_filename)):
            self.functions.setdefault((file, code.co_firstlineno, code.co_qualname))

    @property
    def files(self) -> list[str]:
        """The files that a reader has open, one after another."""
        return [file for file, _ in groupby(file for file, *_ in self.functions)]


@cache
def file_of_ours(name: str) -> str:
    """The path of a file from its package on; an empty text for a file of others."""
    file = Path(name)
    return next((str(file.relative_to(one.parent)) for one in PACKAGES if one in file.parents), "")


class ModelCalls(antiphon.Observer):
    """Makes an event of each model call."""

    def on_model_call(self, call: antiphon.ModelCall) -> None:
        """A model was called."""
        sys.audit("walk", f"a call of {call.model}")


class Output(StringIO):
    """Makes an event of each text that is printed."""

    def write(self, text: str) -> int:
        """Print a text."""
        sys.audit("walk", f"printed: {text}")
        return super().write(text)


@contextmanager
def chat_server() -> Iterator[None]:
    """A server that answers every question; the program finds it by the environment variable CHAT_URL."""
    message = {"role": "assistant", "content": "Hi."}
    choices = [{"index": 0, "finish_reason": "stop", "message": message}]
    answer = {"id": "1", "object": "chat.completion", "created": 1, "model": "small", "choices": choices}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # named so in http.server
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        os.environ["CHAT_URL"] = f"http://127.0.0.1:{http.server_port}/v1"
        yield
        http.shutdown()


def followed(folder: Path, test: str, begins: str, ends: str, *options: str) -> Walk:
    """What a test calls between two events of its run."""
    folder.mkdir(exist_ok=True)
    Path(folder, "test_it.py").write_text(test, encoding="utf-8")
    walk, output = Walk(begins, ends), Output()
    sys.addaudithook(walk.hear)
    with redirect_stdout(output), antiphon.observing(ModelCalls()):
        pytest.main([*PYTEST, *options, f"--rootdir={folder}", str(folder)])
    del sys.modules["test_it"]  # the next one has the same name
    if not walk.is_over:
        sys.exit(f"not seen: {begins!r}, and then {ends!r}, in\n{output.getvalue()}")
    return walk


def walks() -> dict[str, Walk]:
    """Every walk, by what it leads from and to."""
    with tempfile.TemporaryDirectory() as name, chat_server():
        summary, cassette, mutation = (Path(name, folder) for folder in ("summary", "cassette", "mutation"))
        return {
            "a model call to its row": followed(
                summary, SUMMARY, "a call of chosen", "printed: .*chosen", "--templates-summary"
            ),
            "a request to the cassette": followed(
                cassette, CASSETTE, "a request", r"os\.rename .*test_it\.yaml", "--templates-record=missing"
            ),
            "the cassette to the answer": followed(cassette, CASSETTE, r"open .*test_it\.yaml", "an answer"),
            "a change to the violation": followed(mutation, MUTATION, "a change", "printed: .*IsolationViolation"),
        }


def main() -> None:
    """Follow them, and print."""
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    walks()  # from now on what is imported at its first use is there
    for title, walk in walks().items():
        files = walk.files
        print(f"{title}: {len(walk.functions)} functions in {len(set(files))} files, {len(files) - 1} changes of file")
        print(fill(" > ".join(files), 120, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False) + "\n")


if __name__ == "__main__":
    main()
