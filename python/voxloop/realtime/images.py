"""Images that were given as bytes, kept to be sent again; the history does not hold them.

Together they never exceed a bound of bytes; beyond it the oldest goes, and its message counts as
one with lost content once it has to be sent again.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, field

from voxloop.realtime.history import Key
from voxloop.wire import realtime as rt


class Images(Struct, frozen=True, kw_only=True):
    """All images that are kept.

    Attributes:
        limit: Characters of their URLs that are kept at most.
        parts: Each, by item and content index, oldest first.
    """

    limit: int = 0
    parts: Mapping[Key, rt.ContentPart] = field(default_factory=dict)


def keep(images: Images, item: rt.Item) -> Images:
    """Keep those of an item that the server was given."""
    parts = dict(images.parts)
    for index, part in enumerate(item.content or ()):
        if part.type == "input_image" and (part.image_url or "").startswith("data:"):
            parts[item.id or "", index] = part
    return images if len(parts) == len(images.parts) else _bounded(images.limit, parts)


def forget(images: Images, item_id: str) -> Images:
    """Let those of an item go."""
    parts = {key: part for key, part in images.parts.items() if key[0] != item_id}
    return images if len(parts) == len(images.parts) else Images(limit=images.limit, parts=parts)


def _bounded(limit: int, parts: dict[Key, rt.ContentPart]) -> Images:
    nbytes = sum(len(part.image_url or "") for part in parts.values())
    while nbytes > limit:
        nbytes -= len(parts.pop(next(iter(parts))).image_url or "")
    return Images(limit=limit, parts=parts)
