"""What happens to the files of cassettes outside of this program: cut off, edited, merged, converted."""

from __future__ import annotations

import json
import re
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_templates.cassettes.format.checksum import checksum_of
from pytest_templates.cassettes.format.document import to_text
from pytest_templates.cassettes.recorded import Chunk, Interaction, RecordedRequest, RecordedResponse, Truncation
from pytest_templates.cassettes.storage.store import load_cassette
from pytest_templates.errors import CassetteError

BODY = {"messages": [{"role": "user", "content": "Hello 😀,\n\n  how are\tyou?\r\n\n"}], "seed": 1.5, "stop": None}
EVENTS = b'event: delta\ndata: {"text": "Fi"}\n\ndata: {"text": "ne.\\r\\n"}\n\ndata: [DONE]\n\n'
REQUEST = RecordedRequest("POST", "https://host/v1", (("content-type", "application/json"),), json.dumps(BODY).encode())
RESPONSE = RecordedResponse(200, "", (("content-type", "text/event-stream"),), EVENTS)
INTERACTIONS = [Interaction("support/answer", "small", REQUEST, RESPONSE)] * 11
WHOLE = to_text(INTERACTIONS).encode()


def loaded(content: bytes) -> list[Interaction]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "one.yaml")
        path.write_bytes(content)
        return load_cassette(path)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, len(WHOLE) - 2))
def test_a_cassette_that_is_cut_off_anywhere_is_never_loaded(end: int) -> None:
    with pytest.raises(CassetteError, match=r"one\.yaml:\d+: the cassette "):
        loaded(WHOLE[:end])


def test_a_cassette_without_its_last_line_break_has_lost_nothing() -> None:
    assert loaded(WHOLE[:-1]) == INTERACTIONS


BITS = ["&a ", "*a", "<<: *a\n", "? ", "[", "}", "- ", "'", '"', "|", ": ", "#", "@", "\t", "---\n", "%YAML 9\n"]
BITS += ["!!python/object:os.system ", "!!binary ", "!!set ", "!!int x", "!!bool x", "!!timestamp x", "9" * 5000]
BITS += ["\0", "\r", "\u2028", "\ufeff"]


@settings(deadline=None, max_examples=150)
@given(st.integers(0, len(WHOLE)), st.integers(0, 60), st.sampled_from(BITS).map(str.encode) | st.binary(max_size=3))
def test_a_damaged_cassette_is_loaded_whole_or_refused_with_its_line(start: int, cut: int, put: bytes) -> None:
    try:
        assert len(loaded(WHOLE[:start] + put + WHOLE[start + cut :])) == 11
    except CassetteError as error:
        assert ".yaml:" in str(error)  # noqa: PT017 - it may be loaded as well


def test_a_damaged_file_is_an_error_with_path_line_and_remedy(damaged: Path) -> None:
    said = damaged.with_suffix(".error").read_text("utf-8").rstrip("\n")
    with pytest.raises(CassetteError) as caught:
        load_cassette(damaged)
    assert str(caught.value).startswith(f"{damaged}:{said}")
    assert re.search("\n(?:Restore|`python -m pytest_templates cassettes|Upgrade)", str(caught.value))


def test_prompts_that_look_like_conflicts_are_none() -> None:
    body = b"<<<<<<< HEAD\n=======\n>>>>>>> other\n"
    one = Interaction(None, None, REQUEST, RecordedResponse(200, "", (("content-type", "text/plain"),), body))
    assert loaded(to_text([one]).encode()) == [one]


def test_the_line_ends_and_the_mark_of_windows_change_nothing() -> None:
    assert loaded(WHOLE.replace(b"\n", b"\r\n")) == INTERACTIONS
    assert loaded(b"\xef\xbb\xbf" + WHOLE) == INTERACTIONS
    assert loaded(b"\xef\xbb\xbf" + WHOLE.replace(b"\n", b"\r\n")) == INTERACTIONS


def test_cassettes_of_others_are_named_as_such(of_vcrpy: Path) -> None:
    with pytest.raises(CassetteError, match=r"was written by vcrpy, .*\n`python -m pytest_templates cassettes import`"):
        load_cassette(of_vcrpy)


