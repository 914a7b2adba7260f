"""``cassettes check``: find damage, mixed interactions and secrets in recordings."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from pytest_templates.cassettes.format.document import Entry, to_text
from pytest_templates.cassettes.reading.llm import answer_of, opening_of
from pytest_templates.cassettes.recorded import Interaction
from pytest_templates.cassettes.scrubbing.leaks import find_leaks
from pytest_templates.cassettes.scrubbing.scrub import scrub
from pytest_templates.cassettes.storage.catalog import says_ours
from pytest_templates.cassettes.storage.journal import check_journal, left_journals
from pytest_templates.cassettes.storage.store import Store, entries_of, remedy_for, write_cassette
from pytest_templates.commands.cassettes_scrub import changes
from pytest_templates.commands.survey import shown
from pytest_templates.errors import CassetteError
from pytest_templates.redaction.secrets import Secrets, secrets_of
from pytest_templates.support import yaml_text
from pytest_templates.support.text import counted, cut

_SCRUB: Final = "python -m pytest_templates cassettes scrub"
_ANSWER: Final = 80  # characters of an answer that is shown


def check_stores(stores: Sequence[Store], say: Callable[[str], None], *, fix: bool = False) -> int:
    """Check every file of some stores; returns 1 where something was found, else 0.

    Args:
        stores: Where the files lie.
        say: Takes the lines.
        fix: Whether interactions with a wrong checksum are accepted as they stand.
    """
    found = [(store, *_sorted_out(store.paths(), store)) for store in stores]
    problems = [problem for store, files, _ in found for problem in _problems(files, store, say if fix else None)]
    left = [_problem_left(path, store, say) for store in stores for path in store.left_behind()]
    checked, others = sum(len(files) for _, files, _ in found), sum(count for *_, count in found)
    return _report([*problems, *filter(None, left)], checked, others, say)


def _problem_left(path: Path, store: Store, say: Callable[[str], None]) -> str:
    """What is wrong with a file that a run has left; ``""`` where answers wait in it, which is said."""
    journal = next((one for one in left_journals(store) if one.path == path), None)
    if journal is not None and journal.answers:
        try:
            check_journal(path)
        except CassetteError as error:
            return str(error).replace(str(path), shown(path), 1).replace("\n", " ")
        say(f"{journal.waiting} for the next recording")
        return ""
    return f"{shown(path)}: was left by a run that was killed while it recorded. Remove it."


def check_files(paths: Sequence[Path], say: Callable[[str], None], *, fix: bool = False) -> int:
    """Check some files; arguments and result are those of `check_stores`.

    Raises:
        CassetteError: One of them does not exist.
    """
    missing = [path for path in paths if not path.is_file()]
    if missing:
        raise CassetteError(f"{missing[0]}: there is no such file")
    files, others = _sorted_out(paths, None)
    return _report(list(_problems(files, None, say if fix else None)), len(files), others, say)


def _sorted_out(paths: Sequence[Path], store: Store | None) -> tuple[list[Path], int]:
    """The files to check, and how many others there are: those that hold something, and do not say they are ours."""
    files = [path for path in paths if _is_to_check(path, store)]
    return files, len(paths) - len(files)


def _is_to_check(path: Path, store: Store | None) -> bool:
    try:
        content = (store or Store(path.parent)).read(path) or b""
    except OSError:
        return True  # reading it will say why
    return not content.strip(b"\0\r\n\t ") or says_ours(content)


def _report(problems: Sequence[str], files: int, others: int, say: Callable[[str], None]) -> int:
    for problem in problems:
        say(problem)
    left = f"; left alone: {counted(others, 'file')} of other programs" if others else ""
    say(f"{counted(files, 'file')} checked, {counted(len(problems), 'problem')} found{left}")
    return 1 if problems else 0


def _problems(paths: Sequence[Path], store: Store | None, accept: Callable[[str], None] | None) -> Iterator[str]:
    """What is wrong with some files; what is accepted instead is said to `accept`."""
    secrets = secrets_of(os.environ)
    for path in paths:
        place = store.place(path) if store else str(path)
        try:
            entries = entries_of(path, store, refit=accept is not None)
            if accept is not None and any(entry.problem for entry in entries):
                for line in _edited(shown(place), _text(path, store), entries, secrets):
                    accept(line)
                write_cassette(path, to_text([entry.interaction for entry in entries]), store)
                entries = entries_of(path, store)
        except CassetteError as error:
            yield str(error).replace(place, shown(place), 1).replace("\n", " ")
        else:
            text = _text(path, store)
            yield from _mixed(shown(place), text, entries, remedy_for("accept", path, store))
            yield from _secrets_in(shown(place), text, [entry.interaction for entry in entries], secrets)


def _mixed(file: str, text: str, entries: Sequence[Entry], remedy: str) -> Iterator[str]:
    """The interactions that are not what was recorded."""
    wrong = [(index, entry.problem) for index, entry in enumerate(entries) if entry.problem]
    lines = yaml_text.lines_of(text, [("interactions", index) for index, _ in wrong]) if wrong else []
    for line, (_, problem) in zip(lines, wrong, strict=True):
        yield f"{file}:{line}: the cassette {problem}. {remedy}"


def _edited(file: str, text: str, entries: Sequence[Entry], secrets: Secrets) -> Iterator[str]:
    """The same as they are accepted: the prompt and the answer that now belong together, in a few words."""
    edited = [(index, entry.interaction) for index, entry in enumerate(entries) if entry.problem]
    lines = yaml_text.lines_of(text, [("interactions", index) for index, _ in edited])
    for line, (_, interaction) in zip(lines, edited, strict=True):
        prompt, answer = opening_of(interaction), answer_of(interaction.response).text or _body(interaction)
        said = cut(" ".join(answer.split()), _ANSWER)
        yield secrets.replace(f"{file}:{line}: accepted as it stands: {prompt} => {said or 'nothing'}")


def _body(interaction: Interaction) -> str:
    return interaction.response.body.decode("utf-8", "backslashreplace")


def _text(path: Path, store: Store | None) -> str:
    return ((store or Store(path.parent)).read(path) or b"").decode("utf-8")


def _secrets_in(file: str, text: str, interactions: Sequence[Interaction], secrets: Secrets) -> Iterator[str]:
    """The secrets that are known, then what the rules would remove elsewhere."""
    leaks = find_leaks(text, secrets)
    for leak in leaks:
        yield (
            f"{file}:{leak.line}: holds {leak.what} ({leak.where}). "
            f"Replace it with `{_SCRUB}`, and change the key where others have seen the file."
        )
    reported = {leak.place[:4] for leak in leaks}
    for index, interaction in enumerate(interactions):
        for path, what in changes(interaction, scrub(interaction, secrets)):
            if ("interactions", index, *path[:2]) not in reported:
                line = yaml_text.line_of(text, ("interactions", index, *path))
                yield f"{file}:{line}: {what} is not kept as it is by today's rules. Clean it with `{_SCRUB}`."
