"""While a cassette is open, in recording as in replay, no connection to a model passes it by."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import suppress
from importlib.util import find_spec
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_templates.cassettes.destinations import Destination, SentHttp, of_grpc_target, of_url
from pytest_templates.cassettes.http.seams import passing
from pytest_templates.cassettes.network_guard import guarded
from pytest_templates.errors import NetworkRefused

ELSEWHERE = "192.0.2.7"  # an address for documentation: it leads nowhere (RFC 5737)
ASKING = {
    "a socket": "raw(lambda one: one.sendall(REQUEST))",
    "a socket, in pieces": "raw(lambda one: one.sendmsg([REQUEST[:9], REQUEST[9:]]))",
    "a socket, twice": "raw(lambda one: (one.sendall(REQUEST[:7]), one.sendall(REQUEST[7:])))",
    "a socket, behind an empty line": "raw(lambda one: one.sendall(bytes((13, 10)) + REQUEST))",
    "a file of a socket": "raw(as_file)",
    "a Unix socket": "unix()",
    "HTTP/2": "raw(lambda one: one.send(b'PRI * HTTP/2.0' + bytes((13, 10)) * 2 + b'SM'))",
    "TLS": "raw(encrypted)",
    "TLS in memory": "in_memory().write(REQUEST)",
    "a tunnel": "raw(lambda one: one.sendall(b'CONNECT api.example.com:443 HTTP/1.1' + bytes((13, 10))))",
    "a thread": "in_thread(lambda: raw(lambda one: one.sendall(REQUEST)))",
    "asyncio": "asyncio.run(streams())",
    "asyncio, many at once": "asyncio.run(streams(lambda writer: writer.writelines([REQUEST, b'x'])))",
    "asyncio, byte by byte": "asyncio.run(streams(byte_by_byte))",
    "uvloop": "uvloop_run(streams())",
    "uvloop, byte by byte": "uvloop_run(streams(byte_by_byte))",
    "uvloop, a protocol": "uvloop_run(protocol())",
    "trio": "trio.run(trio_stream)",
    "anyio": "anyio.run(anyio_stream)",
    "httpcore": "httpcore.HTTPConnection(httpcore.Origin(b'http', b'127.0.0.1', PORT)).request('POST', URL)",
    "websockets": "asyncio.run(websocket())",
    "websockets, sync": "websockets.sync.client.connect(f'ws://127.0.0.1:{PORT}')",
}
HELPERS = """
import asyncio, os, socket, ssl, threading
import anyio, httpcore, trio
import websockets.asyncio.client, websockets.sync.client

pytestmark = pytest.mark.llm_cassette
URL = os.environ["CHAT_URL"] + "/chat/completions"
PORT = int(os.environ["CHAT_URL"].split(":")[2].partition("/")[0])
REQUEST = b"POST /v1/chat/completions HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: 0\\r\\n\\r\\n"

def raw(use):
    with socket.create_connection(("127.0.0.1", PORT)) as one:
        use(one)

def as_file(one):
    with one.makefile("wb", 0) as file:
        file.write(REQUEST)

def unix():
    if not hasattr(socket, "AF_UNIX"):
        return raw(lambda one: one.sendall(REQUEST))
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
        server.bind("served.sock")
        server.listen()
        try:
            client.connect("served.sock")
            client.sendall(REQUEST)
        finally:
            os.unlink("served.sock")

def encrypted(one):
    with ssl.create_default_context().wrap_socket(one, server_hostname="x", do_handshake_on_connect=False) as tls:
        tls.write(REQUEST)

def in_memory():
    return ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="localhost")

def in_thread(function):
    thread = threading.Thread(target=swallow, args=(function,))
    thread.start()
    thread.join()

async def streams(write=lambda writer: writer.write(REQUEST)):
    _, writer = await asyncio.open_connection("127.0.0.1", PORT)
    write(writer)
    writer.close()

def byte_by_byte(writer):
    for byte in REQUEST:
        writer.write(bytes((byte,)))

class Asking(asyncio.Protocol):
    def connection_made(self, transport):
        swallow(transport.write, REQUEST)
        transport.close()

async def protocol():
    await asyncio.get_running_loop().create_connection(Asking, "127.0.0.1", PORT)

async def trio_stream():
    async with await trio.open_tcp_stream("127.0.0.1", PORT) as stream:
        await stream.send_all(REQUEST)

