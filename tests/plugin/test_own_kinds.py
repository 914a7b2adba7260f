"""A template kind of one's own that branches is covered, locked and watched like a built-in one."""

from __future__ import annotations

import re
from typing import Any

import pytest

from pytest_templates.lock.file import read_lock

ROUTER = """
from antiphon import *

class Router(Template):
    "Asks a model which of some templates to render."

    def __init__(self, question, routes, model=None):
        super().__init__(template_id="desk")
        self.question, self.routes, self.answering = question, routes, model

    @property
    def children(self):
        return tuple(self.routes.values())

    @property
    def branches(self):
        return *(Branch(name, index) for index, name in enumerate(self.routes)), Branch("other")

    @property
    def model_within(self):
        return self.answering

    def facts(self):
        yield from super().facts()
        yield Fact("text", name="user", text=self.question)
        yield Fact("router", text=", ".join(self.routes))
        if self.answering is not None:
            yield Fact("model", model=self.answering)

    def _render(self, session):
        yield Message(role="user", content=self.question)
        answer = yield from self.ask(session)
        if answer.content == "broken":
            raise RuntimeError("no")
        if answer.content in self.routes:
            session = yield from self.include(self.routes[answer.content], session)
        return session

class Large(Model):
    name = "large"
    settings = ModelSettings(temperature=0.5)

    def _send(self, session):
        return "large"

def desk(question="Which one?", model=None):
    return Router(question, {"bill": UserTemplate("Bill!"), "refund": AssistantTemplate("Refund!")}, model)
"""


@pytest.fixture
def router(project: Any) -> Any:
    project.file("router.py", ROUTER)
    return project


def render(project: Any, *answers: str, tree: str = "desk()") -> None:
    project.tests(
        f"""
        from router import *

        @pytest.mark.parametrize("answer", {list(answers)!r})
        def test_it(scripted_model, answer):
            swallow(Runner(scripted_model(answer), template={tree}).run)
        """
    )


def locked(project: Any) -> dict[str, set[str]]:
    project.run("--templates-lock=update").assert_outcomes(passed=1)
    facts = read_lock(project.path / "templates.lock")
    assert facts is not None
    return {kind: set(values) for (key, kind), values in facts.items() if key.path == "desk"}


@pytest.mark.parametrize(
    ("answers", "missing"),
    [
        (["bill", "refund", "anything"], []),
        (["bill"], ["never other", "never refund", "never rendered"]),
        (["anything"], ["never bill", "never refund", "never rendered", "never rendered"]),
        (["broken"], ["never bill", "never other", "never refund", "never rendered", "never rendered"]),
    ],
)
def test_branches_that_no_test_took_are_missing(router: Any, answers: list[str], missing: list[str]) -> None:
    render(router, *answers)

    result = router.run("--templates-coverage")

    reached = 6 - len(missing)
    result.stdout.fnmatch_lines([f"{reached} of 6 templates and branches rendered ({100 * reached / 6:.0f}%)"])
    assert sorted(re.findall(r"^  (never \w+)", result.stdout.str(), re.MULTILINE)) == missing


def test_what_it_sends_and_the_model_it_names_are_locked(router: Any) -> None:
    render(router, "bill", tree="desk(model=Large())")

    kinds = locked(router)

    assert {re.sub(r" [0-9a-f]{12}:", "", text, count=1) for text in kinds["text"]} == {
        "user Which one?",
        "router bill, refund",
    }
    assert kinds["model"] == {"large"}
    assert kinds["settings"] == {"temperature=0.5"}


def test_another_question_is_a_change(router: Any) -> None:
    render(router, "bill")
    locked(router)
    render(router, "bill", tree="desk('Which one, please?')")

    result = router.run("--templates-lock=check")

    assert result.ret == 1
    result.stdout.fnmatch_lines(["*Which one, please?*"])


@pytest.mark.parametrize(("changed", "outcome"), [("model", {"passed": 1}), ("question", {"failed": 1})])
def test_the_model_that_serves_what_is_below_it_may_change_its_settings(
    router: Any, changed: str, outcome: dict[str, int]
) -> None:
    change = {"model": "tree.answering.settings.seed = 7", "question": "tree.question = 'Else?'"}[changed]
    router.tests(
        f"""
        from router import *

        tree = desk(model=Large())

        class Meddling(Template):
            def _render(self, session):
                {change}
                return session
                yield

        def test_it(scripted_model):
            group = LinearTemplate([SubroutineTemplate(Meddling()), tree])
            Runner(scripted_model("bill"), template=group).run()
        """
    )

    router.run().assert_outcomes(**outcome)
