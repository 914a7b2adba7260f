"""The errors of the engine: one family, drawn here.

::

    AntiphonError
    ├── InvalidType (TypeError)            something of the wrong kind was given
    ├── InvalidValue (ValueError)          something of the right kind with an impossible value was given
    │   ├── RunnerNotSet                   a template generates, and its session has no runner
    │   └── InvalidConversation            a model would be asked to answer what its provider refuses
    ├── RenderingError                     a template's text cannot be compiled or rendered
    ├── MessageLimitExceeded               a run added more messages than it may, or turns without any
    ├── UserInterfaceMissing               a template asks the user, and there is nobody to ask
    ├── TreeChanged                        a conversation that waited cannot go on: its tree asks for something else
    ├── SavedByNewerVersion                a saved session has a form that this version does not know
    ├── ConnectionNotPossible              a model cannot be connected: an extra or a key is missing
    ├── PackageMissing (ImportError)       a part of the engine needs a package that is not installed
    └── ModelError                         a model was called and gave no usable answer
        ├── RateLimitError                 too many requests; says how long to wait
        ├── AuthenticationError            the key is wrong or may not do this
        ├── ModelTimeout                   no answer in time
        ├── ServerError                    the provider failed
        ├── ContextLengthExceeded          the conversation is longer than the model takes
        ├── BadAnswer                      the answer came, and cannot be used
        │   ├── OutputError                it does not fit the output type, after every re-ask, or is a refusal
        │   └── TruncatedAnswer            it broke off while it asked for tools: none was run
        └── ToolRoundsExceeded             the model asks for tools again and again

Every error can be pickled with its data, so that it survives the way between processes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from antiphon.printing import visible


class AntiphonError(Exception):
    """The root of the family: catches whatever the engine and its test plugin raise on purpose.

    Attributes:
        names_template: Whether the text says in which template it came up; where it does not, a note says so.
    """

    names_template: bool = False

    def __str__(self) -> str:
        """The text; what is hidden in it, such as controls of terminals in what a model said, is written out."""
        return visible(super().__str__(), keep="\n\t")

    def __reduce__(self) -> tuple[Any, ...]:
        """Rebuild from the stored state, not from ``__init__``, whose parameters differ between the errors."""
        return _rebuild, (type(self), self.args, self.__dict__)


def _rebuild(cls: type[AntiphonError], args: tuple[Any, ...], state: dict[str, Any]) -> AntiphonError:
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class InvalidType(AntiphonError, TypeError):
    """Something of the wrong kind was given; the text names what was given and what is accepted."""


class InvalidValue(AntiphonError, ValueError):
    """Something with an impossible value was given; the text names the value and the valid ones."""


class RunnerNotSet(InvalidValue):
    """A template that asks a model was rendered in a session without a runner."""

    def __init__(self) -> None:
        super().__init__("runner is not set")


class InvalidConversation(InvalidValue):
    """A model was to answer a conversation that its provider refuses; it was not asked.

    Attributes:
        rule: The name of the rule that is broken: see ``antiphon.rules``.
        index: Which message breaks it, counted from 0.
        template_path: The path of the template that said this message; ``None`` where none did.
        provider: Whose rules were applied, ``"anthropic"`` for one; ``None`` for those that all providers have.
    """

    def __init__(
        self, text: str, *, rule: str, index: int, template_path: str | None = None, provider: str | None = None
    ) -> None:
        super().__init__(text)
        self.rule = rule
        self.index = index
        self.template_path = template_path
        self.provider = provider


class RenderingError(AntiphonError):
    """A template's text cannot be compiled or rendered.

    Attributes:
        where: The template's path, or its id where it has no path yet; ``None`` when it has neither.
        source: ``"literal"`` or the file's path.
        line: The line in that text, counted from 1; ``None`` where it is not known.
    """

    def __init__(
        self, text: str, *, where: str | None = None, source: str = "literal", line: int | None = None
    ) -> None:
        super().__init__(text)
        self.where = where
        self.source = source
        self.line = line


class MessageLimitExceeded(AntiphonError):
    """A run added more messages than ``max_messages`` allows, or turns in a loop without adding any.

    Attributes:
        session: The session of the run, with every message that was said.
        max_messages: The limit.
    """

    def __init__(self, session: Any, max_messages: int, *, silent_turns: int = 0) -> None:
        reason = f"the run added more than max_messages={max_messages} messages"
        if silent_turns:
            reason = f"a loop turned {silent_turns:,} times in a row and said nothing, with max_messages={max_messages}"
        super().__init__(f"{reason}; the error's .session holds what was said")
        self.session = session
        self.max_messages = max_messages


class UserInterfaceMissing(AntiphonError):
    """A template asks the user, has no default, and the runner has no user interface."""


class TreeChanged(AntiphonError):
    """A conversation that waited cannot go on: driven again with the answers it had, its tree asks for something else.

    Attributes:
        expected: What was asked for at this place, or said there, when the conversation was held.
        found: What is asked for, or said, now.
        template_path: The path of the template where they differ.
    """

    def __init__(self, text: str, *, expected: str = "", found: str = "", template_path: str | None = None) -> None:
        super().__init__(text)
        self.expected = expected
        self.found = found
        self.template_path = template_path


class SavedByNewerVersion(AntiphonError):
    """A saved session has a form that this version does not know.

    Attributes:
        version: The version in the file.
    """

    def __init__(self, text: str, *, version: str = "") -> None:
        super().__init__(text)
        self.version = version


class ConnectionNotPossible(AntiphonError):
    """A model cannot be connected; the text says what to install or to set."""


class PackageMissing(AntiphonError, ImportError):
    """A part of the engine needs a package that is not installed; the text says which extra brings it."""


class ModelError(AntiphonError):
    """A model was called and gave no usable answer.

    Attributes:
        model: The name of the model that was asked, where it is known.
        template_path: The path of the template that asked, where there was one.
    """

    def __init__(self, text: str, *, model: str | None = None, template_path: str | None = None) -> None:
        super().__init__(text)
        self.model = model
        self.template_path = template_path


class RateLimitError(ModelError):
    """The provider refuses because of too many requests.

    Attributes:
        retry_after: Seconds to wait as the provider said, or ``None`` when it did not say.
    """

    def __init__(
        self, text: str, *, retry_after: float | None = None, model: str | None = None, template_path: str | None = None
    ) -> None:
        super().__init__(text, model=model, template_path=template_path)
        self.retry_after = retry_after


class AuthenticationError(ModelError):
    """The provider does not accept the key, or the key may not do what was asked."""


class ModelTimeout(ModelError):
    """No answer came in time."""


class ServerError(ModelError):
    """The provider failed.

    Attributes:
        status: The HTTP status, 500 to 599, or ``None`` when the connection itself failed.
    """

    def __init__(
        self, text: str, *, status: int | None = None, model: str | None = None, template_path: str | None = None
    ) -> None:
        super().__init__(text, model=model, template_path=template_path)
        self.status = status


class ContextLengthExceeded(ModelError):
    """The conversation is longer than the model takes."""


class BadAnswer(ModelError):
    """An answer came that cannot be used; the text shows it."""


class OutputError(BadAnswer):
    """An answer does not fit the output type, after every re-ask; or the model refused to give one.

    Attributes:
        answer: The last answer.
        problems: What was wrong with it, for people and for models.
        refusal: With which words the model refused, as far as it or its provider's content filter said any; ``None``
            where it did not refuse.
    """

    def __init__(
        self,
        text: str,
        *,
        answer: str = "",
        problems: str = "",
        refusal: str | None = None,
        model: str | None = None,
        template_path: str | None = None,
    ) -> None:
        super().__init__(text, model=model, template_path=template_path)
        self.answer = answer
        self.problems = problems
        self.refusal = refusal


class TruncatedAnswer(BadAnswer):
    """An answer that asks for tools broke off: its limit was reached, its content filtered, or the provider failed.

    None of the tools was run, for the arguments may be unfinished.

    Attributes:
        finish_reason: Why the answer ended, as in ``Reply``.
        answer: The text that came with it.
        message: The whole answer. It is not in the session, where its calls would have no results.
    """

    def __init__(
        self,
        text: str,
        *,
        finish_reason: str | None = None,
        answer: str = "",
        message: Any = None,
        model: str | None = None,
        template_path: str | None = None,
    ) -> None:
        super().__init__(text, model=model, template_path=template_path)
        self.finish_reason = finish_reason
        self.answer = answer
        self.message = message


class ToolRoundsExceeded(ModelError):
    """A model asks for tools once more after the last round."""


E = TypeVar("E", bound=AntiphonError)


def naming_template(error: E) -> E:
    """The error, whose text says in which template it came up."""
    error.names_template = True
    return error


def shown(given: Any, wanted: type | tuple[()] = ()) -> str:
    """What was given in place of something else, for an error's text; where its class was, how to make one of it."""
    is_class = isinstance(given, type) and issubclass(given, wanted)
    hint = f"; give an instance: {given.__name__}()" if is_class else ""
    return f"{type(given).__name__}: {in_words(given)}{hint}"


def in_words(value: object, words: Callable[[Any], str] = repr) -> str:
    """What a value says of itself, for an error's text; of one that raises when it is asked, its class."""
    try:
        return words(value)
    except Exception:  # noqa: BLE001 - as a number that is too long to be written does, and objects of a program's
        return f"<{type(value).__qualname__}>"
