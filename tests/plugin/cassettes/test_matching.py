from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_templates.cassettes.matching import PARTS, Matcher, uri_without
from pytest_templates.cassettes.recorded import RecordedRequest
from pytest_templates.cassettes.scrubbing.scrub import scrub_request
from pytest_templates.errors import CassetteError
from pytest_templates.redaction.secrets import Secrets

JSON_HEADERS = (("content-type", "application/json"),)
numbers = st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False)
json_values = st.recursive(
    st.none() | st.booleans() | numbers | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


def request(body: Any = None, uri: str = "https://host/v1", method: str = "POST", **changes: Any) -> RecordedRequest:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return RecordedRequest(method, uri, changes.get("headers", JSON_HEADERS), raw)


def same(one: RecordedRequest, other: RecordedRequest, **settings: Any) -> bool:
    matcher = Matcher(**settings)
    return matcher.fingerprint(one) == matcher.fingerprint(other)


def reordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: reordered(inner) for key, inner in reversed(value.items())}
    return [reordered(inner) for inner in value] if isinstance(value, list) else value


@given(json_values)
def test_the_order_of_names_and_the_spaces_do_not_count(value: Any) -> None:
    other = json.dumps(reordered(value), indent=3).encode()
    assert same(request(value), request(other))


def strict(value: Any) -> Any:
    """The value with its type, as JSON tells types apart."""
    if isinstance(value, bool | str | None):
        return type(value).__name__, value
    if isinstance(value, dict):
        return "dict", frozenset((key, strict(inner)) for key, inner in value.items())
    return tuple(map(strict, value)) if isinstance(value, list) else ("number", value)


@given(json_values, json_values)
def test_different_values_are_different_requests(one: Any, other: Any) -> None:
    assert same(request(one), request(other)) == (strict(one) == strict(other))


@pytest.mark.parametrize(("one", "other"), [(1, True), (1, "1"), (0, False), (None, False), (None, ""), ([], {})])
def test_values_that_python_takes_for_equal_or_empty_differ(one: Any, other: Any) -> None:
    assert not same(request({"a": one}), request({"a": other}))


def test_one_and_one_point_zero_are_one_number() -> None:
    assert same(request(b'{"temperature": 1}'), request(b'{"temperature": 1.0}'))


def test_lists_are_compared_in_their_order() -> None:
    assert not same(request([1, 2]), request([2, 1]))


def test_json_is_recognised_without_a_content_type() -> None:
    assert same(request(b'{"a":1,"b":2}', headers=()), request(b'{"b": 2, "a": 1}', headers=()))


@pytest.mark.parametrize("ignored", ["metadata.id", "$.metadata.id", "metadata.*", "*.id", "metadata"])
def test_an_ignored_path_is_left_out(ignored: str) -> None:
    assert same(request({"metadata": {"id": 1}}), request({"metadata": {"id": 2}}), ignore=(ignored,))


def test_a_star_stands_for_every_item_of_a_list() -> None:
    one, other = ({"messages": [{"id": f"{n}-{k}", "text": "x"} for k in range(3)]} for n in "ab")
    assert same(request(one), request(other), ignore=("messages.*.id",))
    assert not same(request(one), request({"messages": [{"text": "y"}] * 3}), ignore=("messages.*.id",))


def test_an_ignored_path_leaves_everything_else_in() -> None:
    one, other = {"metadata": {"id": 1}, "id": 1}, {"metadata": {"id": 2}, "id": 2}
    assert not same(request(one), request(other), ignore=("metadata.id",))


@pytest.mark.parametrize("path", ["", "a..b", "$", "$..a", "a.", "a[0].b", "a[*]", "$['a']", "/a/b"])
def test_what_is_no_dotted_path_is_refused(path: str) -> None:
    with pytest.raises(CassetteError, match="dotted paths"):
        Matcher(ignore=(path,))


SIGNED = "https://h/v1?X-Amz-Date={}&a.b={}&page=1"
FORM = (("content-type", "application/x-www-form-urlencoded; charset=utf-8"),)


@pytest.mark.parametrize("match_on", [("uri",), ("query",)])
def test_ignored_parameters_are_left_out_of_the_address(match_on: tuple[str, ...]) -> None:
    one, other = (request(uri=SIGNED.format(n, n)) for n in (1, 2))
    ignored = {"match_on": match_on, "ignore": ("query.X-Amz-Date", "query.a.b")}
    assert same(one, other, **ignored)
    assert not same(one, other, match_on=match_on, ignore=("query.X-Amz-Date",))
    assert not same(one, request(uri=SIGNED.format(1, 1).replace("page=1", "page=2")), **ignored)
    assert same(one, request(uri="https://h/v1"), match_on=match_on, ignore=("query.*",))


