"""Everything about speed in one table: what work costs, its floor, the best peer that is installed, what it may be.

    python benchmarks                      # the table
    python benchmarks --short              # a few samples of each, without the slow rows: for CI
    python benchmarks --json FILE          # the table as JSON, too

Peers are in an extra of their own, `pip install -e ".[peers]"`; a column stays empty where one is missing.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import process_time

import memory
import peers
import replay
import startup
import subroutines
import turns
from measuring import SAMPLES, compared, show

from antiphon import (
    AssistantTemplate,
    LinearTemplate,
    LoopTemplate,
    Model,
    Runner,
    Session,
    TextDelta,
    UserTemplate,
)
from antiphon.drawing import as_text


@dataclass(frozen=True, slots=True)
class Row:
    """What one kind of work costs.

    Attributes:
        work: The work.
        unit: What the numbers are.
        floor: The least that Python can do for the same.
        ours: What it costs here.
        peer: What the best peer takes; ``None`` where none does the same, or is installed.
        may_be: What it may be, in the unit; ``None`` where only growth is looked at.
    """

    work: str
    unit: str
    floor: float
    ours: float
    peer: float | None = None
    may_be: float | None = None


def samples(short: bool) -> int:
    """How many samples are taken."""
    return 3 if short else SAMPLES


def turn_rows(short: bool) -> Iterator[Row]:
    """A turn in conversations of growing length, by `run` and by `arun`."""
    for size in (100, 1_000) if short else (100, 1_000, 10_000):
        things = {"floor": turns.floor(size), "ours": turns.looped(size)}
        if size <= 1_000 and (peer := peers.conversation(size)) is not None:
            things["peer"] = peer
        cost = {name: one.seconds / size * 1e6 for name, one in compared(things, samples(short)).items()}
        yield Row(f"a turn of {size:,}", "µs", cost["floor"], cost["ours"], cost.get("peer"), 2 * cost["floor"])
    runner = Runner(turns.ConstantModel(), template=LoopTemplate([UserTemplate("Hi"), Quick()], exit_loop_count=100))
    cost = compared({"run": runner.run, "arun": lambda: asyncio.run(awaited(runner))}, samples(short))
    run, arun = (cost[name].seconds / 100 * 1e6 for name in ("run", "arun"))
    yield Row("a turn by arun, beside run", "µs", run, arun, may_be=1.5 * run)


async def awaited(runner: Runner) -> None:
    """A run by `arun`; `asyncio.run` writes out what it returns, which would take as long as the run."""
    await runner.arun()


class Quick(AssistantTemplate):
    """Asks a model that answers at once, in async code too."""

    def __init__(self) -> None:
        super().__init__(model=AsyncModel())


class AsyncModel(turns.ConstantModel):
    """Answers without a thread."""

    async def _asend(self, session: Session) -> str:
        return turns.ANSWER


class Streaming(Model):
    """Speaks in so many pieces."""

    def __init__(self, pieces: int) -> None:
        self.pieces = pieces

    def _send(self, session: Session) -> str:
        return "word " * self.pieces

    def _stream(self, session: Session) -> Iterator[str]:  # type: ignore[override]
        for _ in range(self.pieces):
            yield "word "


def streaming_rows(short: bool) -> Iterator[Row]:
    """A piece of a streamed answer; the floor is the model's own generator."""
    for pieces in (100, 1_000) if short else (100, 10_000):
        model = Streaming(pieces)
        runner = Runner(model, template=LinearTemplate([UserTemplate("Hi"), AssistantTemplate()]))
        things = {
            "floor": lambda model=model: sum(1 for _ in model._stream(Session())),
            "ours": lambda runner=runner: sum(isinstance(one, TextDelta) for one in runner.stream()),
        }
        cost = {name: one.seconds / pieces * 1e6 for name, one in compared(things, samples(short)).items()}
        yield Row(f"a piece of a streamed answer of {pieces:,}", "µs", cost["floor"], cost["ours"])


