"""Libraries are caught by cassette after cassette, also where a program has changed them in between."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterator
from multiprocessing.pool import Pool, ThreadPool
from typing import Any

import httpx
import httpx2
import pytest
import urllib3

from pytest_templates.errors import CassetteMiss

Opener = Callable[..., Any]


@pytest.fixture(params=[httpx, httpx2], ids=["httpx", "httpx2"])
def library(request: pytest.FixtureRequest, cassette: Opener) -> Iterator[Any]:
    """A library that was caught before, and is as it was when all is over."""
    standing = request.param.HTTPTransport.handle_request
    for _ in range(2):
        with cassette():
            assert request.param.HTTPTransport.handle_request is not standing
        assert request.param.HTTPTransport.handle_request is standing
    yield request.param
    assert request.param.HTTPTransport.handle_request is standing


def test_what_a_program_has_put_there_sends_what_is_recorded_and_stays(
    library: Any, cassette: Opener, web: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, sent = library.HTTPTransport.handle_request, []

    def spying(transport: Any, request: Any) -> Any:
        sent.append(request)
        return real(transport, request)

    with monkeypatch.context() as changed:
        changed.setattr(library.HTTPTransport, "handle_request", spying)
        for _ in range(2):
            with cassette("missing") as opened:
                library.get(f"{web.url}/{len(sent)}")
                assert opened.recorded == 1
            assert library.HTTPTransport.handle_request is spying
    with cassette("missing") as opened:
        library.get(f"{web.url}/last")
        assert opened.recorded == 1
    assert len(sent) == 2
    assert len(web.asked) == 3


def test_a_class_in_place_of_a_library_s_own_is_caught(
    library: Any, cassette: Opener, web: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Mine(library.HTTPTransport):  # type: ignore[misc, name-defined]
        def handle_request(self, request: Any) -> Any:
            return super().handle_request(request)

    with monkeypatch.context() as changed:
        changed.setattr(library, "HTTPTransport", Mine)
        with cassette(), library.Client(transport=Mine()) as client, pytest.raises(CassetteMiss):
            client.get(web.url)
    with cassette(), pytest.raises(CassetteMiss):
        library.get(web.url)
    assert not web.asked


def test_what_a_program_has_put_into_a_base_class_is_called(cassette: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    with cassette():
        pass
    real, called = Pool.imap, []

    def spying(pool: Any, *arguments: Any, **settings: Any) -> Any:
        called.append(pool)
        return real(pool, *arguments, **settings)

    with monkeypatch.context() as changed:
        changed.setattr(Pool, "imap", spying)
        with cassette(), ThreadPool(1) as pool:
            assert list(pool.imap(str, [1])) == ["1"]
    with cassette(), ThreadPool(1) as pool:
        assert list(pool.imap(str, [1])) == ["1"]
    assert len(called) == 1


def test_pools_of_urllib3_are_let_go_with_their_cassette(cassette: Opener, web: Any) -> None:
    pools = []
    for number in range(2):
        with cassette("missing") as opened:
            manager = urllib3.PoolManager()
            manager.request("GET", f"{web.url}/{number}")
            assert opened.recorded == 1
            pools.append(weakref.ref(manager.connection_from_url(web.url)))
        del manager, opened
        gc.collect()
        assert {pool() for pool in pools} == {None}
