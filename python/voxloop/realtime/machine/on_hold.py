"""Sound that was held and may pass, and responses that are over once it has."""

from __future__ import annotations

from voxloop.realtime.machine import holdback, on_response, playback
from voxloop.realtime.machine.effects import Effect, ResponseOver
from voxloop.realtime.machine.holdback import HeldSound, Hold
from voxloop.realtime.machine.inputs import Passed
from voxloop.realtime.machine.parts import replace
from voxloop.realtime.machine.step import Step


def passed(step: Step, given: Passed) -> None:
    """The guardrails have let words pass."""
    hold = step.state.holds.get(given.response_id)
    if hold is None:
        return
    reach = max(given.length, hold.passed.get(given.item_id, 0))
    done = hold.done | {given.item_id} if given.whole else hold.done
    holdback.put(step, replace(hold, passed={**hold.passed, given.item_id: reach}, done=done))


def settle(step: Step) -> None:
    """Hand out what may pass, and end what has nothing left that waits."""
    for response_id, hold in tuple(step.state.holds.items()):
        _release(step, hold)
        left = step.state.holds[response_id]
        if left.ended is not None and not left.sounds:
            _end(step, left)


def let_out(step: Step, response_id: str) -> None:
    """Hold nothing of a response any more: it goes on although a guardrail has tripped."""
    turn = step.state.turn
    step.update(turn=replace(turn, let_out=(*turn.let_out, response_id)[-64:]))
    hold = step.state.holds.get(response_id)
    if hold is not None:
        items = frozenset(held.event.item_id for held in hold.sounds)
        holdback.put(step, replace(hold, done=hold.done | items))


def end_all(step: Step) -> None:
    """The session is over: what waits is gone, and every response has ended."""
    for hold in tuple(step.state.holds.values()):
        if hold.ended is not None:
            _end(step, hold)
    step.state = replace(step.state, holds={})


def _release(step: Step, hold: Hold) -> None:
    if hold.track.response_id in step.state.turn.muted:
        holdback.put(step, replace(hold, sounds=()))
        return
    ready: list[HeldSound] = []
    for held in hold.sounds:
        if not hold.covered(held):
            break
        ready.append(held)
    if not ready:
        return
    left = hold.sounds[len(ready) :]
    holdback.put(step, replace(hold, sounds=left))
    for held in ready:
        on_response.hand_out(step, held.event, held.data, held.chunk, hold)
    waiting = {(held.event.item_id, held.event.content_index) for held in left}
    for item_id, content_index in hold.complete - waiting:
        ledger = playback.completed(step.state.playback, item_id, content_index)
        step.update(playback=ledger)


def _end(step: Step, hold: Hold) -> None:
    for effect in hold.ended or ():
        step.do(_with_times(effect, hold))
    holdback.forget(step, hold.track.response_id)


def _with_times(effect: Effect, hold: Hold) -> Effect:
    """The end of a response, with the time at which its first sound was handed out."""
    if isinstance(effect, ResponseOver) and effect.track.first_audio_at is None:
        track = replace(effect.track, first_audio_at=hold.track.first_audio_at)
        return replace(effect, track=track)
    return effect
