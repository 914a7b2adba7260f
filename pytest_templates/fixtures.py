"""The fixtures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from pytest_templates.run import attempt
from pytest_templates.run.attempt import Attempt
from pytest_templates.support.environment import require_packages

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion

    from antiphon import Trace
    from pytest_templates.cassettes.cassette import OpenCassette
    from pytest_templates.scripting.fault_injection import Faults
    from pytest_templates.scripting.model import ScriptedModel
    from pytest_templates.scripting.user import ScriptedUser


@pytest.fixture
def _llm_attempt(request: pytest.FixtureRequest) -> Attempt:
    require_packages("the fixture")
    return attempt.of(request.node)


@pytest.fixture
def scripted_model(_llm_attempt: Attempt) -> Callable[..., ScriptedModel]:
    """Makes models that play a script: ``scripted_model("first", "second", name="small")``.

    Each call of such a model takes the next step; one call too many fails the test, also where the program swallows the
    error, and so do steps that are left at teardown, unless the model was made with ``allow_unused=True``. In a test
    marked ``llm_script``, models without steps play from its file. With ``generate=True`` a model makes up what its
    script has nothing for, where tools or an object of a type are asked for.
    """
    from pytest_templates.scripting.model import ScriptedModel

    def make(*steps: Any, name: str = "scripted", allow_unused: bool = False, generate: bool = False) -> ScriptedModel:
        script = None if steps else _llm_attempt.script
        complain = _llm_attempt.verdicts.append
        model = ScriptedModel(*steps, name=name, script=script, generate=generate, complain=complain)
        if not allow_unused and script is None:
            _llm_attempt.scripted.append(model)
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
        user = ScriptedUser(*answers, complain=_llm_attempt.verdicts.append)
        _llm_attempt.scripted.append(user)
        return user

    return make


@pytest.fixture
def llm_trace(_llm_attempt: Attempt) -> Trace:
    """The trace of every model call made during the test so far, by any runner, thread or task."""
    return _llm_attempt.trace


@pytest.fixture
def llm_cassette(_llm_attempt: Attempt) -> OpenCassette:
    """The open cassette of a test marked ``llm_cassette``."""
    if _llm_attempt.cassette is None:
        pytest.fail("the fixture llm_cassette belongs to tests marked @pytest.mark.llm_cassette", pytrace=False)
    return _llm_attempt.cassette


@pytest.fixture
def llm_snapshot(_llm_attempt: Attempt, request: pytest.FixtureRequest) -> SnapshotAssertion:
    """Syrupy's assertion for conversations: ``assert session == llm_snapshot``.

    A session, a trace, a message or a list of messages is compared with the file of this test below ``__snapshots__``,
    which ``--snapshot-update`` writes, though not where ``CI`` is set.
    """
    from pytest_templates.snapshots.extension import ConversationExtension
    from pytest_templates.snapshots.plugin import refuse_update

    refuse_update(request.config)
    snapshot: SnapshotAssertion = request.getfixturevalue("snapshot")
    return snapshot.use_extension(ConversationExtension)


@pytest.fixture
def llm_faults(_llm_attempt: Attempt) -> Iterator[Faults]:
    """Puts faults on chosen templates: ``llm_faults.at("support/triage", faults.rate_limited(), times=2)``.

    The model that the template asks may be a scripted one, or a real one on a cassette. Waiting takes no time in such a
    test, and a fault that did not happen fails it at teardown.
    """
    from pytest_templates.scripting.fault_injection import faults_in_place

    with faults_in_place() as faults:
        _llm_attempt.scripted.append(faults)
        yield faults
