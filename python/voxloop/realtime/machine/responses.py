"""Asking for responses, and stopping them."""

from __future__ import annotations

import math
from collections.abc import Mapping

import msgspec

from voxloop.realtime.events import AudioInterruptedEvent, InterruptionCause
from voxloop.realtime.machine import amend, history, holdback, latency, sequencer
from voxloop.realtime.machine.effects import TurnOver
from voxloop.realtime.machine.parts import replace
from voxloop.realtime.machine.playback import PlayItem, Position
from voxloop.realtime.machine.step import Step
from voxloop.wire import realtime as rt

TAG = "voxloop_request"
"""Metadata key by which a response outside the conversation is known again."""
KEPT_BESIDE = 64
"""Requests outside the conversation whose settings are remembered for the calls they lead to."""
KEPT_MUTED = 64
"""Ids of stopped responses that are remembered, for events that come late."""


def begin_turn(step: Step, mark: latency.Mark) -> None:
    """Start the clock of a turn; one whose answer has begun is closed before."""
    if step.state.agent.hops:
        step.update(agent=replace(step.state.agent, hops=0))
    ledger, over = latency.finish(step.state.latency)
    if over is not None:
        step.do(TurnOver(over))
    step.update(latency=latency.begin(ledger, mark, step.at))


def request(step: Step, params: rt.ResponseParams | None = None) -> None:
    """Ask for a response when the conversation is free; one with settings stands alone."""
    event = rt.ResponseCreate(event_id=step.new_id("create"), response=params)
    _ask(step, event, manual=params is not None)


def request_raw(step: Step, event: Mapping[str, object]) -> None:
    """Ask with an event of the application's own making."""
    _ask(step, {"event_id": step.new_id("create"), **event}, manual=True)


def _ask(step: Step, event: rt.ResponseCreate | dict[str, object], *, manual: bool) -> None:
    wish = sequencer.Request(event=event, manual=manual, asked_at=step.at)
    step.update(sequencer=sequencer.ask(step.state.sequencer, wish))


def request_outside(step: Step, params: rt.ResponseParams) -> None:
    """Ask at once for a response that is no part of the conversation."""
    event_id = step.new_id("create")
    tagged = msgspec.structs.replace(params, metadata={**(params.metadata or {}), TAG: event_id})
    step.send_later(rt.ResponseCreate(event_id=event_id, response=tagged))
    note_outside(step, event_id)
    turn = step.state.turn
    kept = dict(list(turn.beside.items())[-KEPT_BESIDE:])
    step.update(turn=replace(turn, beside={**kept, event_id: params}))


def note_outside(step: Step, event_id: str) -> None:
    """Expect a response outside the conversation."""
    turn = step.state.turn
    step.update(turn=replace(turn, outside={**turn.outside, event_id: step.at}))


def release(step: Step) -> None:
    """Send the next request if the conversation is free and there is a connection."""
    if not step.state.line.up:
        return
    state, wish = sequencer.release(step.state.sequencer, step.at)
    if state is not step.state.sequencer:
        step.update(sequencer=state)
    if wish is not None:
        step.send(wish.event)


def interrupt(step: Step) -> None:
    """Stop the answer: mute it, cut the conversation to what was heard, cancel the response."""
    cut_playback(step, "application")
    cancel(step)


def barge_in(step: Step) -> None:
    """The user speaks: the same, but the server cancels by itself unless it was told not to."""
    if not step.state.config.barge_in:
        return
    cut_playback(step, "speech")
    if not step.state.link.interrupts:
        cancel(step)


def cancel(step: Step) -> None:
    """Cancel the conversation's response, or the one asked for as soon as it begins."""
    state = step.state.sequencer
    if state.active is not None:
        if not state.cancelling:
            event_id = step.new_id("cancel")
            step.send(rt.ResponseCancel(event_id=event_id, response_id=state.active or None))
            step.update(sequencer=replace(state, cancelling=True, cancel_id=event_id))
    elif state.sent is not None:
        step.update(sequencer=replace(state, cancel_on_start=True))


