"""Watches a reducer that is driven in any order, and knows what must never be."""

from __future__ import annotations

import base64
import random
import struct
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from support.realtime_driver import Driver, resolved
from voxloop._errors import NetworkError
from voxloop.agents import Agent
from voxloop.audio import PCM24K, AudioChunk
from voxloop.realtime import (
    AgentEndEvent,
    AgentStartEvent,
    AudioEvent,
    AudioInterruptedEvent,
    Reconnect,
    ReconnectedEvent,
    ReconnectingEvent,
    RunConfig,
    inputs,
    reducer,
)
from voxloop.tools import Tool, tool


@tool
async def look(place: str) -> str:
    """Look."""
    return place


ASK = Tool("ask", "Ask the application", {"type": "object", "properties": {}}, timeout=5.0)
TECH = Agent("Tech", "Solve.")
AGENT = Agent("Greeter", "Route.", tools=[look, ASK]).add_handoff(TECH)
READY = (resolved(TECH), resolved(AGENT))
PATIENT = Reconnect(max_attempts=10**6, give_up_after=1e8, quick_failures=10**6)
"""One that never ends a session, so that every order goes on."""
SLOT_NUMBERS = (0, 1, 2, 3)
ITEMS = ("i1", "i2", "u1")
CALLS = ("c1", "c2", "c3", "c4")
NAMES = ("look", "ask", "fly", "transfer_to_tech")


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

    def chunk(self) -> AudioChunk:
        """It as audio; empty where a sink has taken it."""
        return AudioChunk(b"" if self.taken else self.data, PCM24K)


class Judge:
    """Watches what a session sends and emits, and knows what it must not."""

    def __init__(self, config: RunConfig | None = None) -> None:
        self.d = Driver(READY[1], config, PATIENT).start()
        self.first = 0
        """The first response of this connection, in ``responses``."""
        self.told_calls: set[str] = set()
        self.appended = 0
        self.heard_until: int | None = None
        self.items: set[str] = set()
        self.updated = True
        self.trying = 0
        self.owed = False
        self.connection_from = 0
        """The first number that this connection was sent."""
        self.open_from = 0
        """The first number that no commit has closed."""
        self.closing: list[tuple[int, int]] = []
        """Numbers of commits of ours that the server has not confirmed."""
        self.commits = 0
        """Commits sent on this connection."""
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
        if self.owed and self.up:
            assert self.asked, "a request was lost with its connection"
            self.owed = False
        when = reducer.deadline(self.d.state)
        if when is not None and when <= self.d.at:
            self.d.feed(inputs.Tick(self.d.at))
            again = reducer.deadline(self.d.state)
            assert again is None or again > self.d.at, "the timer would never rest"

    def _sent(self, event: dict[str, object]) -> None:
        kind = event["type"]
        if kind == "switch":
            self._switched()
            return
        if not self.updated:
            assert kind == "session.update", "a new connection is told the settings first"
            self.updated = True
        if kind == "input_audio_buffer.commit":
            self.commits += 1
        elif kind == "input_audio_buffer.append":
            self._heard(str(event["audio"]))
        elif kind == "response.create":
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
                assert item["call_id"] in self.told_calls, "an output without its call"
                assert self.answered[item["call_id"]] == 1, "answered twice"
            elif item["type"] == "function_call":
                self.told_calls.add(item["call_id"])
            assert item["id"] not in self.items, "an item twice on one connection"
            self.items.add(item["id"])

    def _switched(self) -> None:
        self.first = len(self.responses)
        self.responses.append(f"r{self.first}")
        self.active = None
        self.asked.clear()
        self.told_calls.clear()
        self.answered.clear()
        self.received.clear()
        self.items.clear()
        self.closing = [(start, end) for start, end in self.closing if end > start]
        self.connection_from = self.closing[0][0] if self.closing else self.open_from
        self.heard_until = self.connection_from
        self.commits = 0
        self.updated = False
        assert self.d.state.turn.responses.keys() <= set(self.responses[self.first :])

    def _heard(self, audio: str) -> None:
        for (number,) in struct.iter_unpack("<I", base64.b64decode(audio)):
            assert self.heard_until in (None, number), "audio repeated, lost or out of order"
            self.heard_until = number + 1

    def _told(self, event: object) -> None:
        if isinstance(event, ReconnectingEvent):
            self.trying += 1
        elif isinstance(event, ReconnectedEvent):
            assert event.dropped_audio_bytes == 0
            assert event.planned == (self.trying == 0)
            assert self.heard_until == self.appended, "uncommitted audio was lost"
            assert self.commits == len(self.closing), "a commit was lost"
            self.trying = 0
        elif isinstance(event, AudioEvent):
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
        return self.responses[-1 - slot % (len(self.responses) - self.first)]

    @property
    def up(self) -> bool:
        """Whether the server can say anything."""
        return self.d.state.line.up

    def lose(self) -> None:
        before = self.d.state.sequencer
        owed = bool(before.waiting or (before.sent and not before.cancel_on_start))
        self.d.lose()
        assert not self.d.state.turn.responses
        self.active = None
        self.asked.clear()
        self.owed = self.owed or owed

    def dial(self, works: bool) -> None:
        coming = self.d.state.line.coming
        if coming is None:
            return
        if works and self.d.state.line.standby == "dialing":
            self.d.open()
        else:
            self.d.feed(inputs.Lost(NetworkError("no"), self.d.at, coming))

    def commit(self) -> None:
        """The application ends the turn."""
        self.d.feed(inputs.CommitAudio(None, self.d.at))
        self.closing.append((self.open_from, self.appended))
        self.open_from = self.appended

    def committed(self, item: str) -> None:
        """The server confirms a commit of ours, or has ended a turn by itself."""
        buffer = self.d.state.input
        if buffer.commits and buffer.stopped_item != item:
            self.closing.pop(0)
        else:
            until = self.closing[0][1] if self.closing else self.appended
            if buffer.stopped_ms is not None:
                until = min(self.connection_from + buffer.stopped_ms * 12, self.appended)
            self.closing = [(max(a, until), max(b, until)) for a, b in self.closing]
            self.open_from = max(until, self.open_from)
        self.d.committed(item)

    def append(self, count: int) -> None:
        data = struct.pack(f"<{count}I", *range(self.appended, self.appended + count))
        self.appended += count
        self.d.append(data)

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
        self.same_the_quick_way(Decoded(item, response, bytes(ms * 48), taken=ms % 2 == 1))
        self.d.audio(ms, item=item, response=response)

    def same_the_quick_way(self, delta: Decoded) -> None:
        """What the quick way makes of decoded sound is what `reducer.step` makes of it."""
        given = inputs.Sound(delta, self.d.at)  # type: ignore[arg-type]
        state = self.d.state
        self.d.ways.compare(state, given, reducer.step(state, given))

    def call(self, slot: int, name: str, call_id: str) -> None:
        self.calls.add(call_id)
        self.told_calls.add(call_id)
        self.d.call(name, '{"place": "x"}', call_id=call_id, response=self.response(slot))

    def refuse(self, code: str) -> None:
        event_id = next(iter(self.asked), None)
        self.asked.clear()
        self.d.error(code, event_id=event_id)

    def ready(self, index: int, call_id: str | None) -> None:
        self.d.feed(inputs.AgentReady(READY[index], call_id, "moved", self.d.at))


