"""One connection of the scripted server: the GA protocol as the server side keeps it.

What a client must not do is answered with an error, as the API does, and noted as a violation.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias, cast

import trio

from voxloop.testing import script as s
from voxloop.testing.telephone import bytes_per_ms, spoken

Json: TypeAlias = dict[str, object]
DEFAULT_VOICE = "alloy"


class Signal:
    """Wakes all who wait for something to change."""

    def __init__(self) -> None:
        self._event = trio.Event()

    def tell(self) -> None:
        """Something has changed."""
        self._event.set()
        self._event = trio.Event()

    async def wait(self) -> None:
        """Wait for the next change."""
        await self._event.wait()


class Peer:
    """The server's side of one session.

    Attributes:
        received: Client events, decoded, in order.
        sent: Server events, in order.
        violations: What the client did against the protocol.
        gone: Nothing is written any more; what the client has sent is still taken.
    """

    def __init__(
        self,
        plan: s.Script,
        replies: list[s.Reply],
        write: Callable[[str], Awaitable[None]],
        changed: Signal,
        number: int = 1,
    ) -> None:
        self.received: list[Json] = []
        self.sent: list[Json] = []
        self.violations: list[str] = []
        self.gone = False
        self._changed = changed
        self.session: Json = {
            "type": "realtime",
            "id": f"sess_{number}",
            "object": "realtime.session",
        }
        self._plan = plan
        self._replies = replies
        self._write = write
        self._ids = 0
        self._buffer = 0
        self._book = _Book("s" if number == 1 else f"s{number}_")

    @property
    def audio(self) -> bytearray:
        """All audio that the client has appended."""
        return self._book.audio

    @property
    def commits(self) -> list[int]:
        """Where in `audio` the client's commits stand, in bytes."""
        return self._book.commits

    @property
    def items(self) -> list[Json]:
        """The conversation, in order."""
        return [self._book.contents[item_id] for item_id in self._book.items]

    async def send(self, kind: str, **fields: object) -> None:
        """Send one server event."""
        await self.send_event({"type": kind, **fields})

    async def send_event(self, event: Mapping[str, object] | str) -> None:
        """Send an event, or any text."""
        if isinstance(event, str):
            await self._write(event)
            return
        whole = {"event_id": self.new_id("event"), **event}
        self.sent.append(whole)
        with trio.CancelScope(shield=True):  # a response that is stopped leaves no half frame
            await self._write(json.dumps(whole))
        self._changed.tell()

    def new_id(self, kind: str) -> str:
        """An id of the server's."""
        self._ids += 1
        return f"{kind}_{self._book.prefix}{self._ids}"

    def count(self, events: list[Json], kind: str) -> int:
        """How many events of a type there are."""
        return sum(1 for event in events if event["type"] == kind)

    async def wait(self, events: list[Json], kind: str, count: int) -> None:
        """Wait until there are ``count`` events of a type."""
        while self.count(events, kind) < count:
            await self._changed.wait()

    async def take(self, nursery: trio.Nursery, text: str | bytes) -> None:
        """Handle one client event."""
        event = cast("Json", json.loads(text))
        kind = str(event.get("type"))
        self.received.append(event)
        self._changed.tell()
        if self._plan.played:
            return
        refusal = self._plan.refuse.get(kind)
        if refusal is not None and self.count(self.received, kind) == 1:
            await self._error(event, *refusal, violation=False)
            return
        handler = _HANDLERS.get(kind)
        if handler is None:
            await self._error(event, "invalid_event", f"unknown event type {kind}", "type")
        else:
            await handler(self, nursery, event)

    async def _error(
        self, event: Json, code: str, message: str, param: str | None, *, violation: bool = True
    ) -> None:
        if violation:
            self.violations.append(f"{event.get('type')}: {code}: {message}")
        detail = {
            "type": "invalid_request_error",
            "code": code,
            "message": message,
            "param": param,
            "event_id": event.get("event_id"),
        }
        await self.send("error", error=detail)

    # -- what clients send -----------------------------------------------------------------------

    async def _update(self, _nursery: trio.Nursery, event: Json) -> None:
        changes = cast("Json", event["session"])
        wanted = _branch(changes, "audio", "output").get("voice")
        voice = _branch(self.session, "audio", "output").get("voice", DEFAULT_VOICE)
        if wanted not in (None, voice) and self._book.spoken:
            param = "session.audio.output.voice"
            await self._error(event, "cannot_update_voice", "the voice cannot change", param)
            return
        _merge(self.session, changes)
        if self._plan.confirm_updates:
            await self.send("session.updated", session=self.session)

    async def _append(self, _nursery: trio.Nursery, event: Json) -> None:
        data = base64.b64decode(str(event["audio"]), validate=True)
        self._buffer += len(data)
        self._book.audio += data

    async def _clear(self, _nursery: trio.Nursery, _event: Json) -> None:
        self._buffer = 0
        await self.send("input_audio_buffer.cleared")

    async def _commit(self, _nursery: trio.Nursery, event: Json) -> None:
        if self._buffer == 0:
            await self._error(event, "input_audio_buffer_commit_empty", "the buffer is empty", None)
            return
        self.commits.append(len(self.audio))
        await self._commit_item(self.new_id("item"), self._plan.committed_text)

    async def _commit_item(self, item_id: str, text: str | None) -> None:
        self._buffer = 0
        previous = self._book.last
        await self.send("input_audio_buffer.committed", item_id=item_id, previous_item_id=previous)
        part: Json = {"type": "input_audio", "transcript": None}
        item = _message(item_id, "user", [part], "completed")
        await self._enter(item, previous)
        if text is not None:
            kind = "conversation.item.input_audio_transcription"
            await self.send(f"{kind}.delta", item_id=item_id, content_index=0, delta=text)
            usage = {"type": "duration", "seconds": 1.0}
            await self.send(
                f"{kind}.completed", item_id=item_id, content_index=0, transcript=text, usage=usage
            )

    async def _enter(self, item: Json, previous: str | None) -> None:
        self._book.enter(item, previous)
        for kind in ("conversation.item.added", "conversation.item.done"):
            await self.send(kind, item=item, previous_item_id=previous)

    async def _create_item(self, _nursery: trio.Nursery, event: Json) -> None:
        item = dict(cast("Json", event["item"]))
        item.setdefault("id", self.new_id("item"))
        item.setdefault("object", "realtime.item")
        item.setdefault("status", "completed")
        if item["id"] in self._book.items:
            await self._error(event, "item_already_exists", "this id is taken", "item.id")
            return
        if item["type"] == "function_call_output":
            call_id = str(item["call_id"])
            if call_id not in self._book.calls:
                await self._error(event, "invalid_call_id", f"no open call {call_id}", "call_id")
                return
            self._book.calls.discard(call_id)
        if item["type"] == "function_call":
            self._book.calls.add(str(item["call_id"]))
        if item.get("role") == "assistant" and "output_audio" in str(item.get("content")):
            await self._error(event, "invalid_value", "assistant audio is not taken", "item")
            return
        previous = cast("str | None", event.get("previous_item_id") or self._book.last)
        if previous not in (None, "root", *self._book.items):
            await self._error(event, "item_not_found", f"no item {previous}", "previous_item_id")
            return
        await self._enter(item, previous)

    async def _delete_item(self, _nursery: trio.Nursery, event: Json) -> None:
        item_id = str(event["item_id"])
        if item_id not in self._book.items:
            await self._error(event, "item_not_found", f"no item {item_id}", "item_id")
            return
        self._book.items.remove(item_id)
        await self.send("conversation.item.deleted", item_id=item_id)

    async def _truncate(self, _nursery: trio.Nursery, event: Json) -> None:
        item_id, end = str(event["item_id"]), cast("int", event["audio_end_ms"])
        sent_ms = self._book.spoken.get(item_id, 0) / bytes_per_ms(self.session, "output")
        if end < 0 or end > sent_ms:
            message = f"{end} ms lies beyond the {sent_ms:.1f} ms of audio of {item_id}"
            await self._error(event, "invalid_value", message, "audio_end_ms")
            return
        await self.send(
            "conversation.item.truncated", item_id=item_id, content_index=0, audio_end_ms=end
        )

    async def _create_response(self, nursery: trio.Nursery, event: Json) -> None:
        params = cast("Json", event.get("response") or {})
        outside = params.get("conversation") == "none"
        if self._book.active is not None and not outside:
            code = "conversation_already_has_active_response"
            await self._error(event, code, "a response is running", None)
            return
        await self._begin(nursery, cast("Json", params.get("metadata") or {}), outside=outside)

    async def _cancel(self, _nursery: trio.Nursery, event: Json) -> None:
        running = self._book.active
        if running is None:
            code = "response_cancel_not_active"
            await self._error(event, code, "no response is running", None, violation=False)
            return
        running.stop("client_cancelled")

    # -- what the server does --------------------------------------------------------------------

    async def hear(self, nursery: trio.Nursery, step: s.Hears) -> None:
        """The user speaks, as turn detection reports it."""
        await trio.sleep(step.after)
        item_id = self.new_id("item")
        detection = _branch(self.session, "audio", "input").get("turn_detection")
        vad = cast("Json", detection) if isinstance(detection, dict) else {}
        await self.send("input_audio_buffer.speech_started", item_id=item_id, audio_start_ms=100)
        if self._book.active is not None and vad.get("interrupt_response") is not False:
            self._book.active.stop("turn_detected")
            await self.wait_idle()
        await trio.sleep(step.seconds)
        end = len(self.audio) // bytes_per_ms(self.session, "input") or 900
        await self.send("input_audio_buffer.speech_stopped", item_id=item_id, audio_end_ms=end)
        await self._commit_item(item_id, step.text)
        if vad and vad.get("create_response") is not False:
            await self._begin(nursery, {}, outside=False)

    async def wait_idle(self) -> None:
        """Wait until no response of the conversation is running."""
        while self._book.active is not None:
            await self._changed.wait()

    async def _begin(self, nursery: trio.Nursery, metadata: Json, *, outside: bool) -> None:
        running = Running(self.new_id("resp"), metadata, outside=outside)
        if not outside:
            self._book.active = running
        await self.send("response.created", response=running.describe("in_progress"))
        nursery.start_soon(self._respond, running)

    async def _respond(self, running: Running) -> None:
        reply = self._replies.pop(0) if self._replies else _EXHAUSTED
        with running.scope:
            await trio.sleep(reply.delay)
            for index, output in enumerate(reply.outputs):
                await self._output(running, index, output)
            if reply.hold:
                await trio.sleep_forever()
        status, details = reply.status, {"type": reply.status, "reason": reply.reason}
        if running.reason is not None:
            details = {"type": "cancelled", "reason": running.reason}
        elif reply.error is not None:
            code, message = reply.error
            failure = {"type": "server_error", "code": code, "message": message}
            details = cast("dict[str, str | None]", {"type": "failed", "error": failure})
        if self._book.active is running:
            self._book.active = None
        ended = "cancelled" if running.reason is not None else status
        await self.send("response.done", response=running.describe(ended, details, _USAGE))

    async def _output(self, running: Running, index: int, output: s.Output) -> None:
        item_id = self.new_id("item")
        place = {"response_id": running.id, "output_index": index}
        if isinstance(output, s.Call):
            item: Json = {
                "id": item_id,
                "object": "realtime.item",
                "type": "function_call",
                "name": output.name,
                "call_id": output.call_id or self.new_id("call"),
                "arguments": "",
                "status": "in_progress",
            }
        else:
            item = _message(item_id, "assistant", [], "in_progress")
        await self.send("response.output_item.added", item=item, **place)
        previous = self._book.last
        if not running.outside:
            self._book.enter(item, previous)
            await self.send("conversation.item.added", item=item, previous_item_id=previous)
        item.update(status="completed")
        where = {**place, "item_id": item_id}
        if isinstance(output, s.Call):
            item["arguments"] = output.text()
            self._book.calls.add(str(item["call_id"]))
            kind = "response.function_call_arguments.done"
            call = {"call_id": item["call_id"], "name": output.name, "arguments": output.text()}
            await self.send(kind, **where, **call)
        elif isinstance(output, s.Write):
            item["content"] = [await self._write_text(output, where)]
        else:
            item["content"] = [await self._speak(running, output, where)]
        if not running.outside:
            await self.send("conversation.item.done", item=item, previous_item_id=previous)
        running.output.append(item)
        await self.send("response.output_item.done", item=item, **place)

    async def _write_text(self, output: s.Write, where: Json) -> Json:
        place = {**where, "content_index": 0}
        for word in output.text.split():
            await self.send("response.output_text.delta", delta=f"{word} ", **place)
        await self.send("response.output_text.done", text=output.text, **place)
        return {"type": "output_text", "text": output.text}

    async def _speak(self, running: Running, output: s.Say, where: Json) -> Json:
        place = {**where, "content_index": 0}
        item_id = str(where["item_id"])
        per_ms = bytes_per_ms(self.session, "output")
        sound, step = spoken(self.session, output.sound()), output.chunk_ms * per_ms
        words = output.text.split()
        pieces = [sound[start : start + step] for start in range(0, len(sound), step)]
        for number, piece in enumerate(pieces):
            if number < len(words):
                delta = f"{words[number]} "
                await self.send("response.output_audio_transcript.delta", delta=delta, **place)
            if not running.outside:
                self._book.spoken[item_id] = self._book.spoken.get(item_id, 0) + len(piece)
            encoded = base64.b64encode(piece).decode()
            await self.send("response.output_audio.delta", delta=encoded, **place)
            await trio.sleep(output.pace * len(piece) / per_ms / 1000.0)
        await self.send("response.output_audio.done", **place)
        await self.send("response.output_audio_transcript.done", transcript=output.text, **place)
        return {"type": "output_audio", "transcript": output.text}


