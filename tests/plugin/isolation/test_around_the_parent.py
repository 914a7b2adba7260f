"""When the guard looks, and at what around the parent: further ways to break isolation, and programs that do not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PROGRAM = '''
import asyncio
import contextvars
import decimal
import enum
import functools
import gc
import io
import itertools
import logging
import os
import queue
import random
import sys
import threading
import types
import warnings

import numpy as np
from pydantic import BaseModel
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

import helpers

def tree(change, **options):
    summary = AssistantTemplate(template_id="summary", after_transform=change)
    inner = LinearTemplate([UserTemplate("?"), summary], template_id="search")
    return LinearTemplate([UserTemplate("Hi."), SubroutineTemplate(inner, "research", **options)], template_id="desk")

def runner(change, **options):
    return Runner(ScriptedModel("one"), template=tree(change, **options))

def does(act):
    """A transform that does something."""
    def change(child):
        act(child)
        return child
    return change

def started(act, **metadata):
    return runner(does(act)).run(Session(metadata=metadata))
'''
HELPERS = """
SEEN, ORDERS, TABLE = [], [], [{"number": number, "name": str(number)} for number in range(500)]

def note(text):
    SEEN.append(text)

def note_order(text):
    _deeper(text)

def _deeper(text):
    ORDERS.append(text)
"""

# what a test does, whether the usual guard sees it, and what both say of it
WAYS: dict[str, tuple[str, bool, str]] = {
    "a squash strategy changes the parent": (
        """
class Keep(SquashStrategy):
    def squash(self, messages):
        P1.metadata["kept"].append(len(messages))
        return messages[-1:]

P1 = Session(metadata={"kept": []})

def test_it():
    runner(None, squash_strategy=Keep()).run(P1)
""",
        True,
        "metadata['kept'][0] was added: 2",
    ),
    "a squash strategy that asks a model changes the parent": (
        """
class Sum(SquashStrategy):
    def squash(self, messages):
        P2.metadata["kept"].append(len(messages))
        return (yield from self.summed(messages))
    def summed(self, messages):
        return messages[-1:]
        yield

P2 = Session(metadata={"kept": []})

def test_it():
    runner(None, squash_strategy=Sum()).run(P2)
""",
        True,
        "metadata['kept'][0] was added: 2",
    ),
    "a subroutine that is half consumed and still alive": (
        """
HALF = []

def test_it():
    parent = Session(metadata={"seen": []})
    change = does(lambda child: parent.metadata["seen"].append(1))
    two = LinearTemplate([UserTemplate("?"), *(AssistantTemplate(after_transform=change) for _ in range(2))])
    steps = Runner(ScriptedModel("one", "two"), template=SubroutineTemplate(two, "research")).iter(parent)
    next(steps), next(steps), next(steps)
    HALF.append(steps)
""",
        True,
        "metadata['seen'][0] was added: 1",
    ),
    "a subroutine that runs on in a thread when its test is over": (
        """
def test_it():
    parent, waits, has_begun = Session(metadata={"seen": []}), threading.Event(), threading.Event()
    def change(child):
        parent.metadata["seen"].append(1)
        has_begun.set()
        waits.wait(20)
        return child
    GOES_ON.append(waits)
    thread = threading.Thread(target=lambda: runner(change).run(parent), daemon=True)
    thread.start()
    has_begun.wait(20)

GOES_ON = []

def test_it_goes_on():
    GOES_ON[0].set()
""",
        True,
        "metadata['seen'][0] was added: 1",
    ),
    "a change before and one after the caller's": (
        """
def test_it():
    parent = Session(metadata={"seen": []})
    steps = runner(does(lambda child: parent.metadata["seen"].append("inner"))).iter(parent)
    for message in steps:
        parent.metadata["seen"].append(message.content)
""",
        True,
        "metadata['seen'][3] was added: 'inner'",
    ),
    "an object of a class in a global": (
        """
class Settings:
    def __init__(self):
        self.names = []

SETTINGS = Settings()

def test_it():
    started(lambda child: SETTINGS.names.append(1))
""",
        False,
        "test_it.SETTINGS.names[0] was added: 1",
    ),
    "a namespace in a global": (
        """
TONE = types.SimpleNamespace(voice="kind")

def test_it():
    started(lambda child: setattr(TONE, "voice", "rude"))
""",
        False,
        "test_it.TONE.voice was 'kind' and is 'rude'",
    ),
    "an array in a global": (
        """
