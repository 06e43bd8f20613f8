"""The realtime half of the demo: a clip streamed as a microphone would, and the answer."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from itertools import pairwise

import trio

from voxloop import audio, realtime
from voxloop._errors import VoxloopError
from voxloop.agents import Agent
from voxloop.cli._outcome import Latency, Outcome, ToolUse
from voxloop.providers import Provider

FRAME_MS = 20
SILENCE_MS = 500
_NO_SPEECH_AFTER = 1.5  # seconds beyond the clip in which the server may still report speech
_SETTLED_AFTER = 3.0
_ANSWER_WITHIN = 60.0

Progress = Callable[[float, float], None]


async def ask_by_realtime(
    clip: audio.AudioChunk, *, agent: Agent, provider: Provider, progress: Progress
) -> Outcome:
    """Stream `clip` at real time in 20 ms frames and hear the answer to the end.

    Raises:
        VoxloopError: The session failed, or no answer came within a minute.

    **Cancellation:** closes the session.
    """
    settings = realtime.SessionModelSettings(
        turn_detection=realtime.TurnDetection(type="server_vad", silence_duration_ms=SILENCE_MS)
    )
    config = realtime.RunConfig(model_settings=settings)
    async with realtime.open_session(agent, config=config, provider=provider) as session:
        turn = _Turn(agent.name, _ends_of_speech(clip))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_listen, session, turn, nursery.cancel_scope)
            nursery.start_soon(_speak, session, clip, turn, progress, nursery.cancel_scope)
        if turn.failure is not None:
            raise turn.failure
        return turn.outcome()


def _ends_of_speech(clip: audio.AudioChunk) -> list[float]:
    """Seconds into the clip at which words end; a detector of our own minds short pauses too."""
    vad = audio.Vad(sample_rate=clip.sample_rate, silence_ms=100)
    events = vad.process(clip) + vad.flush()
    return [e.frame / clip.sample_rate for e in events if e.kind == "speech_end"]


async def _listen(session: realtime.Session, turn: _Turn, scope: trio.CancelScope) -> None:
    async for event in session:
        turn.take(event)
        if turn.over:
            break
    scope.cancel()


async def _speak(
    session: realtime.Session,
    clip: audio.AudioChunk,
    turn: _Turn,
    progress: Progress,
    scope: trio.CancelScope,
) -> None:
    """Send the clip frame by frame on time, then silence as an open microphone would."""
    frames = _frames(clip)
    quiet = audio.silence(clip.format, FRAME_MS / 1000)
    start = time.monotonic()
    clock = trio.current_time()
    turn.started(start)
    index = 0
    while not turn.over:
        await trio.sleep_until(clock + index * FRAME_MS / 1000)
        await session.send_audio(frames[index] if index < len(frames) else quiet)
        index += 1
        position = index * FRAME_MS / 1000
        if index <= len(frames):
            progress(position, clip.duration)
        else:
            turn.waited(position - clip.duration)
    scope.cancel()


def _frames(clip: audio.AudioChunk) -> list[audio.AudioChunk]:
    """Pieces of 20 ms, of unequal length where the rate does not divide (11,025 Hz, say)."""
    count = math.ceil(clip.duration * 1000 / FRAME_MS)
    edges = [clip.sample_rate * FRAME_MS * index // 1000 for index in range(count + 1)]
    return [clip[start:stop] for start, stop in pairwise(edges)]


class _Turn:
    """Collects what the session tells until the answer to the clip's last words is complete."""

    def __init__(self, agent: str, ends_of_speech: list[float]) -> None:
        self._agent = agent
        self._ends = ends_of_speech
        self._marks: dict[str, float] = {}
        self._heard: list[str] = []
        self._said: list[str] = []
        self._sound: list[audio.AudioChunk] = []
        self._calls: dict[str, realtime.ToolCallEvent] = {}
        self._uses: list[ToolUse] = []
        self._handoffs: list[str] = []
        self._progress = _Progress()
        self.failure: VoxloopError | None = None

    @property
    def over(self) -> bool:
        """Whether there is nothing more to wait for."""
        return self._progress.over

    def started(self, at: float) -> None:
        """The first frame is sent now."""
        self._ends = [at + seconds for seconds in self._ends]

    def waited(self, seconds: float) -> None:
        """So long ago the clip ended."""
        if seconds > _NO_SPEECH_AFTER and not self._progress.spoke:
            self._progress.over = True
        elif seconds > _SETTLED_AFTER and self._progress.answered:
            self._progress.over = True  # the server heard the end of speech elsewhere than we did
        elif seconds > _ANSWER_WITHIN:
            text = f"no answer came within {_ANSWER_WITHIN:.0f} s of the question"
            self.failure = VoxloopError(text, code="no_answer")
            self._progress.over = True

    def take(self, event: realtime.Event) -> None:
        """Note one event."""
        match event:
            case realtime.SpeechEvent(kind="started"):
                self._progress.user_began()
            case realtime.SpeechEvent(kind="stopped", at=at):
                self._turn_ended(at)
            case realtime.TranscriptEvent(role="user", final=True, text=text, at=at):
                self._heard.append(text or "")
                self._marks["transcript"] = at
                if not text:
                    self._progress.nothing_heard()
            case realtime.TranscriptEvent(role="assistant", final=final, text=text, at=at):
                self._marks.setdefault("first_text", at)
                self._progress.said()
                if final:
                    self._said.append(text or "")
            case realtime.AudioEvent(audio=chunk, at=at):
                self._marks.setdefault("first_audio", at)
                self._marks["last_audio"] = at
                self._sound.append(chunk)
            case realtime.ErrorEvent(error=error):
                self.failure = error
                self._progress.over = True
            case _:
                self._take_agent(event)

    def _take_agent(self, event: realtime.Event) -> None:
        match event:
            case realtime.ToolCallEvent(call_id=call_id):
                self._calls[call_id] = event
                self._progress.called()
            case realtime.ToolResultEvent(call_id=call_id, output=output) if call_id in self._calls:
                call = self._calls[call_id]
                use = ToolUse(name=call.name, arguments=dict(call.args), output=output)
                self._uses.append(use)
            case realtime.HandoffEvent(to_agent=to_agent):
                self._handoffs.append(to_agent)
                self._agent = to_agent
                self._progress.called()
            case realtime.AgentStartEvent():
                self._progress.began()
            case realtime.AgentEndEvent(status=status):
                last = not self._ends or self._marks.get("end_of_turn", 0) > self._ends[-1]
                self._progress.ended(whole=status != "cancelled", last=last)
            case _:
                pass

    def _turn_ended(self, at: float) -> None:
        for mark in ("transcript", "first_text", "first_audio", "last_audio"):
            self._marks.pop(mark, None)
        self._marks["end_of_turn"] = at
        # The turn ended some silence after the last word before it.
        self._marks["end_of_speech"] = max((e for e in self._ends if e < at), default=at)
        self._progress.user_ended()

    def outcome(self) -> Outcome:
        """Everything that was collected."""
        return Outcome(
            transcript=" ".join(filter(None, self._heard)),
            agent=self._agent,
            tool_calls=tuple(self._uses),
            handoffs=tuple(self._handoffs),
            answer=" ".join(filter(None, self._said)),
            audio=audio.concat(self._sound),
            latency=Latency(dict(self._marks)),
        )


class _Progress:
    """Whether the answer is complete: no speech going on, nothing more to come from the agent."""

    def __init__(self) -> None:
        self.spoke = False
        self.answered = False
        self.over = False
        self._speaking = False
        self._said = False
        self._calls = 0

    def user_began(self) -> None:
        self.spoke = self._speaking = True
        self.answered = False

    def user_ended(self) -> None:
        self._speaking = False

    def nothing_heard(self) -> None:
        """The recogniser found no words in what the detector took for speech."""
        self.answered = not self._speaking

    def began(self) -> None:
        self._said = self.answered = False
        self._calls = 0

    def said(self) -> None:
        self._said = True

    def called(self) -> None:
        self._calls += 1

    def ended(self, *, whole: bool, last: bool) -> None:
        """A response is over; with a call in it another one follows.

        One without words and calls may have been a handoff, which is only told once the server
        has accepted it: then it takes the time of `_SETTLED_AFTER` to be sure.
        """
        if whole and not self._speaking and self._calls == 0:
            self.answered = True
            self.over = self.over or (last and self._said)
