"""Maps the errors of a call of a real model, pydantic-ai's, to those of the engine."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic_ai import exceptions as theirs

from antiphon import errors as ours
from antiphon.providers.addresses import Address, why_not_reached

MISREAD = (ValueError, TypeError, LookupError, AttributeError, AssertionError)
"""What client libraries raise, unwrapped, over answers of a shape that they do not expect."""

FAILURES = (theirs.AgentRunError, theirs.UserError, theirs.FallbackExceptionGroup, *MISREAD)
"""What is raised where a call fails."""

_TOO_MANY_REQUESTS = 429

# There is no error code for it, or not everywhere: llama.cpp's server, Anthropic, Google, OpenAI's two protocols, vLLM,
# SGLang, LM Studio, xAI, and gateways before them. All were seen in reports of users.
_TOO_LONG = re.compile(
    r"""
    exceed_context_size_error | context_length_exceeded
    | exceeds?\ the\ available\ context\ size | context\ size\ has\ been\ exceeded
    | prompt\ is\ too\ long | exceeds?\ context\ limit
    | input\ token\ count\b.*\bexceeds | exceeds\ the\ maximum\ number\ of\ tokens
    | exceeds\ the\ context\ window | maximum\ context\ length | longer\ than\ the\ model's\ context\ length
    | greater\ than\ the\ context\ length | maximum\ prompt\ length\ is | exceeds\ the\ maximum\ allowed\ input\ length
    """,
    re.VERBOSE | re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Asked:
    """Which template asked which model.

    Attributes:
        model: The name of the model.
        template_path: The template that asked it, where there was one.
        address: Where the model is reached, where that is known.
    """

    model: str
    template_path: str | None = None
    address: Address | None = None

    def __str__(self) -> str:
        return f"model {self.model!r}" + (f", asked by {self.template_path!r}" if self.template_path else "")


def to_ours(error: BaseException, asked: Asked) -> ours.AntiphonError:
    """The engine's error for one of ``FAILURES``."""
    mapped = _mapped(error, asked)
    return ours.naming_template(mapped) if asked.template_path else mapped


def _mapped(error: BaseException, asked: Asked) -> ours.AntiphonError:
    text = f"{asked}: {error}"
    where: dict[str, Any] = {"model": asked.model, "template_path": asked.template_path}
    status = getattr(error, "status_code", None)
    match error:
        case theirs.FallbackExceptionGroup():
            return _none_answered(error, asked)
        case theirs.ModelRateLimitError():
            return ours.RateLimitError(text, retry_after=error.retry_after, **where)
        case theirs.ModelQuotaExceededError() if status == _TOO_MANY_REQUESTS:
            return ours.RateLimitError(text, retry_after=error.retry_after, **where)
        case theirs.ModelAuthenticationError():
            return ours.AuthenticationError(text, **where)
        case theirs.ModelAPIError() if _is_too_long(error):
            return ours.ContextLengthExceeded(text, **where)
        case theirs.ModelTimeoutError():
            return ours.ModelTimeout(f"{asked}: {why_not_reached(error, asked.address)}", **where)
        case theirs.ModelRequestTimeout():
            return ours.ModelTimeout(text, **where)
        case theirs.ModelConnectionError():
            return ours.ServerError(f"{asked}: {why_not_reached(error, asked.address)}", status=status, **where)
        case theirs.ModelServerError() | theirs.ModelUnavailableError():
            return ours.ServerError(text, status=status, **where)
    return _unusable(error, text, where)


def _unusable(error: BaseException, text: str, where: dict[str, Any]) -> ours.AntiphonError:
    match error:
        case theirs.UnexpectedModelBehavior():
            return ours.BadAnswer(text, **where)
        case theirs.ModelAPIError() if type(error) is theirs.ModelAPIError and not error.in_stream:
            return ours.BadAnswer(text, **where)  # of no category: the response could not be decoded
        case _ if isinstance(error, MISREAD):
            return ours.BadAnswer(f"{text} ({type(error).__name__}, while the answer was read)", **where)
    return ours.ModelError(text, **where)


def _none_answered(error: theirs.FallbackExceptionGroup, asked: Asked) -> ours.AntiphonError:
    """The error of a model that holds others, all of which failed: of the last one's kind, with what each said."""
    mapped = [to_ours(one, Asked(asked.model, asked.template_path)) for one in error.exceptions]
    last = mapped[-1]
    said = "\n".join(f"  {getattr(one, 'model_name', '')}: {one}" for one in error.exceptions)
    last.args = (f"{asked}: none of its models answered\n{said}",)
    return last


def _is_too_long(error: theirs.ModelAPIError) -> bool:
    return isinstance(error, theirs.ModelContextWindowExceededError) or any(map(_TOO_LONG.search, _said(error)))


def _said(error: theirs.ModelAPIError) -> Iterator[str]:
    """The codes and the message of a refusal; not all of its body, which may hold the prompt."""
    yield from (text for text in (error.provider_error_code, error.provider_error_type) if text)
    body = error.body
    refusal = body.get("error", body) if isinstance(body, Mapping) else body
    if isinstance(refusal, Mapping):
        yield from (str(refusal[name]) for name in ("code", "type", "message") if name in refusal)
    elif refusal is not None:
        yield str(refusal)


def wrapped_error(error: BaseException | None) -> ours.AntiphonError | None:
    """An error of the engine's family that a client library wrapped on its way; ``None`` where there is none."""
    waiting, seen = [error], set[int]()
    while waiting:
        one = waiting.pop()
        if isinstance(one, ours.AntiphonError):
            return one
        if one is not None and id(one) not in seen:
            seen.add(id(one))
            waiting += [one.__cause__ or one.__context__, *getattr(one, "exceptions", ())]
    return None