def test_members_called_query_and_form_are_ignored_by_their_paths() -> None:
    for name in ("query", "form"):
        one, other = (request({name: {"id": n}}, uri=f"https://h/?id={n}") for n in (1, 2))
        assert same(one, other, match_on=("body",), ignore=(f"{name}.id",))
        assert same(one, other, match_on=("body",), ignore=(f"$.{name}.id",))
        assert not same(one, other, match_on=("uri",), ignore=(f"$.{name}.id",))
        assert same(one, other, match_on=("body",), ignore=(name,))


def test_ignored_fields_are_left_out_of_forms() -> None:
    one, other = (request(f"a=1&session%20id={n}&b=2".encode(), headers=FORM) for n in (1, 2))
    assert same(one, other, ignore=("form.session id",))
    assert not same(one, other, ignore=("form.a", "session id", "query.session id"))
    assert not same(one, request(b"a=1&session%20id=1&b=3", headers=FORM), ignore=("form.session id",))
    assert same(one, request(b"c=1", headers=FORM), ignore=("form.*",))


def parts(*fields: tuple[str, str], boundary: str = "xyz") -> RecordedRequest:
    texts = (f"--{boundary}\r\nContent-Disposition: form-data; {name}\r\n\r\n{text}\r\n" for name, text in fields)
    headers = (("content-type", f"multipart/form-data; boundary={boundary}"),)
    return request(f"{''.join(texts)}--{boundary}--\r\n".encode(), headers=headers)


@pytest.mark.parametrize("name", ['name="id"', "name=id", 'filename="name=id"; name="id"', "name*=utf-8''id"])
def test_ignored_fields_are_left_out_of_forms_in_parts(name: str) -> None:
    one, other = (parts((name, n), ('name="file"; filename="id"', "hello")) for n in "12")
    assert same(one, other, ignore=("form.id",))
    assert not same(one, other, ignore=("form.file",))
    assert not same(one, parts((name, "1"), ('name="file"; filename="id"', "bye")), ignore=("form.id",))


@pytest.mark.parametrize("path", ["query.", "form.", "query.X-*", "form.**"])
def test_what_is_no_name_of_a_parameter_or_field_is_refused(path: str) -> None:
    with pytest.raises(CassetteError, match=r"it takes (query|form)\.NAME, or"):
        Matcher(ignore=(path,))


HELLO = [{"role": "user", "content": "Hello."}]
TALKS: dict[str, tuple[dict[str, Any], tuple[str, Any], str]] = {  # a body, what of it is said in another way, where
    "openai chat": ({"model": "m", "messages": HELLO}, ("messages", [*HELLO, *HELLO]), "/v1/chat/completions"),
    "openai responses": ({"model": "m", "input": "Hello."}, ("input", "Bye."), "/v1/responses"),
    "openai instructions": (
        {"model": "m", "input": HELLO, "instructions": "x"},
        ("instructions", "y"),
        "/v1/responses",
    ),
    "openai earlier": ({"model": "m", "input": HELLO}, ("previous_response_id", "r"), "/v1/responses"),
    "completions": ({"model": "m", "prompt": "Hello."}, ("prompt", "Bye."), "/v1/completions"),
    "anthropic": ({"model": "m", "messages": HELLO, "system": "x"}, ("system", "y"), "/v1/messages"),
    "google": ({"contents": [{"parts": [{"text": "x"}]}]}, ("systemInstruction", {"parts": []}), "/models/m:generate"),
    "cohere": ({"model": "m", "message": "x", "chat_history": []}, ("chat_history", HELLO), "/v1/chat"),
    "mistral": ({"model": "m", "inputs": "Hello."}, ("inputs", "Bye."), "/v1/conversations"),
    "bedrock converse": ({"messages": HELLO, "system": [{"text": "x"}]}, ("system", []), "/model/m/converse"),
    "bedrock titan": ({"inputText": "Hello."}, ("inputText", "Bye."), "/model/m/invoke"),
    "ollama": ({"model": "m", "prompt": "x", "system": "x"}, ("images", ["abc"]), "/api/generate"),
}


