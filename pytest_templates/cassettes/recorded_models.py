"""Calls of models that HTTP does not reach, replayed and recorded as a whole: question and answer.

The engine asks what answers for a model (`antiphon.model.answering`): while a cassette is open, that is something here
for every model that says so by ``Model.recordable``. What such a model does while it answers belongs to its answer: no
other recording is made of it, and nothing stops it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator, Iterator, Sequence
from contextlib import aclosing, closing, contextmanager
from dataclasses import replace
from functools import partial
from http import HTTPStatus

from antiphon.connect import ConnectedModel, LiveCall
from antiphon.errors import ModelError
from antiphon.listeners import LISTENERS, tell
from antiphon.messages import Message, Reply
from antiphon.model import Answering, Model, answer_of, as_said, astream_of, standing_in, stream_of
from antiphon.parameters import check_kind
from antiphon.session import Session
from pytest_templates.cassettes.format import model_calls
from pytest_templates.cassettes.format.model_calls import Piece
from pytest_templates.cassettes.http.capture import ResponseCapture
from pytest_templates.cassettes.http.routing import (
    Decision,
    Recorder,
    is_recorded_at_model_level,
    recorded_at_model_level,
    recorder_for,
)
from pytest_templates.cassettes.http.seams import passing
from pytest_templates.cassettes.http.silence import Silence
from pytest_templates.cassettes.recorded import RecordedResponse
from pytest_templates.errors import CassetteError
from pytest_templates.support.clock import seconds


@contextmanager
def catching_models() -> Iterator[None]:
    """Let cassettes answer for recordable models, for the length of a block."""
    with standing_in(_caught):
        yield


def _caught(model: Model) -> Answering | None:
    """What answers for a model; ``None`` where it answers itself.

    Raises:
        InvalidType: ``recordable`` is neither true nor false.
    """
    recordable = check_kind(model.recordable, bool, f"{type(model).__name__}.recordable")
    return _CaughtModel(model) if recordable and not is_recorded_at_model_level() else None


@contextmanager
def _at_work() -> Iterator[None]:
    """Let everything pass that a model does: its answer is recorded."""
    with recorded_at_model_level(), passing():
        yield


def _pieces(model: Model, session: Session) -> Generator[Piece]:
    """What a model says in pieces; it is at work only while the next one is awaited."""
    with _at_work():
        pieces = stream_of(model, session)
    try:
        while True:
            try:
                with _at_work():
                    piece = as_said(next(pieces))
            except StopIteration:
                return
            yield piece
    finally:
        with _at_work():
            pieces.close()


async def _apieces(model: Model, session: Session) -> AsyncGenerator[Piece]:
    """The same without blocking the event loop."""
    with _at_work():
        pieces = astream_of(model, session)
    try:
        while True:
            try:
                with _at_work():
                    piece = as_said(await anext(pieces))
            except StopAsyncIteration:
                return
            yield piece
    finally:
        with _at_work():
            await pieces.aclose()


class _CaughtModel:
    """Answers for a model from the cassette of this context, or lets it answer and records that.

    Args:
        model: The model.
    """

    def __init__(self, model: Model) -> None:
        self._model = model

    def _send(self, session: Session) -> Piece:
        call = _Call(self._model, session, model_calls.SEND)
        if call.replay is not None:
            return call.replayed_whole(call.replay)
        with call.recording_refusals(), _at_work():
            answer = self._model._send(session)
        return call.recorded(answer)

    async def _asend(self, session: Session) -> Piece:
        call = _Call(self._model, session, model_calls.SEND)
        if call.replay is not None:
            return call.replayed_whole(call.replay)
        with call.recording_refusals(), _at_work():
            answer = await answer_of(self._model, session)
        return call.recorded(answer)

    def _stream(self, session: Session) -> Generator[Piece]:
        call = _Call(self._model, session, model_calls.STREAM)
        if call.replay is not None:
            yield from model_calls.raising(call.replayed(call.replay))
            call.end(call.replay)
            return
        with call.listening() as heard, closing(_pieces(self._model, session)) as pieces:
            for piece in pieces:
                yield heard(piece)

    async def _astream(self, session: Session) -> AsyncGenerator[Piece]:
        call = _Call(self._model, session, model_calls.STREAM)
        if call.replay is not None:
            silence = Silence(call.replay.cut, is_pulled=True)
            for piece in model_calls.raising(call.replayed(call.replay)):
                yield piece
            await silence.akeep()
            call.end(call.replay)
            return
        with call.listening() as heard:
            async with aclosing(_apieces(self._model, session)) as pieces:
                async for piece in pieces:
                    yield heard(piece)


class _Call:
    """One call of a model, that is replayed or recorded.

    Args:
        model: The model.
        session: What it is to answer.
        method: Whether it answers at once or in pieces.

    Attributes:
        replay: The recorded answer; ``None`` where the model is to be asked.

    Raises:
        CassetteMiss: There is none, and the model may not be asked.
    """

    def __init__(self, model: Model, session: Session, method: str) -> None:
        self._name = model.name
        self._recorder: Recorder = recorder_for(method, model_calls.address_of(model))
        self._decision: Decision = self._recorder.decide(model_calls.request_for(model, session, method))
        replay = self._decision.replay
        self.replay: RecordedResponse | None = None if replay is None else replay.response
        if replay is not None or not isinstance(model, ConnectedModel):  # which tells it itself when it is asked
            tell(LISTENERS.now.live_call, LiveCall.of(model))
        self._started = seconds()

    def replayed(self, response: RecordedResponse) -> Sequence[Piece | ModelError]:
        """The pieces of the recorded answer.

        Raises:
            CassetteError: The response holds no answer of a model.
        """
        try:
            return model_calls.pieces_of(response)
        except ValueError as error:
            raise self._noted(f"the recorded answer of model {self._name!r} cannot be read: {error}") from error

    def replayed_whole(self, response: RecordedResponse) -> Piece:
        """The recorded answer as one; raises as `replayed` and `end`."""
        answer = model_calls.joined(self.replayed(response))
        self.end(response)
        return answer

    def end(self, response: RecordedResponse) -> None:
        """End a recorded answer behind its last piece.

        Raises:
            CassetteMiss: It was not heard to its end when it was recorded.
        """
        if response.cut is not None:
            raise self._recorder.read_past(self._decision)

    def recorded(self, answer: Piece) -> Piece:
        """Record an answer; returns it as a replay gives it.

        Raises:
            CassetteError: It holds what no cassette can.
        """
        if not isinstance(answer, str | Reply | Message):
            return answer  # the engine refuses it
        with self.writing():
            response = model_calls.response_with(answer)
        self._recorder.record(self._decision, response)
        return model_calls.joined(model_calls.pieces_of(response))

    @contextmanager
    def recording_refusals(self) -> Iterator[None]:
        """Record that the model refuses to answer, where it does in a block; other errors are no answers."""
        try:
            yield
        except ModelError as error:
            if model_calls.is_answer(error):
                with self.writing():
                    response = model_calls.response_with(error)
                self._recorder.record(self._decision, response)
            raise

    @contextmanager
    def listening(self) -> Iterator[Callable[[Piece], Piece]]:
        """Record what a model says in pieces, as far as it is heard in a block.

        Yields:
            What takes each piece, and returns it as a replay gives it.
        """
        listener = _Listener(self, self._started, partial(self._recorder.record, self._decision))
        self._recorder.captures.add(listener.capture)
        with listener.capture.listening():
            try:
                yield listener.heard
            except Exception as error:
                listener.fail(error)
                raise

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Say what an answer is that no cassette can hold.

        Raises:
            CassetteError: There is one in the block.
        """
        try:
            yield
        except ValueError as error:
            raise self._noted(f"an answer of model {self._name!r} cannot be recorded: {error}") from error

    def _noted(self, text: str) -> CassetteError:
        error = CassetteError(text)
        self._recorder.note(error)
        return error


