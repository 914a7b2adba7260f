"""assert_isolated: the guard for any block of code."""

from __future__ import annotations

import subprocess
import sys
from functools import cached_property

import pytest

from antiphon import Message, Model, ModelSettings, Runner, Session
from antiphon.errors import AntiphonError
from pytest_templates import IsolationViolation, ScriptedModel, assert_isolated


class Counting(Model):
    def __init__(self) -> None:
        self.settings = ModelSettings(temperature=0)
        self.limits = {"tokens": 5}

    def _send(self, session: Session) -> str:
        return "answer"


@pytest.fixture
def session() -> Session:
    said = [Message(role="user", content=f"message {number}") for number in range(50)]
    return Session(messages=said, metadata={"notes": [], "customer": {"name": "Ada"}}, runner=Runner(Counting()))


def test_a_block_that_changes_nothing_passes(session):
    with assert_isolated(session):
        session.model_copy(deep=True).metadata["notes"].append("x")
        fork = session.runner.fork()
        fork.model.settings.temperature = 1.5
        fork.model.limits["tokens"] = 9


def test_every_changed_place_is_named_with_its_old_and_its_new_value(session):
    def meddle():
        session.metadata["notes"].append("x")
        session.metadata["customer"]["name"] = "Bob"
        session.runner.model.settings.temperature = 1.5

    with pytest.raises(IsolationViolation) as caught, assert_isolated(session):
        meddle()

    assert str(caught.value).splitlines() == [
        "the block changed the session:",
        "  metadata['customer']['name'] was 'Ada' and is 'Bob'",
        "  metadata['notes'][0] was added: 'x'",
        "  runner.model.settings.temperature was 0.0 and is 1.5",
    ]


def test_one_message_put_in_front_of_many_is_one_change(session):
    with pytest.raises(IsolationViolation) as caught, assert_isolated(session):
        session.messages.insert(0, Message(role="system", content="Be brief."))

    assert str(caught.value).splitlines()[1:] == ["  messages[0] was added: system: 'Be brief.'"]


def test_a_message_replaced_by_an_equal_one_is_a_change(session):
    with (
        pytest.raises(IsolationViolation, match=r"messages\[3\] was removed.*\n.*messages\[3\] was added"),
        assert_isolated(session),
    ):
        session.messages[3] = session.messages[3].model_copy()


class Basket(Session, extra="allow"):
    items: list[str] = []  # noqa: RUF012 - pydantic copies it
    templates: str = "none"

    @cached_property
    def size(self) -> int:
        return len(self.items)


def test_a_field_of_the_programs_own_session_is_a_part_of_it():
    basket = Basket(items=["milk"])

    with assert_isolated(basket):
        pass
    with pytest.raises(IsolationViolation, match=r"session\.items\[1\] was added: 'egg'"), assert_isolated(basket):
        basket.items.append("egg")
    with (
        pytest.raises(IsolationViolation, match=r"session\.templates was 'none' and is 'some'"),
        assert_isolated(basket),
    ):
        basket.templates = "some"


def test_a_field_that_the_programs_own_session_allows_is_a_part_of_it():
    basket = Basket(notes=["old"])

    with pytest.raises(IsolationViolation, match=r"session\.notes\[1\] was added"), assert_isolated(basket):
        basket.notes.append("new")


def test_a_property_that_the_programs_own_session_caches_is_no_part_of_it():
    basket = Basket(items=["milk"])

    with assert_isolated(basket):
        assert basket.size == 1


def test_a_model_that_plays_a_script_may_be_asked(session):
    session.runner = Runner(ScriptedModel("one"))

    with assert_isolated(session):
        session.runner.model.send(session)


def test_a_block_that_raises_is_left_alone(session):
    def fail():
        session.metadata.clear()
        raise KeyError("the block's own trouble")

    with pytest.raises(KeyError), assert_isolated(session):
        fail()


def test_blocks_may_stand_in_each_other(session):
    other = Session(metadata={"notes": []})

    with pytest.raises(IsolationViolation, match="metadata"), assert_isolated(session), assert_isolated(other):
        other.metadata["notes"].append("x")


@pytest.mark.parametrize("given", [None, {}, Runner(Counting())])
def test_what_is_no_session_is_refused(given):
    with pytest.raises(TypeError, match=f"assert_isolated takes a Session, not {type(given).__name__}") as caught:
        assert_isolated(given)
    assert isinstance(caught.value, AntiphonError)


@pytest.mark.parametrize(
    "first", ["pass", "import pytest_templates.isolation.assertion", "import pytest_templates.plugin"]
)
def test_it_is_a_function_however_it_is_imported(first):
    code = f"{first}; from pytest_templates.isolation import assert_isolated; import antiphon; "
    code += "assert_isolated(antiphon.Session()).__enter__()"

    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_violation_points_to_the_block_and_not_into_the_plugin(project):
    project.tests(
        """
        def test_it():
            session = Session(metadata={"notes": []})
            with assert_isolated(session):
                session.metadata["notes"].append("x")
        """
    )

    result = project.run()

    result.assert_outcomes(failed=1)
    project.says(result, ">       with assert_isolated(session):", "metadata['notes'][0] was added: 'x'", "test_it.py:")
    result.stdout.no_fnmatch_line("*isolation*.py*")
