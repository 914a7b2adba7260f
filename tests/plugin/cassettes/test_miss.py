from __future__ import annotations

import json
import pickle
import time
from pathlib import Path
from typing import Any

import pytest

from antiphon.trace import Caller
from pytest_templates.cassettes.hosts import patterns_of
from pytest_templates.cassettes.matching import Matcher
from pytest_templates.cassettes.miss import MissReport
from pytest_templates.cassettes.player import Recording
from pytest_templates.cassettes.recorded import Interaction, RecordedRequest, RecordedResponse
from pytest_templates.cassettes.settings import CassetteSettings
from pytest_templates.errors import CassetteMiss
from pytest_templates.redaction.secrets import secrets_of

HEADERS = (("content-type", "application/json"),)
RESPONSE = RecordedResponse(200, "", (), b"")
COMMAND = "pytest tests/test_talk.py::test_hello"


def request(body: Any, uri: str = "https://host/v1/chat") -> RecordedRequest:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return RecordedRequest("POST", uri, HEADERS, raw)


def recording(
    body: Any, number: int = 1, *, template: str | None = "support/answer", played: bool = False
) -> Recording:
    return Recording(number, Interaction(template, "small", request(body), RESPONSE), played)


def miss(body: Any, *recordings: Recording, reason: str = "no-match", **settings: Any) -> CassetteMiss:
    caller = settings.pop("caller", Caller("support/answer", "answer", "small"))
    asked = settings.pop("asked", request(body))
    cassette = CassetteSettings(Path("c.yaml"), record_command=COMMAND, **settings)
    matcher, secrets = Matcher(cassette.match_on, cassette.ignore), secrets_of({"SITE_KEY": "kX3fZq9aB7"})
    return MissReport(cassette, matcher, asked, caller, recordings, secrets).miss(reason)


def chat(*contents: str, **settings: Any) -> dict[str, Any]:
    roles = ("system", "user", "assistant") * len(contents)
    messages = [{"role": role, "content": content} for role, content in zip(roles, contents, strict=False)]
    return {"model": "small", "messages": messages, **settings}


def test_a_miss_holds_no_secret_wherever_it_came_from() -> None:
    caller = Caller("support/kX3fZq9aB7", "kX3fZq9aB7", "openai:kX3fZq9aB7")
    error = miss(chat("Be brief."), caller=caller, reason="no-cassette")
    assert "asked by  support/REDACTED (model openai:REDACTED)" in str(error)


def test_a_miss_says_who_asked_what_is_missing_and_how_to_record_it() -> None:
    error = miss(chat("Be brief."), reason="no-cassette")
    assert str(error) == (
        "No recording for POST https://host/v1/chat\n"
        "  asked by  support/answer (model small)\n"
        "  prompt    system: Be brief.\n"
        "  cassette  c.yaml\n"
        "  reason    no-cassette: the file does not exist\n"
        "\n"
        "Record it with:\n"
        f"  {COMMAND} --templates-record=missing"
    )
    assert (error.reason, error.template_path) == ("no-cassette", "support/answer")


def test_a_call_from_outside_of_templates_is_said_to_be_one() -> None:
    error = miss(chat("Hi"), reason="no-cassette", caller=None)
    assert "asked by  code outside of templates" in str(error)
    assert error.template_path is None


def test_a_miss_survives_the_way_between_processes() -> None:
    error = miss(chat("Hi"), reason="no-cassette")
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), copy.reason, copy.template_path) == (str(error), "no-cassette", "support/answer")


def test_the_changed_words_of_the_nearest_prompt_are_shown() -> None:
    recorded = recording(chat("Be brief.", "Where is my order 4711, please?", temperature=0.2, top_p=1))
    text = str(miss(chat("Be brief.", "Where is my parcel 4712, please?", temperature=0.7, seed=3), recorded))
    assert "Nearest is recording 1, asked by support/answer; it differs in body (- recorded, + asked now):" in text
    assert "temperature: 0.2 -> 0.7" in text
    assert "top_p: 1 -> (not set)" in text
    assert "seed: (not set) -> 3" in text
    assert "message 1: the same" in text
    assert "  - Where is my [order] [4711], please?\n" in text
    assert "  + Where is my [parcel] [4712], please?\n" in text
    assert "model:" not in text
    assert text.endswith(f"Take the change back, or record it with:\n  {COMMAND} --templates-record=changed")