def stop(step: Step, response_id: str) -> None:
    """Stop one response and what is left to play of it; others go on."""
    holdback.give_up(step, [response_id])
    state = step.state
    mute(step, [response_id])
    positions = state.playback.positions(step.at)
    mine = [p for p in positions if p.item.response_id == response_id]
    unheard = [p for p in mine if not p.finished or not p.item.complete]
    if unheard:
        _interrupted(step, unheard[0], "guardrail")
        for position in unheard:
            _truncate(step, position)
        step.update(latency=latency.interrupted(step.state.latency))
        left = tuple(p.item for p in positions if p.item.response_id != response_id)
        gone = sum(p.item.received_ms - p.played_ms for p in mine) / 1000.0
        ends_at = max(step.at, state.playback.ends_at - gone)
        step.update(playback=replace(step.state.playback, items=left, ends_at=ends_at))
    if state.sequencer.active == response_id:
        cancel(step)
    elif response_id in state.turn.responses:  # outside the conversation
        step.send(rt.ResponseCancel(event_id=step.new_id("cancel"), response_id=response_id))


def cut_playback(step: Step, cause: InterruptionCause) -> None:
    """Mute what runs, tell the application, and cut what was not played to its end.

    The item that is playing is cut where it is; those after it, at their beginning.
    """
    held = step.state.holds.items()
    holdback.give_up(step, [name for name, hold in held if hold.track.in_conversation])
    state = step.state
    active = state.sequencer.active
    positions = state.playback.positions(step.at)
    unheard = [position for position in positions if _unheard(position, active)]
    if unheard:
        _interrupted(step, unheard[0], cause)
        for position in unheard:
            _truncate(step, position)
        step.update(latency=latency.interrupted(step.state.latency))
    # A response outside the conversation goes on unless its own audio was playing.
    ids = [position.item.response_id for position in unheard]
    mute(step, [*ids, *([active] if active is not None else [])])
    step.update(playback=replace(step.state.playback, items=(), ends_at=step.at))


def _interrupted(step: Step, playing: Position, cause: InterruptionCause) -> None:
    item = playing.item
    step.emit(
        AudioInterruptedEvent(
            item_id=item.item_id,
            heard_ms=_audio_end(playing),
            content_index=item.content_index,
            received_ms=item.received_ms,
            cause=cause,
            at=step.at,
        )
    )


def mute(step: Step, response_ids: list[str]) -> None:
    """Pass on nothing more of these responses."""
    turn = step.state.turn
    new = [name for name in dict.fromkeys(response_ids) if name not in turn.muted]
    if new:
        step.update(turn=replace(turn, muted=(*turn.muted, *new)[-KEPT_MUTED:]))


def _unheard(position: Position, active: str | None) -> bool:
    """Whether something of the item was, or would have been, still to play."""
    if not position.finished:
        return True
    item = position.item
    return not item.complete and item.received_ms > 0 and item.response_id == active


def _audio_end(position: Position) -> int:
    # Rounded down, so that it never lies beyond what the server knows it has sent.
    return max(0, math.floor(min(position.played_ms, position.item.received_ms)))


def _truncate(step: Step, position: Position) -> None:
    item, end = position.item, _audio_end(position)
    if not item.truncatable or item.received_ms <= 0:
        return
    if item.epoch == step.state.line.epoch:
        _tell_cut(step, item, end)
    changed, entry = history.cut(
        step.state.history, item.item_id, end, received_ms=item.received_ms
    )
    step.history(changed, entry, "updated")
    if item.epoch != step.state.line.epoch:  # to this connection it was told as text
        amend.heard_less(step, item.item_id)


def _tell_cut(step: Step, item: PlayItem, end: int) -> None:
    step.send(
        rt.ConversationItemTruncate(
            event_id=step.new_id("truncate"),
            item_id=item.item_id,
            content_index=item.content_index,
            audio_end_ms=end,
        )
    )
