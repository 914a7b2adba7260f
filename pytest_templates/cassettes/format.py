"""The text of a cassette: version, interactions in order, end mark.

::

    version: 1
    interactions:
    - template: support/answer
      model: gpt-4o-mini
      request:
        method: POST
        uri: https://api.openai.com/v1/chat/completions
        headers:
          content-type: application/json
        body:
          json:
            model: gpt-4o-mini
            messages: [...]
      response:
        status: 200
        headers: ...
        body: ...
    end:
      interactions: 1

A body is one of ``json`` (a value, with the ``style`` it was written in), ``text``, ``base64``, and for streams
``events``, ``lines`` (of JSON) or ``pieces``; there is none where nothing was sent. The parts of a stream carry a time,
``at``, in seconds since the request was sent; a part without one came together with the part before it. A body that
ended before its time has a ``cut``, by the ``client`` or by an error of httpx. A text that ends before the end mark was
cut off.

::

        body:
          events:
          - at: 0.412
            data: {...}
          - at: 0.431
            data: {...}
          cut:
            at: 0.44
            by: client
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import yaml

from pytest_templates.cassettes import yamltext
from pytest_templates.cassettes.nodes import FaultError, field, interaction_at, interaction_node
from pytest_templates.cassettes.values import Interaction

VERSION: Final = 1
_TAKE_OVER: Final = "`python -m pytest_templates cassettes import` makes one of ours of it"
_CONFLICT: Final = re.compile(r"^(<{7}|\|{7}|={7}|>{7})(?![<|=>])", re.MULTILINE)  # what is written there is indented


class FormatError(ValueError):
    """A text is no cassette of this version.

    Attributes:
        line: The line at fault, from 1.
    """

    def __init__(self, problem: str, line: int) -> None:
        super().__init__(problem)
        self.line = line


def to_text(interactions: Sequence[Interaction]) -> str:
    """The text of a cassette with these interactions."""
    nodes = [interaction_node(interaction) for interaction in interactions]
    return yamltext.dump({"version": VERSION, "interactions": nodes, "end": {"interactions": len(nodes)}})


def from_text(text: str) -> list[Interaction]:
    """The interactions of a cassette's text.

    Raises:
        FormatError: The text is damaged, cut off, of a newer version, or no cassette at all.
    """
    conflict = _CONFLICT.search(text)
    if conflict:
        raise FormatError("holds the marks of a merge conflict", text.count("\n", 0, conflict.start()) + 1)
    try:
        return _interactions(yamltext.load(text))
    except yaml.YAMLError as error:
        raise FormatError(*_yaml_fault(error, text)) from error
    except RecursionError as error:
        raise FormatError("is nested too deeply to be a cassette", 1) from error
    except FaultError as fault:
        line = text.rstrip("\n").count("\n") + 1 if fault.place is None else yamltext.line_of(text, fault.place)
        raise FormatError(str(fault), line) from None


def _interactions(document: Any) -> list[Interaction]:
    nodes = _checked(document)
    interactions = [interaction_at(node, ("interactions", index)) for index, node in enumerate(nodes)]
    expected = field(document["end"], "interactions", int, ("end",))
    if expected != len(interactions):
        raise FaultError(f"holds {len(interactions)} interactions where its end mark says {expected}", ("end",))
    return interactions


def _checked(document: Any) -> list[Any]:
    """The list of interactions of a document that is a whole cassette of this version."""
    if document is None:
        raise FaultError("is empty")
    if not isinstance(document, dict) or "version" not in document:
        raise FaultError("is no cassette: it does not begin with 'version: 1'")
    version = document["version"]
    if version != VERSION or isinstance(version, bool):
        raise FaultError(_version_problem(version), ("version",))
    return _list_of_interactions(document)


def _version_problem(version: object) -> str:
    if isinstance(version, int) and version > VERSION:
        return f"has format version {version}, and this release reads version {VERSION}: upgrade antiphon"
    return f"has the format version {version!r}, which does not exist"


def _list_of_interactions(document: dict[str, Any]) -> list[Any]:
    nodes = field(document, "interactions", list, ()) if document.get("interactions") is not None else []
    if "end" not in document:
        raise _unended(nodes)
    unknown = document.keys() - {"version", "interactions", "end"}
    if unknown:
        raise FaultError(f"has an unknown part {min(map(str, unknown))!r}", (min(map(str, unknown)),))
    return nodes


def _unended(nodes: list[Any]) -> FaultError:
    if nodes and isinstance(nodes[0], dict) and "template" not in nodes[0]:
        return FaultError(f"was written by vcrpy, not by this plugin: {_TAKE_OVER}", ("interactions",))
    return FaultError(f"is cut off: after {len(nodes)} interactions its end mark is missing", None)


def _yaml_fault(error: yaml.YAMLError, text: str) -> tuple[str, int]:
    mark = getattr(error, "problem_mark", None)
    line = mark.line + 1 if mark is not None else text.count("\n", 0, getattr(error, "position", 0)) + 1
    return f"is not readable as YAML: {getattr(error, 'problem', None) or getattr(error, 'reason', error)}", line
