"""While a cassette is replayed, no socket to another host is opened, and no name of another host looked up."""

from __future__ import annotations

from importlib.util import find_spec

import anyio  # noqa: F401  # slow to import, and needed in inner runs
import pytest
import trio  # noqa: F401  # as above

ELSEWHERE = "192.0.2.7"  # an address for documentation: it leads nowhere (RFC 5737)
NAME = "api.example.invalid"

REACHING = {
    "connect": f"tcp('connect', ('{ELSEWHERE}', 443))",
    "connect by name": f"tcp('connect', ('{NAME}', 443))",
    "connect, IPv6": "tcp('connect', ('2001:db8::7', 443), socket.AF_INET6)",
    "connect_ex": f"tcp('connect_ex', ('{ELSEWHERE}', 443))",
    "create_connection": f"socket.create_connection(('{ELSEWHERE}', 443), timeout=1)",
    "a datagram": f"udp('sendto', b'x', ('{ELSEWHERE}', 53))",
    "a datagram with flags": f"udp('sendto', b'x', 0, ('{ELSEWHERE}', 53))",
    "a message": f"udp('sendmsg', [b'x'], [], 0, ('{ELSEWHERE}', 53))",
    "a broadcast": "udp('sendto', b'x', ('255.255.255.255', 53))",
    "getaddrinfo": f"socket.getaddrinfo('{NAME}', 443)",
    "getaddrinfo, as bytes": f"socket.getaddrinfo(host=b'{NAME}', port=443)",
    "gethostbyname": f"socket.gethostbyname('{NAME}')",
    "gethostbyname_ex": f"socket.gethostbyname_ex('{NAME}')",
    "gethostbyaddr": f"socket.gethostbyaddr('{ELSEWHERE}')",
    "getnameinfo": f"socket.getnameinfo(('{ELSEWHERE}', 443), 0)",
    "a thread": f"threaded(lambda: socket.create_connection(('{ELSEWHERE}', 443), timeout=1))",
    "asyncio": f"asyncio.run(open_connection('{NAME}'))",
    "asyncio by address": f"asyncio.run(open_connection('{ELSEWHERE}'))",
    "asyncio, sock_connect": f"asyncio.run(sock_connect('{ELSEWHERE}'))",
    "asyncio, a datagram": f"asyncio.run(datagram('{ELSEWHERE}'))",
    "asyncio, look-up": f"asyncio.run(look_up('{NAME}'))",
    "trio": f"trio.run(trio_stream, '{NAME}', 443)",
    "trio by address": f"trio.run(trio_stream, '{ELSEWHERE}', 443)",
    "anyio": f"anyio.run(anyio.connect_tcp, '{NAME}', 443)",
    "uvloop": f"uvloop_run(open_connection('{NAME}'))",
    "uvloop by address": f"uvloop_run(open_connection('{ELSEWHERE}'))",
    "uvloop, sock_connect": f"uvloop_run(sock_connect('{ELSEWHERE}'))",
    "uvloop, a datagram": f"uvloop_run(datagram('{ELSEWHERE}'))",
    "uvloop, look-up": f"uvloop_run(look_up('{NAME}'))",
}
HELPERS = """
import asyncio, os, socket, threading
import anyio, trio

pytestmark = pytest.mark.llm_cassette

def tcp(method, address, family=socket.AF_INET):
    with socket.socket(family) as client:
        return getattr(client, method)(address)

def udp(method, *arguments):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        return getattr(client, method)(*arguments)

async def trio_stream(*address):
    async with await trio.open_tcp_stream(*address):
        pass

def threaded(function):
    thread = threading.Thread(target=swallow, args=(function,))
    thread.start()
    thread.join()

async def open_connection(host, port=443):
    _, writer = await asyncio.open_connection(host, port)
    writer.close()
    await writer.wait_closed()

async def sock_connect(host, port=443):
    with socket.socket() as client:
        client.setblocking(False)
        await asyncio.get_running_loop().sock_connect(client, (host, port))

async def datagram(host):
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        asyncio.DatagramProtocol, remote_addr=(host, 53))
    transport.close()

async def look_up(host):
    await asyncio.get_running_loop().getaddrinfo(host, 443)

def uvloop_run(coroutine):
    import uvloop

    return uvloop.run(coroutine)
"""


UVLOOP = find_spec("uvloop") is not None  # there is none for Windows


