"""Any order of what a user, an application and a server do, over a real socket.

Servers that keep to the protocol, and servers that do not. ``VOXLOOP_SOCKET_CASES`` says how many
lives are lived, ``VOXLOOP_SOCKET_STEPS`` how long they are.
"""

from __future__ import annotations

import os
from collections import Counter

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from support.realtime_cast import AGENT, TECH
from support.realtime_socket import Portal

CASES = int(os.environ.get("VOXLOOP_SOCKET_CASES", "15"))
STEPS = int(os.environ.get("VOXLOOP_SOCKET_STEPS", "30"))
SLOTS = st.integers(0, 2)
ITEMS = st.sampled_from(["i1", "i2", "i3"])
CALLS = st.sampled_from(["c1", "c2", "c3", "c4"])
NAMES = st.sampled_from(["look", "ask", "note", "later", "stop", "slow", "fly", "transfer_to_tech"])
STATUSES = st.sampled_from(["completed", "cancelled", "failed", "incomplete"])
REFUSALS = st.sampled_from(["conversation_already_has_active_response", "invalid_value"])
ODD = st.sampled_from(
    [
        "no JSON",
        "[]",
        '{"type": "from.the.future", "x": 1}',
        '{"type": "response.done"}',
        '{"type": "response.output_audio.delta", "delta": "!!!!"}',
        '{"type": "conversation.item.added", "item": {"id": "a", "type": "message"}}',
        '{"type": "conversation.item.deleted", "item_id": "nobody"}',
        '{"type": "input_audio_buffer.cleared"}',
        '{"type": "rate_limits.updated", "rate_limits": [{}]}',
        '{"type": "error", "error": {"message": "Something."}}',
        '{"type": "response.output_audio_transcript.delta", "delta": "x", "item_id": "i1"}',
    ]
)
HAPPENED: Counter[str] = Counter()
MUST_HAPPEN = (
    "AudioEvent",
    "AudioInterruptedEvent",
    "ReconnectedEvent",
    "ToolResultEvent",
    "conversation.item.truncate",
    "input_audio_buffer.commit",
    "response.cancel",
    "response.create",
)


class Lives(RuleBasedStateMachine):
    """One session after the other; each step is seen by both sides before the next."""

    def __init__(self) -> None:
        super().__init__()
        self.portal = Portal()
        self.wire = self.portal.wire
        self.responses = 0

    def response(self, slot: int) -> str:
        """One of the latest; a server never uses an id twice."""
        return f"r{max(0, self.responses - slot)}"

    @rule(respond=st.booleans())
    def write(self, respond: bool) -> None:
        self.portal.do(lambda: self.wire.write(respond=respond))

    @rule(count=st.integers(0, 3_000), commit=st.booleans())
    def speak(self, count: int, commit: bool) -> None:
        if count:
            self.portal.do(lambda: self.wire.speak(count))
        if commit:
            self.portal.do(self.wire.commit)

    @rule()
    def committed(self) -> None:
        self.portal.do(self.wire.confirmed_commit)

    @rule()
    def shown(self) -> None:
        self.portal.do(self.wire.show)

    @rule(params=st.sampled_from(["", "alone", "beside"]))
    def ask(self, params: str) -> None:
        self.portal.do(lambda: self.wire.ask(params))

    @rule()
    def interrupt(self) -> None:
        self.portal.do(self.wire.interrupt)

    @rule(agent=st.sampled_from([AGENT, TECH]))
    def update_agent(self, agent: object) -> None:
        self.portal.do(lambda: self.wire.move(agent))  # type: ignore[arg-type]

    @rule(call_id=CALLS, approve=st.booleans())
    def answer(self, call_id: str, approve: bool) -> None:
        self.portal.do(lambda: self.wire.answered(call_id, approve=approve))

    @rule()
    def slow_tools_end(self) -> None:
        self.portal.do(self.wire.slow_over)

    @rule()
    def created(self) -> None:
        self.responses += 1
        self.portal.do(lambda: self.wire.created(f"r{self.responses}"))

    @rule(slot=SLOTS, status=STATUSES)
    def done(self, slot: int, status: str) -> None:
        self.portal.do(lambda: self.wire.done(self.response(slot), status))

    @rule(slot=SLOTS, item=ITEMS, ms=st.integers(1, 1_500))
    def audio(self, slot: int, item: str, ms: int) -> None:
        response = self.response(slot)
        self.portal.do(lambda: self.wire.audio(response, f"{item}:{response}", ms))

    @rule(slot=SLOTS, name=NAMES, call_id=CALLS)
    def call(self, slot: int, name: str, call_id: str) -> None:
        self.portal.do(lambda: self.wire.call(self.response(slot), name, call_id))

    @precondition(lambda self: self.wire.asked)
    @rule(code=REFUSALS)
    def refused(self, code: str) -> None:
        self.portal.do(lambda: self.wire.refused(code))

    @rule()
    def updated(self) -> None:
        fields = {"session": {"type": "realtime"}}
        self.portal.do(lambda: self.wire.say("session.updated", **fields))

    @precondition(lambda self: len(self.wire.updates) > 1)
    @rule()
    def update_refused(self) -> None:
        detail = {"message": "No.", "code": "invalid_value", "event_id": self.wire.updates[-1]}
        self.portal.do(lambda: self.wire.say("error", error=detail))

    @rule(kind=st.sampled_from(["started", "stopped"]))
    def speech(self, kind: str) -> None:
        self.portal.do(lambda: self.wire.speech(kind))

    @rule(text=ODD)
    def odd(self, text: str) -> None:
        self.portal.do(lambda: self.wire.odd(text))

    @rule()
    def drop(self) -> None:
        self.portal.do(self.wire.drop)

    @rule()
    def expire(self) -> None:
        self.portal.do(self.wire.expire)

    @rule(milliseconds=st.integers(0, 60))
    def time_passes(self, milliseconds: int) -> None:
        self.portal.do(lambda: self.wire.wait(milliseconds / 1000.0))

    @rule()
    def left_and_opened_again(self) -> None:
        """In whatever state it is, leaving takes no time to speak of and leaves nothing."""
        self.portal.leave()
        HAPPENED.update(self.wire.counts)
        self.portal = Portal()
        self.wire = self.portal.wire
        self.responses = 0

    def teardown(self) -> None:
        try:
            if not self.portal.broken:
                self.portal.do(self.wire.settle)
        finally:
            self.portal.leave()
            HAPPENED.update(self.wire.counts)


TestLives = Lives.TestCase
TestLives.settings = settings(
    max_examples=CASES,
    stateful_step_count=STEPS,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


def test_what_has_happened_in_them() -> None:
    print(", ".join(f"{count} {kind}" for kind, count in sorted(HAPPENED.items())))
    missing = [kind for kind in MUST_HAPPEN if not HAPPENED[kind]]
    assert CASES < 100 or not missing
