"""Observers hear of calls of real models before they are made."""

from __future__ import annotations

import pytest

from antiphon import AssistantTemplate, LinearTemplate, LiveCall, ModelCall, Observer, Runner, UserTemplate, observing


class Objecting(Observer):
    """Lets no real model be called."""

    def __init__(self) -> None:
        self.heard: list[LiveCall | ModelCall] = []

    def on_live_call(self, event: LiveCall) -> None:
        self.heard.append(event)
        raise PermissionError(event.model)

    def on_model_call(self, call: ModelCall) -> None:
        self.heard.append(call)


@pytest.mark.llm_live(reason="it is not reached")
def test_an_observer_can_keep_a_real_model_from_being_called():
    tree = LinearTemplate([UserTemplate("Hello."), AssistantTemplate(template_id="answer")])

    with observing(Objecting()) as observer, pytest.raises(PermissionError, match="openai:gpt-4o-mini"):
        Runner("openai:gpt-4o-mini", template=tree).run()

    live, call = observer.heard
    assert live == LiveCall("openai:gpt-4o-mini", "linear/answer")
    assert isinstance(call, ModelCall)
    assert isinstance(call.error, PermissionError)
