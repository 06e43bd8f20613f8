"""The same conversation by voxloop; prints what its user saw as JSON.

Usage: voxloop_realtime.py URL KEY QUESTION [QUESTION ...]
"""

from __future__ import annotations

import json
import sys

import trio

from voxloop import Agent, OpenAI, realtime, tool


@tool
def get_weather(location: str) -> str:
    """Current weather for a place.

    Args:
        location: City name.
    """
    return f"It is sunny in {location}."


async def converse(url: str, key: str, questions: list[str]) -> dict[str, object]:
    """Ask one question after the other, each when the answer to the one before was over."""
    tech = Agent(
        name="TechSupport",
        instructions="Solve technical problems.",
        handoff_description="Solves technical problems with devices and software.",
    )
    agent = Agent(
        name="Greeter",
        instructions="Answer in one sentence.",
        tools=[get_weather],
        handoffs=[tech],
    )
    seen: dict[str, list[object]] = {
        "errors": [], "tools": [], "handoffs": [], "audio_ms": [], "said": []
    }  # fmt: skip
    base = url.split("/realtime")[0].replace("ws", "http", 1)
    provider = OpenAI(api_key=key, base_url=base)
    async with realtime.open_session(agent, provider=provider) as session:
        for question in questions:
            await session.send_message(question)
            seen["audio_ms"].append(await _answer(session, seen) // 48)
    return dict(seen)


async def _answer(session: realtime.Session, seen: dict[str, list[object]]) -> int:
    sound = 0
    async for event in session:
        match event:
            case realtime.AudioEvent(audio=chunk):
                sound += chunk.nbytes
            case realtime.ToolResultEvent(name=name, output=output) if name == "get_weather":
                seen["tools"].append([name, output])
            case realtime.HandoffEvent(from_agent=before, to_agent=after):
                seen["handoffs"].append([before, after])
            case realtime.ErrorEvent(error=error):
                seen["errors"].append(str(error))
            case realtime.TranscriptEvent(role="assistant", final=True, text=text):
                seen["said"].append(text)
            case realtime.AgentEndEvent() if sound:
                return sound
    return sound


async def main() -> None:
    """Converse within a minute."""
    url, key, *questions = sys.argv[1:]
    with trio.fail_after(60):
        print(json.dumps(await converse(url, key, questions)))


if __name__ == "__main__":
    trio.run(main)
