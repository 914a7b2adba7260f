"""`cassettes import`: the forms in which recorders of various years and serializers of projects keep a body."""

from __future__ import annotations

import base64
import gzip
import json
import zlib

import pytest
import yaml

from pytest_templates.cassettes.storage.store import load_cassette

ASKED = {"model": "m", "messages": [{"role": "user", "content": "Hello, 👋?"}]}
SAID = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "Yes — 👍."}}]}
JSON_TYPE = {"content-type": ["application/json"]}
ASKED_TEXT, SAID_TEXT = json.dumps(ASKED), json.dumps(SAID, ensure_ascii=False)


def theirs(request: object = None, response: object = None, **changes: object) -> dict:
    """A cassette of one interaction, as vcrpy writes it; `request` and `response` replace their parts."""
    asked = {"method": "POST", "uri": "https://host.test/v1?a=1", "headers": JSON_TYPE, "body": ASKED_TEXT}
    said = {"status": {"code": 200, "message": "OK"}, "headers": JSON_TYPE, "body": {"string": SAID_TEXT}}
    interaction = {"request": changed(asked, request), "response": changed(said, response)}
    return {"interactions": [interaction], "version": 1, **changes}


def changed(node: dict, by: object) -> dict:
    new = {**node, **(by if isinstance(by, dict) else {})}
    return {key: value for key, value in new.items() if value is not GONE}


GONE = object()
COMPRESSED = gzip.compress(SAID_TEXT.encode())
GZIPPED = {"headers": {**JSON_TYPE, "Content-Encoding": ["gzip"]}}
OLD_ADDRESS = {"protocol": "https", "host": "host.test", "port": 443, "path": "/v1?a=1", "uri": GONE}
FORM_TYPE = {"headers": {"Content-Type": ["application/x-www-form-urlencoded"]}}
HTTPX_OF_OLD = {"status_code": 200, "http_version": "HTTP/1.1", "content": SAID_TEXT, "body": GONE, "status": GONE}
PACKED = {
    "gzip": base64.b64encode(COMPRESSED).decode(),
    "zlib": base64.encodebytes(zlib.compress(SAID_TEXT.encode(), 9)).decode(),
    "none": base64.b64encode(SAID_TEXT.encode()).decode(),
}
BETAMAX_ASKED = {"body": {"encoding": "utf-8", "string": ASKED_TEXT}, "headers": {"content-type": "application/json"}}
BETAMAX_SAID = {
    "body": {"encoding": None, "base64_string": base64.b64encode(COMPRESSED).decode()},
    "url": "https://h/v1",
}
READ = {
    "texts": theirs(),
    "bytes": theirs({"body": ASKED_TEXT.encode()}, {"body": {"string": SAID_TEXT.encode()}}),
    "compressed": theirs(None, {**GZIPPED, "body": {"string": COMPRESSED}}),
    "headers-that-say-compressed": theirs(None, {"headers": {**JSON_TYPE, "Content-Encoding": ["of-tomorrow"]}}),
    "packed": theirs(None, {**GZIPPED, "body": {"string": PACKED["gzip"]}}),
    **{f"packed by {by}": theirs(None, {"body": {"string": packed}}) for by, packed in PACKED.items()},
    "packed request": theirs({"body": base64.b64encode(gzip.compress(ASKED_TEXT.encode())).decode()}),
    "parsed": theirs({"parsed_body": ASKED, "body": GONE}, {"parsed_body": SAID, "body": GONE}),
    "parsed-response": theirs(None, {"parsed_body": SAID, "body": GONE}),
    "parsed-within": theirs(None, {"body": {"string": SAID}}),
    "mapping": theirs({"body": ASKED}),
    "mapping-without-type": theirs({"body": ASKED, "headers": {}}),
    "single-headers": theirs({"headers": {"content-type": b"application/json"}}, {"headers": {"x-count": 3}}),
    "tuples": theirs(None, {"headers": [("Content-Type", ["application/json"])]}),
    "httpx-of-old": theirs(None, HTTPX_OF_OLD),
    "betamax": {**theirs(BETAMAX_ASKED, {**GZIPPED, **BETAMAX_SAID}), "recorded_with": "betamax/0.9.0"},
    "old": [theirs(OLD_ADDRESS, {"headers": ["Content-Type: application/json\r\n"]})["interactions"][0]],
}
READ["betamax"]["http_interactions"] = READ["betamax"].pop("interactions")
READ["langchain"] = {f"{part}s": [node[part] for node in theirs()["interactions"]] for part in ("request", "response")}