async def anyio_stream():
    async with await anyio.connect_tcp("127.0.0.1", PORT) as stream:
        await stream.send(REQUEST)

async def websocket():
    async with websockets.asyncio.client.connect(f"ws://127.0.0.1:{PORT}"):
        pass

def uvloop_run(coroutine):
    import uvloop

    return uvloop.run(coroutine)
"""
UVLOOP = find_spec("uvloop") is not None  # there is none for Windows


@pytest.mark.parametrize("mode", ["all", "none"])
def test_what_speaks_http_and_is_not_intercepted_is_refused_on_this_machine_too(project, chat_server, mode):
    known = {how: asking for how, asking in ASKING.items() if UVLOOP or "uvloop" not in asking}
    cases = f"pytest.mark.parametrize('asking', {list(known.values())}, ids={list(known)})"
    project.tests(f"{HELPERS}\n@{cases}\ndef test_it(asking):\n    swallow(lambda: eval(asking))\n")

    result = project.run("-rA", f"--templates-record={mode}")

    assert chat_server.asked == []
    for how in known:
        project.says(result, f"NetworkRefused: test_it.py::test_it[{how}] reaches for ")
    project.says(result, "(by websockets, test_it.py:")
    assert result.parseoutcomes() == {"failed": len(known)}


# Libraries with sockets of their own, where they are installed: by clients that are made before the test.
OWN_SOCKETS = {
    "grpc": """
import grpc

ASK = grpc.insecure_channel(f"127.0.0.1:{PORT}").unary_unary("/models.Model/Ask")
STREAM = grpc.insecure_channel(f"127.0.0.1:{PORT}").stream_stream("/models.Model/Talk")
ASKING = [
    lambda: ASK(b"capital?", timeout=5),
    lambda: ASK.future(b"capital?", timeout=5).result(),
    lambda: ASK.with_call(b"capital?", timeout=5),
    lambda: next(STREAM(iter([b"capital?"]), timeout=5)),
]
""",
    "grpc.aio": """
import grpc.aio

async def ask():
    async with grpc.aio.insecure_channel(f"127.0.0.1:{PORT}") as channel:
        await channel.unary_unary("/models.Model/Ask")(b"capital?", timeout=5)

ASKING = [lambda: asyncio.run(ask())]
""",
    "xai_sdk": """
import xai_sdk, xai_sdk.chat

CLIENT = xai_sdk.Client(api_key="k")
ASKING = [lambda: CLIENT.chat.create("grok-4", messages=[xai_sdk.chat.user("capital?")]).sample()]
""",
    "grpclib": """
from grpclib.client import Channel
from grpclib.const import Cardinality

async def ask():
    channel = Channel("127.0.0.1", PORT)
    async with channel.request("/models.Model/Ask", Cardinality.UNARY_UNARY, None, None) as stream:
        await stream.send_request()

ASKING = [lambda: asyncio.run(ask())]
""",
    "curl_cffi": """
import curl_cffi
from curl_cffi.requests import AsyncSession, Session

SESSION, HANDLE = Session(), curl_cffi.Curl()
HANDLE.setopt(curl_cffi.CurlOpt.URL, URL.encode())

async def ask():
    async with AsyncSession() as session:
        await session.get(URL)

ASKING = [
    lambda: SESSION.post(URL, json={}),
    lambda: SESSION.get(URL, stream=True),
    lambda: SESSION.ws_connect(f"ws://127.0.0.1:{PORT}"),
    lambda: HANDLE.perform(),
    lambda: asyncio.run(ask()),
]
""",
    "pycurl": """
import pycurl

def handle():
    made = pycurl.Curl()
    made.setopt(pycurl.URL, URL)
    return made

def ask_together():
    together = pycurl.CurlMulti()
    together.add_handle(handle())
    while together.perform()[1]:
        together.select(1)

ASKING = [lambda: handle().perform(), lambda: handle().perform_rs(), ask_together]
""",
    "pyreqwest": """
import certifi
from pyreqwest.client import SyncClientBuilder
from pyreqwest.simple.sync_request import pyreqwest_get

os.environ.setdefault("SSL_CERT_FILE", certifi.where())
CLIENT = SyncClientBuilder().build()
ASKING = [
    lambda: CLIENT.get(URL).build().send(),
    lambda: CLIENT.post(URL).build_streamed().__enter__(),
    lambda: pyreqwest_get(URL).send(),
]
""",
    "awscrt": """
