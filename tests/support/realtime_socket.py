"""A session on a real socket in a thread of its own, and a server that says what it is told to.

After each step both sides have seen all that the other has said, so it is known what the client
could have known when it sent something. What it must not send is looked for in what has arrived.
"""

from __future__ import annotations

import base64
import contextlib
import struct
import threading
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import trio

from support.realtime_cast import AGENT
from support.realtime_live import QUICK, counted, eventually, only
from voxloop import realtime, testing
from voxloop._errors import VoxloopError
from voxloop.agents import Agent
from voxloop.testing import script as s
from voxloop.tools import tool

SECONDS = 30.0
"""How long one step may take, on a machine that is busy with other things."""


class Wire:
    """Both sides of a session, and the rules that hold on the wire."""

    def __init__(self) -> None:
        self.events: list[realtime.Event] = []
        self.finish = trio.Event()
        self.server: testing.RealtimeServer
        self.session: realtime.Session
        self.marks = 0
        self.seen_marks = 0
        self.position = 0
        """Numbers of audio that the application has sent."""
        self.confirmed = 0
        """The first number that no commit has closed that this server has confirmed."""
        self.commits: list[int] = []
        """Where the commits of the application stand that were not confirmed."""
        self.said: list[str] = []
        self.stopped: set[str] = set()
        self.answers = 0
        self.owner: dict[str, str] = {}
        self.told_events = 0
        self.counts: Counter[str] = Counter()
        self.connect()

    def connect(self) -> None:
        """A connection begins: nothing is known of the one before."""
        self.read = 0
        self.active: str | None = None
        self.asked: str | None = None
        self.running: list[str] = []
        self.items: set[str] = set()
        self.unshown: list[dict[str, Any]] = []
        """Items of the client that this server has not shown."""
        self.texts: list[str] = []
        self.calls: set[str] = set()
        self.outputs: Counter[str] = Counter()
        self.sound: Counter[str] = Counter()
        self.next_number: int | None = None
        self.updates: list[str] = []
        self.closed = self.taken = 0
        """Commits that this server has heard, and confirmed."""
        self.since: set[str] = set()
        """What the server has said in this step, and the client may not have known."""

    @property
    def peer(self) -> testing.Peer:
        return self.server.peers[-1]

    async def say(self, kind: str, **fields: object) -> None:
        """The server says something."""
        await self.peer.send(kind, **fields)

    async def odd(self, text: str) -> None:
        """The server says something that no server should."""
        if text == '{"type": "response.done"}':
            # The end of a response that has no name is that of the one asked for, or running.
            self.active = self.asked = None
            self.since |= {"active", "asked"}
        await self.peer.send_event(text)

    async def sync(self) -> None:
        """Each side has seen what the other has said so far."""
        with trio.fail_after(SECONDS):
            for _ in range(2):  # what the first round leads to is seen with the second
                self.marks += 1
                mark = self.marks
                await self.say("test.mark", number=mark)
                await eventually(lambda mark=mark: self.seen_marks >= mark)
                await self.session.send_raw({"type": "test.back", "number": mark})
                await eventually(lambda mark=mark: self._back(mark))
        self.check()
        self.since.clear()

    def _back(self, mark: int) -> bool:
        return any(event.get("number") == mark for event in self.peer.received[-100:])

    async def drop(self) -> None:
        """The connection is lost, and the next one stands."""
        await self._changed(self.server.drop)

    async def expire(self) -> None:
        """The server ends the session, which is begun anew."""
        detail = {"type": "invalid_request_error", "code": "session_expired", "message": "Over."}
        await self._changed(lambda: self.say("error", error=detail))

    async def _changed(self, end: Callable[[], Awaitable[None]]) -> None:
        before = len(self.server.peers)
        await end()
        await eventually(lambda: len(self.server.peers) > before)
        await eventually(lambda: self.session._runner.state.line.up)
        self.connect()

    # -- what must hold ---------------------------------------------------------------------------

    def check(self) -> None:
        """Look at what has arrived, and at what the application was told."""
        received = self.peer.received
        while self.read < len(received):
            event = received[self.read]
            self.read += 1
            self.counts[str(event["type"])] += 1
            self._received(event)
        for told in self.events[self.told_events :]:
            if isinstance(told, realtime.AudioEvent):
                assert told.response_id not in self.stopped, "sound after an interruption"
            self.counts[type(told).__name__] += 1
        self.told_events = len(self.events)
        starts = Counter(e.response_id for e in only(self.events, realtime.AgentStartEvent))
        assert max(starts.values(), default=1) == 1

    def _received(self, event: dict[str, Any]) -> None:
        kind = event["type"]
        if not self.updates:
            assert kind == "session.update", "a connection is told the settings first"
        if kind == "input_audio_buffer.commit":
            self.closed += 1
        elif kind == "session.update":
            self.updates.append(str(event["event_id"]))
        elif kind == "response.create":
            if (event.get("response") or {}).get("conversation") != "none":
                self._asks(str(event["event_id"]))
        elif kind == "conversation.item.truncate":
            assert 0 <= event["audio_end_ms"] <= self.sound[event["item_id"]], "beyond the sound"
        elif kind == "input_audio_buffer.append":
            self._hears(base64.b64decode(event["audio"], validate=True))
        elif kind == "conversation.item.delete":
            self.items.discard(event["item_id"])
        elif kind == "conversation.item.create":
            self._item(event["item"])

    def _asks(self, event_id: str) -> None:
        known = "active" not in self.since
        assert not (self.active and known), "asked for a response while one was running"
        assert self.asked is None or "asked" in self.since, "two requests at once"
        self.asked = event_id

    def _hears(self, data: bytes) -> None:
        numbers = [n for (n,) in struct.iter_unpack("<I", data)]
        first = numbers[0]
        if self.next_number is None:
            assert first == self.confirmed, "audio was lost or repeated"
        else:
            assert first == self.next_number, "audio repeated, lost or out of order"
        assert numbers == list(range(first, first + len(numbers)))
        self.next_number = first + len(numbers)

    def _item(self, item: dict[str, Any]) -> None:
        assert item["id"] not in self.items, "an item twice"
        self.items.add(item["id"])
        self.unshown.append(item)
        if item["type"] == "function_call":
            self.calls.add(item["call_id"])
        elif item["type"] == "function_call_output":
            self.outputs[item["call_id"]] += 1
            assert item["call_id"] in self.calls, "an output without its call"
            assert self.outputs[item["call_id"]] == 1, "answered twice"
        elif item["role"] == "user" and item["content"][0]["type"] == "input_text":
            self.texts.append(item["content"][0]["text"])

    # -- what the server says ---------------------------------------------------------------------

    async def created(self, response_id: str) -> None:
        self.running.append(response_id)
        self.active, self.asked = response_id, None
        self.since |= {"active", "asked"}
        await self.say("response.created", response={"id": response_id, "conversation_id": "c"})

    async def done(self, response_id: str, status: str) -> None:
        if self.active == response_id:
            self.active = None
        if response_id in self.running:
            self.running.remove(response_id)
        await self.say("response.done", response={"id": response_id, "status": status})

    async def audio(self, response_id: str, item_id: str, ms: int) -> None:
        place = {"response_id": response_id, "item_id": item_id}
        self.sound[item_id] += ms
        delta = base64.b64encode(bytes(48 * ms)).decode()
        kind = "response.output_audio.delta"
        await self.say(kind, **place, output_index=0, content_index=0, delta=delta)

    async def call(self, response_id: str, name: str, call_id: str) -> None:
        self.calls.add(call_id)
        item = {
            "id": f"fc_{call_id}",
            "type": "function_call",
            "name": name,
            "arguments": '{"place": "x"}',
            "call_id": call_id,
            "status": "completed",
        }
        kind = "response.output_item.done"
        await self.say(kind, item=item, response_id=response_id, output_index=0)

    async def speech(self, kind: str) -> None:
        if kind == "started" and self.active is not None:
            self.stopped.add(self.active)
        name = "audio_start_ms" if kind == "started" else "audio_end_ms"
        await self.say(f"input_audio_buffer.speech_{kind}", item_id="u", **{name: 100})

    async def refused(self, code: str) -> None:
        """The request is refused; a server says so of each once."""
        event_id, self.asked = self.asked, None
        self.since.add("asked")
        detail = {"type": "invalid_request_error", "code": code, "message": code}
        await self.say("error", error={**detail, "event_id": event_id})

    async def show(self) -> None:
        """The server shows the items that it was given."""
        while self.unshown:
            await self.say("conversation.item.added", item=self.unshown.pop(0))

    async def confirmed_commit(self) -> None:
        """The server takes the oldest commit."""
        if self.taken < self.closed:
            self.taken += 1
            self.confirmed = self.commits.pop(0)
            await self.say(
                "input_audio_buffer.committed", item_id=f"u{self.confirmed}", previous_item_id=None
            )

    # -- what the application does ----------------------------------------------------------------

    async def speak(self, count: int) -> None:
        await self.session.send_audio(counted(self.position, count))
        self.position += count

    async def commit(self) -> None:
        with contextlib.suppress(VoxloopError):  # nothing to commit
            await self.session.commit_audio(respond=False)
            self.commits.append(self.position)

    async def write(self, *, respond: bool) -> None:
        self.said.append(f"message {len(self.said)}")
        await self.session.send_message(self.said[-1], respond=respond)

    async def ask(self, params: str) -> None:
        if params == "beside":
            await self.session.respond(conversation="none", instructions="Aside.")
        else:
            await self.session.respond(instructions="Alone." if params == "alone" else None)

    async def interrupt(self) -> None:
        if self.active is not None:
            self.stopped.add(self.active)
        await self.session.interrupt()

    async def answered(self, call_id: str, *, approve: bool) -> None:
        """What an application may do about a call, whether there is such a call or not."""
        with contextlib.suppress(VoxloopError):
            await self.session.send_tool_result(call_id, "x")
        with contextlib.suppress(VoxloopError):
            if approve:
                await self.session.approve_tool_call(call_id)
            else:
                await self.session.reject_tool_call(call_id)

    async def slow_over(self) -> None:
        self.finish.set()

    async def wait(self, seconds: float) -> None:
        await trio.sleep(seconds)

    async def move(self, agent: Agent) -> None:
        with contextlib.suppress(VoxloopError):  # a handoff is under way
            await self.session.update_agent(agent)

    # -- the end ----------------------------------------------------------------------------------

    async def settle(self) -> None:
        """Nothing new happens, and what is open comes to its end."""
        self.finish.set()
        for _ in range(30):
            await self.say("session.updated", session={"type": "realtime"})
            await self.show()
            for call_id in sorted(self.calls):
                await self.answered(call_id, approve=True)
            for response_id in tuple(self.running):
                await self.done(response_id, "completed")
            await self.sync()
            if self.asked is not None:
                self.answers += 1
                await self.created(f"last{self.answers}")
            elif self._rest():
                return
            await self.sync()
        raise AssertionError("it does not come to rest")

    def _rest(self) -> bool:
        if self.running or self.session._runner.state.tools.running:
            return False
        assert self.texts == self.said, "the conversation is not what was said"
        mine = [e.text for e in self.session.history if e.text and e.text.startswith("message")]
        assert mine == self.said
        assert {c: self.outputs[c] for c in self.calls} == dict.fromkeys(self.calls, 1)
        begun = Counter(e.response_id for e in only(self.events, realtime.AgentStartEvent))
        assert begun == Counter(e.response_id for e in only(self.events, realtime.AgentEndEvent))
        return True