class _Listener:
    """Takes what a model says in pieces.

    Args:
        call: The call that it answers.
        started: When it was made, by `pytest_templates.support.clock`.
        record: Takes the response in the end.

    Attributes:
        capture: What is recorded of it.
    """

    def __init__(self, call: _Call, started: float, record: Callable[[RecordedResponse], None]) -> None:
        self._call = call
        self._record = record
        self._written, self._heard = model_calls.Lines(), model_calls.Lines()
        self._status = int(HTTPStatus.OK)
        self.capture = ResponseCapture(model_calls.stream_head(), streamed=True, started=started, record=self._end)

    def heard(self, piece: Piece) -> Piece:
        """Take a piece; returns it as a replay gives it.

        Raises:
            CassetteError: It holds what no cassette can.
        """
        if not isinstance(piece, str | Reply | Message):
            self.capture.forget()
            return piece  # the engine refuses it
        with self._call.writing():
            line = self._written.write(piece)
        self.capture.piece(line)
        [heard] = model_calls.raising([self._heard.read(line)])
        return heard

    def fail(self, error: Exception) -> None:
        """Take an error as the last piece, where it is how the model answered; else there is nothing to record."""
        if not isinstance(error, ModelError) or not model_calls.is_answer(error):
            self.capture.forget()
            return
        if not self._written.text:
            self._status = model_calls.status_of(error)
        with self._call.writing():
            self.capture.piece(self._written.write(error))

    def _end(self, response: RecordedResponse) -> None:
        self._record(replace(response, status=self._status))
