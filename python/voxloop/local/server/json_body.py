"""The JSON object in a request's body."""

from __future__ import annotations

import msgspec
from starlette.requests import Request

from voxloop.local.server.realtime import checks
from voxloop.local.server.refusal import Refusal
from voxloop.providers import JsonObject

__all__ = ["read_json"]


async def read_json(request: Request) -> JsonObject:
    """Read and decode the body.

    Raises:
        Refusal: It is not JSON, or not an object.

    **Cancellation:** the request is lost.
    """
    data = await request.body()
    try:
        return checks.object_of(msgspec.json.decode(data), "body")
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise Refusal(f"the body is not JSON: {error}", code="invalid_json") from None