@pytest.mark.parametrize(("body", "change", "path"), TALKS.values(), ids=TALKS)
def test_the_conversation_alone_may_be_compared(body: dict[str, Any], change: tuple[str, Any], path: str) -> None:
    uri, match_on = f"https://h{path}", ("method", "uri", "messages")
    assert same(request(body, uri), request({**body, "temperature": 1, "max_tokens": 3}, uri), match_on=match_on)
    assert not same(request(body, uri), request({**body, change[0]: change[1]}, uri), match_on=match_on)


@pytest.mark.parametrize("uri", ["/models/{}:generateContent", "/model/{}%3A0/converse", "/deployments/{}/chat", "/v1"])
def test_the_model_alone_may_be_compared(uri: str) -> None:
    def asked(model: str, question: str) -> RecordedRequest:
        named = {} if "{}" in uri else {"model": model}
        return request({**named, "messages": [{"role": "user", "content": question}]}, f"https://h{uri.format(model)}")

    assert same(asked("small", "Hello."), asked("small", "Bye."), match_on=("model",))
    assert not same(asked("small", "Hello."), asked("large", "Hello."), match_on=("model",))
    assert not same(asked("small", "Hello."), asked("small", "Bye."), match_on=("model", "messages"))


@pytest.mark.parametrize("name", ["model", "messages"])
def test_what_asks_no_model_is_compared_by_its_whole_body(name: str) -> None:
    plain = (("content-type", "text/plain"),)
    assert same(request(b"", headers=()), request(b"", headers=()), match_on=(name,))
    assert not same(request(b"one", headers=plain), request(b"two", headers=plain), match_on=(name,))
    for body in ({"message": "x"}, {"prompt": "x"}, {"inputs": "x"}, {"a": 1}, [1]):
        other = {**body, "to": "Ada"} if isinstance(body, dict) else [2]
        assert same(request(body), request(body), match_on=(name,))
        assert not same(request(body), request(other), match_on=(name,))


@pytest.mark.parametrize("name", ["model", "messages"])
def test_a_stream_is_not_answered_by_a_whole_answer(name: str) -> None:
    whole, streamed = ({"model": "m", "messages": HELLO, "stream": stream} for stream in (False, True))
    assert not same(request(whole), request(streamed), match_on=(name,))
    assert same(request(whole), request({"model": "m", "messages": HELLO}), match_on=(name,))


def test_ignored_parts_of_a_conversation_are_left_out() -> None:
    one, other = ({"model": "m", "messages": [{"role": "user", "content": "x", "id": n}]} for n in (1, 2))
    assert same(request(one), request(other), match_on=("messages",), ignore=("messages.*.id",))


@pytest.mark.parametrize("whole", ["body", "raw_body"])
@pytest.mark.parametrize("part", ["model", "messages"])
def test_a_part_of_the_body_beside_all_of_it_is_refused(whole: str, part: str) -> None:
    with pytest.raises(CassetteError, match=f"match_on= cannot be '{whole}' and '{part}' at once"):
        Matcher(match_on=("method", part, whole))


def test_an_unknown_matcher_is_refused_with_the_valid_names() -> None:
    with pytest.raises(CassetteError, match=r"'boddy'.*method, uri, scheme, host, port, path, query, headers, body"):
        Matcher(match_on=("method", "boddy"))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://h/v1?a=1&b=2", "https://h/v1?b=2&a=1"),
        ("https://h", "https://h/"),
        ("https://H:443/v1", "HTTPS://h/v1"),
        ("https://h/v1?a=x%20y", "https://h/v1?a=x+y"),
        ("http://h:80/v1", "http://h/v1"),
    ],
)
def test_addresses_that_mean_the_same_match(one: str, other: str) -> None:
    assert same(request(uri=one), request(uri=other))


@pytest.mark.parametrize(
    "other",
    [
        *(
            "https://h/v1?a=2&b=",
            "https://h/v1?a=1",
            "https://h/v2?a=1&b=",
            "http://h/v1?a=1&b=",
            "https://g/v1?a=1&b=",
        ),
        *("https://ada@h/v1?a=1&b=", "https://h:444/v1?a=1&b=", "https://h:80/v1?a=1&b=", "https://h/v1/?a=1&b="),
    ],
)
def test_addresses_that_differ_do_not_match(other: str) -> None:
    assert not same(request(uri="https://h/v1?a=1&b="), request(uri=other))


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("method", request(method="PUT")),
        ("scheme", request(uri="http://host/v1")),
        ("host", request(uri="https://other/v1")),
        ("port", request(uri="https://host:8443/v1")),
        ("path", request(uri="https://host/v2")),
        ("query", request(uri="https://host/v1?a=1")),
        ("uri", request(uri="https://host/v2")),
        ("headers", request(headers=(*JSON_HEADERS, ("accept", "text/plain")))),
        ("body", request({"a": 1})),
        ("raw_body", request(b" null")),
    ],
)
def test_each_matcher_sees_its_part_and_no_other(name: str, other: RecordedRequest) -> None:
    assert not same(request(), other, match_on=(name,))
    unrelated = {"uri": {"scheme", "host", "port", "path", "query"}, "raw_body": {"body"}}
    blind = set(PARTS) - {
        name,
        "uri",
        "raw_body",
        "model",
        "messages",
        *unrelated.get(name, ()),
        *({"port"} if name == "scheme" else ()),
    }
    assert same(request(), other, match_on=tuple(sorted(blind)))


