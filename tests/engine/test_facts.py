"""What templates tell of themselves: facts, branches, and which branches a visit took."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel

from antiphon import (
    AssistantTemplate,
    Branch,
    Fact,
    IfTemplate,
    LinearTemplate,
    LLMSummarizingStrategy,
    LoopTemplate,
    Message,
    Model,
    Runner,
    Session,
    SubroutineTemplate,
    SystemTemplate,
    Template,
    ToolingTemplate,
    UserTemplate,
    Visit,
    tool,
)
from antiphon.drawing import as_mermaid, as_text


class Place(BaseModel):
    city: str


@tool
def clock(city: str) -> str:
    """Tells the time."""
    return city


def is_open(session: Session) -> bool:
    return bool(session.messages)


class Fixed(Model):
    def _send(self, session: Session) -> str:
        return "2"


class Router(Template):
    """Asks a model which of some templates to render."""

    def __init__(self, question: str, routes: dict[str, Template], model: Model | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.question = question
        self.routes = routes
        self.model = model

    @property
    def children(self) -> tuple[Template, ...]:
        return tuple(self.routes.values())

    @property
    def branches(self) -> tuple[Branch, ...]:
        return *(Branch(name, index) for index, name in enumerate(self.routes)), Branch("anything else")

    def facts(self) -> Iterator[Fact]:
        yield from super().facts()
        yield Fact("text", "chooses by a question", name="user", text=self.question)

    def _render(self, session: Session) -> Any:
        yield Message(role="user", content=self.question)
        answer = yield from self.ask(session, self.model)
        if answer.content in self.routes:
            session = yield from self.include(self.routes[answer.content], session)
        return session


class Elsewhere(Template):
    """Has what is below it served by another model."""

    def __init__(self, child: Template, model: Model) -> None:
        super().__init__()
        self.child = child
        self._elsewhere = model

    @property
    def children(self) -> tuple[Template, ...]:
        return (self.child,)

    @property
    def model_within(self) -> Model:
        return self._elsewhere

    def _render(self, session: Session) -> Any:
        return (yield from self.include(self.child, Session(runner=Runner(self._elsewhere))))


def desk() -> Template:
    routes: dict[str, Template] = {"billing": AssistantTemplate(template_id="bill"), "refund": UserTemplate("Refund!")}
    return Router("Which one?", routes, template_id="desk")


def names(template: Template) -> list[str]:
    return [branch.name for branch in template.branches]


def locked(template: Template) -> list[tuple[str, str, str | None]]:
    return [(fact.kind, fact.name, fact.text) for fact in template.facts() if fact.name]


def test_a_template_of_ones_own_that_branches_is_drawn_with_its_branches() -> None:
    assert as_text(desk()).splitlines() == [
        "desk (router)         chooses by a question",
        "├── bill (assistant)  if billing · model: the runner's",
        "└── user-2 (user)     if refund",
    ]
    assert as_mermaid(desk()).splitlines() == [
        "flowchart TD",
        '    n1{"desk (router)<br/>chooses by a question"}',
        '    n2["bill (assistant)<br/>model: the runner#39;s"]',
        "    n1 -->|billing| n2",
        '    n3["user-2 (user)"]',
        "    n1 -->|refund| n3",
    ]


def test_a_template_of_ones_own_with_a_model_is_drawn_with_it() -> None:
    assert as_text(Router("?", {}, Fixed())) == "router (router)  model: Fixed · chooses by a question"


def test_what_a_template_of_ones_own_has_served_elsewhere_is_drawn_with_that_model() -> None:
    assert as_text(Elsewhere(AssistantTemplate(), Fixed())).splitlines() == [
        "elsewhere (elsewhere)",
        "└── assistant-1 (assistant)  model: Fixed (of elsewhere)",
    ]


@pytest.mark.parametrize(
    ("visit", "taken"),
    [
        (Visit(children=frozenset({"bill"}), turns=1), ["billing"]),
        (Visit(children=frozenset({"user-2", "bill"}), turns=1), ["billing", "refund"]),
        (Visit(), ["anything else"]),
        (Visit(children=frozenset({"bill"}), turns=1, error=RuntimeError("no")), []),
    ],
)
def test_the_branches_of_the_children_that_were_rendered_were_taken(visit: Visit, taken: list[str]) -> None:
    assert list(desk().branches_taken(visit)) == taken


@pytest.mark.parametrize(
    ("template", "branches"),
    [
        (IfTemplate(is_open, UserTemplate("a")), ["true", "false"]),
        (IfTemplate(is_open, UserTemplate("a"), UserTemplate("b")), ["true", "false"]),
        (LoopTemplate([UserTemplate("a")]), ["1 turn", "many turns"]),
        (LoopTemplate([UserTemplate("a")], exit_loop_count=2), ["1 turn", "many turns"]),
        (LoopTemplate([UserTemplate("a")], exit_loop_count=1), ["1 turn"]),
        (LoopTemplate([UserTemplate("a")], exit_loop_count=0), ["0 turns"]),
        (ToolingTemplate([clock]), ["tool clock"]),
        (LinearTemplate([UserTemplate("a")]), []),
        (AssistantTemplate(), []),
    ],
)
def test_templates_name_their_branches(template: Template, branches: list[str]) -> None:
    assert names(template) == branches


@pytest.mark.parametrize(
    ("template", "visit", "taken"),
    [
        (IfTemplate(is_open, UserTemplate("a")), Visit(children=frozenset({"user-1"}), turns=1), ["true"]),
        (IfTemplate(is_open, UserTemplate("a")), Visit(), ["false"]),
        (IfTemplate(is_open, UserTemplate("a"), UserTemplate("b")), Visit(children=frozenset({"user-2"})), ["false"]),
        (IfTemplate(is_open, UserTemplate("a")), Visit(error=RuntimeError("no")), []),
        (LoopTemplate([UserTemplate("a")]), Visit(turns=1), ["1 turn"]),
        (LoopTemplate([UserTemplate("a")]), Visit(turns=7), ["many turns"]),
        (LoopTemplate([UserTemplate("a")]), Visit(turns=7, error=RuntimeError("no")), []),
        (ToolingTemplate([clock]), Visit(tools=frozenset({"clock", "unknown"})), ["tool clock"]),
        (ToolingTemplate([clock]), Visit(tools=frozenset({"clock"}), error=RuntimeError("no")), ["tool clock"]),
    ],
)
def test_templates_tell_which_branches_a_visit_took(template: Template, visit: Visit, taken: list[str]) -> None:
    assert list(template.branches_taken(visit)) == taken


@pytest.mark.parametrize(
    ("template", "facts"),
    [
        (SystemTemplate("Be kind."), [("text", "system", "Be kind.")]),
        (UserTemplate("Hi."), [("text", "user", "Hi.")]),
        (UserTemplate(default="Nobody."), [("text", "user, by default", "Nobody.")]),
        (AssistantTemplate("Hello."), [("text", "assistant", "Hello.")]),
        (AssistantTemplate(output_type=Place), [("output", "Place", None)]),
        (AssistantTemplate(output_type=list[int]), [("output", "type", None)]),
        (ToolingTemplate([clock]), [("tool", "clock", "Tells the time.")]),
        (
            SubroutineTemplate(UserTemplate("a"), squash_strategy=LLMSummarizingStrategy(prompt="{conversation}!")),
            [("squash", "LLMSummarizingStrategy", "{conversation}!")],
        ),
    ],
)
def test_templates_tell_what_models_are_sent(template: Template, facts: list[tuple[str, str, str | None]]) -> None:
    assert locked(template) == facts


def test_a_subroutine_tells_which_model_serves_what_is_below_it() -> None:
    fixed = Fixed()

    assert SubroutineTemplate(UserTemplate("a")).model_within is None
    assert SubroutineTemplate(UserTemplate("a"), model=fixed).model_within is fixed
    assert SubroutineTemplate(UserTemplate("a"), runner=Runner(fixed)).model_within is fixed
