"""The isolation guard: watches the parent of every subroutine, in every test."""

from __future__ import annotations

import subprocess
import sys

import pytest

STARTED = """
class Stateful(Model):
    settings = ModelSettings(temperature=0)

    def __init__(self):
        self.limits = {"tokens": 5}

    def _send(self, session):
        return "answer"

class Record:
    def __init__(self):
        self.seen = []

def started(meddle, **metadata):
    '''Run a subroutine that meddles with its parent, which it got hold of.'''
    session = Session(messages=[Message(role="user", content="Before.", metadata={"notes": []})], metadata=metadata)
    inner = LinearTemplate(
        [UserTemplate("Look it up.", template_id="question"), AssistantTemplate(template_id="summary")],
        after_transform=lambda child: meddle(session) or child,
    )
    research = SubroutineTemplate(inner, "research")
    template = LinearTemplate([UserTemplate("Hello.", template_id="hello"), research], template_id="support")
    return Runner(Stateful(), template=template).run(session)
"""

PLACES = [
    ("parent.metadata['customer']['notes'].append('x')", "metadata['customer']['notes'][0] was added: 'x'"),
    ("parent.metadata['customer'].update(name='Bob')", "metadata['customer']['name'] was 'Ada' and is 'Bob'"),
    ("parent.metadata['customer'].pop('name')", "metadata['customer']['name'] was removed; it was 'Ada'"),
    ("parent.metadata.update(extra=1)", "metadata['extra'] was added: 1"),
    ("setattr(parent, 'metadata', {})", "metadata"),
    ("parent.metadata['tags'].add('new')", "metadata['tags']"),
    ("parent.metadata['record'].seen.append(1)", "metadata['record'].seen[0] was added: 1"),
    ("parent.append(Message(role='user', content='psst'))", "messages[2] was added: user: 'psst'"),
    ("parent.messages.pop(0)", "messages[0] was removed: user: 'Before.'"),
    ("parent.messages[0].metadata['notes'].append('x')", "messages[0].metadata['notes'][0] was added: 'x'"),
    ("setattr(parent.runner.model.settings, 'temperature', 1.5)", "settings.temperature was 0.0 and is 1.5"),
    ("setattr(parent.runner, 'model', Stateful())", "runner.model"),
    ("setattr(parent.runner, 'note', 'x')", "runner.note was added: 'x'"),
    ("setattr(parent.runner.template.children[0], 'note', 'x')", "templates['support/hello'].note was added: 'x'"),
    ("setattr(parent.runner.template.children[1], 'model', Stateful())", "templates['support/research'].model"),
]


@pytest.mark.parametrize(("what", "place"), PLACES, ids=[what for what, _ in PLACES])
def test_a_change_of_the_parent_fails_the_test_and_names_subroutine_and_place(guarded, what, place):
    said = guarded[what]

    assert "IsolationViolation: the subroutine at 'support/research' changed its parent:" in said
    assert place in said
    assert "what the parent is to keep, set in an after_transform of the SubroutineTemplate" in said


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """What one run of the plugin says about tests whose subroutine does something to its parent, by what it does."""
    folder = tmp_path_factory.mktemp("guarded")
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "test_it.py").write_text(
        f"""
import pytest
from antiphon import *
{STARTED}
@pytest.mark.parametrize("number, what", enumerate({[what for what, _ in PLACES]!r}), ids=str)
def test_it(number, what):
    meddle = lambda parent: eval(what, globals(), {{"parent": parent}}) and None
    started(meddle, customer={{"name": "Ada", "notes": []}}, tags={{"old"}}, record=Record())
"""
    )
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-pno:cacheprovider", "-q", folder],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1, run.stderr
    parts = run.stdout.split("_ test_it[")[1:]
    said = {int(part.split("-", 1)[0]): part for part in parts}
    return {what: said.get(number, "") for number, (what, _) in enumerate(PLACES)}


@pytest.mark.parametrize(
    ("definition", "change"),
    [
        (
            "class Thing:\n    __slots__ = ('seen',)\n    def __init__(self):\n        self.seen = []",
            "thing.seen.append(1)",
        ),
        ("@dataclass(slots=True)\nclass Thing:\n    seen: int = 0", "setattr(thing, 'seen', 1)"),
        ("Thing = deque", "thing.append(1)"),
    ],
    ids=["slots", "dataclass with slots", "deque"],
)
def test_a_change_inside_of_an_object_in_the_metadata_is_noticed(project, definition, change):
    project.tests(
        f"""
from collections import deque
from dataclasses import dataclass
from pydantic import BaseModel, PrivateAttr

{definition}

def test_it():
    thing = Thing()
    research(ScriptedModel("one"), lambda child: {change} or child, {{"thing": thing}})
"""
    )

    result = project.run()

    result.assert_outcomes(failed=1)
    project.says(result, "IsolationViolation: the subroutine at 'research' changed its parent:", "metadata['thing']")


def test_a_subroutine_that_keeps_to_itself_is_left_alone(project):
    project.tests(
        STARTED
        + """
def test_it():
    session = started(lambda parent: None, customer={"name": "Ada"}, weights=[float("nan")], record=Record())
    assert session.last.content == "answer"

def test_its_own_session_and_runner_are_its_own():
    def change(child):
        child.metadata["notes"].append("x")
        child.runner.model.settings.temperature = 1.5
        child.runner.model.limits["tokens"] = 9
        child.append(Message(role="user", content="inside"))
        return child

    session = research(Stateful(), change, {"notes": []})
    assert session.metadata == {"notes": []}
    assert session.runner.model.settings.temperature == 0
"""
    )

    result = project.run()

    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["templates: 2 calls of 1 model, *, 2 subroutines checked"])


