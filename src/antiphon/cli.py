"""``antiphon``: conversations in the terminal, and drawings of template trees."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from importlib import import_module
from importlib.metadata import version
from io import TextIOWrapper
from pathlib import Path
from typing import Any

from antiphon.connect import ConnectedModel, as_model, connect
from antiphon.conversation import held
from antiphon.drawing import as_mermaid, as_text
from antiphon.errors import AntiphonError
from antiphon.facts import RUNNERS_MODEL
from antiphon.interface import ConsoleInterface
from antiphon.loading import load
from antiphon.model import Model, models_within
from antiphon.runner import Runner
from antiphon.saving import check_writable, resumed, save
from antiphon.session import Session
from antiphon.templates.base import Template

DEFAULT_MODEL = "local:smollm2-135m"
DONE, FAILED, NOT_BEGUN, INTERRUPTED = 0, 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: The words after the program's name; those of this process where none are given.

    Returns:
        The exit status: 0 when all went well, 1 when a conversation failed or its input ended before it did, 2 when it
        could not begin, 130 when the user interrupted it.
    """
    _never_fail_on_characters()
    given = _parser().parse_args(arguments)
    try:
        status: int = given.command(given)
        sys.stdout.flush()
    except AntiphonError as error:
        return _complain(error, NOT_BEGUN)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # the reader has closed the pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    return status


def _parser() -> argparse.ArgumentParser:
    template = argparse.ArgumentParser(add_help=False)
    template.add_argument(
        "template",
        metavar="MODULE:TEMPLATE",
        help="a template, or a function without parameters that returns one; modules in the current folder are found",
    )
    parser = argparse.ArgumentParser(
        prog="antiphon", description="Conversations with language models as trees of templates."
    )
    parser.add_argument("--version", action="version", version=f"antiphon {version('antiphon')}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _add_run(commands.add_parser("run", parents=[template], help="hold a conversation in this terminal"))
    show = commands.add_parser("show", parents=[template], help="draw the tree, with its models and tools")
    show.add_argument("--mermaid", action="store_true", help="as a flowchart in Mermaid's language")
    show.set_defaults(command=_show)
    return parser


def _add_run(run: argparse.ArgumentParser) -> None:
    run.add_argument("--model", metavar="M", help=f"the model of templates that name none (default: {DEFAULT_MODEL})")
    run.add_argument(
        "--set",
        metavar="KEY=VALUE",
        dest="metadata",
        type=_setting,
        action="append",
        default=[],
        help="a value for the templates: JSON where it is some, else text; may be repeated",
    )
    run.add_argument(
        "--save",
        metavar="FILE",
        type=Path,
        help="where the session is saved, however it ends; with --resume by default the file that it came from",
    )
    run.add_argument(
        "--resume",
        metavar="FILE",
        type=Path,
        help="a saved session to go on with, where it was broken off; after its end the template begins anew",
    )
    run.set_defaults(command=_run)


def _setting(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not KEY=VALUE")
    try:
        return key, json.loads(value)
    except (ValueError, RecursionError):  # nested more deeply than JSON that anybody types
        return key, value


def _show(given: argparse.Namespace) -> int:
    draw = as_mermaid if given.mermaid else as_text
    print(draw(load(given.template)))
    return DONE


def _run(given: argparse.Namespace) -> int:
    session = Session() if given.resume is None else resumed(given.resume)
    file: Path | None = given.resume if given.save is None else given.save
    if file is not None:
        check_writable(file)
    _set(session, dict(given.metadata))
    template = load(given.template)
    model = as_model(DEFAULT_MODEL) if given.model is None else connect(given.model)  # the default may not be needed
    for complaint in dict.fromkeys(_complaints(template, model)):
        _warn(complaint)
    console = _Console()
    _edit_lines()
    is_broken_off = False
    try:
        status = _held(Runner(model, console, template), session)
    except EOFError:
        if not console.has_ended:
            raise
        print()
        status, is_broken_off = FAILED, True
    finally:
        is_saved = file is None or _saved(session, file)
    if is_broken_off:
        onward = f"; --resume {file} goes on there" if file is not None and is_saved else ""
        print(f"antiphon: broken off: the input has ended{onward}", file=sys.stderr)
    return status if is_saved else FAILED


def _set(session: Session, metadata: dict[str, Any]) -> None:
    changed = sorted(key for key, value in metadata.items() if session.metadata.get(key) != value)
    if session.progress is not None and changed:
        _warn(f"with another value of {', '.join(changed)} the template begins anew after what was said")
        session.progress = None
    session.metadata.update(metadata)


def _warn(text: str) -> None:
    print(f"antiphon: warning: {text}", file=sys.stderr)


def _complaints(template: Template, inherited: Model) -> Iterator[str]:
    """What is wrong with models of a tree: the user is told before the first word, not when all have been typed."""
    own = getattr(template, "model", None)
    model = inherited if RUNNERS_MODEL in template.facts() else own
    for connected in _connected(model):
        try:
            connected.check()
        except AntiphonError as error:
            yield str(error)
    for child in template.children:
        yield from _complaints(child, template.model_within or inherited)


def _connected(model: Model | None) -> Iterator[ConnectedModel]:
    """A model that is connected, or those that a model asks."""
    if isinstance(model, ConnectedModel):
        yield model
    elif model is not None:
        for inner in models_within(model):
            yield from _connected(inner)


class _Console(ConsoleInterface):
    """A console that remembers that its input has ended: an ``EOFError`` may have other causes."""

    has_ended = False

    def ask(self, session: Session, description: str | None, default: str | None) -> str:
        try:
            return super().ask(session, description, default)
        except EOFError:
            self.has_ended = True
            raise


def _held(runner: Runner, session: Session) -> int:
    try:
        held(runner, session, _warn)
    except KeyboardInterrupt:
        print()
        return INTERRUPTED
    except AntiphonError as error:
        return _complain(error, FAILED)
    return DONE


def _saved(session: Session, file: Path) -> bool:
    try:
        save(session, file)
    except AntiphonError as error:
        _complain(error, FAILED)
        return False
    print(f"antiphon: saved as {file}", file=sys.stderr)
    return True


def _complain(error: AntiphonError, status: int) -> int:
    print("\n".join([f"antiphon: {error}", *getattr(error, "__notes__", ())]), file=sys.stderr)
    return status


def _edit_lines() -> None:
    """Let the user edit what is typed, where Python can do that."""
    with suppress(ImportError):
        import_module("readline")


def _never_fail_on_characters() -> None:
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
