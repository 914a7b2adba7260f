"""Live calls of real models, in marked tests only: ``llm_live`` and ``--templates-live``, and ``llm_doubled``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import pytest

from pytest_templates.run.attempt import Attempt
from pytest_templates.run.calls import CallSource
from pytest_templates.run.features import Feature, hookimpl, join
from pytest_templates.run.markers import Marker, reason_of
from pytest_templates.run.options import Option, Options
from pytest_templates.support.engine import is_name_of_double
from pytest_templates.support.environment import placeholder_keys
from pytest_templates.support.text import OUTSIDE

if TYPE_CHECKING:
    from antiphon import ModelCall
    from antiphon.observers import LiveCall
    from pytest_templates.errors import LiveCallRefused

LIVE = Option[bool](
    "--templates-live",
    help="run tests marked llm_live, which call real models",
    action="store_true",
    default=False,
    repeated=False,
)
OPTIONS = Options(LIVE)


def llm_live(reason: object) -> str:
    """Call real models in this test, in runs with --templates-live; skip it in others."""
    return reason_of(reason)


def _check(item: pytest.Item) -> None:
    from pytest_templates.redaction.names import refuse_secret_name

    refuse_secret_name(item, "every report of it would show it")
    if item.get_closest_marker("llm_cassette") is not None:
        raise pytest.Collector.CollectError(
            f"{item.nodeid} is marked llm_cassette and llm_live: a test replays its calls, or makes them. To record "
            "them, llm_cassette and --templates-record are enough"
        )


MARKER = Marker(llm_live, _check)


def llm_doubled(reason: object) -> str:
    """Let calls of real models through to a double inside of their client; no other host is reached."""
    return reason_of(reason)


def _check_doubled(item: pytest.Item) -> None:
    for other in ("llm_cassette", "llm_live"):
        if item.get_closest_marker(other) is not None:
            raise pytest.Collector.CollectError(
                f"{item.nodeid} is marked {other} and llm_doubled: what answers its calls is a real model, or a double"
            )


DOUBLED = Marker(llm_doubled, _check_doubled)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option."""
    OPTIONS.add(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Refuse calls of real models from now on."""
    OPTIONS.read(config)
    MARKER.register(config)
    DOUBLED.register(config)
    join(config, LiveCalls(), "live-calls")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip the tests that call real models, unless the option is given."""
    if LIVE.of(config):
        return
    for item in items:
        try:
            reason = MARKER.read(item)
        except pytest.Collector.CollectError:
            continue  # the test fails with it when it is set up
        if reason is not None:
            item.add_marker(pytest.mark.skip(reason=f"calls real models ({reason}), in runs with --templates-live"))


class LiveCalls(Feature):
    """Refuses calls of real models, except in tests that are marked for them."""

    @hookimpl(tryfirst=True)
    def live_call_begins(self, attempt: Attempt, event: LiveCall) -> None:
        """Refuse the call of a test that is marked neither ``llm_cassette`` nor ``llm_live``.

        Raises:
            LiveCallRefused: The test has neither marker.
        """
        if is_name_of_double(event.model) or attempt.hook.catches_live_calls(attempt=attempt):
            return
        if DOUBLED.is_on(attempt.item):
            return
        if not MARKER.is_on(attempt.item):
            hints = [hint for some in attempt.hook.hints_at_refusal(attempt=attempt, event=event) for hint in some]
            refused = _refusal(attempt.item, event, hints)
            attempt.failures.append(refused)
            raise refused
        attempt.hook.before_sending(attempt=attempt)

    @hookimpl
    def attempt_opens(self, attempt: Attempt) -> None:
        """Prepare a marked test: redact its logs, as client libraries write secrets to them; or guard its doubles."""
        if DOUBLED.is_on(attempt.item):
            from pytest_templates.cassettes.network_guard import guarded

            attempt.resources.enter_context(placeholder_keys())
            guard = guarded(
                attempt.item.nodeid, attempt.failures.append, left_alone=_is_here, why=_NO_DOUBLE, remedy=_DOUBLE_IT
            )
            attempt.resources.enter_context(guard)
        if MARKER.is_on(attempt.item):
            from pytest_templates.redaction.logs import redacted_logs
            from pytest_templates.redaction.secrets import secrets_of

            attempt.resources.enter_context(redacted_logs(attempt.item.config, secrets_of))

    @hookimpl
    def asks_real_models(self, attempt: Attempt) -> bool | None:
        """Say so of marked tests."""
        return True if MARKER.is_on(attempt.item) else None

    @hookimpl(trylast=True)
    def source_of(self, attempt: Attempt, call: ModelCall) -> CallSource | None:
        """Say of calls in a marked test that they were sent to real models, or that doubles answered them."""
        if DOUBLED.is_on(attempt.item):
            from antiphon.connect import ConnectedModel

            return CallSource("double") if isinstance(call.origin, ConnectedModel) else None
        return CallSource("model", was_sent=True) if MARKER.is_on(attempt.item) else None

    @hookimpl(trylast=True)
    def attempt_is_reported(self, attempt: Attempt, report: pytest.TestReport) -> None:
        """Redact the report: tracebacks of client libraries show addresses with secrets."""
        if MARKER.is_on(attempt.item):
            from pytest_templates.redaction.reports import redact
            from pytest_templates.redaction.secrets import secrets_of

            redact(report, secrets_of(), attempt.item.config)


_NO_DOUBLE: Final = "and no double has answered there: it is marked llm_doubled"
_DOUBLE_IT: Final = "let the double answer all that its client sends, or mark the test llm_cassette in its place."


def _is_here(host: str, port: int | None) -> bool:  # noqa: ARG001  # whatever the port
    from pytest_templates.cassettes.destinations import is_here

    return is_here(host)


def _refusal(item: pytest.Item, event: LiveCall, hints: Sequence[str]) -> LiveCallRefused:
    from pytest_templates.errors import LiveCallRefused

    target = event.template_id or event.model
    said = "".join(f"  {hint}\n" for hint in hints)
    return LiveCallRefused(
        f"{item.nodeid} is about to call a real model, and is not marked for it\n"
        f"  model     {event.model}\n"
        f"  asked by  {event.path or OUTSIDE}\n"
        f"{said}"
        "\n"
        "Put a model in its place, in a test with the fixtures llm_override and scripted_model:\n"
        f'  llm_override({target!r}, scripted_model("…"))\n'
        "or mark the test:\n"
        "  @pytest.mark.llm_cassette           its calls are recorded once, and replayed from then on\n"
        '  @pytest.mark.llm_live(reason="…")   it calls the model whenever it is run with --templates-live\n'
        '  @pytest.mark.llm_doubled(reason="…")  what it reaches is a double, inside of the client'
    )