def subroutine_rows(short: bool) -> Iterator[Row]:
    """A subroutine of one turn, in parents of growing size."""
    for messages, templates in ((10, 10),) if short else ((10, 10), (10_000, 10), (10, 1_000)):
        things = {"floor": subroutines.shallow(), "ours": subroutines.called(messages, templates)}
        if (peer := peers.subroutine(messages)) is not None:
            things["peer"] = peer
        cost = {name: one.seconds * 1e6 for name, one in compared(things, samples(short)).items()}
        work = f"a subroutine in {messages:,} messages, {templates:,} templates"
        yield Row(work, "µs", cost["floor"], cost["ours"], cost.get("peer"), 4 * cost["floor"])


def tree_rows(short: bool) -> Iterator[Row]:
    """Building, walking and drawing a tree, by template; the floor is a tree of a tenth."""
    sizes = (100, 1_000) if short else (1_000, 10_000)

    def tree(size: int) -> LinearTemplate:
        return LinearTemplate([UserTemplate("Say it to {{ name }}.") for _ in range(size)])

    for what, work in {
        "building": lambda size: partial(tree, size),
        "walking": lambda size: partial(len_of_walk, tree(size)),
        "drawing": lambda size: partial(as_text, tree(size)),
    }.items():
        small, large = (compared({"it": work(size)}, samples(short))["it"].seconds / size * 1e6 for size in sizes)
        yield Row(f"{what} a tree of {sizes[1]:,}, a template; beside {sizes[0]:,}", "µs", small, large)


def len_of_walk(tree: LinearTemplate) -> int:
    """How many templates a walk meets."""
    return sum(1 for _ in tree.walk())


def replay_rows(short: bool) -> Iterator[Row]:
    """A replayed call of a raw client, and opening and closing the file, by number of interactions."""
    with TemporaryDirectory() as folder:
        for size in (10, 100) if short else replay.SIZES:
            path = replay.cassette(Path(folder) / f"{size}.yaml", size)
            rounds = [replay.measure(path, size) for _ in range(1 if short else replay.ROUNDS)]
            took = {name: median(one[name] for one in rounds) * 1e6 for name in replay.NAMES}
            asked = opened = None
            if size < max(replay.SIZES) and (peer := peers.vcr_cassette(Path(folder) / f"{size}-vcr.yaml", size)):
                asked, opened = (seconds * 1e6 for seconds in peers.seconds_with_vcr(peer, size))
            floor = took["its floor"]
            yield Row(f"a replayed call, cassette of {size:,}", "µs", floor, took["request"], asked, floor + 60)
            for name, may_be in (("opened first", 200), ("opened again", 60)):
                work = f"a cassette of {size:,}, {name}, an interaction"
                yield Row(work, "µs", took["file read"], took[name], opened and opened / size, may_be)


def start_rows(short: bool) -> Iterator[Row]:
    """Interpreters that import, and runs of pytest on one empty test; floors are what is beneath."""
    rounds = range(3 if short else startup.ROUNDS)
    beneath, ours = "from pydantic import BaseModel; BaseModel; import jinja2.sandbox", "import antiphon"
    took = [[startup.processor_seconds(program) * 1e3 for program in (beneath, ours)] for _ in rounds]
    floor, engine = (median(one[part] for one in took) for part in (0, 1))
    yield Row("import antiphon; beneath: pydantic and jinja2", "ms", floor, engine, may_be=1.36 * floor)
    with TemporaryDirectory() as folder:
        Path(folder, "test_nothing.py").write_text("def test_nothing(): pass\n")
        runs = [[run_of_pytest(folder, *plugins) * 1e3 for plugins in PLUGINS] for _ in rounds]
    bare, syrupy, plugin = (median(one[part] for one in runs) for part in range(3))
    yield Row(
        "start of pytest, beyond bare; beneath: syrupy", "ms", syrupy - bare, plugin - bare, may_be=syrupy - bare + 10
    )


# As many in each, two of them modules without hooks: for each name pytest looks through all that is installed.
PLUGINS = (("colorsys", "keyword"), ("syrupy", "keyword"), ("syrupy", "pytest_templates.plugin"))


