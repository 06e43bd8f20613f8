"""Images that were given as bytes, kept to be sent again; the history does not hold them.

Together they never exceed a bound of bytes; beyond it those of the oldest message go, which
counts as one with lost content once it has to be sent again.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from voxloop.realtime.machine.parts import NONE
from voxloop.wire import realtime as rt


class Images(Struct, frozen=True, kw_only=True):
    """All images that are kept.

    Attributes:
        limit: Characters of their URLs that are kept at most.
        parts: Those of each item in their order, the oldest item first.
    """

    limit: int = 0
    parts: Mapping[str, tuple[rt.ContentPart, ...]] = NONE


def keep(images: Images, item: rt.Item) -> Images:
    """Keep those of an item that the server was given."""
    mine = tuple(part for part in item.content or () if _given_as_bytes(part))
    if not mine:
        return images
    parts = {**images.parts, item.id or "": mine}
    sizes = {name: sum(len(part.image_url or "") for part in kept) for name, kept in parts.items()}
    nbytes = sum(sizes.values())
    while nbytes > images.limit:
        oldest = next(iter(parts))
        del parts[oldest]
        nbytes -= sizes[oldest]
    return Images(limit=images.limit, parts=parts)


def forget(images: Images, item_id: str) -> Images:
    """Let those of an item go."""
    if item_id not in images.parts:
        return images
    parts = {name: kept for name, kept in images.parts.items() if name != item_id}
    return Images(limit=images.limit, parts=parts)


def _given_as_bytes(part: rt.ContentPart) -> bool:
    return part.type == "input_image" and (part.image_url or "").startswith("data:")
