"""What the application asks for."""

from __future__ import annotations

import msgspec

from voxloop._errors import ConfigError
from voxloop.realtime.machine import (
    amend,
    dispatch,
    guards,
    history,
    images,
    inputs,
    playback,
    responses,
    ring,
)
from voxloop.realtime.machine.parts import replace
from voxloop.realtime.machine.step import Step
from voxloop.wire import realtime as rt


def append_audio(step: Step, command: inputs.AppendAudio) -> None:
    """Send audio of the user."""
    buffer = step.state.input
    step.update(
        input=replace(buffer, uncommitted=buffer.uncommitted + len(command.data)),
        ring=ring.append(step.state.ring, command.data),
    )
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
    event_id = step.new_id("commit")
    step.send(rt.InputAudioBufferCommit(event_id=event_id))
    later = bool(respond) and guards.gated(state)  # once it is known what the turn says
    commits = (*state.input.commits, None if respond is None else later)
    step.update(
        input=replace(state.input, uncommitted=0, commits=commits),
        ring=ring.commit(step.state.ring, event_id),
    )
    if respond:
        responses.begin_turn(step, "requested")
        if not later:
            responses.request(step)


def clear_audio(step: Step, _command: inputs.ClearAudio) -> None:
    """Forget the audio that was not committed."""
    step.send(rt.InputAudioBufferClear())
    step.update(input=replace(step.state.input, uncommitted=0), ring=ring.clear(step.state.ring))


def add_item(step: Step, command: inputs.AddItem) -> None:
    """Add an item under an id of ours, so that it keeps its id whatever happens."""
    item = command.item
    if item.id is None:
        item = msgspec.structs.replace(item, id=step.new_id("item"))
    event = rt.ConversationItemCreate(
        event_id=step.new_id("item_create"),
        item=item,
        previous_item_id=command.previous_item_id,
    )
    step.send(event)
    backlog = step.state.backlog
    step.update(backlog=replace(backlog, creates=(*backlog.creates, event)))
    if command.respond and item.role == "user" and guards.gated(step.state):
        responses.begin_turn(step, "requested")
        guards.hold(step, item.id or "", guards.message_text(item))
    elif command.respond:
        respond(step, inputs.Respond(None, command.at))


def delete_item(step: Step, command: inputs.DeleteItem) -> None:
    """Take an item out."""
    guards.forget(step, command.item_id)
    if not step.state.line.up:
        forget_item(step, command.item_id)
        return
    step.send(
        rt.ConversationItemDelete(event_id=step.new_id("item_delete"), item_id=command.item_id)
    )
    amend.unlink(step, command.item_id)
    backlog = step.state.backlog
    step.update(backlog=replace(backlog, deletes=(*backlog.deletes, command.item_id)))


def forget_item(step: Step, item_id: str) -> None:
    """Leave an item out of what the next connection is told."""
    backlog = step.state.backlog
    creates = tuple(event for event in backlog.creates if event.item.id != item_id)
    step.update(
        backlog=replace(backlog, creates=creates), ring=ring.known(step.state.ring, item_id)
    )
    step.state = replace(step.state, images=images.forget(step.state.images, item_id))
    step.history(*history.remove(step.state.history, item_id), "deleted")


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
    dispatch.interrupted(step)


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
        step.send_later(event)
        responses.note_outside(step, str(event["event_id"]))
    elif kind == "input_audio_buffer.commit":
        event = {"event_id": step.new_id("commit"), **event}
        commits = (*step.state.input.commits, False)
        step.update(
            input=replace(step.state.input, uncommitted=0, commits=commits),
            ring=ring.commit(step.state.ring, str(event["event_id"])),
        )
        step.send(event)
    else:
        step.send_later(event)


def _outside(event: dict[str, object]) -> bool:
    params = event.get("response")
    return isinstance(params, dict) and params.get("conversation") == "none"
