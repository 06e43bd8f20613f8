"""Holds `voxloop.realtime.machine.quick` to what `reducer.step` makes of the same input."""

from __future__ import annotations

from voxloop.net import Frame
from voxloop.realtime.machine import effects, inputs, reducer
from voxloop.realtime.machine.quick import Quick, answer, appended
from voxloop.realtime.machine.state import State
from voxloop.wire import realtime as rt

Outcome = tuple[State, tuple[effects.Effect, ...]]


class QuickWays:
    """One for a session, as `Quick` remembers what it has seen of one.

    Attributes:
        taken: Inputs for which there was a quick way.
    """

    def __init__(self) -> None:
        self._quick = Quick()
        self.taken = 0

    def compare(self, state: State, given: inputs.Input, slow: Outcome) -> None:
        """Raise unless the quick way, where there is one, leads where `step` does."""
        if isinstance(given, inputs.ToolFinished):
            self._compare_answer(answer(state, given), slow)
            return
        found = self._outcome(state, given)
        if found is None:
            return
        self.taken += 1
        # What a step settles besides, since its time has come, a tick settles: none is due sooner.
        tick = inputs.Tick(given.at)
        (after, told), (slow_after, slow_told) = (
            reducer.step(state, tick) for state in (found[0], slow[0])
        )
        assert after == slow_after
        assert (*found[1], *told) == (*slow[1], *slow_told)
        soonest, before = reducer.deadline(found[0]), reducer.deadline(state)
        assert soonest is None or (before is not None and soonest >= before)

    def _compare_answer(self, told: rt.ConversationItemCreate | None, slow: Outcome) -> None:
        """What is sent before the step is its first effect, and nothing is sent that it does not.

        A step that sends an output has sent it before.
        """
        outputs = [
            effect
            for effect in slow[1]
            if isinstance(effect, effects.Send)
            and isinstance(effect.event, rt.ConversationItemCreate)
            and effect.event.item.type == "function_call_output"
        ]
        assert outputs == ([] if told is None else [effects.Send(told)])
        if told is not None:
            assert slow[1][0] == outputs[0]
            self.taken += 1

    def _outcome(self, state: State, given: inputs.Input) -> Outcome | None:
        match given:
            case inputs.AppendAudio(data=data, at=at):
                longer = appended(state, data)
                send = effects.Send(rt.InputAudioBufferAppend(audio=data))
                return None if longer is None else (longer, (send,))
            case inputs.Sound(delta=delta, at=at) if delta.taken:
                longer = self._quick.taken(state, delta, at)
                return None if longer is None else (longer, ())
            case inputs.Sound(delta=delta, at=at):
                row = self._quick.row(state, [Frame(delta, at)])
            case inputs.Received(event=rt.ResponseOutputAudioTranscriptDelta() as event, at=at):
                row = self._quick.row(state, [Frame(rt.encode(event), at)])
            case inputs.Received(event=event) if reducer.ignores(event):
                return state, ()
            case _:
                return None
        return (
            (row.state, tuple(effects.Emit(event) for event, _ in row.told)) if row.told else None
        )
