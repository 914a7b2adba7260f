"""Secret members of JSON that stands in a text: arguments of tools, and what tools return."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pytest_templates.cassettes.recorded import Interaction, RecordedRequest, RecordedResponse
from pytest_templates.cassettes.scrubbing.members import secret_names
from pytest_templates.cassettes.scrubbing.scrub import scrub
from pytest_templates.redaction.secrets import Secrets

NOTHING = Secrets({})
JSON = (("content-type", "application/json"),)
EVENTS = (("content-type", "text/event-stream"),)


def kept(headers: Any, body: str) -> str:
    """What is kept of a body, as a request's and as a response's; scrubbed once more it is the same."""
    request = RecordedRequest("POST", "http://chat.test/", JSON, b"{}")
    interaction = Interaction(None, None, request, RecordedResponse(200, "", headers, body.encode()))
    once = scrub(interaction, NOTHING)
    assert scrub(once, NOTHING) == once
    return once.response.body.decode()


def call(arguments: Any) -> dict[str, Any]:
    return {"tool_calls": [{"function": {"name": "log_in", "arguments": arguments}}]}


def streamed(*pieces: str) -> str:
    return "".join(f"data: {json.dumps({'choices': [{'delta': call(piece)}]})}\n\n" for piece in pieces)


def joined(stream: str) -> str:
    events = [json.loads(line.removeprefix("data: ")) for line in stream.splitlines() if line]
    return "".join(event["choices"][0]["delta"]["tool_calls"][0]["function"]["arguments"] for event in events)


@pytest.mark.parametrize("name", ["password", "api_key", "Access_Token", "client_secret"])
def test_a_secret_argument_of_a_tool_call_is_replaced(name: str) -> None:
    body = json.dumps(call(json.dumps({"user": "ada", name: 'blue "horse"'})))

    assert json.loads(kept(JSON, body)) == call(json.dumps({"user": "ada", name: "REDACTED"}))


def test_a_secret_that_a_tool_returned_is_replaced() -> None:
    body = {"messages": [{"role": "tool", "content": '[{"api_key": "blue-horse", "plan": "gold"}]'}]}

    assert json.loads(kept(JSON, json.dumps(body)))["messages"][0]["content"] == (
        '[{"api_key": "REDACTED", "plan": "gold"}]'
    )


def test_a_member_that_is_no_text_stays() -> None:
    body = json.dumps(call('{"password": null, "api_key": ""}'))

    assert kept(JSON, body) == body


@pytest.mark.parametrize("cut", range(1, 38))
def test_a_secret_argument_that_comes_in_pieces_is_replaced(cut: int) -> None:
    text = '{"user": "ada", "password": "blue-horse"}'

    assert joined(kept(EVENTS, streamed(text[:cut], text[cut:]))) == '{"user": "ada", "password": "REDACTED"}'


def test_a_secret_argument_in_one_of_several_pieces_is_replaced() -> None:
    stream = streamed("", '{"user": "ada", ', '"password": "blue-horse"', "}")

    assert joined(kept(EVENTS, stream)) == '{"user": "ada", "password": "REDACTED"}'


def test_a_secret_in_what_another_tool_returned_is_replaced() -> None:
    """Results that are passed on, as of servers of MCP, are JSON in a text of JSON."""
    result = json.dumps({"type": "text", "text": json.dumps({"user": "ada", "password": "blue-horse"})})
    body = json.dumps({"messages": [{"role": "tool", "content": result}]})

    assert kept(JSON, body) == body.replace("blue-horse", "REDACTED")


@pytest.mark.parametrize("end", ["", "\\", '"', '", "b'])
def test_a_secret_in_an_answer_that_was_cut_short_is_replaced(end: str) -> None:
    text = '{"user": "ada", "password": "blue-horse'

    assert joined(kept(EVENTS, streamed(text[:20], text[20:] + end))).partition("REDACTED")[0] == text[:-10]
    assert "blue-horse" not in kept(JSON, json.dumps(call(text + end)))


secrets = st.text(st.characters(exclude_categories=["Cs"]), min_size=6, max_size=12).filter(
    lambda text: text not in "REDACTED"
)


@given(secret=secrets, cuts=st.lists(st.integers(0, 60), max_size=4), ascii_only=st.booleans())
@example('"\\"\\"\\', [20, 30], True)
def test_no_secret_argument_survives_however_it_is_cut(secret: str, cuts: list[int], ascii_only: bool) -> None:
    text = json.dumps({"user": "ada", "password": secret}, ensure_ascii=ascii_only)
    borders = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    pieces = [text[start:end] for start, end in itertools.pairwise(borders)]

    assert json.loads(joined(kept(EVENTS, streamed(*pieces)))) == {"user": "ada", "password": "REDACTED"}
    assert json.loads(kept(JSON, json.dumps(call(text)))) == call('{"user": "ada", "password": "REDACTED"}')


@given(
    secret=secrets,
    wraps=st.lists(st.sampled_from(["note", "password"]), max_size=3),
    cut=st.integers(0, 200),
    ascii_only=st.booleans(),
)
@example("\\", ["note"], 20, True)
@example("\U0001f40e", ["note", "note"], 60, True)
def test_no_secret_member_survives_however_deep_its_json_stands(
    secret: str, wraps: list[str], cut: int, ascii_only: bool
) -> None:
    def wrapped(value: str) -> str:
        for name in ["password", *wraps]:
            value = json.dumps({"n": 1, name: value}, ensure_ascii=ascii_only)
        return value

    expected = wrapped("REDACTED")
    if "password" in wraps:  # what stands around the secret is one itself
        expected = json.dumps({"n": 1, "password": "REDACTED"})
        for name in wraps[len(wraps) - wraps[::-1].index("password") :]:
            expected = json.dumps({"n": 1, name: expected})
    text = wrapped(secret)

    assert json.loads(kept(JSON, json.dumps(call(text)))) == call(expected)
    assert joined(kept(EVENTS, streamed(text[:cut], text[cut:]))) == expected


def cleaned(text: str) -> str:
    """A text as it is kept: as a prompt in JSON, and as a text of its own."""
    prompt = json.loads(kept(JSON, json.dumps({"messages": [{"role": "user", "content": text}]})))
    plain = kept((("content-type", "text/plain"),), text)
    assert prompt["messages"][0]["content"] == plain
    return plain


KEYS = ("p4VwB8mQzT2c", "correct-horse-7")
MEMBERS = [  # VALUE is replaced, and the rest stays
    'My config: {"api_key": "VALUE", "region": "north"}',
    'I use {"password": "VALUE", "region": "north"} here. What is wrong?',
    'Look:\n\n```json\n{\n  "access_token" : "VALUE",\n  "region": "north"\n}\n```\n',
    *(
        f'{{"{name}": "VALUE", "region": "north"}}'
        for name in (
            *("clientSecret", "accessToken", "aws_secret_access_key", "passwd", "x-api-key", "apiKey", "API_KEY"),
            *("secretKey", "refreshToken", "privateKey", "connectionString", "Password", "dbPassword", "APIKey"),
            *("OPENAI_API_KEY", "api key", "AccountKey", "webhook_secret", "bot_token", "new_password2", "passphrase"),
            *("passcode", "one_time_password"),
        )
    ),
    '{"secret": "VALUE", "authorization": "VALUE"}',
    '{"passwords": ["VALUE", "VALUE"], "clientSecret": {"value": "VALUE", "expires_at": 1767225600}}',
    r"He said {\"password\": \"VALUE\"} and {\\\"token\\\": 1, \\\"api_key\\\": \\\"VALUE\\\"}.",
    "{'password': 'VALUE', 'user': 'ada'}",
    "{'apiKey': \"VALUE\", \"client_secret\": 'VALUE'}",
    "headers = {'x-api-key': 'VALUE'}",
    'client = OpenAI(api_key="VALUE", timeout=5)',
    "API_KEY = 'VALUE'",
    'os.environ["OPENAI_API_KEY"] = "VALUE"',
    "export DB_PASSWORD=VALUE\nexport REGION=north",
    "OPENAI_API_KEY=VALUE",
    "My api_key=VALUE is what I set, and PGPASSWORD=VALUE goes before psql.",
    "curl -H 'x-api-key: VALUE' https://host/",
    "mysql --password=VALUE --user=ada",
    "user: ada\npassword: VALUE\nregion: north",
    'db:\n  password: "VALUE"',
    "[default]\naws_secret_access_key = VALUE",
    "Server=db;User Id=ada;Password=VALUE;Encrypt=yes",
    "AccountName=shop;AccountKey=VALUE;EndpointSuffix=core.windows.net",
    '[{"name": "DB_PASSWORD", "value": "VALUE"}, {"name": "REGION", "value": "north-7"}]',
    '{"ParameterKey": "DbPassword", "ParameterValue": "VALUE"}',
    "env:\n  - name: DB_PASSWORD\n    value: VALUE\n  - name: REGION\n    value: north-7",
    '{"SecretString": "VALUE", "private_key_pem": "VALUE", "clientSecretValue": "VALUE", "api_key_v2": "VALUE"}',
]
MEMBERS += [
    *(
        f"curl -H 'Authorization: {scheme} VALUE' https://host/"
        for scheme in ("OAuth2", "Token1", "JWT2", "HMAC-SHA256", "GOOG4-RSA-SHA256", "Basic2", "Api-Key-V1", "AWS3")
    ),
    "authorization=OAuth2 VALUE",
    "Send Authorization: HMAC-SHA256 VALUE.",
    "My api_key=VALUE region2 is mine.",
]
XML = [  # the same, in XML and HTML
    "<login><user>ada</user><password>VALUE</password></login>",
    "<Credentials><AccessKeyId>ada</AccessKeyId><SecretAccessKey>\n  VALUE\n</SecretAccessKey></Credentials>",
    '<wsse:Password Type="http://host/#PasswordText">VALUE</wsse:Password>',
    "<api-key><![CDATA[VALUE]]></api-key><password></password><client.secret >VALUE</client.secret>",
    '<password/>plain<apiKey xsi:nil="true"/><password></password>plain',
    "<key>user</key><string>ada</string>\n<key>password</key>\n\t<string>VALUE</string>",
    "<member><name>password</name><value><string>VALUE</string></value></member>",
    "<Parameter><Name>DB_PASSWORD</Name><Value>VALUE</Value></Parameter>",
    '<property name="password"><value>VALUE</value></property><password><value>VALUE</value></password>',
    '<property name="user" value="ada"/><property value=\'VALUE\' name=\'password\'/><add key="ApiKey" value="VALUE"/>',
    '<entry key="api_key">VALUE</entry><parameter name="password">VALUE</parameter>',
    '<input type=hidden value=VALUE name=csrf_token><meta name="csrf-token" content="VALUE" />',
    '<input value="VALUE" type="password"> <input type="password" placeholder="yours">',
    "&lt;Request&gt;&lt;password&gt;VALUE&lt;/password&gt;&lt;page&gt;2&lt;/page&gt;&lt;/Request&gt;",
    "The answer was <password>VALUE",
]


@pytest.mark.parametrize("text", MEMBERS + XML)
def test_a_secret_member_is_replaced_wherever_and_however_it_is_written(text: str) -> None:
    keys = [key * 2 for key in KEYS]  # long enough behind " = ", where code stands mostly
    assert {cleaned(text.replace("VALUE", key)) for key in keys} == {text.replace("VALUE", "REDACTED")}


@given(st.text(st.sampled_from("aZ9+/=.~"), min_size=1, max_size=30), st.sampled_from(XML))
def test_xml_holds_no_secret_and_is_clean_after_once(secret: str, text: str) -> None:
    assert cleaned(text.replace("VALUE", f"q0{secret}")) == text.replace("VALUE", "REDACTED")


@pytest.mark.parametrize("key", KEYS)
def test_a_key_behind_a_scheme_that_nobody_knows_is_replaced(key: str) -> None:
    assert cleaned(f"Authorization: Some3 {key} is it.") == "Authorization: Some3 REDACTED is it."
    assert cleaned(f"Authorization: SchemeOfVendor3 {key} is it.") == "Authorization: REDACTED REDACTED is it."


RANDOM = ("k7Qw9xLr2TzVb6NmYc41", "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEYzz", "8f14e45fceea167a5a36dedd4bea2543")
GENERIC = (
    *("token", "jwt", "pass", "code", "session", "bearer", "authentication", "auth", "oauth", "pat", "auth_code"),
    *("upload_token", "user_token", "identity-token", "primaryKey", "secondary_key", "key1", "key2", "licenseKey"),
    *("tokenValue", "hf_token_v2", "pass_hash", "sessionToken", "sessionid", "PHPSESSID", "JSESSIONID"),
)


LOOSE = [  # as people and models write: here a value has to look random
    "The password is VALUE, and the region is north.",
    "Set api_key to VALUE. My access_token was VALUE before.",
    "**api_key**: `VALUE`, region: `north`",
    "Use the `api_key`: `VALUE` or `client_secret` = `VALUE`",
    "| api_key | VALUE |\n| region | north |",
    "shop --api-key VALUE --region north",
    "clientSecret → VALUE",
    "clientSecret -> VALUE and the access_token is: VALUE",
    "Your API key is VALUE. The secret key: `VALUE`",
    "API Key: VALUE\nRegion: north",
    "new Client({apiKey: `VALUE`, region: `north`})",
]


@pytest.mark.parametrize("text", LOOSE)
def test_a_key_that_stands_loosely_behind_its_name_is_replaced(text: str) -> None:
    assert {cleaned(text.replace("VALUE", key)) for key in RANDOM} == {text.replace("VALUE", "REDACTED")}


@pytest.mark.parametrize("name", GENERIC)
def test_under_a_name_with_other_uses_what_looks_random_is_replaced(name: str) -> None:
    for value in RANDOM:
        assert cleaned(f'{{"{name}": "{value}", "page": 2}}') == f'{{"{name}": "REDACTED", "page": 2}}'
        assert cleaned(f"<x><{name}>{value}</{name}></x>") == f"<x><{name}>REDACTED</{name}></x>"
        assert cleaned(f"{name}: {value}\n") == f"{name}: REDACTED\n"
        assert (
            joined(kept(EVENTS, streamed(f'{{"{name}": "{value[:9]}', f'{value[9:]}"}}')))
            == f'{{"{name}": "REDACTED"}}'
        )


@pytest.mark.parametrize("name", ["otp", "TOTP", "pin", "cardPin", "mfa_code", "sms-code", "verification_code"])
def test_digits_that_people_type_to_log_in_are_replaced(name: str) -> None:
    for digits in ("4711", "482913", "482-913"):
        assert cleaned(f'{{"{name}": "{digits}", "page": 2}}') == f'{{"{name}": "REDACTED", "page": 2}}'
        assert cleaned(f"<x><{name}>{digits}</{name}></x>") == f"<x><{name}>REDACTED</{name}></x>"
    assert json.loads(kept(JSON, json.dumps({name: 482913, "to": [{name: 4711}]}))) == {name: 0, "to": [{name: 0}]}
    assert cleaned(f"{name}=482913&page=2") == f"{name}=REDACTED&page=2"


NAMED_LATER = {"value": "correct-horse-7", "type": "plain", "name": "DB_PASSWORD"}


def test_a_value_that_is_named_beside_it_is_replaced() -> None:
    assert json.loads(kept(JSON, json.dumps({"env": [NAMED_LATER]}))) == {"env": [NAMED_LATER | {"value": "REDACTED"}]}


NO_MEMBERS = [
    "The password is required. The token is claude-sonnet-4-5-20250929, and the api_key is an-id-of-theirs-2025.",
    "| api_key | string | required |\n|---|---|\n| password | at_least_8_characters_1 |",
    "Use --token YOUR_TOKEN_GOES_HERE_1 or --api-key environment_variable_2; the code is k7Qw9xLr2TzVb6NmYc41",
    "The api_key is 3f2a6b1c-9d4e-4f5a-8b7c-0123456789ab; secret k7Qw9xLr2TzVb6NmYc41, row_key is k7Qw9xLr2TzVb6NmYc",
    "Your API key: see-section-4. The primary key is k7Qw9xLr2TzVb6NmYc41; an API key k7Qw9xLr2TzVb6NmYc41",
    "The private key: claude-sonnet-4-5-20250929. The key: k7Qw9xLr2TzVb6NmYc41. A monkey: k7Qw9xLr2TzVb6NmYc41",
    "The password is required. Enter the password: it has 8 characters or more; password: required.",
    "Which api key? An API_KEY is a token; secret: the princess is a spy. Access token: see section 4b.",
    '{"max_tokens": 100, "token": "word1", "completion_tokens": 12345, "tokens": ["a1"], "key": "a1b2c3d4e5"}',
    '{"next_page_token": "a1b2c3d4e5", "tokenizer": "cl100k", "eos_token": "</s>", "primary_key": "user_id1"}',
    '{"password": {"type": "string"}, "api_key": {"$ref": "#/defs/key"}, "secretKey": {"description": "yours"}}',
    '{"properties": {"password": {"type": ["string", "null"], "enum": ["a1", "b2"]}}, "required": ["password"]}',
    '{"clientSecret": {"type": "STRING", "description": "What the server gave you"}}',
    "{'password': {'type': 'string', 'minLength': 8}}",
    '{"password": null, "api_key": "", "secretKey": true, "passwords": 12, "password": 0}',
    '{"errors": {"password": ["is too short (8 characters or more)"]}, "has_password": true}',
    '{"secret": "a short story about two spies", "authorization": "granted", "cookie": "oatmeal"}',
    "api_key=settings.api_key, password=getpass(), token=tokens[0], password=None, secret_key=keys2[0]",
    "api_key = load_key1()\npassword = user.password1\nif password == 'a1b2c3d4': pass",
    'password = "password", api_key="OPENAI_API_KEY", apiKey: "<your key>", password="${DB_PASSWORD1}"',
    "AccessToken: https://host/v1/guide2, OAuth2Credentials: _convert_oauth2_credentials, api_key=key_of_user1",
    "password: str = Field(...), api_key: SecretStr | None, secretKey: String",
    "export API_KEY=$OPENAI_API_KEY; API_KEY=<your-key-1>; PASSWORD={{ password1 }}",
    '{"code": "context_length_exceeded", "code": "InvalidParameterValue400Error", "status_code": 429, "code": 1234567}',
    '{"session_id": "8f14e45fceea167a5a36dedd4bea2543", "session": "3f2a6b1c-9d4e-4f5a-8b7c-0123456789ab"}',
    '{"nextToken": "8f14e45fceea167a5a36dedd4bea2543", "key": "uploads/8f14e45fceea167a5a36dedd4bea2543.png"}',
    '{"signature": "EqoBCkgIARABGAIiQL8f14e45fceea167a5a36dedd4bea2543", "public_key": "8f14e45fceea167a5a36dedd4bea"}',
    '{"token": " assistant", "token": "claude-3-5-sonnet-20241022", "pass": 12, "code": "import os; print(os.x1)"}',
    '{"name": "password", "in": "query"}, {"name": "region", "value": "a1b2c3d4"}, {"primary_key": "user_1"}',
    '{"auth": "oauth2-client-credentials", "error_code": "8f14e45fceea167a5a36dedd4bea2543", "sid": "SM8f14e45fceea"}',
    "Map<Password, String> find(List<AccessToken> tokens) { return a < b && c > d; }",
    "<password>${db.password1}</password> <apiKey>{{ key1 }}</apiKey> <input name=password value={password1} />",
    '<xs:element name="password" type="xs:string"/><label for="password">Password1</label><password></password>',
    '<string name="password">Password</string><secret>the princess</secret><Key>a1/b2.png</Key><Token>word1</Token>',
    '<input type="submit" name="change_password" value="Change1"><input name="password" value=""><tokens>100</tokens>',
    '{"pin": {"lat": 52.5, "label": "a1b2c3d4"}, "pin": 13, "pin": "GPIO13", "pin_id": "48291", "otp": "27.1"}',
    '{"sessionid": "chat-17", "sessionid": "3f2a6b1c-9d4e-4f5a-8b7c-0123456789ab", "pin": "813744226420795884"}',
    '{"sessionId": "8f14e45fceea167a5a36dedd4bea2543", "otp": {"channel": "sms1"}, "pin": true, "otp": "required"}',
    "Pin: 4711 nails, pin 4711, spin=4711, otp: 2026, mapping: 4711; The pin=13 blinks.",
    "Authorization: AWS4-HMAC-SHA256 Credential=abc, x=1; Authorization: GOOG4-RSA-SHA256 Credential=abc",
    "Authorization: HMAC-SHA256 Credential=abc&SignedHeaders=host",
    "monkey=a1b2c3d4, keyword: a1b2c3d4, sword=a1b2c3d4e5, crossword: a1b2c3d4e5, passkeys: a1b2c3d4",
]


@pytest.mark.parametrize("text", NO_MEMBERS)
def test_prose_schemas_counts_and_code_stay(text: str) -> None:
    assert cleaned(text) == text
    try:
        document = json.loads(text)
    except ValueError:
        return
    assert kept(JSON, json.dumps(document)) == json.dumps(document)
    assert kept(JSON, json.dumps(call(text))) == json.dumps(call(text))


def test_secret_members_that_are_no_text_are_replaced_and_json_stays_json_of_the_same_kind() -> None:
    document = {
        "password": 48151623,
        "api_keys": ["a1b2", ["c3d4"], "words that are about it", 7],
        "client_secret": {"value": "ek1", "expires_at": 1767225600, "scopes": {"ids": ["x9"]}},
        "region": ["north", 4815],
    }
    expected = {
        "password": 0,
        "api_keys": ["REDACTED", ["REDACTED"], "words that are about it", 7],
        "client_secret": {"value": "REDACTED", "expires_at": 1767225600, "scopes": {"ids": ["REDACTED"]}},
        "region": ["north", 4815],
    }
    text = json.dumps(document)

    assert json.loads(kept(JSON, text)) == expected
    assert json.loads(kept(JSON, json.dumps(call(text)))) == call(json.dumps(expected))
    assert cleaned(f"It is {text}.") == f"It is {json.dumps(expected)}."
    assert json.loads(joined(kept(EVENTS, streamed(text[:30], text[30:70], text[70:])))) == expected


@pytest.mark.parametrize("indent", [None, 2])
def test_a_document_of_secrets_manager_can_still_be_read(indent: int | None) -> None:
    document = {"username": "ada", "password": "correct-horse-7", "port": 5432, "hosts": ["db.internal"], "pin": 4711}
    body = {"Name": "shop/db", "SecretString": json.dumps(document, indent=indent), "VersionStages": ["AWSCURRENT"]}

    said = json.loads(kept((("content-type", "application/x-amz-json-1.1"),), json.dumps(body)))

    redacted = {"username": "REDACTED", "password": "REDACTED", "port": 5432, "hosts": ["REDACTED"], "pin": 0}
    assert said == body | {"SecretString": json.dumps(redacted, indent=indent)}


@pytest.mark.parametrize("text", ["correct-horse-7", '["correct-horse-7"]', '{"password": "correct', "{"])
def test_any_other_text_of_secrets_manager_is_replaced_whole(text: str) -> None:
    body = json.dumps({"Name": "shop/db", "SecretString": text})

    assert json.loads(kept(JSON, body)) == {"Name": "shop/db", "SecretString": "REDACTED"}


documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["password", "apiKey", "secret", "name", "type", "token", "max_tokens"]), inner, max_size=4
        )
    ),
    max_leaves=10,
)


def shape(value: Any) -> Any:
    """A document without its texts and numbers."""
    if isinstance(value, dict):
        return {name: shape(inner) for name, inner in value.items()}
    return [shape(inner) for inner in value] if isinstance(value, list) else type(value)


@given(document=documents, before=st.text(max_size=20), indent=st.sampled_from([None, 2]))
def test_json_stays_json_of_the_same_shape_and_is_clean_after_once(document: Any, before: str, indent: Any) -> None:
    text = json.dumps(document, indent=indent)

    assert shape(json.loads(kept(JSON, text))) == shape(document)
    assert shape(json.loads(json.loads(kept(JSON, json.dumps([text])))[0])) == shape(document)
    kept((("content-type", "text/plain"),), before + text)


@given(st.text(st.sampled_from("the word:=\"'{}[]\n ,.password api_key token secret"), max_size=200))
def test_text_without_a_digit_and_a_quoted_name_stays(text: str) -> None:
    text = text.replace('"', "").replace("'", "")
    assert cleaned(text) == text


PROSE = "It was sent to the north in two days, and nobody has asked for it since then. " * 20
ESCAPE = "\\"
fragments = st.sampled_from(
    [
        *("password", "API_KEY", "clientAssertions", "x-authorization_v123", "base64", "the", "it is", "tokens", "]"),
        *(" ", "\n", '"', "'", ESCAPE, ":", "=", ":=", "=>", "{", "}", "correct-horse-7", " " * 40, PROSE[:129], PROSE),
        *(ESCAPE * count for count in (31, 63, 64, 100)),
    ]
)


@given(st.lists(fragments, max_size=12).map("".join))
@example(f"{PROSE}'clientAssertions_v123{ESCAPE * 63}']{' ' * 40}:= 1 {PROSE}")
@example(f"{PROSE}'password' => 1 {PROSE}")
@example(f"{PROSE}'clientAssertions_v123{ESCAPE * 100}']{' ' * 40}:= 1 {PROSE}")
def test_names_are_found_in_long_prose_as_well_as_between_many_colons(text: str) -> None:
    text = f"{text}\n. "
    among_colons = [name for name in secret_names(text + ":" * len(text)) if name.end <= len(text)]
    assert list(secret_names(text)) == among_colons
