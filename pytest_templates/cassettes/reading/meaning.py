"""Whether two answers to one request mean the same: equal apart from what differs each time that a model is asked.

That is ids, times, fingerprints and signatures; in which pieces a stream came, and when; and how the tokens are made
up, such as how many of them were cached. Other counts of tokens are another answer: budgets and costs change with them.
What is no answer of a model means the same where it is equal: of documents that were searched for, the id may be the
answer.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, Final, TypeAlias

from pytest_templates.cassettes.format.bodies import LONGEST, is_stream
from pytest_templates.cassettes.format.canonical_json import Json, JsonError, parse
from pytest_templates.cassettes.reading.llm import answer_of, documents_of
from pytest_templates.cassettes.recorded import RecordedResponse, header

_NOISE: Final = re.compile(
    r"id|.*(?:_id|Id|_at|At|_duration)|created|time|timestamp|date|.*fingerprint|obfuscation|sequence_number"
    r"|signature|thought_?[sS]ignature|encrypted_content"
)
_OF_MODELS: Final = frozenset({"choices", "candidates", "delta", "usage", "usageMetadata"})  # what only these have
_COUNTED: Final = frozenset({"usage", "usageMetadata"})  # compared by what they add up to
_PIECES: Final = frozenset({"delta", "message", "parts"})  # what is said stands in these, a piece at a time
_ALIKE: Final = frozenset({"type", "role", "object"})  # in each piece anew
_BESIDE_DATA: Final = re.compile(r"(?:event|id|retry)?:")  # what lines of a stream begin with that say nothing more
_LEAST: Final = 4  # characters of an id

Leaf: TypeAlias = "tuple[tuple[str | int, ...], Json]"


def means_the_same(old: RecordedResponse, new: RecordedResponse) -> bool:
    """Whether two answers to one request mean the same."""
    if _head(old) != _head(new):
        return False
    if old.body == new.body:
        return True
    if max(len(old.body), len(new.body)) > LONGEST:
        return False
    answer = answer_of(old)
    is_of_model = answer.text or any(_OF_MODELS & document.keys() for document in documents_of(old))
    if not is_of_model or answer != answer_of(new):
        return False
    meaning = _meaning(old)
    return meaning is not None and meaning == _meaning(new)


def noise_of(response: RecordedResponse) -> set[str]:
    """The ids, times and headers of an answer, which a program may send back."""
    found = {value for _, value in response.headers}
    if len(response.body) <= LONGEST:
        leaves = [leaf for document in documents_of(response) for leaf in _leaves(document)]
        found |= {str(value) for way, value in leaves if _is_noise(way)}
    return {value for value in found if len(value) >= _LEAST}


def _head(response: RecordedResponse) -> tuple[Any, ...]:
    left_by = response.cut.by if response.cut else None
    kind = header(response.headers, "content-type")
    return response.status, response.reason, response.http_version, response.encoding, kind, left_by


def _meaning(response: RecordedResponse) -> Any:
    """What is compared; ``None`` where it is not known what there is to compare."""
    if is_stream(response.headers):
        documents = documents_of(response)
        return (_joined(map(_said, documents)), _other_lines(response)) if documents else None
    try:
        return _said(parse(response.body))
    except JsonError:
        return None


def _other_lines(response: RecordedResponse) -> list[str]:
    """The lines of a stream that are no JSON objects, and say something."""
    lines = (line for line in response.body.decode("utf-8", "replace").splitlines() if line.strip())
    return [line for line in lines if not _BESIDE_DATA.match(line) and not _is_object(line.removeprefix("data:"))]


def _is_object(text: str) -> bool:
    try:
        return isinstance(parse(text), dict)
    except JsonError:
        return False


def _said(value: Json) -> list[Leaf]:
    return [(way, leaf) for way, leaf in _leaves(value) if not _is_noise(way) and not _COUNTED.intersection(way)]


def _joined(documents: Iterable[list[Leaf]]) -> dict[Any, Any]:
    """What stands at each place of the events of a kind, one after the other, whatever the pieces were."""
    places: dict[Any, list[Json]] = defaultdict(list)
    for leaves in documents:
        kind = tuple((way, value) for way, value in leaves if way == ("type",) or _name(way).endswith("index"))
        for way, value in leaves:
            if value not in ("", None):
                places[kind, way].append(value)
    return {place: _one(place[1], values) for place, values in places.items()}


def _one(way: tuple[str | int, ...], values: list[Json]) -> Any:
    """The text that pieces make together; of other values the one that it is each time, or all of them in order."""
    if _PIECES.intersection(way) and way[-1] not in _ALIKE and all(isinstance(value, str) for value in values):
        return "".join(map(str, values))
    distinct = list(dict.fromkeys(map(repr, values)))
    return values[0] if len(distinct) == 1 else distinct


def _leaves(value: Json, way: tuple[str | int, ...] = ()) -> Iterator[Leaf]:
    if value and isinstance(value, (dict, list)):
        for step, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _leaves(inner, (*way, step))
    else:
        yield way, value


def _is_noise(way: tuple[str | int, ...]) -> bool:
    return bool(_NOISE.fullmatch(_name(way)))


def _name(way: tuple[str | int, ...]) -> str:
    """The name of a place, or of the list that it is in."""
    return next((step for step in reversed(way) if isinstance(step, str)), "")
