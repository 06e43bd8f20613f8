"""Server events about items of the conversation."""

from __future__ import annotations

from msgspec.structs import replace

from voxloop.realtime.events import McpApprovalEvent
from voxloop.realtime.machine import history, images, playback, restore, ring
from voxloop.realtime.machine.step import Step
from voxloop.wire import realtime as rt


def entered(
    step: Step,
    event: rt.ConversationItemCreated | rt.ConversationItemAdded | rt.ConversationItemDone,
) -> None:
    """An item stands at its place; ``done`` brings its whole content."""
    item, previous = event.item, event.previous_item_id
    item_id = item.id or ""
    if item_id in step.state.link.repeated:
        return
    if item.type == "function_call_output" and item.call_id:
        _output(step, item.call_id, item)
    if item.type == "mcp_approval_request" and not isinstance(event, rt.ConversationItemDone):
        _asks(step, item)
    if step.state.backlog.creates:
        previous = previous or _front(step, item_id)
        item = _taken(step, item)
    found = history.upsert(step.state.history, item, previous)
    if found is not None:
        step.history(*found)


def _front(step: Step, item_id: str) -> str | None:
    """``"root"`` for an item that was put at the front: nothing is before it to be named."""
    creates = step.state.backlog.creates
    ours = next((create for create in creates if create.item.id == item_id), None)
    return "root" if ours is not None and ours.previous_item_id == "root" else None


def _taken(step: Step, item: rt.Item) -> rt.Item:
    """The item as it is known now; one of ours has the content that it was given."""
    backlog = step.state.backlog
    ours = next((create.item for create in backlog.creates if create.item.id == item.id), None)
    if ours is None:
        return item
    waiting = tuple(create for create in backlog.creates if create.item.id != item.id)
    step.update(backlog=replace(backlog, creates=waiting))
    step.state = replace(step.state, images=images.keep(step.state.images, ours))
    shown = {part.type for part in item.content or ()}
    if item.content and ("input_image" in shown or ours.id not in step.state.images.parts):
        return item
    return replace(item, content=ours.content)  # servers may leave it out


def _output(step: Step, call_id: str, item: rt.Item) -> None:
    """The output of a call, perhaps of one that was answered before this session."""
    entry = history.find_call(step.state.history, call_id)
    if entry is None:
        return
    call = step.state.tools.calls.get(call_id)
    new = entry.output is None and (call is None or call.status == "answered")
    if new or (entry.output is not None and entry.output_id != item.id):
        output = (item.output or "") if entry.output is None else entry.output
        changed, updated = history.answered(step.state.history, call_id, output, item.id)
        step.history(changed, updated, "updated")


def _asks(step: Step, item: rt.Item) -> None:
    step.emit(
        McpApprovalEvent(
            request_id=item.id or "",
            server_label=item.server_label or "",
            name=item.name or "",
            arguments=item.arguments or "",
            at=step.at,
        )
    )


def retrieved(step: Step, event: rt.ConversationItemRetrieved) -> None:
    """An item that the application asked for; its audio is not kept."""
    found = history.upsert(step.state.history, event.item, None)
    if found is not None:
        step.history(*found)


def deleted(step: Step, event: rt.ConversationItemDeleted) -> None:
    """An item is gone."""
    link = step.state.link
    if event.item_id in link.replaced:  # by ourselves: it is still what was said
        step.update(link=replace(link, replaced=restore.without(link.replaced, event.item_id)))
        return
    backlog = step.state.backlog
    waiting = tuple(item_id for item_id in backlog.deletes if item_id != event.item_id)
    step.update(
        backlog=replace(backlog, deletes=waiting),
        ring=ring.known(step.state.ring, event.item_id),
    )
    step.state = replace(step.state, images=images.forget(step.state.images, event.item_id))
    step.update(playback=playback.gone(step.state.playback, event.item_id))
    step.history(*history.remove(step.state.history, event.item_id), "deleted")


def truncated(step: Step, event: rt.ConversationItemTruncated) -> None:
    """The server has cut a message."""
    step.history(*history.cut(step.state.history, event.item_id, event.audio_end_ms), "updated")
