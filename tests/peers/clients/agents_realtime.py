"""One conversation by `openai-agents`' realtime session; prints what its user saw as JSON.

Usage: agents_realtime.py URL KEY QUESTION [QUESTION ...]
"""

from __future__ import annotations

import asyncio
import json
import sys

from agents import function_tool
from agents.realtime import RealtimeAgent, RealtimeRunner, realtime_handoff


@function_tool
def get_weather(location: str) -> str:
    """Current weather for a place.

    Args:
        location: City name.
    """
    return f"It is sunny in {location}."


async def converse(url: str, key: str, questions: list[str]) -> dict[str, object]:
    """Ask one question after the other, each when the answer to the one before was over."""
    tech = RealtimeAgent(
        name="TechSupport",
        instructions="Solve technical problems.",
        handoff_description="Solves technical problems with devices and software.",
    )
    agent = RealtimeAgent(
        name="Greeter",
        instructions="Answer in one sentence.",
        tools=[get_weather],
        handoffs=[realtime_handoff(tech)],
    )
    seen: dict[str, object] = {"errors": [], "tools": [], "handoffs": [], "audio_ms": []}
    session = await RealtimeRunner(agent).run(
        model_config={
            "url": url,
            "api_key": key,
            "initial_model_settings": {"model_name": "gpt-realtime"},
        }
    )
    async with session:
        for question in questions:
            await session.send_message(question)
            seen["audio_ms"].append(await _answer(session, seen) // 48)  # type: ignore[attr-defined]
        seen["said"] = _said(session._history)
    return seen


async def _answer(session: object, seen: dict[str, object]) -> int:
    sound = 0
    async for event in session:  # type: ignore[attr-defined]
        match event.type:
            case "audio":
                sound += len(event.audio.data)
            case "tool_end":
                seen["tools"].append([event.tool.name, event.output])  # type: ignore[attr-defined]
            case "handoff":
                pair = [event.from_agent.name, event.to_agent.name]
                seen["handoffs"].append(pair)  # type: ignore[attr-defined]
            case "error":
                seen["errors"].append(str(event.error))  # type: ignore[attr-defined]
            case "agent_end" if sound:
                return sound
    return sound


def _said(history: list[object]) -> list[str]:
    return [
        part.transcript or ""
        for item in history
        if getattr(item, "role", None) == "assistant"
        for part in item.content  # type: ignore[attr-defined]
        if part.type == "audio"
    ]


if __name__ == "__main__":
    url, key, *questions = sys.argv[1:]
    print(json.dumps(asyncio.run(asyncio.wait_for(converse(url, key, questions), 60))))
