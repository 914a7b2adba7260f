"""The errors of the test plugin, members of the engine's family.

Those marked * are verdicts on what a test asserts, and `AssertionError` as well.

::

    AntiphonError
    └── TestingError
        ├── UnscriptedCall *       a scripted model or user was asked and had no answer left
        ├── GenerationError        a scripted model could not generate an answer that fits
        ├── ConversationOver       a simulated user was asked again after it had left
        ├── UnusedSteps *          a script, faults or overrides were left over when their test ended
        ├── ScriptError            a script file cannot be read
        ├── ReportError            a report of an earlier run cannot be read
        ├── LockError              templates.lock cannot be read or written
        ├── SurveyError            a command cannot find out which tests and cassettes there are
        ├── GitError               git is not there, or cannot do what a command asks of it
        ├── UnknownName            no cassette has the name that a command was given, or several have
        ├── HookError              a hook of the project failed, or returned what it may not
        ├── CassetteError          a cassette cannot be read or written
        │   ├── CassetteMiss       a request has no recording, and recording is off
        │   └── NotReplayable      a test went otherwise when it was played from what it had just recorded
        ├── IsolationViolation *   a subroutine changed its parent
        ├── NotDeterministic       a test asked its models something else when it was run again
        ├── BudgetExceeded *       a test spent more than its budget
        ├── PassRateMissed *       too few samples of a test passed
        └── LiveCallRefused        a real model was about to be called by a test that did not ask for it
            └── NetworkRefused     a test with a cassette reached for a host by what no cassette catches
"""

from __future__ import annotations

from typing import ClassVar

from antiphon.errors import AntiphonError


class TestingError(AntiphonError):
    """The root of the plugin's errors.

    Attributes:
        fails_expected_failures: What went wrong, in words, where such an error fails a test also if it is marked
            ``xfail``, as it says nothing of the program; ``""`` for errors that may be expected.
    """

    __test__ = False  # pytest collects classes called Test…; this is none
    fails_expected_failures: ClassVar[str] = ""


class UnscriptedCall(TestingError, AssertionError):
    """A scripted model or user was asked and its script had nothing for it."""

    names_template = True


class GenerationError(TestingError):
    """A scripted model had to generate an answer, and found none that fits the output type."""


class ConversationOver(TestingError):
    """A simulated user was asked again after it had left; the text says whether its goal was reached."""

    names_template = True


class UnusedSteps(TestingError, AssertionError):
    """A script still held steps, faults or overrides had no effect, when their test or their block ended."""


class ScriptError(TestingError):
    """A script file cannot be read; the text names the file and, where there is one, the line."""


class ReportError(TestingError):
    """A report of an earlier run cannot be read; the text names the file."""


class LockError(TestingError):
    """The file templates.lock cannot be read or written; the text names the file, and what to do."""


class SurveyError(TestingError):
    """A command cannot find out which tests there are: pytest does not start, or a folder is not there."""


class GitError(TestingError):
    """Git is not there, or cannot do what a command asks of it; the text says what git says."""


class UnknownName(TestingError):
    """No cassette has the name that a command was given, or several have; the text offers close ones."""


class HookError(TestingError):
    """A hook of the project failed, or returned what it may not; the text names its plugin or file."""


class CassetteError(TestingError):
    """A cassette cannot be read or written; the text names the file and, where there is one, the line."""


class CassetteMiss(CassetteError):
    """A request has no recording, and the record mode does not allow making one.

    Attributes:
        reason: ``"no-cassette"``, ``"no-match"``, ``"already-played"``, ``"no-sample"`` where nothing of a sample was
            recorded, or ``"left-early"`` for a stream that is read further than it was when it was recorded.
        template_path: The path of the template that asked; ``None`` for a call from outside a template.
    """

    names_template = True
    fails_expected_failures = "a missing recording"

    def __init__(self, text: str, *, reason: str, template_path: str | None = None) -> None:
        super().__init__(text)
        self.reason = reason
        self.template_path = template_path


class NotReplayable(CassetteError):
    """A test went otherwise when it was played from what it had just recorded; the recording is not written."""

    fails_expected_failures = "a recording that does not replay"


class IsolationViolation(TestingError, AssertionError):
    """A subroutine changed its parent.

    Attributes:
        template_path: The path of the subroutine, iterations included; ``None`` where that is not known.
    """

    names_template = True

    def __init__(self, text: str, *, template_path: str | None = None) -> None:
        super().__init__(text)
        self.template_path = template_path


class NotDeterministic(TestingError):
    """A test asked its models something else when it was run again, or did not pass again.

    Attributes:
        template_path: The path of the template whose prompt was not the same; ``None`` for code outside of templates,
            and where the prompts were the same.
    """

    def __init__(self, text: str, *, template_path: str | None = None) -> None:
        super().__init__(text)
        self.template_path = template_path


class BudgetExceeded(TestingError, AssertionError):
    """A test spent more than its budget, or was about to; the text says how much, and by which templates."""


class PassRateMissed(TestingError, AssertionError):
    """Too few samples of a test passed; the text says which failed, and why."""


class LiveCallRefused(TestingError):
    """A real model was about to be called by a test that did not ask for it."""

    names_template = True
    fails_expected_failures = "a refused call of a real model"


class NetworkRefused(LiveCallRefused):
    """A test with a cassette reached for a host by what can be neither recorded nor replayed.

    Attributes:
        host: The host's name or address, with its port where one was given: ``"api.openai.com:443"``; the path of a
            Unix socket; ``""`` where it is not known.
    """

    names_template = False
    fails_expected_failures = "reaching for a host"

    def __init__(self, text: str, *, host: str) -> None:
        super().__init__(text)
        self.host = host
