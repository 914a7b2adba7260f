"""``cassettes show``: what was asked and answered."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path
from textwrap import indent
from typing import TYPE_CHECKING, Final

from pytest_templates.cassettes.paths import cassette_path, own_name
from pytest_templates.cassettes.reading.llm import answer_of, model_of, readable_prompt
from pytest_templates.cassettes.recorded import Interaction
from pytest_templates.cassettes.storage.catalog import cassettes_in, says_ours
from pytest_templates.cassettes.storage.store import Store, load_cassette
from pytest_templates.commands.cassettes_list import NO_MODEL, tokens_of
from pytest_templates.errors import UnknownName
from pytest_templates.support.files import safe_part, shown_in
from pytest_templates.support.text import OUTSIDE, counted, cut, visible

if TYPE_CHECKING:
    from pytest_templates.commands.survey import Survey


def find_cassette(name: str, survey: Survey) -> tuple[Store, Path]:
    """The cassette that a name stands for: a path, a test's node id, or a part of either.

    Raises:
        UnknownName: There is none, and the text offers close ones; or there are several, which it lists.
    """
    stores = [one.store for one in survey.stores]
    there = [(store, path) for store in stores for path in cassettes_in(store)]
    names = {_named(path, store, several=len(stores) > 1): (store, path) for store, path in there}
    if "::" in name:
        store, path = path_of_test(name, survey)
        exact = _named(path, store, several=len(stores) > 1)
    else:
        exact = name.removesuffix(".yaml")
    if exact in names:
        return names[exact]
    parts = [part.casefold() for part in _parts(name)]
    found = [one for one in names if any(part in one.casefold() for part in parts)]
    whole = [one for one in found if f"/{one}".casefold().endswith(tuple(f"/{part}" for part in parts))]
    for close in (whole, found):
        if len(close) == 1:
            return names[close[0]]
    raise UnknownName(_several(name, found) if found else _none(name, list(names), stores))


def cassettes_of_module(module: Path, survey: Survey) -> list[tuple[Store, Path]]:
    """The cassettes of the tests in a module.

    Raises:
        UnknownName: There are none.
    """
    name = Path(os.path.relpath(module.resolve(), survey.root.resolve())).as_posix()
    found = [
        (one.store, path)
        for one in survey.stores
        for path in cassettes_in(one.store)
        if any(test.startswith(f"{name}::") for test in one.tests_of(own_name(path, one.store.folder)))
    ]
    if not found:
        error = survey.found["errors"].get(name, "") if survey.found else ""
        raise UnknownName(f"{module}: {error or 'no test in it has a cassette yet'}")
    return found


def check_is_cassette(path: Path) -> None:
    """Refuse a file that does not say that it is a cassette, whole or damaged.

    Raises:
        UnknownName: It holds something else.
        OSError: It cannot be read.
    """
    content = path.read_bytes()
    if content.strip() and not says_ours(content):
        raise UnknownName(f"{path}: this file is no cassette; `cassettes import` takes over those of other programs")


def _parts(name: str) -> list[str]:
    """How a part of a path, or of a node id, may stand in the name of a cassette."""
    module, _, inside = name.partition("::")
    parts = [name.removesuffix(".yaml"), safe_part(name.replace("::", "."))]
    return [*parts, f"{module.removesuffix('.py')}/{safe_part(inside.replace('::', '.'))}"] if inside else parts


def path_of_test(node_id: str, survey: Survey) -> tuple[Store, Path]:
    """The cassette of the test with a node id, as in ``tests/test_it.py::TestIt::test_it[one]``.

    Raises:
        UnknownName: That is no node id.
    """
    module, _, inside = node_id.partition("::")
    if not module or not inside:
        raise UnknownName(f"{node_id!r} is no node id of a test, such as tests/test_it.py::test_it")
    test, bracket, parameters = inside.partition("[")
    store, name = survey.place_of(module)
    return store, cassette_path(store.folder, name, test.replace("::", ".") + bracket + parameters)


def _named(path: Path, store: Store, *, several: bool) -> str:
    """How a cassette is called: by its path in the folder of the cassettes, by all of it where there are several."""
    return (_shown(store.place(path)) if several else path.relative_to(store.folder).as_posix()).removesuffix(".yaml")


def _several(name: str, found: list[str]) -> str:
    return "\n  ".join([f"{name!r} is a part of {len(found)} names; give one of them:", *found])


def _none(name: str, names: list[str], stores: Sequence[Store]) -> str:
    shorter = {one.rpartition("/")[2]: one for one in names} | {one: one for one in names}
    close = list(dict.fromkeys(shorter[one] for one in get_close_matches(name, shorter, n=3, cutoff=0.5)))
    hint = f"did you mean {' or '.join(close)}?" if close else "`cassettes list` shows what there is"
    places = " or ".join(_shown(store.place(store.folder)).removesuffix("/.") for store in stores)
    return f"no cassette in {places} is called {name!r}: {hint}"


def _shown(place: Path | str) -> str:
    return shown_in(Path.cwd(), place)


_LINES: Final = 6  # of a text that is cut
_WIDTH: Final = 160  # characters of a line that is cut


def show(path: Path, store: Store | None, say: Callable[[str], None], *, full: bool) -> int:
    """Print what a cassette holds; returns 0.

    It says nothing that is another one in each recording of the same words, so that git can show what changed by it.

    Args:
        path: Which cassette.
        store: Where it lies; ``None`` for a file that was named by its path, which is not said again: git gives one
            that it has just made.
        say: Takes the lines.
        full: Whether long texts are not cut.

    Raises:
        CassetteError: The file cannot be read.
    """
    interactions = load_cassette(path, store)
    sent, received = tokens_of(interactions)
    place = f"{_shown(store.place(path))}: " if store else ""
    say(f"{place}{counted(len(interactions), 'interaction')}, {sent:,} tokens in, {received:,} out")
    for number, interaction in enumerate(interactions, 1):
        say("")
        for line in _interaction(number, interaction, full=full):
            say(visible(line))
    return 0


def _interaction(number: int, interaction: Interaction, *, full: bool) -> Iterator[str]:
    answer, prompt = answer_of(interaction.response), readable_prompt(interaction)
    sample = "" if interaction.sample == 1 else f"  sample {interaction.sample}"
    yield f"{number}. {interaction.template or OUTSIDE}  {model_of(interaction) or NO_MODEL}{sample}"
    tokens = (
        "" if answer.input_tokens is None else f", {answer.input_tokens:,} tokens in, {answer.output_tokens or 0:,} out"
    )
    request, response = interaction.request, interaction.response
    cut_off = "" if response.cut is None else f", broken off by {response.cut.by}"
    yield f"   {request.method} {request.uri}: status {response.status}{tokens}{cut_off}"
    for message in prompt.messages if prompt else ():
        yield from _text(message.role, message.text, full=full)
    if prompt is None and request.body:
        yield from _text("body", _readable(request.body), full=full)
    yield from _text("=> answer", answer.text or _readable(response.body), full=full)


def _text(title: str, text: str, *, full: bool) -> Iterator[str]:
    lines = text.splitlines() or [""]
    kept = lines if full else [cut(line, _WIDTH) for line in lines[:_LINES]]
    first, *rest = kept
    yield f"   {title}: {first}"
    yield from indent("\n".join(rest), "     ").splitlines()
    if len(kept) < len(lines):
        yield f"     … {counted(len(lines) - len(kept), 'line')} more: --full"


def _readable(body: bytes) -> str:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        return f"{len(body):,} bytes"
