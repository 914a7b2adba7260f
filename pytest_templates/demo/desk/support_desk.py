"""A support desk: three models, each for what it is good at.

A small model sorts the request, a second one looks things up in a subroutine that cannot touch the conversation, and a
third writes the answer. What the handbook does not know is left to a colleague. ``real_models`` says where the models
are reached; tests put scripted ones in their place.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from antiphon import (
    AssistantTemplate,
    CleanSessionStrategy,
    EndTemplate,
    IfTemplate,
    LinearTemplate,
    Model,
    Session,
    SubroutineTemplate,
    SystemTemplate,
    Template,
    UserTemplate,
    connect,
)

PROMPTS = Path(__file__).parent / "prompts"
HANDBOOK = {
    "delivery": "Parcels take two to four days. After seven days we send the goods again, free of charge.",
    "refund": "Goods can be returned within 30 days. The money is back within five working days.",
}


@dataclass(frozen=True)
class Models:
    """Which model does what."""

    triage: Model
    research: Model
    answer: Model


def real_models(base_url: str = "http://127.0.0.1:8099/v1") -> Models:
    """Three models of one server that understands OpenAI's chat completions."""

    def model(name: str, max_tokens: int) -> Model:
        return connect(f"openai:{name}", base_url=base_url, temperature=0, seed=1, max_tokens=max_tokens)

    return Models(triage=model("desk-small", 8), research=model("desk-medium", 60), answer=model("desk-large", 80))


def support_desk(models: Models) -> Template:
    """The conversation, from the customer's request to the desk's answer."""
    return LinearTemplate(
        [
            SystemTemplate("You are the support desk of a small shop. You are brief and friendly."),
            UserTemplate(description="How can we help?", template_id="request"),
            UserTemplate(PROMPTS / "triage.jinja"),
            AssistantTemplate(model=models.triage, template_id="triage", after_transform=note_topic),
            IfTemplate(is_unknown, handover(models.triage)),
            research(models.research),
            UserTemplate(PROMPTS / "answer.jinja"),
            AssistantTemplate(model=models.answer, template_id="answer"),
        ],
        template_id="support",
    )


def handover(model: Model) -> Template:
    """Leaves the request to a colleague, with a note, and ends the conversation."""
    return LinearTemplate(
        [
            UserTemplate("Sum the request up for a colleague, in one line."),
            AssistantTemplate(model=model, template_id="note"),
            EndTemplate("A colleague will write to you within a day."),
        ],
        template_id="handover",
    )


def research(model: Model) -> Template:
    """Looks up what the handbook says; runs on its own, and gives one message back."""
    look_up = LinearTemplate(
        [
            SystemTemplate("You sum up handbooks in one sentence."),
            UserTemplate(PROMPTS / "research.jinja"),
            AssistantTemplate(template_id="summary"),
        ]
    )
    return SubroutineTemplate(look_up, "research", session_init_strategy=Discretion(), model=model)


class Discretion(CleanSessionStrategy):
    """Research is told everything but who is asking."""

    def initialize(self, parent_session: Session) -> Session:
        """Make research's own session, with a copy of what the conversation knows."""
        session = super().initialize(parent_session)
        del session.metadata["customer"]
        return session


def note_topic(session: Session) -> Session:
    """Keep what the request is about, as far as the model said something that the handbook knows."""
    said = session.last.content.lower()
    topic = next((topic for topic in HANDBOOK if topic in said), "other")
    session.metadata["topic"] = topic
    session.metadata["handbook"] = HANDBOOK.get(topic)
    return session


def is_unknown(session: Session) -> bool:
    """Whether the handbook has nothing on the topic."""
    return session.metadata["handbook"] is None
