"""Scripted models and users in tests: their fixtures, ``llm_faults``, and the marker ``llm_script``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, cast

import pytest

from pytest_templates.run.attempt import Attempt
from pytest_templates.run.calls import CallSource, asked_in, is_from_cache
from pytest_templates.run.features import Feature, hookimpl, join
from pytest_templates.run.markers import Marker
from pytest_templates.run.options import Option, Options
from pytest_templates.run.processes import is_worker
from pytest_templates.run.under_way import attempt_of_fixture
from pytest_templates.support.environment import require_packages
from pytest_templates.support.files import refuse_unportable

if TYPE_CHECKING:
    from antiphon import ModelCall
    from pytest_templates.scripting.factories import ScriptedModels, ScriptedUsers
    from pytest_templates.scripting.fault_injection import Faults
    from pytest_templates.scripting.likeness import Like
    from pytest_templates.scripting.scripts import Scripts

FIXTURES = Option[Path](
    ini="templates_fixtures",
    default="fixtures",
    help="where script files lie",
    read=lambda value, config: config.rootpath / value,
)


def _read_like(value: str, config: pytest.Config) -> Like | None:
    del config
    if not value:
        return None
    from pytest_templates.scripting.likeness import check_like

    check_like(value)
    return cast("Like", value)


LIKE = Option["Like | None"](
    ini="templates_like",
    default="",
    help="whose rules hold for scripted models that do not say it themselves: openai, anthropic or google",
    read=_read_like,
)
OPTIONS = Options(FIXTURES, LIKE)

_FILE: Final = r"(?!.*(^|/)\.+(/|$))[^/\\:]+(/[^/\\:]+)*\.ya?ml"  # compiled by `re` when it is first used


class Scripted(NamedTuple):
    """What ``llm_script`` says.

    Attributes:
        path: The script's file, below the folder of the fixtures.
        like: Whose rules hold for the test's scripted models.
        allow_unused: Whether steps of the file may be left.
    """

    path: str
    like: Like | None
    allow_unused: bool


def llm_script(path: str, *, like: Like | None = None, allow_unused: bool = False) -> Scripted:
    """Let the script in a file below fixtures/ answer for the program's models, and for scripted ones without steps."""
    if not isinstance(path, str) or not re.fullmatch(_FILE, path):  # type: ignore[redundant-expr]
        raise ValueError(f"path is that of a .yaml file below the folder of the fixtures, not {path!r}")
    if like is not None:
        from pytest_templates.scripting.likeness import check_like

        check_like(like)
    if not isinstance(allow_unused, bool):
        raise TypeError(f"allow_unused is True or False, not {allow_unused!r}")
    return Scripted(path, like, allow_unused)


MARKER = Marker(llm_script)


_SCRIPTS: Final = pytest.StashKey["Scripts"]()
_DESELECTED: Final = pytest.StashKey[bool]()


@pytest.fixture
def scripted_model() -> ScriptedModels:
    """Makes models that play a script: ``scripted_model("first", "second", name="small")``.

    Each call of such a model takes the next step; one call too many fails the test, also where the program swallows the
    error, and so do steps that are left at teardown, unless the model was made with ``allow_unused=True``. In a test
    marked ``llm_script``, models without steps play from its file. With ``generate=True`` a model makes up what its
    script has nothing for, where tools or an object of a type are asked for.

    A conversation that every provider refuses, such as a call of a tool without its result, fails the test as well;
    with ``like="openai"``, ``"anthropic"`` or ``"google"`` also one that this provider refuses.
    """
    from pytest_templates.scripting.factories import ScriptedModels
    from pytest_templates.support.virtual_time import virtual_after_doubles

    attempt = attempt_of_fixture()
    attempt.resources.enter_context(virtual_after_doubles())
    return ScriptedModels(_scripts_of(attempt), attempt)


@pytest.fixture(scope="module")
def scripted_model_for_module(request: pytest.FixtureRequest) -> Iterator[ScriptedModels]:
    """Makes scripted models for all tests of a module, for its fixtures of that scope; settled at its end.

    A call too many fails the test in which it is made. Steps that are left are an error at the end, where no test has
    failed meanwhile.
    """
    yield from _shared_models(request)


@pytest.fixture(scope="session")
def scripted_model_for_session(request: pytest.FixtureRequest) -> Iterator[ScriptedModels]:
    """Makes scripted models for all tests of a run, for fixtures of that scope; else as for a module.

    Under pytest-xdist each worker has its own.
    """
    yield from _shared_models(request)