def test_every_matcher_of_the_list_is_tested() -> None:
    assert set(PARTS) == {"method", "scheme", "host", "port", "path", "query", "uri", "headers", "body", "raw_body"} | {
        "model",
        "messages",
    }


def test_users_of_an_address_are_told_apart() -> None:
    ada, bob = (request(uri=f"https://{name}@h/v1") for name in ("ada", "bob"))
    assert not same(ada, bob)
    assert same(ada, ada)


def test_a_value_on_the_way_to_what_is_ignored_counts() -> None:
    for one, other in ((1, 2), ("a", "b"), (None, True)):
        assert not same(request({"a": {"b": one}}), request({"a": {"b": other}}), ignore=("a.b.c",))


def test_what_only_may_be_read_as_json_is_compared_by_its_bytes() -> None:
    plain = (("content-type", "text/plain"),)
    assert not same(request(b"1", headers=plain), request(b"1.0", headers=plain))
    assert same(request(b"1"), request(b"1.0"))


def test_a_fingerprint_has_sixteen_bytes() -> None:
    assert {len(Matcher(match_on=(name,)).fingerprint(request())) for name in PARTS} == {16}


def test_where_one_part_ends_and_the_next_begins_counts() -> None:
    one, other = request(b"BC", method="A"), request(b"C", method="AB")
    assert not same(one, other, match_on=("method", "raw_body"))


@pytest.mark.parametrize(("stream", "part"), [(False, b'"m"'), (True, b'["m","streamed"]')])
def test_a_model_is_compared_by_its_name_and_by_whether_it_streams(stream: bool, part: bytes) -> None:
    asked = request({"model": "m", "messages": HELLO, "stream": stream})
    assert Matcher(match_on=("model",)).part("model", asked) == part


def test_an_address_without_what_is_ignored_is_otherwise_as_it_was() -> None:
    uri = "https://h/v1?a=x%20y&b&c=1"
    assert uri_without(uri, Matcher().ignored) == uri
    assert uri_without(uri, Matcher(ignore=("query.c",)).ignored) == "https://h/v1?a=x+y&b="
    assert uri_without(uri, Matcher(ignore=("query.*",)).ignored) == "https://h/v1"


@pytest.mark.parametrize("value", [Matcher(), Matcher().ignored])
def test_what_a_matcher_compares_cannot_be_changed(value: Any) -> None:
    with pytest.raises(FrozenInstanceError):
        setattr(value, fields(value)[0].name, ())


def test_other_bodies_are_compared_by_their_bytes() -> None:
    plain = (("content-type", "text/plain"),)
    assert not same(request(b"a b", headers=plain), request(b"a  b", headers=plain))
    assert not same(request(b"\xff", headers=plain), request(b"\xfe", headers=plain))


def multipart(boundary: str, content: str) -> RecordedRequest:
    body = f'--{boundary}\r\nContent-Disposition: form-data; name="f"\r\n\r\n{content}\r\n--{boundary}--\r\n'
    headers = (("content-type", f'multipart/form-data; boundary="{boundary}"'),)
    return scrub_request(request(body.encode(), headers=headers), Secrets(()))


def test_the_random_boundary_of_a_form_does_not_count_and_its_content_does() -> None:
    settings = {"match_on": ("headers", "body", "raw_body")}
    assert same(multipart("aaaa", "hello"), multipart("bbbb", "hello"), **settings)
    assert not same(multipart("aaaa", "hello"), multipart("aaaa", "bye"), **settings)


def test_a_body_that_only_looks_like_json_is_compared_by_its_bytes() -> None:
    assert not same(request(b'{"a":1,"a":2}'), request(b'{"a":2}'))
    assert not same(request(b'{"a":1e400}'), request(b'{"a":1e500}'))