def run_of_pytest(folder: str, *plugins: str) -> float:
    """Processor seconds of a run of pytest with these plugins."""
    import resource

    environ = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *(f"-p{name}" for name in plugins)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, cwd=folder, env=environ, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


PASSING = "def test_{n}(): assert {n} == {n}\n"
SCRIPTED = """
def test_{n}(scripted_model, llm_trace):
    tree = LinearTemplate([UserTemplate("Question {{{{ i }}}}"), AssistantTemplate()])
    session = Runner(scripted_model("Answer {n}"), template=tree).run(Session(metadata={{"i": {n}}}))
    assert [message.content for message in session.messages] == ["Question {n}", "Answer {n}"]
    assert len(llm_trace.calls) == 1
"""
IMPORTS = "from antiphon import AssistantTemplate, LinearTemplate, Runner, Session, UserTemplate\n"


def suite_rows(short: bool) -> Iterator[Row]:
    """A test, over a bare one of pytest alone, in suites of growing size."""
    for few, many in ((20, 120),) if short else ((100, 1_100), (1_000, 10_000)):

        def cost(text: str, *plugins: str, few: int = few, many: int = many) -> float:
            with TemporaryDirectory() as folder:
                took = []
                for count in (few, many):
                    for first in range(0, count, 100):  # so many tests a module
                        tests = "".join(text.format(n=number) for number in range(first, min(count, first + 100)))
                        Path(folder, f"test_{first}.py").write_text(IMPORTS + tests)
                    runs = 2 if short or many > 2_000 else 3  # the first one compiles the tests as well
                    took.append(min(run_of_pytest(folder, *plugins) for _ in range(runs)))
                return (took[1] - took[0]) / (many - few) * 1e6

        bare = cost(PASSING)
        unused, used = (cost(text, *PLUGINS[2]) - bare for text in (PASSING, SCRIPTED))
        peer = None if peers.TEST is None else cost(peers.TEST) - bare
        yield Row(f"a test that uses nothing, beyond bare, suite of {many:,}", "µs", 0, unused)
        yield Row(f"a test with scripted_model, beyond bare, suite of {many:,}", "µs", 70, used, peer, 250)


def size_rows(short: bool) -> Iterator[Row]:
    """Large answers, and long conversations."""
    if short:
        return
    for kind in ("stream", "JSON"):
        times = memory.in_a_process("record", kind, 50)
        yield Row(f"recording an answer of 50 MB ({kind}), most memory", "MB", 50, 50 * times, may_be=250)
    seconds = {}
    for name, converse in {"floor": turns.floor(50_000), "ours": turns.looped(50_000)}.items():
        started = process_time()
        converse()
        seconds[name] = process_time() - started
    yield Row("100,000 messages", "s", seconds["floor"], seconds["ours"], may_be=2)
    held = {
        name: memory.kept(work)[0] / 2**20
        for name, work in (("floor", turns.floor(50_000)), ("ours", turns.looped(50_000)))
    }
    yield Row("100,000 messages with their trace, kept", "MB", held["floor"], held["ours"], may_be=60)


TABLE = (turn_rows, streaming_rows, subroutine_rows, tree_rows, replay_rows, start_rows, suite_rows, size_rows)


def main(arguments: list[str] | None = None) -> None:
    """Measure, print the table and write it."""
    parser = argparse.ArgumentParser(prog="python benchmarks", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--short", action="store_true", help="few samples, and without the slow rows")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the table as JSON, too")
    given = parser.parse_args(arguments)
    rows = [row for rows in TABLE for row in rows(given.short)]
    show(
        f"Python {platform.python_version()}, processor time",
        ("work", "", "floor", "ours", "times", "peer", "may be"),
        (
            (
                row.work,
                row.unit,
                row.floor,
                row.ours,
                row.ours / row.floor if row.floor else "",
                row.peer or "",
                "" if row.may_be is None else row.may_be,
            )
            for row in rows
        ),
    )
    if given.json is not None:
        told = {"python": platform.python_version(), "peers": peers.versions(), "rows": [asdict(row) for row in rows]}
        given.json.write_text(json.dumps(told, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
