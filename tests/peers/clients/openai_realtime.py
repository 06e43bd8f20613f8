"""The same conversation by the `openai` package alone; prints what its user saw as JSON.

Usage: openai_realtime.py URL KEY QUESTION [QUESTION ...]
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys

import openai

WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "Current weather for a place.",
    "parameters": {
        "type": "object",
        "properties": {"location": {"type": "string", "description": "City name."}},
        "required": ["location"],
    },
}
HANDOFF = {
    "type": "function",
    "name": "transfer_to_techsupport",
    "description": "Hand over to TechSupport. Solves technical problems with devices and software.",
    "parameters": {"type": "object", "properties": {}, "required": []},
}


def message(question: str) -> dict[str, object]:
    """A user message."""
    part = {"type": "input_text", "text": question}
    return {"type": "message", "role": "user", "content": [part]}


async def converse(url: str, key: str, questions: list[str]) -> dict[str, object]:
    """Ask one question after the other, and answer the calls by hand."""
    seen: dict[str, list[object]] = {
        "errors": [], "tools": [], "handoffs": [], "audio_ms": [], "said": []
    }  # fmt: skip
    base = url.split("/realtime")[0].replace("ws", "http", 1)
    async with (
        openai.AsyncOpenAI(api_key=key, base_url=base, max_retries=0) as client,
        client.realtime.connect(model="gpt-realtime") as connection,
    ):
        tools = [WEATHER, HANDOFF]
        await connection.session.update(session={"type": "realtime", "tools": tools})  # type: ignore[typeddict-item]
        for question in questions:
            await connection.conversation.item.create(item=message(question))  # type: ignore[arg-type]
            await connection.response.create()
            seen["audio_ms"].append(await _answer(connection, seen) // 48)
    return dict(seen)


async def _answer(connection: object, seen: dict[str, list[object]]) -> int:
    sound = 0
    async for event in connection:  # type: ignore[attr-defined]
        match event.type:
            case "error":
                seen["errors"].append(event.error.message)
            case "response.output_audio.delta":
                sound += len(base64.b64decode(event.delta))
            case "response.output_audio_transcript.done":
                seen["said"].append(event.transcript)
            case "response.done":
                calls = [item for item in event.response.output if item.type == "function_call"]
                if not calls:
                    return sound
                await _reply(connection, calls[0], seen)
    return sound


async def _reply(connection: object, call: object, seen: dict[str, list[object]]) -> None:
    name, call_id = call.name, call.call_id  # type: ignore[attr-defined]
    if name == "get_weather":
        place = json.loads(call.arguments)["location"]  # type: ignore[attr-defined]
        output = f"It is sunny in {place}."
        seen["tools"].append([name, output])
    else:
        output = json.dumps({"assistant": "TechSupport"})
        seen["handoffs"].append(["Greeter", "TechSupport"])
    item = {"type": "function_call_output", "call_id": call_id, "output": output}
    await connection.conversation.item.create(item=item)  # type: ignore[attr-defined]
    await connection.response.create()  # type: ignore[attr-defined]


if __name__ == "__main__":
    url, key, *questions = sys.argv[1:]
    print(json.dumps(asyncio.run(asyncio.wait_for(converse(url, key, questions), 60))))
