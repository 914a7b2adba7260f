"""The pytest plugin that tests programs built on antiphon.

Names are imported when they are first used: the plugin is loaded by every pytest run, and costs next to nothing in
those that have no use for it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_templates import faults
    from pytest_templates.cassettes.cassette import OpenCassette
    from pytest_templates.cassettes.recorded import Interaction, RecordedRequest
    from pytest_templates.errors import (
        BudgetExceeded,
        CassetteError,
        CassetteMiss,
        ConversationOver,
        IsolationViolation,
        LiveCallRefused,
        NotDeterministic,
        PassRateMissed,
        UnscriptedCall,
        UnusedSteps,
    )
    from pytest_templates.isolation import assert_isolated
    from pytest_templates.judging import Agreement, Judge, JudgedExample, Verdict, aassert_judged, assert_judged
    from pytest_templates.model_assertions import assert_models
    from pytest_templates.model_override.overriding import Overrides, overriding
    from pytest_templates.reporting.document import Report
    from pytest_templates.run.expecting import expecting
    from pytest_templates.scripting.factories import ScriptedModels, ScriptedUsers
    from pytest_templates.scripting.fault_injection import Faults
    from pytest_templates.scripting.model import ScriptedModel
    from pytest_templates.scripting.steps import Fail, Stream
    from pytest_templates.scripting.user import ScriptedUser
    from pytest_templates.tool_calls import CallTool
    from pytest_templates.trajectories.path import assert_path
    from pytest_templates.trajectories.tools import assert_tools
    from pytest_templates.user_simulation import SimulatedUser, UserTurn, simulated_user

__all__ = [
    "Agreement",
    "BudgetExceeded",
    "CallTool",
    "CassetteError",
    "CassetteMiss",
    "ConversationOver",
    "Fail",
    "Faults",
    "Interaction",
    "IsolationViolation",
    "Judge",
    "JudgedExample",
    "LiveCallRefused",
    "NotDeterministic",
    "OpenCassette",
    "Overrides",
    "PassRateMissed",
    "RecordedRequest",
    "Report",
    "ScriptedModel",
    "ScriptedModels",
    "ScriptedUser",
    "ScriptedUsers",
    "SimulatedUser",
    "Stream",
    "UnscriptedCall",
    "UnusedSteps",
    "UserTurn",
    "Verdict",
    "aassert_judged",
    "assert_isolated",
    "assert_judged",
    "assert_models",
    "assert_path",
    "assert_tools",
    "expecting",
    "faults",
    "overriding",
    "simulated_user",
]

_HOMES = {
    "Agreement": "judging",
    "CallTool": "tool_calls",
    "Fail": "scripting.steps",
    "Faults": "scripting.fault_injection",
    "Interaction": "cassettes.recorded",
    "Judge": "judging",
    "JudgedExample": "judging",
    "OpenCassette": "cassettes.cassette",
    "Overrides": "model_override.overriding",
    "RecordedRequest": "cassettes.recorded",
    "Report": "reporting.document",
    "ScriptedModel": "scripting.model",
    "ScriptedModels": "scripting.factories",
    "ScriptedUser": "scripting.user",
    "ScriptedUsers": "scripting.factories",
    "SimulatedUser": "user_simulation",
    "Stream": "scripting.steps",
    "UserTurn": "user_simulation",
    "Verdict": "judging",
    "aassert_judged": "judging",
    "assert_isolated": "isolation.assertion",
    "assert_judged": "judging",
    "assert_models": "model_assertions",
    "assert_path": "trajectories.path",
    "assert_tools": "trajectories.tools",
    "expecting": "run.expecting",
    "faults": "faults",
    "overriding": "model_override.overriding",
    "simulated_user": "user_simulation",
}


if not TYPE_CHECKING:  # for type checkers, only the names above exist

    def __getattr__(name: str) -> object:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        home = import_module(f"{__name__}.{_HOMES.get(name, 'errors')}")
        return home if name == "faults" else getattr(home, name)

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
