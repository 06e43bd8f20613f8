"""Tools in a realtime session: one with a handler, one that the application answers."""

from __future__ import annotations

import trio
from _offline import arguments, provider, spoken

from voxloop import Agent, Tool, audio, realtime, tool


@tool
async def get_weather(location: str) -> str:
    """Current weather for a location.

    Args:
        location: City name.
    """
    await trio.sleep(0.1)  # a slow tool holds up neither sound nor other tools
    return f"It is sunny and 22 degrees in {location}."


order_status = Tool(
    name="order_status",
    description="Status of an order: whether it has been shipped",
    parameters={
        "type": "object",
        "properties": {"order_number": {"type": "integer", "description": "Number of the order"}},
        "required": ["order_number"],
    },
)


async def ask(session: realtime.Session, question: str) -> list[audio.AudioChunk]:
    """Ask one question, answer the calls that are ours, return the sound of the answer."""
    heard: list[audio.AudioChunk] = []
    await session.send_audio(await spoken(question))
    await session.commit_audio()
    async for event in session:
        match event:
            case realtime.ToolCallEvent(name=name, args=args, call_id=call_id, handled=handled):
                print(f"tool {name}({dict(args)})")
                if not handled:
                    await session.send_tool_result(call_id, {"status": "shipped yesterday"})
            case realtime.ToolResultEvent(name=name, output=output, duration=seconds):
                print(f"     -> {output} ({seconds * 1000:.0f} ms)")
            case realtime.AudioEvent(audio=chunk):
                heard.append(chunk)
            case realtime.TranscriptEvent(role=role, final=True, text=text):
                print(f"{role}: {text}")
            case realtime.AgentEndEvent() if heard:
                break
    return heard


async def main(*, live: bool, out: str) -> None:
    """Two questions, two kinds of tools."""
    agent = Agent(
        name="Clerk",
        instructions="Use the tools, and answer in one sentence.",
        tools=[get_weather, order_status],
    )
    heard: list[audio.AudioChunk] = []
    async with realtime.open_session(agent, provider=provider(live=live)) as session:
        heard += await ask(session, "What is the weather like in Paris?")
        heard += await ask(session, "What is the status of order number forty two?")
    audio.write_wav(out, audio.concat(heard))


if __name__ == "__main__":
    given = arguments(__doc__)
    trio.run(lambda: main(live=given.live, out=given.out))
