"""What is locked of a template's words."""

from __future__ import annotations

import re
from typing import Any

import pytest

from pytest_templates.lock.file import read_lock


def locked(project: Any, template: str, *, more: str = "") -> dict[str, set[str]]:
    """What is locked, by kind, of a template that a test renders."""
    model = "scripted_model('1', allow_unused=True)"
    project.tests(f"{more}\ndef test_it(scripted_model):\n    Runner({model}, template={template}).run()\n")
    project.run("--templates-lock=update").assert_outcomes(passed=1)
    facts = read_lock(project.path / "templates.lock")
    assert facts is not None
    return {kind: set(values) for (_, kind), values in facts.items()}


def words(locked: dict[str, set[str]], kind: str = "text") -> list[str]:
    """Without the hashes."""
    return sorted(re.sub(r" [0-9a-f]{12}(?=:|$):?", "", one, count=1) for one in locked[kind])


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("SystemTemplate('Be kind.')", "system Be kind."),
        ("MessageTemplate('Rain.', 'tool')", "tool Rain."),
        ("UserTemplate('Hi {{ session.messages }}')", "user Hi {{ session.messages }}"),
        ("UserTemplate(description='Who?', default='Nobody.')", "user, by default Nobody."),
        ("AssistantTemplate('Hello.')", "assistant Hello."),
        ("EndTemplate('Bye.')", "assistant Bye."),
        (r"UserTemplate('a\n\n  b\u202e\x07')", "user a b"),
        (r"UserTemplate('\u65e5\u672c \"x\" \\\\')", """user \u65e5\u672c "x" \\\\"""),
    ],
)
def test_words_are_locked_as_they_are_written(project: Any, template: str, said: str) -> None:
    assert words(locked(project, template)) == [said]


def test_what_says_nothing_of_its_own_is_not_locked(project: Any) -> None:
    assert locked(project, "LinearTemplate([UserTemplate('Hi.'), AssistantTemplate()])").keys() == {"text"}


def test_braces_that_are_said_as_they_stand_are_another_text(project: Any) -> None:
    plain = locked(project, "UserTemplate('Hi {{ 1 }}', disable_jinja=True)")

    assert plain != locked(project, "UserTemplate('Hi {{ 1 }}')")


def test_ids_times_and_secrets_in_a_text_do_not_count(project: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    more = "import os, uuid, datetime"
    text = "f'{uuid.uuid4()} {datetime.datetime.now().isoformat()} {os.environ[\"DESK_TOKEN\"]}'"
    monkeypatch.setenv("DESK_TOKEN", "one-secret-value")
    first = locked(project, f"UserTemplate({text})", more=more)
    monkeypatch.setenv("DESK_TOKEN", "another-secret-value")

    assert locked(project, f"UserTemplate({text})", more=more) == first
    assert words(first) == ["user <uuid 1> <time 1> REDACTED"]


def test_what_a_file_includes_is_locked_with_it(project: Any) -> None:
    project.file("prompts/main.jinja", "{% include 'tone.jinja' %} Do it.\n")
    project.file("prompts/tone.jinja", "{% import 'names.jinja' as names %}Be kind.\n")
    project.file("prompts/names.jinja", "{% set ada = 'Ada' %}\n")
    template, more = "UserTemplate(Path('prompts/main.jinja'))", "from pathlib import Path"
    first = locked(project, template, more=more)

    project.file("prompts/names.jinja", "{% set ada = 'Eve' %}\n")
    second = locked(project, template, more=more)

    assert words(first) == ["user {% include 'tone.jinja' %} Do it."]
    assert [one.split()[0] for one in sorted(first["include"])] == ["names.jinja", "tone.jinja"]
    assert second["text"] == first["text"]
    assert [one.split()[0] for one in first["include"] - second["include"]] == ["names.jinja"]


OWN = '''
class Greeting(Template):
    """Greets."""

    def _render(self, session):
        """Says hello."""
        name = session.metadata.get("name", "you")
        message = Message(role="user", content=f"Good morning, {name}!")
        session.append(message)
        yield message
        return session
'''


def test_the_words_in_a_template_of_ones_own_are_locked(project: Any) -> None:
    first = locked(project, "Greeting()", more=OWN)

    assert words(first, "code") == ["Greeting Good morning,"]
    assert locked(project, "Greeting()", more=OWN.replace("Good morning", "Good night")) != first
    assert locked(project, "Greeting()", more=OWN.replace("Greets.", "Says hello.").replace("name", "called")) != first
    same = OWN.replace("Greets.", "Says hello.").replace("message", "said").replace("return", "# done\n        return")
    assert locked(project, "Greeting()", more=same) == first


def test_a_class_without_a_source_is_said_to_have_none(project: Any) -> None:
    more = f"exec({OWN!r})"

    assert locked(project, "Greeting()", more=more)["code"] == {"Greeting cannot be read: OSError"}


@pytest.mark.parametrize("kind", ["SubroutineTemplate(UserTemplate('Hi.')", "ParallelTemplate([UserTemplate('Hi.')]"])
def test_the_prompt_that_squashes_a_subroutine_is_locked(project: Any, kind: str) -> None:
    template = f"{kind}, squash_strategy=LLMSummarizingStrategy(prompt='Sum up {{conversation}}'))"

    assert words(locked(project, template), "squash") == ["LLMSummarizingStrategy Sum up {conversation}"]


def test_templates_from_elsewhere_are_locked_by_the_name_of_their_file(project: Any, tmp_path: Any) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "shared_prompts.py").write_text("from antiphon import UserTemplate\nhi = UserTemplate('Hi.')\n")
    more = f"import sys\nsys.path.append({str(elsewhere)!r})\nfrom shared_prompts import hi"

    locked(project, "hi", more=more)

    assert '["shared_prompts.py"."user"]' in (project.path / "templates.lock").read_text(encoding="utf-8")
