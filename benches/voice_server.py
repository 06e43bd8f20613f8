"""The scripted server of `voice.py`: transcriptions, speech and responses at a stated pace.

It runs in a process of its own and notes the times of what only a server can see, on the clock that
all processes of a machine share. ``POST /script`` sets the pace and forgets, ``GET /seen`` tells.
"""

from __future__ import annotations

import array
import asyncio
import json
import re
import time
from typing import Any

PACE: dict[str, Any] = {
    "stt_s": 0.1,
    "first_text_s": 0.1,
    "word_s": 0.02,
    "first_byte_s": 0.15,
    "times_real": 4.0,
    "ms_per_char": 60,
    "fail_at": 0,  # which request for speech is refused, from 1
    "answers": ["Hello."],  # texts of the responses; a dict calls a tool
}
CHUNK_MS = 20


class Server:
    """What was asked for, and when."""

    def __init__(self) -> None:
        self.pace = dict(PACE)
        self.open: set[asyncio.StreamWriter] = set()
        self.forget()

    def forget(self) -> None:
        self.seen: dict[str, Any] = {
            "first_bytes": [],
            "speech_at": [],
            "most_in_flight": 0,
            "failed_at": None,
            "closed_at": None,
            "cut_at": None,
        }
        self.in_flight = 0
        self.responses = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        counted = False
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                method, target, _ = head.split(" ", 2)
                found = re.search(r"content-length: *(\d+)", head, re.IGNORECASE)
                body = await reader.readexactly(int(found[1])) if found else b""
                if target.startswith("/v1/") and not counted:
                    counted = True
                    self.open.add(writer)
                await self.answer(method, target, body, writer, reader)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.open.discard(writer)
            if counted:
                self.seen["closed_at"] = time.monotonic() if not self.open else None
            writer.close()

    async def answer(
        self,
        method: str,
        target: str,
        body: bytes,
        writer: asyncio.StreamWriter,
        reader: asyncio.StreamReader,
    ) -> None:
        match target.rsplit("/", 1)[1]:
            case "script":
                self.forget()
                self.pace = {**PACE, **json.loads(body)}
                reply(writer, {})
            case "seen":
                reply(writer, {**self.seen, "open": len(self.open), "now": time.monotonic()})
            case "transcriptions":
                await asyncio.sleep(self.pace["stt_s"])
                reply(writer, {"text": "tell me", "usage": {"type": "duration", "seconds": 1}})
            case "speech":
                await self.watched(self.speak(json.loads(body)["input"], writer), reader)
            case "responses":
                await self.watched(self.respond(writer), reader)
            case _:
                reply(writer, {"error": {"message": "unknown"}}, "404 Not Found")

    async def watched(self, work: Any, reader: asyncio.StreamReader) -> None:
        """Answer until the client hangs up: without a read that would be seen late."""
        task = asyncio.ensure_future(work)
        gone = asyncio.ensure_future(self.gone(reader))
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            self.seen["cut_at"] = time.monotonic()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            raise ConnectionResetError
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        await task

    async def gone(self, reader: asyncio.StreamReader) -> None:
        while not reader.at_eof() and reader.exception() is None:  # noqa: ASYNC110
            await asyncio.sleep(0.001)

    async def speak(self, text: str, writer: asyncio.StreamWriter) -> None:
        pace, seen = self.pace, self.seen
        seen["speech_at"].append(time.monotonic())
        number = len(seen["speech_at"])
        self.in_flight += 1
        seen["most_in_flight"] = max(seen["most_in_flight"], self.in_flight)
        try:
            await asyncio.sleep(pace["first_byte_s"])
            if number == pace["fail_at"]:
                seen["failed_at"] = time.monotonic()
                error = {"message": "no", "type": "invalid_request_error", "code": "no"}
                reply(writer, {"error": error}, "400 Bad Request")
                return
            start(writer, "audio/pcm")
            found = re.search(r"\d+", text)
            level = int(found[0]) if found else 1
            piece = array.array("h", [level] * (24 * CHUNK_MS)).tobytes()
            began = time.monotonic()
            seen["first_bytes"].append(began)
            for count in range(max(1, len(text) * pace["ms_per_char"] // CHUNK_MS)):
                chunk(writer, piece)
                due = began + (count + 1) * CHUNK_MS / 1000 / pace["times_real"]
                await asyncio.sleep(max(0.0, due - time.monotonic()))
            writer.write(b"0\r\n\r\n")
        finally:
            self.in_flight -= 1

    async def respond(self, writer: asyncio.StreamWriter) -> None:
        pace = self.pace
        answer = pace["answers"][min(self.responses, len(pace["answers"]) - 1)]
        self.responses += 1
        start(writer, "text/event-stream")
        text = answer if isinstance(answer, str) else answer["text"]
        call = None if isinstance(answer, str) else answer["call"]
        await asyncio.sleep(pace["first_text_s"])
        number = 0

        def tell(kind: str, **fields: Any) -> None:
            nonlocal number
            event = {"type": kind, "sequence_number": number, **fields}
            number += 1
            chunk(writer, f"event: {kind}\ndata: {json.dumps(event)}\n\n".encode())

        tell("response.created", response=response("in_progress", []))
        part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
        message = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed"}
        message["content"] = [part]  # type: ignore[assignment]
        where = {"item_id": "msg_1", "output_index": 0, "content_index": 0, "logprobs": []}
        begun = {**message, "status": "in_progress", "content": []}
        tell("response.output_item.added", output_index=0, item=begun)
        tell("response.content_part.added", part={**part, "text": ""}, **where)
        for word in re.findall(r"\S+\s*", text):
            tell("response.output_text.delta", delta=word, **where)
            await asyncio.sleep(pace["word_s"])
        tell("response.output_text.done", text=text, **where)
        tell("response.content_part.done", part=part, **where)
        tell("response.output_item.done", output_index=0, item=message)
        output: list[Any] = [message]
        if call is not None:
            item = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": call}
            item |= {"arguments": "{}", "status": "completed"}
            tell("response.output_item.added", output_index=1, item=item)
            tell("response.output_item.done", output_index=1, item=item)
            output.append(item)
        tell("response.completed", response=response("completed", output))
        writer.write(b"0\r\n\r\n")


def response(status: str, output: list[Any]) -> dict[str, Any]:
    usage = {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}
    usage["input_tokens_details"] = {"cached_tokens": 0}  # type: ignore[assignment]
    usage["output_tokens_details"] = {"reasoning_tokens": 0}  # type: ignore[assignment]
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "model": "m",
        "status": status,
        "output": output,
        "usage": usage,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
    }


def reply(writer: asyncio.StreamWriter, value: Any, status: str = "200 OK") -> None:
    body = json.dumps(value).encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    writer.write(f"{head}\r\n\r\n".encode() + body)


def start(writer: asyncio.StreamWriter, kind: str) -> None:
    writer.write(
        f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    )


def chunk(writer: asyncio.StreamWriter, data: bytes) -> None:
    if writer.is_closing():
        raise ConnectionResetError
    writer.write(b"%x\r\n%b\r\n" % (len(data), data))


async def main() -> None:
    server = await asyncio.start_server(Server().serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
