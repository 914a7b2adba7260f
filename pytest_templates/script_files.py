"""Script files: what models say, by template, in YAML.

::

    classify: billing
    support/turns@*/answer:
    - Where did you buy it?
    - reply: The money is on its way.
      input_tokens: 120
    look-up:
    - call_tool: find_order
      arguments: {number: 1815}
    - json: {status: paid}
    - fail: rate_limited
      retry_after: 2
    - stream: [The mo, ney is there.]

Keys are ids of templates, or globs of their paths. Each reply is played once, in order.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from pytest_templates.cassettes import yamltext
from pytest_templates.errors import ScriptError
from pytest_templates.script import Condition, Script
from pytest_templates.script_steps import NoStep, step_of
from pytest_templates.steps import ModelStep


def load_script(path: Path) -> Script:
    """The script in a file.

    Raises:
        ScriptError: The file cannot be read, or is no script; the text names the line.
    """
    text = _read(path)
    try:
        document = yamltext.load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = 1 if mark is None else mark.line + 1
        raise ScriptError(
            f"{path}:{line}: the script is no YAML: {getattr(error, 'problem', None) or error}"
        ) from error
    if not isinstance(document, dict) or not document:
        raise ScriptError(f"{path}:1: the script is a mapping from the ids or paths of templates to what models say")
    script = Script(f"the script {path.name}", ())
    for template, said in document.items():
        steps = said if isinstance(said, list) else [said]
        place = (template,) if not isinstance(said, list) else None
        loaded = [_step(step, path, text, place or (template, index)) for index, step in enumerate(steps)]
        if not isinstance(template, str) or not loaded:
            raise _fault(path, text, (template,), "names a template, and what the model says to it: at least one reply")
        script.add(Condition(template=template), loaded, 1)
    return script


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        there = sorted(one.name for one in path.parent.glob("*.y*ml")) if path.parent.is_dir() else []
        hint = f"; there is {', '.join(there)}" if there else ""
        raise ScriptError(f"{path}: there is no such script{hint}") from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ScriptError(f"{path}:{line}: the script is not UTF-8") from error
    except OSError as error:
        raise ScriptError(f"{path}: the script cannot be read: {error.strerror}") from error


def _step(written: Any, path: Path, text: str, place: tuple[str | int, ...]) -> ModelStep:
    try:
        return step_of(written)
    except NoStep as error:
        raise _fault(path, text, (*place, *error.inner), str(error)) from error


def _fault(path: Path, text: str, place: tuple[str | int, ...], problem: str) -> ScriptError:
    return ScriptError(f"{path}:{yamltext.line_of(text, place)}: the entry {place[0]!r}: {problem}")
