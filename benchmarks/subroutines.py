"""What a subroutine and a fork cost, and that neither depends on how long the conversation or how big the tree is."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from itertools import product

from jinja2 import Environment
from measuring import compared, exponent, show, show_compared
from turns import ANSWER, ConstantModel, Line

from antiphon import AssistantTemplate, LinearTemplate, Message, Runner, Session, SubroutineTemplate, SystemTemplate

MESSAGES = (10, 10_000)
TEMPLATES = (10, 1000)
TEXT = "Say it in a line, about {{ topic }}."


def parent(messages: int, templates: int) -> tuple[Runner, Session]:
    """A runner with a tree, and a conversation so far."""
    messages_so_far = [Message(role="user", content=f"message {number}") for number in range(messages)]
    tree = LinearTemplate([SystemTemplate(f"template {number}") for number in range(templates)])
    runner = Runner(ConstantModel(), template=tree)
    return runner, Session(messages=messages_so_far, metadata={"topic": "parcels"}, runner=runner)


def called(messages: int = 10, templates: int = 10) -> Callable[[], object]:
    """A call of a subroutine that asks its model once; the parent is put back to its size afterwards."""
    runner, session = parent(messages, templates)
    routine = SubroutineTemplate(LinearTemplate([SystemTemplate(TEXT), AssistantTemplate()]))

    def call() -> str:
        runner.run(session, template=routine)
        session.trace.calls.clear()
        return session.messages.pop().content

    if call() != ANSWER:
        raise RuntimeError("the benchmark's subroutine went wrong")
    return call


def inlined(messages: int = 10, templates: int = 10) -> Callable[[], object]:
    """The same templates without a subroutine around them."""
    runner, session = parent(messages, templates)
    group = LinearTemplate([SystemTemplate(TEXT), AssistantTemplate()])

    def call() -> None:
        runner.run(session, template=group)
        session.trace.calls.clear()
        del session.messages[-2:]

    return call


def floor(messages: int = 10, templates: int = 10) -> Callable[[], object]:
    """The floor: shallow copies of the runner and its model, which protect nothing."""
    runner, _ = parent(messages, templates)

    def call() -> Runner:
        twin = copy(runner)
        twin.model = copy(runner.model)
        return twin

    return call


def shallow() -> Callable[[], object]:
    """The floor of a whole subroutine: shallow copies, a list of its own, a compiled text and an answer."""
    text = Environment().from_string(TEXT)
    runner, _ = parent(10, 10)
    lines: list[Line] = []

    def call() -> str:
        twin = copy(runner)
        twin.model = copy(runner.model)
        said = [Line("system", text.render(topic="parcels"))]
        said.append(Line("assistant", ANSWER))
        lines.append(said[-1])
        return lines.pop().content

    return call


def main() -> None:
    """Measure, and print."""
    runner, _ = parent(10, 10)
    measured = compared(
        {
            "copy.copy of runner and model": floor(),
            "fork": runner.fork,
            "no subroutine": inlined(),
            "subroutine": called(),
        }
    )
    show_compared("A subroutine of two templates, one of which asks a model", measured)

    sizes = list(product(MESSAGES, TEMPLATES))
    costs = {
        size: compared({"floor": floor(*size), "fork": parent(*size)[0].fork, "call": called(*size)}) for size in sizes
    }
    show(
        "In a parent of so many messages and templates",
        ("messages and templates", "fork, times the floor", "subroutine, times the floor"),
        (
            (f"{messages:,} and {templates:,}", cost["fork"].ratio, cost["call"].ratio)
            for (messages, templates), cost in costs.items()
        ),
    )
    for what in ("fork", "call"):
        by_messages = exponent((messages, costs[messages, TEMPLATES[0]][what].ratio) for messages in MESSAGES)
        by_templates = exponent((templates, costs[MESSAGES[0], templates][what].ratio) for templates in TEMPLATES)
        print(f"  a {what} grows with messages ** {by_messages:.2f} and templates ** {by_templates:.2f}")


if __name__ == "__main__":
    main()
