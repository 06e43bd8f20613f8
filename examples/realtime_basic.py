"""A realtime session: one spoken question, one spoken answer."""

from __future__ import annotations

import trio
from _offline import arguments, provider, spoken

from voxloop import Agent, audio, realtime, tool


@tool
async def get_time(city: str) -> str:
    """Current time in a city.

    Args:
        city: City name.
    """
    return f"It is half past nine in {city}."


async def main(*, live: bool, out: str) -> None:
    """Ask, print what is said, save the answer."""
    agent = Agent(
        name="Assistant",
        instructions="You are a helpful voice assistant. Answer in one sentence.",
        tools=[get_time],
    )
    config = realtime.RunConfig(
        model_settings=realtime.SessionModelSettings(
            voice="alloy",
            turn_detection=realtime.TurnDetection(type="semantic_vad", eagerness="medium"),
        )
    )
    heard: list[audio.AudioChunk] = []
    async with realtime.open_session(agent, config=config, provider=provider(live=live)) as session:
        await session.send_audio(await spoken("What time is it in London?"))
        await session.commit_audio()
        async for event in session:
            match event:
                case realtime.AudioEvent(audio=chunk):
                    heard.append(chunk)
                case realtime.AgentStateEvent(state=state):
                    print(f"[{state}]")
                case realtime.TranscriptEvent(role=role, final=True, text=text):
                    print(f"{role}: {text}")
                case realtime.ErrorEvent(error=error):
                    print(f"error {error.code}: {error}")
                case realtime.AgentEndEvent() if heard:
                    break
    audio.write_wav(out, audio.concat(heard))
    print(f"saved {out}")


if __name__ == "__main__":
    given = arguments(__doc__)
    trio.run(lambda: main(live=given.live, out=given.out))