@pytest.fixture
def imported(project, cassettes):
    """Imports cassettes of others by their names."""

    def run(documents: dict[str, object]):
        for name, document in documents.items():
            text = document if isinstance(document, str) else yaml.dump(document)
            project.file(f"theirs/{name}.yaml", "").write_text(text, encoding="utf-8")
        return cassettes("import", "theirs", "-o", "ours")

    return run


def test_every_form_gives_what_was_sent_and_answered(project, imported):
    outcome = imported(READ)

    assert (outcome.status, outcome.err) == (0, "")
    for name in READ:
        [interaction] = load_cassette(project.path / f"ours/{name}.yaml")
        request, response = interaction.request, interaction.response
        assert (request.method, request.uri, response.status) == ("POST", "https://host.test/v1?a=1", 200), name
        assert json.loads(request.body) == ASKED, name
        assert json.loads(response.body) == SAID, name
        if "parsed" not in name:
            assert response.body.decode() == SAID_TEXT, name


@pytest.mark.parametrize("text", ["1234", '"aGVsbG8="', "aGVsbG8=", "H4sIAAAA", "eJwAAAAA", "Hello, you."])
@pytest.mark.parametrize("kind", ["application/json", "text/plain"])
def test_a_text_that_only_looks_packed_stays(project, imported, text, kind):
    outcome = imported({"a": theirs(None, {"headers": {"content-type": [kind]}, "body": {"string": text}})})

    assert (outcome.status, outcome.err) == (0, "")
    assert load_cassette(project.path / "ours/a.yaml")[0].response.body.decode() == text


def test_the_version_of_http_is_taken_over(project, imported):
    versions = {"two": "HTTP/2", "old": b"HTTP/1.0", "usual": "HTTP/1.1", "none": None}
    outcome = imported({name: theirs(None, {**HTTPX_OF_OLD, "http_version": of}) for name, of in versions.items()})

    assert (outcome.status, outcome.err) == (0, "")
    kept = {name: load_cassette(project.path / f"ours/{name}.yaml")[0].response.http_version for name in versions}
    assert kept == {"two": "HTTP/2", "old": "HTTP/1.0", "usual": "", "none": ""}


def test_an_address_that_no_cassette_may_hold_is_refused(imported):
    outcome = imported({"broken": theirs({"uri": "http://h:99999/"})})

    assert outcome.status == 2
    assert "refused: theirs/broken.yaml: interaction 1 cannot be taken over: Port out of range 0-65535" in outcome.err


def test_json_is_read_as_json_with_its_surrogate_pairs(project, imported):
    outcome = imported({"in-json": json.dumps(theirs())})

    assert outcome.status == 0
    [interaction] = load_cassette(project.path / "ours/in-json.yaml")
    assert interaction.response.body.decode() == SAID_TEXT


def test_zipped_files_are_read(project, cassettes):
    folder = project.path / "theirs"
    folder.mkdir()
    (folder / "test_a.yaml.gz").write_bytes(gzip.compress(yaml.dump(READ["langchain"]).encode()))
    (folder / "test_b.yaml.gz").write_bytes(b"\x1f\x8b half")

    outcome = cassettes("import", "theirs", "-o", "ours")

    assert outcome.status == 2
    assert "refused: theirs/test_b.yaml.gz: the file" in outcome.err
    assert load_cassette(project.path / "ours/test_a.yaml")


