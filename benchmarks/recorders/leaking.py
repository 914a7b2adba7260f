"""What is leaked: one secret in 25 places of a recorded conversation."""

from __future__ import annotations

import base64
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
