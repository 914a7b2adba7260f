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

import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeAlias

import yaml
from pydantic import BaseModel, ConfigDict, Discriminator, Field, JsonValue, Tag, TypeAdapter, ValidationError

from antiphon import Reply, Usage
from antiphon.errors import AntiphonError
from pytest_templates import faults
from pytest_templates.cassettes import yamltext
from pytest_templates.errors import ScriptError
from pytest_templates.faults import Fault
from pytest_templates.script import Condition, Script
from pytest_templates.steps import CallTool, Fail, ModelStep, Stream


class _Step(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class ReplyStep(_Step):
    """What a model says, with what its provider would tell of it."""

    reply: str = Field(description="The text.")
    input_tokens: int = Field(default=0, ge=0)
    output_tokens: int = Field(default=0, ge=0)
    cost: float | None = Field(default=None, ge=0, description="US dollars.")
    served_by: str | None = Field(default=None, description="The name of the model that answered.")
    finish_reason: str | None = None

    def step(self) -> ModelStep:
        """The step of a script."""
        cost = None if self.cost is None else Decimal(str(self.cost))
        usage = Usage(input_tokens=self.input_tokens, output_tokens=self.output_tokens, cost=cost)
        return Reply(self.reply, usage=usage, served_by=self.served_by, finish_reason=self.finish_reason)


class ToolStep(_Step):
    """A model asks for a tool."""

    call_tool: str = Field(description="The name of the tool.")
    arguments: dict[str, JsonValue] = {}

    def step(self) -> ModelStep:
        """The step of a script."""
        return CallTool(self.call_tool, **self.arguments)


class StreamStep(_Step):
    """What a model says, in these pieces where the program listens to a stream."""

    stream: list[str]

    def step(self) -> ModelStep:
        """The step of a script."""
        return Stream(*self.stream)


class JsonStep(_Step):
    """What a model says, as JSON: a typed answer."""

    answer: JsonValue = Field(alias="json")

    def step(self) -> ModelStep:
        """The step of a script."""
        return json.dumps(self.answer, ensure_ascii=False)


class FailStep(_Step):
    """The model fails."""

    model_config = ConfigDict(extra="allow", strict=True)

    fail: Literal[
        "authentication", "bad_arguments", "context_length", "dropped", "empty", "malformed",
        "rate_limited", "server_error", "stalled", "timeout", "truncated", "wrong_tool",
    ]  # fmt: skip

    def step(self) -> ModelStep:
        """The step of a script."""
        make: Callable[..., Fault] = getattr(faults, self.fail)
        return Fail(make(**(self.model_extra or {})))


_KINDS: Final = {"reply": ReplyStep, "call_tool": ToolStep, "stream": StreamStep, "json": JsonStep, "fail": FailStep}
_KIND_NAMES: Final = "a text, or a mapping with one of reply, call_tool, stream, json, fail"


def _kind(step: Any) -> str | None:
    if isinstance(step, Mapping):
        return next((name for name in _KINDS if name in step), None)
    return "text" if isinstance(step, str) else None


Step: TypeAlias = Annotated[
    Annotated[str, Tag("text")]
    | Annotated[ReplyStep, Tag("reply")]
    | Annotated[ToolStep, Tag("call_tool")]
    | Annotated[StreamStep, Tag("stream")]
    | Annotated[JsonStep, Tag("json")]
    | Annotated[FailStep, Tag("fail")],
    Discriminator(_kind),
]
_STEP: Final[TypeAdapter[Any]] = TypeAdapter(Step)
_FILE: Final[TypeAdapter[Any]] = TypeAdapter(dict[str, Step | list[Step]])


def schema() -> dict[str, Any]:
    """The JSON schema of script files, for editors."""
    about = {"title": "A script of antiphon's test plugin", "description": "What models say, by template."}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **about, **_FILE.json_schema()}


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
    if _kind(written) is None:
        hint = "; put it in quotes" if isinstance(written, bool | int | float) else ""
        raise _fault(path, text, place, f"a reply is {_KIND_NAMES}, not {json.dumps(written, default=str)}{hint}")
    try:
        step = _STEP.validate_python(written)
        return step if isinstance(step, str) else step.step()
    except ValidationError as error:
        first = error.errors()[0]
        inner = first["loc"][1:]  # without the tag
        where = ".".join(map(str, inner))
        raise _fault(path, text, (*place, *inner), f"{where}: {first['msg']}" if where else first["msg"]) from error
    except (AntiphonError, TypeError) as error:  # of the fault's own parameters
        raise _fault(path, text, place, str(error)) from error


def _fault(path: Path, text: str, place: tuple[str | int, ...], problem: str) -> ScriptError:
    return ScriptError(f"{path}:{yamltext.line_of(text, place)}: the entry {place[0]!r}: {problem}")