FRAME = np.zeros(3)

def test_it():
    started(lambda child: FRAME.__setitem__(0, 2))
""",
        False,
        "test_it.FRAME",
    ),
    "a large table in a global": (
        """
TABLE = [{"number": number, "name": str(number)} for number in range(500)]

def test_it():
    started(lambda child: TABLE[3].update(name="three"))
""",
        False,
        "test_it.TABLE[3]['name'] was '3' and is 'three'",
    ),
    "an integer of a large table becomes a float": (
        """
NUMBERS = [*range(500)]

def test_it():
    started(lambda child: NUMBERS.__setitem__(3, 3.0))
""",
        False,
        "test_it.NUMBERS",
    ),
    "a global of another module": (
        """
def test_it():
    started(lambda child: helpers.note("x"))
""",
        False,
        "helpers.SEEN[0] was added: 'x'",
    ),
    "a global behind two functions of another module": (
        """
from helpers import note_order

def test_it():
    started(lambda child: note_order("x"))
""",
        False,
        "helpers.ORDERS[0] was added: 'x'",
    ),
    "a closure behind a closure": (
        """
def test_it():
    kept = []
    def helper():
        kept.append(1)
    started(lambda child: helper())
""",
        False,
        "helper['kept'][0] was added: 1",
    ),
    "a function behind a decorator that keeps its defaults": (
        """
def logged(function):
    @functools.wraps(function)
    def call(*given, **named):
        return function(*given, **named)
    call.__defaults__, call.__kwdefaults__ = function.__defaults__, function.__kwdefaults__
    return call

@logged
def remember(text, kept=[]):
    kept.append(text)

def test_it():
    started(lambda child: remember("x"))
""",
        False,
        "remember['kept'][0] was added: 'x'",
    ),
    "a namespace in a closure": (
        """
def test_it():
    held = types.SimpleNamespace(count=0)
    def change(child):
        held.count += 1
        return child
    runner(change).run(Session())
""",
        False,
        "change['held'].count was 0 and is 1",
    ),
    "the second of two functions of one factory": (
        """
def make(kept):
    def change(child):
        kept.append(1)
        return child
    return change

def test_it():
    one, two = [], []
    answers = [AssistantTemplate(after_transform=make(kept)) for kept in (one, two)]
    inner = LinearTemplate([UserTemplate("?"), *answers])
    Runner(ScriptedModel("1", "2"), template=SubroutineTemplate(inner, "research")).run(Session())
    assert one == two == [1]
""",
        False,
        "make.<locals>.change['kept'][0] was added: 1\n  by research/linear-1/assistant-3",
    ),
    "the argument of a partial": (
        """
def add(kept, child):
    kept.append(1)
    return child

def test_it():
    runner(functools.partial(add, [])).run(Session())
""",
        False,
        "the partial 1['args'][0][0] was added: 1",
    ),
    "an object that is called": (
        """
class Counting:
    def __init__(self):
        self.count = 0
    def __call__(self, child):
        self.count += 1
        return child

def test_it():
    runner(Counting()).run(Session())
""",
        False,
        "the Counting 1.count was 0 and is 1",
    ),
    "a context variable that is called as one of the plugin's": (
        """
CASSETTE = contextvars.ContextVar("cassette")

def test_it():
    contextvars.copy_context().run(started, lambda child: CASSETTE.set("mine"))
""",
        False,
        "the context variable cassette was added: 'mine'",
    ),
    "the working directory": (
        """
def test_it(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "inner").mkdir()
    started(lambda child: os.chdir("inner"))
""",
        False,
        "os.getcwd() was ",
    ),
    "the path of modules": (
        """
def test_it(monkeypatch):
    monkeypatch.syspath_prepend("other")
    started(lambda child: sys.path.append("/nowhere"))
""",
        False,
        "was added: '/nowhere'",
    ),
    "the filters of warnings": (
        """
def test_it():
    started(lambda child: warnings.simplefilter("ignore", BytesWarning))
""",
        False,
        "warnings.filters[0]",
    ),
    "the level of the root logger": (
        """
def test_it(monkeypatch):
    monkeypatch.setattr(logging.root, "level", 30)
    started(lambda child: setattr(logging.root, "level", 10))
""",
        False,
        "the root logger.level was 30 and is 10",
    ),
    "the level of the program's logger": (
        """
LOGGER = logging.getLogger("desk.orders")

def test_it():
    started(lambda child: LOGGER.setLevel(10))
