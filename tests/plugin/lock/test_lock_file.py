"""The file and its facts: written, read, merged, compared."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_templates.errors import LockError
from pytest_templates.lock.comparison import KINDS, Facts, Key, changes, updated
from pytest_templates.lock.file import lock_text, read_lock, write_lock

names = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
keys = st.builds(Key, names.map("{}.py".format), names)
values = st.frozensets(names, min_size=1, max_size=3)
facts = st.dictionaries(st.tuples(keys, st.sampled_from(KINDS)), values, max_size=6)
few = st.dictionaries(
    st.tuples(st.just(Key("a.py", "a")), st.sampled_from(KINDS)),
    st.frozensets(st.sampled_from("abc"), min_size=1),
    max_size=4,
)


@given(locked=facts)
def test_what_is_written_is_read_again(locked: Facts, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "templates.lock"

    write_lock(path, locked)

    assert read_lock(path) == locked
    assert path.read_bytes() == lock_text(locked).encode()


@given(locked=facts)
def test_the_order_in_which_tests_run_does_not_show(locked: Facts) -> None:
    assert lock_text(dict(reversed(locked.items()))) == lock_text(locked)


@given(locked=few, seen=few)
def test_after_a_whole_run_nothing_differs_from_it(locked: Facts, seen: Facts) -> None:
    assert changes(updated(locked, seen, whole=True), seen, whole=True) == []


@given(locked=few, seen=few)
def test_after_some_tests_nothing_they_saw_differs_and_nothing_else_is_lost(locked: Facts, seen: Facts) -> None:
    new = updated(locked, seen, whole=False)

    assert changes(new, seen, whole=False) == []
    assert {part: new[part] for part in locked.keys() - seen.keys()} == {
        part: locked[part] for part in locked.keys() - seen.keys()
    }


def test_a_name_with_a_dot_or_a_quotation_mark_is_one_name() -> None:
    assert '["a.b\\"c.py"."x.y"]\ntext = "t"\n' in lock_text({(Key('a.b"c.py', "x.y"), "text"): frozenset("t")})


def test_a_file_that_is_no_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(LockError, match="cannot be read: "):
        read_lock(tmp_path)


def test_a_file_that_is_no_utf_8_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "templates.lock"
    path.write_bytes(b"\xff")

    with pytest.raises(LockError, match="is damaged"):
        read_lock(path)