@pytest.fixture
def evaluated(project):
    """Runs a test for each of some expressions, which it evaluates while its cassette is replayed."""

    def run(expressions: dict[str, str], test: str = "eval(expression)", before: str = "") -> pytest.RunResult:
        known = {how: expression for how, expression in expressions.items() if UVLOOP or "uvloop" not in expression}
        cases = f"pytest.mark.parametrize('expression', {list(known.values())}, ids={list(known)})"
        project.tests(f"{HELPERS}\n{before}\n@{cases}\ndef test_it(expression):\n    {test}\n")
        return project.run("-rA")

    return run


def host_of(expression: str) -> str:
    return next(one for one in (ELSEWHERE, NAME, "[2001:db8::7]", "255.255.255.255") if one.strip("[]") in expression)


def test_another_host_is_out_of_reach_also_where_the_program_swallows_it(project, evaluated):
    result = evaluated(REACHING, "swallow(lambda: eval(expression))")

    assert set(result.parseoutcomes()) == {"failed"}
    for how, expression in REACHING.items():
        if UVLOOP or "uvloop" not in how:
            project.says(result, f"NetworkRefused: test_it.py::test_it[{how}] reaches for {host_of(expression)}")
    project.says(
        result,
        "can neither record nor replay",
        "name its host in templates_ignore_hosts",
        "all but HTTP is let through",
    )


def test_the_refusal_reaches_the_program_as_what_it_is(evaluated):
    direct = {how: REACHING[how] for how in REACHING if how not in {"a thread", "trio by address"}}  # these wrap it

    result = evaluated(
        direct,
        "with pytest.raises(LiveCallRefused, match='reaches for') as caught:\n"
        "        eval(expression)\n"
        "    assert caught.value.host.removesuffix(':443').removesuffix(':53').strip('[]') in expression",
    )

    result.assert_outcomes(passed=len(direct))  # the test expects it by its class


def test_a_host_that_is_reached_for_again_and_again_is_said_once(evaluated):
    result = evaluated({"again": REACHING["connect"]}, "for _ in range(5): swallow(lambda: eval(expression))")

    assert str(result.stdout).count("NetworkRefused: ") == 2  # at the failure, and in the short summary


HERE = {
    "loopback": "socket.create_connection(served()).close()",
    "connect_ex": "assert tcp('connect_ex', served()) == 0",
    "by name": "socket.create_connection(('localhost', served()[1])).close()",
    "unspecified": "socket.create_connection(('0.0.0.0', served()[1])).close()",
    "mapped": "mapped(served()[1])",
    "a datagram": "udp('sendto', b'x', ('127.0.0.1', 9))",
    "a pair": "[one.close() for one in socket.socketpair()]",
    "a Unix socket": "unix()",
    "netlink": "netlink()",
    "a look-up of this machine": "socket.getaddrinfo('localhost', 80); socket.getaddrinfo(None, 80)",
    "an address that is only parsed": f"socket.getaddrinfo('{ELSEWHERE}', 80, flags=socket.AI_NUMERICHOST)",
    "an address that is only shown": f"socket.getnameinfo(('{ELSEWHERE}', 80), socket.NI_NUMERICHOST)",
    "this machine by its name": "swallow_os(lambda: socket.gethostbyname(socket.gethostname()))",
    "asyncio": "asyncio.run(open_connection(*served()))",
    "trio": "trio.run(trio_stream, *served())",
    "uvloop": "uvloop_run(open_connection(*served()))",
    "a server of its own": "socket.create_server(('127.0.0.1', 0)).close()",
}
SERVICES = """
def served():
    from urllib.parse import urlsplit

    url = urlsplit(os.environ["CHAT_URL"])
    return url.hostname, url.port

def mapped(port):
    try:
        client = socket.socket(socket.AF_INET6)
    except OSError:
        return
    with client:
        swallow_os(lambda: client.connect(("::ffff:127.0.0.1", port)))

def unix():
    if hasattr(socket, "AF_UNIX"):
        with socket.socket(socket.AF_UNIX) as client, pytest.raises(FileNotFoundError):
            client.connect("nothing.sock")

def netlink():
    if hasattr(socket, "AF_NETLINK"):
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW) as client:
            client.connect((0, 0))

def swallow_os(function):
    try:
        function()
    except OSError:
        pass
"""


def test_no_socket_is_left_open_by_a_refusal(evaluated, project):
    project.ini("filterwarnings = error")

    result = evaluated({"create_connection": REACHING["create_connection"]}, "swallow(lambda: eval(expression))")

    assert "unclosed" not in str(result.stdout) + str(result.stderr)
    result.assert_outcomes(failed=1)


def test_services_on_this_machine_stay_open(evaluated, chat_server):
    result = evaluated(HERE, "exec(expression)", SERVICES)

    assert set(result.parseoutcomes()) == {"passed"}
