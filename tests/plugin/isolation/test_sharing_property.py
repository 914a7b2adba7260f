"""Forks share nothing that can change, whatever the metadata are; and where something is shared, it is found."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from antiphon import CleanSessionStrategy, Message, Runner, Session
from pytest_templates import ScriptedModel
from pytest_templates.isolation.aliasing import shared_with


class Note(BaseModel):
    words: list[Any]


scalars = st.none() | st.booleans() | st.integers() | st.text(max_size=3)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=2), inner, max_size=3)
        | st.tuples(inner, inner)
        | st.sets(scalars, max_size=3)
        | st.builds(Note, words=st.lists(inner, max_size=2))
    ),
)
metadata = st.dictionaries(st.text(max_size=2), values, max_size=4)


@given(held=metadata)
def test_a_fork_shares_nothing_that_can_change(held: dict[str, Any]) -> None:
    parent = Session(metadata=held, messages=[Message(role="user", content="Hi.", metadata=held)])
    parent.runner = Runner(ScriptedModel("one"))
    child = CleanSessionStrategy().initialize(parent)
    child.runner = parent.runner.fork()

    assert [*shared_with(parent, child, models=True)] == []


@given(held=metadata, key=st.text(max_size=2), deep=st.booleans())
def test_one_shared_list_is_found_and_nothing_else(held: dict[str, Any], key: str, *, deep: bool) -> None:
    notes: list[str] = []
    parent = Session(metadata={**held, key: [notes] if deep else notes})
    child = CleanSessionStrategy().initialize(parent)
    child.metadata["mine"] = (notes,)

    place = f"metadata[{key!r}]{'[0]' * deep}"
    assert [*shared_with(parent, child, models=True)] == [
        f"metadata['mine'][0] (list), which the parent has as {place}"
    ]
