"""A realtime session on microphone and speaker; where there are none, on files."""

from __future__ import annotations

from pathlib import Path

import trio
from _offline import arguments, provider, spoken

from voxloop import Agent, audio, realtime


async def places(out: str) -> tuple[audio.Source, audio.Sink, bool]:
    """Microphone and speaker, or a spoken question and a file; whether it is the latter."""
    try:
        kinds = {device.kind for device in await audio.devices() if not device.monitor}
    except audio.DeviceError as error:
        print(f"no devices: {error}")
        kinds = set()
    if kinds == {"microphone", "speaker"}:
        return audio.Microphone(), audio.Speaker(), False
    question = await spoken("What is the weather like today?")
    pause = audio.silence(question.format, 1.5)
    return audio.WavSource(audio.concat([question, pause])), audio.WavSink(out), True


async def main(*, live: bool, out: str) -> None:
    """Talk until Ctrl-C; on files, until the answer was heard."""
    agent = Agent(name="Assistant", instructions="Answer in one short sentence.")
    source, sink, on_files = await places(out)
    spoke = False
    async with (
        realtime.open_session(agent, provider=provider(live=live)) as session,
        session.attach(source, sink),  # the sound never waits for Python
    ):
        async for event in session:
            match event:
                case realtime.TranscriptEvent(role=role, final=True, text=text):
                    print(f"{role}: {text}")
                case realtime.AudioInterruptedEvent(heard_ms=heard):
                    print(f"interrupted after {heard} ms")
                case realtime.ErrorEvent(error=error):
                    print(f"error {error.code}: {error}")
                case realtime.AgentStateEvent(state="speaking"):
                    spoke = True
                case realtime.AgentStateEvent(state="listening") if spoke and on_files:
                    break
    if on_files:
        print(f"saved {Path(out).name}")


if __name__ == "__main__":
    given = arguments(__doc__)
    trio.run(lambda: main(live=given.live, out=given.out))
