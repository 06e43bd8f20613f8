"""One turn: speech to text, workflow, sentences, speech."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import trio

from voxloop import telemetry
from voxloop._errors import ConfigError, SpeechToTextError, VoxloopError
from voxloop.agents import (
    AgentDone,
    AgentHandoff,
    AgentText,
    AgentTextEnd,
    AgentToolCall,
    AgentToolResult,
    open_nursery,
)
from voxloop.audio import AudioChunk
from voxloop.providers import SpeechToText, TextToSpeech
from voxloop.voice.config import Config
from voxloop.voice.events import HandoffEvent, ToolEvent, TranscriptEvent
from voxloop.voice.metrics import TurnClock
from voxloop.voice.output import Output
from voxloop.voice.speech import Segment, Speaker
from voxloop.voice.splitter import SentenceSplitter, is_speakable
from voxloop.voice.workflow import Workflow, open_items

# Segments of text that wait to be spoken; text is small, and a model that is ahead of the voice
# can already call its tools.
_BUFFERED_SEGMENTS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Engines:
    """What a pipeline runs on."""

    stt: SpeechToText
    tts: TextToSpeech
    workflow: Workflow
    config: Config


class Answer:
    """The stages of one open turn."""

    def __init__(self, engines: Engines, *, output: Output, clock: TurnClock) -> None:
        self._engines = engines
        self._output = output
        self._clock = clock
        self._splitter = SentenceSplitter()

    async def to_speech(self, chunk: AudioChunk) -> bool:
        """Hear `chunk` and answer it; False if there were no words in it.

        Raises:
            SpeechToTextError: Recognition failed; a `VoxloopError` of the engine comes as it is.
            TextToSpeechError: Synthesis failed; likewise.

        **Cancellation:** all stages are cancelled.
        """
        text = await self._transcribe(chunk)
        await self._output.emit(
            TranscriptEvent(text=text, turn_id=self._clock.turn_id, at=time.monotonic())
        )
        if not text:
            return False
        await self.to_text(self._engines.workflow.run, text)
        return True

    async def to_text(self, function: Callable[..., object], *arguments: object) -> None:
        """Speak what a workflow function gives.

        Raises:
            TextToSpeechError: Synthesis failed.

        **Cancellation:** all stages are cancelled.
        """
        send, segments = trio.open_memory_channel[Segment](_BUFFERED_SEGMENTS)
        config = self._engines.config
        speaker = Speaker(
            self._engines.tts,
            settings=config.tts,
            prefetch=config.prefetch,
            output=self._output,
            clock=self._clock,
        )
        async with open_nursery() as nursery:
            nursery.start_soon(self._work, send, function, arguments)
            await speaker.speak(segments)

    async def _transcribe(self, chunk: AudioChunk) -> str:
        settings = self._engines.config.stt
        metadata = {"turn_id": self._clock.turn_id, "model": settings.model}
        begun = time.monotonic()
        telemetry.emit("voice.stt.start", {"audio_ms": chunk.duration * 1000}, metadata)
        try:
            transcript = await self._engines.stt.transcribe(chunk, settings)
        except VoxloopError:
            raise
        except Exception as error:
            name = type(error).__name__
            raise SpeechToTextError(f"speech recognition failed: {name}") from error
        text = transcript.text.strip()
        self._clock.mark("transcript")
        measured = {
            "duration_ms": (time.monotonic() - begun) * 1000,
            "audio_ms": chunk.duration * 1000,
            "chars": len(text),
        }
        telemetry.emit("voice.stt.complete", measured, metadata)
        return text

    async def _work(
        self,
        segments: trio.MemorySendChannel[Segment],
        function: Callable[..., object],
        arguments: tuple[object, ...],
    ) -> None:
        agent = getattr(self._engines.workflow, "agent", None)
        voice: str | None = getattr(agent, "voice", None)

        async def say(ready: list[str]) -> None:
            for text in ready:
                if is_speakable(text):
                    await segments.send(Segment(text, voice))

        async with segments, open_items(function, *arguments) as items:
            async for item in items:
                match item:
                    case str() as delta:
                        await say(self._take(delta))
                    case AgentText(delta=delta):
                        await say(self._take(delta))
                    case AgentTextEnd() | AgentDone():
                        await say(self._flush())
                    case AgentToolCall() | AgentToolResult():
                        await say(self._flush())
                        await self._report_tool(item)
                    case AgentHandoff():
                        await say(self._flush())
                        voice = item.voice
                        await self._report_handoff(item)
                    case _:
                        raise ConfigError(
                            f"a workflow gave {type(item).__name__}; give text or agent events"
                        )
            await say(self._flush())

    def _take(self, delta: str) -> list[str]:
        if delta:
            self._clock.mark("first_text")
        return self._splitter.push(delta)

    def _flush(self) -> list[str]:
        """What is left of a message, set apart from the next one."""
        return [t if t[-1].isspace() else t + " " for t in self._splitter.flush()]

    async def _report_tool(self, event: AgentToolCall | AgentToolResult) -> None:
        turn_id, now = self._clock.turn_id, time.monotonic()
        if isinstance(event, AgentToolCall):
            told = ToolEvent(
                kind="call",
                name=event.name,
                call_id=event.call_id,
                arguments=event.arguments,
                turn_id=turn_id,
                at=now,
            )
        else:
            told = ToolEvent(
                kind="result",
                name=event.name,
                call_id=event.call_id,
                output=event.output,
                status=event.status,
                duration=event.duration,
                turn_id=turn_id,
                at=now,
            )
        await self._output.emit(told)

    async def _report_handoff(self, event: AgentHandoff) -> None:
        await self._output.emit(
            HandoffEvent(
                from_agent=event.from_agent,
                to_agent=event.to_agent,
                turn_id=self._clock.turn_id,
                at=time.monotonic(),
            )
        )
