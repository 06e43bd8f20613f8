"""Drives the realtime reducer by hand: frames and commands in, effects out, time as it is told."""

from __future__ import annotations

import base64
from typing import Any, TypeVar

import msgspec
import trio

from support.quick_ways import QuickWays
from voxloop._errors import ConnectionClosed, VoxloopError
from voxloop.agents import Agent, ResolvedAgent, resolve
from voxloop.realtime import Reconnect, RunConfig
from voxloop.realtime.events import Event
from voxloop.realtime.machine import effects, inputs, reducer
from voxloop.realtime.machine.state import State, initial
from voxloop.tools import RunContext
from voxloop.wire import realtime as rt

E = TypeVar("E")
WALL = 1_000_000.0
"""Unix seconds at the driver's second 0."""


def resolved(agent: Agent) -> ResolvedAgent:
    """An agent made ready."""
    return trio.run(resolve, agent, RunContext(None))


class Driver:
    """A session without a connection."""

    def __init__(
        self,
        agent: Agent | ResolvedAgent | None = None,
        config: RunConfig | None = None,
        reconnect: Reconnect | None = None,
    ) -> None:
        who = agent or Agent("Greeter", "Be kind.")
        self.state: State = initial(
            resolved(who) if isinstance(who, Agent) else who,
            config or RunConfig(),
            prefix="t",
            reconnect=reconnect,
        )
        self.at = 100.0
        self.effects: list[effects.Effect] = []
        """Of the last input."""
        self.sent: list[dict[str, Any]] = []
        """All client events so far, as JSON."""
        self.events: list[Event] = []
        """All public events so far."""
        self.ways = QuickWays()

    def feed(self, given: inputs.Input) -> list[effects.Effect]:
        before = self.state
        self.state, todo = reducer.step(before, given)
        self.ways.compare(before, given, (self.state, todo))
        self.effects = list(todo)
        for effect in todo:
            if isinstance(effect, effects.Send):
                self.sent.append(msgspec.json.decode(rt.encode(effect.event)))
            elif isinstance(effect, effects.Switch):
                self.sent.append({"type": "switch", "epoch": effect.epoch})
            elif isinstance(effect, effects.Emit):
                self.events.append(effect.event)
        return self.effects

    def start(self) -> Driver:
        """The first update, accepted; nothing of it stays in the lists."""
        self.feed(inputs.Start(self.at, WALL + self.at))
        self.server("session.created", session={"type": "realtime", "id": "sess_1"})
        self.server("session.updated", session={"type": "realtime", "id": "sess_1"})
        self.clear()
        return self

    def clear(self) -> None:
        self.sent.clear()
        self.events.clear()

    def server(self, kind: str, **fields: Any) -> list[effects.Effect]:
        """An event of the server arrives."""
        text = msgspec.json.encode({"type": kind, "event_id": "event_s", **fields})
        return self.feed(inputs.Received(rt.decode_server(text), self.at))

    def tick(self, seconds: float) -> list[effects.Effect]:
        """Time passes."""
        self.at += seconds
        return self.feed(inputs.Tick(self.at))

    # -- shorthands ------------------------------------------------------------------------------

    def types(self) -> list[str]:
        return [event["type"] for event in self.sent]

    def last(self, kind: str) -> dict[str, Any]:
        return [event for event in self.sent if event["type"] == kind][-1]

    def of(self, cls: type[E]) -> list[E]:
        """All public events of a class so far."""
        return [event for event in self.events if isinstance(event, cls)]

    def did(self, cls: type[E]) -> list[E]:
        """The effects of a class of the last input."""
        return [effect for effect in self.effects if isinstance(effect, cls)]

    def refusal(self) -> VoxloopError | None:
        found = self.did(effects.Refuse)
        return found[0].error if found else None

    def respond(self, params: rt.ResponseParams | None = None) -> None:
        self.feed(inputs.Respond(params, self.at))

    def created(self, response_id: str = "r1", **fields: Any) -> None:
        fields.setdefault("conversation_id", "conv")
        self.server("response.created", response={"id": response_id, **fields})

    def done(self, response_id: str = "r1", status: str = "completed", **fields: Any) -> None:
        self.server("response.done", response={"id": response_id, "status": status, **fields})

    def audio(
        self, ms: float, item: str = "i1", response: str = "r1", data: bytes | None = None
    ) -> None:
        raw = bytes(round(ms * 48)) if data is None else data
        self.server(
            "response.output_audio.delta",
            delta=base64.b64encode(raw).decode(),
            item_id=item,
            response_id=response,
            output_index=0,
            content_index=0,
        )

    def part(self, kind: str, item: str = "i1", response: str = "r1", **fields: Any) -> None:
        """An event of an output part."""
        self.server(
            kind, item_id=item, response_id=response, output_index=0, content_index=0, **fields
        )

    def call(
        self,
        name: str,
        arguments: str = "{}",
        call_id: str = "c1",
        response: str = "r1",
        status: str | None = "completed",
    ) -> None:
        item = {
            "id": f"fc_{call_id}",
            "type": "function_call",
            "name": name,
            "arguments": arguments,
            "call_id": call_id,
            "status": status,
        }
        self.server("response.output_item.done", item=item, response_id=response, output_index=0)

    def finish(self, call_id: str = "c1", output: str = "done", status: str = "ok") -> None:
        """A function comes to its end."""
        self.feed(inputs.ToolFinished(call_id, output, status, 0.5, self.at))

    def error(self, code: str, *, event_id: str | None = None, **fields: Any) -> None:
        detail = {"type": "invalid_request_error", "code": code, "message": code, **fields}
        self.server("error", error={**detail, "event_id": event_id})

    def lose(self, error: VoxloopError | None = None) -> None:
        """The connection in use breaks."""
        lost = error or ConnectionClosed("the connection broke")
        self.feed(inputs.Lost(lost, self.at, self.state.line.epoch))

    def open(self) -> None:
        """The connection that was asked for stands, and the server speaks on it."""
        epoch = self.state.line.coming
        assert epoch is not None
        self.feed(inputs.Opened(epoch, self.at, WALL + self.at))
        self.feed(inputs.Heard(epoch, self.at))

    def expires_in(self, seconds: float) -> None:
        """The server says when it will end the session."""
        session = {"type": "realtime", "expires_at": int(WALL + self.at + seconds)}
        self.server("session.created", session=session)

    def append(self, data: bytes) -> None:
        self.feed(inputs.AppendAudio(data, self.at))

    def speech(self, kind: str, item: str = "u1") -> None:
        name = "audio_start_ms" if kind == "started" else "audio_end_ms"
        self.server(f"input_audio_buffer.speech_{kind}", item_id=item, **{name: 500})

    def committed(self, item: str = "u1") -> None:
        self.server("input_audio_buffer.committed", item_id=item, previous_item_id=None)