def test_a_link_that_leads_nowhere_and_a_circle_of_links(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.symlink_to(path)
    with pytest.raises(CassetteError, match="cannot be read"):
        load_cassette(path)


def test_every_recording_of_this_project_is_whole() -> None:
    folder = Path(__file__).parents[3] / "cassettes"
    assert all(load_cassette(path) for path in folder.rglob("*.yaml"))


@pytest.mark.parametrize("address", ["http://h:99999/", "http://h:port/", "http://[::1/"])
def test_an_address_that_somebody_has_broken_is_an_error_with_its_line(address: str) -> None:
    text = WHOLE.replace(b"uri: https://host/v1", b"uri: " + address.encode())
    line = text.partition(b"uri:")[0].count(b"\n") + 1
    with pytest.raises(
        CassetteError, match=rf"one\.yaml:{line}: the cassette has the impossible address '{re.escape(address)}'"
    ):
        loaded(text)


OF_BOTH = [Interaction("support/answer", "small", REQUEST, replace(RESPONSE, body=b"data: %d\n\n" % n)) for n in (1, 2)]


def test_a_cut_near_the_border_of_an_item_is_found_at_every_byte() -> None:
    text = to_text(OF_BOTH).encode()
    first_end = text.index(b"- template", text.index(b"- template") + 1)
    for end in {*range(first_end - 80, first_end + 80), *range(len(text) - 80, len(text) - 1)}:
        with pytest.raises(CassetteError):
            loaded(text[:end])
    for line in range(text.count(b"\n")):
        with pytest.raises(CassetteError):
            loaded(b"".join(text.splitlines(keepends=True)[:line]))


def test_answers_that_were_exchanged_are_found_with_the_line_and_both_ways_out() -> None:
    text = to_text(OF_BOTH)
    mixed = text.replace('data: "1"', "data: ?").replace('data: "2"', 'data: "1"').replace("data: ?", 'data: "2"')
    with pytest.raises(CassetteError) as caught:
        loaded(mixed.encode())
    said = str(caught.value)
    assert ".yaml:3: the cassette has an interaction with the checksum" in said
    assert "git log -p -- " in said
    assert "python -m pytest_templates cassettes check --fix " in said


def test_a_conflict_names_the_command_that_ends_it() -> None:
    text = to_text(OF_BOTH).replace("end: true", "<<<<<<< HEAD\nend: true")
    with pytest.raises(CassetteError, match=r"\n`python -m pytest_templates cassettes merge \S+one\.yaml` ends"):
        loaded(text.encode())


def test_another_layout_of_the_same_values_is_no_damage() -> None:
    text = yaml.safe_dump(yaml.safe_load(WHOLE), sort_keys=False, width=60, indent=6, allow_unicode=True)
    assert [checksum_of(one) for one in loaded(text.encode())] == [checksum_of(one) for one in INTERACTIONS]


def test_labels_do_not_count_for_the_checksum() -> None:
    renamed = replace(INTERACTIONS[0], template="other/name", model="large", sample=2)
    assert checksum_of(renamed) == checksum_of(INTERACTIONS[0])


CHANGES = {
    "method": lambda one: replace(one, request=replace(one.request, method="PUT")),
    "address": lambda one: replace(one, request=replace(one.request, uri="https://host/v2")),
    "header": lambda one: replace(one, request=replace(one.request, headers=(("a", "b"),))),
    "prompt": lambda one: replace(one, request=replace(one.request, body=b"{}")),
    "status": lambda one: replace(one, response=replace(one.response, status=201)),
    "reason": lambda one: replace(one, response=replace(one.response, reason="So")),
    "http version": lambda one: replace(one, response=replace(one.response, http_version="HTTP/2")),
    "encoding": lambda one: replace(one, response=replace(one.response, encoding="gzip")),
    "header of the answer": lambda one: replace(one, response=replace(one.response, headers=())),
    "answer": lambda one: replace(one, response=replace(one.response, body=b"x")),
    "times": lambda one: replace(one, response=replace(one.response, arrivals=(Chunk(len(EVENTS), 0.1),))),
    "cut": lambda one: replace(one, response=replace(one.response, cut=Truncation(0.1, "client"))),
}


@pytest.mark.parametrize("part", CHANGES)
def test_everything_that_is_played_counts_for_the_checksum(part: str) -> None:
    assert checksum_of(CHANGES[part](INTERACTIONS[0])) != checksum_of(INTERACTIONS[0])
