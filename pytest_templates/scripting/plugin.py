"""Scripted models and users in tests: their fixtures, ``llm_faults``, and the marker ``llm_script``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, cast

import pytest

from pytest_templates.run.attempt import Attempt
from pytest_templates.run.calls import CallSource
from pytest_templates.run.features import hookimpl, join
from pytest_templates.run.markers import Marker
from pytest_templates.run.options import Option, Options
from pytest_templates.scripting.likeness import Like, check_like
from pytest_templates.support.environment import require_packages
from pytest_templates.support.files import refuse_unportable

if TYPE_CHECKING:
    from antiphon import ModelCall
    from pytest_templates.scripting.fault_injection import Faults
    from pytest_templates.scripting.model import ScriptedModel
    from pytest_templates.scripting.rules import Script
    from pytest_templates.scripting.user import ScriptedUser

FIXTURES = Option[Path](
    ini="templates_fixtures",
    default="fixtures",
    help="where script files lie",
    read=lambda value, config: config.rootpath / value,
)


def _read_like(value: str, config: pytest.Config) -> Like | None:
    del config
    check_like(value or None)
    return cast("Like | None", value or None)


LIKE = Option["Like | None"](
    ini="templates_like",
    default="",
    help="whose rules hold for scripted models that do not say it themselves: openai, anthropic or google",
    read=_read_like,
)
OPTIONS = Options(FIXTURES, LIKE)

_FILE: Final = re.compile(r"(?!.*(^|/)\.+(/|$))[^/\\:]+(/[^/\\:]+)*\.ya?ml")


class Scripted(NamedTuple):
    """What ``llm_script`` says.

    Attributes:
        path: The script's file, below the folder of the fixtures.
        like: Whose rules hold for the test's scripted models.
    """

    path: str
    like: Like | None


def llm_script(path: str, *, like: Like | None = None) -> Scripted:
    """Let scripted models without steps of their own play the script in a file below fixtures/, like a provider's."""
    if not isinstance(path, str) or not _FILE.fullmatch(path):  # type: ignore[redundant-expr]
        raise ValueError(f"path is that of a .yaml file below the folder of the fixtures, not {path!r}")
    check_like(like)
    return Scripted(path, like)


MARKER = Marker(llm_script)


class Consumable(Protocol):
    """A script, or faults, of which a test may leave nothing unused."""

    @property
    def remaining(self) -> int:
        """How much is left."""
        ...

    @property
    def unused(self) -> str:
        """What is left, in words."""
        ...


class Scripts:
    """What is scripted in one attempt of a test.

    Attributes:
        file: The script file that models without steps of their own play; ``None`` where there is none.
        like: Whose rules hold for models that do not say it themselves.
        consumables: What must not be left unused: the scripts of models and users, faults.
    """

    def __init__(self) -> None:
        self.file: Script | None = None
        self.like: Like | None = None
        self.consumables: list[Consumable] = []


_SCRIPTS: Final = pytest.StashKey[Scripts]()


@pytest.fixture
def scripted_model(_llm_attempt: Attempt) -> Callable[..., ScriptedModel]:
    """Makes models that play a script: ``scripted_model("first", "second", name="small")``.

    Each call of such a model takes the next step; one call too many fails the test, also where the program swallows the
    error, and so do steps that are left at teardown, unless the model was made with ``allow_unused=True``. In a test
    marked ``llm_script``, models without steps play from its file. With ``generate=True`` a model makes up what its
    script has nothing for, where tools or an object of a type are asked for.

    A conversation that every provider refuses, such as a call of a tool without its result, fails the test as well;
    with ``like="openai"``, ``"anthropic"`` or ``"google"`` also one that this provider refuses.
    """
    from pytest_templates.scripting.model import ScriptedModel

    scripts = _scripts_of(_llm_attempt)

    def make(
        *steps: Any,
        name: str = "scripted",
        allow_unused: bool = False,
        generate: bool = False,
        like: Like | None = None,
    ) -> ScriptedModel:
        if generate:
            require_packages("generate=True", "rstr")
        script = None if steps else scripts.file
        complain = _llm_attempt.failures.append
        model = ScriptedModel(
            *steps, name=name, script=script, generate=generate, like=like or scripts.like, complain=complain
        )
        model.attempt = _llm_attempt
        if not allow_unused and script is None:
            scripts.consumables.append(model)
        return model

    return make


