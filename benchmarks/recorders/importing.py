"""Taking over cassettes that vcrpy wrote, with its serializer or with those that projects add to it."""

from __future__ import annotations

import subprocess
import sys

from peers import Project
from server import Served

_ASKED = '{"model": "m", "messages": [{"role": "user", "content": "capital?"}]}'
_SAID = '{"choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Paris"}}]}'
_FORMS = {
    "texts": (f"body: '{_ASKED}'", f"body: {{string: '{_SAID}'}}"),
    "parsed": (f"parsed_body: {_ASKED}", f"parsed_body: {_SAID}"),
    "parsed request": (f"parsed_body: {_ASKED}", f"body: {{string: '{_SAID}'}}"),
    "parsed response": (f"body: '{_ASKED}'", f"parsed_body: {_SAID}"),
    "mapping": (f"body: {_ASKED}", f"body: {{string: '{_SAID}'}}"),
}
_THEIRS = """interactions:
- request:
    {}
    headers: {{content-type: [application/json]}}
    method: POST
    uri: https://api.example.org/v1/chat/completions
  response:
    {}
    headers: {{content-type: [application/json]}}
    status: {{code: 200, message: OK}}
version: 1
"""


def foreign_cassettes(project: Project, served: Served) -> str:
    """Five forms of vcrpy's files: whether the answer is played, refused, or came out empty."""
    found = {name: _taken(project, *form) for name, form in _FORMS.items()}
    counts = {result: [*found.values()].count(result) for result in ("played", "refused", "empty")}
    return ", ".join(f"{count} {result}" for result, count in counts.items())


def _taken(project: Project, request: str, response: str) -> str:
    """What becomes of one file."""
    theirs, ours = project.folder / "theirs", project.folder / "ours"
    for path in [*theirs.glob("*"), *ours.glob("*"), *project.cassettes()]:
        path.unlink(missing_ok=True)
    theirs.mkdir(exist_ok=True)
    (theirs / "shared.yaml").write_text(_THEIRS.format(request, response))
    project.write(
        """
MARK
def test_asks():
    body = {"model": "m", "messages": [{"role": "user", "content": "capital?"}]}
    answer = httpx.post("https://api.example.org/v1/chat/completions", json=body)
    print("SAID", answer.content)
    assert "Paris" in answer.text
""",
        shared=True,
    )
    source = theirs
    if project.peer.importing:
        ours.mkdir(exist_ok=True)
        command = [sys.executable, *project.peer.importing]
        run = subprocess.run(command, cwd=project.folder, env=project.environment(), capture_output=True, check=False)
        if run.returncode:
            return "refused"
        source = ours
    for folder in ("cassettes", "cassettes/test_calls"):  # where one of them looks for it
        where = project.folder / folder / "shared.yaml"
        where.parent.mkdir(parents=True, exist_ok=True)
        where.write_bytes((source / "shared.yaml").read_bytes())
    run = project.run(*project.peer.replay)
    return "played" if run.returncode == 0 else "empty" if "SAID b''" in run.stdout else "refused"