def _is_part(request: pytest.FixtureRequest) -> bool:
    """Whether this process runs some of the tests only: the others may be what plays the rest."""
    config = request.config
    is_given = config.args_source is config.ArgsSource.ARGS
    is_narrowed = is_given and (request.scope == "session" or any("::" in argument for argument in config.args))
    return is_narrowed or is_worker(config) or config.stash.get(_DESELECTED, False)


def pytest_deselected(items: Sequence[pytest.Item]) -> None:
    """Note that not all tests run."""
    if items:
        items[0].config.stash[_DESELECTED] = True


def _shared_models(request: pytest.FixtureRequest) -> Iterator[ScriptedModels]:
    from pytest_templates.errors import UnusedSteps
    from pytest_templates.scripting.factories import ScriptedModels
    from pytest_templates.scripting.scripts import Scripts
    from pytest_templates.support.virtual_time import virtual_after_doubles

    scripts, failed = Scripts(LIKE.of(request.config)), request.session.testsfailed
    with virtual_after_doubles():
        yield ScriptedModels(scripts, None)
    left = scripts.left()
    if left and request.session.testsfailed == failed and not _is_part(request):
        raise UnusedSteps("\n\n".join(one.unused for one in left))


@pytest.fixture
def scripted_user() -> ScriptedUsers:
    """Makes users who give prepared answers: ``scripted_user("My parcel is late.", "Thanks.")``.

    A question too many fails the test, also where the program swallows the error, and so do answers that are left at
    teardown.
    """
    from pytest_templates.scripting.factories import ScriptedUsers

    attempt = attempt_of_fixture()
    return ScriptedUsers(_scripts_of(attempt), attempt)


@pytest.fixture
def llm_faults() -> Iterator[Faults]:
    """Puts faults on chosen templates: ``llm_faults.at("support/triage", faults.rate_limited(), times=2)``.

    The model that the template asks may be a scripted one, or a real one on a cassette. Waiting takes no time in such a
    test, and a fault that did not happen fails it at teardown.
    """
    from pytest_templates.scripting.fault_injection import faults_in_place

    with faults_in_place() as faults:
        _scripts_of(attempt_of_fixture()).consumables.append(faults)
        yield faults


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the ini key."""
    OPTIONS.add(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker, and check scripts from now on."""
    OPTIONS.read(config)
    MARKER.register(config)
    join(config, Scripting(), "scripting")


class Scripting(Feature):
    """Loads script files, and makes tests fail that leave steps unused."""

    @hookimpl
    def attempt_opens(self, attempt: Attempt) -> None:
        """Load the script file of a marked test."""
        scripted = MARKER.read(attempt.item)
        if scripted is None:
            return
        scripts = _scripts_of(attempt)
        scripts.like = scripted.like or scripts.like
        require_packages("the marker llm_script", "yaml")
        _check_name(scripted.path)
        from pytest_templates.scripting.files import load_script

        folder = FIXTURES.of(attempt.item.config)
        scripts.file = load_script(folder / scripted.path, folder)
        if not scripted.allow_unused:
            scripts.consumables.append(scripts.file)
        if not attempt.hook.asks_real_models(attempt=attempt):
            from pytest_templates.scripting.answering import answering_for_models

            attempt.resources.enter_context(answering_for_models(scripts.file, scripts.like, attempt))

    @hookimpl(tryfirst=True)
    def source_of(self, attempt: Attempt, call: ModelCall) -> CallSource | None:
        """Answers of scripted models come from a script."""
        del attempt
        from pytest_templates.scripting.model import ScriptedModel

        asked = [one for one in asked_in(call) if not is_from_cache(one)]
        is_scripted = bool(asked) and all(isinstance(one.origin, ScriptedModel) for one in asked)
        return CallSource("script") if is_scripted else None

    @hookimpl
    def fault_of(self, attempt: Attempt, call: ModelCall) -> str | None:
        """The fault that a step of a script was, or that was placed at the template."""
        del attempt
        from pytest_templates.scripting.happened import fault_in

        return fault_in(call)

    @hookimpl
    def attempt_is_checked(self, attempt: Attempt) -> None:
        """Add a failure for every script of which steps are left."""
        left = attempt.stash[_SCRIPTS].left() if _SCRIPTS in attempt.stash else ()
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
    """What is scripted for a test; a test that scripts nothing has none."""
    if _SCRIPTS not in attempt.stash:
        from pytest_templates.scripting.scripts import Scripts

        attempt.stash[_SCRIPTS] = Scripts(LIKE.of(attempt.item.config))
    return attempt.stash[_SCRIPTS]
