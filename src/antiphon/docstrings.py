"""Reads docstrings: what one says of its function, and of each parameter, in Google, NumPy or Sphinx style."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from docstring_parser import Docstring, ParseError, google, numpydoc, rest


@dataclass(frozen=True, slots=True)
class Described:
    """What a docstring says.

    Attributes:
        text: What it says up to its sections.
        parameters: What it says of each parameter.
        problem: Why what it says of parameters cannot be read; ``None`` where it can.
    """

    text: str = ""
    parameters: dict[str, str] = field(default_factory=dict)
    problem: str | None = None


@lru_cache(maxsize=128)
def described(docstring: str) -> Described:
    """What a docstring says, read in the style in which it says most.

    Args:
        docstring: The text, cleaned as ``inspect.getdoc`` does it.
    """
    sections = [google.Section(title, "param", google.SectionType.MULTIPLE) for title in ("Args", "Arguments")]
    problem: str | None = None
    read: list[Docstring] = []
    for parse in (google.GoogleParser(sections).parse, numpydoc.parse, rest.parse):  # the first of equals counts
        try:
            read.append(parse(docstring))
        except ParseError as error:
            problem = problem or str(error)
    best = max(read, key=lambda one: (len(dict(_parameters(one))), len(one.many_returns) + len(one.raises)))
    parameters = dict(_parameters(best))
    text = _SECTION.split(best.description or "")[0].strip()
    return Described(text, parameters, None if parameters else problem)


def _parameters(docstring: Docstring) -> Iterator[tuple[str, str]]:
    for one in docstring.params:
        if one.args[0] != "attribute":
            for name in one.arg_name.split(","):  # as in "width, height : int"
                yield name.strip(), " ".join((one.description or "").split())


# Of those that the Google style knows, only the parameters are parsed.
_SECTION = re.compile(
    r"^(Args|Arguments|Attributes|Returns|Raises|Yields|Warns|Examples?|Notes?|Warnings?|See Also|Todo):\s*$",
    re.MULTILINE,
)
