"""What the scripted HTTP server answers: good answers, refusals, and faults."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

Json: TypeAlias = "dict[str, object]"

_JSON = "application/json"
_EVENTS = "text/event-stream; charset=utf-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer of the server.

    Attributes:
        status: HTTP status.
        body: The bytes, or pieces that are written one by one.
        headers: Response headers; the body's length is added.
        hang: Seconds before the first byte.
        gap: Seconds before each piece.
        stall: Seconds to wait in the middle of the body.
        chunked: Chunked transfer coding, otherwise a content length.
        cut: End the connection behind the pieces, before the body is complete: by ``"reset"``, or
            as if it were in order (``"end"``).
        drop: End the connection without a byte of an answer.
    """

    status: int = 200
    body: Sequence[bytes] | bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    hang: float = 0.0
    gap: float = 0.0
    stall: float = 0.0
    chunked: bool = False
    cut: Literal["reset", "end"] | None = None
    drop: bool = False

    @property
    def last(self) -> bool:
        """Whether the connection ends behind it, as its ``Connection: close`` says."""
        return any(
            name.lower() == "connection" and value.lower() == "close"
            for name, value in self.headers.items()
        )

    @property
    def pieces(self) -> list[bytes]:
        """The body in pieces."""
        return [self.body] if isinstance(self.body, bytes) else list(self.body)

    def split(self, seed: int, *, most: int = 64) -> Answer:
        """The same answer in pieces of 1 to ``most`` bytes, cut anywhere, each a chunk."""
        rng = random.Random(seed)  # noqa: S311 - where to cut
        body, pieces = b"".join(self.pieces), []
        while body:
            size = rng.randint(1, most)
            pieces.append(body[:size])
            body = body[size:]
        return replace(self, body=pieces, chunked=True)


def json_answer(value: object, status: int = 200, **headers: str) -> Answer:
    """An answer with a JSON body.

    Args:
        value: The body.
        status: HTTP status.
        headers: Further headers; underscores in their names stand for hyphens.
    """
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    body = json.dumps(value).encode()
    return Answer(status=status, body=body, headers={"Content-Type": _JSON, **named})


def refusal(status: int, code: str, message: str = "no", type: str = "t", **headers: str) -> Answer:
    """An error as the API words it, such as ``refusal(429, "rate_limit_exceeded")``.

    Args:
        status: HTTP status.
        code: The error's code.
        message: The error's message.
        type: The error's type.
        headers: Further headers, such as ``retry_after="1"`` or ``retry_after_ms="20"``.
    """
    error = {"message": message, "type": type, "param": None, "code": code}
    return json_answer({"error": error}, status, **headers)


def transcript(text: str, **more: object) -> Answer:
    """The JSON answer of a transcription."""
    return json_answer({"text": text, "usage": {"type": "duration", "seconds": 1.0}, **more})


def sse(*events: Mapping[str, object] | str, done: bool = False) -> Answer:
    """Server-sent events, each a chunk of its own; a string is written as it is.

    Args:
        events: JSON objects with their ``type``, or raw text.
        done: End with ``[DONE]``, as some servers do.
    """
    pieces = [
        event.encode()
        if isinstance(event, str)
        else f"event: {event.get('type')}\ndata: {json.dumps(event)}\n\n".encode()
        for event in events
    ]
    if done:
        pieces.append(b"data: [DONE]\n\n")
    return Answer(body=pieces, headers={"Content-Type": _EVENTS}, chunked=True)


def transcript_events(text: str) -> Answer:
    """A streamed transcription: each word a delta, and the whole at the end."""
    words = text.split(" ")
    deltas = [w if n == 0 else f" {w}" for n, w in enumerate(words)]
    events: list[Json] = [{"type": "transcript.text.delta", "delta": delta} for delta in deltas]
    return sse(*events, {"type": "transcript.text.done", "text": text, "usage": {"type": "tokens"}})


def speech(pcm: bytes, *, content_type: str = "audio/pcm", piece: int = 4800) -> Answer:
    """Speech as raw bytes, in chunks of ``piece`` bytes."""
    pieces = [pcm[start : start + piece] for start in range(0, len(pcm), piece)]
    return Answer(body=pieces, headers={"Content-Type": content_type}, chunked=True)


def speech_events(pcm: bytes, *, piece: int = 4800) -> Answer:
    """Speech as events, with its usage at the end."""
    pieces = [pcm[start : start + piece] for start in range(0, len(pcm), piece)]
    events: list[Json] = [
        {"type": "speech.audio.delta", "audio": base64.b64encode(p).decode()} for p in pieces
    ]
    usage = {"input_tokens": 3, "output_tokens": 40, "total_tokens": 43}
    return sse(*events, {"type": "speech.audio.done", "usage": usage})


def response(text: str = "", *, calls: Sequence[tuple[str, Mapping[str, object]]] = ()) -> Answer:
    """A streamed response of a language model.

    Args:
        text: What it says, word by word.
        calls: Tools that it calls: name and arguments.
    """
    events: list[Json] = [{"type": "response.created", "response": {"id": "resp_1"}}]
    if text:
        where: Json = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
        words = text.split(" ")
        deltas = [w if n == 0 else f" {w}" for n, w in enumerate(words)]
        kind = "response.output_text"
        events += [{"type": f"{kind}.delta", "delta": delta, **where} for delta in deltas]
        events.append({"type": f"{kind}.done", "text": text, **where})
    for number, (name, arguments) in enumerate(calls, 1):
        item = {
            "type": "function_call",
            "id": f"fc_{number}",
            "call_id": f"call_{number}",
            "name": name,
            "arguments": json.dumps(arguments),
            "status": "completed",
        }
        events.append({"type": "response.output_item.done", "output_index": number, "item": item})
    usage = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}
    done = {"id": "resp_1", "status": "completed", "usage": usage}
    events.append({"type": "response.completed", "response": done})
    return sse(*[{"sequence_number": n, **event} for n, event in enumerate(events)])


WEB_PAGE = Answer(
    body=b"<!doctype html><html><body>Sign in</body></html>",
    headers={"Content-Type": "text/html; charset=utf-8"},
)
"""What a proxy or a wrong base URL answers with."""
GARBLED_EVENTS = sse("data: {not json\n\n", "\x00\xff: \n\n", "data: []\n\n")
"""An event stream without a usable event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """Faults that pass, put before good answers at random but the same for each seed.

    Each request meets one with probability ``rate``; it uses up no answer of the script. No two
    come in a row more than ``in_a_row`` times, so that a client that tries thrice gets through.

    Attributes:
        seed: Of the random numbers.
        rate: 0 to 1.
        in_a_row: The most faults between two good answers.
        kinds: What may happen.
    """

    seed: int = 0
    rate: float = 0.3
    in_a_row: int = 2
    kinds: tuple[Answer, ...] = (
        refusal(429, "rate_limit_exceeded", retry_after_ms="5"),
        refusal(500, "server_error", retry_after_ms="5"),
        refusal(503, "overloaded", retry_after="0.005"),
        Answer(status=408, headers={"retry-after-ms": "5"}),
        Answer(status=502, body=b"<html>bad gateway</html>", headers={"retry-after-ms": "5"}),
        Answer(drop=True),
    )
