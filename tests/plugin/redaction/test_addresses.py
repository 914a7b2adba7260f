"""Signed addresses, and passwords in addresses, wherever they stand in a text."""

from __future__ import annotations

import html
import json
import re
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pytest_templates.cassettes.recorded import Interaction, RecordedRequest, RecordedResponse
from pytest_templates.cassettes.scrubbing.scrub import scrub
from pytest_templates.redaction.secrets import secrets_of

NONE = secrets_of({})
DAYS = (  # what differs from one signing to the next
    {
        "DATE": "20250131T101500Z",
        "SIGNATURE": "5a1fc37e" * 8,
        "DAY": "2025-01-31",
        "TIME": "1738318500",
        "HEX": "6b20d48f" * 4,
        "LONG": "x-7c31E59-" * 4 + "aBc",
        "SHORT": "8d_42-Fq",
    },
    {
        "DATE": "20250201T090000Z",
        "SIGNATURE": "77aa66bb" * 8,
        "DAY": "2025-02-01",
        "TIME": "1738400400",
        "HEX": "88bb77cc" * 4,
        "LONG": "99-cc88Dd_" * 4 + "eFg",
        "SHORT": "1-Aa2_Bb",
    },
)
SIGNED = {
    "s3": "https://shop.s3.eu-west-1.amazonaws.com/a/cat.png?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential="
    "AKIAIOSFODNN7EXAMPLE%2F20250131%2Feu-west-1%2Fs3%2Faws4_request&X-Amz-Date=DATE&X-Amz-Expires=3600"
    "&X-Amz-SignedHeaders=host&X-Amz-Security-Token=IQoSIGNATURE&X-Amz-Signature=SIGNATURE",
    "s3, version 2": "https://shop.s3.amazonaws.com/cat.png?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=SIGNATURE%3D"
    "&Expires=TIME",
    "gcs": "https://storage.googleapis.com/shop/cat.png?X-Goog-Algorithm=GOOG4-RSA-SHA256&X-Goog-Credential=a%40b.iam."
    "gserviceaccount.com%2F20250131%2Fauto%2Fstorage%2Fgoog4_request&X-Goog-Date=DATE&X-Goog-Expires=900"
    "&X-Goog-SignedHeaders=host&X-Goog-Signature=SIGNATURE",
    "gcs, version 2": "https://storage.googleapis.com/b/o?GoogleAccessId=a@b.com&Expires=TIME&Signature=SIGNATURE",
    "azure": "https://shop.blob.core.windows.net/made/dog.png?sv=2024-11-04&st=DAYT00%3A00%3A00Z&se=DAYT01:00:00Z&sr=b"
    "&sp=r&sig=SIGNATURE%3D",
    "azure, by a user": "https://shop.blob.core.windows.net/made/dog.png?skoid=a-1&sktid=b-2&skt=DAY&ske=DAY&sks=b"
    "&sv=2024-11-04&sr=b&sp=r&sig=SIGNATURE%3D",
    "cloudfront": "https://d111.cloudfront.net/cat.png?Expires=TIME&Signature=SIGNATURE~_&Key-Pair-Id=K2JCJMDEHXQW5F",
    "cloudfront, policy": "https://d111.cloudfront.net/*?Policy=eySIGNATURE__&Signature=SIGNATURE__&Key-Pair-Id=K2JCJMDE",
    "clone of s3": "https://shop.oss-cn-hangzhou.aliyuncs.com/a?x-oss-date=DATE&x-oss-expires=60&x-oss-signature=SIGNATURE",
    "token": "https://cdn.example.com/v.mp4?size=large&token=aSIGNATURE",
    "key": "https://maps.example.com/static?center=Paris&key=aSIGNATURE",
    "access token": "https://api.example.com/me?fields=id&access_token=SIGNATURE",
    "discord": "https://cdn.discordapp.com/attachments/1/2/cat.png?ex=TIME&is=DATE&hm=SIGNATURE",
    "facebook": "https://scontent.xx.fbcdn.net/cat.jpg?page=1&oh=00_SIGNATURE&oe=TIME",
    "akamai": "https://shop.akamaized.net/cat.mp4?hdnts=exp=TIME~acl=/*~hmac=SIGNATURE",
    "imgix": "https://shop.imgix.net/cat.png?size=200&expires=TIME&s=HEX",
    "reddit": "https://preview.redd.it/cat.jpg?size=640&s=HEXaabbccdd",
    "cloudflare": "https://img.example.com/cat.png?page=1&verify=TIME-SIGNATURE%2Ba%3D",
    "cloudflare, pictures": "https://imagedelivery.net/a/cat/public?exp=TIME&sig=SIGNATURE",
    "linkedin": "https://media.licdn.com/dms/image/v2/cat?e=TIME&v=beta&t=LONG",
    "tiktok": "https://p16.tiktokcdn.com/cat.jpeg?x-expires=TIME&x-signature=SIGNATURE%3D",
    "cloudinary": "https://res.cloudinary.com/demo/image/upload/s--SHORT--/w_300/cat.jpg?page=1",
    "not absolute": "?sv=2024-11-04&se=DAY&sr=b&sig=SIGNATURE",
}
PLACES = {
    "alone": str,
    "in a sentence": "Look at {}. What is it?".format,
    "in markdown": "![a cat]({}) and [a link](<{}>)".replace("<{}>", "https://x.test/").format,
    "in angle brackets": "See <{}>, please".format,
    "in html": lambda address: f'<img src="{html.escape(address)}">',
    "in json": lambda address: json.dumps({"url": address, "n": 1}),
    "in json with escapes": lambda address: json.dumps({"url": address}).replace("/", "\\/").replace("&", "\\u0026"),
    "in json in json": lambda address: json.dumps({"a": json.dumps({"url": address}).replace("&", "\\u0026")}),
    "in json as Java writes it": lambda address: json.dumps([address]).replace("&", "\\u0026").replace("=", "\\u003d"),
    "quoted": lambda address: quote(address, safe=""),
    "as a parameter": lambda address: f"https://host/fetch?url={quote(address, safe='')}&page=2",
    "on lines": "one\n{}\ntwo".format,
}
STAYS = (
    "png",
    "cat",
    "dog",
    "X-Amz-SignedHeaders",
    "2024-11-04",
    "sr",
    "page",
    "size",
    "Paris",
    "fields",
    "one",
    "two",
)


