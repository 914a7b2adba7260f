"""What is said where nobody answers: where that was, why, and what to check."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from antiphon import AssistantTemplate, LinearTemplate, Runner, Session, UserTemplate, connect
from antiphon.errors import ModelError, ModelTimeout, ServerError
from antiphon.providers.addresses import Address

pytestmark = pytest.mark.llm_live(reason="nobody answers, or a server on this machine does")
TREE = LinearTemplate([UserTemplate("Where is my parcel?"), AssistantTemplate(template_id="answer")])


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that nobody listens at, and that nobody else gets."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def fail(wire: Any, mode: Any, url: str, **settings: Any) -> ModelError:
    options = {"api_key": "dummy-key", "max_retries": 0, "max_tokens": 100} | settings
    with pytest.raises(ModelError) as raised:
        mode.play(Runner(connect(wire.played, base_url=url, **options), template=TREE), Session())
    return raised.value


def test_a_port_that_nobody_listens_at_is_named(closed_port: int, wire: Any, mode: Any) -> None:
    error = fail(wire, mode, f"http://127.0.0.1:{closed_port}/v1")

    assert type(error) is ServerError
    assert error.status is None
    said, check = str(error).split("\n")
    where = f"http://127.0.0.1:{closed_port}"
    assert said.startswith(
        f"model {wire.played!r}, asked by 'linear/answer': {where} cannot be reached: nobody listens there ("
    )
    assert check == "  check that the server runs, and base_url= (or the provider's environment variable for it)"


def test_a_host_that_does_not_exist_is_named(wire: Any, mode: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any, **__: Any) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)

    error = fail(wire, mode, "https://nobody.invalid/v1")

    assert type(error) is ServerError
    said, check = str(error).split("\n")
    assert said.startswith(f"model {wire.played!r}, asked by 'linear/answer': https://nobody.invalid:443 cannot be re")
    assert f"its host is not known ([Errno {socket.EAI_NONAME}] Name or service not known)" in said
    assert check.startswith("  check how the host is written")


def test_secrets_in_an_address_are_not_said(closed_port: int, wire: Any, mode: Any) -> None:
    error = fail(wire, mode, f"http://someone:pa55@127.0.0.1:{closed_port}/path-t0ken/v1?key=s3cret")

    assert f"http://127.0.0.1:{closed_port} cannot be reached" in str(error)
    assert not any(secret in str(error) for secret in ("someone", "pa55", "t0ken", "s3cret", "dummy-key"))


def test_a_proxy_that_the_environment_names_is_to_be_checked(
    closed_port: int, wire: Any, mode: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{closed_port}")

    error = fail(wire, mode, "http://models.example.org/v1")

    assert "http://models.example.org:80 cannot be reached: nobody listens there" in str(error)
    assert "check the proxy that the environment names" in str(error)


def test_a_server_that_speaks_no_tls_is_named(provider: Any, wire: Any, mode: Any) -> None:
    url = provider.url.replace("http:", "https:")

    error = fail(wire, mode, url + "/v1")

    assert f"{url} cannot be reached: [SSL" in str(error)
    assert "check the network, and base_url=" in str(error)


def test_a_connection_that_breaks_says_where(provider: Any, wire: Any, mode: Any) -> None:
    provider.plays({"status": 0})

    error = fail(wire, mode, provider.url + wire.root)

    assert f"the connection to {provider.url} broke: " in str(error)
    assert "Connection error." not in str(error)


def test_no_answer_in_time_says_from_where(provider: Any, wire: Any, mode: Any) -> None:
    provider.plays({"status": 0, "then": "stall"})

    error = fail(wire, mode, provider.url + wire.root, timeout=0.1)

    assert type(error) is ModelTimeout
    assert f"{provider.url} did not answer in time" in str(error)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://localhost", "http://localhost:80"),
        pytest.param(
            "https://user:word@Example.org:8443/v1?key=1#there", "https://example.org:8443", id="with all its parts"
        ),
        ("http://[::1]:8000/v1", "http://[::1]:8000"),
        ("http://localhost:port", "None"),
        ("localhost:8000", "None"),
        (None, "None"),
    ],
)
def test_an_address_is_scheme_host_and_port(url: str | None, address: str) -> None:
    assert str(Address.of(url)) == address
