"""Server events about the user's audio: speech, turns, transcripts."""

from __future__ import annotations

from collections.abc import Sequence

from voxloop._errors import SpeechToTextError
from voxloop.realtime.events import (
    DtmfEvent,
    SpeechEvent,
    SpeechKind,
    TranscriptEvent,
    TranscriptSegmentEvent,
)
from voxloop.realtime.machine import dispatch, guards, history, latency, responses, ring, sequencer
from voxloop.realtime.machine.parts import replace
from voxloop.realtime.machine.step import Step
from voxloop.realtime.telephone import FORMATS
from voxloop.realtime.usage import of_transcription
from voxloop.wire import realtime as rt


def speech_started(step: Step, event: rt.InputAudioBufferSpeechStarted) -> None:
    """The user speaks, perhaps into the answer."""
    step.update(
        turn=replace(step.state.turn, speaking=True),
        input=replace(step.state.input, ended_by_server=False),
    )
    _speech(step, "started", event.audio_start_ms, event.item_id)
    responses.barge_in(step)
    if step.state.config.barge_in:
        dispatch.interrupted(step)


def speech_stopped(step: Step, event: rt.InputAudioBufferSpeechStopped) -> None:
    """The user has stopped; the commit follows."""
    step.update(
        turn=replace(step.state.turn, speaking=False),
        input=replace(step.state.input, stopped_item=event.item_id, stopped_ms=event.audio_end_ms),
    )
    responses.begin_turn(step, "speech_stopped")
    if step.state.link.answers:  # from here on a request of ours could meet the server's own
        step.update(sequencer=sequencer.expect(step.state.sequencer, step.at))
    _speech(step, "stopped", event.audio_end_ms, event.item_id)


def timed_out(step: Step, event: rt.InputAudioBufferTimeoutTriggered) -> None:
    """The user said nothing for the idle time; a commit and a response of the server follow."""
    step.update(
        input=replace(step.state.input, stopped_item=event.item_id, stopped_ms=event.audio_end_ms)
    )
    _speech(step, "idle", event.audio_end_ms, event.item_id, event.audio_start_ms)


def committed(step: Step, event: rt.InputAudioBufferCommitted) -> None:
    """The buffer became a message: by the server at the end of a turn, or by our commit."""
    buffer = step.state.input
    step.update(turn=replace(step.state.turn, speaking=False))
    responses.begin_turn(step, "committed")
    by_server = not buffer.commits or (
        buffer.stopped_item is not None and buffer.stopped_item == event.item_id
    )
    if by_server:
        per_ms = FORMATS[step.state.settings.input_format].bytes_per_ms
        until = None if buffer.stopped_ms is None else buffer.stopped_ms * per_ms
        step.update(
            input=replace(buffer, ended_by_server=True, stopped_item=None, stopped_ms=None),
            ring=ring.taken(step.state.ring, event.item_id, until),
        )
        if guards.gated(step.state) and step.state.settings.server_answers:
            guards.hold(step, event.item_id)
        elif step.state.link.answers:
            step.update(sequencer=sequencer.expect(step.state.sequencer, step.at))
        return
    wanted, *rest = buffer.commits
    step.update(
        input=replace(buffer, commits=tuple(rest)),
        ring=ring.confirmed(step.state.ring, event.item_id),
    )
    # What follows a turn that the server has ended and answered is only the silence after it.
    if wanted or (wanted is None and not buffer.ended_by_server):
        guards.ask(step, event.item_id)


def cleared(step: Step, _event: rt.InputAudioBufferCleared) -> None:
    """The buffer is empty."""
    step.update(turn=replace(step.state.turn, speaking=False))


def transcript_delta(step: Step, event: rt.ConversationItemInputAudioTranscriptionDelta) -> None:
    """More of what the user said."""
    key = (event.item_id, event.content_index or 0)
    step.history(history.draft(step.state.history, key, event.delta), None, "updated")
    _said(step, event.item_id, event.delta, logprobs=event.logprobs)


def transcript_completed(
    step: Step, event: rt.ConversationItemInputAudioTranscriptionCompleted
) -> None:
    """All of what the user said."""
    step.update(
        usage=step.state.usage + of_transcription(event.usage),
        latency=latency.note(step.state.latency, "transcript", step.at),
        ring=ring.known(step.state.ring, event.item_id),
    )
    step.history(*history.transcribed(step.state.history, event.item_id, event.transcript))
    codes = (entry.get("code") for entry in event.languages or ())
    _said(
        step,
        event.item_id,
        "",
        event.transcript,
        logprobs=event.logprobs,
        languages=tuple(code for code in codes if isinstance(code, str)),
    )
    guards.look(step, event.item_id, event.transcript)


def transcript_failed(step: Step, event: rt.ConversationItemInputAudioTranscriptionFailed) -> None:
    """What the user said is not known in words; the model heard it all the same."""
    reason = event.error.message or event.error.code or "no reason given"
    step.error(SpeechToTextError(f"the user's speech was not transcribed: {reason}"))
    step.history(*history.set_status(step.state.history, event.item_id, "incomplete"), "updated")
    guards.unknown(step, event.item_id)


def segment(step: Step, event: rt.ConversationItemInputAudioTranscriptionSegment) -> None:
    """What one of several speakers said."""
    step.emit(
        TranscriptSegmentEvent(
            item_id=event.item_id,
            segment_id=event.id,
            speaker=event.speaker,
            text=event.text,
            start=event.start,
            end=event.end,
            at=step.at,
        )
    )


def _said(
    step: Step,
    item_id: str,
    delta: str,
    text: str | None = None,
    *,
    logprobs: Sequence[rt.LogProb] | None = None,
    languages: tuple[str, ...] = (),
) -> None:
    step.emit(
        TranscriptEvent(
            role="user",
            delta=delta,
            item_id=item_id,
            final=text is not None,
            text=text,
            logprobs=tuple(logprobs or ()),
            languages=languages,
            at=step.at,
        )
    )


def _speech(
    step: Step, kind: SpeechKind, audio_ms: int, item_id: str, start_ms: int | None = None
) -> None:
    step.emit(
        SpeechEvent(kind=kind, audio_ms=audio_ms, item_id=item_id, start_ms=start_ms, at=step.at)
    )


def key_pressed(step: Step, event: rt.InputAudioBufferDtmfEventReceived) -> None:
    """The caller pressed a key."""
    step.emit(DtmfEvent(key=event.event, received_at=event.received_at, at=step.at))