def test_a_setting_of_another_type_is_shown_as_changed() -> None:
    assert "logprobs: true -> 1" in str(miss(chat("Hi", logprobs=1), recording(chat("Hi", logprobs=True))))


def tool(name: str, says: str = "Tells the weather.", **parameters: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "description": says, "parameters": parameters}}


def test_what_changed_in_a_tool_is_shown_by_its_path() -> None:
    old = [tool("weather", city={"type": "string"}), tool("clock", zone={"type": "string"})]
    new = [tool("weather", city={"type": "integer"}), tool("watch", zone={"type": "string"}, utc={})]

    text = str(miss(chat("Hi", tools=new), recording(chat("Hi", tools=old))))

    assert 'tools[0].function.parameters.city.type: "string" -> "integer"\n' in text
    assert 'tools[1].function.name: "clock" -> "watch"\n' in text
    assert "tools[1].function.parameters.utc: (not set) -> {}\n" in text
    assert "description" not in text


def test_a_type_that_changed_within_a_tool_is_shown_and_the_order_of_its_keys_is_not() -> None:
    old, new = tool("w", a={"strict": True, "x": 1}), tool("w", a={"x": 1, "strict": 1})

    text = str(miss(chat("Hi", tools=[new]), recording(chat("Hi", tools=[old]))))

    assert [line.strip() for line in text.splitlines() if "tools" in line] == [
        "tools[0].function.parameters.a.strict: true -> 1"
    ]


def test_not_more_settings_are_shown_than_fit_a_screen() -> None:
    old, new = ([tool("w", **{f"p{i}": {"type": kind} for i in range(60)})] for kind in ("string", "integer"))

    lines = str(miss(chat("Hi", tools=new), recording(chat("Hi", tools=old)))).splitlines()

    assert len([line for line in lines if ' "string" -> "integer"' in line]) == 40
    assert "  … and more" in lines


def test_the_changed_words_of_a_long_setting_are_shown() -> None:
    told = "Tells the weather of a city, and of the country around it, in {} words at most."

    text = str(
        miss(
            chat("Hi", tools=[tool("w", told.format("ten"))]),
            recording(chat("Hi", tools=[tool("w", told.format("six"))])),
        )
    )

    assert "tools[0].function.description:\n" in text
    assert "[six] words at most" in text
    assert "[ten] words at most" in text


def test_a_tool_more_or_less_is_no_change_of_the_others() -> None:
    tools = [tool("one"), tool("two"), tool("three")]

    more = str(miss(chat("Hi", tools=tools), recording(chat("Hi", tools=tools[1:]))))
    less = str(miss(chat("Hi", tools=tools[:2]), recording(chat("Hi", tools=tools))))

    assert next(line for line in more.splitlines() if "tools" in line).startswith(
        '  tools[0], only in this request: {"type": "function"'
    )
    assert next(line for line in less.splitlines() if "tools" in line).startswith("  tools[2], only recorded: ")
    assert more.count("tools[") == less.count("tools[") == 1


def test_tools_in_another_order_are_no_changes_of_each_other() -> None:
    tools = [tool("one"), tool("two"), {**tool("three"), "required": ["a", "b"]}]
    other = [{**tool("three"), "required": ["b", "a"]}, tools[1], tools[0]]

    again = str(miss(chat("Hi", tools=other), recording(chat("Hi", tools=tools))))
    twice = str(miss(chat("Hi", tools=[*tools, tools[0]]), recording(chat("Hi", tools=[*tools, tools[1]]))))

    assert "  tools: the same items in another order\n" in again
    assert "another order" not in twice


def test_a_message_more_or_less_is_shown_as_a_whole() -> None:
    long, short = chat("Be brief.", "Hello", "Hi!"), chat("Be brief.", "Hello")
    assert "message 3 (assistant), only in this request:\n    + Hi!" in str(miss(long, recording(short)))
    assert "only recorded, before message 3 (assistant):\n    - Hi!" in str(miss(short, recording(long)))


def test_changed_white_space_is_made_visible() -> None:
    text = str(miss(chat("Be brief.\n"), recording(chat("Be  brief.\n\n"))))
    assert "- Be[  ]brief" in text
    assert r"[\n\n]" in text