def moves(j: Judge, random_: random.Random) -> list[Callable[[], object]]:
    """All that can happen next, with values drawn now."""
    pick = random_.choice
    d = j.d
    ours: list[Callable[[], object]] = [
        lambda: d.finish(pick(CALLS)),
        lambda: d.feed(inputs.Answer(pick(CALLS), "x", d.at)),
        lambda: j.ready(random_.randint(0, 1), pick([None, *CALLS])),
        lambda: d.feed(inputs.Interrupt(d.at)),
        d.respond,
        lambda: j.append(random_.randint(1, 900)),
        j.commit,
        lambda: d.tick(random_.random() * 3),
        lambda: j.dial(pick([True, True, False])),
    ]
    if not j.up:
        return ours
    theirs: list[Callable[[], object]] = [
        j.lose,
        lambda: d.expires_in(random_.random() * 10),
        lambda: j.created(outside=pick([True, False])),
        lambda: j.done(pick(SLOT_NUMBERS), pick(["completed", "cancelled", "failed"])),
        lambda: j.audio(pick(SLOT_NUMBERS), pick(ITEMS), random_.randint(1, 2000)),
        lambda: j.call(pick(SLOT_NUMBERS), pick(NAMES), pick(CALLS)),
        lambda: d.server("session.updated", session={"type": "realtime"}),
        lambda: d.speech(pick(["started", "stopped"])),
        lambda: j.committed(pick(["u1", "u2"])),
    ]
    if j.asked:
        theirs.append(lambda: j.refuse("conversation_already_has_active_response"))
    return [*ours, *theirs]


def play(random_: random.Random, count: int) -> int:
    """One order of so many moves; how often sound could go the quick way."""
    judge = Judge()
    for _ in range(count):
        random_.choice(moves(judge, random_))()
        judge.check()
    return judge.d.ways.taken
