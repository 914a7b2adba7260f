"""What changed from one run to another: outcomes, models, prompts, answers, tools, costs and pass rates."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any, Literal, NamedTuple, TypeAlias, TypedDict

from pytest_templates.reporting.conversation import CallStep, Message, MessageStep, SampleStep, TemplateStep, ToolStep
from pytest_templates.reporting.document import Call, Report, Test
from pytest_templates.reporting.page.sums import has_conversations, model_of, pass_rate, rows_by, sum_of, template_of

What: TypeAlias = Literal["prompt", "answer", "model", "tool", "error"]


class Part(TypedDict):
    """A part of a conversation that changed.

    Attributes:
        sample: In which sample; ``None`` for none.
        path: The path of the template that said it; ``""`` outside of templates.
        what: What it is.
        name: What it is called beside that: the role of a message, the name of a tool.
        before: The text in the earlier run; ``None`` where it had none.
        after: The text in the later run.
    """

    sample: int | None
    path: str
    what: What
    name: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class TestChange:
    """A test in two runs.

    Attributes:
        nodeid: Its node id.
        before: The test in the earlier run; ``None`` where it was not there.
        after: The same of the later run.
        parts: What changed in its conversation, in order.
    """

    __test__ = False

    nodeid: str
    before: Test | None
    after: Test | None
    parts: Sequence[Part]

    @property
    def is_one(self) -> bool:
        """Whether anything changed but times."""
        return bool(self.parts) or _result(self.before) != _result(self.after)

    @property
    def failures(self) -> list[str | None]:
        """What pytest printed of its failure in either run; ``None`` where it did not fail."""
        return [None if one is None or one.failure is None else one.failure.text for one in (self.before, self.after)]

    @property
    def has_details(self) -> bool:
        """Whether there is more to show of it than numbers."""
        return bool(self.parts) or (self.is_one and any(self.failures))

    def details(self) -> dict[str, Any]:
        """What the page shows of it when somebody opens it."""
        return {"parts": self.parts, "failures": self.failures}


class _Place(NamedTuple):
    """Where something is said; what is said there is numbered from 0."""

    sample: int | None
    path: str
    what: What
    name: str
    number: int = 0


def changed_tests(before: Report, after: Report) -> list[TestChange]:
    """Every test of two runs, with what changed in it; those of the later run in its order, then the rest."""
    a, b = ({test.nodeid: test for test in report.tests} for report in (before, after))
    return [
        TestChange(nodeid, a.get(nodeid), b.get(nodeid), list(_parts(a.get(nodeid), b.get(nodeid)))) for nodeid in b | a
    ]


def index_of_changes(before: Report, after: Report, tests: Sequence[TestChange]) -> dict[str, Any]:
    """What the page shows of two runs at a glance, and lists."""
    lines = iter(range(len(tests)))
    return {
        "kind": "comparison",
        "title": after.title or before.title,
        "runs": [_run(before), _run(after)],
        "templates": list(_templates(before, after, tests)),
        "prompts": _prompts(tests),
        "has_conversations": [has_conversations(report) for report in (before, after)],
        "tests": [_row(one, next(lines) if one.has_details else None) for one in tests],
    }


def _result(test: Test | None) -> object:
    """What a test brought, without times."""
    if test is None:
        return None
    calls = [(call.template_path, call.model, call.input_tokens, call.output_tokens, call.cost) for call in test.calls]
    return test.outcome, test.samples, calls


def _parts(before: Test | None, after: Test | None) -> Iterator[Part]:
    """The parts that differ, where a test ran in both; in the order of the conversation."""
    if before is None or after is None:
        return
    if (before.messages, before.steps, before.calls) == (after.messages, after.steps, after.calls):
        return
    are_told = all(test.steps or not test.calls for test in (before, after))  # an older report has no conversations
    a, b = (dict(_numbered(_texts(test) if are_told else _models(test.calls))) for test in (before, after))
    for key in _merged(list(a), list(b)):
        old, new = a.get(key), b.get(key)
        if old != new:
            sample, path, what, name, _ = key
            yield {"sample": sample, "path": path, "what": what, "name": name, "before": old, "after": new}


def _merged(a: list[_Place], b: list[_Place]) -> Iterator[_Place]:
    """The keys of both, each once: those of one alone stand where they stood there."""
    if a == b:
        yield from a
        return
    seen: set[_Place] = set()
    for _, i, i_end, j, j_end in SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        for key in (*a[i:i_end], *b[j:j_end]):
            if key not in seen:
                seen.add(key)
                yield key


def _numbered(texts: Iterable[tuple[_Place, str]]) -> Iterator[tuple[_Place, str]]:
    """Whatever a test is compared by, each at a place of its own."""
    numbers: Counter[_Place] = Counter()
    for place, text in texts:
        yield place._replace(number=numbers[place]), text
        numbers[place] += 1


def _texts(test: Test) -> Iterator[tuple[_Place, str]]:
    answered = {step.reply for step in test.steps if isinstance(step, CallStep)}
    for step in test.steps:
        sample, path = _around(test, step.parent)
        if isinstance(step, MessageStep) and step.message not in answered:
            message = test.messages[step.message]
            if message.role != "tool":  # the step of the tool has it, with its arguments
                yield _Place(sample, path, "prompt", message.role), message.content
        elif isinstance(step, CallStep):
            reply = None if step.reply is None else test.messages[step.reply]
            yield from ((_Place(sample, path, what, ""), text) for what, text in _call(test.calls[step.call], reply))
        elif isinstance(step, ToolStep):
            yield _Place(sample, path, "tool", step.tool), f"{_json(step.arguments)}\n→ {step.error or step.result}"


def _call(call: Call, reply: Message | None) -> Iterator[tuple[What, str]]:
    yield "model", call.model
    if reply is not None:
        tools = [f"{one.name} {_json(one.arguments)}" for one in reply.tool_calls]
        yield "answer", "\n".join(filter(None, [reply.content, reply.refusal, *tools]))
    if call.error is not None:
        yield "error", call.error


def _models(calls: Iterable[Call]) -> Iterator[tuple[_Place, str]]:
    """What there is of a run without conversations."""
    return ((_Place(None, call.template_path or "", "model", ""), call.model) for call in calls)


def _around(test: Test, parent: int | None) -> tuple[int | None, str]:
    """The sample and the path of the template around a step."""
    sample, path = None, ""
    while parent is not None:
        step = test.steps[parent]
        if isinstance(step, TemplateStep):
            path = path or step.path
        elif isinstance(step, SampleStep):
            sample = step.number
        parent = step.parent
    return sample, path


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _run(report: Report) -> dict[str, Any]:
    judged = [test for test in report.tests if test.outcome not in {"skipped", "xfailed"}]
    return {
        "title": report.title,
        "started": report.started,
        "seconds": report.seconds,
        "outcomes": Counter(test.outcome for test in report.tests),
        "tests": len(report.tests),
        "pass_rate": sum(test.outcome in {"passed", "xpassed"} for test in judged) / len(judged) if judged else None,
        "sum": sum_of(report.calls),
    }


def _templates(before: Report, after: Report, tests: Sequence[TestChange]) -> Iterator[dict[str, Any]]:
    """A row for each template that asked a model, with its sums in both runs and in how many tests what changed."""
    a, b = ({row["name"]: row for row in rows_by(run.calls, template_of, model_of)} for run in (before, after))
    changed: Counter[tuple[str, What]] = Counter()
    for test in tests:
        ids = {
            call.template_path or "": call.template_id for one in (test.before, test.after) if one for call in one.calls
        }
        changed.update({(ids[part["path"]], part["what"]) for part in test.parts if part["path"] in ids})
    for name in a | b:
        yield {
            "name": name,
            "runs": [a.get(name), b.get(name)],
            "answers": changed[name, "answer"],
        }


def _prompts(tests: Sequence[TestChange]) -> list[dict[str, Any]]:
    """The templates whose prompts changed, those of most tests first; of each the change that most tests have."""
    found: dict[str, dict[tuple[str | None, str | None], set[int]]] = {}
    for number, test in enumerate(tests):
        for part in test.parts:
            if part["what"] == "prompt":
                texts = found.setdefault(part["path"], {})
                texts.setdefault((part["before"], part["after"]), set()).add(number)
    rows = [_prompt(path, texts) for path, texts in found.items()]
    return sorted(rows, key=lambda row: -row["tests"])


def _prompt(path: str, texts: Mapping[tuple[str | None, str | None], set[int]]) -> dict[str, Any]:
    (before, after), numbers = max(texts.items(), key=lambda item: len(item[1]))
    return {
        "path": path,
        "before": before,
        "after": after,
        "test": min(numbers),
        "tests": len(set().union(*texts.values())),
        "texts": len(texts),
    }


def _row(one: TestChange, line: int | None) -> dict[str, Any]:
    runs = (one.before, one.after)
    kinds: Mapping[str, int] = Counter(part["what"] for part in one.parts)
    return {
        "nodeid": one.nodeid,
        "outcomes": [None if test is None else test.outcome for test in runs],
        "sums": [None if test is None else sum_of(test.calls) for test in runs],
        "pass_rates": [None if test is None else pass_rate(test) for test in runs],
        "failures": [None if test is None or test.failure is None else test.failure.message for test in runs],
        "parts": dict(kinds),
        "line": line,
        "is_changed": one.is_one,
    }