OF_PYTHON = """
interactions:
- request:
    body: !!python/object/new:_io.BytesIO
      state: !!python/tuple [!!binary aGVsbG8=, 0, null]
    headers:
      ? !!python/object/apply:multidict._multidict.istr [Content-Type]
      : [text/plain]
    method: PUT
    uri: http://host.test/
  response:
    body: {string: !!python/unicode 'fine'}
    headers: {}
    status: {code: 200, message: null}
- request:
    body: !!python/object/apply:builtins.iter
      args: [[!!binary aGVs, lo]]
    headers: {}
    method: PUT
    uri: http://host.test/
  response: {body: {string: ''}, headers: {}, status: {code: 204, message: No Content}}
version: 1
"""


def test_values_of_python_are_read_without_building_objects(project, imported):
    assert imported({"python": OF_PYTHON}).status == 0

    interactions = load_cassette(project.path / "ours/python.yaml")
    assert [one.request.body for one in interactions] == [b"hello", b"hello"]
    assert interactions[0].request.headers == (("content-type", "text/plain"),)
    assert interactions[0].response.body == b"fine"


def test_forms_that_aiohttp_was_given_as_mappings_are_written_out(project, imported):
    form = theirs({**FORM_TYPE, "body": {"name": "Ada L", "x": "1"}})

    assert imported({"form": form, "pieces": theirs({"body": [b"he", b"llo"], "headers": {}})}).status == 0

    bodies = [load_cassette(project.path / f"ours/{name}.yaml")[0].request.body for name in ("form", "pieces")]
    assert bodies == [b"name=Ada+L&x=1", b"hello"]


REFUSED = {
    "unknown-part": (theirs(None, {"body_file": "big.bin"}), "its response holds 'body_file', which is not known here"),
    "unknown-in-request": (theirs({"json": ASKED}), "its request holds 'json', which is not known here"),
    "unknown-in-file": (theirs(secrets={"a": 1}), "the file holds 'secrets', which is not known here"),
    "unknown-body": (theirs(None, {"body": {"file": "big.bin"}}), "its response has a form that is not known here"),
    "number": (theirs({"body": 3}), "the body of its request is a int"),
    "value-without-type": (theirs(None, {"body": {"string": SAID}, "headers": {}}), "no content-type says that it was"),
    "json-or-form": (theirs({"body": {"a": "1"}, "headers": {}}), "no content-type says how that was sent"),
    "form-with-files": (
        theirs({"body": {"a": "1"}, "headers": {"content-type": ["multipart/form-data"]}}),
        "its content-type, multipart/form-data, does not say how that was sent",
    ),
    "two-bodies": (theirs(None, {"parsed_body": SAID}), "it has two bodies, 'body' and 'parsed_body'"),
    "two-texts": (theirs(None, {"body": {"string": "a", "base64_string": "YQ=="}}), "it has two bodies"),
    "no-base64": (theirs(None, {"body": {"base64_string": "###"}}), "cannot be taken over"),
    "no-body": (theirs(None, {"body": GONE, "headers": {"content-length": ["3"]}}), "it has no body"),
    "header": (theirs(None, {"headers": {"x-on": [True]}}), "a header is a text, not a bool"),
    "encoding": (theirs(None, {"body": {"string": "a", "encoding": "klingon"}}), "unknown encoding: klingon"),
    "version": (theirs(version=2), "the file has the format version 2, and vcrpy's is 1"),
    "websocket": ({"version": 1, "interactions": [{"kind": "frame", "data": "x"}]}, "it is no exchange of HTTP"),
    "halves": ({"requests": [{}], "responses": []}, "the file holds 1 requests and 0 responses"),
    "object": ("interactions:\n- !!python/object/apply:os.system [ls]\n", "'object/apply:os.system' of Python"),
    "cut-off": ("interactions:\n- request: {body: 'half", "the file is no YAML"),
}


