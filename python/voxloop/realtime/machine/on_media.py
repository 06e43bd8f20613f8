"""What attached media tell: the answer was cut, the sink fell silent."""

from __future__ import annotations

from voxloop.realtime.events import AudioInterruptedEvent
from voxloop.realtime.machine import amend, history, inputs, latency, on_response, responses
from voxloop.realtime.machine.parts import replace
from voxloop.realtime.machine.state import MediaState
from voxloop.realtime.machine.step import Step
from voxloop.wire import realtime as rt


def attached(step: Step, given: inputs.MediaAttached) -> None:
    """A source sends the user's audio from now on, or the application does."""
    step.update(input=replace(step.state.input, attached=given.source))


def left(step: Step, given: inputs.MediaLeft) -> None:
    """All that media took is over; pieces of it may still be on their way here."""
    base = step.state.media.base + given.taken_bytes
    step.state = replace(step.state, media=MediaState(base, given.at))
    step.update(
        input=replace(step.state.input, attached=False),
        playback=replace(step.state.playback, silent=base),
    )


def taken(step: Step, given: inputs.SoundTaken) -> None:
    """Sound that came the long way, and was handed to the sink."""
    on_response.taken(step, given.event.response_id, len(given.event.delta))


def silent(step: Step, given: inputs.MediaSilent) -> None:
    """The sink has come to the end of what it had."""
    _silent(step, given.taken_bytes)


def cut(step: Step, given: inputs.MediaCut) -> None:
    """The answer was silenced where it was. What the server was not told yet is told now."""
    found = given.cut
    if found.items:
        first = found.items[0]
        step.emit(
            AudioInterruptedEvent(
                item_id=first.item_id,
                heard_ms=first.heard_ms,
                content_index=first.content_index,
                received_ms=first.received_ms,
                cause=given.cause if found.reason == "application" else "speech",
                at=step.at,
            )
        )
        step.update(latency=latency.interrupted(step.state.latency))
    for item in found.items:
        track = step.state.turn.responses.get(item.response_id)
        if not item.in_conversation or (track is not None and not track.in_conversation):
            continue
        earlier = item.item_id in step.state.link.repeated
        if not item.sent and not earlier:
            step.send(
                rt.ConversationItemTruncate(
                    event_id=step.new_id("truncate"),
                    item_id=item.item_id,
                    content_index=item.content_index,
                    audio_end_ms=item.heard_ms,
                )
            )
        changed, entry = history.cut(
            step.state.history, item.item_id, item.heard_ms, received_ms=item.received_ms
        )
        step.history(changed, entry, "updated")
        if earlier:
            amend.heard_less(step, item.item_id)
    responses.mute(step, found.muted)
    if found.at >= step.state.media.left_at:  # else it is told of media that were let go since
        _silent(step, found.taken_bytes)
    if found.reason == "local":  # the server may not have heard it, or not yet
        responses.cancel(step)


def _silent(step: Step, taken_bytes: int) -> None:
    ledger, base = step.state.playback, step.state.media.base
    silent = max(ledger.silent, base + taken_bytes)
    step.update(playback=replace(ledger, silent=silent))
