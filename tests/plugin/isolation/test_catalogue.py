"""Fifteen ways to break isolation that users of other frameworks reported, and what the guard says of each."""

from __future__ import annotations

import pytest

NESTED_DICT = """
def test_it():
    customer = {"address": {"city": "Oslo"}}
    run(lambda child: customer["address"].update(city="Rome") or child, {"customer": customer})
"""

LIST_DEFAULT = """
def remember(child, seen=[]):
    seen.append(child.last.content)
    return child

def test_it():
    run(remember)
"""

MESSAGE = """
def test_it():
    parent = Session(messages=[Message(role="user", content="Hello.")])

    def edit(child):
        vars(parent.messages[0])["content"] = "Bye."
        return child

    inner = LinearTemplate([UserTemplate("?"), AssistantTemplate(after_transform=edit, template_id="summary")])
    Runner(ScriptedModel("one"), template=SubroutineTemplate(inner, "research")).run(parent)
"""

RUNNER = """
def test_it():
    runner = Runner(ScriptedModel("one"))
    runner.tone = "kind"

    def meddle(child):
        runner.tone = "rude"
        return child

    run(meddle, runner=runner)
"""

SETTINGS = """
def test_it():
    model = ScriptedModel("one")

    def meddle(child):
        model.settings.temperature = 1.0
        return child

    run(meddle, model=model)
"""

STRATEGY = """
class Last(SquashStrategy):
    def __init__(self):
        self.seen = []
    def squash(self, messages):
        return messages[-1:]

def test_it():
    strategy = Last()
    run(lambda child: strategy.seen.append("one") or child, squash_strategy=strategy)
"""

CLOSURE = """
def test_it():
    count = {"answers": 0}

    def tally(child):
        count["answers"] += 1
        return child

    run(tally)
"""

GLOBAL_SETTING = """
import openai

def meddle(child):
    openai.base_url = "http://other.test"
    return child

def test_it(monkeypatch):
    monkeypatch.setattr(openai, "base_url", None)
    run(meddle)
"""

CONTEXT = """
LANGUAGE = contextvars.ContextVar("language", default="en")

def meddle(child):
    LANGUAGE.set("no")
    return child

def test_it():
    contextvars.copy_context().run(run, meddle)
"""

CALLBACKS = """
CALLBACKS = []

def meddle(child):
    CALLBACKS.append("log")
    return child

def test_it():
    run(meddle)
"""

REGISTRY = """
def test_it():
    runner = Runner(ScriptedModel("one"))
    runner.tools = {"search": "of the web"}

    def meddle(child):
        runner.tools["delete"] = "of everything"
        return child

    run(meddle, runner=runner)
"""

HEADER = """
class Own(Model):
    name = "own"
    shared = ("client",)

    def __init__(self):
        self.client = httpx.Client(headers={"x-team": "desk"})

    def _send(self, session):
        return "one"

def test_it():
    model = Own()
    with model.client:
        def meddle(child):
            child.runner.model.client.headers["x-team"] = "other"
            return child

        run(meddle, model=model)
"""

CACHED = """
class Caching(Runner):
    @cached_property
    def rules(self):
        return ["be kind"]

def test_it():
    runner = Caching(ScriptedModel("one"))
    rules = runner.rules
    run(lambda child: rules.append("be brief") or child, runner=runner)
"""

CLASS = """
class Counting(Runner):
    answers = 0

def meddle(child):
    type(child.runner).answers += 1
    return child

def test_it():
    run(meddle, runner=Counting(ScriptedModel("one")))
"""

ENVIRONMENT = """
def meddle(child):
    os.environ["DESK_MODE"] = "fast"
    return child

def test_it(monkeypatch):
    monkeypatch.setenv("DESK_MODE", "slow")
    run(meddle)
"""

BY = "  by desk/research/search/summary ({file}"
CATALOGUE = {
    "nested dict write": (NESTED_DICT, "metadata['customer']['address']['city'] was 'Oslo' and is 'Rome'", True),
    "shared list default": (LIST_DEFAULT, "test_it.remember['seen'][0] was added: 'one'", False),
    "message object edit": (MESSAGE, "messages[0].content was 'Hello.' and is 'Bye.'", True),
    "runner attribute": (RUNNER, "runner.tone was 'kind' and is 'rude'", True),
    "model settings": (SETTINGS, "runner.model.settings.temperature was None and is 1.0", True),
    "strategy state": (STRATEGY, "the Last 1.seen[0] was added: 'one'", False),
    "transform closure": (CLOSURE, "test_it.test_it.<locals>.tally['count']['answers'] was 0 and is 1", False),
    "global SDK setting": (GLOBAL_SETTING, "openai.base_url was None and is 'http://other.test'", False),
    "context variable": (CONTEXT, "the context variable language was added: 'no'", False),
    "callback list": (CALLBACKS, "test_it.CALLBACKS[0] was added: 'log'", False),
    "tool registry": (REGISTRY, "runner.tools['delete'] was added: 'of everything'", True),
    "shared client header": (
        HEADER,
        "the Client of the model own, client['headers']['x-team'] was 'desk' and is",
        False,
    ),
    "cached property": (CACHED, "runner.rules[1] was added: 'be brief'", False),
    "class attribute": (CLASS, "test_it.Counting.answers was 0 and is 1", False),
    "environment variable": (ENVIRONMENT, "os.environ['DESK_MODE'] was 'slow' and is 'fast'", False),
}


@pytest.mark.parametrize(("test", "place", "seen_by_on"), CATALOGUE.values(), ids=CATALOGUE)
def test_the_usual_guard_sees_the_parent(said, test, place, seen_by_on):
    told = said("on", test)

    assert ("changed its parent:" in told) is seen_by_on
    assert (place in told) is seen_by_on


@pytest.mark.parametrize(("test", "place", "seen_by_on"), CATALOGUE.values(), ids=CATALOGUE)
def test_the_precise_guard_sees_all_of_them_and_names_the_template(said, test, place, seen_by_on):
    told = said("precise", test)

    assert f"  {place}" in told
    assert "/summary (" in told.partition(f"  {place}")[2].partition("  by ")[2].partition("\n")[0]


def test_the_precise_guard_is_at_work_in_workers(said):
    test, place, _ = CATALOGUE["callback list"]

    assert f"  {place}" in said("precise", test, "-n1")


def test_there_are_fifteen():
    assert len(CATALOGUE) == 15
