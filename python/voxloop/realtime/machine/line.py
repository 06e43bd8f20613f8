"""The connection: lost, made again, or changed before the server ends it."""

from __future__ import annotations

from voxloop._errors import ConnectionClosed, VoxloopError
from voxloop.realtime.events import ReconnectedEvent, ReconnectingEvent
from voxloop.realtime.machine import (
    commands,
    handover,
    history,
    inputs,
    on_response,
    responses,
    restore,
    ring,
    toolcalls,
)
from voxloop.realtime.machine.effects import Dial, End, HangUp, Switch
from voxloop.realtime.machine.parts import replace
from voxloop.realtime.machine.sequencer import Sequencer
from voxloop.realtime.machine.state import State
from voxloop.realtime.machine.step import Step
from voxloop.realtime.reconnect import call_ended, recoverable
from voxloop.realtime.telephone import FORMATS


def deadline(state: State) -> float | None:
    """When `tick` has something to do, None if that is not known."""
    line = state.line
    if not line.up:
        return line.retry_at
    return line.renew_at if line.coming is None else None


def lost(step: Step, given: inputs.Lost) -> None:
    """A connection ended or could not be made."""
    line = step.state.line
    if given.epoch is not None and given.epoch == line.coming:
        _not_made(step, given.error)
    elif line.up and given.epoch in (None, line.epoch):
        down(step, given.error)


def down(step: Step, error: VoxloopError | None) -> None:
    """The connection in use ended."""
    state = step.state
    if state.link.attached and call_ended(error):
        _over(step, None)
        return
    if not recoverable(error) or not state.reconnect.enabled or state.link.attached:
        _over(step, error)
        return
    held = step.at - state.line.opened_at >= state.reconnect.stable_after
    line = replace(
        state.line,
        up=False,
        lost_at=step.at,
        renew_at=None,
        attempt=0 if held else state.line.attempt,
        quick=0 if held else state.line.quick + 1,
        since=step.at if held or state.line.since is None else state.line.since,
    )
    if line.quick >= state.reconnect.quick_failures:
        _over(step, error)
        return
    _cut_off(step)
    step.update(line=line)
    step.do(HangUp(line.epoch))
    if line.coming is None:
        _again(step, error)
        return
    _tell(step, line.attempt + 1, 0.0, error)
    if line.standby != "dialing":
        _switch(step, planned=False)


def opened(step: Step, given: inputs.Opened) -> None:
    """A connection that was asked for stands."""
    line = step.state.line
    if given.epoch != line.coming:
        step.do(HangUp(given.epoch))
        return
    step.update(line=replace(line, standby="open", wall=given.wall))
    if not line.up:
        _switch(step, planned=False)


def heard(step: Step, given: inputs.Heard) -> None:
    """The server speaks on the connection that is to follow."""
    line = step.state.line
    if given.epoch == line.coming and line.standby == "open":
        step.update(line=replace(line, standby="ready"))


def tick(step: Step) -> None:
    """Make the attempt that is due, or a connection to follow one that will end."""
    line = step.state.line
    if line.coming is not None:
        return
    due = line.renew_at if line.up else line.retry_at
    if due is not None and step.at >= due:
        _dial(step)


def expires(step: Step, expires_at: int | None) -> None:
    """The server has said when it will end the session, in Unix seconds."""
    line, policy = step.state.line, step.state.reconnect
    if expires_at is None or line.wall is None or not policy.enabled or step.state.link.attached:
        return
    left = expires_at - (line.wall + step.at - line.opened_at)
    if left > 0.0:  # else one of the two clocks is wrong
        step.update(
            line=replace(line, renew_at=step.at + left - min(policy.renew_before, left / 2))
        )


def renew(step: Step) -> None:
    """Change to the connection that stands ready, if nothing is going on."""
    state = step.state
    if state.line.standby != "ready":
        return
    quiet = (
        not state.sequencer.busy
        and not state.tools.running
        and not state.turn.speaking
        and not state.turn.responses
        and not state.input.commits
        and state.input.stopped_item is None
        and not state.link.pending
    )
    if state.line.up and quiet:
        _cut_off(step)
        step.do(HangUp(state.line.epoch))
        _switch(step, planned=True)


def _dial(step: Step) -> None:
    line = step.state.line
    newest = line.newest + 1
    attempt = line.attempt if line.up else line.attempt + 1
    step.update(
        line=replace(
            line, newest=newest, coming=newest, standby="dialing", retry_at=None, attempt=attempt
        )
    )
    step.do(Dial(newest))


