"""Watches a reducer that is driven in any order, and knows what must never be."""

from __future__ import annotations

import base64
import struct
from collections import Counter

from support.realtime_cast import CALLS, PATIENT, READY, Decoded
from support.realtime_driver import Driver
from voxloop._errors import NetworkError
from voxloop.realtime import (
    AgentEndEvent,
    AgentStartEvent,
    AudioEvent,
    AudioInterruptedEvent,
    ReconnectedEvent,
    ReconnectingEvent,
    RunConfig,
    TranscriptEvent,
)
from voxloop.realtime.machine import inputs, reducer
from voxloop.realtime.machine.restore import heard
from voxloop.wire import realtime as rt

_NUMBERS = struct.pack("<100000I", *range(100_000))


def numbers(start: int, count: int) -> bytes:
    """Audio that says where it belongs: each four bytes are a number."""
    return _NUMBERS[4 * start : 4 * (start + count)]


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
        self.counts: Counter[str] = Counter()
        """What was sent and told, by kind."""
        self.stop_next = False
        """The response that was asked for is to be stopped as soon as it begins."""
        self.running: set[str] = set()
        self.outside: set[str] = set()
        self.brought: set[str] = set()
        """Responses that have said or done something."""
        self.batches: dict[str, set[str]] = {}
        """Calls of the conversation without an output, by response."""
        self.of_call: dict[str, str] = {}
        self.wishes = 0
        """Reasons to ask for a response since the last request."""
        self.manual = False
        """Requests stand alone in this order, so that one request may leave reasons."""
        self.wire: list[tuple[int, int]] = []
        """Numbers that this connection was sent."""
        self.said: list[str] = []
        """Messages of the application, in order."""
        self.texts: list[str] = []
        """Those that this connection was told."""
        self.unshown: list[rt.Item] = []
        self.order: list[str] = []
        """Items that this connection was sent, as they stand there."""
        self.words: dict[str, str] = {}
        """What it was told that the agent said."""
        self.gone: list[str] = []
        """Items whose deletion the server has not confirmed."""

    def check(self) -> None:
        """Look at what the last input has led to."""
        for event in self.d.sent:
            self._sent(event)
        for told in self.d.events:
            self._told(told)
        self.d.clear()
        if self.over:
            return
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
        self.counts[f"sent {kind}"] += 1
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
            assert self.wishes, "asked for a response that nobody wants"
            self.wishes = max(0, self.wishes - 1) if self.manual else 0
            self.stop_next = False
            self.asked.add(str(event["event_id"]))
        elif kind == "conversation.item.truncate":
            end = event["audio_end_ms"]
            assert isinstance(end, int)
            assert 0 <= end <= self.received[str(event["item_id"])]
        elif kind == "conversation.item.create":
            self._added(event["item"], event.get("previous_item_id"))
        elif kind == "conversation.item.delete":
            name = str(event["item_id"])
            assert name in self.items, "an item is taken out that is not there"
            self.items.discard(name)
            self.order.remove(name)
            self.words.pop(name, None)
            self.gone.append(name)

    def _added(self, item: object, previous: object) -> None:
        assert isinstance(item, dict)
        kind = item["type"]
        assert previous in (None, "root", *self.order), "behind an item that is not there"
        known = previous in self.order
        place = self.order.index(previous) + 1 if known else 0 if previous else len(self.order)
        self.order.insert(place, item["id"])
        assert item["id"] not in self.items, "an item twice on one connection"
        self.items.add(item["id"])
        if kind == "function_call":
            self.told_calls.add(item["call_id"])
        elif kind == "function_call_output":
            call_id = item["call_id"]
            self.answered[call_id] += 1
            assert call_id in self.told_calls, "an output without its call"
            assert self.answered[call_id] == 1, "answered twice"
            response = self.of_call[call_id]
            self.batches[response].discard(call_id)
            self._batch(response)
        elif item["role"] == "assistant":
            self.words[item["id"]] = item["content"][0]["text"]
        elif item["role"] == "user" and item["content"][0]["type"] == "input_text":
            self.texts.append(item["content"][0]["text"])
            self.unshown.append(rt.Item(**{**item, "content": None}))

    def _batch(self, response: str) -> None:
        """A response whose calls are all answered lets the model go on once it is over."""
        if self.batches.get(response) == set() and response not in self.running:
            self.wishes += 1

    def _switched(self) -> None:
        self.first = len(self.responses)
        self.responses.append(f"r{self.first}")
        self.active = None
        self.asked.clear()
        self.told_calls.clear()
        self.answered.clear()
        self.received.clear()
        self.items.clear()
        self.order.clear()
        self.words.clear()
        self.gone.clear()
        self.texts.clear()
        self.unshown.clear()
        self.wire.clear()
        self.closing = [(start, end) for start, end in self.closing if end > start]
        self.connection_from = self.closing[0][0] if self.closing else self.open_from
        self.heard_until = self.connection_from
        self.commits = 0
        self.updated = False
        assert self.d.state.turn.responses.keys() <= set(self.responses[self.first :])

    def _heard(self, audio: str) -> None:
        data = base64.b64decode(audio)
        first, count = struct.unpack_from("<I", data)[0], len(data) // 4
        assert data == numbers(first, count), "pieces of sound are mixed up"
        assert self.heard_until in (None, first), "audio repeated, lost or out of order"
        self.heard_until = first + count

    def _told(self, event: object) -> None:
        self.counts[type(event).__name__] += 1
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
        elif isinstance(event, TranscriptEvent) and event.role == "assistant":
            assert event.response_id not in self.stopped, "words after an interruption"
        elif isinstance(event, AudioInterruptedEvent):
            self.stopped.add(self.owner[event.item_id])
            if self.active is not None and event.cause != "guardrail":
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

    @property
    def over(self) -> bool:
        """Whether the session has ended."""
        return self.d.state.link.over

    def lose(self) -> None:
        before = self.d.state.sequencer
        owed = bool(before.waiting or (before.sent and not before.cancel_on_start))
        began = self.active is not None and self.active not in self.brought | self.stopped
        owed = owed or (began and not before.cancelling)
        self.d.lose()
        assert not self.d.state.turn.responses
        self._gone()
        self.owed = self.owed or owed

    def _gone(self) -> None:
        self.active = None
        self.asked.clear()
        self.running.clear()
        self.stop_next = False
        self.wishes += 1

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
        if self.d.feed(inputs.CommitAudio(None, self.d.at)) and self.d.refusal() is not None:
            return  # there is nothing to commit
        self.closing.append((self.open_from, self.appended))
        self.open_from = self.appended
        self.wishes += 1

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
        self.wishes += 1
        self.d.committed(item)

    def append(self, count: int) -> None:
        data = numbers(self.appended, count)
        self.appended += count
        self.d.append(data)

    def created(self, *, outside: bool) -> None:
        response = f"r{len(self.responses)}"
        waiting = self.d.state.turn.outside
        self.responses.append(response)
        if outside and waiting:
            metadata = {"voxloop_request": next(iter(waiting))}
            self.outside.add(response)
            self.running.add(response)
            self.d.created(response, metadata=metadata, conversation_id=None)
        else:
            self.active = response
            self.running.add(response)
            self.asked.clear()
            if self.stop_next:
                self.stopped.add(response)
                self.stop_next = False
            self.d.created(response)

    def done(self, slot: int, status: str) -> None:
        self.ended(self.response(slot), status)

    def ended(self, response: str, status: str) -> None:
        """A response is over."""
        if self.active == response:
            self.active = None
        self.running.discard(response)
        self._batch(response)
        self.d.done(response, status)

    def audio(self, slot: int, item: str, ms: int) -> None:
        response = self.response(slot)
        item = f"{item}:{response}"
        self.owner[item] = response
        self.brought.add(response)
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
        response = self.response(slot)
        self.brought.add(response)
        self.told_calls.add(call_id)
        if call_id not in self.calls:
            self.calls.add(call_id)
            self.of_call[call_id] = response
            # What comes after its response is taken for a part of the conversation.
            if response not in self.outside & self.running:
                self.batches.setdefault(response, set()).add(call_id)
        self.d.call(name, '{"place": "x"}', call_id=call_id, response=response)

    def refuse(self, code: str) -> None:
        event_id = next(iter(self.asked), None)
        self.asked.clear()
        self.stop_next = False
        self.wishes += 1
        self.d.error(code, event_id=event_id)

    def ready(self, index: int, call_id: str | None) -> None:
        self.d.feed(inputs.AgentReady(READY[index], call_id, "moved", self.d.at))

    def respond(self, params: rt.ResponseParams | None = None) -> None:
        """The application asks for a response."""
        self.wishes += 1
        self.manual = self.manual or params is not None
        self.d.respond(params)

    def message(self, *, respond: bool) -> None:
        """The application says something."""
        self.said.append(f"message {len(self.said)}")
        self.wishes += respond
        part = rt.ContentPart(type="input_text", text=self.said[-1])
        item = rt.Item(type="message", role="user", content=[part])
        self.d.feed(inputs.AddItem(item, None, respond, self.d.at))

    def shown(self) -> None:
        """The server shows an item that it was sent."""
        if self.unshown:
            item = self.unshown.pop(0)
            self.d.server("conversation.item.added", item=item, previous_item_id=None)

    def deleted(self) -> None:
        """The server says that an item is gone."""
        if self.gone:
            self.d.server("conversation.item.deleted", item_id=self.gone.pop(0))

    def spoken(self, slot: int, item: str, words: int) -> None:
        """The agent says something, and the server what it is."""
        response = self.response(slot)
        name = f"{item}:{response}"
        message = {"id": name, "type": "message", "role": "assistant", "content": []}
        self.d.server(
            "response.output_item.added", item=message, response_id=response, output_index=0
        )
        self.brought.add(response)
        kind = "response.output_audio_transcript.done"
        self.d.part(kind, item=name, response=response, transcript="so many words " * words)

    def interrupt(self) -> None:
        """The application stops the answer."""
        self._silence()
        self.stop_next = bool(self.asked) and self.active is None
        self.d.feed(inputs.Interrupt(self.d.at))

    def speech(self, kind: str) -> None:
        """The user speaks, or stops."""
        if kind == "started" and self.d.state.config.barge_in:
            self._silence()
        self.d.speech(kind)

    def _silence(self) -> None:
        if self.active is not None:
            self.stopped.add(self.active)

    def settle(self) -> None:
        """Nothing new happens, and what is open comes to its end."""
        for _ in range(60):
            if self.over or self._rest():
                return
            if self.d.state.line.coming is not None:
                self.dial(works=True)
            elif not self.up:
                self.d.tick(9.0)
            else:
                for call_id in CALLS:
                    self.d.finish(call_id)
                self.check()
                for response in sorted(self.running):
                    self.ended(response, "completed")
                    self.check()
                if self.asked:
                    self.created(outside=False)
                self.d.tick(400.0)
            self.check()
        unanswered = sorted(set().union(*self.batches.values()))
        raise AssertionError(f"it does not come to rest; without an answer: {unanswered}")

    def _rest(self) -> bool:
        busy = self.asked or self.running or self.d.state.sequencer.busy
        if busy or not self.up or self.d.state.line.coming is not None:
            return False
        if self.d.state.tools.running or any(self.batches.values()):
            return False
        shown = self.d.state.turn.shown
        if shown == "speaking" and not self.d.state.playback.reported:
            return False
        assert shown in ("listening", "user_speaking", "speaking"), shown
        assert self.texts == self.said, "the conversation is not what was said"
        assert not +self.balance, "a response began and never ended"
        for entry in self.d.state.history.current():
            if entry.id in self.words:
                assert self.words[entry.id].split() == heard(entry).split(), "not what was heard"
        placed = [entry.id for entry in self.d.state.history.items if entry.id in self.words]
        assert placed == [name for name in self.order if name in self.words], "out of order"
        return True
