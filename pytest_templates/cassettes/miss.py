"""The error for a missing recording: who asked, why there is none, which is nearest, how to record it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from antiphon.trace import Caller
from pytest_templates.cassettes.destinations import is_here
from pytest_templates.cassettes.format.canonical_json import Json, JsonError
from pytest_templates.cassettes.hosts import LEAVE_ALONE, HostPattern, host_and_port, serves_models
from pytest_templates.cassettes.matching import Matcher, bytes_of, conversation_in, json_of, split_uri, uri_without
from pytest_templates.cassettes.player import Recording
from pytest_templates.cassettes.project_rules import UNANSWERED
from pytest_templates.cassettes.reading.calls import CallPair, recorded_calls
from pytest_templates.cassettes.reading.causes import recurring
from pytest_templates.cassettes.reading.diff import body_difference
from pytest_templates.cassettes.reading.llm import last_message, prompt_in
from pytest_templates.cassettes.recorded import Interaction, RecordedRequest
from pytest_templates.cassettes.settings import CassetteSettings
from pytest_templates.errors import CassetteMiss
from pytest_templates.redaction.secrets import Secrets
from pytest_templates.support.diff import text_difference
from pytest_templates.support.text import OUTSIDE, cut

_MAX_CANDIDATES: Final = 300
_MAX_CHARACTERS: Final = 8000  # from either end of a body
_SAME_TEMPLATE: Final = 0.5  # what it adds to the overlap of the words, which is 1 at most
_WIDTH: Final = 160  # characters of what was asked
_WORD: Final = re.compile(rb"\w+")
_IN_ROWS: Final = {"method", "uri", "scheme", "host", "port", "path", "query", "headers"}
_OF_ADDRESS: Final = {"uri", "host", "port", "path", "query"}
_OF_BODY: Final = {"body", "raw_body", "messages"}
_KEPT: Final = "Its answer is kept in the journal: this test was recorded, and did not go well or was interrupted then."
_UNDO: Final = {
    "no-match": "Take the change back, or record it with:",
    "left-early": "Leave it there again, or record it with:",
}
_WHY: Final = {
    "no-cassette": "the file does not exist",
    "no-match": "no recording equals this request",
    "already-played": "every recording of this request has been played already",
    "no-sample": "it holds no recordings of this sample",
    "left-early": "the answer was not read to its end when it was recorded, and is read further now",
}


@dataclass(frozen=True)
class MissReport:
    """What is known about a request without a recording.

    Attributes:
        settings: Of the cassette.
        matcher: What had to be equal.
        request: The request, scrubbed.
        caller: Who asked.
        recordings: What the cassette holds.
        secrets: What the text may not hold.
        advice: What is said of other cassettes that hold the request.
        is_kept: Whether the answer is kept in the journal, as the recording of the test has not come to its end.
    """

    settings: CassetteSettings
    matcher: Matcher
    request: RecordedRequest
    caller: Caller | None
    recordings: Sequence[Recording]
    secrets: Secrets
    advice: str = ""
    is_kept: bool = False

    def miss(self, reason: str) -> CassetteMiss:
        """The error for this reason: one of `CassetteMiss.reason`."""
        nearest = [] if reason == "left-early" else self._nearest()
        heading = self._heading(reason, {} if nearest else self._asked())
        parts = filter(None, [heading, *nearest, self.advice, self._remedy(reason)])
        template = self.caller.template_path if self.caller else None
        return CassetteMiss(self.secrets.replace("\n\n".join(parts)), reason=reason, template_path=template)

    def _remedy(self, reason: str) -> str:
        mode = {"no-match": "changed", "left-early": "all"}.get(reason, "missing")
        undo = _UNDO.get(reason, "Record it with:")
        if self.is_kept:
            mode, undo = "missing", f"{_KEPT}\nSave it, without asking for it again, with:"
        remedy = f"{undo}\n  {self.settings.record_command} --templates-record={mode}"
        return "\n".join(filter(None, [remedy, self.settings.caution, self._about_host()]))

    def _about_host(self) -> str:
        """How the host is left alone, where no model is asked, or where it has been by another of its names."""
        host, port = host_and_port(self.request.uri)
        meant = next((one for one in self.settings.ignore_hosts if _is_other_name(one, host, port)), None)
        if meant is None:
            return "" if self._asks_a_model() else LEAVE_ALONE
        asked = HostPattern(host, meant.port)
        return (
            f"{meant} is left alone, and this is {asked}: if it is no model, name that in templates_ignore_hosts too."
        )

    def _asks_a_model(self) -> bool:
        """Whether a model is asked, as far as can be told: by the engine, at the address of one, or with a prompt."""
        request = Interaction.of(self.caller, self.request, UNANSWERED)
        host, _ = host_and_port(self.request.uri)
        return request.model is not None or serves_models(host) or prompt_in(request) is not None

    def _heading(self, reason: str, asked: Mapping[str, str]) -> str:
        rows = {"asked by": self._asker(), **asked, "cassette": self._cassette()}
        rows["reason"] = f"{reason}: {_WHY[reason]}"
        what = "The recording ends early" if reason == "left-early" else "No recording"
        title = f"{what} for {self.request.method} {self.request.uri}"
        return "\n".join([title, *(f"  {name:<10}{value}" for name, value in rows.items())])

    def _asker(self) -> str:
        if self.caller is None:
            return OUTSIDE
        return f"{self.caller.template_path or OUTSIDE} (model {self.caller.model})"

    def _asked(self) -> dict[str, str]:
        """What was asked, where no nearest recording shows it."""
        prompt, body = last_message(self.request, _WIDTH), self.request.body
        if prompt or not body:
            return {"prompt": prompt} if prompt else {}
        try:
            return {"body": cut(" ".join(body.decode().split()), _WIDTH)}
        except UnicodeDecodeError:
            return {"body": f"{len(body):,} bytes"}

    def _cassette(self) -> str:
        if not self.recordings:
            return self.settings.place
        left = sum(not recording.played for recording in self.recordings)
        return f"{self.settings.place} ({len(self.recordings)} recorded, {left} left to play)"

    def _nearest(self) -> list[str]:
        if not self.recordings:
            return []
        recording = nearest(self.request, self.caller, self.recordings)
        by = f", asked by {recording.interaction.template}" if recording.interaction.template else ""
        title = f"Nearest is recording {recording.number}{by}{' (played)' if recording.played else ''}"
        differing = self._differing(recording.interaction.request)
        if not differing:
            refused = "" if recording.played else ", and a hook pytest_templates_match refuses it"
            return [f"{title}; it is equal{refused}."]
        lines = self._difference(recording.interaction.request, differing)
        signs = " (- recorded, + asked now)" if _OF_BODY & set(differing) else ""
        title = f"{title}; it differs in {', '.join(differing)}{signs}:"
        shown = "\n".join([title, *(f"  {line}" for line in lines)])
        hints = self._hints(recording.interaction, set(differing))
        return [shown, "\n".join(["Is that another one in every run?", *hints])] if hints else [shown]

    def _hints(self, recorded: Interaction, differing: set[str]) -> list[str]:
        """What to do about a difference that counts, and looks like a time, an id or a path."""
        asked, old = Interaction.of(self.caller, self.request, UNANSWERED, recorded.sample), recorded.request
        if not differing & _OF_BODY:
            old = replace(old, headers=self.request.headers, body=self.request.body)
        if not differing & _OF_ADDRESS:
            old = replace(old, method=self.request.method, uri=self.request.uri)
        return recurring(CallPair(*recorded_calls([replace(recorded, request=old), asked], self.matcher)))

    def _differing(self, recorded: RecordedRequest) -> list[str]:
        matcher, request = self.matcher, self.request
        return [name for name in matcher.match_on if matcher.part(name, recorded) != matcher.part(name, request)]

    def _difference(self, recorded: RecordedRequest, differing: Sequence[str]) -> list[str]:
        """Recorded is ``-`` and on the left, requested is ``+`` and on the right."""
        lines = [f"{name}: {was} -> {now}" for name, was, now in self._rows(recorded) if was != now]
        lines += self._body_difference(recorded, differing)
        others = [name for name in differing if name not in _IN_ROWS | _OF_BODY]
        return lines + [f"{one}: {self._part(one, recorded)} -> {self._part(one, self.request)}" for one in others]

    def _rows(self, old: RecordedRequest) -> list[tuple[str, object, object]]:
        new, ignored = self.request, self.matcher.ignored
        uris = (uri_without(old.uri, ignored), uri_without(new.uri, ignored))
        rows = [("method", old.method, new.method), ("uri", *uris)]
        return [*rows, *((name, dict(old.headers).get(name), value) for name, value in new.headers)]

    def _part(self, name: str, request: RecordedRequest) -> str:
        return cut(self.matcher.part(name, request).decode("utf-8", "backslashreplace"))

    def _body_difference(self, recorded: RecordedRequest, differing: Sequence[str]) -> list[str]:
        if not _OF_BODY & set(differing):
            return []
        requests, ignored = (recorded, self.request), self.matcher.ignored
        talks = [conversation_in(request, ignored) for request in requests] if "messages" in differing else []
        is_shown = bool(talks) and all(talks) and talks[0] != talks[1]
        old, new = talks if is_shown else map(self._value, requests)
        if old is None or new is None:
            return _raw_difference(*(bytes_of(request, ignored) for request in requests))
        return body_difference(old, new)

    def _value(self, request: RecordedRequest) -> Json:
        try:
            return json_of(request, self.matcher.ignored)
        except JsonError:
            return None


def _is_other_name(pattern: HostPattern, host: str, port: int | None) -> bool:
    """Whether a pattern names this machine, and so does the host, in another way."""
    return is_here(host) and is_here(pattern.name) and pattern.port in {None, port}


def nearest(request: RecordedRequest, caller: Caller | None, recordings: Sequence[Recording]) -> Recording:
    """The recording most like a request: same address, same template, most words in common, not played yet."""
    words = _words(request.body)
    template = caller.template_path if caller else None

    def likeness(recording: Recording) -> tuple[bool, float, bool]:
        recorded = recording.interaction
        shared = _overlap(words, _words(recorded.request.body))
        if recorded.template == template:
            shared += _SAME_TEMPLATE
        return _endpoint(recorded.request) == _endpoint(request), shared, not recording.played

    candidates = sorted(
        recordings,
        key=lambda recording: (_endpoint(recording.interaction.request) != _endpoint(request), recording.played),
    )
    return max(candidates[:_MAX_CANDIDATES], key=likeness)


def _endpoint(request: RecordedRequest) -> tuple[str, str, str]:
    uri = split_uri(request)
    return request.method, uri.netloc, uri.path


def _words(body: bytes) -> frozenset[bytes]:
    """The words of a body, of a huge one those at its start and end."""
    return frozenset(_WORD.findall(body[:_MAX_CHARACTERS] + b" " + body[_MAX_CHARACTERS:][-_MAX_CHARACTERS:]))


def _overlap(one: frozenset[bytes], other: frozenset[bytes]) -> float:
    """How much of both is in both, from 0 to 1 (Jaccard's index)."""
    return len(one & other) / (len(one | other) or 1)


def _raw_difference(old: bytes, new: bytes) -> list[str]:
    try:
        return text_difference(old.decode(), new.decode())
    except UnicodeDecodeError:
        return [f"the bodies, {len(old)} and {len(new)} bytes"]
