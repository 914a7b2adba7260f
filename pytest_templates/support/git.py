"""What git knows: revisions and the files in them, conflicts, settings of a repository."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from pytest_templates.errors import GitError

# Whatever the settings of the user are, such as `diff.relative`, `diff.renames` or `diff.orderFile`:
_DIFF: Final = (
    *("diff", "--raw", "-z", "--no-abbrev", "--no-renames", "--no-relative", "--no-color", "--no-ext-diff"),
    *("--no-textconv", "-O/dev/null"),
)


class GitObject(NamedTuple):
    """An object of a repository.

    Attributes:
        kind: ``"commit"``, ``"tree"`` or ``"blob"``.
        name: Its hash.
    """

    kind: str
    name: str


class FileChange(NamedTuple):
    """A file that differs between two revisions, or between one and the work tree.

    Attributes:
        path: From the root of the work tree.
        before: The hash of its content; ``None`` where it was not there.
        after: The same afterwards; ``""`` for what lies in the work tree.
    """

    path: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository of git, seen from a folder in it.

    Attributes:
        folder: The folder; paths that are given to git, and revisions such as ``HEAD:./file``, start there.
        root: The root of the work tree.
    """

    folder: Path
    root: Path

    @classmethod
    def around(cls, folder: Path) -> Repository:
        """The repository that a folder lies in.

        Raises:
            GitError: It lies in none, or git is not there.
        """
        root = _run(folder, "rev-parse", "--show-toplevel")
        return cls(folder, Path(os.fsdecode(root).rstrip("\n")))

    def find(self, revision: str) -> GitObject | None:
        """The object that a revision stands for, such as ``main``, ``HEAD~1`` or ``main:a/file``; ``None`` for none."""
        query = ("cat-file", "--batch-check=%(objecttype) %(objectname)")
        if "\n" in revision or not revision:
            return None
        kind, _, name = (
            os.fsdecode(_run(self.folder, *query, given=os.fsencode(f"{revision}\n"))).strip().partition(" ")
        )
        if kind == "tag":
            return self.find(f"{name}^{{}}")
        is_one = kind in {"commit", "tree", "blob"} and name.isalnum()  # else it is "NAME missing"
        return GitObject(kind, name) if is_one else None

    def changes(self, before: str, after: str | None, pattern: str) -> list[FileChange]:
        """The files that differ.

        Args:
            before: A commit.
            after: Another one; ``None`` for the work tree, with the files in it that git does not know yet.
            pattern: Which files, as git matches paths from the root of the work tree.
        """
        where = ["--", f":(top,glob){pattern}"]
        revisions = [before, *([after] if after else [])]
        fields = _fields(_run(self.folder, *_DIFF, *revisions, *where))
        changes = [_change(about, path, in_work_tree=after is None) for about, path in zip(fields, fields, strict=True)]
        if after is not None:
            return changes
        others = _run(self.folder, "ls-files", "--others", "--exclude-standard", "--full-name", "-z", *where)
        return [*changes, *(FileChange(path, None, "") for path in _fields(others))]

    def tree(self, name: str) -> dict[str, str]:
        """The files in a tree: the hashes of their contents by their paths."""
        entries = (entry.partition("\t") for entry in _fields(_run(self.folder, "ls-tree", "-r", "-z", name)))
        return {path: about.split()[2] for about, _, path in entries}

    def contents(self, names: Iterable[str]) -> dict[str, bytes]:
        """What blobs hold, by their hashes."""
        wanted = list(dict.fromkeys(names))
        if not wanted:
            return {}
        output = _run(self.folder, "cat-file", "--batch", given="".join(f"{name}\n" for name in wanted).encode())
        found, start = {}, 0
        for name in wanted:
            end = output.index(b"\n", start)
            size = int(output[start:end].split()[2])
            found[name] = output[end + 1 : end + 1 + size]
            start = end + size + 2
        return found

    def stages(self, path: Path) -> dict[int, str]:
        """The hashes of what is merged: 1 for the common base, 2 for ours, 3 for theirs; none without a conflict."""
        entries = _fields(_run(self.folder, "ls-files", "--unmerged", "-z", "--", f":(literal){path}"))
        about = (entry.partition("\t")[0].split() for entry in entries)
        return {int(stage): name for _, name, stage in about}

    def setting(self, name: str) -> str | None:
        """A setting of this repository alone; ``None`` where it is not set."""
        found = subprocess.run(  # noqa: S603 - git
            ["git", "config", "--local", "--get", name],  # noqa: S607
            cwd=self.folder,
            capture_output=True,
            check=False,
        )
        return os.fsdecode(found.stdout).rstrip("\n") if found.returncode == 0 else None

    def set(self, name: str, value: str) -> None:
        """Set it, for this repository alone. Raises `GitError`."""
        _run(self.folder, "config", "--local", name, value)


def _run(folder: Path, *words: str, given: bytes = b"") -> bytes:
    try:
        run = subprocess.run(["git", *words], cwd=folder, input=given, capture_output=True, check=False)  # noqa: S603, S607
    except FileNotFoundError as error:
        raise GitError("git is not installed, or not on the PATH") from error
    if run.returncode:
        said = run.stderr.decode("utf-8", "backslashreplace").strip().removeprefix("fatal: ")
        raise GitError(f"git {words[0]} fails in {folder}: {said}")
    return run.stdout


def _fields(output: bytes) -> Iterator[str]:
    return iter([os.fsdecode(field) for field in output.split(b"\0")[:-1]])


def _change(about: str, path: str, *, in_work_tree: bool) -> FileChange:
    """A change as git lists it: ``:100644 100644 1234… 5678… M``."""
    _, _, before, after, status = about.split()
    now = None if status.startswith("D") else "" if in_work_tree else after
    return FileChange(path, None if before.strip("0") == "" else before, now)
