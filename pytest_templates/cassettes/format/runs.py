"""Runs of events as tables: consecutive events of one shape stand once, with what differs from one to the next.

A streamed answer of two hundred words is two hundred events that differ in a word each. Such a run is written as its
``frame``, an event with ``…`` for whatever differs, and ``columns``, what stands there in event after event::

    - count: 4
      at: 0.412 19 - 44
      frame:
        data:
          type: response.output_text.delta
          sequence_number: …
          delta: …
          obfuscation: …
      columns:
        data/sequence_number:
          start: 4
          step: 1
        data/delta:
          text: The capital is Oslo.
          sizes: 3 8 3 6
        data/obfuscation:
          strings: Xq7 a9 Bc0 Z

A column is named by the way to its place: names and indices between slashes, where ``~1`` stands for a slash in a name
and ``~0`` for a tilde, as in JSON pointers (RFC 6901). ``text`` is what was said, with the sizes of its pieces in
characters; ``strings`` are words without a meaning to people, with what they have in common ``before`` and ``after``
them; ``values`` are numbers and the like in JSON; numbers that count have a ``start`` and a ``step``. Of the times,
``at``, the first is in seconds, and the others are milliseconds since the one before; a ``-`` is an event that came
together with the one before it.

At the end, providers send once more what was said in pieces. Such an event has ``…`` for it, and names the column::

    - at: 0.482
      data:
        type: response.output_text.done
        text: …
      said:
        data/text: data/delta

That is the column of this name in the closest table before it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from copy import deepcopy
from itertools import accumulate, groupby, pairwise
from typing import Any, Final, TypeAlias

from pytest_templates.cassettes.format.canonical_json import Json

Row: TypeAlias = dict[str, Any]  # an event or line as it is written: its fields by name, and its time, "at"
_WIDTH: Final = 100  # characters of a line of packed words
_MOST_ROWS: Final = 100_000
_MOST_COLUMNS: Final = 8
_LONGEST_WAY: Final = 120  # characters; YAML allows 1024 written ones
_BESIDE: Final = 6  # lines of a table beside its frame and its columns
_OF_COLUMN: Final = 3  # lines
_GAP: Final = "…"
_NOWHERE: Final = object()
_TOGETHER: Final = "-"
_UNSHAPED: Final = frozenset({"raw", "text"})  # fields of what is kept as it came
_WORD: Final = re.compile(r"[!-~]+")
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:?\d\d)?")
_NOISE: Final = "obfuscation"  # what OpenAI sends so that sizes tell nothing
_LEAST_ID: Final = 16  # characters of strings of one length that are taken for ids
_LEAST_COMMON: Final = 4  # characters
_LEAST_SAID: Final = 40  # characters of a text that is not written again
_STEP: Final = re.compile(r"[0-9]+")  # milliseconds


class SizesError(ValueError):
    """The sizes of the pieces of a text do not add up to the text."""


def compacted(rows: Sequence[Row]) -> list[Row]:
    """The same rows, with tables in place of runs that are shorter so; `expanded` gives them back exactly."""
    found: list[Row] = []
    said: dict[str, str] = {}
    columns: dict[str, str] = {}
    for shape, run in groupby(rows, _shape_of_row):
        same = list(run)
        table = None if shape is None else _table(same)
        if table is None:
            found += [_referring(row, said, columns) for row in same]
        else:
            found.append(table)
            said |= _texts(table)
            columns |= {text: name for name, text in _texts(table).items() if len(text) >= _LEAST_SAID}
    return found


def expanded(rows: Iterable[Row]) -> Iterator[Row]:
    """The rows that tables stand for; each is only good until the next one is asked for.

    Raises:
        ValueError, TypeError, KeyError, AttributeError: A table is not one that `compacted` made.
    """
    said: dict[str, str] = {}
    for row in rows:
        if "frame" in row:
            yield from _rows(row)
            said |= _texts(row)
        else:
            yield _referred(row, said) if "said" in row else row


def _texts(table: Row) -> dict[str, str]:
    """What was said in pieces, by the names of the columns."""
    return {name: column["text"] for name, column in table["columns"].items() if "text" in column}


def _referring(row: Row, said: dict[str, str], columns: dict[str, str]) -> Row:
    """A row without the texts that stand in a column before it.

    Args:
        row: The row.
        said: The texts by the names of their columns, of each name the last one.
        columns: The names by the texts, also by those that are not the last of their name.
    """
    if not columns or _UNSHAPED & row.keys():
        return row
    texts = ((way, value) for way, value in _leaves(_without_time(row)) if isinstance(value, str) and value in columns)
    found = {way: columns[text] for way, text in texts if said[columns[text]] == text}
    names = {_name(way): column for way, column in found.items()}
    if not names or any(len(name) > _LONGEST_WAY for name in names):
        return row
    short = deepcopy(row)
    for way in found:
        _put(short, way, _GAP)
    return {**short, "said": names}


def _referred(row: Row, said: dict[str, str]) -> Row:
    """The row with these texts.

    Raises:
        ValueError: There is no such column, or no such place in the row.
    """
    full = deepcopy({name: value for name, value in row.items() if name != "said"})
    for name, column in row["said"].items():
        if column not in said:
            raise ValueError(f"no table before has a text {column!r}")
        holder, step = _place(full, name)
        holder[step] = said[column]
    return full


def refit_texts(rows: Iterable[Row]) -> None:
    """Let the sizes of pieces add up to texts that were edited: what was added or removed is taken to be at the end."""
    for row in rows:
        for column in row["columns"].values() if "frame" in row else ():
            if "sizes" in column:
                column["sizes"] = _packed(_refitted(_sizes(str(column["sizes"]).split()), len(column["text"])))


def _refitted(sizes: Sequence[int], length: int) -> list[str]:
    ends = [min(end, length) for end in accumulate(sizes)]
    ends[-1:] = [length]
    return [str(end - start) for start, end in pairwise([0, *ends])]


def _shape_of_row(row: Row) -> Any:
    """What rows of one run have in common; ``None`` for one that is in no run."""
    return None if _UNSHAPED & row.keys() else _shape(_without_time(row))


def _shape(value: Json) -> Any:
    if isinstance(value, dict):
        return tuple((name, _shape(inner)) for name, inner in value.items())
    if isinstance(value, list):
        return [*map(_shape, value)]
    return "number" if _is_number(value) else type(value)


def _is_number(value: Json) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _without_time(row: Row) -> Row:
    return {name: value for name, value in row.items() if name != "at"}


Way: TypeAlias = tuple[str | int, ...]


def _leaves(value: Json, way: Way = ()) -> Iterator[tuple[Way, Json]]:
    """What is no list and no mapping, or is an empty one, with the way to it."""
    if value and isinstance(value, (dict, list)):
        for step, inner in _steps(value):
            yield from _leaves(inner, (*way, step))
    else:
        yield way, value


def _steps(value: Json) -> Iterable[tuple[str | int, Json]]:
    """What a list or mapping holds, by index or name; nothing of other values."""
    if isinstance(value, dict):
        return value.items()
    return enumerate(value) if isinstance(value, list) else ()


def _table(rows: Sequence[Row]) -> Row | None:
    """A table for rows of one shape; ``None`` where the rows themselves are as short."""
    frame = _without_time(rows[0])
    ways = [way for way, _ in _leaves(frame)]
    columns = dict(zip(ways, zip(*(_values(row) for row in rows), strict=True), strict=True))
    varying = {way: column for way, column in columns.items() if not _is_constant(column)}
    lines = sum(map(len, ways))  # of a row, or a few less
    if len(varying) > _MOST_COLUMNS or (len(rows) - 1) * lines <= _BESIDE + _OF_COLUMN * len(varying):
        return None
    names = {_name(way): way for way in varying}
    if any(len(name) > _LONGEST_WAY for name in names):
        return None
    frame = deepcopy(frame)
    for way in varying:
        _put(frame, way, _GAP)
    return {
        "count": len(rows),
        **({"at": _packed(_written_times(rows))} if any("at" in row for row in rows) else {}),
        "frame": frame,
        "columns": {name: _column(way, varying[way]) for name, way in names.items()},
    }


def _written_times(rows: Sequence[Row]) -> Iterator[str]:
    last: float | None = None
    for row in rows:
        at = row.get("at")
        yield _TOGETHER if at is None else _written_time(at, last)
        last = last if at is None else at


def _written_time(at: float, last: float | None) -> str:
    step = "" if last is None else str(round((at - last) * 1000))
    return step if _STEP.fullmatch(step) and repr(_time(step, last)) == repr(at) else repr(at)


def _time(word: str, last: float | None) -> float:
    """A time as it is written: in milliseconds since the last one, where there is one, or in seconds."""
    if last is None or not _STEP.fullmatch(word):
        return float(word)
    return round(last + float(word) / 1000, 3)


def _values(row: Row) -> list[Json]:
    return [value for _, value in _leaves(_without_time(row))]


def _is_constant(column: Sequence[Json]) -> bool:
    """Whether all values are written alike: 1 and 1.0 are not, nor are 0.0 and -0.0."""
    first = repr(column[0])
    return all(value is column[0] or repr(value) == first for value in column)


def _name(way: Way) -> str:
    return "/".join(str(step).replace("~", "~0").replace("/", "~1") for step in way)


def _put(frame: Row, way: Way, value: Json) -> None:
    holder: Any = frame
    for step in way[:-1]:
        holder = holder[step]
    holder[way[-1]] = value


def _column(way: Way, column: Sequence[Any]) -> Row:
    if isinstance(column[0], str):
        return _strings(column) if _is_noise(way, column) else _text(column)
    steps = {after - before for before, after in pairwise(column)} if all(type(one) is int for one in column) else set()
    if len(steps) == 1:
        return {"start": column[0], "step": steps.pop()}
    return {"values": _packed(map(json.dumps, column))}


def _is_noise(way: Way, column: Sequence[str]) -> bool:
    """Whether strings are words that people do not read: times, ids, and what OpenAI fills its events up with."""
    if not all(map(_WORD.fullmatch, column)):
        return False
    is_id = len(column[0]) >= _LEAST_ID and len({*map(len, column)}) == 1
    return way[-1] == _NOISE or is_id or all(map(_TIME.fullmatch, column))


def _strings(column: Sequence[str]) -> Row:
    shortest = min(map(len, column))
    before = _beginning(column)[: shortest - 1]
    after = _beginning([word[::-1] for word in column])[: shortest - 1 - len(before)][::-1]
    if len(before) + len(after) < _LEAST_COMMON:
        before = after = ""
    around = {name: part for name, part in (("before", before), ("after", after)) if part}
    return {**around, "strings": _packed(word[len(before) : len(word) - len(after)] for word in column)}


def _beginning(words: Sequence[str]) -> str:
    """What all words begin with."""
    low, high = min(words), max(words)
    size = next((place for place, (one, other) in enumerate(zip(low, high, strict=False)) if one != other), len(low))
    return low[:size]


def _text(column: Sequence[str]) -> Row:
    return {"text": "".join(column), "sizes": _packed(str(len(piece)) for piece in column)}


def _packed(words: Iterable[str]) -> str:
    """Words on a few lines."""
    lines: list[str] = []
    size = _WIDTH
    for word in words:
        if size + len(word) < _WIDTH:
            lines[-1] += f" {word}"
            size += len(word) + 1
        else:
            lines.append(word)
            size = len(word)
    return "\n".join(lines)


def _rows(table: Row) -> Iterator[Row]:
    count = table["count"]
    if type(count) is not int or not 1 <= count <= _MOST_ROWS:
        raise ValueError(f"a run of {count!r} events is none")
    frame = deepcopy(table["frame"])
    places = [(*_place(frame, name), _unpacked(name, column, count)) for name, column in table["columns"].items()]
    last: float | None = None
    for number, time in enumerate(_times(table, count)):
        for holder, step, values in places:
            holder[step] = values[number]
        if time == _TOGETHER:
            yield frame
        else:
            last = _time(time, last)
            yield {"at": last, **frame}


def _times(table: Row, count: int) -> list[str]:
    return _words(table["at"], "at", count) if "at" in table else [_TOGETHER] * count


def _place(row: Row, name: str) -> tuple[Any, str | int]:
    """The list or mapping that a column belongs to, and where in it.

    Raises:
        ValueError: The row has no such place.
    """
    holder: Any = None
    inner: Any = row
    step: str | int = ""
    for written in name.split("/"):
        holder = inner
        is_index = isinstance(holder, list) and written.isdecimal()
        step = int(written) if is_index else _unescaped(written)
        inner = dict(_steps(holder)).get(step, _NOWHERE)
        if inner is _NOWHERE:
            raise ValueError(f"the event has no place {name!r}")
    return holder, step


def _unescaped(step: str) -> str:
    return step.replace("~1", "/").replace("~0", "~")


def _unpacked(name: str, column: Row, count: int) -> Sequence[Json]:
    if "text" in column:
        return _pieces(name, column["text"], _sizes(_words(column["sizes"], name, count)))
    if "strings" in column:
        before, after = column.get("before", ""), column.get("after", "")
        return [before + word + after for word in _words(column["strings"], name, count)]
    if "values" in column:
        return [json.loads(word) for word in _words(column["values"], name, count)]
    start, step = column["start"], column["step"]
    if type(start) is not int or type(step) is not int:
        raise ValueError(f"{name!r} counts by no whole numbers")
    return range(start, start + step * count, step) if step else [start] * count


def _pieces(name: str, text: str, sizes: Sequence[int]) -> list[str]:
    if sum(sizes) != len(text):
        raise SizesError(f"the sizes of {name!r} add up to {sum(sizes)} characters, and its text has {len(text)}")
    return [text[start:end] for start, end in pairwise([0, *accumulate(sizes)])]


def _words(packed: object, name: str, count: int) -> list[str]:
    words = str(packed).split()
    if len(words) != count:
        raise ValueError(f"{name!r} has {len(words)} entries for {count} events")
    return words


def _sizes(words: Iterable[str]) -> list[int]:
    sizes = [*map(int, words)]
    if any(size < 0 for size in sizes):
        raise ValueError(f"a piece of {min(sizes)} characters is none")
    return sizes