def signed(name: str, day: int) -> str:
    address = SIGNED[name]
    for word, value in DAYS[day].items():
        address = address.replace(word, value)
    return address


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", SIGNED)
def test_a_signature_is_replaced_with_what_changes_with_it(name: str, place: str) -> None:
    first, second = (PLACES[place](signed(name, day)) for day in (0, 1))
    kept = NONE.replace(first)

    assert kept == NONE.replace(second)
    assert kept == NONE.replace(kept)
    assert [value for value in DAYS[0].values() if value in kept] == []
    assert [word for word in STAYS if word in first and word not in kept] == []
    if place == "in json":
        assert json.loads(kept).keys() == {"url", "n"}


def stream_of(text: str, size: int) -> str:
    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    return "".join(f"data: {json.dumps({'delta': piece})}\n\n" for piece in pieces)


@pytest.mark.parametrize("size", [1, 7, 40])
@pytest.mark.parametrize("name", SIGNED)
def test_a_signed_address_that_comes_in_pieces_is_replaced(name: str, size: int) -> None:
    headers = (("content-type", "text/event-stream"),)
    request = RecordedRequest("GET", f"https://host/?{signed(name, 0).partition('?')[2]}", (), b"")
    answer = stream_of(f"See {signed(name, 0)} now", size).encode()
    kept = scrub(Interaction(None, None, request, RecordedResponse(200, "", headers, answer)), NONE)

    events = kept.response.body.decode().split("\n\n")[:-1]
    assert "".join(json.loads(event[6:])["delta"] for event in events) == NONE.replace(f"See {signed(name, 0)} now")
    assert len(events) == answer.count(b"\n\n")
    assert DAYS[0]["SIGNATURE"] not in kept.request.uri


