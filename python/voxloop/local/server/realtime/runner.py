"""One realtime session on its WebSocket: reads frames, carries out effects, sends events."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Final, TypeAlias, cast

import msgspec
import trio
from starlette.websockets import WebSocket, WebSocketState

from voxloop._bridge import checkpoint
from voxloop._errors import ProtocolError, VoxloopError
from voxloop.local.server.realtime import settings as session_settings
from voxloop.local.server.realtime.core import SessionCore
from voxloop.local.server.realtime.effects import (
    Cancel,
    Discard,
    Effect,
    PrepareTools,
    Respond,
    ResponsePlan,
    Send,
    Speculate,
    Transcribe,
)
from voxloop.local.server.realtime.naming import error_event, new_id
from voxloop.local.server.realtime.recogniser import Recogniser
from voxloop.local.server.realtime.responder import Responder
from voxloop.local.server.refusal import Refusal
from voxloop.local.services import LocalLanguageModel, LocalSpeechToText, LocalTextToSpeech
from voxloop.providers import JsonObject
from voxloop.wire import realtime as rt

__all__ = ["run_session"]

SESSION_SECONDS: Final = 3600
_SLICE_BYTES: Final = 48_000  # one second: between two of them other sessions get their turn
_MOST_APPENDED: Final = 15 * 1024 * 1024
_MOST_TRANSCRIPTIONS: Final = 16
_GOING_AWAY: Final = 1001

_Cancelling: TypeAlias = tuple[trio.CancelScope, list[str]]


async def run_session(
    socket: WebSocket, *, model: str, stop: trio.Event, transcription_only: bool = False
) -> None:
    """Serve one accepted WebSocket until either side ends it.

    Args:
        socket: The connection.
        model: Name shown in the session object.
        stop: Set when the server shuts down.
        transcription_only: Whether the session only transcribes.

    **Cancellation:** the session ends without a close frame.
    """
    settings = session_settings.initial(
        session_id=new_id("sess"),
        model=model,
        expires_at=int(time.time()) + SESSION_SECONDS,
        transcription_only=transcription_only,
    )
    async with trio.open_nursery() as nursery:
        runner = _Runner(socket, SessionCore(settings), nursery)
        nursery.start_soon(runner.end_when, stop)
        await runner.read()
        nursery.cancel_scope.cancel()


class _Runner:
    """Carries out what the core of one session decides."""

    def __init__(self, socket: WebSocket, core: SessionCore, nursery: trio.Nursery) -> None:
        self._socket = socket
        self._core = core
        self._nursery = nursery
        self._model = LocalLanguageModel()
        self._voice = LocalTextToSpeech()
        self._recogniser = Recogniser(LocalSpeechToText(), nursery)
        self._sending = trio.Lock()
        self._responses: dict[str, _Cancelling] = {}
        self._transcribing: dict[str, trio.Event] = {}

    async def read(self) -> None:
        """Take the client's frames until it goes."""
        await self._emit([rt.SessionCreated(session=self._core.session)])
        while True:
            message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            await self._frame(message.get("text"))

    async def end_when(self, stop: trio.Event) -> None:
        """Close the session when the server stops or the session's time is over."""
        with trio.move_on_after(SESSION_SECONDS) as limit:
            await stop.wait()
        reason = "the server is stopping"
        if limit.cancelled_caught:
            reason = f"Your session hit the maximum duration of {SESSION_SECONDS // 60} minutes."
            await self._emit([error_event(Refusal(reason, code="session_expired"), None)])
        with trio.CancelScope(shield=True):
            await self._socket.close(_GOING_AWAY, reason)
        self._nursery.cancel_scope.cancel()

    async def _frame(self, text: str | None) -> None:
        """Take one frame; what is wrong with it is told and the session goes on."""
        event_id: str | None = None
        try:
            if text is None:
                raise Refusal(
                    "events are JSON text messages; this one was binary", code="invalid_message"
                )
            event = _decode(text)
            event_id = event.event_id
            if isinstance(event, rt.InputAudioBufferAppend):
                await self._append(event.audio)
            else:
                await self._perform(self._core.step(event, _raw(event, text)))
        except _Malformed as error:
            await self._emit([error_event(error, error.event_id)])
        except Refusal as refusal:
            await self._emit([error_event(refusal, event_id)])

    async def _append(self, pcm: bytes) -> None:
        if len(pcm) > _MOST_APPENDED:
            raise Refusal(f"audio must be at most {_MOST_APPENDED} bytes per event", param="audio")
        for at in range(0, len(pcm), _SLICE_BYTES):
            await self._perform(self._core.append(pcm[at : at + _SLICE_BYTES]))
            if at:
                await checkpoint()

    async def _perform(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            match effect:
                case Send(event=event):
                    await self._emit([event])
                case Speculate(segment=segment):
                    self._recogniser.speculate(segment)
                case Discard():
                    self._recogniser.discard()
                case Transcribe():
                    await self._begin_transcription(effect)
                case Respond(plan=plan):
                    cancelling: _Cancelling = (trio.CancelScope(), [])
                    self._responses[plan.response_id] = cancelling
                    self._nursery.start_soon(self._respond, plan, cancelling)
                case Cancel(response_id=response_id, reason=reason):
                    if response_id in self._responses:
                        scope, reasons = self._responses[response_id]
                        reasons.append(reason)
                        scope.cancel()
                case PrepareTools(tools=tools):
                    self._nursery.start_soon(self._prepare, tools)

    async def _emit(self, events: Sequence[rt.ServerEvent]) -> None:
        """Send events in order: a cancelled task must not leave half a batch or half a frame.

        The connection bounds how long a write may take, and the whole is given up with it.
        """
        with trio.CancelScope(shield=True):
            async with self._sending:
                for event in events:
                    if self._socket.application_state is not WebSocketState.CONNECTED:
                        return  # the close frame is out
                    named = msgspec.structs.replace(event, event_id=new_id("event"))
                    await self._socket.send({"type": "websocket.send", "text": rt.encode(named)})

    async def _respond(self, plan: ResponsePlan, cancelling: _Cancelling) -> None:
        scope, reasons = cancelling
        responder = Responder(
            plan, self._core, model=self._model, voice=self._voice, emit=self._emit
        )
        await responder.begin()
        with scope:
            await self._settle()
            await responder.generate()
        # First the state, then the event: who has seen response.done may ask for the next one.
        effects = list(self._core.finished(plan.response_id, audio_ms=responder.audio_ms))
        del self._responses[plan.response_id]
        await self._emit(responder.closing(reasons[0] if reasons else "client_cancelled"))
        await self._perform(effects)

    async def _settle(self) -> None:
        """Wait for the transcripts of what was said so far."""
        for ended in list(self._transcribing.values()):
            await ended.wait()

    async def _begin_transcription(self, effect: Transcribe) -> None:
        while len(self._transcribing) >= _MOST_TRANSCRIPTIONS:
            await next(iter(self._transcribing.values())).wait()
        self._transcribing[effect.item_id] = ended = trio.Event()
        self._nursery.start_soon(self._transcribe, effect, ended)

    async def _transcribe(self, effect: Transcribe, ended: trio.Event) -> None:
        try:
            heard = await self._recogniser.transcribe(effect.segment, checked=effect.checked)
        except VoxloopError as error:
            detail = rt.ErrorDetail(type="server_error", code=error.code, message=str(error))
            failed = rt.ConversationItemInputAudioTranscriptionFailed(
                item_id=effect.item_id, content_index=0, error=detail
            )
            await self._emit([failed if effect.announce else rt.ErrorEvent(error=detail)])
        else:
            self._core.transcribed(effect.item_id, heard.text)
            if effect.announce:
                await self._emit(_transcript_events(effect, heard.text))
        finally:
            del self._transcribing[effect.item_id]
            ended.set()

    async def _prepare(self, tools: tuple[JsonObject, ...]) -> None:
        try:
            await self._model.prepare(tools)
        except VoxloopError as error:
            detail = rt.ErrorDetail(type="server_error", code=error.code, message=str(error))
            await self._emit([rt.ErrorEvent(error=detail)])


class _Malformed(Refusal):
    """A frame that is no event."""

    def __init__(
        self, message: str, *, code: str, event_id: str | None = None, param: str | None = None
    ) -> None:
        super().__init__(message, code=code, param=param)
        self.event_id = event_id


def _decode(text: str) -> rt.ClientEvent:
    try:
        message = rt.decode_client(text)
    except ProtocolError as error:
        raise _Malformed(f"this message is no event: {error}", code="invalid_json") from None
    if isinstance(message, rt.Unknown):
        known = ", ".join(sorted(rt.CLIENT_EVENTS))
        raise _Malformed(
            f"there is no event type '{message.type}'; known: {known}",
            code="invalid_value",
            event_id=_event_id(message.raw),
            param="type",
        )
    if isinstance(message, rt.Invalid):
        raise _Malformed(
            f"{message.type}: {message.error}",
            code="invalid_value",
            event_id=_event_id(message.raw),
        )
    return message


def _event_id(raw: JsonObject) -> str | None:
    value = raw.get("event_id")
    return value if isinstance(value, str) else None


def _raw(event: rt.ClientEvent, text: str) -> JsonObject:
    """The JSON object again where absent and null must be told apart; these events are rare."""
    if isinstance(event, (rt.SessionUpdate, rt.ResponseCreate)):
        return cast("JsonObject", msgspec.json.decode(text))
    return {}


def _transcript_events(effect: Transcribe, text: str) -> list[rt.ServerEvent]:
    events: list[rt.ServerEvent] = []
    if text:
        events.append(
            rt.ConversationItemInputAudioTranscriptionDelta(
                item_id=effect.item_id, content_index=0, delta=text
            )
        )
    usage = rt.TranscriptionUsage(type="duration", seconds=round(effect.seconds, 3))
    events.append(
        rt.ConversationItemInputAudioTranscriptionCompleted(
            item_id=effect.item_id, content_index=0, transcript=text, usage=usage
        )
    )
    return events
