"""Pictures of template trees."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from antiphon import (
    AssistantTemplate,
    BreakTemplate,
    EndTemplate,
    GenerateTemplate,
    IfTemplate,
    InheritSystemStrategy,
    LinearTemplate,
    LLMSummarizingStrategy,
    LoopTemplate,
    Runner,
    Session,
    SubroutineTemplate,
    SystemTemplate,
    Template,
    Tool,
    ToolingTemplate,
    UserTemplate,
    tool,
)
from antiphon.drawing import as_mermaid, as_text


class Place(BaseModel):
    city: str


@tool
def get_weather(city: str) -> str:
    """Says what the weather is."""
    return city


def desk() -> Template:
    research = LinearTemplate([UserTemplate("Look it up."), AssistantTemplate(template_id="summary")])
    return LinearTemplate(
        [
            SystemTemplate("You are a desk."),
            UserTemplate(description="How can we help?", template_id="request"),
            AssistantTemplate(model="openai:small", template_id="triage"),
            SubroutineTemplate(research, "research", InheritSystemStrategy(), model="openai:large"),
            ToolingTemplate([get_weather], template_id="answer"),
        ],
        template_id="support",
    )


def test_a_text_is_drawn_with_the_variables_it_needs() -> None:
    tree = LinearTemplate([SystemTemplate("{{ tone }}, {{ name }}"), EndTemplate("Bye, {{ name }}.")])

    assert as_text(tree).splitlines() == [
        "linear (linear)",
        "├── system-1 (system)  needs name, tone",
        "└── end-2 (end)        needs name",
    ]


def test_a_tree_is_drawn_with_ids_kinds_models_overrides_and_tools() -> None:
    assert as_text(desk()).splitlines() == [
        "support (linear)",
        "├── system-1 (system)",
        "├── request (user)               asks the user: How can we help?",
        "├── triage (assistant)           model: openai:small",
        "├── research (subroutine)        overrides the model: openai:large · begins with InheritSystemStrategy",
        "│   └── linear-1 (linear)",
        "│       ├── user-1 (user)",
        "│       └── summary (assistant)  model: openai:large (of research)",
        "└── answer (tooling)             model: the runner's · tools: get_weather",
    ]


@pytest.mark.parametrize(
    ("template", "remark"),
    [
        (AssistantTemplate("Fixed."), ""),
        (AssistantTemplate(output_type=Place), "model: the runner's · answers as Place"),
        (AssistantTemplate(output_type=list[int]), "model: the runner's · answers as list[int]"),
        (GenerateTemplate("user", model="openai:x"), "model: openai:x"),
        (UserTemplate(), "asks the user"),
        (UserTemplate("Fixed."), ""),
        (ToolingTemplate([]), "model: the runner's · tools: none"),
        (EndTemplate("Bye."), ""),
        (LoopTemplate([BreakTemplate()], exit_loop_count=3), "at most 3 times"),
        (SubroutineTemplate(AssistantTemplate("Fixed.")), ""),
        (
            SubroutineTemplate(AssistantTemplate("Fixed."), runner=Runner("anthropic:claude")),
            "overrides the runner: Runner with anthropic:claude",
        ),
        (
            SubroutineTemplate(AssistantTemplate("Fixed."), squash_strategy=LLMSummarizingStrategy(model="google:g")),
            "gives back LLMSummarizingStrategy, model: google:g",
        ),
    ],
)
def test_what_is_said_of_a_template(template: Template, remark: str) -> None:
    first = as_text(template).splitlines()[0]

    assert first.partition(")")[2].strip() == remark


def test_the_file_of_a_text_is_named(tmp_path: Path) -> None:
    prompt = tmp_path / "triage.jinja"
    prompt.write_text("Sort this.", encoding="utf-8")

    assert as_text(UserTemplate(prompt)).endswith("says triage.jinja")
    assert as_text(SystemTemplate(prompt)).endswith("says triage.jinja")


def test_branches_say_when_they_are_taken() -> None:
    tree = IfTemplate(lambda session: bool(session.messages), BreakTemplate(), EndTemplate())

    assert as_text(tree).splitlines()[1:] == ["├── break-1 (break)  if true", "└── end-2 (end)      if false"]
    assert "n1 -->|true| n2" in as_mermaid(tree)
    assert "n1 -->|false| n3" in as_mermaid(tree)


def test_a_subroutine_offered_as_a_tool_is_part_of_the_tree() -> None:
    helper = Tool.from_template(
        "look_up", "Looks things up.", SubroutineTemplate(AssistantTemplate(), "helper", model="openai:x")
    )

    assert as_text(ToolingTemplate([helper])).splitlines() == [
        "tooling (tooling)                model: the runner's · tools: look_up",
        "└── helper (subroutine)          overrides the model: openai:x",
        "    └── assistant-1 (assistant)  model: openai:x (of helper)",
    ]


def test_the_innermost_subroutine_decides() -> None:
    inner = SubroutineTemplate(AssistantTemplate(template_id="asked"), "inner", runner=Runner("openai:inner"))
    outer = SubroutineTemplate(LinearTemplate([inner]), "outer", model="openai:outer")

    assert as_text(outer).splitlines()[-1].endswith("model: openai:inner (of inner)")


def test_a_template_in_two_places_is_drawn_whole_once() -> None:
    shared = LinearTemplate([AssistantTemplate("Yes.")], template_id="shared")
    text = as_text(LinearTemplate([shared, shared]))

    assert text.splitlines() == [
        "linear (linear)",
        "├── shared (linear)",
        "│   └── assistant-1 (assistant)",
        "└── shared (linear)              the same as above",
    ]


def test_a_tree_that_doubles_at_every_level_is_drawn_at_once() -> None:
    tree: Template = AssistantTemplate("Yes.")
    for _ in range(60):
        tree = LinearTemplate([tree, tree])

    assert len(as_text(tree).splitlines()) == 121


def test_a_template_of_ones_own_shows_its_model() -> None:
    class Poet(Template):
        model: Any = None

        def _render(self, session: Session) -> Any:
            return session
            yield

    poet = Poet()
    poet.model = Runner("openai:muse").model

    assert as_text(poet) == "poet (poet)  model: openai:muse"


def test_nothing_drawn_steers_the_terminal() -> None:
    text = as_text(UserTemplate(description="\x1b]0;title\x07 your\nname", template_id="\x1b[2J"))

    assert text.isprintable()
    assert "your name" in text


def test_a_flowchart_has_every_template_and_edge() -> None:
    assert as_mermaid(desk()).splitlines() == [
        "flowchart TD",
        '    n1["support (linear)"]',
        '    n2["system-1 (system)"]',
        "    n1 --> n2",
        '    n3["request (user)<br/>asks the user: How can we help#63;"]',
        "    n1 --> n3",
        '    n4["triage (assistant)<br/>model: openai:small"]',
        "    n1 --> n4",
        '    n5[["research (subroutine)<br/>overrides the model: openai:large<br/>begins with InheritSystemStrategy"]]',
        '    n6["linear-1 (linear)"]',
        '    n7["user-1 (user)"]',
        "    n6 --> n7",
        '    n8["summary (assistant)<br/>model: openai:large (of research)"]',
        "    n6 --> n8",
        "    n5 --> n6",
        "    n1 --> n5",
        '    n9["answer (tooling)<br/>model: the runner#39;s<br/>tools: get_weather"]',
        "    n1 --> n9",
    ]


def test_no_label_of_a_flowchart_is_code() -> None:
    chart = as_mermaid(
        UserTemplate(description='"]; click n1 "javascript:alert(1)" <b>`x`</b> %%{init}%% #quot;\n  n1 --> n2')
    )

    label = chart.splitlines()[1]
    assert len(chart.splitlines()) == 2
    assert label.startswith('    n1["')
    assert label.endswith('"]')
    assert not set('"`<>&%{}[]') & set(label[len('    n1["') : -2].replace("<br/>", ""))
    assert "#34;" in label
    assert "#35;quot#59;" in label
