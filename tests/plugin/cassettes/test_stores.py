"""Where cassettes lie: in a folder, or behind a URL."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest

from pytest_templates.cassettes.storage.remote import RemoteStore, store_at
from pytest_templates.cassettes.storage.store import Store, load_cassette, write_cassette
from pytest_templates.errors import CassetteError


@pytest.fixture(params=["folder", "memory", "disk"])
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Store]]:
    """Makes stores at one place, as several machines would have them."""
    number = iter(range(100))
    places = {
        "folder": lambda: Store(tmp_path / "cassettes"),
        "memory": lambda: RemoteStore("memory://bucket/cassettes", tmp_path / f"cache-{next(number)}"),
        "disk": lambda: RemoteStore(f"file://{tmp_path}/a/folder/", tmp_path / f"cache-{next(number)}"),
    }
    yield places[request.param]
    fsspec.filesystem("memory").store.clear()


@pytest.fixture
def remote(tmp_path: Path) -> Iterator[RemoteStore]:
    yield RemoteStore("memory://bucket/cassettes/", tmp_path / "cache")
    fsspec.filesystem("memory").store.clear()


SOUND = "version: 1\ninteractions: []\nend:\n  interactions: 0\n"


def put(store: Store, name: str, content: bytes) -> Path:
    path = store.folder / name
    with store.lock():
        store.replace(path, [content])
    return path


def test_what_is_put_is_there_for_everybody(stores: Any) -> None:
    one, other = stores(), stores()
    for content in (b"first", b"second", b"\r\n\x00"):
        path = put(one, "tests/test_a/test_it.yaml", content)
        assert one.read(path) == content
        assert other.read(other.folder / "tests/test_a/test_it.yaml") == content


def test_what_was_never_put_and_what_was_removed_is_not_there(stores: Any) -> None:
    one, other = stores(), stores()
    assert one.read(one.folder / "a/b.yaml") is None
    assert one.paths() == []
    path = put(one, "a/b.yaml", b"text")
    theirs = other.folder / "a/b.yaml"
    assert other.read(theirs) == b"text"
    with one.lock():
        one.remove(path)
    assert other.read(theirs) is None


def test_cassettes_are_listed_and_nothing_else_is(stores: Any) -> None:
    store = stores()
    for name in ("b/two.yaml", "a/one.yaml", "top.yaml", "notes.txt", ".hidden/three.yaml"):
        put(store, name, b"text")
    names = ["a/one.yaml", "b/two.yaml", "top.yaml"]
    assert store.paths() == [store.folder / name for name in names]
    assert [store.place(path).rpartition("/")[2] for path in store.paths()] == ["one.yaml", "two.yaml", "top.yaml"]


def test_two_machines_add_to_one_cassette(stores: Any, tester: Any) -> None:
    testers = []
    for number, store in enumerate([stores(), stores()]):
        testers.append(tester(f"test_{number}", store=store))
        testers[-1].asks(str(number))
    for one in testers:
        one.cassette.save()
    store = stores()
    assert len(load_cassette(store.folder / "test_it.yaml", store)) == 2


def test_a_remote_file_is_read_once_while_it_stays_the_same(remote: RemoteStore, monkeypatch: Any) -> None:
    files, read = type(fsspec.filesystem("memory")), []
    cat_file = files.cat_file
    monkeypatch.setattr(files, "cat_file", lambda self, path: read.append(path) or cat_file(self, path))
    path = put(remote, "a.yaml", b"one")
    assert [remote.read(path), remote.read(path)] == [b"one", b"one"]
    assert len(read) == 1
    put(remote, "a.yaml", b"two")
    assert [remote.read(path), remote.read(path)] == [b"two", b"two"]
    assert len(read) == 2


def test_the_copies_of_remote_files_are_out_of_the_sight_of_git(remote: RemoteStore, tmp_path: Path) -> None:
    remote.read(put(remote, "a.yaml", b"one"))
    assert (tmp_path / "cache/.gitignore").read_text() == "*\n"


def test_what_goes_wrong_in_a_remote_store_is_an_error_with_the_url(tmp_path: Path, monkeypatch: Any) -> None:
    store = RemoteStore("memory://bucket", tmp_path)
    path, files = store.folder / "a.yaml", type(fsspec.filesystem("memory"))
    for name, doing in {
        "ukey": lambda: load_cassette(path, store),
        "pipe_file": lambda: write_cassette(path, "text", store),
    }.items():
        with monkeypatch.context() as patch:
            patch.setattr(files, name, refuse)
            with pytest.raises(CassetteError, match=r"memory://bucket/a.yaml: .*: RuntimeError: no credentials"):
                doing()


def refuse(*args: object, **kwargs: object) -> None:
    raise RuntimeError("no credentials")


def test_a_url_that_nobody_knows_is_an_error_with_the_url(tmp_path: Path) -> None:
    store = RemoteStore("gopher://host/cassettes", tmp_path)
    with pytest.raises(CassetteError, match=r"gopher://host/cassettes/a.yaml: .*Protocol not known: gopher"):
        load_cassette(store.folder / "a.yaml", store)


def test_damage_behind_a_url_is_told_with_its_line(remote: RemoteStore) -> None:
    path = put(remote, "a.yaml", b"version: 1\ninteractions: 5\n")
    with pytest.raises(CassetteError, match=r"memory://bucket/cassettes/a.yaml:2: "):
        load_cassette(path, remote)


@pytest.mark.parametrize(
    ("location", "folder"),
    [("tapes", "base/tapes"), ("../tapes", "base/../tapes"), ("/tapes", "/tapes"), ("file:///tapes/new", "/tapes/new")],
)
def test_a_folder_is_a_path_or_a_url_of_a_file(location: str, folder: str) -> None:
    store = store_at(location, Path("base"), Path("cache"))
    assert type(store) is Store
    assert store.folder == Path(folder)


def test_one_at_a_time_holds_the_lock(tmp_path: Path) -> None:
    inside, most = [0], [0]

    def work(store: Store) -> None:
        for _ in range(5):
            with store.lock():
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                time.sleep(0.001)
                inside[0] -= 1

    threads = [threading.Thread(target=work, args=(Store(tmp_path / "cassettes"),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]
    assert [*(tmp_path / "cassettes").iterdir()] == []


def test_a_lock_that_is_held_for_ever_is_an_error(path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("pytest_templates.cassettes.storage.store._PATIENCE", 0.05)
    store = Store(path.parent)
    with store.lock(), pytest.raises(CassetteError, match=r"cannot be written: another process has held .*lock"):
        write_cassette(path, "text", store)


def test_a_replacement_that_a_kill_left_unfinished_is_cleared_away(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.workplace.mkdir()
    (store.workplace / "unfinished").write_text("half")
    put(store, "a.yaml", b"whole")
    assert [*tmp_path.iterdir()] == [tmp_path / "a.yaml"]


@pytest.fixture
def umask() -> Iterator[Callable[[int], int]]:
    """Says who may read what this process makes: `umask(0o077)`."""
    before = os.umask(0)
    os.umask(before)
    yield os.umask
    os.umask(before)


@pytest.mark.skipif(os.name == "nt", reason="there files have no such permissions")
@pytest.mark.parametrize(("mask", "mode"), [(0o077, 0o600), (0o002, 0o664), (0o022, 0o644)])
def test_a_new_file_may_be_read_by_whom_the_system_says(tmp_path: Path, umask: Any, mask: int, mode: int) -> None:
    store = Store(tmp_path / "cassettes")
    umask(mask)
    path = put(store, "one.yaml", b"text")
    assert path.stat().st_mode & 0o777 == mode
    path.chmod(0o640)
    assert put(store, "one.yaml", b"other").stat().st_mode & 0o777 == 0o640


def test_what_a_link_leads_to_is_replaced(tmp_path: Path) -> None:
    store = Store(tmp_path / "cassettes")
    store.folder.mkdir()
    target = tmp_path / "elsewhere.yaml"
    target.write_bytes(b"old")
    link = store.folder / "one.yaml"
    try:
        link.symlink_to(target)
    except OSError:
        pytest.skip("links cannot be made here")
    put(store, "one.yaml", b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"


@pytest.mark.parametrize("patience", [1, 0.02])
def test_a_file_that_others_read_is_replaced_when_they_have_done_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, patience: float
) -> None:
    store, replace, refusals = Store(tmp_path / "cassettes"), Path.replace, []

    def as_on_windows(path: Path, target: Path) -> Path:
        refusals.append(target)
        if len(refusals) < 4 or patience < 1:
            raise PermissionError(errno.EACCES, "the file is open")
        return replace(path, target)

    monkeypatch.setattr("pytest_templates.cassettes.storage.store._READERS_HOLD_FILES", True)
    monkeypatch.setattr("pytest_templates.cassettes.storage.store._READING", patience)
    monkeypatch.setattr(Path, "replace", as_on_windows)
    if patience < 1:
        with pytest.raises(CassetteError, match=r"one\.yaml: the cassette cannot be written: the file is open"):
            write_cassette(store.folder / "one.yaml", SOUND, store)
    else:
        write_cassette(store.folder / "one.yaml", SOUND, store)
        assert load_cassette(store.folder / "one.yaml", store) == []
