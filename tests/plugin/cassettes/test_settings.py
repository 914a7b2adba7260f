from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_templates.cassettes.paths import cassette_path

ROOT = Path("cassettes")
MODULE = Path("tests/unit/test_talk.py")


def name_of(test_name: str) -> str:
    return cassette_path(ROOT, MODULE, test_name).name


def test_an_ordinary_test_has_a_file_of_its_own_name() -> None:
    assert cassette_path(ROOT, MODULE, "test_hello[a-1]") == ROOT / "tests/unit/test_talk/test_hello[a-1].yaml"


def test_a_named_cassette_lies_in_the_root_folder() -> None:
    assert cassette_path(ROOT, Path(), "shared") == ROOT / "shared.yaml"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("test[a?]", "test[a*]"),
        ("test[a/b]", "test[ab]"),
        ("test[a/b]", "test[a_b]"),
        ("test_a", "test_A"),
        ("test[ss]", "test[ß]"),
        ("test[\u00e9]", "test[e\u0301]"),
        ("test[" + "x" * 300 + "1]", "test[" + "x" * 300 + "2]"),
        ("con", "_con"),
        ("..", "__"),
    ],
)
def test_names_that_a_file_system_mixes_up_lead_to_different_files(one: str, other: str) -> None:
    assert name_of(one).casefold() != name_of(other).casefold()


def test_a_name_made_to_look_hashed_does_not_take_the_file_of_another() -> None:
    hashed = name_of("test_A")
    assert name_of(hashed.removesuffix(".yaml").lower()).casefold() != hashed.casefold()


@pytest.mark.parametrize("name", ["con", "NUL", "com1.x", "aux", "LPT9"])
def test_a_name_that_windows_reserves_is_changed(name: str) -> None:
    assert name_of(name).startswith("_")


@given(st.text(max_size=300), st.text(max_size=300))
def test_every_name_is_one_safe_short_file_and_no_two_share_it(one: str, other: str) -> None:
    path = cassette_path(ROOT, MODULE, one)
    assert path.parent == ROOT / "tests/unit/test_talk"
    assert len(path.name.encode()) <= 120
    assert not set(path.name) & set('<>:"/\\|?*\0\n')
    assert one == other or name_of(one).casefold() != name_of(other).casefold()


def test_a_module_outside_of_the_root_stays_in_the_cassette_folder() -> None:
    assert cassette_path(ROOT, Path("../other/test_x.py"), "test_a") == ROOT / "_up/other/test_x/test_a.yaml"