def test_a_changed_role_is_shown() -> None:
    old = {"messages": [{"role": "user", "content": "Hi"}]}
    new = {"messages": [{"role": "developer", "content": "Hi"}]}
    assert "message 1 (user -> developer):" in str(miss(new, recording(old)))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (
            {
                "system": "Speak as a pirate.",
                "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}],
            },
            {"system": "Speak as a poet.", "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]},
        ),
        (
            {"system": [{"type": "text", "text": "as a pirate."}], "messages": []},
            {"system": [{"type": "text", "text": "as a poet."}], "messages": []},
        ),
        (
            {"contents": [{"role": "user", "parts": [{"text": "as a pirate."}]}]},
            {"contents": [{"role": "user", "parts": [{"text": "as a poet."}]}]},
        ),
        (
            {"systemInstruction": {"parts": [{"text": "as a pirate."}]}, "contents": []},
            {"systemInstruction": {"parts": [{"text": "as a poet."}]}, "contents": []},
        ),
        ({"input": "as a pirate."}, {"input": "as a poet."}),
        ({"instructions": "as a pirate.", "input": "Hi"}, {"instructions": "as a poet.", "input": "Hi"}),
    ],
    ids=["anthropic", "anthropic blocks", "google", "google system", "responses", "responses instructions"],
)
def test_the_prompts_of_every_provider_are_understood(old: dict[str, Any], new: dict[str, Any]) -> None:
    text = str(miss(new, recording(old)))
    assert "as a [pirate]." in text
    assert "as a [poet]." in text
    assert "message 1 (" in text


def test_a_tool_call_is_part_of_its_message() -> None:
    old, new = (
        {"messages": [{"role": "assistant", "content": None, "tool_calls": [{"city": city}]}]}
        for city in ("Oslo", "Rome")
    )
    assert "[Rome]" in str(miss(new, recording(old)))


def test_settings_of_google_are_named_by_their_path() -> None:
    old, new = ({"contents": [], "generationConfig": {"temperature": heat}} for heat in (0, 1))
    assert "generationConfig.temperature: 0 -> 1" in str(miss(new, recording(old)))


def test_other_json_is_shown_as_a_difference_of_lines() -> None:
    text = str(miss({"b": 1, "a": ["x", "z"]}, recording({"a": ["x", "y"], "b": 1})))
    assert '-    "y"' in text
    assert '+    "z"' in text
    assert '"b"' in text


def test_text_and_bytes_are_compared_too() -> None:
    assert "-two\n  +three" in str(miss(b"one\nthree", recording(b"one\ntwo")))
    assert "3 and 1 bytes" in str(miss(b"\xff", recording(b"\xfe\xfe\xfe")))


def test_another_address_is_shown() -> None:
    text = str(miss({}, recording({}), asked=request({}, "https://host/v2/chat")))
    assert "it differs in uri:\n  uri: https://host/v1/chat -> https://host/v2/chat" in text


@pytest.mark.parametrize(
    ("ignored", "uri", "says"),
    [
        ("localhost:6333", "http://127.0.0.1:6333/v1", "localhost:6333 is left alone, and this is 127.0.0.1:6333: if"),
        ("127.0.0.1", "http://localhost:6333/v1", "127.0.0.1 is left alone, and this is localhost: if"),
        ("localhost:6333", "http://[::1]:6333/v1", "localhost:6333 is left alone, and this is [::1]:6333: if"),
        ("localhost:6333", "http://127.0.0.1:8000/v1", ""),
        ("localhost:6333", "http://10.0.0.7:6333/v1", ""),
        ("vectors.test:6333", "http://127.0.0.1:6333/v1", ""),
    ],
)
@pytest.mark.parametrize("body", [{"points": [1]}, chat("Hi")])
def test_a_host_that_is_left_alone_by_another_of_its_names_is_said(
    ignored: str, uri: str, says: str, body: dict[str, Any]
) -> None:
    settings: Any = {"ignore_hosts": patterns_of([ignored]), "asked": request(body, uri), "caller": None}
    text = str(miss(body, reason="no-cassette", **settings))

    assert says in text
    assert ("name that in templates_ignore_hosts too" in text) == bool(says)


def test_ignored_parts_are_not_shown() -> None:
    old, new = chat("Hi", metadata={"id": 1}, n=1), chat("Hi", metadata={"id": 2}, n=2)
    text = str(miss(new, recording(old), ignore=("metadata.id",)))
    assert "n: 1 -> 2" in text
    assert "metadata" not in text


