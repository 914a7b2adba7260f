"""``cassettes install-git``: tell git how cassettes are merged and shown."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from pytest_templates.errors import GitError
from pytest_templates.support.files import atomic_write
from pytest_templates.support.git import Repository
from pytest_templates.support.text import counted

DRIVER: Final = "antiphon-cassette"
_ATTRIBUTES: Final = f"merge={DRIVER} diff={DRIVER}"
_SPECIAL: Final = re.compile(r"[\\*?\[\]#!]")


def install(folders: Sequence[Path], say: Callable[[str], None]) -> int:
    """Write what git needs: lines for the team in ``.gitattributes``, and settings for this clone.

    Args:
        folders: The folders of cassettes.
        say: Takes the text.

    Returns:
        The exit status.

    Raises:
        GitError: There is no repository here, or a folder lies outside of it.
        OSError: The file system refuses.
    """
    repository = Repository.around(Path.cwd())
    lines = [_line(folder, repository.root) for folder in folders]
    attributes = repository.root / ".gitattributes"
    added = _add_lines(attributes, lines)
    for line in added:
        say(f"{attributes}: added {line}")
    changed = [(name, value) for name, value in _settings() if repository.setting(name) != value]
    for name, value in changed:
        repository.set(name, value)
        say(f"git config: {name} = {value}")
    if added or changed:
        say("Commit .gitattributes; the settings are of this clone alone: every clone runs this command once.")
    else:
        say(f"nothing to do: git knows {counted(len(lines), 'folder')} of cassettes already")
    return 0


def _line(folder: Path, root: Path) -> str:
    """The line of ``.gitattributes`` for the cassettes in a folder."""
    place, root = folder.resolve(), root.resolve()
    if not place.is_relative_to(root):
        raise GitError(f"{folder}: these cassettes lie outside of the repository {root}")
    inside = "".join(f"{_SPECIAL.sub(_escaped, part)}/" for part in place.relative_to(root).parts)
    pattern = f"{inside}**/*.yaml" if inside else "*.yaml"
    if re.search(r'[\s"]', pattern):
        quoted = pattern.replace("\\", "\\\\").replace('"', '\\"')
        pattern = f'"{quoted}"'
    return f"{pattern} {_ATTRIBUTES}"


def _escaped(found: re.Match[str]) -> str:
    return f"\\{found[0]}"


def _add_lines(path: Path, lines: Sequence[str]) -> list[str]:
    """Add what a file lacks; gives what was added."""
    content = path.read_bytes() if path.exists() else b""  # others may have written it in any encoding
    there = content.splitlines()
    new = [line for line in dict.fromkeys(lines) if os.fsencode(line) not in there]
    if new:
        end = b"\r\n" if b"\r\n" in content else b"\n"
        start = content if not content or content.endswith(b"\n") else content + end
        atomic_write(path, start + b"".join(os.fsencode(line) + end for line in new))
    return new


def _settings() -> Iterator[tuple[str, str]]:
    """What git runs. It runs it by a POSIX shell on every system.

    ``-P`` keeps modules out that lie in the work tree: showing a branch of somebody else must run nothing of it. A file
    that cannot be read is shown as it is: git would end ``git log -p`` at it.
    """
    python = shlex.quote(Path(sys.executable).as_posix())
    program = f"{python} -P -m pytest_templates cassettes"
    yield f"merge.{DRIVER}.name", "recorded model calls, merged as a whole each"
    yield f"merge.{DRIVER}.driver", f"{program.replace('%', '%%')} merge %O %A %B %P"
    yield f"diff.{DRIVER}.textconv", f'f() {{ {program} show --full "$1" 2>/dev/null || cat "$1"; }}; f'
