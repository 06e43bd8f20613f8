"""A stream of turns: a workflow of one's own with a memory, fed while it answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import trio
from _offline import arguments, provider, spoken

from voxloop import audio, voice


class Counter:
    """A workflow is any object with ``run(text)``; what it remembers is its own business."""

    greeting = "Hello, tell me something."

    def __init__(self) -> None:
        self.turns: list[str] = []

    def run(self, text: str) -> Iterator[str]:
        """Answer one turn."""
        self.turns.append(text)
        yield f"That was turn number {len(self.turns)}. "
        if len(self.turns) > 1:
            yield f"Before, you said: {self.turns[-2]}"


async def speak(
    source: voice.StreamedAudioInput,
    lines: Sequence[str],
    answered: trio.MemoryReceiveChannel[None],
) -> None:
    """Say each line in pieces of 100 ms, as a microphone would, and wait for the answer."""
    for line in lines:
        await answered.receive()
        said = await spoken(line)
        pause = audio.AudioChunk(bytes(2 * said.sample_rate), said.format)
        for chunk in (said, pause):
            for first in range(0, chunk.frames, chunk.sample_rate // 10):
                await source.push(chunk[first : first + chunk.sample_rate // 10])
    await answered.receive()
    source.close()


async def main(*, live: bool, out: str) -> None:
    """Two turns after a greeting."""
    heard: list[audio.AudioChunk] = []
    source = voice.StreamedAudioInput(sample_rate=24_000)
    over, answered = trio.open_memory_channel[None](8)
    async with (
        voice.Pipeline(Counter(), provider=provider(live=live)) as pipeline,
        pipeline.run_streamed(source) as result,
        trio.open_nursery() as nursery,
    ):
        lines = ["The weather is fine today.", "My cat likes the window."]
        nursery.start_soon(speak, source, lines, answered)
        async for event in result:
            match event:
                case voice.TranscriptEvent(text=text):
                    print(f"heard: {text}")
                case voice.TextEvent(text=text):
                    print(f"says:  {text}")
                case voice.AudioEvent(data=chunk):
                    heard.append(chunk)
                case voice.LifecycleEvent(event="turn_ended"):
                    await over.send(None)
    audio.write_wav(out, audio.concat(heard))


if __name__ == "__main__":
    given = arguments(__doc__)
    trio.run(lambda: main(live=given.live, out=given.out))
