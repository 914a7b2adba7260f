"""Files that never end, that nest without end, or that are none: each is refused in words of our own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from antiphon import SystemTemplate
from antiphon.errors import AntiphonError, InvalidValue, RenderingError
from antiphon.reading import MOST_BYTES, read_file, read_text
from antiphon.saving import resumed

posix = pytest.mark.skipif(os.name == "nt", reason="Windows has no such files")


def test_a_file_is_read_to_its_end(tmp_path: Path) -> None:
    (tmp_path / "long").write_bytes(b"x" * 3_000_000)
    (tmp_path / "lines").write_bytes("\u00e4\r\nb\rc\n".encode())

    assert read_file(tmp_path / "long") == b"x" * 3_000_000
    assert read_text(tmp_path / "lines") == "\u00e4\nb\nc\n"


@posix
def test_a_pipe_is_refused_at_once_whether_anybody_writes_to_it_or_not(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(OSError, match="it is a pipe or a device: save what comes out of it in a file"):
        read_file(tmp_path / "pipe")


@posix
@pytest.mark.parametrize("device", ["/dev/zero", "/dev/null", "/dev/random"])
def test_a_device_is_refused(device: str) -> None:
    with pytest.raises(OSError, match="it is a pipe or a device"):
        read_file(Path(device))


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"folder|denied"):
        read_file(tmp_path)


def test_a_file_of_the_largest_size_is_read_and_a_larger_one_is_not(tmp_path: Path) -> None:
    with (tmp_path / "file").open("wb") as file:
        file.truncate(MOST_BYTES)
    assert len(read_file(tmp_path / "file")) == MOST_BYTES

    with (tmp_path / "file").open("ab") as file:
        file.write(b"x")
    with pytest.raises(OSError, match="it holds more than 100 MB"):
        read_file(tmp_path / "file")


def test_no_file_has_a_name_with_a_null(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="that is no name of a file"):
        read_file(tmp_path / "a\0b")


@posix
@pytest.mark.parametrize("name", ["/dev/zero", "pipe", "a\0b"])
def test_the_text_of_a_template_comes_from_a_file_that_ends(name: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(RenderingError, match="cannot be read"):
        SystemTemplate(tmp_path / name)


@posix
def test_what_a_text_includes_is_a_file_that_ends(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "text").write_text("{% include 'pipe' %}", encoding="utf-8")
    (tmp_path / "other").write_text("{% include 'nul\0l' %}", encoding="utf-8")

    for name in ("text", "other"):
        with pytest.raises(RenderingError):
            SystemTemplate(tmp_path / name)


SESSIONS = {
    "deep lists": '{"messages": [], "metadata": {"a": ' + "[" * 100_000 + "]" * 100_000 + "}}",
    "deep objects": '{"messages": [], "metadata": ' + '{"a":' * 20_000 + "1" + "}" * 20_000 + "}",
    "never closed": "[" * 1_000_000,
    "a long number": '{"messages": [], "metadata": {"a": ' + "9" * 5_000 + "}}",
    "a null": '{"messages": [], "metadata": {"a": "\0"}}',
    "not UTF-8": b'{"messages": [], "metadata": {"a": "\xff"}}',
}


@pytest.mark.parametrize("content", SESSIONS.values(), ids=SESSIONS)
def test_a_saved_session_that_is_none_is_refused(content: str | bytes, tmp_path: Path) -> None:
    file = tmp_path / "saved.json"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())

    with pytest.raises(InvalidValue, match="holds no saved session: ") as caught:
        resumed(file)

    assert str(caught.value).startswith(str(file))
    assert len(str(caught.value)) < 1000


@posix
def test_a_session_is_not_resumed_from_what_never_ends(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    for file in (tmp_path / "pipe", Path("/dev/zero"), tmp_path / "a\0b"):
        with pytest.raises(InvalidValue, match="cannot be read"):
            resumed(file)


def test_the_text_of_an_error_hides_nothing() -> None:
    error = AntiphonError("said \x1b[2J\u202e\r and\nmore\tand \u00e4\U0001f600")

    assert str(error) == "said \\x1b[2J\\u202e\\r and\nmore\tand \u00e4\U0001f600"
    assert error.args == ("said \x1b[2J\u202e\r and\nmore\tand \u00e4\U0001f600",)
