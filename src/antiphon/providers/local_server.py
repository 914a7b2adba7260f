"""The program that serves a local model: ``python -P local_server.py MODEL WEIGHTS CHAT_TEMPLATE PORT``.

It runs in a process of its own, so that nothing native can bring down the program that uses the model, and it needs
xllamacpp only. It says its address, or what went wrong, in one line, and ends when its standard input does: with the
process that started it, however that ends.
"""

from __future__ import annotations

import os
import signal
import sys
from importlib import import_module
from pathlib import Path
from typing import Any


def main(model: str, weights: str, chat_template: str, port: str) -> None:
    """Serve until standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal reaches both processes, and the other decides
    xllamacpp: Any = import_module("xllamacpp")
    settings = xllamacpp.CommonParams()
    settings.model.path = weights
    settings.model_alias = {model}
    settings.chat_template = Path(chat_template).read_text(encoding="utf-8")
    settings.use_jinja = True
    settings.hostnames = ["127.0.0.1"]
    settings.port = int(port)
    settings.n_ctx = 4096
    settings.n_predict = 256  # for requests without a limit of their own
    settings.offline = True
    settings.ui = False
    settings.warmup = False
    settings.verbosity = -1  # silent
    # With these the same question gets the same answer in every run. A second thread would make it slow as well.
    settings.n_parallel = 1
    settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = 1
    settings.cpuparams.poll = settings.cpuparams_batch.poll = 0
    settings.cache_prompt = False
    settings.cache_ram_mib = 0
    settings.sampling.temp = 0.0
    settings.sampling.seed = 1
    try:
        server = xllamacpp.Server(settings)
    except RuntimeError as error:
        sys.stdout.write(f"{error}\n")
        return
    sys.stdout.write(f"{server.listening_address}\n")
    sys.stdout.flush()
    sys.stdin.buffer.read()
    os._exit(0)  # without waiting for an answer that nobody wants any more


if __name__ == "__main__":
    main(*sys.argv[1:])
