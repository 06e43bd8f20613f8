"""What a connection was told of the conversation, kept true.

A message that came over an earlier connection stands on the present one as text, no longer as
sound that could be cut. If less of it is heard than was told, it is taken out and put in again at
its place, with the words that were heard.
"""

from __future__ import annotations

from voxloop.realtime.machine.history import heard
from voxloop.realtime.machine.parts import replace
from voxloop.realtime.machine.step import Step
from voxloop.wire import realtime as rt


def heard_less(step: Step, item_id: str) -> bool:
    """A message was cut; False if it is none that this connection was told as text."""
    link = step.state.link
    if item_id not in link.repeated:
        return False
    entry = step.state.history.get(item_id)
    if entry is None or not step.state.line.up:
        return True  # the next connection is told all of it anyway
    words = heard(entry)
    if words.split() == entry.text.split():
        return True
    step.send(rt.ConversationItemDelete(event_id=step.new_id("item_delete"), item_id=item_id))
    step.update(link=replace(link, replaced=(*link.replaced, item_id)))
    if not words:
        unlink(step, item_id)
        return True
    part = rt.ContentPart(type="output_text", text=words)
    item = rt.Item(
        type="message", id=item_id, role="assistant", status="incomplete", content=[part]
    )
    before = link.repeated[item_id] or "root"
    step.send(
        rt.ConversationItemCreate(
            event_id=step.new_id("replay"), item=item, previous_item_id=before
        )
    )
    return True


def unlink(step: Step, item_id: str) -> None:
    """An item leaves the conversation: what was told behind it stands behind the one before."""
    link = step.state.link
    if item_id not in link.repeated:
        return
    before = link.repeated[item_id]
    rest = {
        name: before if previous == item_id else previous
        for name, previous in link.repeated.items()
        if name != item_id
    }
    step.update(link=replace(link, repeated=rest))
