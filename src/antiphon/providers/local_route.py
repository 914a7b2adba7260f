"""Routes requests to a local model: the client sees one address, connections go to where the server listens.

A server takes a port that is free, another one in every run. Requests that named it could not be replayed from a
recording; and so the server is not even started where every answer comes from one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

import httpcore2
import httpx2
from anyio.to_thread import run_sync
from openai import AsyncOpenAI
from pydantic_ai.providers.openai import OpenAIProvider

from antiphon.providers import loop
from antiphon.providers.local import address_of, check_model


def local_provider(model: str) -> OpenAIProvider:
    """A provider of pydantic-ai's for a local model; the server is started with the first request.

    Raises:
        InvalidValue: There is no such model.
    """
    check_model(model)
    client = httpx2.AsyncClient(transport=_Transport(model))
    base_url = f"http://{model}.localhost/v1"
    provider = OpenAIProvider(openai_client=AsyncOpenAI(base_url=base_url, api_key="none", http_client=client))
    loop.keep_open(client, provider)
    return provider


class _Transport(httpx2.AsyncHTTPTransport):
    """A subclass of the usual transport, so that recorders know it, with connections to the local server."""

    def __init__(self, model: str) -> None:
        super().__init__()
        self._pool = httpcore2.AsyncConnectionPool(network_backend=_Network(model))


class _Network(httpcore2.AsyncNetworkBackend):
    """Connects to the model's server, whatever host is asked for."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._network: Any = httpcore2.AnyIOBackend()  # pyright takes it for the fallback that exists without anyio

    async def connect_tcp(
        self,
        host: str,  # noqa: ARG002
        port: int,  # noqa: ARG002
        timeout: float | None = None,  # noqa: ASYNC109  # httpcore2's parameter
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Connect to the server, which is started where it does not run."""
        server = urlsplit(await run_sync(address_of, self._model))
        stream: httpcore2.AsyncNetworkStream = await self._network.connect_tcp(
            server.hostname, server.port, timeout, local_address, socket_options
        )
        return stream

    async def sleep(self, seconds: float) -> None:
        """Wait before another try."""
        await self._network.sleep(seconds)
