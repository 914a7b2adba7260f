"""What a turn costs: a user's message of a Jinja text with variables, and one answer of a model that only answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from jinja2 import Environment
from measuring import compared, exponent, show, show_compared

from antiphon import (
    AssistantTemplate,
    LinearTemplate,
    LoopTemplate,
    Model,
    Observer,
    Runner,
    Session,
    UserTemplate,
    observing,
)

TEXT = "{{ customer }} asks about order {{ order.number }}: where is it, and what does it cost to send it back?"
METADATA = {"customer": "Ada Lovelace", "order": {"number": 1815}}
ANSWER = "It leaves the warehouse tonight. Sending it back is free for thirty days."
TURNS = 100
SIZES = (10, 100, 1000, 10_000)


@dataclass(slots=True)
class Line:
    """The least that a message can be."""

    role: str
    content: str


class ConstantModel(Model):
    """Gives the same answer at once, so that only the engine is measured."""

    def _send(self, session: Session) -> str:
        return ANSWER


class IdleObserver(Observer):
    """Receives every event, and does nothing."""

    def on_template_enter(self, event: object) -> None:
        """Do nothing."""

    def on_template_exit(self, event: object) -> None:
        """Do nothing."""

    def on_model_call(self, call: object) -> None:
        """Do nothing."""


def floor(turns: int) -> Callable[[], object]:
    """The floor: compiled text, slots, a list, and no engine."""
    text = Environment().from_string(TEXT)

    def converse() -> list[Line]:
        lines: list[Line] = []
        for _ in range(turns):
            lines.append(Line("user", text.render(METADATA)))
            lines.append(Line("assistant", ANSWER))
        return lines

    return converse


def looped(turns: int) -> Callable[[], Session]:
    """The engine, with a loop."""
    tree = LoopTemplate([UserTemplate(TEXT), AssistantTemplate()], exit_loop_count=turns)
    return running(tree, turns)


def listed(turns: int) -> Callable[[], Session]:
    """The engine, with a template for every message."""
    tree = LinearTemplate([kind for _ in range(turns) for kind in (UserTemplate(TEXT), AssistantTemplate())])
    return running(tree, turns)


def observed(turns: int) -> Callable[[], Session]:
    """The engine, with an observer."""
    converse = looped(turns)

    def watched() -> Session:
        with observing(IdleObserver()):
            return converse()

    return watched


def running(tree: LoopTemplate | LinearTemplate, turns: int) -> Callable[[], Session]:
    """A function that plays a tree from the beginning; it was tried once, with the right outcome."""
    runner = Runner(ConstantModel(), template=tree)

    def converse() -> Session:
        return runner.run(Session(metadata=METADATA))

    messages = converse().messages
    if len(messages) != 2 * turns or "order 1815" not in messages[-2].content or messages[-1].content != ANSWER:
        raise RuntimeError(f"the benchmark's conversation went wrong: {messages[-2:]}")
    return converse


def main() -> None:
    """Measure, and print."""
    measured = compared(
        {
            "floor": floor(TURNS),
            "loop": looped(TURNS),
            "list of templates": listed(TURNS),
            "loop, observed": observed(TURNS),
        }
    )
    show_compared(f"{TURNS} turns, each a rendered message and an answer", measured)

    costs = {turns: compared({"floor": floor(turns), "loop": looped(turns)})["loop"] for turns in SIZES}
    show(
        "One turn of a conversation of so many",
        ("turns", "microseconds a turn", "times the floor"),
        ((f"{turns:,}", cost.seconds / turns * 1e6, cost.ratio) for turns, cost in costs.items()),
    )
    print(f"  grows with turns ** {exponent((turns, cost.seconds) for turns, cost in costs.items()):.2f}")


if __name__ == "__main__":
    main()
