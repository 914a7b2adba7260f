"""The seam to aiohttp: vcrpy's, with every body written out before it is looked at.

aiohttp writes forms while it sends them; vcrpy sees the objects they are made of.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from functools import wraps
from typing import Any, Final

from pytest_templates.cassettes.gates import passing
from pytest_templates.cassettes.patches import Patch, Seam
from pytest_templates.cassettes.vcrseam import routing_cassette

SEAMS: Final = (Seam("aiohttp", "aiohttp.client", "ClientSession", "_request"),)


def aiohttp_patches() -> Iterator[Patch]:
    """What catches the requests of aiohttp, where it is loaded."""
    for seam in filter(Seam.is_loaded, SEAMS):
        yield seam.patched(_written_out)


def _written_out(real: Callable[..., Any]) -> Callable[..., Any]:
    from vcr.stubs.aiohttp_stubs import vcr_request

    @wraps(real)
    async def sent(session: Any, method: str, url: Any, **settings: Any) -> Any:
        with passing():
            return await real(session, method, url, **settings)

    ask = vcr_request(routing_cassette(), sent)

    @wraps(real)
    async def request(session: Any, method: str, url: Any, *, data: Any = None, **settings: Any) -> Any:
        payload = _form(data)
        if payload is not None:
            data = await payload.as_bytes()
            settings["headers"] = _with_type(session, settings.get("headers"), payload.headers["content-type"])
        return await ask(session, method, url, data=data, **settings)

    return request


def _form(data: Any) -> Any:
    """The form that aiohttp would send for this data, or ``None`` where it is none."""
    aiohttp = sys.modules["aiohttp"]
    if isinstance(data, aiohttp.FormData):
        return data()
    if isinstance(data, aiohttp.MultipartWriter):
        return data
    return aiohttp.FormData(data)() if isinstance(data, (Mapping, list, tuple)) else None


def _with_type(session: Any, headers: Any, content_type: str) -> Any:
    """The headers of a request and the content type, where they name none."""
    prepared = session._prepare_headers(headers)
    prepared.setdefault("Content-Type", content_type)
    return prepared