PLAIN = [
    "https://issues.example.com/browse?key=ABC-123&sort=key",
    "https://host/search?q=token&page_token=a1b2c3d4e5f6&max_tokens=100",
    "https://host/?expires=1738318500&policy=public&se=2025-01-31&st=1",
    "https://host/?signature=required&token=optional&key=value&auth=basic#token=none&key=value",
    "https://host/?s=red+shoes&t=42&verify=true&e=mc2&exp=1 https://www.gravatar.com/avatar/6b20d48f?s=80&d=identicon",
    "https://x.com/a/status/1?s=20&t=aB3dE5fG7hJ9kL1mN3pQ5r https://youtu.be/dQw4w9WgXcQ?t=42&si=aB3dE5fG7hJ9kL1m",
    "https://blog.example.com/?t=how-to-build-an-agent-in-2025-with-prompts-and-tests&e=1",
    "https://host/s--/a--s--b--/c https://host/releases--stable--/s--about-us--/x",
    "https://5a1fc37e5a1fc37e5a1fc37e5a1fc37e@o1.ingest.sentry.io/2 https://a-user-of-theirs-number1@host/",
    "https://host/?appid=730&appid=required&app_key=calendar&hm=1&oh=yes&is=a1b2c3d4e5f6&ex=1",
    "Use ?key=VALUE&token=TOKEN, or &auth=none; a=1&b=2 and c == d ? e : f && g",
    "https://host:8080/a@b?x=1:2@3 mailto:ada@example.com git@github.com:ada/repo.git http://[::1]:80/",
    "postgres://user:password@localhost/db, redis://:<password>@host, mysql://ada:${PASSWORD}@db/x",
]


@pytest.mark.parametrize("text", PLAIN)
def test_other_addresses_stay(text: str) -> None:
    assert NONE.replace(text) == text


@pytest.mark.parametrize(
    "scheme", ["postgres", "postgresql+asyncpg", "mysql", "mongodb+srv", "redis", "amqp", "https", "clickhouse"]
)
@pytest.mark.parametrize("around", ["{}", "DATABASE_URL={}", '{{"url": "{}"}}', "Connect to {}, please", "[db]({})"])
def test_the_password_of_an_address_is_replaced(scheme: str, around: str) -> None:
    text = around.format(f"{scheme}://ada:hunter%402@db.example.com:5432/shop?sslmode=require")
    escaped = text.replace("/", "\\/")

    assert NONE.replace(text) == text.replace("hunter%402", "REDACTED")
    assert NONE.replace(escaped) == escaped.replace("hunter%402", "REDACTED")


@pytest.mark.parametrize("around", ["{}", "git clone {} here", '{{"url": "{}"}}'])
def test_a_token_that_is_the_user_of_an_address_is_replaced(around: str) -> None:
    text = around.format("https://q7Wm2ZxT9vLk4RbN8sYc@git.example.com/ada/repo.git")
    assert NONE.replace(text) == text.replace("q7Wm2ZxT9vLk4RbN8sYc", "REDACTED")


def test_a_signature_in_the_path_of_a_request_is_replaced() -> None:
    uri = "https://x.b-cdn.net/bcdn_token=HS256-q7Wm2ZxT9vLk4RbN8sYc&expires=1738318500/a=1/v.mp4"
    request = RecordedRequest("GET", uri, (), b"")
    kept = scrub(Interaction(None, None, request, RecordedResponse(200, "", (), b"")), NONE).request.uri
    assert kept == uri.replace("HS256-q7Wm2ZxT9vLk4RbN8sYc", "REDACTED")


queries = st.lists(
    st.tuples(
        st.sampled_from(["sig", "Signature", "X-Amz-Date", "se", "token", "page", "q", "Policy"]),
        st.text(st.sampled_from("aZ09-_.~%+/=&\\"), max_size=12),
    ),
    max_size=5,
)


@given(queries, st.sampled_from(sorted(PLACES)), st.text(max_size=20))
@example([("sig", "0==+")], "quoted", "")
def test_redacting_twice_is_redacting_once_and_names_stay(query: list[tuple[str, str]], place: str, end: str) -> None:
    text = PLACES[place]("https://host/path?" + "&".join(f"{name}={value}" for name, value in query)) + end
    kept = NONE.replace(text)

    assert NONE.replace(kept) == kept
    assert kept.replace("REDACTED", "").count("=") <= text.count("=")
    assert kept.startswith(re.split(r"\?|%3F", text)[0])
