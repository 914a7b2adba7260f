"""Interactions as plain values for YAML, and back."""

from __future__ import annotations

from typing import Any, TypeAlias

from pytest_templates.cassettes.bodies import decode_response_body, encode_body, encode_response_body
from pytest_templates.cassettes.values import Arrival, Cut, Headers, Interaction, RecordedRequest, RecordedResponse

Place: TypeAlias = tuple[str | int, ...]  # the way to a value in a document: names and indices


class FaultError(Exception):
    """What is wrong in a document, and at which place; at its end for ``None``."""

    def __init__(self, problem: str, place: Place | None = ()) -> None:
        super().__init__(problem)
        self.place = place


def interaction_node(interaction: Interaction) -> dict[str, Any]:
    """An interaction as it is written."""
    return {
        "template": interaction.template,
        "model": interaction.model,
        "request": _request_node(interaction.request),
        "response": _response_node(interaction.response),
    }


def _request_node(request: RecordedRequest) -> dict[str, Any]:
    body = encode_body(request.body, request.headers, exact=True)
    node = {"method": request.method, "uri": request.uri, "headers": _header_node(request.headers)}
    return node if body is None else {**node, "body": body}


def _response_node(response: RecordedResponse) -> dict[str, Any]:
    body = encode_response_body(response)
    reason = {"reason": response.reason} if response.reason else {}
    node = {"status": response.status, **reason, "headers": _header_node(response.headers)}
    return node if body is None else {**node, "body": body}


def _header_node(headers: Headers) -> dict[str, str | list[str]]:
    values: dict[str, list[str]] = {}
    for name, value in headers:
        values.setdefault(name, []).append(value)
    return {name: found if len(found) > 1 else found[0] for name, found in values.items()}


def interaction_at(node: Any, place: Place) -> Interaction:
    """The interaction that stands at a place of a document.

    Raises:
        FaultError: Something is missing, or is not what it has to be.
    """
    request = field(node, "request", dict, place)
    response = field(node, "response", dict, place)
    return Interaction(
        template=field(node, "template", (str, type(None)), place),
        model=field(node, "model", (str, type(None)), place),
        request=_request(request, (*place, "request")),
        response=_response(response, (*place, "response")),
    )


def _request(node: dict[str, Any], place: Place) -> RecordedRequest:
    return RecordedRequest(
        method=field(node, "method", str, place),
        uri=field(node, "uri", str, place),
        headers=_headers(node, place),
        body=_body(node, place)[0],
    )


def _response(node: dict[str, Any], place: Place) -> RecordedResponse:
    body, arrivals, cut = _body(node, place)
    return RecordedResponse(
        status=_status(node, place),
        reason=field({"reason": "", **node}, "reason", str, place),
        headers=_headers(node, place),
        body=body,
        arrivals=arrivals,
        cut=cut,
    )


def _status(node: dict[str, Any], place: Place) -> int:
    status: int = field(node, "status", int, place)
    if not 100 <= status <= 999:
        raise FaultError(f"has the impossible status {status}", (*place, "status"))
    return status


def _headers(node: dict[str, Any], place: Place) -> Headers:
    headers: dict[str, Any] = field(node, "headers", dict, place)
    pairs = tuple((name, value) for name, found in headers.items() for value in _listed(found))
    if not all(isinstance(part, str) for pair in pairs for part in pair):
        raise FaultError("has a header that is no text", (*place, "headers"))
    return pairs


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _body(node: dict[str, Any], place: Place) -> tuple[bytes, tuple[Arrival, ...], Cut | None]:
    try:
        return decode_response_body(node.get("body"))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise FaultError(
            f"has a body that cannot be read ({type(error).__name__}: {error})", (*place, "body")
        ) from error


def field(node: Any, name: str, kind: type | tuple[type, ...], place: Place) -> Any:
    """A member of a mapping that has to be there and of one kind; raises `FaultError` where it is not."""
    if not isinstance(node, dict) or name not in node:
        raise FaultError(f"lacks {name!r}", place)
    if not isinstance(node[name], kind) or isinstance(node[name], bool):
        raise FaultError(f"has an impossible {name!r}", (*place, name))
    return node[name]
