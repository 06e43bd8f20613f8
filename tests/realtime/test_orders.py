"""Any order of events, commands and time: what must hold, holds."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from support.realtime_driver import Driver, resolved
from voxloop.agents import Agent
from voxloop.realtime import (
    AgentEndEvent,
    AgentStartEvent,
    AudioEvent,
    AudioInterruptedEvent,
    RunConfig,
    inputs,
    reducer,
)
from voxloop.tools import Tool, tool
from voxloop.wire import realtime as rt


@tool
async def look(place: str) -> str:
    """Look."""
    return place


ASK = Tool("ask", "Ask the application", {"type": "object", "properties": {}}, timeout=5.0)
TECH = Agent("Tech", "Solve.")
AGENT = Agent("Greeter", "Route.", tools=[look, ASK]).add_handoff(TECH)
READY = (resolved(TECH), resolved(AGENT))
SLOT_NUMBERS = (0, 1, 2, 3)
SLOTS = st.sampled_from(SLOT_NUMBERS)
ITEMS = ("i1", "i2", "u1")
CALLS = ("c1", "c2", "c3", "c4")
NAMES = ("look", "ask", "fly", "transfer_to_tech")


class Judge:
    """Watches what a session sends and emits, and knows what it must not."""

    def __init__(self, config: RunConfig | None = None) -> None:
        self.d = Driver(AGENT, config).start()
        self.responses = ["r0"]
        self.active: str | None = None
        self.asked: set[str] = set()
        self.received: Counter[str] = Counter()
        self.stopped: set[str] = set()
        self.owner: dict[str, str] = {}
        self.calls: set[str] = set()
        self.answered: Counter[str] = Counter()
        self.balance: Counter[str] = Counter()
        self.seen = (0, 0)

    def check(self) -> None:
        """Look at what the last input has led to."""
        sent, events = self.seen
        for event in self.d.sent[sent:]:
            self._sent(event)
        for event in self.d.events[events:]:
            self._told(event)
        self.seen = (len(self.d.sent), len(self.d.events))
        when = reducer.deadline(self.d.state)
        if when is not None and when <= self.d.at:
            self.d.feed(inputs.Tick(self.d.at))
            again = reducer.deadline(self.d.state)
            assert again is None or again > self.d.at, "the timer would never rest"

    def _sent(self, event: dict[str, object]) -> None:
        kind = event["type"]
        if kind == "response.create":
            params = event.get("response") or {}
            if isinstance(params, dict) and params.get("conversation") == "none":
                return
            assert self.active is None, "asked for a response while one was running"
            assert not self.asked, "two requests at once"
            self.asked.add(str(event["event_id"]))
        elif kind == "conversation.item.truncate":
            end = event["audio_end_ms"]
            assert isinstance(end, int)
            assert 0 <= end <= self.received[str(event["item_id"])]
        elif kind == "conversation.item.create":
            item = event["item"]
            assert isinstance(item, dict)
            if item["type"] == "function_call_output":
                self.answered[item["call_id"]] += 1
                assert item["call_id"] in self.calls
                assert self.answered[item["call_id"]] == 1, "answered twice"

    def _told(self, event: object) -> None:
        if isinstance(event, AudioEvent):
            assert event.response_id not in self.stopped, "sound after an interruption"
        elif isinstance(event, AudioInterruptedEvent):
            self.stopped.add(self.owner[event.item_id])
            if self.active is not None:
                self.stopped.add(self.active)
        elif isinstance(event, AgentStartEvent):
            self.balance[event.response_id] += 1
            assert self.balance[event.response_id] == 1
        elif isinstance(event, AgentEndEvent):
            self.balance[event.response_id] -= 1
            assert self.balance[event.response_id] == 0

    # -- what may happen -------------------------------------------------------------------------

    def response(self, slot: int) -> str:
        """One of the latest responses; a server never uses an id twice."""
        return self.responses[-1 - slot % len(self.responses)]

    def created(self, *, outside: bool) -> None:
        response = f"r{len(self.responses)}"
        waiting = self.d.state.turn.outside
        self.responses.append(response)
        if outside and waiting:
            metadata = {"voxloop_request": next(iter(waiting))}
            self.d.created(response, metadata=metadata, conversation_id=None)
        else:
            self.active = response
            self.asked.clear()
            self.d.created(response)

    def done(self, slot: int, status: str) -> None:
        response = self.response(slot)
        if self.active == response:
            self.active = None
        self.d.done(response, status)

    def audio(self, slot: int, item: str, ms: int) -> None:
        response = self.response(slot)
        item = f"{item}:{response}"
        self.owner[item] = response
        if response not in self.d.state.turn.muted:
            self.received[item] += ms
        self.d.audio(ms, item=item, response=response)

    def call(self, slot: int, name: str, call_id: str) -> None:
        self.calls.add(call_id)
        self.d.call(name, '{"place": "x"}', call_id=call_id, response=self.response(slot))

    def refuse(self, code: str) -> None:
        event_id = next(iter(self.asked), None)
        self.asked.clear()
        self.d.error(code, event_id=event_id)

    def ready(self, index: int, call_id: str | None) -> None:
        self.d.feed(inputs.AgentReady(READY[index], call_id, "moved", self.d.at))


class Orders(RuleBasedStateMachine):
    """Random orders, shrunk to the shortest that breaks something."""

    def __init__(self) -> None:
        super().__init__()
        self.j = Judge(RunConfig(tools_to_approve=frozenset({"look"})))

    @rule(outside=st.booleans())
    def created(self, outside: bool) -> None:
        self.j.created(outside=outside)

    @rule(slot=SLOTS, status=st.sampled_from(["completed", "cancelled", "failed", "incomplete"]))
    def done(self, slot: int, status: str) -> None:
        self.j.done(slot, status)

    @rule(slot=SLOTS, item=st.sampled_from(ITEMS), ms=st.integers(1, 3000))
    def audio(self, slot: int, item: str, ms: int) -> None:
        self.j.audio(slot, item, ms)

    @rule(item=st.sampled_from(ITEMS), slot=SLOTS)
    def audio_done(self, item: str, slot: int) -> None:
        response = self.j.response(slot)
        self.j.d.part("response.output_audio.done", item=f"{item}:{response}", response=response)

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

    @rule()
    def updated(self) -> None:
        self.j.d.server("session.updated", session={"type": "realtime"})

    @precondition(lambda self: self.j.d.state.link.pending)
    @rule()
    def update_refused(self) -> None:
        self.j.d.error("invalid_value", event_id=self.j.d.state.link.pending[0].event_id)

    @precondition(lambda self: self.j.asked)
    @rule(code=st.sampled_from(["conversation_already_has_active_response", "invalid_value"]))
    def refused(self, code: str) -> None:
        self.j.refuse(code)

    @rule(kind=st.sampled_from(["started", "stopped"]))
    def speech(self, kind: str) -> None:
        self.j.d.speech(kind)

    @rule(item=st.sampled_from(["u1", "u2"]))
    def committed(self, item: str) -> None:
        self.j.d.committed(item)

    @rule()
    def interrupt(self) -> None:
        self.j.d.feed(inputs.Interrupt(self.j.d.at))

    @rule(outside=st.booleans())
    def respond(self, outside: bool) -> None:
        self.j.d.respond(rt.ResponseParams(conversation="none") if outside else None)

    @rule()
    def commit(self) -> None:
        self.j.d.feed(inputs.CommitAudio(None, self.j.d.at))

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


def moves(j: Judge, random_: random.Random) -> list[Callable[[], object]]:
    """All that can happen next, with values drawn now."""
    pick = random_.choice
    d = j.d
    choices: list[Callable[[], object]] = [
        lambda: j.created(outside=pick([True, False])),
        lambda: j.done(pick(SLOT_NUMBERS), pick(["completed", "cancelled", "failed"])),
        lambda: j.audio(pick(SLOT_NUMBERS), pick(ITEMS), random_.randint(1, 2000)),
        lambda: j.call(pick(SLOT_NUMBERS), pick(NAMES), pick(CALLS)),
        lambda: d.finish(pick(CALLS)),
        lambda: d.feed(inputs.Answer(pick(CALLS), "x", d.at)),
        lambda: j.ready(random_.randint(0, 1), pick([None, *CALLS])),
        lambda: d.server("session.updated", session={"type": "realtime"}),
        lambda: d.speech(pick(["started", "stopped"])),
        lambda: d.committed(pick(["u1", "u2"])),
        lambda: d.feed(inputs.Interrupt(d.at)),
        d.respond,
        lambda: d.tick(random_.random() * 3),
    ]
    if j.asked:
        choices.append(lambda: j.refuse("conversation_already_has_active_response"))
    return choices


@pytest.mark.parametrize("seed", range(8))
def test_long_random_sessions(seed: int) -> None:
    random_ = random.Random(seed)
    for _ in range(25):
        judge = Judge()
        for _ in range(60):
            random_.choice(moves(judge, random_))()
            judge.check()
