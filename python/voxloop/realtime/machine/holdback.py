"""Sound that waits until the output guardrails have let its words pass.

The server does not tell which words a piece of sound says. A piece counts as covered once a check
has passed that looked at more words than had come when the piece came: the words of an answer come
with its sound or before it. With ``release="turn"`` of a guardrail it waits for the whole message.

What is held has not been handed out, so it counts neither as playing nor as heard. When the answer
is stopped it is entered as sound that came and was not played, so that the conversation is cut to
what was heard.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct, field

from voxloop._errors import ConfigError
from voxloop.agents.guardrail import strictest
from voxloop.audio import AudioChunk
from voxloop.net import AudioDelta
from voxloop.realtime.config import RunConfig
from voxloop.realtime.machine import playback
from voxloop.realtime.machine.effects import Effect
from voxloop.realtime.machine.parts import replace
from voxloop.realtime.machine.playback import PlayItem
from voxloop.realtime.machine.state import ResponseTrack, State
from voxloop.realtime.machine.step import Step
from voxloop.realtime.telephone import FORMATS
from voxloop.wire import realtime as rt


class HeldSound(Struct, frozen=True):
    """A piece of sound that waits.

    Attributes:
        event: What brought it.
        data: The sound as it came.
        chunk: The same, decoded; None where that is still to be done.
        words: Characters of its message that had come when it came.
    """

    event: rt.ResponseOutputAudioDelta | AudioDelta
    data: bytes
    chunk: AudioChunk | None
    words: int


class Hold(Struct, frozen=True, kw_only=True):
    """What is held of one response.

    Attributes:
        track: The response.
        epoch: Connection that it came on.
        whole: A message waits until all of it has passed.
        sounds: What waits, in order.
        words: Characters of each message that have come.
        passed: Characters of each message that have passed.
        done: Messages that have passed as a whole.
        complete: Parts of which no more sound will come.
        ended: What is told once nothing waits any more; None while the response runs.
    """

    track: ResponseTrack
    epoch: int
    whole: bool
    sounds: tuple[HeldSound, ...] = ()
    words: Mapping[str, int] = field(default_factory=dict)
    passed: Mapping[str, int] = field(default_factory=dict)
    done: frozenset[str] = frozenset()
    complete: frozenset[tuple[str, int]] = frozenset()
    ended: tuple[Effect, ...] | None = None

    def covered(self, sound: HeldSound) -> bool:
        """Whether the words of a piece have passed."""
        item_id = sound.event.item_id
        if item_id in self.done:
            return True
        return not self.whole and self.passed.get(item_id, 0) > sound.words


def check_sink(config: RunConfig, sink: object) -> None:
    """Refuse a sink where sound is held: it would not pass here.

    Raises:
        ConfigError: There is one.
    """
    if sink is not None and config.hold_audio:
        raise ConfigError(
            "hold_audio keeps sound back here, and an attached sink gets it on another way: leave "
            "the sink out and play AudioEvents, or switch hold_audio off"
        )


def of(step: Step, response_id: str) -> Hold | None:
    """The hold of a response, made if its sound is to wait; None if it passes as it comes."""
    state = step.state
    if not state.config.hold_audio:
        return None
    found = state.holds.get(response_id)
    track = state.turn.responses.get(response_id)
    if found is not None or track is None or response_id in state.turn.let_out:
        return found
    agent = (track.by or state.agent.current).agent
    release = strictest((*state.config.output_guardrails, *agent.output_guardrails))
    if release == "at_once":
        return None
    return put(step, Hold(track=track, epoch=state.line.epoch, whole=release == "turn"))


def put(step: Step, hold: Hold) -> Hold:
    """Replace what is held of a response."""
    step.state = replace(step.state, holds={**step.state.holds, hold.track.response_id: hold})
    return hold


def forget(step: Step, response_id: str) -> None:
    """Hold nothing of a response any more."""
    left = {name: hold for name, hold in step.state.holds.items() if name != response_id}
    step.state = replace(step.state, holds=left)


def words(step: Step, response_id: str, item_id: str, length: int, *, all_of_it: bool) -> None:
    """More words of a message have come, or all of them."""
    hold = of(step, response_id)
    if hold is not None:
        before = hold.words.get(item_id, 0)
        after = max(before, length) if all_of_it else before + length
        put(step, replace(hold, words={**hold.words, item_id: after}))


def sound(
    step: Step,
    event: rt.ResponseOutputAudioDelta | AudioDelta,
    data: bytes,
    chunk: AudioChunk | None,
) -> bool:
    """Keep a piece of sound back; False if it may pass."""
    hold = of(step, event.response_id)
    if hold is None:
        return False
    held = HeldSound(event, data, chunk, hold.words.get(event.item_id, 0))
    if not hold.sounds and hold.covered(held):
        return False
    put(step, replace(hold, sounds=(*hold.sounds, held)))
    return True


def complete(step: Step, response_id: str, item_id: str, content_index: int) -> None:
    """No more sound of a part will come."""
    hold = step.state.holds.get(response_id)
    if hold is not None and hold.sounds:
        put(step, replace(hold, complete=hold.complete | {(item_id, content_index)}))


def waits(state: State, response_id: str) -> bool:
    """Whether sound of a response waits."""
    hold = state.holds.get(response_id)
    return hold is not None and bool(hold.sounds)


def give_up(step: Step, response_ids: Iterable[str]) -> None:
    """Enter what waits as sound that came and was not played; none of it is handed out."""
    for response_id in response_ids:
        hold = step.state.holds.get(response_id)
        if hold is None or not hold.sounds:
            continue
        form = FORMATS[step.state.settings.output_format]
        for held in hold.sounds:
            item = entry(step, held.event, hold.track, hold.epoch)
            length = len(held.data) / form.bytes_per_ms
            ledger = playback.received(step.state.playback, item, length, step.at)
            step.update(playback=ledger)
        put(step, replace(hold, sounds=()))


def entry(
    step: Step,
    event: rt.ResponseOutputAudioDelta | AudioDelta,
    track: ResponseTrack | None,
    epoch: int,
) -> PlayItem:
    """The ledger's entry of a part, or a new one."""
    return step.state.playback.find(event.item_id, event.content_index) or PlayItem(
        item_id=event.item_id,
        response_id=event.response_id,
        content_index=event.content_index,
        truncatable=track is None or track.in_conversation,
        epoch=epoch,
    )