""",
        False,
        "test_it.LOGGER.level was 0 and is 10",
    ),
    "the precision of decimals": (
        """
def test_it():
    contextvars.copy_context().run(started, lambda child: setattr(decimal.getcontext(), "prec", 5))
""",
        False,
        "decimal.getcontext()['prec'] was 28 and is 5",
    ),
    "the limit of recursion": (
        """
def test_it(monkeypatch):
    limit = sys.getrecursionlimit()
    try:
        started(lambda child: sys.setrecursionlimit(limit + 1))
    finally:
        sys.setrecursionlimit(limit)
""",
        False,
        "sys.getrecursionlimit() was ",
    ),
    "a function of the program is replaced": (
        """
def polite():
    return "please"

def test_it(monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "polite", polite)
    started(lambda child: setattr(sys.modules[__name__], "polite", lambda: "now"))
""",
        False,
        "test_it.polite was ",
    ),
    "a function of another package is replaced": (
        """
import json

def written(child):
    return json.dumps(child.last.content)

def test_it(monkeypatch):
    monkeypatch.setattr(json, "dumps", json.dumps)
    started(lambda child: setattr(json, "dumps", str) or written(child))
""",
        False,
        "json.dumps was <function dumps at ",
    ),
    "a class of a package in another package is replaced": (
        """
import concurrent.futures

def pooled():
    return concurrent.futures.ThreadPoolExecutor(1)

def test_it(monkeypatch):
    monkeypatch.setattr(concurrent.futures, "ThreadPoolExecutor", concurrent.futures.ThreadPoolExecutor)
    started(lambda child: setattr(concurrent.futures, "ThreadPoolExecutor", list) or pooled)
""",
        False,
        "concurrent.futures.ThreadPoolExecutor was ",
    ),
    "a builtin function is replaced": (
        """
import builtins

def test_it(monkeypatch):
    monkeypatch.setattr(builtins, "input", input)
    started(lambda child: setattr(builtins, "input", lambda prompt: "yes") or input("?"))
""",
        False,
        "builtins.input was ",
    ),
    "a method of the program is replaced": (
        """
class Desk:
    def open(self):
        return True

DESK = Desk()

def test_it():
    started(lambda child: setattr(Desk, "open", lambda self: False) or DESK.open())
""",
        False,
        "test_it.Desk.open was ",
    ),
    "one of two conversations at once changes what both have": (
        """
BOTH = []

def test_it():
    guilty, innocent = runner(does(lambda child: BOTH.append("in"))), runner(None)
    innocent.template.children[0].after_transform = [does(lambda session: BOTH.append("out"))]
    async def both():
        await asyncio.gather(innocent.arun(Session()), guilty.arun(Session()))
    asyncio.run(both())
""",
        False,
        "test_it.BOTH[1] was added: 'in'\n  by desk/research/search/summary",
    ),
}

INNOCENT: dict[str, str] = {
    "the caller writes to its session between two messages": """
@pytest.mark.parametrize("how", ["iter", "stream"])
def test_it(how):
    parent = Session(metadata={"seen": []})
    for step in getattr(runner(None), how)(parent):
        parent.metadata["seen"].append(str(step))
        parent.metadata["count"] = len(parent.metadata["seen"])
        CALLERS_LOG.append(step)

CALLERS_LOG = []
""",
    "the caller writes to its session between two messages, without blocking": """
@pytest.mark.parametrize("how", ["aiter", "astream"])
def test_it(how):
    async def main():
        parent = Session(metadata={"seen": []})
        async for step in getattr(runner(None), how)(parent):
            parent.metadata["seen"].append(str(step))
            ASYNC_CALLERS_LOG.append(step)
    asyncio.run(main())

ASYNC_CALLERS_LOG = []
""",
    "the caller stops in the middle": """
def test_it():
    parent = Session(metadata={"numbers": []})
    steps = runner(None).iter(parent)
    for message in steps:
        parent.metadata["numbers"].append(1)
        if message.content == "?":
            break
    steps.close()
""",
    "the caller of one conversation begins another": """
def test_it():
    for number, message in enumerate(runner(None).iter(Session())):
        OTHERS_LOG.append(runner(None, before_transform=does(lambda s: OTHERS_LOG.append(1))).run(Session()).last)

OTHERS_LOG = []
""",
    "other tasks have conversations of their own": """
