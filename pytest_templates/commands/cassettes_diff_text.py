"""What changed in recordings, as plain text and as Markdown for a pull request."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Final

from pytest_templates.cassettes.reading.changes import CassetteChange, ReadCall
from pytest_templates.cassettes.reading.diff import Sides, prompt_difference
from pytest_templates.cassettes.reading.llm import Prompt
from pytest_templates.commands.cassettes_list import NO_MODEL
from pytest_templates.commands.compare import Table, count_difference, dollar_difference, written
from pytest_templates.run.totals import cost_cell
from pytest_templates.support.diff import common_start, text_difference, word_difference
from pytest_templates.support.markdown import MOST_OF_COMMENT, block, details, fitted, lines
from pytest_templates.support.money import money
from pytest_templates.support.text import OUTSIDE, counted, cut, visible

_SIDES: Final = Sides("removed", "added")
_LINES: Final = 6  # of a text that is new or gone
_MOST_LINES: Final = 200  # of a cassette in Markdown
_SAME: Final = "nothing changed: every prompt and every answer is the same"


def as_text(changes: Sequence[CassetteChange], before: str, after: str) -> str:
    """What changed, as plain text for a terminal."""
    told = _told(changes)
    cassettes = ["\n".join([f"{_title(change)}", *(f"  {line}" for line in _lines(change))]) for change in told]
    parts = [f"A  {before}\nB  {after}", *cassettes, *_sums(changes, told)]
    return "\n\n".join(part if isinstance(part, str) else written(part, markdown=False) for part in parts)


def as_markdown(changes: Sequence[CassetteChange], before: str, after: str) -> str:
    """The same as Markdown, no longer than a comment on a pull request may be; nothing in it is markup."""
    told = _told(changes)
    title, *sums = _sums(changes, told)
    parts = [f"### Recorded calls: {title}", lines(f"A  {before}\nB  {after}")]
    parts += [written(part, markdown=True) for part in sums]
    return fitted(parts, [_folded(change) for change in told], MOST_OF_COMMENT, "cassette").rstrip("\n")


def _folded(change: CassetteChange) -> str:
    said = list(_lines(change))
    more = len(said) - _MOST_LINES
    shown = [*said[:_MOST_LINES], *([f"… {counted(more, 'more line')}"] if more > 0 else [])]
    return details(_title(change), *([block("\n".join(map(_as_diff, shown)), "diff")] if shown else []))


def _as_diff(line: str) -> str:
    """A line as GitHub colours it: the sign of what is gone or new stands first."""
    bare = line.lstrip()
    return bare if bare.startswith(("- ", "+ ")) else f"  {line}"


def _told(changes: Sequence[CassetteChange]) -> list[CassetteChange]:
    """The cassettes of which there is something to say."""
    return [
        change
        for change in changes
        if change.changes or change.problem or change.edited or change.before != change.after
    ]


def _title(change: CassetteChange) -> str:
    name = visible(change.name)
    if change.problem:
        return f"{name}: cannot be compared"
    if change.before is None:
        return f"{name}: added, {counted(len(change.new), 'call')}"
    if change.after is None:
        return f"{name}: removed, {counted(len(change.old), 'call')}"
    kinds = Counter(one.kind for one in change.changes)
    counts = [f"{kinds[kind]:,} {kind}" for kind in ("changed", "added", "removed", "moved") if kinds[kind]]
    moved = [] if change.before == change.after else [f"moved from {visible(change.before)}"]
    of_all = f" of {counted(max(len(change.old), len(change.new)), 'call')}" if counts else ""
    return f"{name}: {'; '.join([*moved, *([', '.join(counts) + of_all] if counts else [])])}"


def _lines(change: CassetteChange) -> Iterator[str]:
    if change.problem:
        yield change.problem
    if change.edited:
        yield f"{counted(change.edited, 'call')} not as recorded: `cassettes check` says which, and what to do"
    earlier: dict[bool, ReadCall | None] = {True: None, False: None}  # by whether it is new
    for one in change.changes:
        if one.old is not None and one.new is not None:
            yield from _pair(one.old, one.new)
            continue
        is_new = one.new is not None
        call = one.new or one.old
        assert call is not None  # noqa: S101
        yield from _alone(call, earlier[is_new], "+" if is_new else "-")
        earlier[is_new] = call


def _pair(old: ReadCall, new: ReadCall) -> Iterator[str]:
    if old.read == new.read:
        yield f"moved {_called(new)}: from place {old.place} to {new.place}"
        return
    yield f"changed {_called(new)}"
    if old.template != new.template:
        yield f"  template: {old.template or OUTSIDE} -> {new.template or OUTSIDE}"
    if old.model != new.model:
        yield f"  model: {old.model or NO_MODEL} -> {new.model or NO_MODEL}"
    if old.address != new.address:
        yield from (f"  - {old.address}", f"  + {new.address}")
    yield from (f"  {line}" for line in _request(old, new))
    if old.prompt and new.prompt and old.prompt.messages == new.prompt.messages:
        last = new.prompt.messages[-1]
        yield f"    {last.role}: {cut(' '.join(last.text.split()))}"
    if old.answer != new.answer:
        yield "  answer:"
        yield from (f"    {line}" for line in word_difference(old.answer, new.answer))
    if old.end != new.end:
        yield f"  end: {old.end or 'as usual'} -> {new.end or 'as usual'}"
    yield from _numbers(old, new)


def _request(old: ReadCall, new: ReadCall) -> list[str]:
    if old.prompt is None or new.prompt is None:
        return text_difference(old.body, new.body)
    named = ({"model"} if old.model != new.model else set()) & old.prompt.settings.keys() & new.prompt.settings.keys()
    before, after = (
        Prompt(prompt.messages, {name: value for name, value in prompt.settings.items() if name not in named})
        for prompt in (old.prompt, new.prompt)
    )
    return prompt_difference(before, after, _SIDES)


def _numbers(old: ReadCall, new: ReadCall) -> Iterator[str]:
    before, after = (f"{call.input_tokens:,} in, {call.output_tokens:,} out" for call in (old, new))
    if before != after:
        yield f"  tokens: {before} -> {after}"
    was, now = ("unknown" if call.cost is None else money(call.cost) for call in (old, new))
    if was != now:
        yield f"  cost: {was} -> {now}"


def _alone(call: ReadCall, earlier: ReadCall | None, sign: str) -> Iterator[str]:
    """A call that only one side has; what was said in the call before it is not said again."""
    tokens = f": {call.input_tokens:,} tokens in, {call.output_tokens:,} out"
    cost = "" if not call.cost else f", {money(call.cost)}"
    yield f"{'added' if sign == '+' else 'removed'} {_called(call)}{tokens}{cost}"
    if call.prompt is None:
        yield from _text(sign, f"{call.address}: ", call.body)
    else:
        known = earlier.prompt.messages if earlier and earlier.prompt else ()
        same = common_start(known, call.prompt.messages)
        if same:
            yield f"  {'messages 1 to ' if same > 1 else 'message '}{same}: as in the call before"
        for message in call.prompt.messages[same:]:
            yield from _text(sign, f"{message.role}: ", message.text)
    yield from _text(sign, "=> answer: ", call.answer)
    if call.end:
        yield f"  {sign} end: {call.end}"


def _text(sign: str, title: str, text: str) -> Iterator[str]:
    said = f"{title}{text}".splitlines() or [title]
    yield from (f"  {sign} {cut(line)}" for line in said[:_LINES])
    if len(said) > _LINES:
        yield f"  {sign} … {counted(len(said) - _LINES, 'more line')}"


def _called(call: ReadCall) -> str:
    sample = "" if call.sample == 1 else f", sample {call.sample}"
    return f"{call.template or OUTSIDE}  {call.model or NO_MODEL}{sample}"


def _sums(changes: Sequence[CassetteChange], told: Sequence[CassetteChange]) -> list[str | Table]:
    """What happened in one line, and the numbers of both sides where they say something."""
    same = len(changes) - len(told)
    rewritten = f"{counted(same, 'cassette')} rewritten, in which every prompt and every answer is the same"
    if not told:
        return [f"nothing changed: {rewritten}" if same else _SAME]
    kinds = Counter(map(_kind, told))
    counts = [f"{counted(kinds[kind], 'cassette')} {kind}" for kind in _KINDS if kinds[kind]]
    compared = [change for change in told if not change.problem]
    return [", ".join([*counts, *([rewritten] if same else [])]), *([_totals(compared)] if compared else [])]


_KINDS: Final = ("changed", "added", "removed", "moved", "not readable")


def _kind(change: CassetteChange) -> str:
    if change.problem:
        return "not readable"
    if change.before is None:
        return "added"
    if change.after is None:
        return "removed"
    return "changed" if change.changes else "moved"


def _totals(told: Sequence[CassetteChange]) -> Table:
    """What is recorded in these cassettes, on both sides."""
    a, b = ([call for change in told for call in side(change)] for side in (_old, _new))
    rows: list[Sequence[str]] = [("calls", f"{len(a):,}", f"{len(b):,}", count_difference(len(a), len(b)))]
    for name, tokens in (("tokens in", _input), ("tokens out", _output)):
        was, now = sum(map(tokens, a)), sum(map(tokens, b))
        rows.append((name, f"{was:,}", f"{now:,}", count_difference(was, now)))
    costs = [sum((call.cost for call in side if call.cost), Decimal(0)) for side in (a, b)]
    unpriced = [sum(1 for call in side if call.cost is None) for side in (a, b)]
    cells = [cost_cell(*pair) for pair in zip(costs, unpriced, strict=True)]
    rows.append(("cost", *cells, "unknown" if any(unpriced) else dollar_difference(*costs)))
    return Table(("recorded in these", "A", "B", "difference"), rows, numbers=frozenset({"A", "B", "difference"}))


def _old(change: CassetteChange) -> Sequence[ReadCall]:
    return change.old


def _new(change: CassetteChange) -> Sequence[ReadCall]:
    return change.new


def _input(call: ReadCall) -> int:
    return call.input_tokens


def _output(call: ReadCall) -> int:
    return call.output_tokens
