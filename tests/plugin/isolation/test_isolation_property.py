"""The guard over any metadata: every change is noticed, and nothing else."""

from __future__ import annotations

import json
import re
from copy import deepcopy

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from antiphon import AssistantTemplate, LinearTemplate, Runner, Session, SubroutineTemplate, UserTemplate, observing
from antiphon.observers import Observer, SubroutineEntered, SubroutineExited
from pytest_templates import ScriptedModel
from pytest_templates.errors import IsolationViolation
from pytest_templates.isolation.guard import Guard

pytestmark = pytest.mark.llm_isolation("off", reason="the violations are made on purpose, and judged by the tests")

scalars = st.none() | st.booleans() | st.integers(-3, 3) | st.floats() | st.text(max_size=3)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3)
)
metadata = st.dictionaries(st.text(max_size=2), values, max_size=4)


class Guarding(Observer):
    """Listens as the plugin does, and keeps what the guard complains of."""

    def __init__(self) -> None:
        self.complaints: list[Exception] = []
        self.guard = Guard(self.complaints.append)

    def on_subroutine_enter(self, event: SubroutineEntered) -> None:
        self.guard.entered(event)

    def on_subroutine_exit(self, event: SubroutineExited) -> None:
        self.guard.exited(event)


def complaints(parent: Session, meddle) -> list[Exception]:
    """What the guard says when a subroutine's code calls a function."""
    inner = LinearTemplate([UserTemplate("?"), AssistantTemplate(after_transform=lambda child: meddle() or child)])
    with observing(Guarding()) as guarding:
        Runner(ScriptedModel("one"), template=SubroutineTemplate(inner, "research")).run(parent)
    return guarding.complaints


def containers(value) -> list:
    """Every list and dict in a value, the value first."""
    if not isinstance(value, list | dict):
        return []
    inside = value.values() if isinstance(value, dict) else value
    return [value, *(found for item in inside for found in containers(item))]


def mutate(container, place: int, new, what: str) -> None:
    """Add, replace or remove one thing in a list or a dict; removing from an empty one adds."""
    keys = list(container) if isinstance(container, dict) else list(range(len(container)))
    if what == "add" or not keys:
        container.update({f"new-{place}": new}) if isinstance(container, dict) else container.insert(place, new)
    elif what == "replace":
        container[keys[place % len(keys)]] = new
    else:
        del container[keys[place % len(keys)]]


def as_written(value) -> str:
    """A value as a prompt could show it: 1, 1.0 and True are three things; of zero there is one of each kind."""
    return re.sub(r"-0\.0(?![\d])", "0.0", json.dumps(value))


@settings(max_examples=120, deadline=None)
@given(
    before=metadata,
    chosen=st.integers(0, 20),
    place=st.integers(0, 5),
    new=values,
    what=st.sampled_from(["add", "replace", "remove"]),
)
@example({"flag": True}, 0, 0, 1, "replace")
@example({"flag": False}, 0, 0, 0, "replace")
@example({"count": 1}, 0, 0, 1.0, "replace")
@example({"": {"a": 1}}, 1, 0, None, "remove")
def test_every_change_of_the_parents_metadata_is_noticed_and_nothing_else(before, chosen, place, new, what):
    session = Session(metadata=deepcopy(before))
    everything = containers(session.metadata)
    captured = everything[chosen % len(everything)]

    found = complaints(session, lambda: mutate(captured, place, new, what))

    if as_written(session.metadata) == as_written(before):
        assert found == []
    else:
        assert [type(complaint) for complaint in found] == [IsolationViolation]
        _, *places, _, _ = str(found[0]).splitlines()  # between what happened, and what to do
        assert places
        assert all("metadata" in line for line in places)


@settings(max_examples=60, deadline=None)
@given(before=metadata)
@example({"weights": [float("nan")]})
def test_a_subroutine_that_changes_its_own_copy_is_left_alone(before):
    session = Session(metadata=before)

    def change_everything(child: Session) -> Session:
        for container in containers(child.metadata):
            container.clear()
        return child

    inner = LinearTemplate([UserTemplate("?"), AssistantTemplate(after_transform=change_everything)])
    with observing(Guarding()) as guarding:
        Runner(ScriptedModel("one"), template=SubroutineTemplate(inner, "research")).run(session)

    assert guarding.guard.checked == 1
    assert guarding.complaints == []