def test_it():
    def outer(number):
        talk = runner(None)
        talk.template.children[0].after_transform = [does(lambda session: TASKS_LOG.append(number))]
        return talk
    async def main():
        await asyncio.gather(*(outer(number).arun(Session(metadata={"of": [number]})) for number in range(5)))
    asyncio.run(main())

TASKS_LOG = []
""",
    "transforms around a subroutine change what they like": """
def test_it():
    parent, talk = Session(metadata={"seen": []}), runner(None)
    change = does(lambda session: (AROUND.append(1), session.metadata["seen"].append(1)))
    talk.template.children[1].before_transform = talk.template.children[1].after_transform = [change]
    talk.run(parent)

AROUND = []
""",
    "a client that is opened lazily": """
class Client:
    def __init__(self):
        self.calls = []

_client = None

def client():
    global _client
    _client = _client or Client()
    return _client

def test_it():
    started(lambda child: client())
""",
    "caches": """
_price_cache = {}

@functools.cache
def price(name):
    return len(name)

class Shop:
    _cache = {}

    @functools.cached_property
    def open(self):
        return True

    @functools.lru_cache(maxsize=2)
    def rooms(self, number):
        return number

SHOP = Shop()

def test_it():
    def use(child):
        SHOP.open, SHOP.rooms(1), price("bread"), _price_cache.update(bread=1), SHOP._cache.update(x=1)
    started(use)
""",
    "members of a flag that are combined": """
class Right(enum.Flag):
    READ = enum.auto()
    WRITE = enum.auto()

RIGHT = Right.READ

def test_it():
    started(lambda child: Right.READ | Right.WRITE, right=Right.READ)
""",
    "a table of SQLAlchemy that is used": """
class Base(DeclarativeBase):
    pass

class User(Base):
    __tablename__ = "users"
    number: Mapped[int] = mapped_column(primary_key=True)

def test_it():
    started(lambda child: User(number=2).number, user=User(number=1))
""",
    "random numbers and the next of a count": """
RANDOM, COUNT = random.Random(1), itertools.count()

def test_it():
    def use(child):
        random.random(), np.random.rand(), RANDOM.random(), next(COUNT)
    started(use)
""",
    "an import": """
def test_it(monkeypatch, tmp_path):
    (tmp_path / "lazily_imported.py").write_text("import warnings; warnings.simplefilter('ignore', BytesWarning)")
    monkeypatch.syspath_prepend(tmp_path)
    started(lambda child: __import__("lazily_imported"))
""",
    "an import that replaces a function of another package": """
