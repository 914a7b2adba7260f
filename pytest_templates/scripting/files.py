"""Script files, in YAML: the answers of models by template; and the JSON schema of such files."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from decimal import Decimal
from glob import escape
from inspect import signature
from itertools import islice
from pathlib import Path
from types import FunctionType
from typing import Annotated, Any, Final, Literal, NamedTuple, Self, TypeAlias, Union, get_args, get_type_hints

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    create_model,
    model_validator,
)
from pydantic_core import PydanticCustomError

from antiphon import Attachment, Reply, Usage
from antiphon.attachments import KINDS
from antiphon.errors import InvalidValue
from antiphon.reading import read_text
from pytest_templates import faults
from pytest_templates.errors import ScriptError
from pytest_templates.faults import Fault
from pytest_templates.scripting.rules import Condition, Script
from pytest_templates.scripting.steps import Fail, ModelStep, Stream
from pytest_templates.support import yaml_text
from pytest_templates.support.targets import did_you_mean
from pytest_templates.support.text import cut
from pytest_templates.tool_calls import CallTool


def _written(value: JsonValue) -> JsonValue:
    json.dumps(value, allow_nan=False)  # raises where YAML holds what JSON does not have, such as .inf
    return value


_Json: TypeAlias = Annotated[JsonValue, AfterValidator(_written)]


_STRICT: Final = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class _Step(BaseModel, ABC):
    model_config = _STRICT

    prompt: str | None = Field(
        default=None, description="A text to be found in the last message that is sent; where any_order is true alone."
    )

    @abstractmethod
    def step(self) -> ModelStep:
        """The step of a script."""


class AttachedFile(BaseModel):
    """A picture, sound or document of an answer: one of the three, a path from the script's folder or an address."""

    model_config = ConfigDict(extra="forbid", strict=True)

    image: str | None = None
    audio: str | None = None
    document: str | None = None
    media_type: str | None = Field(default=None, description="What it holds; by default what its name says.")
    _attachment: Attachment

    @property
    def attachment(self) -> Attachment:
        """What it is for the program."""
        return self._attachment

    @model_validator(mode="after")
    def _make(self, info: ValidationInfo) -> Self:
        given = {kind: place for kind in KINDS if (place := getattr(self, kind)) is not None}
        if len(given) != 1:
            raise PydanticCustomError("attachment", "one of image, audio and document stands there")
        [(kind, place)] = given.items()
        made = KINDS[kind]
        try:
            if "://" in place or place.startswith("data:"):
                self._attachment = made.from_url(place, self.media_type)
            else:
                self._attachment = made.from_path((info.context or Path()) / place, self.media_type)
        except InvalidValue as error:
            raise PydanticCustomError("attachment", "{reason}", {"reason": str(error)}) from error
        return self


FinishReason: TypeAlias = Literal["stop", "length", "tool_call", "content_filter", "error"]


class _AnswerStep(_Step):
    """A text, and what a provider would tell of an answer."""

    reply: str = Field(default="", description="The text.")
    input_tokens: int = Field(default=0, ge=0)
    output_tokens: int = Field(default=0, ge=0)
    cost: float | None = Field(default=None, ge=0, description="US dollars.")
    served_by: str | None = Field(default=None, description="The name of the model that answered.")
    finish_reason: FinishReason | None = Field(default=None, description="Why it stopped.")
    thinking: str | None = Field(default=None, description="What the model thought before it answered.")
    refusal: str | None = Field(default=None, description="With which words it refused.")
    attachments: list[AttachedFile] = Field(default=[], description="Pictures, sound and documents beside the text.")

    def _answer(self, calls: list[CallTool]) -> ModelStep:
        if calls and self.model_fields_set.isdisjoint(_AnswerStep.model_fields.keys() - {"prompt"}):
            return calls if len(calls) > 1 else calls[0]
        cost = None if self.cost is None else Decimal(str(self.cost))
        usage = Usage(input_tokens=self.input_tokens, output_tokens=self.output_tokens, cost=cost)
        told = self.model_dump(include={"served_by", "finish_reason", "thinking", "refusal"})
        attachments = [one.attachment for one in self.attachments]
        return Reply(self.reply, tool_calls=calls, usage=usage, attachments=attachments, **told)


