"""``cassettes merge``: git's merge driver for cassettes, and the end of a conflict that git has left in one."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from pytest_templates.cassettes.format.document import CONFLICT, FormatError, from_bytes
from pytest_templates.cassettes.reading.llm import answer_of, model_of, opening_of
from pytest_templates.cassettes.recorded import Interaction
from pytest_templates.cassettes.three_way import OURS, THEIRS, Conflict, conflicts_in, merge, text_of
from pytest_templates.errors import CassetteError, GitError
from pytest_templates.redaction.secrets import secrets_of
from pytest_templates.support.files import atomic_write
from pytest_templates.support.git import Repository
from pytest_templates.support.text import OUTSIDE, command_line, counted, cut

_BASE: Final = "the common base"
_HEADS: Final = ("MERGE_HEAD", "CHERRY_PICK_HEAD", "REBASE_HEAD", "REVERT_HEAD")  # of what is being merged
_SHOWN: Final = 10  # conflicts


def merge_files(base: Path, ours: Path, theirs: Path, name: Path, say: Callable[[str], None]) -> int:
    """Merge two cassettes that were one, and write the result in the place of ours: what git asks of a merge driver.

    Args:
        base: What both come from; empty or missing where both were begun anew.
        ours: One of them.
        theirs: The other one.
        name: The cassette that it is about.
        say: Takes the text.

    Returns:
        The exit status: 1 where something conflicts.

    Raises:
        CassetteError: One of them is damaged, or missing; ours stays as it is.
        OSError: The file system refuses.
    """
    before = base.read_bytes() if base.exists() else b""
    try:
        return _merge(before, ours.read_bytes(), theirs.read_bytes(), ours, name, say, who={})
    except CassetteError as error:
        raise (error if name == ours else CassetteError(f"{error}\n{_left_by_git(name)}")) from error


def end_conflict(path: Path, say: Callable[[str], None]) -> int:
    """Merge a cassette in which git has left a conflict, from the three versions that git has of it.

    Args:
        path: The cassette in the work tree; what stands in it is replaced.
        say: Takes the text.

    Returns:
        The exit status: 1 where something conflicts.

    Raises:
        GitError: Git knows of no conflict in it, or one side has removed it as a whole.
        CassetteError: A version is damaged.
        OSError: The file system refuses.
    """
    repository = Repository.around(path.absolute().parent)
    stages = repository.stages(path.absolute())
    if not stages:
        raise GitError(f"{path}: git knows of no conflict in it. `git checkout --merge {_word(path)}` brings one back")
    for stage, side in ((2, OURS), (3, THEIRS)):
        if stage not in stages:
            keep, drop = (command_line(["git", word, str(path)]) for word in ("add", "rm"))
            raise GitError(f"{path}: {side} has removed the file. Keep it by `{keep}`, or remove it by `{drop}`")
    contents = repository.contents(stages.values())
    base, ours, theirs = (contents[stages[stage]] if stage in stages else b"" for stage in (1, 2, 3))
    status = _merge(base, ours, theirs, path, path, say, who=_commits(repository))
    if not status:
        say(f"{path}: merged, {counted(len(from_bytes(path.read_bytes())), 'interaction')}. Now: {_add(path)}")
    return status


def _merge(
    base: bytes, ours: bytes, theirs: bytes, target: Path, name: Path, say: Callable[[str], None], who: dict[str, str]
) -> int:
    sides = [_read(content, side, name, who) for content, side in ((base, _BASE), (ours, OURS), (theirs, THEIRS))]
    merged = merge(*sides)
    atomic_write(target, text_of(merged))
    conflicts = conflicts_in(merged)
    if conflicts:
        say(secrets_of(os.environ).replace("\n".join(_told(conflicts, name, who))))
    return 1 if conflicts else 0


def _read(content: bytes, side: str, name: Path, who: dict[str, str]) -> list[Interaction]:
    if side == _BASE and (not content.strip() or re.search(CONFLICT.encode(), content, re.MULTILINE)):
        return []  # both were begun anew; or both come from two that git could not merge, and each has decided itself
    try:
        return from_bytes(content)
    except FormatError as error:
        problem = f"line {error.line}: the cassette {error}"
    except UnicodeDecodeError:
        problem = "it is not UTF-8"
    sound = "theirs" if side == OURS else "ours"
    remedy = f"`git checkout --{sound} {_word(name)}` takes the version of {sound} as a whole, without paying"
    if side == _BASE:
        remedy = "`git checkout --ours` or `--theirs` takes one version as a whole, without paying"
    raise CassetteError(
        f"{name}: the version of {_called(side, who)} is damaged, and nothing is merged: {problem}.\n{remedy}."
    )


def _left_by_git(name: Path) -> str:
    """What git leaves of a file that its driver could not merge, and the way out."""
    base, theirs = (command_line(["git", "show", f":{stage}:{name.as_posix()}"]) for stage in (1, 3))
    return (
        f"The file in the work tree holds ours alone, without conflict marks. `{theirs}` shows theirs, and `{base}` "
        f"{_BASE}: save both, repair what is damaged, and end the conflict by "
        f"`python -m pytest_templates cassettes merge BASE {_word(name)} THEIRS`."
    )


def _commits(repository: Repository) -> dict[str, str]:
    """The commits that the sides of a merge come from, as far as git says."""
    theirs = next((found for head in _HEADS if (found := repository.find(head)) is not None), None)
    ours = repository.find("HEAD")
    return {side: found.name[:10] for side, found in ((OURS, ours), (THEIRS, theirs)) if found is not None}


def _called(side: str, who: dict[str, str]) -> str:
    return f"{side} (commit {who[side]})" if side in who else side


def _told(conflicts: Sequence[Conflict], name: Path, who: dict[str, str]) -> Iterator[str]:
    yield f"{name}: {counted(len(conflicts), 'interaction')} in conflict; everything else is merged"
    for conflict in conflicts[:_SHOWN]:
        one = conflict.interaction
        yield f"  {one.template or OUTSIDE}  {model_of(one)}  {opening_of(one)}"
        yield f"    {conflict.problem}:"
        for side, held in ((OURS, conflict.ours), (THEIRS, conflict.theirs)):
            yield f"    {_called(side, who)}: {_answer(held)}"
    if len(conflicts) > _SHOWN:
        yield f"  and {len(conflicts) - _SHOWN:,} more"
    yield "The file holds both, each interaction as a whole between git's conflict marks, and nothing is lost. Keep one"
    yield f"of them in an editor, or one side of the whole file: `git checkout --ours {_word(name)}`, or `--theirs`."
    yield f"Then: {_add(name)}"


def _answer(held: Interaction | None) -> str:
    if held is None:
        return "removed"
    words = answer_of(held.response).text or held.response.body.decode("utf-8", "backslashreplace")
    return cut(" ".join(words.split()), 100) or f"status {held.response.status}"


def _word(path: Path) -> str:
    return command_line([str(path)])


def _add(path: Path) -> str:
    return command_line(["git", "add", str(path)])