def test_the_nearest_is_the_one_with_most_words_in_common() -> None:
    recordings = (recording(chat("a b c d"), 1), recording(chat("a b c e f"), 2), recording(chat("x y z"), 3))
    assert "Nearest is recording 2" in str(miss(chat("a b c e g"), *recordings))


def test_a_recording_of_the_same_template_is_nearer_than_a_slightly_liker_one() -> None:
    recordings = (recording(chat("a b c d e"), 1, template="other"), recording(chat("a b c"), 2))
    assert "Nearest is recording 2" in str(miss(chat("a b c d f"), *recordings))


def test_a_played_recording_is_marked() -> None:
    text = str(miss(chat("Hi"), recording(chat("Hi"), played=True), reason="already-played"))
    assert "c.yaml (1 recorded, 0 left to play)" in text
    assert "Nearest is recording 1, asked by support/answer (played); it is equal." in text


@pytest.mark.parametrize("shape", ["many messages", "one line", "many lines", "nothing in common"])
def test_a_huge_prompt_gives_a_text_that_fits_a_screen_in_little_time(shape: str) -> None:
    line = "word " * 40_000
    huge = {
        "many messages": (chat(*map(str, range(3000))), chat(*map(str, range(1, 3001)))),
        "one line": (chat(line + "old" + line), chat(line + "new" + line)),
        "many lines": (chat("\n".join(map(str, range(30_000)))), chat("\n".join(map(str, range(7, 30_007))))),
        "nothing in common": (chat(" ".join(map(str, range(30_000)))), chat(line)),
    }
    old, new = huge[shape]
    started = time.monotonic()
    text = str(miss(new, *(recording(old, number) for number in range(1, 50))))
    assert time.monotonic() - started < 10  # quadratic comparison would take minutes
    assert len(text.splitlines()) < 120
    assert len(text) < 20_000
    assert ("[newword]" in text) == (shape == "one line")


def test_words_that_are_left_out_around_a_change_are_marked() -> None:
    old = "One two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen."

    text = str(miss(chat(old.replace("eight", "8")), recording(chat(old))))

    assert "  - …four five six seven [eight] nine ten eleven twelve…\n" in text
    assert "  + …four five six seven [8] nine ten eleven twelve…\n" in text


def test_changes_far_from_each_other_are_shown_apart() -> None:
    old = "One two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen."

    text = str(miss(chat(old.replace("One", "1").replace("fifteen", "15")), recording(chat(old))))

    assert "  - [One] two three four five…\n    + [1] two three four five…\n" in text
    assert "  - …eleven twelve thirteen fourteen [fifteen].\n" in text


def test_a_part_that_is_matched_and_shown_nowhere_else_is_shown_as_it_was_compared() -> None:
    text = str(miss(chat("Hi.", model="large"), recording(chat("Bye.", model="small")), match_on=("method", "model")))

    assert "it differs in model:" in text
    assert 'model: "small" -> "large"' in text
    assert "Bye" not in text


def test_of_conversations_that_were_compared_nothing_else_is_shown() -> None:
    old, new = chat("Be brief.", "Where is it?", seed=1), chat("Be brief.", "Where is he?", seed=2)

    text = str(miss(new, recording(old), match_on=("method", "messages")))

    assert "it differs in messages (- recorded, + asked now):" in text
    assert "- Where is [it]?" in text
    assert "seed" not in text


def test_a_stream_that_was_wanted_is_shown() -> None:
    old, new = (chat("Hi.", stream=stream) for stream in (False, True))
    assert "stream: false -> true" in str(miss(new, recording(old), match_on=("messages",)))


def test_ignored_parameters_and_fields_are_not_shown() -> None:
    form = (("content-type", "application/x-www-form-urlencoded"),)
    old, new = (RecordedRequest("POST", f"https://h/v1?at={n}", form, f"a={n}&id={n}".encode()) for n in (1, 2))
    held = Recording(1, Interaction(None, None, old, RESPONSE), played=False)

    text = str(miss(None, held, asked=new, ignore=("query.at", "form.id")))

    assert "it differs in body (- recorded, + asked now):" in text
    assert "a=2" in text
    assert "id=" not in text
    assert "at=2 " not in text