class ReplyStep(_AnswerStep):
    """What a model says, with what its provider would tell of it."""

    reply: str = Field(description="The text.")

    def step(self) -> ModelStep:
        """The step of a script."""
        return self._answer([])


class ToolStep(_AnswerStep):
    """A model asks for a tool; it may say something beside it."""

    call_tool: str = Field(description="The name of the tool.")
    arguments: dict[str, _Json] = {}

    def step(self) -> ModelStep:
        """The step of a script."""
        return self._answer([CallTool(self.call_tool, **self.arguments)])


class CalledTool(BaseModel):
    """One of several tools that a model asks for in one answer."""

    model_config = _STRICT

    call_tool: str = Field(description="The name of the tool.")
    arguments: dict[str, _Json] = {}

    @model_validator(mode="before")
    @classmethod
    def _check_kind(cls, written: Any) -> Any:
        if not isinstance(written, Mapping):
            raise PydanticCustomError("call", "a call is {call_tool: NAME, arguments: {...}}")
        return written


class ToolsStep(_AnswerStep):
    """A model asks for several tools in one answer; it may say something beside them."""

    call_tools: list[CalledTool] = Field(min_length=1)

    def step(self) -> ModelStep:
        """The step of a script."""
        return self._answer([CallTool(call.call_tool, **call.arguments) for call in self.call_tools])


class StreamStep(_Step):
    """What a model says, in these pieces where the program listens to a stream."""

    stream: list[str]

    def step(self) -> ModelStep:
        """The step of a script."""
        return Stream(*self.stream)


class JsonStep(_Step):
    """What a model says, as JSON: a typed answer."""

    answer: _Json = Field(alias="json")

    def step(self) -> ModelStep:
        """The step of a script."""
        return json.dumps(self.answer, ensure_ascii=False)


class _FaultStep(_Step):
    def step(self) -> ModelStep:
        """The step of a script."""
        given = self.model_dump(exclude_unset=True, exclude={"prompt"})
        make: Callable[..., Fault] = getattr(faults, given.pop("fail"))
        return Fail(make(**given))


def _fault_step(name: str, make: Callable[..., Fault]) -> type[_FaultStep]:
    """The step for a fault: it takes what the function takes that makes the fault."""
    hints = get_type_hints(make, include_extras=True)
    fields: dict[str, Any] = {
        each.name: (hints[each.name], ... if each.default is each.empty else each.default)
        for each in signature(make).parameters.values()
    }
    fields["fail"] = (Literal[name], ...)
    about = (make.__doc__ or "").partition("\n")[0].replace("``", "")
    title = f"{name.title().replace('_', '')}Step"
    return create_model(title, __base__=_FaultStep, __doc__=about, **fields)


_KINDS: Final[dict[str, type[_Step]]] = {
    "reply": ReplyStep, "call_tool": ToolStep, "call_tools": ToolsStep, "stream": StreamStep, "json": JsonStep,
}  # fmt: skip
_FAULTS: Final[dict[str, type[_Step]]] = {
    name: _fault_step(name, make)
    for name, make in sorted(vars(faults).items())
    if isinstance(make, FunctionType) and make.__module__ == faults.__name__ and not name.startswith("_")
}


def _kind_of(written: Mapping[str, Any]) -> str:
    """The key that says what a step is: the last of those that there are, as a reply may stand beside others."""
    return next((name for name in reversed(_KINDS) if name in written), "fail")


def _class_of(written: Any) -> type[_Step] | None:
    if not isinstance(written, Mapping):
        return None
    return _KINDS.get(_kind_of(written)) or _FAULTS.get(str(written.get("fail")))


# Made of as many kinds of steps as there are, which type checkers do not follow.
_ANY_STEP: Final[Any] = Union[(str, *_KINDS.values(), *_FAULTS.values())]
_STEPS: Final[Any] = Annotated[list[_ANY_STEP], Field(min_length=1)]  # pyright: ignore[reportInvalidTypeForm]
_STEP_OR_STEPS: Final[Any] = _ANY_STEP | _STEPS