def test_a_subroutines_own_transforms_may_change_the_parent(project):
    project.tests(
        """
        def note(session):
            session.metadata["notes"].append("x")
            return session

        def test_it(scripted_model):
            inner = LinearTemplate([UserTemplate("Look it up."), AssistantTemplate()])
            template = SubroutineTemplate(inner, "research", before_transform=note, after_transform=note)
            session = Runner(scripted_model("one"), template=template).run(Session(metadata={"notes": []}))
            assert session.metadata == {"notes": ["x", "x"]}
        """
    )

    assert project.outcomes() == {"passed": 1}


def test_a_change_is_noticed_also_where_the_subroutine_fails_and_the_program_swallows_it(project):
    project.tests(
        """
        def test_it(scripted_model):
            notes = []
            def meddle(child):
                notes.append("x")
                raise KeyError("gone")
            swallow(research, scripted_model("one"), meddle, {"notes": notes})
        """
    )

    result = project.run()

    result.assert_outcomes(failed=1)
    project.says(
        result, "IsolationViolation: the subroutine at 'research' changed", "metadata['notes'][0] was added: 'x'"
    )


def test_a_change_by_a_nested_subroutine_names_the_one_whose_parent_was_changed(project):
    project.tests(
        """
        def test_it(scripted_model):
            def meddle(child):
                outer.append("x")
                return child
            outer = []
            inner = LinearTemplate([UserTemplate("?"), AssistantTemplate(after_transform=meddle)])
            nested = LinearTemplate([SubroutineTemplate(inner, "second")], template_id="between")
            session = Session(metadata={"outer": outer})
            Runner(scripted_model("one"), template=SubroutineTemplate(nested, "first")).run(session)
        """
    )

    result = project.run()

    result.assert_outcomes(failed=1)
    project.says(result, "IsolationViolation: the subroutine at 'first' changed its parent:", "metadata['outer'][0]")
    assert "'first/between/second'" not in str(result.stdout)
    result.stdout.fnmatch_lines(["*2 subroutines checked"])


def test_a_change_in_a_loop_names_the_iteration(project):
    project.tests(
        """
        def test_it(scripted_model):
            notes = []
            def meddle(child):
                notes.extend(["x"] * (scripted.remaining == 0))
                return child
            scripted = scripted_model("one", "two")
            inner = LinearTemplate([UserTemplate("?"), AssistantTemplate(after_transform=meddle)])
            loop = LoopTemplate([SubroutineTemplate(inner, "research")], exit_loop_count=2, template_id="turns")
            Runner(scripted, template=loop).run(Session(metadata={"notes": notes}))
        """
    )

    result = project.run()

    result.assert_outcomes(failed=1)
    project.says(result, "IsolationViolation: the subroutine at 'turns@2/research' changed its parent:")
    assert "the subroutine at 'turns@1" not in str(result.stdout)


def test_subroutines_of_a_test_that_uses_no_fixture_of_ours_are_watched_too(project):
    project.tests(
        """
        def test_it():
            notes = []
            research(ScriptedModel("one"), lambda child: notes.append("x") or child, {"notes": notes})
        """
    )

    assert project.outcomes() == {"failed": 1}


def test_a_run_that_is_left_open_inside_a_subroutine_can_be_ended_by_the_next_test(project):
    project.tests(
        """
        @pytest.fixture(scope="module")
        def steps():
            inner = LinearTemplate([UserTemplate("one"), UserTemplate("two")])
            return Runner(ScriptedModel(), template=SubroutineTemplate(inner, "research")).iter()

        def test_begins(steps):
            assert next(message for message in steps if isinstance(message, Message)).content == "one"

        def test_ends(steps):
            assert [message.content for message in steps if isinstance(message, Message)] == ["two"]
        """
    )

    assert project.outcomes() == {"passed": 2}


def test_conversations_of_many_threads_are_told_apart(project):
    project.tests(
        """
        from concurrent.futures import ThreadPoolExecutor

        def test_it():
            model = ScriptedModel(*map(str, range(40)))
            inner = LinearTemplate([UserTemplate("?"), AssistantTemplate()])
            runner = Runner(model, template=SubroutineTemplate(inner, "research"))
            with ThreadPoolExecutor(8) as pool:
                list(pool.map(lambda n: runner.run(Session(metadata={"number": n})), range(40)))
        """
    )

    result = project.run()

    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*, 40 subroutines checked"])


@pytest.mark.parametrize("mode", ["on", "precise"])
def test_templates_that_cannot_be_hashed_are_watched_as_others_are(project, mode):
    project.tests(
        """
        from dataclasses import dataclass

        @dataclass
        class Note(Template):
            where: list

            def __post_init__(self):
                super().__init__(template_id="note")

            def _render(self, session):
                self.where.append("x")
                return session
                yield

        def test_it():
            notes = []
            inner = LinearTemplate([UserTemplate("?"), AssistantTemplate(), Note(notes)], template_id="search")
            parent = Session(metadata={"notes": notes})
            Runner(ScriptedModel("one"), template=SubroutineTemplate(inner, "research")).run(parent)
        """
    )

    result = project.run(f"--templates-isolation={mode}")

    result.assert_outcomes(failed=1)
    project.says(result, "IsolationViolation: ", "metadata['notes'][0] was added: 'x'")