import awscrt.http, awscrt.io

BOOTSTRAP = awscrt.io.ClientBootstrap.get_or_create_static_default()
CONNECTION = awscrt.http.HttpClientConnection.new("127.0.0.1", PORT, BOOTSTRAP).result(5)
ASKING = [lambda: CONNECTION.request(awscrt.http.HttpRequest("GET", "/")).activate()]
""",
}


@pytest.fixture(scope="module")
def own_sockets() -> dict[str, list[str]]:
    """What was said of each test of a library, by the library: they are run once, all together."""
    return {}


@pytest.fixture
def said_of(project: Any, chat_server: Any, own_sockets: dict[str, list[str]]) -> dict[str, list[str]]:
    if not own_sockets:
        installed = [one for one in OWN_SOCKETS if find_spec(one.partition(".")[0]) is not None]
        test = "@pytest.mark.parametrize('asking', ASKING)\ndef test_it(asking):\n    asking()\n"
        for library in installed:
            project.tests(f"{HELPERS}\n{OWN_SOCKETS[library]}\n{test}", f"test_{library.replace('.', '_')}.py")
        for mode in ("all", "none"):
            result = project.run_alone("-rA", "--tb=line", f"--templates-record={mode}")
            for library in installed:
                name = f"test_{library.replace('.', '_')}.py::test_it["
                lines = [line for line in result.outlines if name in line]
                own_sockets.setdefault(library, []).extend(lines)
        assert chat_server.asked == []
    return own_sockets


@pytest.mark.parametrize("library", OWN_SOCKETS)
def test_a_library_with_sockets_of_its_own_is_stopped_at_its_calls(said_of, library):
    if library not in said_of:
        pytest.skip(f"needs {library}")
    name = f"test_{library.replace('.', '_')}.py::test_it["
    failed = [line.partition(" - ")[0] for line in said_of[library] if line.startswith(f"FAILED {name}")]

    assert failed
    assert {failed.count(line) for line in failed} == {2}  # recording and in replay
    assert not [line for line in said_of[library] if line.startswith(f"PASSED {name}")]
    assert sum(f"NetworkRefused: {name}" in line for line in said_of[library]) >= len(failed)


def test_a_library_that_is_loaded_while_the_cassette_is_open_is_stopped_as_well(project, chat_server):
    if find_spec("grpc") is None:
        pytest.skip("needs grpc")
    project.tests(
        HELPERS + "\ndef test_it():\n    import grpc\n\n"
        "    grpc.insecure_channel(f'127.0.0.1:{PORT}').unary_unary('/models.Model/Ask')(b'capital?', timeout=5)\n"
    )

    result = project.run_alone()

    result.assert_outcomes(failed=1)
    project.says(result, "NetworkRefused: test_it.py::test_it reaches for 127.0.0.1:", "(by grpcio, test_it.py:")


@pytest.fixture
def listening() -> Iterator[Any]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()


def refused(left_alone: Any, address: Any) -> list[Exception]:
    """The errors of a client that speaks HTTP by itself."""
    errors: list[Exception] = []
    with (
        guarded("test_it", errors.append, left_alone=left_alone),
        socket.create_connection(address) as client,
        suppress(NetworkRefused),
    ):
        client.sendall(b"GET / HTTP/1.1\r\n\r\n")
    return errors


def test_what_was_refused_is_not_sent_when_its_buffer_is_closed_behind_the_test() -> None:
    errors: list[Exception] = []
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        buffered = client.makefile("rwb")
        buffered.write(b"POST / HTTP/1.1\r\n\r\n")
        with guarded("test_it", errors.append), pytest.raises(NetworkRefused):
            buffered.flush()
        with suppress(OSError):
            buffered.close()
        received, _ = server.accept()
        with received:
            received.settimeout(10)
            assert received.recv(100) == b""
    assert len(errors) == 1


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_host_that_is_left_alone_is_let_through_by_any_of_its_names(listening: Any, host: str) -> None:
    port = listening[1]
    assert refused(lambda name, number: (name, number) == (host, port), listening) == []
    [error] = refused(lambda name, number: (name, number) == (host, port + 1), listening)
    assert isinstance(error, NetworkRefused)
    assert error.host == f"127.0.0.1:{port}"


def test_a_host_that_is_left_alone_is_let_through_by_the_addresses_of_its_name(
    monkeypatch: pytest.MonkeyPatch, listening: Any
) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ELSEWHERE, 443))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: found)
    errors: list[Exception] = []
    with guarded("test_it", errors.append, left_alone=lambda host, _: host == "telemetry.example.invalid"):
        assert socket.getaddrinfo("telemetry.example.invalid", 443) == found
        with socket.socket() as client:
            client.settimeout(0.01)
            with pytest.raises(OSError):  # noqa: PT011  # whatever the network says: it was asked
                client.connect((ELSEWHERE, 443))
        with pytest.raises(NetworkRefused), socket.socket() as client:
            client.connect(("192.0.2.8", 443))
    assert len(errors) == 1


def test_what_belongs_to_an_intercepted_request_passes(listening: Any) -> None:
    errors: list[Exception] = []
    with guarded("test_it", errors.append), passing(), socket.create_connection(listening) as client:
        client.sendall(b"GET / HTTP/1.1\r\n\r\n")
    assert errors == []


def test_a_pair_of_sockets_may_speak_http(listening: Any) -> None:
    one, other = socket.socketpair()
    with guarded("test_it", pytest.fail), one, other:
        one.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert other.recv(3) == b"GET"


@pytest.mark.parametrize(
    "data",
    [b"POST /v1/chat HTTP/1.1\r\n", b"M-SEARCH * HTTP/1.1", b"CONNECT a:443 HTTP/1.0", b"PRI * HTTP/2.0\r\n\r\nSM"],
)
def test_a_request_of_http_is_known_by_its_first_line(data: bytes) -> None:
    assert all(begun(kind(data)) for kind in (bytes, bytearray, memoryview))
    assert not any(begun(b"x" + data))


class Connection:
    """What stands for a socket."""


def begun(*pieces: Any) -> list[bool]:
    """Whether each of the pieces that one connection sends begins a request."""
    sent, connection = SentHttp(), Connection()
    return [sent.begins(connection, piece) for piece in pieces]


REQUEST_LINES = ("POST /v1/chat?a=%20 HTTP/1.1\r\n", "PRI * HTTP/2.0\r\n", f"GET http://h/{'a' * 3000} HTTP/1.0\r\n")


@given(st.sampled_from(REQUEST_LINES), st.lists(st.integers(0, 60), max_size=4))
def test_a_request_of_http_is_known_in_whatever_pieces_it_comes(line: str, cuts: list[int]) -> None:
    pieces = [line[start:end].encode() for start, end in pairwise([0, *sorted(cuts), len(line)])]
    assert sum(begun(*pieces)) == 1


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"*1\r\n$4\r\nPING\r\n",
        b"GET key\r\n",
        b"HTTP/1.1 200 OK\r\n",
        b"\x00\x00\x00\x08\x04\xd2\x16/",
        "GET / HTTP/1.1",
        0,
    ],
    ids=repr,
)
def test_other_protocols_and_answers_are_no_requests(data: Any) -> None:
    assert begun(data, data) == [False, False]


@pytest.mark.parametrize(
    ("target", "host", "port"),
    [
        ("api.x.ai:443", "api.x.ai", 443),
        ("dns:///api.x.ai:443", "api.x.ai", 443),
        ("dns:api.x.ai", "api.x.ai", None),
        ("dns://8.8.8.8/api.x.ai:443", "api.x.ai", 443),
        ("ipv4:192.0.2.7:443,192.0.2.8:443", "192.0.2.7", 443),
        ("ipv6:[2001:db8::7]:443", "2001:db8::7", 443),
        ("[::1]:443", "::1", 443),
        ("unix:/tmp/one", "unix:/tmp/one", None),
        ("unix:///tmp/one", "unix:///tmp/one", None),
    ],
)
def test_a_target_of_grpc_names_its_host(target: str, host: str, port: int | None) -> None:
    assert of_grpc_target(target) == (host, port)


def test_a_url_names_its_host_and_port() -> None:
    assert of_url("https://api.x.ai/v1?a=b") == ("api.x.ai", 443)
    assert of_url("ws://[::1]:80/") == ("::1", 80)
    assert str(Destination("::1", 80)) == "[::1]:80"
    assert str(of_url("no URL")) == "no URL"