def _not_made(step: Step, error: VoxloopError | None) -> None:
    line, policy = step.state.line, step.state.reconnect
    line = replace(line, coming=None, standby=None)
    step.do(HangUp(step.state.line.coming or 0))
    if line.up:  # the session goes on; if all fails it is made again when it is lost
        later = step.at + policy.max_delay if recoverable(error) else None
        step.update(line=replace(line, renew_at=later))
        return
    step.update(line=line)
    if error is None:  # closed with 1000 before it was used
        error = ConnectionClosed("the server closes new connections at once", close_code=1000)
        _over(step, error)
    elif recoverable(error):
        _again(step, error)
    else:
        _over(step, error)


def _again(step: Step, error: VoxloopError | None) -> None:
    line, policy = step.state.line, step.state.reconnect
    attempt = line.attempt + 1
    delay = policy.delay(attempt, error, f"{step.state.prefix}:{line.newest}:{attempt}")
    since = step.at if line.since is None else line.since
    if attempt > policy.max_attempts or step.at + delay - since > policy.give_up_after:
        _over(step, error)
        return
    step.update(line=replace(line, retry_at=step.at + delay, since=since))
    _tell(step, attempt, delay, error)


def _tell(step: Step, attempt: int, delay: float, error: VoxloopError | None) -> None:
    if error is not None:
        step.emit(ReconnectingEvent(attempt=attempt, delay=delay, cause=error, at=step.at))


def _over(step: Step, error: VoxloopError | None) -> None:
    reason = "connection_closed" if error is None else "connection_lost"
    on_response.end_all(step, "incomplete", reason)
    _settle_history(step)
    step.do(End(error))


def _cut_off(step: Step) -> None:
    """Settle what the connection in use has left open."""
    owed = _owed(step.state)
    state = step.state.sequencer
    waiting = state.waiting
    if state.sent is not None and not state.cancel_on_start:
        waiting = (replace(state.sent, attempts=0), *waiting)
    elif owed and state.answered is not None:
        waiting = (replace(state.answered, attempts=0), *waiting)
    tracks = tuple(step.state.turn.responses)
    on_response.end_all(step, "incomplete", "connection_lost")
    step.update(
        sequencer=Sequencer(waiting=waiting),
        turn=replace(step.state.turn, speaking=False, outside={}),
        input=replace(step.state.input, stopped_item=None, stopped_ms=None),
    )
    if owed and not waiting:
        responses.request(step)
    for response_id in tracks:
        toolcalls.response_over(step, response_id)
    _settle_history(step)
    handover.adopt(step)
    for item_id in step.state.backlog.deletes:
        commands.forget_item(step, item_id)
    step.update(backlog=replace(step.state.backlog, deletes=()))


def _owed(state: State) -> bool:
    """Whether a turn of the user has had no answer at all, or none is known to be coming."""
    sequencer = state.sequencer
    if sequencer.expected_until is not None:
        return state.input.stopped_item is None  # else the turn itself will be taken anew
    track = state.turn.responses.get(sequencer.active or "")
    return (
        track is not None
        and not sequencer.cancelling
        and track.first_text_at is None
        and track.first_audio_at is None
        and track.response_id not in state.turn.muted
        and track.response_id not in state.tools.batches
    )


def _settle_history(step: Step) -> None:
    for item in step.state.history.current():
        if item.status == "in_progress" and item.role == "assistant":
            changed = history.set_status(step.state.history, item.id, "incomplete")
            step.history(*changed, "updated")


def _switch(step: Step, *, planned: bool) -> None:
    """Use the connection that stands, and tell it everything."""
    line = step.state.line
    epoch = line.coming or line.epoch
    downtime = 0.0 if line.lost_at is None else step.at - line.lost_at
    step.do(Switch(epoch))
    step.update(
        line=replace(
            line,
            epoch=epoch,
            up=True,
            opened_at=step.at,
            coming=None,
            standby=None,
            lost_at=None,
            retry_at=None,
            renew_at=None,
        )
    )
    handover.renew(step)
    told = restore.replay(step.state, step.new_id)
    for event in (*told.items, *told.audio, *step.state.backlog.held):
        step.send(event)
    dropped = step.state.ring.lost
    per_ms = FORMATS[step.state.settings.input_format].bytes_per_ms
    closing = step.state.ring.closing
    kept = tuple(segment for segment in closing if segment.pieces)
    pairs = zip(step.state.input.commits, closing, strict=False)
    step.update(
        link=replace(step.state.link, repeated=told.names, replaced=()),
        backlog=replace(step.state.backlog, held=()),
        ring=ring.again(replace(step.state.ring, closing=kept)),
        input=replace(
            step.state.input,
            uncommitted=step.state.ring.open_bytes,
            commits=tuple(wanted for wanted, segment in pairs if segment.pieces),
        ),
    )
    step.emit(
        ReconnectedEvent(
            downtime=downtime,
            planned=planned,
            replayed_items=len(told.items),
            lost_items=told.lost_items,
            replayed_audio_ms=told.audio_bytes / per_ms,
            dropped_audio_ms=dropped / per_ms,
            dropped_audio_bytes=dropped,
            at=step.at,
        )
    )