def test_it(monkeypatch, tmp_path):
    import textwrap
    monkeypatch.setattr(textwrap, "dedent", textwrap.dedent)
    text = "import textwrap; plain = textwrap.dedent; textwrap.dedent = lambda text: plain(text)"
    (tmp_path / "instrumenting.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    started(lambda child: __import__("instrumenting") and textwrap.dedent(" x"))
""",
    "a module that loads a part when it is asked for": """
LAZY = types.ModuleType("lazy")
LAZY.__getattr__ = lambda name: LAZY.__dict__.setdefault(name, len) if name == "count" else None

def test_it():
    started(lambda child: LAZY.count("abc"))
""",
    "a function of another package that is replaced for a while": """
def test_it(monkeypatch):
    def use(child):
        with monkeypatch.context() as patched:
            patched.setattr(os, "getlogin", lambda: "ada")
            os.getlogin()
    started(use)
""",
    "decimals that are rounded": """
def test_it():
    started(lambda child: decimal.Decimal(1) / 3)
""",
    "objects that raise whatever is asked of them": """
class Meta(type):
    def __getattribute__(cls, name):
        if name in {"__name__", "__qualname__"}:
            raise LookupError("no")
        return type.__getattribute__(cls, name)

class Hostile(metaclass=Meta):
    pass

class Lying:
    @property
    def __class__(self):
        return dict

class Raising:
    def __get__(self, obj, owner=None):
        raise LookupError("no")

class Holding:
    x = Raising()
    def __init__(self):
        self.__dict__["x"] = 1

LYING, HOLDING = Lying(), Holding()

def test_it():
    lying = Lying()
    started(lambda child: lying, holding=Holding(), lying=Lying())
    started(lambda child: None, hostile=object.__new__(Hostile))
""",
    "the subroutine works on its own session": """
def test_it():
    started(lambda child: child.metadata["notes"].append(1), notes=[])
""",
}


def _module(cases) -> str:
    """All tests in one module, each under a name of its own."""
    tests = (code.replace("def test_it(", f"def test_case_{number}(") for number, code in enumerate(cases))
    return PROGRAM + "".join(code.replace("def test_it_goes_on(", "def test_goes_on(") for code in tests)


@pytest.fixture(scope="module")
def told():
    """What both guards say of every case: ``told("precise")[name]``."""
    known = {}

    def run(project, mode):
        if mode not in known:
            project.file("helpers.py", HELPERS)
            cases = {name: code for name, (code, *_) in WAYS.items()}
            project.tests(_module([*cases.values(), *INNOCENT.values()]))
            result = project.run_forked(f"--templates-isolation={mode}", "-p", "no:randomly")
            output = str(result.stdout)
            failures = output.partition("short test summary")[0]
            sections = {}
            for section in failures.split("\n_")[1:]:
                found = re.search(r" test_case_(\d+)", section.partition("\n")[0])
                if found is not None:
                    sections.setdefault(int(found[1]), section)
            names = [*cases, *INNOCENT]
            known[mode] = {name: sections.get(number, "") for number, name in enumerate(names)}, output
        return known[mode]

    return run


def test_the_page_lists_every_way_and_who_sees_it():
    page = (Path(__file__).parents[3] / "docs" / "isolation.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \| (?:`([^|]+)`|the same, and by whom) \|$", page, re.MULTILINE)
    told = {name: (on.startswith("`"), text or on.strip("`")) for name, on, text in rows}
    ways = {name: (seen_by_on, text.partition("\n")[0].strip()) for name, (_, seen_by_on, text) in WAYS.items()}

    assert {name: told.get(name) for name in ways} == ways
    assert len(told) - 2 == len(ways) + 15 == 47  # two are headings, and those of test_catalogue.py come first


@pytest.mark.parametrize("mode", ["on", "precise"])
def test_every_way_is_seen(project, told, mode):
    sections, output = told(project, mode)
    expected = {name: seen_by_on or mode == "precise" for name, (_, seen_by_on, _) in WAYS.items()}

    assert {name: "IsolationViolation: " in sections[name] for name in WAYS} == expected
    assert {name: WAYS[name][2] in sections[name] for name in WAYS} == expected
    assert "test_goes_on" not in output.partition("short test summary")[2]


@pytest.mark.parametrize("mode", ["on", "precise"])
def test_no_innocent_program_is_blamed(project, told, mode):
    sections, _ = told(project, mode)

    assert {name: sections[name] for name in INNOCENT if sections[name]} == {}


SECRETS = """
API_KEY = "correct-horse"

@pytest.mark.parametrize("number", [0, 1])
def test_it(number):
    parent = Session(metadata={"client": {"api_key": "hunter3", "name": "desk"}})
    def act(child):
        global API_KEY
        if number:
            parent.metadata["client"]["api_key"], API_KEY = "battery", "staple"
        else:
            parent.metadata["other"] = {"password": "swordfish", "name": "shown"}
    runner(does(act)).run(parent)
"""


@pytest.mark.parametrize("mode", ["on", "precise"])
def test_values_with_the_name_of_a_secret_are_hidden_wherever_they_are(project, mode):
    project.file("helpers.py", HELPERS)
    light = [line for line in PROGRAM.splitlines() if "numpy" not in line and "sqlalchemy" not in line]
    project.tests("\n".join([*light, SECRETS]))

    told = str(project.run(f"--templates-isolation={mode}", "--tb=line").stdout).partition("= FAILURES =")[2]

    assert "metadata['client']['api_key'] was <hidden, " in told
    assert ("test_it.API_KEY was <hidden, " in told) is (mode == "precise")
    assert "metadata['other'] was added: {'password': <hidden, " in told
    assert not [word for word in ("hunter", "battery", "staple", "horse", "swordfish") if word in told]


LOOKED_UP = """
from time import process_time

ROWS = [{"number": number, "name": f"row {number}"} for number in range(9000)]

def cost(act):
    taken = []
    for _ in range(5):
        begun = process_time()
        started(act)
        taken.append(process_time() - begun)
    return min(taken)

def test_it():
    started(lambda child: None)
    assert cost(lambda child: child.metadata.update(row=ROWS[5]["name"])) < 4 * cost(lambda child: None)
"""


def test_a_program_that_holds_a_part_of_a_large_table_costs_no_more(project):
    project.file("helpers.py", HELPERS)
    project.tests(PROGRAM + LOOKED_UP)

    project.run_forked("--templates-isolation=precise").assert_outcomes(passed=1)
