"""`step`: one input, the next state, and what is to be done. No clock, no I/O, no awaiting.

What each server event does stands in ``on_session``, ``on_input``, ``on_response`` and ``on_item``;
what each command does, in ``commands``, ``toolcalls`` and ``handover``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from msgspec.structs import replace

from voxloop._errors import ProtocolError
from voxloop.realtime.events import AgentState, AgentStateEvent, SilenceEvent
from voxloop.realtime.machine import (
    commands,
    dispatch,
    guards,
    handover,
    inputs,
    latency,
    line,
    moments,
    on_hold,
    on_input,
    on_item,
    on_media,
    on_response,
    on_session,
    overdue,
    playback,
    responses,
    toolcalls,
)
from voxloop.realtime.machine.effects import Effect, End, TurnOver
from voxloop.realtime.machine.state import State
from voxloop.realtime.machine.step import Step
from voxloop.wire import realtime as rt

# The value's type is given by the key, which the type of a dict cannot say.
_Handler = Callable[[Step, Any], None]

_EVENTS: Final[dict[type[object], _Handler]] = {
    rt.SessionCreated: on_session.created,
    rt.SessionUpdated: on_session.updated,
    rt.RateLimitsUpdated: on_session.rate_limits,
    rt.ErrorEvent: on_session.error,
    rt.InputAudioBufferSpeechStarted: on_input.speech_started,
    rt.InputAudioBufferSpeechStopped: on_input.speech_stopped,
    rt.InputAudioBufferTimeoutTriggered: on_input.timed_out,
    rt.InputAudioBufferDtmfEventReceived: on_input.key_pressed,
    rt.InputAudioBufferCommitted: on_input.committed,
    rt.InputAudioBufferCleared: on_input.cleared,
    rt.ConversationItemInputAudioTranscriptionDelta: on_input.transcript_delta,
    rt.ConversationItemInputAudioTranscriptionCompleted: on_input.transcript_completed,
    rt.ConversationItemInputAudioTranscriptionFailed: on_input.transcript_failed,
    rt.ConversationItemInputAudioTranscriptionSegment: on_input.segment,
    rt.ConversationItemCreated: on_item.entered,
    rt.ConversationItemAdded: on_item.entered,
    rt.ConversationItemDone: on_item.entered,
    rt.ConversationItemRetrieved: on_item.retrieved,
    rt.ConversationItemDeleted: on_item.deleted,
    rt.ConversationItemTruncated: on_item.truncated,
    rt.ResponseCreated: on_response.created,
    rt.ResponseDone: on_response.done,
    rt.ResponseOutputItemAdded: on_response.item_added,
    rt.ResponseOutputItemDone: on_response.item_done,
    rt.ResponseOutputAudioDelta: on_response.audio_delta,
    rt.ResponseOutputAudioDone: on_response.audio_done,
    rt.ResponseOutputAudioTranscriptDelta: on_response.transcript_delta,
    rt.ResponseOutputAudioTranscriptDone: on_response.transcript_done,
    rt.ResponseOutputTextDelta: on_response.text_delta,
    rt.ResponseOutputTextDone: on_response.text_done,
}
"""Events that change something; all others are seen through `Session.wire_events` only."""


def ignores(event: rt.ServerMessage) -> bool:
    """Whether an event changes nothing, apart from the time that it shows."""
    return type(event) not in _EVENTS and type(event) is not rt.Invalid


def step(state: State, given: inputs.Input) -> tuple[State, tuple[Effect, ...]]:
    """Take one input.

    Args:
        state: The state so far; it is not changed.
        given: A frame, a command, the end of some work, or the time.

    Returns:
        The next state and the effects, in the order in which they are to be carried out.
    """
    if state.link.over:
        return state, ()
    work = Step(state, given.at)
    if type(given) is inputs.Received:
        _received(work, given)
        if work.state is state and not work.effects:
            return state, ()  # it said nothing new; what is due by now, a `Tick` brings up
    else:
        _INPUTS[type(given)](work, given)
    _settle(work)
    return work.state, tuple(work.effects)


def deadline(state: State) -> float | None:
    """The next time at which a `Tick` is wanted, None if none is."""
    if state.link.over:
        return None
    times = [state.sequencer.expected_until, line.deadline(state), _silent_at(state)]
    times.append(overdue.deadline(state))
    calls = state.tools.calls
    for batch in state.tools.batches.values():  # most of the calls are answered
        times += [calls[call_id].deadline for call_id in batch.open]
    if state.link.pending:
        times += [update.deadline for update in state.link.pending if update.handover is not None]
    if state.gates:
        times += [gate.until for gate in state.gates.values()]
    if state.turn.shown == "speaking" and not _sounding(state):
        times.append(state.playback.deadline())
    soonest = None
    for when in times:
        if when is not None and (soonest is None or when < soonest):
            soonest = when
    return soonest


def _received(work: Step, given: inputs.Received) -> None:
    event = given.event
    handler = _EVENTS.get(type(event))
    if handler is not None:
        handler(work, event)
    elif isinstance(event, rt.Invalid):
        work.error(ProtocolError(f"the server sent {event.type!r} in a wrong shape: {event.error}"))


def _sound(work: Step, given: inputs.Sound) -> None:
    on_response.sound(work, given.delta)


def _bad_frame(work: Step, given: inputs.BadFrame) -> None:
    work.error(given.error)


def _tick(work: Step, _given: inputs.Tick) -> None:
    _silence(work)
    dispatch.expire(work)
    on_response.expire(work)
    overdue.expire(work)
    guards.expire(work)
    handover.expire(work)
    line.tick(work)


def _silent_at(state: State) -> float | None:
    limit, since = state.config.silence_timeout, state.turn.quiet_since
    return None if limit is None or since is None else since + limit


def _silence(work: Step) -> None:
    due = _silent_at(work.state)
    if due is not None and work.at >= due:
        seconds = work.at - (work.state.turn.quiet_since or work.at)
        work.update(turn=replace(work.state.turn, quiet_since=None))
        work.emit(SilenceEvent(seconds=seconds, at=work.at))


def _left(work: Step, _given: inputs.Left) -> None:
    on_response.end_all(work, "cancelled", "session_closed")
    work.do(End(None, left=True))


def _start(work: Step, given: inputs.Start) -> None:
    work.update(line=replace(work.state.line, opened_at=given.at, wall=given.wall))
    handover.start(work)


_INPUTS: Final[dict[type[object], _Handler]] = {
    inputs.Sound: _sound,
    inputs.SoundTaken: on_media.taken,
    inputs.MediaAttached: on_media.attached,
    inputs.MediaLeft: on_media.left,
    inputs.MediaCut: on_media.cut,
    inputs.MediaSilent: on_media.silent,
    inputs.BadFrame: _bad_frame,
    inputs.Tick: _tick,
    inputs.Lost: line.lost,
    inputs.Opened: line.opened,
    inputs.Heard: line.heard,
    inputs.Left: _left,
    inputs.Start: _start,
    inputs.AppendAudio: commands.append_audio,
    inputs.CommitAudio: commands.commit_audio,
    inputs.ClearAudio: commands.clear_audio,
    inputs.AddItem: commands.add_item,
    inputs.DeleteItem: commands.delete_item,
    inputs.Respond: commands.respond,
    inputs.Interrupt: commands.interrupt,
    inputs.Played: commands.played,
    inputs.Raw: commands.raw,
    inputs.Tripped: guards.tripped,
    inputs.Passed: on_hold.passed,
    inputs.Judged: guards.judged,
    inputs.Examined: dispatch.examined,
    inputs.ToolFinished: toolcalls.finished,
    inputs.Answer: toolcalls.answered_by_application,
    inputs.Decide: dispatch.decided,
    inputs.AgentReady: handover.agent_ready,
    inputs.ChangeSettings: handover.change_settings,
}


def _settle(work: Step) -> None:
    """What follows from the new state, whatever the input was.

    It comes after every frame, so that what is mostly not the case is not even called.
    """
    for effect in work.effects:
        if type(effect) is End:
            _end(work, effect)
            return
    if work.state.holds:
        on_hold.settle(work)
    if work.state.tools.when_idle:
        toolcalls.speak_when_idle(work)
    if work.state.sequencer.held:
        responses.release(work)
    if work.state.line.standby is not None:
        line.renew(work)  # once nothing is expected any more: sound that goes up settles nothing
    if work.state.playback.fresh_at is not None:
        _note_audio(work, work.state.playback.fresh_at)
    state = work.state
    if state.playback.items:
        ledger = playback.pruned(state.playback, work.at, frozenset(state.turn.responses))
        if ledger is not state.playback:
            work.update(playback=ledger)
    thinking = state.sequencer.busy or bool(state.gates) or (bool(state.holds) and _holding(state))
    calling = bool(state.tools.batches) and state.tools.running
    if not thinking and not calling:
        turns, over = latency.finish(state.latency)
        if over is not None:
            work.update(latency=turns)
            work.do(TurnOver(over))
        if state.turn.word is not None:
            moments.settled(work)
    shown = _state(work.state, work.at, thinking=thinking, calling=calling)
    if shown != state.turn.shown:
        _show(work, shown)


def _end(work: Step, end: End) -> None:
    work.effects.remove(end)
    on_response.end_all(work, "incomplete", "session_failed")
    on_hold.end_all(work)
    work.update(link=replace(work.state.link, over=True))
    _show(work, "closed")
    work.do(end)


def _note_audio(work: Step, fresh_at: float) -> None:
    work.update(
        playback=replace(work.state.playback, fresh_at=None),
        latency=latency.note(work.state.latency, "last_audio", fresh_at),
    )


def _holding(state: State) -> bool:
    """Whether sound waits for the output guardrails."""
    return any(hold.sounds for hold in state.holds.values())


def _state(state: State, at: float, *, thinking: bool, calling: bool) -> AgentState:
    if not state.line.up:
        return "reconnecting"
    if state.turn.speaking:
        return "user_speaking"
    if state.playback.playing(at) or (state.playback.items and _sounding(state)):
        return "speaking"
    if calling:
        return "tool_running"
    return "thinking" if thinking else "listening"


def _sounding(state: State) -> bool:
    """Whether more sound is to come of what is being said, though all that came may be played."""
    running = state.turn.responses
    return any(
        not item.complete and item.response_id in running and item.received_ms > 0
        for item in state.playback.items
    )


def _show(work: Step, state: AgentState) -> None:
    if work.state.turn.shown != state:
        quiet = work.at if state == "listening" else None
        work.update(turn=replace(work.state.turn, shown=state, quiet_since=quiet))
        work.emit(AgentStateEvent(state=state, at=work.at))