@pytest.mark.parametrize("reason", ["no-cassette", "left-early"])
def test_a_miss_without_a_nearest_recording_shows_what_was_asked(reason: str) -> None:
    asked = chat("Be brief.", "Where is\n my order 4711?" + " Hm." * 100)

    row = next(line for line in str(miss(asked, reason=reason)).splitlines() if "prompt" in line)

    assert row.startswith("  prompt    user: Where is my order 4711? Hm. Hm.")
    assert row.endswith("…")
    assert len(row) < 200
    assert "prompt  " not in str(miss(asked, recording(chat("Hello."))))


@pytest.mark.parametrize(
    ("body", "row"),
    [
        (b"a=1&b=2", "  body      a=1&b=2\n"),
        ({"a": 1}, '  body      {"a": 1}\n'),
        (b"\xff\xfe", "  body      2 bytes\n"),
    ],
)
def test_a_miss_of_what_is_no_prompt_shows_the_body(body: Any, row: str) -> None:
    assert row in str(miss(body, reason="no-cassette"))


def test_a_miss_of_a_request_without_a_body_shows_none() -> None:
    text = str(miss(b"", reason="no-cassette"))
    assert "prompt  " not in text
    assert "body  " not in text


EVERY_RUN = {
    "a date": ("Today is 2026-11-28.", "Today is 2026-11-29.", "It holds a time"),
    "a day": ("It is Saturday, the 28th of Nov.", "It is Sunday, the 29th of Nov.", "It holds a time"),
    "a path": ("Read /tmp/pytest-of-ada/pytest-1/a.txt", "Read /tmp/pytest-of-ada/pytest-2/a.txt", "a temporary file"),
    "an id": (
        "Ticket 315438d6-277b-424f-b07c-c8b14d852beb.",
        "Ticket 997a91e8-9fd2-4d28-9548-9556b06b925c.",
        "It holds a random id",
    ),
    "an object": ("<Order at 0x7f3bc26a1d90>", "<Order at 0x7f3bc26a2e10>", "the address of an object"),
    "an order": ("Tags: red, blue, green.", "Tags: green, red, blue.", "the same words in another order"),
    "deep in a long text": ("word " * 30_000 + "at 10:31:02", "word " * 30_000 + "at 10:31:05", "It holds a time"),
}


@pytest.mark.parametrize(("old", "new", "hint"), EVERY_RUN.values(), ids=EVERY_RUN)
def test_what_looks_like_another_one_in_every_run_is_named_with_what_to_do(old: str, new: str, hint: str) -> None:
    text = str(miss(chat("Be brief.", new), recording(chat("Be brief.", old))))

    _, _, after = text.partition("\n\nIs that another one in every run?\n")
    assert hint in after
    assert 'llm_cassette(ignore=["messages.1.content"])' in after


def test_times_in_settings_and_in_other_bodies_are_named_too() -> None:
    in_setting = miss(chat("Hi.", metadata={"at": 1764000001}), recording(chat("Hi.", metadata={"at": 1764000000})))
    in_text = miss(b"at=10:31:05", recording(b"at=10:31:02"))
    same = recording({"a": 1})
    in_address = miss({}, same, asked=request({"a": 1}, "https://host/v1/chat?at=2026-11-29"))
    elsewhere = miss({}, same, asked=request({"a": 1}, "https://host:8123/v1/chat"))

    assert 'ignore=["metadata.at"]' in str(in_setting)
    assert "It holds a time" in str(in_text)
    assert "every run?" not in str(in_address)  # the recording has no such parameter
    assert "It is sent to another address" in str(elsewhere)


CHANGES = {
    "words": (chat("Where is my order?"), chat("Where is my parcel?")),
    "a setting": (chat("Hi.", temperature=0.2, seed=3), chat("Hi.", temperature=0.7, seed=4)),
    "a model": (chat("Hi.") | {"model": "small-4"}, chat("Hi.") | {"model": "small-5"}),
    "a message": (chat("Hi."), chat("Hi.", "At 10:31:05")),
}


@pytest.mark.parametrize(("old", "new"), CHANGES.values(), ids=CHANGES)
def test_of_a_change_of_the_program_nothing_of_that_kind_is_said(old: Any, new: Any) -> None:
    assert "every run?" not in str(miss(new, recording(old)))


def test_what_does_not_count_is_not_named() -> None:
    old, new = chat("Be brief.", at="10:31:02"), chat("Be long.", at="10:31:05")

    text = str(miss(new, recording(old), match_on=("method", "path"), asked=request(new, "https://host/v1/talk")))

    assert "every run?" not in text
