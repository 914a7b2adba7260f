"""Facts about a template that are known before it is rendered, and the branches that can be taken in it.

Drawings, the prompt lock and coverage ask for these, and do not depend on the kinds of templates.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from antiphon.model import Model


class Fact(NamedTuple):
    """Something that is known of a template before it is rendered.

    A drawing shows the label. The prompt lock compares the rest: the text and the details are what models are sent.

    Attributes:
        kind: What it is about. The lock tells apart ``"text"``, ``"include"``, ``"tool"``, ``"output"``, ``"squash"``
            and ``"model"``, and takes what is of another kind for a text.
        label: How a drawing says it, such as ``at most 3 times``; ``""`` leaves it out.
        name: What the text is: a role, or the name of a tool, a type or a file.
        text: What a model is sent, as it is written; ``None`` where there is no text.
        details: What it is sent beside the text, as text or JSON data: a tool's parameters, the schema of an answer.
        model: The model that is chosen here, of which the lock keeps name and settings.
    """

    kind: str
    label: str = ""
    name: str = ""
    text: str | None = None
    details: tuple[Any, ...] = ()
    model: Model | None = None


RUNNERS_MODEL: Final = Fact("model", "model: the runner's")  # a drawing names the model that it is


class Branch(NamedTuple):
    """A way through a template.

    Attributes:
        name: Its name, such as ``"true"``; unique in the template.
        child: The index of the child that is rendered then, from 0; ``None`` where no child belongs to it.
    """

    name: str
    child: int | None = None


class Visit(NamedTuple):
    """What was seen of a template while it was rendered once.

    Attributes:
        children: The places of the children that were rendered, as in ``Template.places``.
        turns: In how many turns children were rendered; 0 where none was, and 1 outside of loops.
        tools: The names of the tools that were called.
        error: What made it fail; ``None`` also where a break or an end left it.
        is_open: Whether it was left before its end and did not fail: the conversation waits for its user, or the
            program has closed the run. What it has not done so far, it may do when it is rendered again.
    """

    children: frozenset[str] = frozenset()
    turns: int = 0
    tools: frozenset[str] = frozenset()
    error: BaseException | None = None
    is_open: bool = False