class _Playing(BaseModel):
    model_config = _STRICT

    times: Annotated[int, Field(ge=1)] | Literal["forever"] = Field(
        default=1, description="How often all of them are played; those that are played forever are never left."
    )
    any_order: bool = Field(default=False, description="Whether each is for a prompt of its own, in whatever order.")
    allow_unused: bool = Field(default=False, description="Whether some may be left when the test ends.")


_REPLIES: Final[Any] = create_model(
    "Replies", __base__=_Playing, __doc__="Replies, and how they are played.", replies=(_STEPS, ...)
)
_FILE_TYPE: Final[Any] = Annotated[dict[str, _STEP_OR_STEPS | _REPLIES], Field(min_length=1)]  # pyright: ignore[reportInvalidTypeForm]
_FILE: Final[TypeAdapter[Any]] = TypeAdapter(_FILE_TYPE)


def schema() -> dict[str, Any]:
    """The JSON schema of script files, for editors."""
    about = {"title": "A script of antiphon's test plugin", "description": "What models say, by template."}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **about, **_FILE.json_schema()}


class NoStep(InvalidValue):
    """An entry of a script file is no step.

    Attributes:
        seen: The value that is wrong.
        inner: The keys and indices that lead to it within the entry.
    """

    def __init__(self, text: str, seen: Any, inner: tuple[str | int, ...] = ()) -> None:
        super().__init__(text)
        self.seen = seen
        self.inner = inner


def step_of(written: Any, folder: Path) -> ModelStep:
    """The step for an entry of a script file.

    Args:
        written: The entry.
        folder: What the paths in it begin from.

    Raises:
        NoStep: The entry is no step; the text says what may stand there.
    """
    if isinstance(written, str):
        return written
    kind = _class_of(written)
    if kind is None:
        raise NoStep(_no_kind(written), written)
    try:
        return kind.model_validate(written, context=folder).step()
    except ValidationError as error:
        first = error.errors()[0]
        raise NoStep(_problem(first, written, kind), first["input"], first["loc"]) from error


def _no_kind(written: Any) -> str:
    if isinstance(written, Mapping) and "fail" in written:
        fault, known = str(written["fail"]), ", ".join(sorted(_FAULTS))
        return f"there is no fault {fault!r} among {known}{did_you_mean(fault, _FAULTS)}"
    if isinstance(written, Mapping) and "replies" in written:
        return f"replies stands directly below the name of the template, not in a list: {_shown(written)}"
    hint = _similar_key(written) if isinstance(written, Mapping) else _in_quotes(written)
    return f"a reply is a text, or a mapping with one of {', '.join(_KINDS)}, fail, not {_shown(written)}{hint}"


def _similar_key(written: Mapping[Any, Any]) -> str:
    """The end of a message: a key that is probably meant by one of a mapping."""
    lists = ("replies", "call_tools", "stream")
    hints = (
        did_you_mean(str(key), lists if isinstance(value, list) else (*_KINDS, "fail", "replies"))
        for key, value in written.items()
    )
    return next(filter(None, hints), "")


def _in_quotes(written: Any) -> str:
    return "; put it in quotes" if isinstance(written, bool | int | float) else ""


_PARTS: Final[dict[str | int, type[BaseModel]]] = {"attachments": AttachedFile, "call_tools": CalledTool}


def _problem(error: Any, written: Mapping[str, Any], kind: type[_Step]) -> str:
    place, given = error["loc"], error["input"]
    where, title = ".".join(map(str, place)), _kind_of(written)
    others = [field.alias or name for name, field in kind.model_fields.items()]
    others = [key for key in others if key not in ("prompt", title)]
    if title == "fail":
        title = f"fail: {written[title]}"
    if error["type"] == "extra_forbidden":
        return _unknown_key(place, title, others)
    if error["type"] == "missing":
        return f"a step with {title} needs {where}"
    if error["type"] == "too_short":
        return f"{where}: at least one stands there"
    hint = ""
    if where == "call_tool" and isinstance(given, list):
        hint = "; several tools of one answer stand in call_tools: [{call_tool: NAME, arguments: {...}}, ...]"
    elif error["type"] == "string_type":
        hint = _in_quotes(given)
    elif error["type"] == "literal_error":
        hint = did_you_mean(str(given), get_args(FinishReason))
    return f"{where}: {_lowered(error['msg'])}, not {_shown(given)}{hint}"


