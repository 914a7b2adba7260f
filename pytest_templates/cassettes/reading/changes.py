"""What changed from one recording to another, as values for people who review it: nothing of ids and times."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from difflib import SequenceMatcher
from hashlib import sha256
from io import BytesIO
from typing import Final, Literal, TypeAlias

from pytest_templates.cassettes.format.bodies import LONGEST
from pytest_templates.cassettes.format.document import Entry, FormatError, entries_from_file
from pytest_templates.cassettes.reading.llm import Answer, Prompt, PromptMessage, answer_of, model_of, readable_prompt
from pytest_templates.cassettes.reading.prices import price_of
from pytest_templates.cassettes.recorded import Interaction
from pytest_templates.support.text import counted

Kind: TypeAlias = Literal["added", "removed", "changed", "moved"]


@dataclass(frozen=True, slots=True)
class ReadCall:
    """A recorded call, as people read it.

    Attributes:
        place: Its place in the cassette, from 1.
        template: The path of the template that asked; ``None`` for a call from outside of templates.
        sample: The sample that it belongs to.
        model: The model that was asked; ``""`` where nothing says it.
        address: Where it was sent, with the method.
        prompt: What was asked; ``None`` where the request is no prompt.
        body: The body of a request that is no prompt.
        answer: What was answered, in words, or the body of a response without recognised words.
        end: How the response ended, where that is not as usual: its status, and who broke it off.
        input_tokens: Tokens sent; 0 where the response does not say.
        output_tokens: Tokens received; 0 where the response does not say.
        cost: US dollars at today's prices; ``None`` where they are not known, 0 for calls of no model.
    """

    place: int
    template: str | None
    sample: int
    model: str
    address: str
    prompt: Prompt | None
    body: str
    answer: str
    end: str
    input_tokens: int
    output_tokens: int
    cost: Decimal | None

    @property
    def asked(self) -> str:
        """Equal for calls that ask the same, and for no others."""
        prompt = None if self.prompt is None else ([*map(_said, self.prompt.messages)], self.prompt.settings)
        return json.dumps([self.template, self.sample, self.model, self.address, prompt, self.body], sort_keys=True)

    @property
    def read(self) -> str:
        """Equal for calls that read the same, and for no others."""
        return json.dumps([self.asked, self.answer, self.end])


@dataclass(frozen=True, slots=True)
class CallChange:
    """What happened to one call.

    Attributes:
        old: The call as it was; ``None`` where it was not there.
        new: The call as it is; ``None`` where it is not there any more.
    """

    old: ReadCall | None
    new: ReadCall | None

    @property
    def kind(self) -> Kind:
        """What happened."""
        if self.old is None:
            return "added"
        if self.new is None:
            return "removed"
        return "moved" if self.old.read == self.new.read else "changed"


def read_calls(interactions: Sequence[Interaction]) -> list[ReadCall]:
    """Interactions as people read them."""
    return [_read(interaction, place) for place, interaction in enumerate(interactions, 1)]


def changes_of(old: Sequence[ReadCall], new: Sequence[ReadCall]) -> list[CallChange]:
    """What changed from one cassette to another, in the order of the new one; what is gone stands last.

    Calls that read the same belong together, then those that ask the same, then those that say the same to whatever
    model, then those of one template by their order.
    """
    before, after = _without_unmoved(old, new)
    found: list[CallChange] = []
    for key in (_read_as, _asked_as, _worded_as, _asked_by):
        found += _paired(before, after, key)
    found += [CallChange(None, call) for call in after]
    found.sort(key=lambda change: change.new.place if change.new else 0)
    return [*found, *(CallChange(call, None) for call in before)]


def _paired(before: list[ReadCall], after: list[ReadCall], key: Callable[[ReadCall], object]) -> list[CallChange]:
    """The calls of two lists that have one key, in their order; they are taken out of the lists."""
    waiting: dict[object, list[ReadCall]] = {}
    for call in before:
        waiting.setdefault(key(call), []).append(call)
    pairs = [(same.pop(0), call) for call in after if (same := waiting.get(key(call)))]
    for was, now in pairs:
        before.remove(was)
        after.remove(now)
    return [CallChange(*pair) for pair in pairs]


def _read_as(call: ReadCall) -> object:
    return call.read


def _asked_as(call: ReadCall) -> object:
    return call.asked


def _worded_as(call: ReadCall) -> object:
    return call.sample, call.body if call.prompt is None else call.prompt.messages


def _asked_by(call: ReadCall) -> object:
    return call.template, call.sample


def _without_unmoved(old: Sequence[ReadCall], new: Sequence[ReadCall]) -> tuple[list[ReadCall], list[ReadCall]]:
    """Both without the calls that read the same, and stand in the same order."""
    opcodes = SequenceMatcher(None, [*map(_read_as, old)], [*map(_read_as, new)], autojunk=False).get_opcodes()
    spans = [(old[i:i_end], new[j:j_end]) for kind, i, i_end, j, j_end in opcodes if kind != "equal"]
    return [call for span, _ in spans for call in span], [call for _, span in spans for call in span]


def _read(interaction: Interaction, place: int) -> ReadCall:
    request, response, model = interaction.request, interaction.response, model_of(interaction)
    is_long = max(len(request.body), len(response.body)) > LONGEST  # reading it takes many times its memory
    prompt = None if is_long else readable_prompt(interaction)
    answer = Answer("", None, None) if is_long else answer_of(response)
    sent, received = answer.input_tokens or 0, answer.output_tokens or 0
    is_counted = answer.input_tokens is not None or answer.output_tokens is not None
    return ReadCall(
        place=place,
        template=interaction.template,
        sample=interaction.sample,
        model=model,
        address=f"{request.method} {request.uri}",
        prompt=prompt,
        body="" if prompt else _text(request.body),
        answer=answer.text or _text(response.body),
        end=_end(interaction),
        input_tokens=sent,
        output_tokens=received,
        cost=price_of(model, sent, received) if is_counted else None if model else Decimal(0),
    )


def _end(interaction: Interaction) -> str:
    status, cut = interaction.response.status, interaction.response.cut
    parts = [f"status {status}"] if status not in {0, 200} else []
    return ", ".join([*parts, *([f"broken off by {cut.by}"] if cut else [])])


def _text(body: bytes) -> str:
    if len(body) <= LONGEST:
        try:
            return body.decode("utf-8")
        except UnicodeDecodeError:
            pass
    return f"{counted(len(body), 'byte')}, sha256 {sha256(body).hexdigest()[:12]}" if body else ""


def _said(message: PromptMessage) -> tuple[str, str]:
    return message.role, message.text


@dataclass(frozen=True, slots=True)
class CassetteChange:
    """What happened to one cassette.

    Attributes:
        before: What it was called; ``None`` where it was not there.
        after: What it is called; ``None`` where it is not there any more.
        old: Its calls as they were.
        new: Its calls as they are.
        changes: What happened to them; nothing where the file alone is another one.
        edited: How many of its calls are not as they were recorded: their checksum is wrong.
        problem: Why it cannot be read; ``""`` where it can.
    """

    before: str | None
    after: str | None
    old: Sequence[ReadCall] = ()
    new: Sequence[ReadCall] = ()
    changes: Sequence[CallChange] = ()
    edited: int = 0
    problem: str = ""

    @property
    def name(self) -> str:
        """What it is called, or was."""
        return self.after or self.before or ""


def cassette_changes(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> list[CassetteChange]:
    """What happened to cassettes, by their names; those that are the same byte for byte are left out.

    Args:
        before: What they held, by what they were called.
        after: What they hold.
    """
    moved = _moved(before, after)
    pairs = [(moved.get(name, name if name in before else None), name) for name in after]
    gone = [(name, None) for name in before if name not in after and name not in moved.values()]
    changed = [
        _cassette_change(was, now, before.get(was or ""), after.get(now or ""))
        for was, now in [*pairs, *gone]
        if was != now or before[was or ""] != after[now or ""]
    ]
    return sorted(changed, key=lambda change: change.name)


_LEAST_SHARED: Final = 0.5  # of the calls of a cassette that was moved
_Told: TypeAlias = "Counter[tuple[str, str]]"


def _moved(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> dict[str, str]:
    """What moved cassettes were called, by what they are called now: those that have half of their calls still."""
    gone = {name: _told(content) for name, content in before.items() if name not in after}
    holders: dict[tuple[str, str], list[str]] = {}
    for name, told in gone.items():
        for call in told:
            holders.setdefault(call, []).append(name)
    moved: dict[str, str] = {}
    for name, content in after.items():
        if name in before or not gone:
            continue
        told = _told(content)
        near = dict.fromkeys(holder for call in told for holder in holders.get(call, ()) if holder in gone)
        shares = {holder: _share(gone[holder], told) for holder in near}
        nearest = max(shares, key=shares.__getitem__, default="")
        if shares.get(nearest, 0) >= _LEAST_SHARED:
            moved[name] = nearest
            del gone[nearest]
    return moved


def _told(content: bytes) -> _Told:
    """What is asked and answered in a cassette, whichever template asks; nothing where it cannot be read."""
    entries, _ = _entries_in(content)
    return Counter((str(_worded_as(call)), call.answer) for call in _calls_in(entries))


def _share(one: _Told, other: _Told) -> float:
    """How much of the larger of two cassettes is in the other one."""
    return (one & other).total() / max(one.total(), other.total(), 1)


def _cassette_change(was: str | None, now: str | None, old: bytes | None, new: bytes | None) -> CassetteChange:
    (before, old_problem), (after, new_problem) = _entries_in(old), _entries_in(new)
    problems = [f"{side}: {problem}" for side, problem in (("before", old_problem), ("after", new_problem)) if problem]
    calls = _calls_in(before), _calls_in(after)
    if problems:
        return CassetteChange(was, now, *calls, problem="; ".join(problems))
    return CassetteChange(was, now, *calls, changes_of(*calls), len([entry for entry in after if entry.problem]))


def _calls_in(entries: Sequence[Entry]) -> list[ReadCall]:
    return read_calls([entry.interaction for entry in entries])


def _entries_in(content: bytes | None) -> tuple[list[Entry], str]:
    """What is in a file, also what was edited there; or why it cannot be read."""
    if content is None:
        return [], ""
    try:
        return entries_from_file(BytesIO(content)), ""
    except FormatError as error:
        return [], f"line {error.line}: the cassette {error}"
    except UnicodeDecodeError:
        return [], "the cassette is not UTF-8"
