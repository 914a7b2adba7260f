"""``cassettes show``: what was asked, and what was answered."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import indent
from typing import Final

from pytest_templates.cassettes.answers import answer_of
from pytest_templates.cassettes.persister import load
from pytest_templates.cassettes.reading import cut, model_of, prompt_in
from pytest_templates.cassettes.store import Store
from pytest_templates.cassettes.values import Interaction
from pytest_templates.command.listing import many, tokens_of
from pytest_templates.command.survey import shown

_LINES: Final = 6  # of a text that is cut
_WIDTH: Final = 160  # characters of a line that is cut
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # a model's words must not steer a terminal


def show(path: Path, store: Store | None, say: Callable[[str], None], *, full: bool) -> int:
    """Say what a cassette holds; returns 0.

    Args:
        path: Which cassette.
        store: Where it lies; ``None`` for a file that belongs to no store.
        say: Takes the lines.
        full: Whether long texts are not cut.

    Raises:
        CassetteError: The file cannot be read.
    """
    interactions = load(path, store)
    asked, said = tokens_of(interactions)
    place = shown(store.place(path) if store else path)
    say(f"{place}: {many(len(interactions), 'interaction')}, {asked:,} tokens in, {said:,} out")
    for number, interaction in enumerate(interactions, 1):
        say("")
        for line in _interaction(number, interaction, full=full):
            say(_CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", line))
    return 0


def _interaction(number: int, interaction: Interaction, *, full: bool) -> Iterator[str]:
    answer, prompt = answer_of(interaction.response), prompt_in(interaction)
    yield f"{number}. {interaction.template or '(no template)'}  {model_of(interaction) or '(no model)'}"
    tokens = (
        "" if answer.input_tokens is None else f", {answer.input_tokens:,} tokens in, {answer.output_tokens or 0:,} out"
    )
    request, response = interaction.request, interaction.response
    cut_off = "" if response.cut is None else f", broken off after {response.cut.at} s by {response.cut.by}"
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
        yield f"     … {many(len(lines) - len(kept), 'line')} more: --full"


def _readable(body: bytes) -> str:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        return f"{len(body):,} bytes"
