"""``cassettes diff``: what changed from one recording to another, in files, folders and revisions of git."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pytest_templates.cassettes.reading.changes import cassette_changes
from pytest_templates.cassettes.storage.catalog import says_ours
from pytest_templates.commands.cassettes_diff_text import as_markdown, as_text
from pytest_templates.errors import GitError, UnknownName
from pytest_templates.support.files import shown_in
from pytest_templates.support.git import GitObject, Repository

_CASSETTES: Final = "**/*.yaml"
_WORK_TREE: Final = "the work tree"


def diff(before: str, after: str | None, say: Callable[[str], None], *, markdown: bool) -> int:
    """Print what changed from one recording to another.

    Args:
        before: A file, a folder, or what git knows a commit, a folder or a file by.
        after: The same; ``None`` for the work tree, where ``before`` is a commit.
        say: Takes the text.
        markdown: Whether the text is Markdown.

    Returns:
        The exit status: 1 where a cassette cannot be read, 0 whatever has changed.

    Raises:
        UnknownName: There is no such thing, it is two things, or the two cannot be compared.
        GitError: Git cannot tell.
        OSError: A file cannot be read.
    """
    old, new = _sides(before, after)
    changes = cassette_changes(old, new)
    names = before, _WORK_TREE if after is None else after
    say((as_markdown if markdown else as_text)(changes, *names))
    return 1 if any(change.problem for change in changes) else 0


@dataclass(frozen=True, slots=True)
class _Place:
    """What is compared: a path, or an object of git."""

    name: str
    path: Path | None = None
    git: GitObject | None = None

    @property
    def kind(self) -> str:
        """``"commit"``, ``"folder"`` or ``"file"``."""
        if self.git is not None:
            return {"tree": "folder", "blob": "file"}.get(self.git.kind, self.git.kind)
        return "folder" if self.path and self.path.is_dir() else "file"


def _sides(before: str, after: str | None) -> tuple[Mapping[str, bytes], Mapping[str, bytes]]:
    repository = _repository()
    old, new = _place(before, repository), None if after is None else _place(after, repository)
    if old.kind == "commit" and repository is not None and (new is None or new.kind == "commit"):
        return _changed_files(old, new, repository)
    if new is None:
        raise UnknownName(f"{before} is a {old.kind}: name what it is compared with as well, as in {_git_name(before)}")
    if old.kind != new.kind:
        commit, other = (old, new) if old.kind == "commit" else (new, old)
        hint = f": name what it holds there, {commit.name}:./{other.name}" if commit.kind == "commit" else ""
        raise UnknownName(f"{before} is a {old.kind}, and {after} a {new.kind}{hint}")
    if old.kind == "file":
        name = new.name  # one file under two names is no moved one
        return {name: _content(old, repository)}, {name: _content(new, repository)}
    return _in_folder(old, repository), _in_folder(new, repository)


def _repository() -> Repository | None:
    """The repository here; ``None`` where there is none: files can be compared without."""
    try:
        return Repository.around(Path.cwd())
    except GitError:
        return None


def _place(name: str, repository: Repository | None) -> _Place:
    path, found = Path(name), repository.find(name) if repository else None
    if path.exists() and found:
        raise UnknownName(f"{name} is a path and a revision: ./{name} is the path, {found.name[:10]} the revision")
    if path.exists():
        return _Place(name, path=path)
    if found:
        return _Place(name, git=found)
    where = "nor a revision that git knows" if repository else "and there is no repository of git here"
    raise UnknownName(f"{name}: there is no such file or folder, {where}")


def _git_name(name: str) -> str:
    return f"`cassettes diff HEAD:./{name.removeprefix('./')} {name}`"


def _changed_files(
    old: _Place, new: _Place | None, repository: Repository
) -> tuple[Mapping[str, bytes], Mapping[str, bytes]]:
    """The cassettes that differ between two commits, or between one and the work tree, as they are there."""
    assert old.git is not None  # noqa: S101
    changes = repository.changes(old.git.name, new.git.name if new and new.git else None, _CASSETTES)
    blobs = repository.contents(name for change in changes for name in (change.before, change.after) if name)
    was = {change.path: blobs[change.before] for change in changes if change.before}
    now = {
        change.path: blobs[change.after] if change.after else (repository.root / change.path).read_bytes()
        for change in changes
        if change.after is not None
    }
    return _cassettes(was, repository), _cassettes(now, repository)


def _cassettes(files: Mapping[str, bytes], repository: Repository) -> Mapping[str, bytes]:
    """The cassettes among files, by their paths as they are shown here."""
    return {
        shown_in(Path.cwd(), repository.root / path): content for path, content in files.items() if says_ours(content)
    }


def _in_folder(place: _Place, repository: Repository | None) -> Mapping[str, bytes]:
    """The cassettes in a folder, by their paths in it."""
    if place.path is not None:
        files = sorted(path for path in place.path.rglob("*.yaml") if path.is_file())
        found = {path.relative_to(place.path).as_posix(): path.read_bytes() for path in files}
    else:
        assert place.git is not None and repository is not None  # noqa: S101, PT018
        names = {path: name for path, name in repository.tree(place.git.name).items() if path.endswith(".yaml")}
        contents = repository.contents(names.values())
        found = {path: contents[name] for path, name in names.items()}
    return {path: content for path, content in found.items() if says_ours(content)}


def _content(place: _Place, repository: Repository | None) -> bytes:
    if place.path is not None:
        content = place.path.read_bytes()
    else:
        assert place.git is not None and repository is not None  # noqa: S101, PT018
        content = repository.contents([place.git.name])[place.git.name]
    if content.strip() and not says_ours(content):
        raise UnknownName(f"{place.name}: this is no cassette")
    return content
