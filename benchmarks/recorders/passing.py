"""What passes a cassette by: calls that no recorder catches, and hosts that it is to leave alone."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager

from peers import Project
from server import Served, serving

_WAYS = """
import grpc, http.client, httpcore, multiprocessing, socket, subprocess, urllib.request, websockets

PORT = int(URL.rpartition(":")[2])
REQUEST = b"POST /by/%b HTTP/1.1\\r\\nhost: x\\r\\ncontent-length: 2\\r\\nconnection: close\\r\\n\\r\\n{}"

def in_another_process(way):
    return urllib.request.urlopen(URL + "/by/" + way, data=b"{}", timeout=10).read()

def by_grpc():
    with grpc.insecure_channel(os.environ["GRPC"]) as channel:
        return channel.unary_unary("/m.Model/grpc")(b"?", timeout=10)

def by_grpc_aio():
    async def ask():
        async with grpc.aio.insecure_channel(os.environ["GRPC"]) as channel:
            return await channel.unary_unary("/m.Model/grpc_aio")(b"?", timeout=10)

    return asyncio.run(ask())

def by_websockets():
    async def ask():
        async with websockets.connect(os.environ["WEBSOCKETS"] + "/websockets") as connection:
            return await connection.recv()

    return asyncio.run(ask())

def by_socket():
    with socket.create_connection(("127.0.0.1", PORT), timeout=10) as connection:
        connection.sendall(REQUEST % b"socket")
        return connection.recv(9)

def by_asyncio():
    async def ask():
        reader, writer = await asyncio.open_connection("127.0.0.1", PORT)
        writer.write(REQUEST % b"asyncio")
        answer = await reader.read(9)
        writer.close()
        return answer

    return asyncio.run(ask())

def by_httpcore():
    with httpcore.HTTPConnection(httpcore.Origin(b"http", b"127.0.0.1", PORT)) as connection:
        return connection.request("POST", URL + "/by/httpcore", content=b"{}").content

def by_urllib():
    return in_another_process("urllib")

def by_subprocess():
    code = "import test_calls; print(test_calls.in_another_process('subprocess'))"
    return subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True, timeout=30).stdout

def by_spawn():
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(in_another_process, ("spawn",))
"""
_NAMES = ("grpc", "grpc_aio", "websockets", "socket", "asyncio", "httpcore", "urllib", "subprocess", "spawn")


def calls_that_pass_by(project: Project, served: Served) -> str:
    """Nine ways to call a model, in a replay while it can be reached: which are live, and the test is green."""
    with _others(served) as environ:
        project.write(f"""
MARK
@pytest.mark.parametrize("way", {_NAMES})
def test_it(way):
    assert globals()["by_" + way]()
{_WAYS}""")
        project.run(project.peer.record, **environ)
        start = len(served.asked)
        passed = project.passed(*project.peer.replay, **environ)
    asked = {path.rpartition("/")[2] for path in served.asked[start:]}
    live = [way for way in _NAMES if f"test_it[{way}]" in passed and way in asked]
    return f"{len(live)} of {len(_NAMES)} unnoticed" + (f" ({', '.join(live)})" if live else "")


def hosts_left_alone(project: Project, served: Served) -> str:
    """A tracer that sends times and random ids to a host that is left alone, beside a model that is recorded."""
    name, text = project.peer.ignoring
    (project.folder / name).write_text(text.replace("HOST", "localhost"), encoding="utf-8")
    project.write("""
import uuid

def trace():
    with suppress(Exception):
        httpx.post(os.environ["TRACES"] + "/by/tracer", json={"id": str(uuid.uuid4())}, timeout=5)

MARK
def test_asks():
    tracer = threading.Thread(target=trace)
    tracer.start()
    assert ask("one") == "m heard one"
    tracer.join()
""")
    with serving() as tracer:
        traces = tracer.url.replace("127.0.0.1", "localhost")
        project.run(project.peer.record, TRACES=traces)
        start = len(tracer.asked)
        replayed = project.run(*project.peer.replay, TRACES=traces).returncode == 0
        sent = len(tracer.asked) > start
    kept = b"/by/tracer" in project.on_disk()
    trace = f"{'recorded' if kept else 'not recorded'}, {'sent' if sent else 'NOT sent'} in replay"
    return f"{trace}; test {'passes' if replayed else 'FAILS'}"


@contextmanager
def _others(served: Served) -> Iterator[dict[str, str]]:
    """Servers that speak gRPC and WebSocket, and count with the other."""
    import grpc  # scenarios are run one by one: others need neither
    from websockets.sync.server import serve

    class Ask(grpc.GenericRpcHandler):
        def service(self, details):
            served.asked.append(details.method)
            return grpc.unary_unary_rpc_method_handler(lambda *_: b"Paris")

    def say(connection):
        served.asked.append(connection.request.path)
        connection.send("Paris")

    server = grpc.server(futures.ThreadPoolExecutor(2), handlers=[Ask()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with serve(say, "127.0.0.1", 0) as sockets:
        threading.Thread(target=sockets.serve_forever, daemon=True).start()
        yield {"GRPC": f"127.0.0.1:{port}", "WEBSOCKETS": f"ws://127.0.0.1:{sockets.socket.getsockname()[1]}"}
        sockets.shutdown()
    server.stop(0)
