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
from pytest_templates.cassettes.storage.location import is_url
from pytest_templates.cassettes.storage.store import Store, entries_of, remedy_for, writing
from pytest_templates.commands.cassettes_scrub import changes
from pytest_templates.commands.survey import Survey, shown
from pytest_templates.errors import CassetteError
from pytest_templates.redaction.secrets import Secrets, secrets_of
from pytest_templates.support import yaml_text
from pytest_templates.support.text import counted, cut

_SCRUB: Final = "python -m pytest_templates cassettes scrub"
_ANSWER: Final = 80  # characters of an answer that is shown


def check_stores(stores: Sequence[Store], say: Callable[[str], None]) -> int:
    """Check every file of some stores, and say what is wrong; returns 1 where something was found, else 0."""
    found = [(store, *_sorted_out(store.paths(), store)) for store in stores]
    problems = [problem for store, files, _ in found for problem in _problems(files, store)]
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


def check_files(paths: Sequence[Path], say: Callable[[str], None]) -> int:
    """Check some files, as `check_stores`.

    Raises:
        CassetteError: One of them does not exist.
    """
    missing = [path for path in paths if not path.is_file()]
    if missing:
        raise _missing(missing[0])
    files, others = _sorted_out(paths, None)
    return _report(list(_problems(files, None)), len(files), others, say)


def fix_files(names: Sequence[str], survey: Survey, say: Callable[[str], None]) -> int:
    """Accept the interactions of some files as they stand, where they have a wrong checksum, and check the files.

    Args:
        names: Paths, or the URLs of cassettes in remote stores.
        survey: Where cassettes lie: a file is changed under the lock of its store, which recordings take as well.
        say: Takes the lines.

    Returns:
        1 where something is still wrong, else 0.

    Raises:
        CassetteError: One of the files does not exist.
    """
    given = [_file_named(name, survey) for name in names]
    sorted_out = [(store, *_sorted_out([path], store)) for store, path in given]
    problems = [problem for store, files, _ in sorted_out for problem in _problems(files, store, say)]
    checked, others = sum(len(files) for _, files, _ in sorted_out), sum(count for *_, count in sorted_out)
    return _report(problems, checked, others, say)


def _file_named(name: str, survey: Survey) -> tuple[Store, Path]:
    """A file, and the store that it lies in; one that lies in none has its folder for that."""
    stores = [one.store for one in survey.stores]
    if is_url(name):
        places = {store.place(path): (store, path) for store in stores if not store.is_local for path in store.paths()}
        if name not in places:
            raise _missing(name)
        return places[name]
    path = Path(name)
    if not path.is_file():
        raise _missing(path)
    around = [store for store in stores if store.is_local and path.resolve().is_relative_to(store.folder.resolve())]
    return max(around, key=lambda store: len(store.folder.resolve().parts), default=Store(path.parent)), path


def _missing(name: Path | str) -> CassetteError:
    return CassetteError(f"{name}: there is no such file")


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


def _problems(paths: Sequence[Path], store: Store | None, accept: Callable[[str], None] | None = None) -> Iterator[str]:
    """What is wrong with some files; wrong checksums are accepted instead, and said, where `accept` is given."""
    secrets = secrets_of(os.environ)
    for path in paths:
        place = store.place(path) if store else str(path)
        try:
            entries = entries_of(path, store, refit=accept is not None)
            if accept is not None and any(entry.problem for entry in entries):
                for line in _accepted(path, store or Store(path.parent), secrets):
                    accept(line)
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


def _accepted(path: Path, store: Store, secrets: Secrets) -> list[str]:
    """Write a file with the checksums of what it holds, and say what was accepted.

    It is read again under the lock: what another process has added meanwhile stays.
    """
    with writing(path, store), store.lock():
        entries = entries_of(path, store, refit=True)
        lines = list(_edited(shown(store.place(path)), _text(path, store), entries, secrets))
        store.replace(path, [to_text([entry.interaction for entry in entries]).encode("utf-8")])
    return lines


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
