"""The events of one response, in the order of the protocol. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, TypedDict

import msgspec

from voxloop.local.server.realtime.conversation import Conversation
from voxloop.local.server.realtime.effects import ResponsePlan
from voxloop.local.server.realtime.naming import new_id
from voxloop.local.server.realtime.telephone import Encoder
from voxloop.providers import ToolCall
from voxloop.wire import realtime as rt

__all__ = ["ResponseBuilder"]

Events = list[rt.ServerEvent]
Status = Literal["completed", "cancelled", "failed", "incomplete"]

_BYTES_PER_MS: Final = 48


class _Place(TypedDict):
    response_id: str
    item_id: str
    output_index: int


class ResponseBuilder:
    """Turns what a model says into events, and keeps the conversation in step with them."""

    def __init__(self, plan: ResponsePlan, conversation: Conversation) -> None:
        self._plan = plan
        self._conversation = conversation if plan.in_conversation else None
        self._output: list[rt.Item] = []
        self._open: rt.Item | None = None  # the message under way
        self._text = ""
        self._encoder = Encoder(plan.settings.output_format)
        self._previous: str | None = None

    def created(self) -> Events:
        """The response begins."""
        return [rt.ResponseCreated(response=self._response("in_progress"))]

    def text(self, delta: str) -> Events:
        """The message says more; it is begun if need be."""
        events = self._begin_message()
        self._text += delta
        kind = (
            rt.ResponseOutputAudioTranscriptDelta
            if self._plan.settings.speaks
            else rt.ResponseOutputTextDelta
        )
        return [*events, kind(delta=delta, content_index=0, **self._place())]

    def audio(self, pcm: bytes) -> Events:
        """The message sounds on."""
        events = self._begin_message()
        if self._conversation is not None and self._open is not None:
            self._conversation.add_audio(
                self._open.id or "", pcm, audio_ms=len(pcm) // _BYTES_PER_MS
            )
        return [*events, *self._sound(self._encoder.process(pcm))]

    def end_message(self, status: Status = "completed") -> Events:
        """The message is over; nothing happens when none is under way."""
        if self._open is None:
            return []
        item = msgspec.structs.replace(
            self._open,
            status="completed" if status == "completed" else "incomplete",
            content=[self._part()],
        )
        place = self._place()
        events: Events = []
        if self._plan.settings.speaks:
            events += self._sound(self._encoder.flush())
            events.append(rt.ResponseOutputAudioDone(content_index=0, **place))
            events.append(
                rt.ResponseOutputAudioTranscriptDone(
                    transcript=self._text, content_index=0, **place
                )
            )
            part = rt.ContentPart(type="audio", transcript=self._text)
        else:
            events.append(rt.ResponseOutputTextDone(text=self._text, content_index=0, **place))
            part = rt.ContentPart(type="text", text=self._text)
        events.append(rt.ResponseContentPartDone(part=part, content_index=0, **place))
        self._open, self._text = None, ""
        return [*events, *self._end_item(item)]

    def call(self, call: ToolCall) -> Events:
        """A function is called."""
        item = rt.Item(
            type="function_call",
            id=call.item_id or new_id("item"),
            object="realtime.item",
            status="in_progress",
            name=call.name,
            call_id=call.call_id,
            arguments="",
        )
        events = [*self.end_message(), *self._begin_item(item)]
        place = self._place(item)
        events.append(
            rt.ResponseFunctionCallArgumentsDelta(
                call_id=call.call_id, delta=call.arguments, **place
            )
        )
        events.append(
            rt.ResponseFunctionCallArgumentsDone(
                call_id=call.call_id, name=call.name, arguments=call.arguments, **place
            )
        )
        done = msgspec.structs.replace(item, status="completed", arguments=call.arguments)
        return [*events, *self._end_item(done)]

    def done(
        self,
        status: Status,
        *,
        reason: str | None = None,
        error: rt.ErrorDetail | None = None,
        usage: Mapping[str, object] | None = None,
    ) -> Events:
        """The response is over; a message under way is closed first."""
        events = self.end_message(status)
        details = None
        if status != "completed":
            details = rt.StatusDetails(type=status, reason=reason, error=error)
        # The engines have no tokens to count, and 0 would be a count: who counts none says none.
        counted = msgspec.convert(dict(usage), rt.Usage) if usage else None
        response = msgspec.structs.replace(
            self._response(status), status_details=details, usage=counted
        )
        return [*events, rt.ResponseDone(response=response)]

    def _begin_message(self) -> Events:
        if self._open is not None:
            return []
        item = rt.Item(
            type="message",
            id=new_id("item"),
            object="realtime.item",
            status="in_progress",
            role="assistant",
            content=[],
        )
        events = self._begin_item(item)
        self._open = item
        spoken = self._plan.settings.speaks
        part = (
            rt.ContentPart(type="audio", transcript="")
            if spoken
            else rt.ContentPart(type="text", text="")
        )
        events.append(rt.ResponseContentPartAdded(part=part, content_index=0, **self._place()))
        if self._conversation is not None:
            self._conversation.replace(msgspec.structs.replace(item, content=[self._part()]))
        return events

    def _begin_item(self, item: rt.Item) -> Events:
        events: Events = [
            rt.ResponseOutputItemAdded(
                response_id=self._plan.response_id, output_index=len(self._output), item=item
            )
        ]
        if self._conversation is not None:
            self._previous = self._conversation.insert(item)
            events.append(rt.ConversationItemAdded(item=item, previous_item_id=self._previous))
        return events

    def _end_item(self, item: rt.Item) -> Events:
        events: Events = []
        if self._conversation is not None:
            self._conversation.replace(item)
            if (item.id or "") in self._conversation:
                final = self._conversation.item(item.id or "")
                events.append(rt.ConversationItemDone(item=final, previous_item_id=self._previous))
        events.append(
            rt.ResponseOutputItemDone(
                response_id=self._plan.response_id, output_index=len(self._output), item=item
            )
        )
        self._output.append(item)
        return events

    def _sound(self, data: bytes) -> Events:
        if not data:
            return []
        return [rt.ResponseOutputAudioDelta(delta=data, content_index=0, **self._place())]

    def _part(self) -> rt.ContentPart:
        if self._plan.settings.speaks:
            return rt.ContentPart(type="output_audio", transcript=self._text)
        return rt.ContentPart(type="output_text", text=self._text)

    def _place(self, item: rt.Item | None = None) -> _Place:
        at = item or self._open
        return {
            "response_id": self._plan.response_id,
            "item_id": (at.id if at is not None else None) or "",
            "output_index": len(self._output),
        }

    def _response(self, status: Status | Literal["in_progress"]) -> rt.Response:
        settings = self._plan.settings
        return rt.Response(
            id=self._plan.response_id,
            object="realtime.response",
            status=status,
            output=list(self._output),
            conversation_id="conv_local" if self._plan.in_conversation else None,
            metadata=self._plan.metadata,
            output_modalities=["audio"] if settings.speaks else ["text"],
        )
