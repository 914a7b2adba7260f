"""What models did in a run, as a file: what ``--templates-json`` writes and ``compare`` reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self, TypeAlias, cast

from pydantic import Field, ValidationError, model_validator

from antiphon.reading import read_text
from antiphon.trace import ChosenBy
from pytest_templates.errors import ReportError
from pytest_templates.reporting.conversation import Attached, Failure, Message, Step, check_steps
from pytest_templates.reporting.values import Count, Dollars, Rate, Seconds, Value
from pytest_templates.run.call_rows import CallRow, Source, SourceOfTest
from pytest_templates.run.totals import sum_of
from pytest_templates.support import json_text
from pytest_templates.support.files import atomic_write

VERSION: Final = 1


Outcome: TypeAlias = Literal["passed", "failed", "error", "skipped", "xfailed", "xpassed"]
PictureType: TypeAlias = Literal["image/png", "image/jpeg", "image/gif", "image/webp"]
Digest: TypeAlias = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class CallAttachment(Attached):
    """An image, an audio or a document of a call, without its content.

    Attributes:
        message: Which of the messages that were sent holds it, from 0; ``null`` for the answer.
        kind: What it is.
        media_type: As in ``Attached``.
        digest: As in ``Attached``.
        size: As in ``Attached``.
    """

    message: Count | None


class Call(Value):
    """A call of a model.

    Attributes:
        template_id: The id of the template that asked; for one without an id its path without iterations; ``""`` for a
            call from outside of templates.
        template_path: Where in the tree that was, iterations included; ``null`` for a call from outside of templates.
        model: The name of the model that answered.
        served_by: The name that the provider reported, where it did.
        chosen_by: Whose choice the model was, as in ``ModelCall``.
        input_tokens: Tokens sent; 0 where the provider did not say.
        output_tokens: Tokens received; 0 where the provider did not say.
        cost: US dollars, as text, so that it stays exact; ``null`` where the cost is not known.
        unpriced: Whether it has a price that is not known: it was a real model's.
        seconds: How long it took; in a replay, how long the replay took.
        source: Where the answer came from: a script, a cassette, a model that was recorded just now, the model, a
            double within its client, or a cache of the program.
        error: What it raised; ``null`` when it did not, and where the program left the stream of the answer early.
        attachments: What was sent beside text, and answered.
        inner: The names of the models that the model asked while it answered, in order.
        fault: The fault that a script or ``llm_faults`` put in place of the answer, or into it; ``null`` for none.
        waited: How many seconds were waited between attempts, those of ``inner`` included. Where a double, a fault or a
            recording answered, they passed in virtual time, and are not in ``seconds``.
    """

    template_id: str
    template_path: str | None
    model: str
    served_by: str | None
    chosen_by: ChosenBy
    input_tokens: Count
    output_tokens: Count
    cost: Dollars | None
    unpriced: bool
    seconds: Seconds
    source: Source
    error: str | None
    attachments: tuple[CallAttachment, ...] = ()
    inner: tuple[str, ...] = ()
    fault: str | None = None
    waited: Seconds = 0.0

    @cached_property  # a page adds up each call five times
    def row(self) -> CallRow:
        """The call as rooms pass it on."""
        return cast("CallRow", self.model_dump())


class Isolation(Value):
    """What the isolation guard saw.

    Attributes:
        subroutines: How many subroutines it checked, 1 or more.
        violations: What each violation changed.
    """

    subroutines: Count
    violations: tuple[str, ...]


class FailedSample(Value):
    """A sample that failed.

    Attributes:
        sample: Its number, from 1.
        why: The error with its place, in a line.
    """

    sample: Count
    why: str


class Samples(Value):
    """The samples of a test, in its last attempt.

    Attributes:
        count: How many there were.
        passed: How many passed.
        pass_rate: How many of them have to pass, from 0 to 1.
        low: The least true rate that is to be expected, from 0 to 1: the lower bound of a 95% confidence interval.
        high: The upper bound.
        failed: Those that failed.
    """

    count: Annotated[int, Field(ge=1, le=10**30)]
    passed: Count
    pass_rate: Rate
    low: Rate
    high: Rate
    failed: tuple[FailedSample, ...]


class SharedCassette(Value):
    """What a test that has passed left of a cassette that others may share.

    Attributes:
        file: The cassette, relative to the root directory; a URL where it lies behind one.
        unplayed: The recordings that were there and that the test did not play, each by a digest of what it holds.
    """

    file: str
    unplayed: tuple[str, ...]


class Test(Value):
    """A test that has ended.

    Attributes:
        nodeid: Its node id.
        outcome: Its outcome in the last attempt; ``"error"`` if its set-up or its teardown failed.
        source: Where the answers came from; ``"mixed"`` if it was not the same for all, ``null`` if there were none.
        calls: The calls of models, of every attempt.
        isolation: What the isolation guard saw; ``null`` if no subroutine was checked.
        samples: How its samples went; ``null`` if it was not run in samples, or not all of them were.
        seconds: How long its last attempt took, set-up and tear-down included.
        file: The file that it stands in, relative to the root directory; ``""`` where that is not known.
        line: The line, from 1; 0 where that is not known.
        worker: The worker of pytest-xdist that ran it, such as ``"gw0"``; ``null`` without one.
        failure: Why its last attempt failed; ``null`` where it did not, or was expected to.
        messages: What was said in the last attempt: each message once, in the order in which it was said or first
            sent.
        steps: The conversations of the last attempt as a tree, in the order in which the steps began.
        shared_cassette: What it left of its cassette, where that has a name of its own and the test has passed.
    """

    __test__ = False  # pytest collects classes called Test…; this is none

    nodeid: str
    outcome: Outcome
    source: SourceOfTest | None
    calls: tuple[Call, ...]
    isolation: Isolation | None
    samples: Samples | None = None
    seconds: Seconds = 0.0
    file: str = ""
    line: Count = 0
    worker: str | None = None
    failure: Failure | None = None
    messages: tuple[Message, ...] = ()
    steps: tuple[Step, ...] = ()
    shared_cassette: SharedCassette | None = None

    @model_validator(mode="after")
    def _check_places(self) -> Self:
        check_steps(self.steps, messages=len(self.messages), calls=len(self.calls))
        step = None if self.failure is None else self.failure.step
        if step is not None and step >= len(self.steps):
            raise ValueError(f"the test failed at step {step}, and there are {len(self.steps)}")
        return self


class Reach(Value):
    """A template, or a branch of one, and whether a test reached it.

    Attributes:
        file: The file in which the template was built, relative to the root directory; ``""`` where that is not known.
        line: The line, from 1; 0 where that is not known.
        path: The template's path, without iterations.
        kind: The template's kind.
        what: ``""`` for the template itself; else the branch, such as ``"true"``, ``"many turns"``, ``"tool weather"``.
        reached: Whether a test reached it.
    """

    file: str
    line: Count
    path: str
    kind: str
    what: str
    reached: bool


class Totals(Value):
    """The calls of all tests, added up.

    Attributes:
        calls: How many.
        input_tokens: Tokens sent.
        output_tokens: Tokens received.
        cost: US dollars, as text, of the calls whose cost is known.
    """

    calls: Count
    input_tokens: Count
    output_tokens: Count
    cost: Dollars


class Picture(Value):
    """The content of a picture that messages attach.

    Attributes:
        media_type: What it is.
        content: Its bytes, in base64.
    """

    media_type: PictureType
    content: Annotated[str, Field(pattern=r"^[A-Za-z0-9+/]*={0,2}$")]


class RunError(Value):
    """What went wrong outside of tests, so that the run failed without one that did.

    Attributes:
        where: The node id of what could not be collected; ``""`` for pytest itself.
        text: What pytest printed of it; its first 100,000 characters.
        message: The error in a line.
    """

    where: str
    text: str
    message: str


class Stale(Value):
    """A file that a change of templates made stale.

    Attributes:
        what: What the file is.
        path: The file, relative to the root directory.
        why: The templates that changed, in words.
        cost: What recording it again costs, in words; ``null`` where that is not known, or nothing.
    """

    what: Literal["cassette", "snapshot"]
    path: str
    why: str
    cost: str | None = None


class Report(Value):
    """A run.

    Attributes:
        version: Of this format.
        totals: The calls of all tests, added up.
        seconds: How long the run took, from its start to the end of its last test.
        tests: The tests, in the order in which they ended.
        coverage: What there was to render, by file and line; ``null`` without ``--templates-coverage``.
        title: What was tested: the name of the root directory.
        started: When the run began, in UTC, as ISO 8601 has it; ``""`` where that is not known.
        exit_status: With which status pytest ended; ``null`` where that is not known.
        stale: What a change of templates made stale; ``null`` without ``--templates-lock``.
        pictures: The pictures that messages attach, by their digests; those of more than a million bytes are left out.
        errors: What went wrong outside of tests: what could not be collected, and errors within pytest.
    """

    version: Literal[1]
    totals: Totals
    seconds: Seconds
    tests: tuple[Test, ...]
    coverage: tuple[Reach, ...] | None = None
    title: str = ""
    started: str = ""
    exit_status: int | None = None
    stale: tuple[Stale, ...] | None = None
    pictures: dict[Digest, Picture] = Field(default_factory=dict)
    errors: tuple[RunError, ...] = ()

    @property
    def calls(self) -> list[Call]:
        """The calls of all tests."""
        return [call for test in self.tests for call in test.calls]

    @property
    def rows(self) -> list[CallRow]:
        """The same as rooms pass them on."""
        return [call.row for call in self.calls]


def report_of(tests: Iterable[Test], seconds: float, facts: Mapping[str, Any]) -> Report:
    """The report of a run.

    Args:
        tests: Those that have ended.
        seconds: How long it took.
        facts: Further fields.
    """
    ended = tuple(tests)
    calls = sum_of(call.row for test in ended for call in test.calls)
    totals = Totals(
        calls=calls.calls, input_tokens=calls.input_tokens, output_tokens=calls.output_tokens, cost=calls.cost
    )
    return Report.model_validate({**facts, "version": VERSION, "totals": totals, "seconds": seconds, "tests": ended})


def write(report: Report, path: Path) -> None:
    """Write a report, wholly or not at all: a line for each test, without blanks, as there may be ten thousand.

    Raises:
        OSError: The file system refuses; an older file stays as it is.
    """
    run = report.model_copy(update={"tests": ()}).model_dump_json()
    before, after = run.split(_NO_TESTS)  # which stands nowhere else: quotes within texts are escaped
    tests = ",\n".join(test.model_dump_json() for test in report.tests)
    atomic_write(path, f'{before}"tests":[\n{tests}\n]{after}\n')


_NO_TESTS: Final = '"tests":[]'


def read(path: Path) -> Report:
    """The report in a file.

    Raises:
        ReportError: There is no such file, or it holds no report of a version that is known here.
    """
    try:
        text = read_text(path)
        document = json_text.load(text)
    except OSError as error:
        raise ReportError(f"{path}: the report cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise ReportError(f"{path} is no report of --templates-json: {error}") from error
    version = document.get("version") if isinstance(document, dict) else None
    if isinstance(version, int) and version > VERSION:
        raise ReportError(f"{path} has version {version}, and {VERSION} is the newest known here: update antiphon")
    try:
        return Report.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the document"
        raise ReportError(f"{path} is no report of --templates-json: {where}: {first['msg']}") from error
