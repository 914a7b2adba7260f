"""Whether two answers to one request mean the same: equal apart from what differs each time that a model is asked.

That is ids, times, fingerprints and signatures; in which pieces a stream came, and when; and how the tokens are made
up, such as how many of them were cached. Other counts of tokens are another answer: budgets and costs change with them.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, Final, TypeAlias

from pytest_templates.cassettes.format.bodies import LONGEST, is_stream
from pytest_templates.cassettes.format.canonical_json import Json
from pytest_templates.cassettes.reading.llm import answer_of, documents_of
from pytest_templates.cassettes.recorded import RecordedResponse, header

_NOISE: Final = re.compile(
    r"id|.*(?:_id|Id|_at|At|_duration)|created|time|timestamp|date|.*fingerprint|obfuscation|sequence_number"
    r"|signature|thought_?[sS]ignature|encrypted_content"
)
_COUNTED: Final = frozenset({"usage", "usageMetadata"})  # compared by what they add up to
_LEAST: Final = 4  # characters of an id

Leaf: TypeAlias = "tuple[tuple[str | int, ...], Json]"


def means_the_same(old: RecordedResponse, new: RecordedResponse) -> bool:
    """Whether two answers to one request mean the same."""
    if _head(old) != _head(new):
        return False
    if old.body == new.body:
        return True
    if max(len(old.body), len(new.body)) > LONGEST or not (documents_of(old) and documents_of(new)):
        return False
    return answer_of(old) == answer_of(new) and _meaning(old) == _meaning(new)


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
    documents = [_said(document) for document in documents_of(response)]
    return _joined(documents) if is_stream(response.headers) else documents


def _said(document: dict[str, Json]) -> list[Leaf]:
    return [(way, value) for way, value in _leaves(document) if not _is_noise(way) and not _COUNTED.intersection(way)]


def _joined(documents: list[list[Leaf]]) -> dict[Any, Any]:
    """What stands at each place of the events of a kind, one after the other, whatever the pieces were."""
    places: dict[Any, list[Json]] = defaultdict(list)
    for leaves in documents:
        kind = next((value for way, value in leaves if way == ("type",)), None)
        for way, value in leaves:
            if value not in ("", None):
                places[kind, way].append(value)
    return {place: _one(values) for place, values in places.items()}


def _one(values: list[Json]) -> Json:
    """The value where it is the same each time, else the text that they make together, or the values in order."""
    distinct = list(dict.fromkeys(map(repr, values)))
    if len(distinct) == 1:
        return values[0]
    return "".join(values) if all(isinstance(value, str) for value in values) else distinct


def _leaves(value: Json, way: tuple[str | int, ...] = ()) -> Iterator[Leaf]:
    if value and isinstance(value, (dict, list)):
        for step, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _leaves(inner, (*way, step))
    else:
        yield way, value


def _is_noise(way: tuple[str | int, ...]) -> bool:
    name = next((step for step in reversed(way) if isinstance(step, str)), "")
    return bool(_NOISE.fullmatch(name))
