"""What the server leaves open: a request it does not answer, a response it neither names nor ends.

Nothing of the protocol ends these, so that time does: else all that is asked for later would wait.
"""

from __future__ import annotations

from voxloop._errors import ApiError
from voxloop.realtime.machine import responses, sequencer
from voxloop.realtime.machine.parts import replace
from voxloop.realtime.machine.state import State
from voxloop.realtime.machine.step import Step


def deadline(state: State) -> float | None:
    """When something is given up; only one of the two can be open."""
    waits = state.sequencer
    return waits.begin_until if waits.nameless_until is None else waits.nameless_until


def forget(step: Step) -> None:
    """Another response without an id begins: what was said of the one before is not said of it."""
    turn = step.state.turn
    if "" in turn.muted or "" in turn.tripped or "" in turn.let_out:
        step.update(
            turn=replace(
                turn,
                muted=_named(turn.muted),
                tripped=_named(turn.tripped),
                let_out=_named(turn.let_out),
            )
        )


def heard(step: Step, response_id: str) -> None:
    """Something came of a response.

    The conversation takes one response at a time, so that an id that nothing is known of is the id
    of the one that began without.
    """
    waits, turn = step.state.sequencer, step.state.turn
    if waits.nameless_until is None:
        return
    if not response_id:
        until = step.at + sequencer.NAMELESS_SECONDS
        step.update(sequencer=replace(waits, nameless_until=until))
    elif response_id not in turn.responses and response_id not in turn.over:
        _name(step, response_id)


def _name(step: Step, response_id: str) -> None:
    state = step.state
    running = dict(state.turn.responses)
    track = replace(running.pop(""), response_id=response_id)
    step.update(
        sequencer=sequencer.named(state.sequencer, response_id),
        turn=replace(state.turn, responses={**running, response_id: track}),
    )
    if "" in state.turn.muted:
        responses.mute(step, [response_id])
    if "" in state.tools.batches:
        batches = {name or response_id: batch for name, batch in state.tools.batches.items()}
        step.update(tools=replace(state.tools, batches=batches))
    if "" in state.holds:
        holds = {name or response_id: hold for name, hold in state.holds.items()}
        holds[response_id] = replace(holds[response_id], track=track)
        step.state = replace(step.state, holds=holds)


def expire(step: Step) -> None:
    """Give up a request that was sent long ago; the application is told."""
    waits, given_up = sequencer.unanswered(step.state.sequencer, step.at)
    if given_up:
        step.update(sequencer=waits)
        message = f"the server has not begun a response within {sequencer.BEGIN_SECONDS:g} s"
        step.error(ApiError(message, code="response_not_begun", retryable=True))


def _named(response_ids: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(response_id for response_id in response_ids if response_id)
