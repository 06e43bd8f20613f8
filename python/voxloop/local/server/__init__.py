"""The local server: OpenAI's API on the loopback interface, answered by engines of this machine."""

from __future__ import annotations

from voxloop.local import models

try:
    from voxloop.local.server.listener import Server, serve
except ModuleNotFoundError as error:
    missing = (error.name or "").partition(".")[0]
    if missing not in ("hypercorn", "starlette", "wsproto", "h11", "h2", "anyio"):
        raise
    raise models.missing_extra(missing) from error

__all__ = ["Server", "serve"]