def test_what_would_be_lost_is_refused_with_a_sentence(project, imported):
    outcome = imported({name: document for name, (document, _) in REFUSED.items()})

    assert outcome.status == 2
    assert not (project.path / "ours").exists()
    said = {line.split(": ")[1].partition(":")[0]: line for line in outcome.err.splitlines()}
    assert [name for name, (_, why) in REFUSED.items() if why not in said.get(f"theirs/{name}.yaml", "")] == []
    assert outcome.out == f"{len(REFUSED)} files refused\n"


def test_many_files_and_folders_keep_their_tree_and_are_reported_one_by_one(project, cassettes, imported):
    project.file("theirs/test_it/test_a.yaml", "").write_text(yaml.dump(theirs()))
    project.file("theirs/test_it/TestB.test_b[gpt-4.1]", "").write_text(json.dumps(theirs()))
    project.file("theirs/broken.json", '{"interactions": [')
    project.file("theirs/settings.yml", "a: 1\n")
    project.file("theirs/README", "Recorded in May.\n")
    project.file("theirs/.gitkeep", "")
    project.file("single.yaml", "").write_text(yaml.dump(theirs()))

    outcome = cassettes("import", "theirs", "single.yaml", "gone.yaml", "-o", "ours")

    assert outcome.status == 2
    assert outcome.out.splitlines() == [
        "left out: theirs/README is no cassette",
        "left out: theirs/settings.yml is no cassette",
        "1 interaction of theirs/test_it/TestB.test_b[gpt-4.1] written to ours/test_it/TestB.test_b[gpt-4.1].yaml",
        "1 interaction of theirs/test_it/test_a.yaml written to ours/test_it/test_a.yaml",
        "1 interaction of single.yaml written to ours/single.yaml",
        "3 files imported, 2 files refused, 2 files left out",
        "see which tests play them: python -m pytest_templates cassettes list",
    ]
    broken, gone = outcome.err.splitlines()
    assert broken.startswith("refused: theirs/broken.json:")
    assert "the file is no YAML or JSON" in broken
    assert gone == "refused: gone.yaml: the file cannot be read: No such file or directory"


def test_nothing_is_overwritten_unasked_and_no_two_files_become_one(project, cassettes):
    for name in ("theirs/a.yaml", "theirs/a.json", "ours/b.yaml", "theirs/b.yaml"):
        project.file(name, "").write_text(json.dumps(theirs()))

    outcome = cassettes("import", "theirs", "-o", "ours")

    assert outcome.status == 2
    assert outcome.err.splitlines() == [
        "refused: theirs/a.yaml: theirs/a.json was written to ours/a.yaml before",
        "refused: theirs/b.yaml: ours/b.yaml exists: --yes replaces it",
    ]
    assert cassettes("import", "theirs/b.yaml", "-o", "ours", "--yes").status == 0
    assert load_cassette(project.path / "ours/b.yaml")


def test_a_folder_is_imported_into_itself_once(project, cassettes):
    project.file("cassettes/test_it/test_a.yaml", "").write_text(yaml.dump(theirs()))

    assert cassettes("import", "cassettes", "-o", "cassettes", "--yes").status == 0
    again = cassettes("import", "cassettes", "-o", "cassettes", "--yes")

    assert again.status == 2
    assert again.out == "left out: cassettes/test_it/test_a.yaml is a cassette of this plugin already\n"
    assert load_cassette(project.path / "cassettes/test_it/test_a.yaml")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("theirs", "-o", "file.yaml"), "file.yaml: several cassettes go into a folder, and this is a file"),
        (("theirs", "--test", "test_it.py::test_it"), "a test has one cassette"),
        (("empty", "-o", "ours"), "there is no cassette to import in empty"),
    ],
)
def test_places_that_do_not_fit_are_refused(project, cassettes, words, why):
    project.file("theirs/a.yaml", "").write_text(json.dumps(theirs()))
    project.file("file.yaml", "")
    project.file("empty/.gitkeep", "")

    outcome = cassettes("import", *words)

    assert (outcome.status, outcome.out) == (2, "")
    assert outcome.err.startswith(f"error: {why}")