def _lowered(text: str) -> str:
    return f"{text[0].lower()}{text[1:]}"


def _unknown_key(place: tuple[str | int, ...], title: str, others: list[str]) -> str:
    *around, key = map(str, place)
    if around:
        known = list(_PARTS[place[0]].model_fields)
        return f"{'.'.join(around)}: {key} is not known among {', '.join(known)}{did_you_mean(key, known)}"
    if key in _Playing.model_fields:
        return f"{key} is said of an entry, beside replies: {{replies: [...], {key}: ...}}, not of a step with {title}"
    takes = f"takes {', '.join(others)} beside it" if others else "takes nothing beside it"
    return f"{key} is not known: a step with {title} {takes}{did_you_mean(key, others)}"


def _shown(written: Any) -> str:
    return json.dumps(written, ensure_ascii=False, default=str)


def load_script(path: Path, folder: Path | None = None) -> Script:
    """The script in a file.

    Args:
        path: The file.
        folder: The folder of all script files, to look there for one that is not where it is said to be; by default
            that of the file.

    Raises:
        ScriptError: The file cannot be read, or is no script; the text names the file and the line.
    """
    text = _read(path, folder or path.parent)
    try:
        document = yaml_text.load(text)
    except yaml_text.YamlError as error:
        raise ScriptError(f"{path}:{error.line}: the script is no YAML: {error.problem}") from error
    if not isinstance(document, dict) or not document:
        raise ScriptError(f"{path}:1: the script is a mapping from the ids or paths of templates to what models say")
    entries: list[_Entry] = []
    for number, (template, entry) in enumerate(document.items()):
        if not isinstance(template, str):
            word = yaml_text.keys_of(text)[number]
            read = json.dumps(template, default=str)
            problem = f"YAML reads {word} as {read}, which is no text: put the name in quotes"
            raise _fault(path, text, (word,), problem)
        if template in _Playing.model_fields and isinstance(entry, bool | int):
            raise _fault(path, text, (template,), _said_of_file(template, entry))
        if entry == [] or (isinstance(entry, dict) and entry.get("replies") == []):
            raise _fault(path, text, (template,), _NO_ENTRY)
        if isinstance(entry, dict) and "replies" in entry:
            entries += _played_as_said(template, entry, path, text)
        else:
            entries.append(_Entry(Condition(template=template), _loaded(entry, path, text, (template,))))
            _refuse_prompts(entry, path, text, (template,))
    return _script_of(entries, path, text)


class _Entry(NamedTuple):
    """What is said to some calls, step by step, each with its place in the file."""

    condition: Condition
    steps: list[tuple[ModelStep, yaml_text.Place]]
    times: int | None = 1
    allow_unused: bool = False


def _script_of(entries: list[_Entry], path: Path, text: str) -> Script:
    script = Script(f"the script {path.name}", (), is_file=True)
    lines = iter(yaml_text.lines_of(text, [place for entry in entries for _, place in entry.steps]))
    for entry in entries:
        steps = [step for step, _ in entry.steps]
        allow_unused, of_entry = entry.allow_unused, list(islice(lines, len(steps)))
        script.add(entry.condition, steps, entry.times, allow_unused=allow_unused, lines=of_entry)
    return script


def _said_of_file(key: str, value: bool | int) -> str:
    whole = "; for the whole file it is said at the marker: llm_script(..., allow_unused=True)"
    where = f"is said of an entry, beside replies: {{replies: [...], {key}: {json.dumps(value)}}}"
    return where + (whole if key == "allow_unused" else "")


_NO_ENTRY: Final = "names a template, and what the model says to it: at least one reply"


def _loaded(entry: Any, path: Path, text: str, place: yaml_text.Place) -> list[tuple[ModelStep, yaml_text.Place]]:
    """The steps of one reply, or of a list of them, with their places."""
    if not isinstance(entry, list):
        return [(_step(entry, path, text, place), place)]
    places: list[yaml_text.Place] = [(*place, index) for index in range(len(entry))]
    return [(_step(step, path, text, where), where) for step, where in zip(entry, places, strict=True)]


