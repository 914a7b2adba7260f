"""What is leaked: secrets in recorded conversations, and pictures that are taken for some."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from urllib.parse import quote

from peers import Project
from server import Served

SECRET = "Zq7/wT+9vX=kR4mB2nLc8"  # like no provider's keys: it is known from the environment only

_PLACES = r"""
S = os.environ["SERVICE_API_KEY"]
B64 = base64.b64encode(S.encode()).decode()
QUOTED = urllib.parse.quote(S, safe="")
PLACES = {
    "header authorization": dict(headers={"authorization": "Bearer " + S}),
    "header x-api-key": dict(headers={"x-api-key": S}),
    "header of their own": dict(headers={"x-tenant": S}),
    "basic authorization": dict(headers={"authorization": "Basic " + base64.b64encode(("u:" + S).encode()).decode()}),
    "cookie": dict(headers={"cookie": "session=" + S}),
    "response set-cookie": dict(headers={"x-echo-set-cookie": "session=" + S}),
    "response header of their own": dict(headers={"x-echo-x-request-token": S}),
    "response location": dict(headers={"x-echo-content-location": "/next?token=" + QUOTED}),
    "query key": dict(params={"key": S}),
    "query of their own": dict(params={"tenant": S}),
    "path": dict(url="/echo/" + QUOTED),
    "user info": dict(userinfo=QUOTED),
    "json value of a secret's name": dict(json={"api_key": S}),
    "json value of another name": dict(json={"note": S}),
    "json value, nested": dict(json={"a": [{"b": {"c": "is " + S + " it"}}]}),
    "json name": dict(json={S: 1}),
    "json, escaped": dict(content=json.dumps({"note": S}).replace("/", "\\/").encode(), kind="application/json"),
    "json, base64": dict(json={"note": B64}),
    "json, base64 within a word": dict(json={"note": base64.b64encode(("ab" + S).encode()).decode()}),
    "json, url-encoded": dict(json={"note": "http://x/?k=" + QUOTED}),
    "form field": dict(data={"password": S}),
    "form field of their own": dict(data={"tenant": S}),
    "multipart file": dict(files={"file": ("a.txt", S.encode())}),
    "plain text": dict(content=S.encode(), kind="text/plain"),
    "multipart file name": dict(files={"file": (S.replace("/", "_") and "k" + S + ".txt", b"x")}),
}

MARK
def test_sends():
    given = dict(PLACES[os.environ["PLACE"]])
    url = URL + given.pop("url", "/echo")
    if "userinfo" in given:
        url = url.replace("http://", "http://user:" + given.pop("userinfo") + "@")
    headers = given.pop("headers", {})
    if "kind" in given:
        headers = {"content-type": given.pop("kind")}
    with httpx.Client() as session:
        session.post(url, headers=headers, **given)
"""


def secret_placements(project: Project, served: Served) -> str:
    """In how many of 25 places a secret reaches the disk, and in how many the recording is replayed without it."""
    project.write(_PLACES)
    places = [line.split('"')[1] for line in _PLACES.splitlines() if line.startswith('    "')]
    leaked, broken = [], []
    for place in places:
        for path in project.cassettes():
            path.unlink()
        project.run(project.peer.record, PLACE=place, SERVICE_API_KEY=SECRET)
        if any(encoded in project.on_disk() for encoded in _encodings()):
            leaked.append(place)
        elif project.run(*project.peer.replay, PLACE=place, SERVICE_API_KEY=SECRET).returncode:
            broken.append(place)
    summary = f"{len(leaked)} of {len(places)} leaked"
    return summary + (f", {len(broken)} refused or not replayed ({', '.join(broken)})" if broken else "")


def _encodings() -> list[bytes]:
    plain = SECRET.encode()
    shifted = [base64.b64encode(b"a" * n + plain)[4 if n else 0 : -4] for n in range(3)]
    return [plain, quote(SECRET, safe="").encode(), plain.replace(b"/", b"\\/"), *shifted]


# A credential, and how a program sends it. The server repeats it in its answer.
_HEADERS = {
    "bearer": ("authorization", "Bearer {}"),
    "bearer, quoted": ("authorization", 'Bearer "{}"'),
    "token": ("authorization", "Token {}"),
    "token, named": ("authorization", "Token token={}"),
    "token, named and quoted": ("authorization", 'Token token="{}"'),
    "basic": ("authorization", "Basic {}"),
    "api key": ("authorization", "ApiKey {}"),
    "key": ("authorization", "Key {}"),
    "no scheme": ("authorization", "{}"),
    "shared key": ("authorization", "SharedKey account:{}"),
    "aws": ("authorization", "AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature={}"),
    "digest": ("authorization", 'Digest username="ada", response="{}"'),
    "google login": ("authorization", "GoogleLogin auth={}"),
    "splunk": ("authorization", "Splunk {}"),
    "proxy": ("proxy-authorization", "Bearer {}"),
    "x-api-key": ("x-api-key", "{}"),
    "api-key": ("api-key", "{}"),
    "google": ("x-goog-api-key", "{}"),
    "auth token": ("x-auth-token", "{}"),
    "gitlab": ("private-token", "{}"),
    "portkey": ("x-portkey-api-key", "{}"),
    "azure function": ("x-functions-key", "{}"),
    "azure subscription": ("ocp-apim-subscription-key", "{}"),
    "aws session": ("x-amz-security-token", "{}"),
    "vault": ("x-vault-token", "{}"),
    "helicone": ("helicone-auth", "Bearer {}"),
    "cookie": ("cookie", "session={}"),
}
_PARAMETERS = [
    "key",
    "api_key",
    "apikey",
    "api-key",
    "access_token",
    "access_key",
    "token",
    "auth",
    "auth_token",
    "sig",
    "signature",
    "hmac",
    "subscription-key",
    "code",
    "client_secret",
    "secret",
    "password",
    "passwd",
    "session",
    "sessionid",
    "jwt",
    "X-Amz-Signature",
    "X-Amz-Security-Token",
    "X-Goog-Signature",
]


def credential_headers(project: Project, served: Served) -> str:
    """A credential in 27 forms of headers, which the answer repeats."""
    forms = [(name, {text: value}) for name, (text, value) in _HEADERS.items()]
    return _echoed(project, {name: {"headers": headers} for name, headers in forms})


def credential_parameters(project: Project, served: Served) -> str:
    """A credential in 24 parameters of the address, which the answer repeats."""
    return _echoed(project, {name: {"params": {name: "{}"}} for name in _PARAMETERS})


def _echoed(project: Project, forms: Mapping[str, Mapping[str, Mapping[str, str]]]) -> str:
    code = """