class Running:
    """A response that is being played."""

    def __init__(self, response_id: str, metadata: Json, *, outside: bool) -> None:
        self.id = response_id
        self.metadata = metadata
        self.outside = outside
        self.scope = trio.CancelScope()
        self.reason: str | None = None
        self.output: list[Json] = []

    def stop(self, reason: str) -> None:
        """Cancel it."""
        if self.reason is None:
            self.reason = reason
            self.scope.cancel()

    def describe(
        self, status: str, details: Mapping[str, object] | None = None, usage: Json | None = None
    ) -> Json:
        """The response object."""
        return {
            "id": self.id,
            "object": "realtime.response",
            "status": status,
            "status_details": details,
            "output": list(self.output),
            "conversation_id": None if self.outside else "conv_test",
            "metadata": self.metadata or None,
            "usage": usage,
        }


class _Book:
    """What the server remembers of a conversation."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix  # of ids, so that none is given twice in a conversation
        self.audio = bytearray()
        self.commits: list[int] = []
        self.items: list[str] = []
        self.contents: dict[str, Json] = {}
        self.calls: set[str] = set()
        self.spoken: dict[str, int] = {}
        self.active: Running | None = None

    def enter(self, item: Json, previous: str | None) -> None:
        """Put an item behind another; ``"root"`` is the front, an unknown one the end."""
        item_id = str(item["id"])
        self.contents[item_id] = item
        place = len(self.items)
        if previous == "root":
            place = 0
        elif previous in self.items:
            place = self.items.index(previous) + 1
        self.items.insert(place, item_id)

    @property
    def last(self) -> str | None:
        """The last item."""
        return self.items[-1] if self.items else None


_EXHAUSTED = s.Reply(status="failed", error=("script_exhausted", "the script has no reply left"))
_USAGE: Json = {
    "total_tokens": 30,
    "input_tokens": 20,
    "output_tokens": 10,
    "input_token_details": {"text_tokens": 12, "audio_tokens": 8, "cached_tokens": 4},
    "output_token_details": {"text_tokens": 3, "audio_tokens": 7},
}
_HANDLERS: dict[str, Callable[[Peer, trio.Nursery, Json], Awaitable[None]]] = {
    "session.update": Peer._update,
    "input_audio_buffer.append": Peer._append,
    "input_audio_buffer.clear": Peer._clear,
    "input_audio_buffer.commit": Peer._commit,
    "conversation.item.create": Peer._create_item,
    "conversation.item.delete": Peer._delete_item,
    "conversation.item.truncate": Peer._truncate,
    "response.create": Peer._create_response,
    "response.cancel": Peer._cancel,
}


def _message(item_id: str, role: str, content: list[Json], status: str) -> Json:
    return {
        "id": item_id,
        "object": "realtime.item",
        "type": "message",
        "role": role,
        "status": status,
        "content": content,
    }


def _branch(tree: Json, *path: str) -> Json:
    for name in path:
        inner = tree.get(name)
        if not isinstance(inner, dict):
            return {}
        tree = inner
    return tree


def _merge(tree: Json, changes: Json) -> None:
    for key, value in changes.items():
        old = tree.get(key)
        if isinstance(value, dict) and isinstance(old, dict):
            _merge(old, value)
        else:
            tree[key] = value
