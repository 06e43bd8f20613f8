"""The rules of a session, without I/O: a client event goes in, effects come out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import msgspec

from voxloop.local.server.realtime import checks
from voxloop.local.server.realtime.conversation import (
    Conversation,
    checked_item,
    model_item,
    without_audio,
)
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
from voxloop.local.server.realtime.naming import new_id
from voxloop.local.server.realtime.settings import SessionSettings, merge, response_settings
from voxloop.local.server.realtime.telephone import InputDecoder
from voxloop.local.server.realtime.turns import (
    Paused,
    Resumed,
    Segment,
    Started,
    Stopped,
    TurnDetector,
    TurnEvent,
)
from voxloop.local.server.refusal import Refusal
from voxloop.providers import JsonObject
from voxloop.wire import realtime as rt

__all__ = ["SessionCore"]

SAMPLE_RATE: Final = 24_000
BYTES_PER_MS: Final = 48
_MOST_SIDE_RESPONSES: Final = 4


class SessionCore:
    """State of one session. All methods are synchronous; what is to be done comes as effects."""

    def __init__(self, settings: SessionSettings) -> None:
        self.settings = settings
        self.conversation = Conversation()
        self._turns = TurnDetector(settings.turns, sample_rate=SAMPLE_RATE)
        self._decoder = InputDecoder(settings.input_format)
        self._quiet_from: int | None = None  # position where the last answer will have been heard
        self._active: str | None = None
        self._side: set[str] = set()
        self._owed = False
        self._pending_item: str | None = None  # id of the user item whose speech has started

    @property
    def session(self) -> rt.Session:
        """The session object as clients see it."""
        return msgspec.convert(self.settings.wire, rt.Session)

    def step(self, event: rt.ClientEvent, raw: JsonObject) -> Iterator[Effect]:
        """Take one event of the client.

        Args:
            event: The event.
            raw: The JSON object it came from where absent and null differ, otherwise empty.

        Raises:
            Refusal: The event is refused; the session is as it was, but for effects already given.
        """
        match event:
            case rt.InputAudioBufferAppend():
                yield from self.append(event.audio)
            case rt.InputAudioBufferCommit():
                yield from self._take(self._decoder.flush())
                turn = self._turns.commit()
                yield from self._commit(turn, found=self.settings.turns is not None)
            case rt.InputAudioBufferClear():
                self._decoder.flush()
                self._turns.clear()
                self._pending_item = None
                yield Discard()
                yield Send(rt.InputAudioBufferCleared())
            case rt.SessionUpdate():
                yield from self._update(checks.object_of(raw.get("session"), "session"))
            case rt.ResponseCreate():
                yield from self._create(checks.object_of(raw.get("response") or {}, "response"))
            case rt.ResponseCancel():
                yield self._cancel(event.response_id)
            case rt.OutputAudioBufferClear():
                raise Refusal(
                    "output_audio_buffer.clear is for WebRTC and SIP; over a WebSocket the client "
                    "plays: stop it there and send conversation.item.truncate",
                    code="invalid_event",
                )
            case _:
                yield from self._item_event(event)

    def transcribed(self, item_id: str, transcript: str) -> None:
        """Take the transcript of a user item."""
        self.conversation.set_transcript(item_id, transcript)

    def audio_started(self) -> None:
        """The first audio goes out: from now on the voice is fixed."""
        if not self.settings.audio_started:
            self.settings = replace(self.settings, audio_started=True)

    def finished(self, response_id: str, *, audio_ms: int = 0) -> Iterator[Effect]:
        """A response is over; one that was waiting for it begins.

        Args:
            response_id: The response.
            audio_ms: Length of its sound, which the user hears from about now on.
        """
        self._side.discard(response_id)
        if self._active != response_id:
            return
        self._active = None
        self._quiet_from = self._turns.position_ms + audio_ms
        if self._owed:
            self._owed = False
            yield self._respond(ResponsePlan(response_id=new_id("resp"), settings=self.settings))

    def append(self, data: bytes) -> Iterator[Effect]:
        """Take audio: what one ``input_audio_buffer.append`` brings, or a piece of it.

        Args:
            data: Audio in the session's input format.

        Raises:
            Refusal: The buffer is full.
        """
        yield from self._take(self._decoder.process(data))
        yield from self._idle()

    def _take(self, pcm: bytes) -> Iterator[Effect]:
        for event in self._turns.feed(pcm):
            yield from self._turn_event(event)

    def _idle(self) -> Iterator[Effect]:
        """Answer silence: the clock is the audio itself, so that a stalled caller is not idle."""
        turns, since = self.settings.turns, self._quiet_from
        if turns is None or turns.idle_timeout_ms is None or since is None or self._turns.in_turn:
            return
        if self._turns.position_ms - since < turns.idle_timeout_ms:
            return
        self._quiet_from = None
        item_id = self._pending_item = new_id("item")
        turn = self._turns.commit_quiet()
        yield Send(
            rt.InputAudioBufferTimeoutTriggered(
                item_id=item_id, audio_start_ms=since, audio_end_ms=turn.end_ms
            )
        )
        yield from self._commit(turn, found=False)
        if self.settings.answers and self._active is None:
            yield self._respond(ResponsePlan(response_id=new_id("resp"), settings=self.settings))

    def _turn_event(self, event: TurnEvent) -> Iterator[Effect]:
        match event:
            case Started(start_ms=start_ms):
                self._quiet_from = None
                self._pending_item = new_id("item")
                yield Send(
                    rt.InputAudioBufferSpeechStarted(
                        item_id=self._pending_item, audio_start_ms=start_ms
                    )
                )
                turns = self.settings.turns
                if self._active is not None and turns is not None and turns.interrupt_response:
                    self._owed = False
                    yield Cancel(self._active, "turn_detected")
            case Paused(segment=segment):
                yield Speculate(segment)
            case Resumed():
                yield Discard()
            case Stopped():
                yield from self._turn_over(event)

    def _turn_over(self, turn: Stopped) -> Iterator[Effect]:
        item_id = self._pending_item or new_id("item")
        self._pending_item = item_id
        yield Send(rt.InputAudioBufferSpeechStopped(item_id=item_id, audio_end_ms=turn.end_ms))
        yield from self._commit(turn, found=True)
        turns = self.settings.turns
        if not self.settings.answers or turns is None or not turns.create_response:
            return
        if self._active is None:
            yield self._respond(ResponsePlan(response_id=new_id("resp"), settings=self.settings))
        else:
            self._owed = True

    def _commit(self, turn: Stopped, *, found: bool) -> Iterator[Effect]:
        item_id = self._pending_item or new_id("item")
        self._pending_item = None
        item = rt.Item(
            type="message",
            id=item_id,
            object="realtime.item",
            status="completed",
            role="user",
            content=[rt.ContentPart(type="input_audio")],
        )
        before = self.conversation.insert(
            item, pcm=turn.pcm, audio_ms=len(turn.pcm) // BYTES_PER_MS
        )
        yield Send(rt.InputAudioBufferCommitted(item_id=item_id, previous_item_id=before))
        yield Send(rt.ConversationItemAdded(item=item, previous_item_id=before))
        yield Send(rt.ConversationItemDone(item=item, previous_item_id=before))
        yield self._transcribe(item, turn.segment, turn.pcm, found=found)

    def _update(self, update: JsonObject) -> Iterator[Effect]:
        before = self.settings
        self.settings = merge(before, update)
        if self.settings.turns != before.turns:
            self._turns = TurnDetector(
                self.settings.turns, sample_rate=SAMPLE_RATE, start_ms=self._turns.position_ms
            )
            self._pending_item = None
            yield Discard()
        if self.settings.input_format != before.input_format:
            self._decoder = InputDecoder(self.settings.input_format)
        if self.settings.tools and self.settings.tools != before.tools:
            yield PrepareTools(self.settings.tools)
        yield Send(rt.SessionUpdated(session=self.session))

    def _create(self, params: JsonObject) -> Iterator[Effect]:
        if not self.settings.answers:
            raise Refusal("a transcription session gives no responses", code="invalid_event")
        settings = response_settings(self.settings, params)
        conversation = params.get("conversation") or "auto"
        outside = checks.choice(conversation, "response.conversation", ("auto", "none")) == "none"
        metadata = checks.object_of(params.get("metadata") or {}, "response.metadata")
        plan = ResponsePlan(
            response_id=new_id("resp"),
            settings=settings,
            in_conversation=not outside,
            items=self._input(params.get("input")),
            metadata={key: str(value) for key, value in metadata.items()} or None,
        )
        if outside and len(self._side) >= _MOST_SIDE_RESPONSES:
            raise Refusal(
                f"{_MOST_SIDE_RESPONSES} responses outside the conversation are under way; "
                "wait for one to end",
                code="too_many_responses",
            )
        if not outside and self._active is not None:
            raise Refusal(
                f"Conversation already has an active response in progress: {self._active}. "
                "Wait until the response is finished before creating a new one.",
                code="conversation_already_has_active_response",
            )
        yield self._respond(plan)

    def _respond(self, plan: ResponsePlan) -> Effect:
        if plan.in_conversation:
            self._quiet_from = None
            self._active = plan.response_id
        else:
            self._side.add(plan.response_id)
        return Respond(plan)

    def _input(self, value: object) -> tuple[JsonObject, ...] | None:
        if value is None:
            return None
        try:
            items = msgspec.convert(value, list[rt.Item])
        except msgspec.ValidationError as error:
            raise Refusal(f"response.input: {error}", param="response.input") from None
        return tuple(
            model_item(
                self.conversation.item(item.id or "")
                if item.type == "item_reference"
                else checked_item(item, new_id("item"))
            )
            for item in items
        )

    def _cancel(self, response_id: str | None) -> Effect:
        wanted = response_id or self._active
        if wanted is None or (wanted != self._active and wanted not in self._side):
            raise Refusal(
                "Cancellation failed: no active response found", code="response_cancel_not_active"
            )
        return Cancel(wanted, "client_cancelled")

    def _item_event(self, event: rt.ClientEvent) -> Iterator[Effect]:
        match event:
            case rt.ConversationItemCreate():
                yield from self._add(
                    checked_item(event.item, new_id("item")), event.previous_item_id
                )
            case rt.ConversationItemDelete():
                self.conversation.delete(event.item_id)
                yield Send(rt.ConversationItemDeleted(item_id=event.item_id))
            case rt.ConversationItemRetrieve():
                yield Send(
                    rt.ConversationItemRetrieved(item=self.conversation.retrieve(event.item_id))
                )
            case rt.ConversationItemTruncate():
                self.conversation.truncate(
                    event.item_id,
                    event.content_index,
                    event.audio_end_ms,
                    bytes_per_ms=BYTES_PER_MS,
                )
                yield Send(
                    rt.ConversationItemTruncated(
                        item_id=event.item_id,
                        content_index=event.content_index,
                        audio_end_ms=event.audio_end_ms,
                    )
                )

    def _add(self, item: rt.Item, after: str | None) -> Iterator[Effect]:
        item, pcm = without_audio(item)
        before = self.conversation.insert(
            item, after=after, pcm=pcm, audio_ms=len(pcm) // BYTES_PER_MS
        )
        yield Send(rt.ConversationItemAdded(item=item, previous_item_id=before))
        yield Send(rt.ConversationItemDone(item=item, previous_item_id=before))
        if pcm:
            yield self._transcribe(item, Segment(0, len(pcm) // 2, pcm), pcm, found=False)

    def _transcribe(self, item: rt.Item, segment: Segment, pcm: bytes, *, found: bool) -> Effect:
        return Transcribe(
            item_id=item.id or "",
            segment=segment,
            checked=found,
            announce=self.settings.transcribes,
            seconds=len(pcm) / 2 / SAMPLE_RATE,
        )
