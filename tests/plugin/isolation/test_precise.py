"""--templates-isolation=precise: who did it, what is shared, what cannot be compared."""

from __future__ import annotations

import pytest

CLEAN = """
import asyncio
import threading

from pydantic import BaseModel

class Customer(BaseModel):
    name: str
    notes: list[str] = []

class Own(Model):
    name = "own"
    shared = ("client",)

    def __init__(self):
        self.client = httpx.Client(headers={"x-team": "desk"})
        self.count = 0

    def _send(self, session):
        self.count += 1
        return "one"

@tool
def look_up(city: str) -> str:
    "Looks a city up."
    return city

def note(session):
    session.metadata["customer"].notes.append(session.last.content)
    session.metadata["seen"]["deep"].append("x")
    return session

def tree():
    summary = AssistantTemplate(template_id="summary", after_transform=note, model=ScriptedModel("one", name="small"))
    deeper = SubroutineTemplate(LinearTemplate([UserTemplate("?"), summary]), "deeper", LastNMessagesStrategy(1))
    inner = LinearTemplate([UserTemplate("?"), AssistantTemplate(template_id="answer"), deeper], template_id="inner")
    own = Runner(ScriptedModel("two", name="of the subroutine"))
    typed = AssistantTemplate(output_type=int, template_id="typed")
    asked = LinearTemplate([UserTemplate("{{ request }}"), typed])
    return LinearTemplate(
        [
            UserTemplate("Hi."),
            SubroutineTemplate(inner, "research", before_transform=note, after_transform=note),
            SubroutineTemplate(LinearTemplate([UserTemplate("?"), AssistantTemplate()]), "own", runner=own),
            ToolingTemplate([look_up, Tool.from_template("ask", "Asks.", asked)], template_id="tools"),
        ],
        template_id="desk",
    )

def session():
    metadata = {"customer": Customer(name="Ada"), "seen": {"deep": []}, "lock": threading.Lock()}
    return Session(metadata=metadata)

def model():
    return ScriptedModel("one", CallTool("look_up", city="Oslo"), CallTool("ask", request="How many?"), "42", "done")

HOW = {
    "run": lambda runner, session: runner.run(session),
    "arun": lambda runner, session: asyncio.run(runner.arun(session)),
    "stream": lambda runner, session: [*runner.stream(session)],
}

@pytest.mark.parametrize("how", HOW)
def test_a_clean_tree(how):
    parent = session()
    HOW[how](Runner(model(), template=tree()), parent)
    assert parent.metadata["customer"].notes == ["Hi.", "one"]

def test_a_model_with_a_client():
    own = Own()
    with own.client:
        run(lambda child: child, model=own)
    assert own.count == 0
"""


@pytest.mark.parametrize("workers", [(), ("-n1",)])
def test_a_clean_tree_has_no_violation(project, guarded, workers):
    result = guarded("precise", CLEAN, *workers)

    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(["templates: *, 13 subroutines checked"])
    project.says(result, "templates: isolation told apart by identity alone: metadata['lock'] (lock)")


SHARING = {
    "an object that copies itself by being the same": """
class Desk:
    def __init__(self):
        self.open = True
    def __deepcopy__(self, memo):
        return self

def test_it():
    run(lambda child: child, {"desk": Desk()})
""",
    "an object that cannot be copied": """
class Desk:
    def __init__(self):
        self.open = True
    def __reduce_ex__(self, protocol):
        raise TypeError("there is one desk")

def test_it():
    run(lambda child: child, {"desk": Desk()})
""",
    "below a runner of its own": """
class Desk:
    pass

def test_it():
    desk = Desk()
    desk.open = True
    runner, own = Runner(ScriptedModel("one")), Runner(ScriptedModel("two"))
    runner.desk = own.place = desk
    inner = LinearTemplate([UserTemplate("?"), AssistantTemplate()])
    runner.template = SubroutineTemplate(inner, "research", runner=own)
    runner.run()
""",
}
NAMED = {
    "an object that copies itself by being the same": "metadata['desk'] (Desk)\n",
    "an object that cannot be copied": "metadata['desk'] (Desk)\n",
    "below a runner of its own": "runner.place (Desk), which the parent has as runner.desk\n",
}


@pytest.mark.parametrize("kind", SHARING)
def test_what_both_can_change_is_found_before_anyone_does(said, kind):
    told = said("precise", SHARING[kind])

    assert "research' shares with its parent what can change:\n  " + NAMED[kind] in told
    assert "nobody has written to it yet" in told
    assert "changed its parent" not in told
    assert said("on", SHARING[kind]) == ""


def test_a_runner_of_its_own_may_have_the_same_model(said):
    same = """
def test_it():
    model = ScriptedModel("one", "two")
    inner = LinearTemplate([UserTemplate("?"), AssistantTemplate(template_id="answer")])
    Runner(model, template=SubroutineTemplate(inner, "research", runner=Runner(model))).run()
    model.send(Session(messages=[Message(role="user", content="Hi.")]))
"""
    assert said("precise", same) == ""


REACHED = """
RECENT = collections.deque([1, 2], maxlen=2)

def keep(child):
    child.metadata["recent"] = {"all": RECENT}
    return child

def test_it():
    run(keep)
    assert [*RECENT] == [1, 2]
"""


def test_what_is_outside_as_well_is_found_before_anyone_writes_to_it_and_stays_as_it_is(said):
    told = said("precise", "import collections\n" + REACHED)

    assert told.startswith("what the subroutine at 'desk/research' writes to its metadata reaches others:\n")
    assert "  metadata['recent']['all'], which is test_it.RECENT\n" in told
    assert said("on", "import collections\n" + REACHED) == ""


