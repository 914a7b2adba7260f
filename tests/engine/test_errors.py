"""The family of errors."""

from __future__ import annotations

import pickle
import re
import threading

import pytest

from antiphon import LinearTemplate, Message, Model, Runner, Session, SubroutineTemplate, UserTemplate, errors
from antiphon.errors import (
    AntiphonError,
    AuthenticationError,
    BadAnswer,
    ContextLengthExceeded,
    InvalidConversation,
    MessageLimitExceeded,
    ModelError,
    ModelTimeout,
    RateLimitError,
    RenderingError,
    RunnerNotSet,
    ServerError,
)

FAMILY = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, AntiphonError)]
CALLED = {"model": "m", "template_path": "a/b"}
SESSION = Session(messages=[Message(role="user", content="x")])
MADE = {
    **{
        kind.__name__: kind("text")
        for kind in FAMILY
        if kind not in {RunnerNotSet, MessageLimitExceeded, InvalidConversation}
    },
    "InvalidConversation": InvalidConversation(
        "text", rule="calls-answered", index=3, template_path="a/b", provider="google"
    ),
    "RunnerNotSet": RunnerNotSet(),
    "MessageLimitExceeded": MessageLimitExceeded(SESSION, 3),
    "RenderingError with data": RenderingError("text", where="a/b", source="f.txt", line=3),
    **{f"{kind.__name__} with data": kind("text", **CALLED) for kind in FAMILY if issubclass(kind, ModelError)},
    "RateLimitError with all": RateLimitError("text", retry_after=1.5, **CALLED),
    "ServerError with all": ServerError("text", status=503, **CALLED),
}


@pytest.mark.parametrize("name", MADE)
def test_every_error_survives_pickling_with_its_data(name):
    error = MADE[name]
    error.add_note("in the template at 'a/b'")

    back = pickle.loads(pickle.dumps(error))

    assert type(back) is type(error)
    assert (back.args, str(back)) == (error.args, str(error))
    assert vars(back) == vars(error)


def test_every_class_of_the_family_is_tried():
    assert {type(error) for error in MADE.values()} == set(FAMILY)


class Locked(Model):
    def __init__(self) -> None:
        self.lock = threading.Lock()

    def _send(self, session: Session) -> str:
        return "ok"


def test_the_error_of_a_real_run_survives_pickling_whatever_its_model_holds(play):
    tree = LinearTemplate([UserTemplate("a"), SubroutineTemplate(UserTemplate("b")), UserTemplate("c")])
    with pytest.raises(MessageLimitExceeded) as caught:
        play(Runner(Locked()), template=tree, max_messages=2)

    back = pickle.loads(pickle.dumps(caught.value))

    assert [message.content for message in back.session.messages] == ["a", "b", "c"]
    assert back.max_messages == 2


def drawn() -> dict[str, tuple[str | None, str | None]]:
    """The family as the module's docstring draws it: class -> (parent, other base)."""
    above: list[tuple[int, str]] = []
    family: dict[str, tuple[str | None, str | None]] = {}
    for line in (errors.__doc__ or "").splitlines():
        found = re.match(r"^    (?P<tree>[│├└─ ]*)(?P<name>[A-Z]\w+)(?: \((?P<base>\w+)\))?", line)
        if found:
            while above and above[-1][0] >= len(found["tree"]):
                above.pop()
            family[found["name"]] = (above[-1][1] if above else None, found["base"])
            above.append((len(found["tree"]), found["name"]))
    return family


def test_the_family_drawn_in_the_docstring_is_the_family():
    def bases(kind: type) -> tuple[str | None, str | None]:
        first, *others = (base.__name__ for base in kind.__bases__)
        return (None if kind is AntiphonError else first), (others[0] if others else None)

    assert drawn() == {kind.__name__: bases(kind) for kind in FAMILY}


@pytest.mark.parametrize(
    ("kind", "builtin"),
    [(errors.InvalidType, TypeError), (errors.InvalidValue, ValueError), (RunnerNotSet, ValueError)],
)
def test_errors_about_what_was_given_are_pythons_own_kinds_too(kind, builtin):
    assert issubclass(kind, builtin)


@pytest.mark.parametrize(
    "kind", [RateLimitError, AuthenticationError, ModelTimeout, ServerError, ContextLengthExceeded, BadAnswer]
)
def test_what_goes_wrong_with_a_provider_is_a_model_error(kind):
    error = kind("text", model="m", template_path="a")

    assert isinstance(error, ModelError)
    assert (error.model, error.template_path) == ("m", "a")


def test_a_rate_limit_says_how_long_to_wait_and_a_server_error_its_status():
    assert RateLimitError("x").retry_after is None
    assert RateLimitError("x", retry_after=2.5).retry_after == 2.5
    assert ServerError("x").status is None
    assert ServerError("x", status=502).status == 502
