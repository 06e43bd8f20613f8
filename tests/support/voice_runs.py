"""Short ways to drive a voice pipeline over scripted engines."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import trio

from voxloop import audio, voice
from voxloop.testing import ScriptedLLM, ScriptedProvider, ScriptedSTT, ScriptedTTS, utterance

SPEECH = utterance(0.6)


def question() -> voice.AudioInput:
    """Half a second of silence, 0.6 s of a voice, a second of silence."""
    return voice.AudioInput(SPEECH)


def pipeline(
    workflow: object,
    *,
    stt: object = None,
    tts: object = None,
    llm: ScriptedLLM | None = None,
    **config: Any,
) -> voice.Pipeline:
    """A pipeline on scripted engines; the default recogniser hears "hello".

    Speech is pushed faster than it was spoken, so answers are not broken off by it unless asked.
    """
    config.setdefault("queue_policy", "queue")
    provider = ScriptedProvider(
        stt=ScriptedSTT("hello") if stt is None else stt,  # type: ignore[arg-type]
        tts=ScriptedTTS() if tts is None else tts,  # type: ignore[arg-type]
        llm=llm,
    )
    return voice.Pipeline(workflow, provider=provider, config=voice.Config(**config))  # type: ignore[arg-type]


async def events_of(
    line: voice.Pipeline, source: voice.AudioInput | None = None
) -> tuple[list[voice.Event], Exception | None]:
    """All events of one run and what the iteration raised."""
    seen: list[voice.Event] = []
    async with line, line.run(question() if source is None else source) as result:
        try:
            async for event in result:
                seen.append(event)
        except Exception as error:
            return seen, error
    return seen, None


async def events_of_stream(
    line: voice.Pipeline, turns: int, **stream: Any
) -> tuple[list[voice.Event], Exception | None]:
    """All events of a streamed run that hears `turns` utterances."""
    seen: list[voice.Event] = []
    source = voice.StreamedAudioInput(**stream)

    async def feed() -> None:
        for _ in range(turns):
            for first in range(0, SPEECH.frames, 320):
                await source.push(SPEECH[first : first + 320])
        source.close()

    async with line, line.run_streamed(source) as result, trio.open_nursery() as nursery:
        nursery.start_soon(feed)
        try:
            async for event in result:
                seen.append(event)
        except Exception as error:
            nursery.cancel_scope.cancel()
            return seen, error
    return seen, None


class _Countdown(trio.abc.Instrument):
    def __init__(self, scope: trio.CancelScope, steps: int) -> None:
        self.scope = scope
        self.steps = steps

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        self.steps -= 1
        if self.steps == 0:
            self.scope.cancel()


@contextmanager
def cancel_after(scope: trio.CancelScope, *, steps: int) -> Iterator[None]:
    """Cancel `scope` after so many steps of all tasks together."""
    countdown = _Countdown(scope, steps)
    trio.lowlevel.add_instrument(countdown)
    try:
        yield
    finally:
        trio.lowlevel.remove_instrument(countdown)


def outline(events: Iterable[voice.Event]) -> list[str]:
    """Events as words, runs of audio as one."""
    words: list[str] = []
    for event in events:
        match event:
            case voice.LifecycleEvent(event=name, turn_id=turn, status=status):
                word = ":".join(str(x) for x in (name, turn, status) if x is not None)
            case voice.AudioEvent():
                word = "audio"
                if words and words[-1] == word:
                    continue
            case voice.TextEvent(text=text):
                word = f"text {text}"
            case voice.TranscriptEvent(text=text, final=final):
                word = f"heard {text}" if final else f"hearing {text}"
            case voice.ToolEvent(kind=kind, name=name):
                word = f"tool {kind} {name}"
            case voice.HandoffEvent(to_agent=name):
                word = f"handoff {name}"
            case voice.ErrorEvent(error=error):
                word = f"error {type(error).__name__}"
            case voice.MetricsEvent():
                word = "metrics"
            case voice.InterruptedEvent(heard_text=text):
                word = f"interrupted {text}".strip()
            case voice.SpeechStartedEvent() | voice.SpeechStoppedEvent():
                continue  # the user's own time: where they stand among the others varies
        words.append(word)
    return words


def assert_balanced(events: Iterable[voice.Event]) -> None:
    """Turns open and close in pairs; the run ends once, with its last event."""
    life = [event for event in events if isinstance(event, voice.LifecycleEvent)]
    open_turn: int | None = None
    for event in life[:-1]:
        if event.event == "turn_started":
            assert open_turn is None
            open_turn = event.turn_id
        else:
            assert event.event == "turn_ended"
            assert event.turn_id == open_turn
            open_turn = None
    assert open_turn is None
    assert life[-1].event in ("completed", "failed", "cancelled")


class Talk:
    """A streamed run whose events are gathered while a test speaks, waits and interrupts."""

    def __init__(
        self, result: voice.Result, stream: voice.StreamedAudioInput, patience: float
    ) -> None:
        self.result = result
        self.patience = patience
        self.stream = stream
        self.events: list[voice.Event] = []
        self._news = trio.Event()

    async def read(self) -> None:
        async for event in self.result:
            self.events.append(event)
            self._news.set()
            self._news = trio.Event()

    async def until(self, wanted: Any) -> Any:
        """The first event for which `wanted` is true, or of that type."""
        test = wanted if not isinstance(wanted, type) else lambda e: isinstance(e, wanted)
        with trio.fail_after(self.patience):
            while True:
                for event in self.events:
                    if test(event):
                        return event
                await self._news.wait()

    async def say(self, clip: audio.AudioChunk = SPEECH) -> None:
        for first in range(0, clip.frames, 320):
            await self.stream.push(clip[first : first + 320])

    def of(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    def ended(self, turn: int) -> str | None:
        for event in self.of(voice.LifecycleEvent):
            if event.event == "turn_ended" and event.turn_id == turn:
                return event.status  # type: ignore[no-any-return]
        return None


@asynccontextmanager
async def talk(
    line: voice.Pipeline, *, patience: float = 20, **settings: Any
) -> AsyncIterator[Talk]:
    """Open a talk; at the end the stream is closed and the run read to its end."""
    stream = voice.StreamedAudioInput(**settings)
    async with line, line.run_streamed(stream) as result, trio.open_nursery() as nursery:
        talking = Talk(result, stream, patience)
        nursery.start_soon(talking.read)
        yield talking
        stream.close()
    assert_balanced(talking.events)
