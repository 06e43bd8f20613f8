"""``/v1/responses``: the router agent behind the Responses API."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, cast

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from voxloop.local.server.json_body import read_json
from voxloop.local.server.realtime import checks
from voxloop.local.server.refusal import Refusal
from voxloop.local.server.streamed import BodyWriter, Streamed, sse
from voxloop.local.services import LocalLanguageModel
from voxloop.providers import JsonObject, ModelEvent, ModelRequest, TextDelta, TextDone, ToolCall

__all__ = ["create_response"]

_UNSUPPORTED: Final = ("previous_response_id", "conversation", "background", "prompt")


async def create_response(request: Request) -> Response:
    """Answer a request of the Responses API, whole or as server-sent events."""
    body = await read_json(request)
    wanted = _request(body)
    state = _ResponseState(body)
    model = LocalLanguageModel()
    if not checks.boolean(body.get("stream") or False, "stream"):
        async with model.respond(wanted) as events:
            async for event in events:
                for _ in state.take(event):
                    pass
        return JSONResponse(state.response("completed"))

    async def produce(writer: BodyWriter) -> None:
        async with model.respond(wanted) as events:
            for message in state.begin():
                await writer.write(sse(message))
            async for event in events:
                for message in state.take(event):
                    await writer.write(sse(message))
        await writer.write(sse(state.end()))

    return Streamed(produce, "text/event-stream")


def _request(body: JsonObject) -> ModelRequest:
    for name in _UNSUPPORTED:
        if body.get(name):
            raise Refusal(
                f"{name} is not kept by the local server; send the whole history in 'input'",
                code="unsupported_parameter",
                param=name,
            )
    tools = body.get("tools") or []
    if not isinstance(tools, list):
        raise Refusal("tools must be an array", code="invalid_type", param="tools")
    for index, tool in enumerate(tools):
        if checks.object_of(tool, f"tools[{index}]").get("type") != "function":
            raise Refusal(
                f"tools[{index}].type must be 'function'; the local server has no hosted tools",
                param=f"tools[{index}].type",
            )
    choice = body.get("tool_choice") or "auto"
    if not isinstance(choice, (str, dict)):
        raise Refusal(
            "tool_choice must be a string or an object", code="invalid_type", param="tool_choice"
        )
    return ModelRequest(
        instructions=checks.text(body.get("instructions") or "", "instructions"),
        items=_items(body.get("input")),
        tools=tuple(cast("list[JsonObject]", tools)),
        tool_choice=choice,
    )


def _items(value: object) -> tuple[JsonObject, ...]:
    if isinstance(value, str):
        return ({"type": "message", "role": "user", "content": value},)
    if not isinstance(value, list):
        raise Refusal(
            "input must be a string or an array of items", code="invalid_type", param="input"
        )
    return tuple(checks.object_of(item, f"input[{index}]") for index, item in enumerate(value))


@dataclass(slots=True)
class _ResponseState:
    """Builds the response object and its events. No I/O."""

    body: JsonObject
    id: str = field(default_factory=lambda: f"resp_{secrets.token_hex(12)}")
    created: int = field(default_factory=lambda: int(time.time()))
    output: list[JsonObject] = field(default_factory=list)
    text: str = ""
    message_id: str = ""
    sequence: int = -1

    def begin(self) -> Iterator[JsonObject]:
        """The events before the first item."""
        for name in ("response.created", "response.in_progress"):
            yield self._event(name, response=self.response("in_progress"))

    def take(self, event: ModelEvent) -> Iterator[JsonObject]:
        """The events of one model event."""
        match event:
            case TextDelta(text=delta):
                if not self.message_id:
                    yield from self._begin_message()
                self.text += delta
                yield self._part_event("response.output_text.delta", delta=delta, logprobs=[])
            case TextDone():
                yield from self._end_message()
            case ToolCall():
                yield from self._call(event)

    def end(self) -> JsonObject:
        """The last event."""
        return self._event("response.completed", response=self.response("completed"))

    def response(self, status: str) -> JsonObject:
        """The response object."""
        body = self.body
        usage = {
            "input_tokens": 0,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": 0,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 0,
        }
        return {
            "id": self.id,
            "object": "response",
            "created_at": self.created,
            "status": status,
            "error": None,
            "incomplete_details": None,
            "instructions": body.get("instructions"),
            "metadata": body.get("metadata") or {},
            "model": body.get("model") or "voxloop-router",
            "output": list(self.output),
            "parallel_tool_calls": False,
            "temperature": body.get("temperature"),
            "tool_choice": body.get("tool_choice") or "auto",
            "tools": body.get("tools") or [],
            "top_p": body.get("top_p"),
            "usage": usage if status == "completed" else None,
        }

    def _begin_message(self) -> Iterator[JsonObject]:
        self.message_id = f"msg_{secrets.token_hex(12)}"
        yield self._item_event("response.output_item.added", self._message("in_progress", []))
        yield self._part_event("response.content_part.added", part=self._part(""))

    def _end_message(self) -> Iterator[JsonObject]:
        yield self._part_event("response.output_text.done", text=self.text, logprobs=[])
        yield self._part_event("response.content_part.done", part=self._part(self.text))
        message = self._message("completed", [self._part(self.text)])
        yield self._item_event("response.output_item.done", message)
        self.output.append(message)
        self.text = self.message_id = ""

    def _call(self, call: ToolCall) -> Iterator[JsonObject]:
        item_id = call.item_id or f"fc_{secrets.token_hex(12)}"
        item: JsonObject = {
            "type": "function_call",
            "id": item_id,
            "call_id": call.call_id,
            "name": call.name,
            "arguments": "",
            "status": "in_progress",
        }
        yield self._item_event("response.output_item.added", item)
        place = {"item_id": item_id, "output_index": len(self.output)}
        name = "response.function_call_arguments"
        yield self._event(f"{name}.delta", delta=call.arguments, **place)
        yield self._event(f"{name}.done", arguments=call.arguments, **place) | {"name": call.name}
        done = item | {"arguments": call.arguments, "status": "completed"}
        yield self._item_event("response.output_item.done", done)
        self.output.append(done)

    def _message(self, status: str, content: list[JsonObject]) -> JsonObject:
        return {
            "type": "message",
            "id": self.message_id,
            "role": "assistant",
            "status": status,
            "content": content,
        }

    def _part(self, text: str) -> JsonObject:
        return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}

    def _item_event(self, name: str, item: JsonObject) -> JsonObject:
        return self._event(name, output_index=len(self.output), item=item)

    def _part_event(self, name: str, **fields: object) -> JsonObject:
        place = {"item_id": self.message_id, "output_index": len(self.output), "content_index": 0}
        return self._event(name, **place, **fields)

    def _event(self, name: str, **fields: object) -> JsonObject:
        self.sequence += 1
        return {"type": name, "sequence_number": self.sequence, **fields}