@pytest.fixture
def scripted_user(_llm_attempt: Attempt) -> Callable[..., ScriptedUser]:
    """Makes users who give prepared answers: ``scripted_user("My parcel is late.", "Thanks.")``.

    A question too many fails the test, also where the program swallows the error, and so do answers that are left at
    teardown.
    """
    from pytest_templates.scripting.user import ScriptedUser

    def make(*answers: Any) -> ScriptedUser:
        user = ScriptedUser(*answers, complain=_llm_attempt.failures.append)
        _scripts_of(_llm_attempt).consumables.append(user)
        return user

    return make


@pytest.fixture
def llm_faults(_llm_attempt: Attempt) -> Iterator[Faults]:
    """Puts faults on chosen templates: ``llm_faults.at("support/triage", faults.rate_limited(), times=2)``.

    The model that the template asks may be a scripted one, or a real one on a cassette. Waiting takes no time in such a
    test, and a fault that did not happen fails it at teardown.
    """
    from pytest_templates.scripting.fault_injection import faults_in_place

    with faults_in_place() as faults:
        _scripts_of(_llm_attempt).consumables.append(faults)
        yield faults


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the ini key."""
    OPTIONS.add(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker, and check scripts from now on."""
    OPTIONS.read(config)
    MARKER.register(config)
    join(config, Scripting(), "scripting")


class Scripting:
    """Loads script files, and makes tests fail that leave steps unused."""

    @hookimpl
    def attempt_opens(self, attempt: Attempt) -> None:
        """Load the script file of a marked test."""
        scripts, scripted = _scripts_of(attempt), MARKER.read(attempt.item)
        scripts.like = (None if scripted is None else scripted.like) or LIKE.of(attempt.item.config)
        if scripted is None:
            return
        require_packages("the marker llm_script", "yaml")
        _check_name(scripted.path)
        from pytest_templates.scripting.files import load_script

        scripts.file = load_script(FIXTURES.of(attempt.item.config) / scripted.path)
        scripts.consumables.append(scripts.file)
        if not attempt.hook.asks_real_models(attempt=attempt):
            from pytest_templates.scripting.answering import answering_for_models

            attempt.resources.enter_context(answering_for_models(scripts.file, scripts.like, attempt))

    @hookimpl(tryfirst=True)
    def source_of(self, attempt: Attempt, call: ModelCall) -> CallSource | None:
        """Answers of scripted models come from a script."""
        del attempt
        from pytest_templates.scripting.model import ScriptedModel

        return CallSource("script") if isinstance(call.origin, ScriptedModel) else None

    @hookimpl
    def attempt_is_checked(self, attempt: Attempt) -> None:
        """Add a failure for every script of which steps are left."""
        left = [one for one in _scripts_of(attempt).consumables if one.remaining]
        if left:
            from pytest_templates.errors import UnusedSteps

            attempt.failures.extend(UnusedSteps(one.unused) for one in left)


def _check_name(path: str) -> None:
    """Refuse what not every system has as a name: here, where no other test is kept from being collected."""
    try:
        refuse_unportable(path)
    except ValueError as error:
        from pytest_templates.errors import ScriptError

        raise ScriptError(
            f"the name {path!r} of a script: {error}: give it a name that files have on every system"
        ) from error


def _scripts_of(attempt: Attempt) -> Scripts:
    return attempt.stash.setdefault(_SCRIPTS, Scripts())
