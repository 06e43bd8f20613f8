"""An hour of streamed turns at the pace of the machine: memory, descriptors and threads stay flat.

Scripted engines answer, so what grows is the pipeline's own. The sound that goes in is an hour
long and comes at the pace of the machine. With the policy "interrupt" the user goes on as soon as
an answer begins to be heard, so each turn breaks the answer before it off; besides, every third
answer is broken off by the application. Run it with `make soak-voice`.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import trio

from voxloop import voice
from voxloop.testing import ScriptedProvider, ScriptedTTS, utterance

ANSWER = "This is the first sentence of an answer. And here is the second sentence of it."


@dataclass(frozen=True)
class Sample:
    """What the process held at one time of the simulated hour."""

    minute: float
    rss_kib: int
    files: int
    threads: int


class Recogniser:
    """Hears the same words for ever, and keeps nothing."""

    async def transcribe(self, chunk: object, settings: object) -> object:
        from voxloop.providers import Transcript

        await trio.sleep(0)
        return Transcript(text="tell me more")


class Voice(ScriptedTTS):
    """Keeps no record of what was asked for."""

    def synthesize(self, text: str, settings: object) -> object:  # type: ignore[override]
        self.texts.clear()
        self.settings.clear()
        return super().synthesize(text, settings)  # type: ignore[arg-type]


def sample(minute: float) -> Sample:
    gc.collect()
    status = Path("/proc/self/status").read_text(encoding="ascii")
    rss = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    files = len(os.listdir("/proc/self/fd"))
    return Sample(minute, int(rss.split()[1]), files, threading.active_count())


async def soak(minutes: float, policy: voice.QueuePolicy) -> list[Sample]:
    """Stream so many minutes of speech through one run."""
    clip = utterance(0.6)
    turns = round(minutes * 60 / clip.duration)
    config = voice.Config(queue_policy=policy)
    provider = ScriptedProvider(stt=Recogniser(), tts=Voice(seconds_per_char=0.02))  # type: ignore[arg-type]
    workflow = voice.SimpleWorkflow(_answer)
    stream = voice.StreamedAudioInput()
    samples = [sample(0.0)]
    statuses: dict[str, int] = {}
    said, answered = 0, 0  # turns
    begun = trio.Event()  # the answer to the last turn

    async def feed() -> None:
        nonlocal begun, said
        for turn in range(turns):
            begun, said = trio.Event(), turn + 1
            for first in range(0, clip.frames, 1600):
                await stream.push(clip[first : first + 1600])
            if turn % (turns // 30 or 1) == 0:
                samples.append(sample(turn * clip.duration / 60))
            if policy == "interrupt":
                await begun.wait()
        stream.close()

    pipeline = voice.Pipeline(workflow, provider=provider, config=config)
    async with pipeline, pipeline.run_streamed(stream) as result, trio.open_nursery() as nursery:
        nursery.start_soon(feed)
        async for event in result:
            if isinstance(event, voice.TextEvent) and event.turn_id % 3 == 0:
                result.interrupt()
            if isinstance(event, voice.AudioEvent) and event.turn_id == said:
                answered += not begun.is_set()
                begun.set()
            if isinstance(event, voice.LifecycleEvent) and event.event == "turn_ended":
                if event.turn_id == said:
                    begun.set()
                statuses[str(event.status)] = statuses.get(str(event.status), 0) + 1
    samples.append(sample(minutes))
    print(f"{turns} turns, {policy!r}: {statuses}")
    if policy == "interrupt":
        print(f"{answered} answers had begun to sound when the next turn began")
    return samples


async def _answer(text: str) -> str:
    await trio.sleep(0)
    return ANSWER


def slope(samples: list[Sample]) -> float:
    """KiB a minute by least squares."""
    x = [s.minute for s in samples]
    y = [float(s.rss_kib) for s in samples]
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    over = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True))
    return over / (sum((a - mean_x) ** 2 for a in x) or 1.0)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--most-kib-per-minute", type=float, default=20.0)
    parser.add_argument("--policy", choices=("interrupt", "queue", "latest"), default="interrupt")
    arguments = parser.parse_args()
    began = time.monotonic()
    samples = trio.run(soak, arguments.minutes, arguments.policy)
    for entry in samples[:: max(1, len(samples) // 10)]:
        print(
            f"minute {entry.minute:5.1f}: {entry.rss_kib:8d} KiB, "
            f"{entry.files} descriptors, {entry.threads} threads"
        )
    warm = [entry for entry in samples if entry.minute >= arguments.minutes / 4]
    grown = slope(warm)
    files = {entry.files for entry in warm}
    threads = {entry.threads for entry in warm}
    print(
        f"{arguments.minutes:g} minutes of speech in {time.monotonic() - began:.0f} s; after the "
        f"first quarter: {grown:+.2f} KiB a minute, descriptors {sorted(files)}, threads "
        f"{sorted(threads)}"
    )
    return int(
        grown > arguments.most_kib_per_minute or len(files) > 1 or max(threads) > min(threads) + 1
    )


if __name__ == "__main__":
    sys.exit(main())
