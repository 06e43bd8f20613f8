"""What attached media tell: the answer was cut, the sink fell silent."""

from __future__ import annotations

from dataclasses import replace

from voxloop.realtime import history, inputs, latency, on_response, responses
from voxloop.realtime.events import AudioInterruptedEvent
from voxloop.realtime.step import Step
from voxloop.wire import realtime as rt


def attached(step: Step, given: inputs.MediaAttached) -> None:
    """A source sends the user's audio from now on, or no longer."""
    step.update(input=replace(step.state.input, attached=given.source))


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
                cause=given.cause if found.reason == "application" else "speech",
                at=step.at,
            )
        )
        step.update(latency=latency.interrupted(step.state.latency))
    for item in found.items:
        track = step.state.turn.responses.get(item.response_id)
        if not item.in_conversation or (track is not None and not track.in_conversation):
            continue
        if not item.sent:
            step.send(
                rt.ConversationItemTruncate(
                    event_id=step.new_id("truncate"),
                    item_id=item.item_id,
                    content_index=item.content_index,
                    audio_end_ms=item.heard_ms,
                )
            )
        changed, entry = history.cut(step.state.history, item.item_id, item.heard_ms)
        step.history(changed, entry, "updated")
    responses.mute(step, found.muted)
    _silent(step, found.taken_bytes)
    if found.reason == "local":  # the server may not have heard it, or not yet
        responses.cancel(step)


def _silent(step: Step, taken_bytes: int) -> None:
    ledger = step.state.playback
    step.update(playback=replace(ledger, silent=max(ledger.silent, taken_bytes)))
