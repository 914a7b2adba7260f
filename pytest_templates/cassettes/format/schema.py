"""The JSON schema of cassettes, published in ``docs/``: for editors, and for other programs that read them."""

from __future__ import annotations

from typing import Any, Final

from pytest_templates.cassettes.format.bodies import EVENT_FIELDS
from pytest_templates.cassettes.format.canonical_json import STYLES
from pytest_templates.cassettes.format.document import VERSION

_WHOLE: Final = {"type": "integer"}
_TEXT: Final = {"type": "string"}
_LABEL: Final = {"type": ["string", "null"]}
_SECONDS: Final = {"type": "number", "minimum": 0}
_PACKED: Final = {"type": ["string", "number"]}  # one number alone may stand without quotes
_STYLE: Final = {"enum": [*STYLES], "description": "How its JSON was written; compact where there is none."}


def schema() -> dict[str, Any]:
    """The schema of a cassette in the version that is written today, of what YAML's readers make of it."""
    interactions = {"type": ["array", "null"], "items": _ref("Interaction")}
    whole = _mapping({"version": {"const": VERSION}, "interactions": interactions, "end": {"const": True}})
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Cassette of antiphon's pytest plugin",
        **whole,
        "$defs": {
            "Interaction": _interaction(),
            "Request": _mapping({"method": _TEXT, "uri": _TEXT, "headers": _ref("Headers")}, body=_ref("WholeBody")),
            "Response": _response(),
            "Headers": {
                "type": "object",
                "additionalProperties": {"anyOf": [_TEXT, {"type": "array", "items": _TEXT, "minItems": 2}]},
            },
            **_bodies(),
            **_tables(),
        },
    }


def _interaction() -> dict[str, Any]:
    checksum = {
        "type": "string",
        "pattern": "^[0-9a-f]{12}$",
        "description": "Of the request and the response as they are played, whatever the layout of the file is.",
    }
    sample = {"type": "integer", "minimum": 2, "description": "Which sample of the test; the first one where absent."}
    parts = {"template": _LABEL, "model": _LABEL, "request": _ref("Request"), "response": _ref("Response")}
    return _mapping({**parts, "checksum": checksum}, sample=sample)


def _response() -> dict[str, Any]:
    status = {"type": "integer", "minimum": 100, "maximum": 999}
    unusual = {"http_version": _TEXT, "reason": _TEXT, "encoding": _TEXT}
    return _mapping({"status": status, "headers": _ref("Headers")}, **unusual, body=_ref("Body"))


def _bodies() -> dict[str, Any]:
    """What a body may be: a whole one, or a stream, which has the times of its parts."""
    whole = [_mapping({"json": {}}, style=_STYLE), _mapping({"text": _TEXT}), _mapping({"base64": _TEXT})]
    cut = _mapping({"at": _SECONDS, "by": _TEXT}) | {"description": "When the body ended before its time, and why."}
    unfinished = {"type": "string", "description": "What came behind the last whole event or line."}
    rest = {"style": _STYLE, "unfinished": unfinished}
    streams = [
        _mapping({"events": _rows("Event", "Table")}, newline={"enum": ["\n", "\r\n"]}, **rest),
        _mapping({"lines": _rows("Line", "Table")}, **rest),
        _mapping({"pieces": {"type": "array", "items": _ref("Piece"), "minItems": 1}}),
    ]
    field = {name: {} if name == "data" else _TEXT for name in EVENT_FIELDS}
    said = {
        "type": "object",
        "additionalProperties": _TEXT,
        "description": "The places of texts that stand in a table before, with the names of the columns.",
    }
    return {
        "WholeBody": {"oneOf": whole},
        "Body": {"oneOf": [_with(one, cut=cut) for one in (*whole, *streams)]},
        "Piece": {"oneOf": [_mapping({"at": _SECONDS, name: _TEXT}) for name in ("text", "base64")]},
        "Event": {
            "oneOf": [
                _mapping({"raw": _TEXT}, at=_SECONDS),
                _mapping({}, at=_SECONDS, said=said, **field) | {"minProperties": 1},
            ]
        },
        "Line": {"oneOf": [_mapping({"text": _TEXT}, at=_SECONDS), _mapping({"json": {}}, at=_SECONDS, said=said)]},
    }


def _tables() -> dict[str, Any]:
    columns = [
        _mapping({"text": _TEXT, "sizes": _PACKED}),
        _mapping({"strings": _PACKED}, before=_TEXT, after=_TEXT),
        _mapping({"values": {"type": ["string", "number", "boolean", "null"]}}),
        _mapping({"start": _WHOLE, "step": _WHOLE}),
    ]
    table = _mapping(
        {
            "count": {"type": "integer", "minimum": 1},
            "frame": {"type": "object", "minProperties": 1},
            "columns": {"type": "object", "additionalProperties": {"oneOf": columns}},
        },
        at=_PACKED,
    )
    return {"Table": table | {"description": "Events or lines of one shape, and what differs from one to the next."}}


def _mapping(required: dict[str, Any], /, **optional: Any) -> dict[str, Any]:
    names = {"required": [*required]} if required else {}
    return {"type": "object", "properties": {**required, **optional}, **names, "additionalProperties": False}


def _with(mapping: dict[str, Any], **optional: Any) -> dict[str, Any]:
    return {**mapping, "properties": {**mapping["properties"], **optional}}


def _rows(*kinds: str) -> dict[str, Any]:
    return {"type": "array", "items": {"oneOf": [_ref(kind) for kind in kinds]}}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/$defs/{name}"}
