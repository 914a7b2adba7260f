"""What templates that ask a model do with its answers: typed ones, refused ones, and ones that broke off."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from pydantic import ValidationError

from antiphon.drivers import Step
from antiphon.errors import OutputError, TruncatedAnswer, in_words, naming_template
from antiphon.messages import BROKEN_OFF, Message
from antiphon.model import Model
from antiphon.output import OutputType, is_whole, problems_of, re_ask
from antiphon.parameters import check_count
from antiphon.session import Session
from antiphon.templates.base import Template


def broken_off(message: Message) -> str | None:
    """How an answer ended before its end; ``None`` where it did not."""
    why = BROKEN_OFF.get(message.finish_reason or "")
    return None if why is None else f"{why} (finish reason {message.finish_reason!r})"


class TypedTemplate(Template):
    """Base of the templates whose model may be asked for an answer of a type.

    Attributes:
        output_type: What the answer has to be; ``None`` for any text.
        retries: How often a model whose answer does not fit is told what is wrong, and asked again.
    """

    output_type: Any
    retries: int
    _output: OutputType[Any] | None

    def _expect(self, output_type: Any, retries: int) -> None:
        self.output_type = output_type
        self.retries = check_count(retries, "retries")
        self._output = None if output_type is None else OutputType(output_type)

    def _fitting(self, session: Session, message: Message, *, is_last: bool) -> Generator[Step, Any, Message | None]:
        """The answer with its object; ``None`` where the model was told what is wrong, and is to be asked again.

        Raises:
            OutputError: It was the last attempt, the model refused, or its provider filtered the answer. The answer is
                said before that.
        """
        if self._output is None:
            return message
        fitting, problems = _read(message, self._output)
        if fitting is not None:
            return fitting
        yield self._add(session, message)
        if is_last or message.refusal is not None or message.finish_reason == "content_filter":
            raise self._unfit(message, problems)
        yield self._say(session, re_ask(problems), "user")
        return None

    def _unfit(self, message: Message, problems: str) -> OutputError:
        error = OutputError(
            f"model {message.model!r} was to answer the template at {message.template_path!r} with "
            f"{in_words(self.output_type)}, and said: {message.content!r}\n{problems}",
            answer=message.content,
            problems=problems,
            refusal=message.refusal,
            model=message.model,
            template_path=message.template_path,
        )
        return naming_template(error)


def _read(message: Message, output: OutputType[Any]) -> tuple[Message | None, str]:
    """The answer with its object, or what is wrong with it."""
    if message.refusal is not None:
        return None, f"it refused: {message.refusal}"
    broken = broken_off(message)
    problems = ""
    try:
        parsed = output.parsed(message.content)
    except ValidationError as error:
        problems = problems_of(error)
    else:
        if broken is None or is_whole(message.content):
            return message.with_parsed(parsed), ""
    return None, "\n".join(filter(None, (broken and f"- the answer broke off: {broken}", problems)))


def truncated(message: Message, model: Model) -> TruncatedAnswer:
    """The error for an answer that broke off while it asks for tools."""
    limit = model.settings.max_tokens
    now = f"; max_tokens is {limit}" if message.finish_reason == "length" and limit is not None else ""
    error = TruncatedAnswer(
        f"model {message.model!r} asked the template at {message.template_path!r} for "
        f"{', '.join(call.name for call in message.tool_calls)}, and its answer broke off: {broken_off(message)}. "
        f"No tool was run, for the arguments may be unfinished{now}",
        finish_reason=message.finish_reason,
        answer=message.content,
        message=message,
        model=message.model,
        template_path=message.template_path,
    )
    return naming_template(error)
