"""The plugin's public interface as type checkers see it: read by mypy and pyright, never run.

Every ``type: ignore`` marks something that must be an error; one that is not needed is an error itself.
"""
# pyright: strict, reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal
from typing import assert_type

from antiphon import Model, ModelCall, Reply, Runner, Session, Trace, UserInterface
from antiphon.errors import AntiphonError
from pytest_templates import (
    Agreement,
    CallTool,
    CassetteMiss,
    Faults,
    Interaction,
    IsolationViolation,
    Judge,
    OpenCassette,
    Overrides,
    RecordedRequest,
    Report,
    ScriptedModel,
    ScriptedModels,
    ScriptedUser,
    ScriptedUsers,
    SimulatedUser,
    UnscriptedCall,
    UserTurn,
    Verdict,
    aassert_judged,
    assert_isolated,
    assert_judged,
    assert_models,
    assert_path,
    assert_tools,
    expecting,
    faults,
    overriding,
    simulated_user,
)


def doubles() -> None:
    """Scripted doubles stand wherever the real thing does."""
    model = ScriptedModel("first", Reply("second"), lambda session: session.last.content.upper(), name="small")
    user = ScriptedUser("Ada")
    as_model: Model = model
    as_interface: UserInterface = user

    Runner(as_model, as_interface)
    assert_type(model.remaining, int)
    ScriptedModel(generate=True)
    ScriptedModel(1)  # type: ignore[arg-type]
    ScriptedModel(generate="tools")  # type: ignore[arg-type]
    ScriptedUser(1)  # type: ignore[arg-type]


def fixtures(
    scripted_model: ScriptedModels,
    scripted_user: ScriptedUsers,
    llm_faults: Faults,
    llm_cassette: OpenCassette,
    llm_override: Overrides,
    llm_trace: Trace,
    model: Model,
) -> None:
    """What fixtures give has a public type; a slip of the pen is an error."""
    assert_type(scripted_model("first", Reply("second"), name="small", allow_unused=True), ScriptedModel)
    assert_type(scripted_user("Ada", lambda session: session.last.content), ScriptedUser)
    scripted_model([CallTool("find"), CallTool("zoom", by=2)], Reply("See.", tool_calls=[CallTool("find")]))
    scripted_model([])
    scripted_model(["first"])  # type: ignore[list-item]
    scripted_model(nmae="small")  # type: ignore[call-arg]
    scripted_model(like="open-ai")  # type: ignore[arg-type]
    scripted_user(1)  # type: ignore[arg-type]
    llm_faults.at("answer", faults.rate_limited(retry_after=1), times=2)
    llm_faults.at("answer", faults.rate_limited(retry_after=1), tmies=2)  # type: ignore[call-arg]
    llm_faults.at("answer", faults.timeout(), model="openai:*")
    llm_faults.at("answer", faults.timeout(), model=re.compile("mini"))
    llm_faults.at("answer", faults.timeout(), model=model)  # type: ignore[arg-type]
    assert_type(llm_faults.waited, float)
    assert_type((llm_cassette.played, llm_cassette.recorded, llm_cassette.unused), tuple[int, int, int])
    llm_override("sort", scripted_model("billing"))
    llm_override("**", "openai:gpt-4o-mini")
    llm_override("sort", 5)  # type: ignore[arg-type]
    assert_type(llm_trace.models, dict[str, list[str]])


def verdicts(model: Model) -> None:
    """What a block expects, and what it puts in place."""
    with expecting(UnscriptedCall) as caught:
        assert_type(caught.errors, list[UnscriptedCall])
    assert_type(caught.value, UnscriptedCall)
    expecting(KeyError)  # type: ignore[type-var]
    with overriding({"sort": model, "**": "openai:gpt-4o-mini"}):
        pass
    overriding({"sort": 5})  # type: ignore[dict-item]


def assertions(trace: Trace, session: Session, model: Model) -> None:
    """Models are expected by name or by object."""
    assert_models(trace, {"classify": model})
    assert_models(session, {"answer": "openai:x"})
    assert_models(session, {"a": [model, "openai:x"], "b": (model,), "c": {model}, "d": {"openai:x"}}, exactly=False)
    assert_models(session, {"answer": 5})  # type: ignore[dict-item]
    assert_models([], {})  # type: ignore[arg-type]
    with assert_isolated(session):
        pass


def trajectories(trace: Trace, session: Session) -> None:
    """Tools are expected by name or as calls, templates by name."""
    assert_tools(trace, ["search", CallTool("book", city=re.compile("O"), nights=int, rooms=str.isdigit)])
    assert_tools(session, ("search",), order="superset")
    assert_tools(session, [1])  # type: ignore[list-item]
    assert_tools(session, ["search"], order="unordered")  # type: ignore[arg-type]
    assert_path(session, ["triage", "research/*"])
    assert_path(trace, ("triage",))
    assert_path(trace, [trace])  # type: ignore[list-item]


async def judges(session: Session, model: Model) -> None:
    """A judge gives verdicts, and is measured."""
    assert_type(assert_judged("Hello.", "is polite", model="openai:x"), Verdict)
    assert_type(await aassert_judged(session, "is polite", model=model, pass_score=0.5), Verdict)
    assert_judged("Hello.", "is polite")  # type: ignore[call-arg]
    assert_judged(1, "is polite", model=model)  # type: ignore[arg-type]
    judge = Judge(model, "is polite", pass_score=1)
    assert_type(judge.verdict(session.last).score, float)
    assert_type(judge.agreement([("Hello.", True), (session, False)]), Agreement)
    assert_type((await judge.aagreement([("Hello.", True), ("Go.", False)])).kappa, float)
    judge.agreement([("Hello.", "yes")])  # type: ignore[list-item]


async def users(model: Model, session: Session) -> None:
    """A simulated user stands where a user does, and says how it went."""
    user = simulated_user(model, persona="Ada", goal="a date", max_turns=3)
    as_interface: UserInterface = user
    Runner("openai:x", as_interface)
    assert_type(user, SimulatedUser)
    assert_type(user.goal_reached, bool | None)
    assert_type(user.turns, int)
    assert_type(user.conclude(session), bool)
    assert_type(await user.aconclude(session), bool)
    UserTurn(status="leaves")  # type: ignore[arg-type]
    simulated_user(model, persona="Ada")  # type: ignore[call-arg]


def calls(model: ScriptedModel) -> None:
    """What a double was asked."""
    assert_type(model.calls, list[ModelCall])


def errors() -> list[type[AntiphonError]]:
    """One family."""
    return [CassetteMiss, IsolationViolation, UnscriptedCall]


def hooks(interaction: Interaction, request: RecordedRequest) -> Interaction:
    """What hooks are given is frozen; a changed one is made with ``replace``."""
    assert_type(request.body, bytes)
    assert_type(interaction.template, str | None)
    request.uri = "https://host"  # type: ignore[misc]
    return replace(interaction, request=replace(interaction.request, body=b""))


def sections(report: Report) -> tuple[str, str] | None:
    """A run is data."""
    assert_type(report.totals.cost, Decimal)
    assert_type([call.cost for test in report.tests for call in test.calls], list[Decimal | None])
    return None