class Portal:
    """Runs one `Wire` in a thread, step by step."""

    def __init__(self) -> None:
        self.wire: Wire
        self.failed: BaseException | None = None
        self.broken = False
        """A step has failed: what follows from that is no further finding."""
        self._token: trio.lowlevel.TrioToken
        self._over: trio.Event
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._main)
        self._thread.start()
        self._ready.wait(SECONDS)
        if self.failed is not None:
            raise self.failed

    def _main(self) -> None:
        try:
            trio.run(self._live)
        except BaseException as error:
            self.failed = error
        finally:
            self._ready.set()

    async def _live(self) -> None:
        self._token, self._over = trio.lowlevel.current_trio_token(), trio.Event()
        wire = Wire()
        slow_over = wire.finish

        @tool
        async def slow() -> str:
            """Wait to be told."""
            await slow_over.wait()
            return "at last"

        agent = Agent("Greeter", "Route.", tools=[*AGENT.tools, slow], handoffs=AGENT.handoffs)
        first = s.Emit({"type": "session.created", "session": {"type": "realtime", "id": "s"}})
        config = realtime.RunConfig(
            model_settings=realtime.SessionModelSettings(turn_detection=None),
            tools_to_approve=frozenset({"note"}),
        )
        model = realtime.ModelConfig(reconnect=QUICK)
        plan = s.Script(played=((first,),))
        async with testing.RealtimeServer(plan) as wire.server:
            async with realtime.open_session(
                agent, provider=wire.server.provider(), config=config, model_config=model
            ) as wire.session:
                async with (
                    wire.session.subscribe() as events,
                    wire.session.wire_events() as frames,
                    trio.open_nursery() as nursery,
                ):
                    nursery.start_soon(self._collect, wire, events)
                    nursery.start_soon(self._mark, wire, frames)
                    await wire.server.wait_for("session.update")
                    self.wire = wire
                    self._ready.set()
                    await self._over.wait()
                    nursery.cancel_scope.cancel()

    async def _collect(self, wire: Wire, events: realtime.Subscription[realtime.Event]) -> None:
        async for event in events:
            wire.events.append(event)

    async def _mark(self, wire: Wire, frames: realtime.Subscription[realtime.WireEvent]) -> None:
        async for frame in frames:
            if frame.direction == "in" and "test.mark" in str(frame.data)[:120]:
                wire.seen_marks += 1

    def do(self, step: Callable[[], Awaitable[object]]) -> None:
        """Take a step, and look at what it led to."""

        async def whole() -> None:
            with trio.fail_after(SECONDS):
                await step()
            await self.wire.sync()

        self.broken = True
        trio.from_thread.run(whole, trio_token=self._token)
        self.broken = False

    def leave(self) -> None:
        """End the session, and tell of what went wrong in it."""
        if self._thread.is_alive():
            trio.from_thread.run_sync(self._over.set, trio_token=self._token)
            self._thread.join(SECONDS)
        assert not self._thread.is_alive(), "the session does not end"
        if self.failed is not None:
            raise self.failed
