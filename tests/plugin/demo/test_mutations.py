"""Twenty faults, planted in the demo one at a time: each turns its tests red, and what they say names the template."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

DESK = "support_desk.py"
TESTS = "tests/test_support_desk.py"
TRIAGE = "AssistantTemplate(model=models.triage, template_id="
ANSWER = '            AssistantTemplate(model=models.answer, template_id="answer"),\n'
RESEARCH = "            research(models.research),\n"
COPY = '        del session.metadata["customer"]\n'  # where research's session is made, with its parent at hand
CHANGED = "IsolationViolation: the subroutine at 'research' changed its parent:\n  "
SWALLOWED = """\
    try:
        session.runner.model.send(session)
    except Exception:
        pass
"""


@dataclass(frozen=True)
class Mutation:
    """A fault: what stands in a file once, what is put in its place, and what the tests say then, in this order."""

    name: str
    old: str
    new: str
    says: tuple[str, ...]
    file: str = DESK


MUTATIONS = [
    # model overrides: swapped, added, removed
    Mutation(
        "swapped model of a template",
        f'{TRIAGE}"triage"',
        'AssistantTemplate(model=models.answer, template_id="triage"',
        ("models are not as expected", "✗  triage    small     large   the template's own model="),
    ),
    Mutation(
        "swapped model of a subroutine",
        "research(models.research)",
        "research(models.triage)",
        ("models are not as expected", "✗  summary   medium    small  model= of the subroutine around it"),
    ),
    Mutation(
        "swapped model of a branch",
        "handover(models.triage)",
        "handover(models.answer)",
        ("models are not as expected", "✗  note      small     large  the template's own model="),
    ),
    Mutation(
        "added model",
        'AssistantTemplate(template_id="summary")',
        'AssistantTemplate(template_id="summary", model=real_models().answer)',
        ("LiveCallRefused: ", "asked by  support/research/linear-1/summary"),
    ),
    Mutation(
        "removed model of a template",
        'AssistantTemplate(model=models.answer, template_id="answer")',
        'AssistantTemplate(template_id="answer")',
        ("models are not as expected", "✗  answer    large     spare   the runner's model"),
    ),
    Mutation(
        "removed model of a subroutine",
        "session_init_strategy=Discretion(), model=model)",
        "session_init_strategy=Discretion())",
        ("models are not as expected", "✗  summary   medium    spare  the runner's model"),
    ),
    # subroutines that write to their parent
    Mutation(
        "written to the parent's metadata",
        COPY,
        COPY + '        parent_session.metadata["customer"]["orders"].append(1852)\n',
        (f"{CHANGED}metadata['customer']['orders'][1] was added: 1852",),
    ),
    Mutation(
        "written to the parent's messages",
        COPY,
        COPY + "        parent_session.messages.clear()\n",
        ("IsolationViolation: the subroutine at 'support/research'", "messages[0] was removed: system: "),
    ),
    Mutation(
        "written to the parent's runner",
        COPY,
        COPY + "        parent_session.runner.user_interface = None\n",
        ("IsolationViolation: the subroutine at 'support/research'", "runner.user_interface"),
    ),
    Mutation(
        "written to the settings of the parent's model",
        COPY,
        COPY + "        parent_session.runner.model.settings.temperature = 2.0\n",
        (CHANGED, "settings.temperature was None and is 2.0"),
    ),
    # prompts: changed, dropped, doubled
    Mutation(
        "changed prompt",
        "in two friendly sentences",
        "in three friendly sentences",
        ("CassetteMiss: ", "asked by  support/answer", "message 6 (user):", "answer to Ada in [two]", "[three]"),
        file="prompts/answer.jinja",
    ),
    Mutation(
        "dropped prompt",
        '            SystemTemplate("You sum up handbooks in one sentence."),\n',
        "",
        ("CassetteMiss: ", "asked by  support/research/linear-1/summary", "only recorded, before message 1 (system):"),
    ),
    Mutation(
        "doubled prompt",
        '            UserTemplate(PROMPTS / "triage.jinja"),\n',
        '            UserTemplate(PROMPTS / "triage.jinja"),\n' * 2,
        ("CassetteMiss: ", "asked by  support/triage", "message 4 (user), only in this request:"),
    ),
    # calls: too many, too few
    Mutation(
        "one call too many",
        RESEARCH,
        f"            {TRIAGE}'mood'),\n{RESEARCH}",
        ("UnscriptedCall: scripted_model 'small' was asked by the template at 'support/mood'",),
    ),
    Mutation(
        "one turn too many",
        ANSWER,
        ANSWER + ANSWER.replace('"answer"', '"postscript"'),
        ("UnscriptedCall: scripted_model 'large' was asked by the template at 'support/postscript'",),
    ),
    Mutation(
        "one call too few",
        ANSWER,
        "",
        ("✗  answer    large     (not called)",),
    ),
    Mutation(
        "one subroutine too few",
        RESEARCH,
        "",
        ("✗  summary   medium    (not called)",),
    ),
    # failures that nobody hears of
    Mutation(
        "swallowed error",
        '    session.metadata["topic"] = topic\n',
        SWALLOWED + '    session.metadata["topic"] = topic\n',
        ("UnscriptedCall: scripted_model 'spare' was asked by the template at 'support/triage'",),
    ),
    Mutation(
        "ignored fault",
        'if topic in said), "other")',
        'if topic in said), "refund")',
        ("UnscriptedCall: ", "the template at 'support/research/linear-1/summary'", "the script handover.yaml"),
    ),
    Mutation(
        "fault that never happens",
        'llm_faults.at("support/triage", faults.empty())',
        'llm_faults.at("support/answer", faults.empty())',
        ("UnusedSteps: llm_faults still holds faults that did not happen:", "at 'support/answer': faults.empty()"),
        file=TESTS,
    ),
]


def test_there_are_twenty() -> None:
    assert len({mutation.name for mutation in MUTATIONS}) == 20


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_a_fault_is_noticed_and_named(run, change, project, mutation):
    change(mutation.file, mutation.old, mutation.new)

    result = run()

    outcomes = result.parseoutcomes()
    assert outcomes.get("failed", 0) + outcomes.get("errors", 0) > 0
    project.says(result, *mutation.says)