def test_it(name):
    answer = httpx.post(URL + "/credential", json={"asked": name}, **CASES[name])
    assert "which ends soon" in answer.text
"""
    recorded, replayed = (
        {
            name: {
                place: {key: text.format(_sent(name, number, salt)) for key, text in given.items()}
                for place, given in form.items()
            }
            for number, (name, form) in enumerate(forms.items())
        }
        for salt in "AB"
    )
    cases = project.cases(code, recorded, replayed)
    there = project.on_disk()
    leaked = [name for number, name in enumerate(forms) if _credential(number, "A").encode() in there]
    return f"{len(leaked)} of {len(forms)} leaked; {cases.same(forms)} replayed with another"


def _credential(number: int, salt: str) -> str:
    return f"k7Qw{salt}9xLr2Tz{number:02}Vb6NmYc"


def _sent(name: str, number: int, salt: str) -> str:
    credential = _credential(number, salt)
    return base64.b64encode(f"ada:{credential}".encode()).decode() if name == "basic" else credential


_NAMES = [
    "api_key",
    "password",
    "passwd",
    "clientSecret",
    "accessToken",
    "aws_secret_access_key",
    "private_key",
    "auth_token",
]
_TEXTS = {
    "alone": "%s",
    "after a sentence": "My config: %s",
    "in a fence": "Look:\n\n```json\n%s\n```\n",
    "in a string": '{"arguments": %s}',
}


def secret_members(project: Project, served: Served) -> str:
    """A prompt, which the answer repeats, with JSON that holds a secret: eight names, alone and in three texts."""
    prompts = {}
    for where, text in _TEXTS.items():
        for name in _NAMES:
            member = json.dumps({name: _credential(len(prompts), "A"), "region": "north"})
            prompts[f"{where}, {name}"] = text % (json.dumps(member) if where == "in a string" else member)
    return _asked(project, prompts)


_SIGNED = {
    "aws": "https://b.s3.amazonaws.com/a.png?X-Amz-Date=20260102T000000Z&X-Amz-SignedHeaders=host&X-Amz-Signature={}",
    "google": "https://storage.googleapis.com/b/a.png?X-Goog-Expires=900&X-Goog-Signature={}",
    "azure": "https://b.blob.core.windows.net/a.png?sv=2024-11-04&se=2035-01-01T00:00:00Z&sp=r&sig={}",
    "cloudfront": "https://d1.cloudfront.net/a.png?Expires=2067000000&Key-Pair-Id=K1&Signature={}",
    "generic": "https://files.example.org/a.png?expires=2067000000&token={}",
}


def signed_addresses(project: Project, served: Served) -> str:
    """A prompt, which the answer repeats, that holds a signed address."""
    signed = [text.format(_credential(number, "A")) for number, text in enumerate(_SIGNED.values())]
    return _asked(project, {name: f"Look at {address} now." for name, address in zip(_SIGNED, signed, strict=True)})


def _asked(project: Project, prompts: dict[str, str]) -> str:
    code = """
def test_it(name):
    assert ask(CASES[name]).startswith("m heard")
"""
    cases = project.cases(code, {**prompts})
    there = project.on_disk()
    leaked = [name for number, name in enumerate(prompts) if _credential(number, "A").encode() in there]
    return f"{len(leaked)} of {len(prompts)} leaked; {cases.same(prompts)} replayed"


def pictures(project: Project, served: Served) -> str:
    """A picture whose base64 spells how a Google token begins: it is no secret, and plays as it was."""
    spelled = base64.b64decode("AAA/" + "1//0" + "8PONqPP6nPyxo67mfN7uqY9n")
    body = base64.b64encode(b"\x00\xffRIFF\x80\x81" * 3 + spelled + b"\xfe\x00").decode()
    code = """
def test_it(name):
    picture = base64.b64decode(CASES[name])
    answer = httpx.post(URL + "/echo", content=picture, headers={"content-type": "image/png"})
    assert answer.content == picture
    address = "data:image/png;base64," + CASES[name]
    assert ask("Look: " + address) == "m heard Look: " + address
"""
    return f"{project.cases(code, {'picture': body}).same(['picture'])} replayed"
