"""Reports of children that ran at the same time are those of children that ran one after another."""

from __future__ import annotations

import json
import re
from typing import Any

TESTS = """
import asyncio

class Slow(Model):
    "Answers late where the question is long, so that children overtake each other."
    def _send(self, session):
        asks = session.request.tools and session.last.role == "user"
        return Reply(tool_calls=(ToolCall(id="1", name="price"),)) if asks else f"{len(session.messages)} heard"
    async def _asend(self, session):
        for _ in range(len(session.last.content)):
            await asyncio.sleep(0)
        return self._send(session)

@tool
async def price() -> str:
    "Tells a price."
    await asyncio.sleep(0)
    return "nine"

def asking(question, name):
    is_long = lambda session: len(question) > 3
    branch = IfTemplate(is_long, UserTemplate("So?"), UserTemplate("Well?"), template_id="which")
    return LinearTemplate([UserTemplate(question), branch, AssistantTemplate(template_id="answer")], template_id=name)

shop = LinearTemplate([UserTemplate("?"), ToolingTemplate([price], template_id="tools")], template_id="shop")
children = [asking("a long one", "slow"), SubroutineTemplate(asking("b", "in"), "quick"), shop]
research = ParallelTemplate(children, "research", squash_strategy=FilterByRoleStrategy(["assistant"]))
parts = [SystemTemplate("Be brief."), research, UserTemplate("So?"), AssistantTemplate()]
tree = LinearTemplate(parts, template_id="desk")

async def listed(steps):
    return [step async for step in steps]

HOW = {
    "run": lambda runner: runner.run(),
    "arun": lambda runner: asyncio.run(runner.arun()),
    "aiter": lambda runner: asyncio.run(listed(runner.aiter())),
}

@pytest.mark.parametrize("how", HOW)
@pytest.mark.llm_budget(calls=5)
def test_it(how):
    HOW[how](Runner(Slow(), template=tree))
"""


def facts_of(test: dict[str, Any]) -> list[Any]:
    left_out = {"seconds", "seconds_to_text"}
    calls = [{name: value for name, value in call.items() if name not in left_out} for call in test["calls"]]
    return sorted(map(repr, calls))


def told(drawn: str) -> list[str]:
    """The lines, without the places of messages in the order in which they were said."""
    return re.sub(r"(?<=sent)( \d+)+", "", drawn).splitlines()


def test_rows_and_totals_are_the_same(project, drawn):
    project.tests(TESTS)

    result = project.run("--templates-json=run.json", "--templates-coverage", "--templates-isolation=precise")

    project.says(result, "21 of 25 templates and branches rendered (84%)")
    project.says(result, "templates: 15 calls of 1 model, 0 tokens, $0.0000, 9 subroutines checked")
    report = json.loads((project.path / "run.json").read_text(encoding="utf-8"))
    tests = {test["nodeid"].partition("[")[2].rstrip("]"): test for test in report["tests"]}
    assert [test["outcome"] for test in tests.values()] == ["passed"] * 3
    one_after_another = told(drawn(tests["run"]))
    assert one_after_another[:8] == [
        "desk",
        "  desk/system-1",
        "    system: Be brief.",
        "  desk/research",
        "    desk/research/slow unchanged",
        "      desk/research/slow/user-1",
        "        user: a long one",
        "      desk/research/slow/which",
    ]
    for how in ("arun", "aiter"):
        assert told(drawn(tests[how])) == one_after_another
        assert facts_of(tests[how]) == facts_of(tests["run"])
        assert tests[how]["isolation"] == {"subroutines": 3, "violations": []}
