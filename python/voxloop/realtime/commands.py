"""What the application asks for."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from voxloop._errors import ConfigError
from voxloop.realtime import inputs, playback, responses
from voxloop.realtime.step import Step
from voxloop.wire import realtime as rt


def append_audio(step: Step, command: inputs.AppendAudio) -> None:
    """Send audio of the user."""
    buffer = step.state.input
    step.update(input=replace(buffer, uncommitted=buffer.uncommitted + len(command.data)))
    step.send(rt.InputAudioBufferAppend(audio=command.data))


def commit_audio(step: Step, command: inputs.CommitAudio) -> None:
    """End the user's turn."""
    state = step.state
    listening = state.settings.turn_detection is not None
    if not (listening or state.input.attached) and state.input.uncommitted == 0:
        step.refuse(ConfigError("there is no audio to commit: call send_audio before commit_audio"))
        return
    respond = command.respond
    if respond is None and not listening:
        respond = True  # without turn detection no one else answers, and nothing has to be awaited
    step.send(rt.InputAudioBufferCommit(event_id=step.new_id("commit")))
    commits = (*state.input.commits, None if respond is None else False)
    step.update(input=replace(state.input, uncommitted=0, commits=commits))
    if respond:
        responses.begin_turn(step, "requested")
        responses.request(step)


def clear_audio(step: Step, _command: inputs.ClearAudio) -> None:
    """Forget the audio that was not committed."""
    step.send(rt.InputAudioBufferClear())
    step.update(input=replace(step.state.input, uncommitted=0))


def add_item(step: Step, command: inputs.AddItem) -> None:
    """Add an item under an id of ours, so that it keeps its id whatever happens."""
    item = command.item
    if item.id is None:
        item = msgspec.structs.replace(item, id=step.new_id("item"))
    step.send(
        rt.ConversationItemCreate(
            event_id=step.new_id("item_create"),
            item=item,
            previous_item_id=command.previous_item_id,
        )
    )
    if command.respond:
        respond(step, inputs.Respond(None, command.at))


def delete_item(step: Step, command: inputs.DeleteItem) -> None:
    """Take an item out."""
    step.send(
        rt.ConversationItemDelete(event_id=step.new_id("item_delete"), item_id=command.item_id)
    )


def respond(step: Step, command: inputs.Respond) -> None:
    """Ask for a response."""
    params = command.params
    if params is not None and params.conversation == "none":
        responses.request_outside(step, params)
        return
    responses.begin_turn(step, "requested")
    responses.request(step, params)


def interrupt(step: Step, _command: inputs.Interrupt) -> None:
    """Stop the answer."""
    responses.interrupt(step)


def played(step: Step, command: inputs.Played) -> None:
    """Enter a position that the application reports."""
    ledger = playback.reported(step.state.playback, command.item_id, command.played_ms)
    step.update(playback=ledger)


def raw(step: Step, command: inputs.Raw) -> None:
    """Send an event as it is; one that asks for a response waits for its turn."""
    event = dict(command.event)
    kind = event.get("type")
    if not isinstance(kind, str) or not kind:
        step.refuse(ConfigError("an event needs a 'type', such as 'conversation.item.retrieve'"))
    elif kind == "response.create" and not _outside(event):
        responses.request_raw(step, event)
    elif kind == "response.create":
        event = {"event_id": step.new_id("create"), **event}
        step.send(event)
        responses.note_outside(step, str(event["event_id"]))
    else:
        if kind == "input_audio_buffer.commit":
            commits = (*step.state.input.commits, False)
            step.update(input=replace(step.state.input, uncommitted=0, commits=commits))
        step.send(event)


def _outside(event: dict[str, object]) -> bool:
    params = event.get("response")
    return isinstance(params, dict) and params.get("conversation") == "none"
