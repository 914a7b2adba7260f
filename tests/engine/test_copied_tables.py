"""Copies of arrays and tables that hold objects, and of what says itself how it is copied."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import BaseModel

from antiphon.copies import isolated


class Noted(pd.DataFrame):
    """A table with a list beside its values."""

    _metadata = ["notes"]  # noqa: RUF012 - as pandas has it

    @property
    def _constructor(self) -> type[Noted]:
        return Noted


def noted() -> Noted:
    table = Noted({"tags": [["a"], ["b"]]})
    object.__setattr__(table, "notes", ["first"])
    return table


def test_lists_in_a_table_are_copied_and_nothing_else_of_it_changes() -> None:
    tags = ["a"]
    table = pd.DataFrame({"tags": [tags, None], "name": ["x", "y"], "n": [1, 2]}, index=["same", "same"])

    copied = isolated({"table": table, "tags": tags})
    copied["table"].iat[0, 0].append("b")

    assert tags == ["a"]
    assert copied["tags"] == ["a", "b"]
    assert copied["table"].dtypes.equals(table.dtypes)
    assert copied["table"].index.equals(table.index)


@pytest.mark.parametrize("values", [[["a"], {"b": 1}], [["a"]]])
def test_lists_in_a_series_are_copied(values: list[Any]) -> None:
    series = pd.Series(values, name="tags")

    copied = isolated(series)
    copied[0].append("b")

    assert series[0] == ["a"]
    assert (copied[0], copied.name, copied.dtype) == (["a", "b"], "tags", object)


def test_what_a_kind_of_table_keeps_beside_its_values_is_copied() -> None:
    table = noted()

    copied = isolated(table)
    copied.notes.append("second")
    copied.iat[0, 0].append("b")

    assert type(copied) is Noted
    assert table.notes == ["first"]
    assert table.iat[0, 0] == ["a"]


def test_an_array_of_objects_is_copied_around_what_cannot_be() -> None:
    lock = threading.Lock()
    array = np.array([[None, lock], [["a"], 2]], dtype=object)

    copied = isolated(array)
    copied[1, 0].append("b")
    copied[1, 1] = 3

    assert array[1].tolist() == [["a"], 2]
    assert copied[0, 1] is lock


class Copies:
    """As xarray's arrays: it can be closed, and says how it is copied."""

    def __init__(self, values: list[int]) -> None:
        self.values = values

    def close(self) -> None:
        raise AssertionError

    def __deepcopy__(self, memo: dict[int, Any]) -> Copies:
        return Copies([*self.values])


def test_what_can_be_closed_and_says_how_it_is_copied_is_copied() -> None:
    original = Copies([1])

    isolated({"it": original})["it"].values.append(2)

    assert original.values == [1]


class Order(BaseModel):
    """Data with a method that closes nothing but it."""

    is_open: bool = True

    def close(self) -> None:
        self.is_open = False


class Client(Order):
    """As clients of vendors are that keep their settings as fields, and close a connection when they are collected."""

    def __del__(self) -> None:
        self.close()


def test_a_pydantic_object_that_is_closed_is_data() -> None:
    order = Order()

    isolated({"order": order})["order"].close()

    assert order.is_open


def test_a_pydantic_object_that_closes_something_when_it_is_collected_is_shared() -> None:
    client = Client()

    assert isolated({"client": client})["client"] is client


@pytest.mark.filterwarnings("ignore:the matrix subclass")
def test_objects_in_a_matrix_are_copied() -> None:
    lists = np.empty((1, 2), dtype=object)
    lists[0, 0], lists[0, 1] = ["a"], ["b"]
    matrix = np.asmatrix(lists)

    copied = isolated(matrix)
    copied[0, 0].append("b")

    assert type(copied) is np.matrix
    assert matrix.tolist() == [[["a"], ["b"]]]
