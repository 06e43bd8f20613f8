"""Any order of events, commands, losses and time: what must hold, holds.

``VOXLOOP_ORDERS`` says how many random orders are played, from the number
``VOXLOOP_ORDERS_FROM`` on; each follows from its number alone. `make soak-orders` plays a million.
"""

from __future__ import annotations

import os
import time
from collections import Counter

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from support.realtime_cast import CALLS, ITEMS, NAMES, SLOT_NUMBERS
from support.realtime_judge import Judge
from support.realtime_orders import play
from voxloop.realtime import RunConfig
from voxloop.realtime.machine import inputs
from voxloop.wire import realtime as rt

TOTAL = int(os.environ.get("VOXLOOP_ORDERS", "400"))
FIRST = int(os.environ.get("VOXLOOP_ORDERS_FROM", "0"))
PARTS = 8
HAPPENS = (
    "AudioEvent",
    "AudioInterruptedEvent",
    "HandoffEvent",
    "ReconnectedEvent",
    "ToolResultEvent",
    "sent conversation.item.truncate",
    "sent response.cancel",
    "sent response.create",
    "inputs the quick way",
)
"""What must be among the orders, if there are many."""
SLOTS = st.sampled_from(SLOT_NUMBERS)


class Orders(RuleBasedStateMachine):
    """Random orders, shrunk to the shortest that breaks something."""

    def __init__(self) -> None:
        super().__init__()
        self.j = Judge(RunConfig(tools_to_approve=frozenset({"look"})))

    @precondition(lambda self: self.j.up)
    @rule(outside=st.booleans())
    def created(self, outside: bool) -> None:
        self.j.created(outside=outside)

    @precondition(lambda self: self.j.up)
    @rule(slot=SLOTS, status=st.sampled_from(["completed", "cancelled", "failed", "incomplete"]))
    def done(self, slot: int, status: str) -> None:
        self.j.done(slot, status)

    @precondition(lambda self: self.j.up)
    @rule(slot=SLOTS, item=st.sampled_from(ITEMS), ms=st.integers(1, 3000))
    def audio(self, slot: int, item: str, ms: int) -> None:
        self.j.audio(slot, item, ms)

    @precondition(lambda self: self.j.up)
    @rule(item=st.sampled_from(ITEMS), slot=SLOTS)
    def audio_done(self, item: str, slot: int) -> None:
        response = self.j.response(slot)
        self.j.d.part("response.output_audio.done", item=f"{item}:{response}", response=response)

    @precondition(lambda self: self.j.up)
    @rule(slot=SLOTS, name=st.sampled_from(NAMES), call_id=st.sampled_from(CALLS))
    def call(self, slot: int, name: str, call_id: str) -> None:
        self.j.call(slot, name, call_id)

    @rule(call_id=st.sampled_from(CALLS))
    def finish(self, call_id: str) -> None:
        self.j.d.finish(call_id)

    @rule(call_id=st.sampled_from(CALLS))
    def answer(self, call_id: str) -> None:
        self.j.d.feed(inputs.Answer(call_id, "x", self.j.d.at))

    @rule(call_id=st.sampled_from(CALLS), approved=st.booleans())
    def decide(self, call_id: str, approved: bool) -> None:
        self.j.d.feed(inputs.Decide(call_id, approved, None, self.j.d.at))

    @rule(index=st.integers(0, 1), call_id=st.sampled_from([None, *CALLS]))
    def ready(self, index: int, call_id: str | None) -> None:
        self.j.ready(index, call_id)

    @precondition(lambda self: self.j.up)
    @rule()
    def updated(self) -> None:
        self.j.d.server("session.updated", session={"type": "realtime"})

    @precondition(lambda self: self.j.up and self.later_updates())
    @rule()
    def update_refused(self) -> None:
        self.j.d.error("invalid_value", event_id=self.later_updates()[0])

    def later_updates(self) -> list[str]:
        """Updates without an answer but for the first of a connection, which would end it all."""
        return [update.event_id for update in self.j.d.state.link.pending if not update.initial]

    @precondition(lambda self: self.j.up and self.j.asked)
    @rule(code=st.sampled_from(["conversation_already_has_active_response", "invalid_value"]))
    def refused(self, code: str) -> None:
        self.j.refuse(code)

    @precondition(lambda self: self.j.up)
    @rule(kind=st.sampled_from(["started", "stopped"]))
    def speech(self, kind: str) -> None:
        self.j.speech(kind)

    @precondition(lambda self: self.j.up)
    @rule(item=st.sampled_from(["u1", "u2"]))
    def committed(self, item: str) -> None:
        self.j.committed(item)

    @precondition(lambda self: self.j.up)
    @rule()
    def lose(self) -> None:
        self.j.lose()

    @precondition(lambda self: self.j.up)
    @rule(seconds=st.floats(0.0, 20.0))
    def expires(self, seconds: float) -> None:
        self.j.d.expires_in(seconds)

    @precondition(lambda self: self.j.d.state.line.coming is not None)
    @rule(works=st.booleans())
    def dial(self, works: bool) -> None:
        self.j.dial(works)

    @rule(count=st.integers(1, 2000))
    def append(self, count: int) -> None:
        self.j.append(count)

    @rule()
    def interrupt(self) -> None:
        self.j.interrupt()

    @rule(outside=st.booleans())
    def respond(self, outside: bool) -> None:
        self.j.respond(rt.ResponseParams(conversation="none") if outside else None)

    @rule()
    def commit(self) -> None:
        self.j.commit()

    @rule(item=st.sampled_from(ITEMS), slot=SLOTS, ms=st.floats(0, 5000))
    def played(self, item: str, slot: int, ms: float) -> None:
        self.j.d.feed(inputs.Played(f"{item}:{self.j.response(slot)}", ms, self.j.d.at))

    @rule(seconds=st.floats(0.0, 6.0))
    def time_passes(self, seconds: float) -> None:
        self.j.d.tick(seconds)

    @invariant()
    def all_is_well(self) -> None:
        self.j.check()


TestOrders = Orders.TestCase
TestOrders.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


@pytest.mark.parametrize("part", range(PARTS))
def test_random_orders(part: int) -> None:
    began, counts = time.monotonic(), Counter[str]()
    first, end = (FIRST + TOTAL * number // PARTS for number in (part, part + 1))
    for seed in range(first, end):
        try:
            counts += play(seed)
        except Exception as error:
            error.add_note(f"in the order of the number {seed}")
            raise
        if (seed + 1 - first) % 10_000 == 0:
            print(f"up to {seed}: {time.monotonic() - began:.0f} s", flush=True)
    told = ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))
    print(f"{first} to {end - 1}, {time.monotonic() - began:.0f} s: {told}", flush=True)
    assert counts["orders"] == end - first
    enough = end - first >= 1_000
    missing = [kind for kind in HAPPENS if counts[kind] == 0]
    assert not (enough and missing), f"in none of the orders: {missing}"
