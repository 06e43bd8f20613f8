"""Who and what takes part in the random orders: agents, tools, ids, pieces of sound."""

from __future__ import annotations

from dataclasses import dataclass

from support.realtime_driver import resolved
from voxloop.agents import Agent
from voxloop.audio import PCM24K, AudioChunk
from voxloop.realtime import Reconnect
from voxloop.tools import Tool, tool


@tool
async def look(place: str) -> str:
    """Look."""
    return place


@tool(respond=False)
async def note() -> str:
    """Note."""
    return "noted"


@tool(respond="when_idle", on_interrupt="report")
async def later() -> str:
    """Say it some time."""
    return "later"


@tool(on_interrupt="cancel")
async def stop() -> str:
    """Stop with the speech."""
    return "stopped"


ASK = Tool("ask", "Ask the application", {"type": "object", "properties": {}}, timeout=5.0)
TECH = Agent("Tech", "Solve.")
AGENT = Agent("Greeter", "Route.", tools=[look, ASK, note, later, stop]).add_handoff(TECH)
READY = (resolved(TECH), resolved(AGENT))
PATIENT = Reconnect(max_attempts=10**6, give_up_after=1e8, quick_failures=10**6)
"""One that never ends a session, so that every order goes on."""
SLOT_NUMBERS = (0, 1, 2, 3)
ITEMS = ("i1", "i2", "u1")
CALLS = ("c1", "c2", "c3", "c4")
NAMES = ("look", "ask", "fly", "transfer_to_tech", "note", "later", "stop")
SILENT = ("fly", "note")
"""Calls after which the model is not asked to go on."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """Sound as the network threads hand it over."""

    item_id: str
    response_id: str
    data: bytes
    taken: bool
    content_index: int = 0
    dropped: bool = False

    @property
    def nbytes(self) -> int:
        """Bytes of it."""
        return len(self.data)

    def chunk(self) -> AudioChunk | None:
        """It as audio; empty where a sink has taken it, None if it ends inside a sample."""
        return None if self.nbytes % 2 else AudioChunk(b"" if self.taken else self.data, PCM24K)
