"""The protocol as a user writes it over a bare WebSocket, once for all such clients."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from typing import Any

from peers import Sink

UPDATE = json.dumps({"type": "session.update", "session": {"type": "realtime"}})


class ByHand:
    """Decode what comes, and say what is to be answered."""

    def __init__(
        self,
        sink: Sink,
        loads: Callable[[Any], Any] = json.loads,
        decode: Callable[[str], bytes] = base64.b64decode,
    ) -> None:
        self.sink = sink
        self._loads = loads
        self._decode = decode
        self._item = ""
        self._began = 0.0
        self._received = 0
        self._answered = False

    def take(self, text: str | bytes) -> list[str]:
        event = self._loads(text)
        if event["type"] == "response.output_audio.delta":
            self.audio(event["item_id"], self._decode(event["delta"]))
            return []
        return self.other(event)

    def audio(self, item: str, data: bytes) -> None:
        if item != self._item:
            self._item, self._began, self._received = item, time.monotonic(), 0
        self._received += len(data)
        self.sink.audio(data)

    def other(self, event: dict[str, Any]) -> list[str]:
        return [json.dumps(answer) for answer in self.answers(event)]

    def answers(self, event: dict[str, Any]) -> list[dict[str, Any]]:
        """What a client says to an event that asks for something."""
        kind = event["type"]
        if kind == "input_audio_buffer.speech_started":
            return self._truncate()
        if kind == "response.function_call_arguments.done":
            self._answered = True
            item = {"type": "function_call_output", "call_id": event["call_id"], "output": "ok"}
            return [{"type": "conversation.item.create", "item": item}]
        if kind == "response.done" and self._answered:
            self._answered = False
            self.sink.tools += 1
            return [{"type": "response.create"}]
        return []

    def _truncate(self) -> list[dict[str, Any]]:
        self.sink.barges += 1
        if not self._item:
            return []
        heard = min(self._received / 48, (time.monotonic() - self._began) * 1000)
        item, self._item = self._item, ""
        event = {
            "type": "conversation.item.truncate",
            "item_id": item,
            "content_index": 0,
            "audio_end_ms": int(heard),
        }
        return [event]


def append(pcm: bytes) -> str:
    """An event as most write it."""
    audio = base64.b64encode(pcm).decode("ascii")
    return json.dumps({"type": "input_audio_buffer.append", "audio": audio})
