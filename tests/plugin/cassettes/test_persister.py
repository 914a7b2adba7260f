from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_templates.cassettes.format.document import to_text
from pytest_templates.cassettes.recorded import Interaction, RecordedRequest, RecordedResponse
from pytest_templates.cassettes.storage.store import load_cassette, write_cassette
from pytest_templates.errors import CassetteError

REQUEST = RecordedRequest("POST", "https://host/v1", (("content-type", "application/json"),), b'{"a":1}')
RESPONSE = RecordedResponse(200, "", (("content-type", "text/plain"),), b"fine")
WHOLE = to_text([Interaction("a/b", "small", REQUEST, RESPONSE), Interaction(None, None, REQUEST, RESPONSE)])


def test_a_file_that_is_nested_too_deeply_is_an_error(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.write_text("version: 1\na: " + "[" * 5000, encoding="utf-8")
    with pytest.raises(CassetteError, match=r":[123]: .*(YAML|deep)(.*\n)+.*version control"):
        load_cassette(path)


@pytest.mark.parametrize("kept", range(0, len(WHOLE), 7))
def test_a_file_cut_off_anywhere_is_an_error(kept: int, path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.write_text(WHOLE[:kept], encoding="utf-8")
    with pytest.raises(CassetteError):
        load_cassette(path)


def test_a_folder_in_its_place_is_an_error(path: Path) -> None:
    path.mkdir(parents=True)
    with pytest.raises(CassetteError, match="cannot be read"):
        load_cassette(path)


def test_a_missing_file_holds_nothing(path: Path) -> None:
    assert load_cassette(path) == []


def test_a_file_with_the_line_ends_of_windows_is_read(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.write_bytes(WHOLE.replace("\n", "\r\n").encode())
    assert len(load_cassette(path)) == 2


def test_writing_makes_the_folders_and_leaves_nothing_else(path: Path) -> None:
    write_cassette(path, WHOLE)
    write_cassette(path, WHOLE)
    assert path.read_text(encoding="utf-8") == WHOLE
    assert list(path.parent.iterdir()) == [path]


def test_a_write_that_fails_leaves_the_old_file(path: Path) -> None:
    write_cassette(path, WHOLE)
    with pytest.raises(UnicodeEncodeError):
        write_cassette(path, "\ud800")
    assert path.read_text(encoding="utf-8") == WHOLE
    assert list(path.parent.iterdir()) == [path]


def test_a_file_that_cannot_be_replaced_leaves_nothing_behind(path: Path) -> None:
    path.mkdir(parents=True)
    with pytest.raises(CassetteError, match="cannot be written"):
        write_cassette(path, WHOLE)
    assert list(path.parent.iterdir()) == [path]


def test_a_refusing_file_system_is_an_error_with_the_path(path: Path) -> None:
    path.parent.parent.mkdir(parents=True)
    path.parent.write_text("a file where the folder should be")
    with pytest.raises(CassetteError, match="cannot be written"):
        write_cassette(path, WHOLE)


@pytest.fixture
def reader(path: Path) -> Callable[[], int]:
    return lambda: len(load_cassette(path))


def test_a_reader_never_sees_half_a_file(path: Path, reader: Callable[[], int]) -> None:
    write_cassette(path, WHOLE)
    with path.open(encoding="utf-8") as opened_before:
        write_cassette(path, to_text([]))
        assert opened_before.read() == WHOLE
    assert reader() == 0


WRITER = """
import sys
from pathlib import Path
from pytest_templates.cassettes.storage.store import write_cassette

texts = [Path(name).read_text() for name in sys.argv[2:]]
while True:
    for text in texts:
        write_cassette(Path(sys.argv[1]), text)
        print(flush=True)
"""


@pytest.mark.parametrize("round_", range(5))
def test_a_kill_at_any_moment_leaves_the_old_file_or_the_whole_new_one(round_: int, path: Path, tmp_path: Path) -> None:
    one = Interaction("a/b", "small", REQUEST, RecordedResponse(200, "", (("content-type", "text/plain"),), b"x" * 99))
    texts = [to_text([one] * 500), to_text([one] * 1500)]
    for number, text in enumerate(texts):
        (tmp_path / str(number)).write_text(text)
    command = [sys.executable, "-c", WRITER, str(path), str(tmp_path / "0"), str(tmp_path / "1")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
        assert writer.stdout
        writer.stdout.readline()
        time.sleep(random.uniform(0, 0.03))
        writer.kill()
    assert path.read_text() in texts
    write_cassette(path, WHOLE)
    assert [*path.parent.iterdir()] == [path]
