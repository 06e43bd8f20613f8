"""Handoffs in a realtime session: a greeter passes the caller on to a specialist."""

from __future__ import annotations

import trio
from _offline import arguments, provider, spoken

from voxloop import Agent, audio, realtime

tech_support = Agent(
    name="TechSupport",
    instructions="Provide technical assistance.",
    handoff_description="Solves technical problems with devices and software.",
)
sales = Agent(
    name="Sales",
    instructions="Handle sales inquiries.",
    handoff_description="Answers questions about prices and orders.",
)
greeter = (
    Agent(name="Greeter", instructions="Welcome users and route to the appropriate specialist.")
    .add_handoff(tech_support, condition="Technical issues")
    .add_handoff(sales, condition="Sales questions")
)


async def main(*, live: bool, out: str) -> None:
    """Ask something that is not for the greeter."""
    heard: list[audio.AudioChunk] = []
    async with realtime.open_session(greeter, provider=provider(live=live)) as session:
        await session.send_audio(await spoken("I have a technical problem with my computer."))
        await session.commit_audio()
        async for event in session:
            match event:
                case realtime.HandoffEvent(from_agent=before, to_agent=after):
                    print(f"{before} hands over to {after}")
                case realtime.TranscriptEvent(role=role, final=True, text=text):
                    print(f"{role}: {text}")
                case realtime.AudioEvent(audio=chunk):
                    heard.append(chunk)
                case realtime.AgentEndEvent(agent=name) if heard and name == "TechSupport":
                    break
        print(f"now answers: {session.current_agent.name}")
    audio.write_wav(out, audio.concat(heard))


if __name__ == "__main__":
    given = arguments(__doc__)
    trio.run(lambda: main(live=given.live, out=given.out))