def _played_as_said(template: str, entry: dict[str, Any], path: Path, text: str) -> list[_Entry]:
    """An entry that says how its replies are played; one for each reply where that is in any order."""
    replies = entry["replies"] if isinstance(entry["replies"], list) else [entry["replies"]]
    steps = _loaded(replies, path, text, (template, "replies"))
    try:
        said = _REPLIES.model_validate({**entry, "replies": replies})
    except ValidationError as error:
        first = error.errors()[0]
        where, known = ".".join(map(str, first["loc"][:1])), list(_REPLIES.model_fields)
        hint = did_you_mean(where, known) if first["type"] == "extra_forbidden" else f": {first['msg']}"
        takes = "times (1 or more, or forever), any_order and allow_unused (true or false)"
        problem = f"beside replies stand {takes}, not {where}"
        raise _fault(path, text, (template, *first["loc"][:1]), f"{problem}{hint}") from error
    times = None if said.times == "forever" else said.times
    if not said.any_order:
        _refuse_prompts(replies, path, text, (template, "replies"))
        return [_Entry(Condition(template=template), steps, times, said.allow_unused)]
    prompts = [written.get("prompt") if isinstance(written, Mapping) else None for written in replies]
    entries = [
        _Entry(Condition(template, prompt), [step], times, said.allow_unused)
        for prompt, step in zip(prompts, steps, strict=True)
    ]
    return sorted(entries, key=lambda one: one.condition.prompt is None)  # the rest is for what no prompt fits


def _refuse_prompts(entry: Any, path: Path, text: str, place: tuple[str, ...]) -> None:
    """Refuse a prompt in a reply whose turn comes whatever is asked."""
    for index, written in enumerate(entry if isinstance(entry, list) else [entry]):
        if isinstance(written, Mapping) and "prompt" in written:
            where: tuple[str | int, ...] = (*place, index) if isinstance(entry, list) else place
            wanted = "prompt stands in the replies of an entry with any_order: true; in others each has its turn"
            raise _fault(path, text, (*where, "prompt"), wanted)


def _read(path: Path, folder: Path) -> str:
    try:
        return read_text(path)
    except FileNotFoundError as error:
        raise ScriptError(f"{path}: there is no such script{_others(path, folder)}") from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ScriptError(f"{path}:{line}: the script is not UTF-8") from error
    except OSError as error:
        raise ScriptError(f"{path}: the script cannot be read: {error.strerror or error}") from error


def _others(path: Path, folder: Path) -> str:
    """The end of a message about a file that is not there: those of its name elsewhere, or those beside it."""
    elsewhere = sorted(one.relative_to(folder).as_posix() for one in folder.rglob(escape(path.name)) if one.is_file())
    if elsewhere:
        return f"; did you mean {' or '.join(map(repr, elsewhere))}?"
    beside = sorted(one.name for one in path.parent.glob("*.y*ml"))
    return f"; there is {', '.join(beside)}" if beside else ""


def _step(written: Any, path: Path, text: str, place: tuple[str | int, ...]) -> ModelStep:
    try:
        return step_of(written, path.parent)
    except NoStep as error:
        where = (*place, *error.inner)
        raise _fault(path, text, where, f"{error}{_as_read(error.seen, text, where)}") from error


def _as_read(seen: Any, text: str, place: tuple[str | int, ...]) -> str:
    """The end of a message about a value that YAML reads as true or false, where it is written as another word."""
    word = yaml_text.word_at(text, place) if isinstance(seen, bool) else ""
    return f"; YAML reads {word} as {json.dumps(seen)}" if word not in ("", "true", "false") else ""


def _fault(path: Path, text: str, place: tuple[str | int, ...], problem: str) -> ScriptError:
    line = yaml_text.line_of(text, place)
    return ScriptError(f"{path}:{line}: the entry {cut(repr(place[0]))}: {cut(problem, _MOST_SAID)}")


_MOST_SAID: Final = 2000  # characters of what is wrong: it quotes the file