def test_each_change_is_put_down_to_the_template_that_made_it(said):
    told = said(
        "precise",
        """
notes = {"a": [], "b": []}

def first(session):
    notes["a"].append("x")
    return session

def second(session):
    notes["b"].append("y")
    return session

def test_it():
    inner = LinearTemplate(
        [UserTemplate("?", template_id="question"), AssistantTemplate(template_id="answer", after_transform=second)],
        template_id="inner", before_transform=first)
    tree = SubroutineTemplate(SubroutineTemplate(inner, "deeper"), "outer")
    Runner(ScriptedModel("one"), template=tree).run(Session(metadata=notes))
""",
    )

    outer = told[told.index("the subroutine at 'outer' changed") :]
    assert "  metadata['a'][0] was added: 'x'\n" in outer
    assert outer.partition("metadata['a'][0]")[2].partition("  by ")[2].startswith("outer/deeper/inner (")
    assert outer.partition("metadata['b'][0]")[2].partition("  by ")[2].startswith("outer/deeper/inner/answer (")


def test_values_with_the_name_of_a_secret_are_hidden(said):
    told = said(
        "precise",
        """
def test_it(monkeypatch):
    monkeypatch.setenv("DESK_API_KEY", "correct-horse")
    run(lambda child: monkeypatch.setenv("DESK_API_KEY", "battery-staple") or child)
""",
    )

    assert "  os.environ['DESK_API_KEY'] was <hidden, " in told
    assert "horse" not in told
    assert "staple" not in told


def test_a_test_may_have_the_guard_turned_off(said):
    off = "@pytest.mark.llm_isolation('off', reason='the list is what the test is about')\n"

    assert said("precise", off + "def test_it():\n    run(lambda child: NOTES.append(1) or child)\n") == ""


WORDS = """
KEYS = ("it was high", "it is low", "put down by hand", "plain")

def change(key):
    def transform(child):
        PARENT.metadata[key].append(1)
        return child
    return transform

PARENT = Session(metadata={key: [0] for key in KEYS})

def test_it():
    steps = [AssistantTemplate(template_id=f"step-{n}", after_transform=change(key)) for n, key in enumerate(KEYS)]
    inner = LinearTemplate([UserTemplate("?"), *steps], template_id="steps")
    Runner(ScriptedModel(*"wxyz"), template=SubroutineTemplate(inner, "research")).run(PARENT)
"""


def test_keys_may_hold_the_words_of_which_violations_are_made(said):
    told = said("precise", WORDS)

    for number, key in enumerate(["it was high", "it is low", "put down by hand", "plain"]):
        culprit = told.partition(f"metadata['{key}'][1] was added: 1\n")[2].strip()
        assert culprit.startswith(f"by research/steps/step-{number} ("), told


def test_a_change_of_a_container_is_put_down_to_the_template_that_replaced_it_last(said):
    told = said(
        "precise",
        """
PARENT = Session(metadata={"customer": {"name": "Ada"}})

def put(value):
    def transform(child):
        PARENT.metadata["customer"] = value
        return child
    return transform

def test_it():
    steps = [AssistantTemplate(template_id=name, after_transform=put(value))
             for name, value in (("first", None), ("second", {"name": "Eve"}))]
    inner = LinearTemplate([UserTemplate("?"), *steps], template_id="steps")
    Runner(ScriptedModel(*"yz"), template=SubroutineTemplate(inner, "research")).run(PARENT)
""",
    )

    assert "  metadata['customer']['name'] was 'Ada' and is 'Eve'\n  by research/steps/second (" in told


def test_messages_are_put_down_to_their_templates_also_where_others_came_before_them(said):
    told = said(
        "precise",
        """
PARENT = Session()

def put(text):
    def transform(child):
        PARENT.messages.insert(0, Message(role="user", content=text))
        return child
    return transform

def test_it():
    steps = [AssistantTemplate(template_id=name, after_transform=put(name)) for name in ("first", "second")]
    inner = LinearTemplate([UserTemplate("?"), *steps], template_id="steps")
    Runner(ScriptedModel(*"yz"), template=SubroutineTemplate(inner, "research")).run(PARENT)
""",
    )

    assert "  messages[0] was added: user: 'second'\n  by research/steps/second (" in told
    assert "  messages[1] was added: user: 'first'\n  by research/steps/first (" in told


LOOKED_AT = """
def pytest_templates_state(value):
    return value.looked_at() if type(value).__name__ == "Desk" else None
"""
TWO_THREADS = """
class Desk:
    "While the guard looks at it for the last time, another conversation is held."
    is_ending = False

    def close(self):
        pass

    def looked_at(self):
        if self.is_ending:
            self.is_ending = False
            OTHER.start()
            OTHER.join(0.2)
        return {}

class Ending(SquashStrategy):
    def squash(self, messages):
        self.parent_session.metadata["desk"].is_ending = True
        return messages

OTHER = threading.Thread(target=lambda: run(lambda child: child))

def test_it():
    run(lambda child: child, {"desk": Desk()}, squash_strategy=Ending())
    OTHER.join()
"""


def test_a_conversation_that_begins_in_another_thread_as_one_ends_changes_nothing_around_it(project, said):
    project.file("conftest.py", LOOKED_AT)

    assert said("precise", "import threading\n" + TWO_THREADS) == ""


def test_a_private_global_is_no_cache_by_another_word(said):
    assert "_memo['a'] was added: 1" in said(
        "precise", "_memo = {}\ndef test_it():\n    run(lambda child: _memo.update(a=1) or child)"
    )
