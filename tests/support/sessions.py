"""An agent, and ways to read a session's events, for the tests over real sockets."""

from __future__ import annotations

from typing import TypeVar

import trio

from voxloop import realtime
from voxloop.agents import Agent
from voxloop.tools import Tool, tool

E = TypeVar("E")


@tool
async def get_weather(location: str) -> str:
    """Weather of a place.

    Args:
        location: City.
    """
    return f"Sunny and 22 degrees in {location}."


GREETER = Agent("Greeter", "Welcome callers.", tools=[get_weather])
ORDER = Tool(
    "lookup_order",
    "Find an order",
    {"type": "object", "properties": {"order_id": {"type": "string"}}, "required": ["order_id"]},
)
MANUAL = realtime.RunConfig(model_settings=realtime.SessionModelSettings(turn_detection=None))


async def until(session: realtime.Session, cls: type[E], count: int = 1) -> list[realtime.Event]:
    """Events up to and with the `count`-th of a class."""
    seen: list[realtime.Event] = []
    with trio.fail_after(10):
        async for event in session:
            seen.append(event)
            if sum(isinstance(e, cls) for e in seen) == count:
                return seen
    raise AssertionError(f"the session ended before {count} {cls.__name__}")


def only(events: list[realtime.Event], cls: type[E]) -> list[E]:
    return [event for event in events if isinstance(event, cls)]
