"""Server events about items of the conversation."""

from __future__ import annotations

from voxloop.realtime import history
from voxloop.realtime.step import Step
from voxloop.wire import realtime as rt


def entered(
    step: Step,
    event: rt.ConversationItemCreated | rt.ConversationItemAdded | rt.ConversationItemDone,
) -> None:
    """An item stands at its place; ``done`` brings its whole content."""
    found = history.upsert(step.state.history, event.item, event.previous_item_id)
    if found is not None:
        step.history(*found)


def retrieved(step: Step, event: rt.ConversationItemRetrieved) -> None:
    """An item that the application asked for; its audio is not kept."""
    found = history.upsert(step.state.history, event.item, None)
    if found is not None:
        step.history(*found)


def deleted(step: Step, event: rt.ConversationItemDeleted) -> None:
    """An item is gone."""
    step.history(*history.remove(step.state.history, event.item_id), "deleted")


def truncated(step: Step, event: rt.ConversationItemTruncated) -> None:
    """The server has cut a message."""
    step.history(*history.cut(step.state.history, event.item_id, event.audio_end_ms), "updated")
