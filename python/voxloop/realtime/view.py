"""What a session knows, for the application to look at."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from voxloop.agents import Agent
from voxloop.realtime.config import SessionModelSettings
from voxloop.realtime.events import AgentState
from voxloop.realtime.machine.history import HistoryItem
from voxloop.realtime.machine.latency import TurnMetrics
from voxloop.realtime.machine.restore import exported
from voxloop.realtime.skin.connector import Pinged
from voxloop.realtime.skin.runner import Runner
from voxloop.realtime.usage import Usage
from voxloop.telemetry import Span
from voxloop.wire import realtime as rt


class SessionView:
    """The part of a `Session` that only looks; all of it may be read after the session as well."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    @property
    def session_id(self) -> str | None:
        """Id that the server gave; None until its first event."""
        return self._runner.state.link.session_id

    @property
    def state(self) -> AgentState:
        """What is going on."""
        return self._runner.state.turn.shown or "listening"

    @property
    def current_agent(self) -> Agent:
        """Who answers."""
        return self._runner.state.agent.current.agent

    @property
    def settings(self) -> SessionModelSettings:
        """Settings of the session, apart from the agent's."""
        return self._runner.state.settings

    @property
    def history(self) -> tuple[HistoryItem, ...]:
        """The conversation so far, in order; unfinished messages hold what has come of them."""
        return self._runner.state.history.current()

    @property
    def usage(self) -> Usage:
        """What the session has cost so far."""
        return self._runner.state.usage

    @property
    def usage_by_agent(self) -> Mapping[str, Usage]:
        """What the responses of each agent have cost, by its name; transcripts are nobody's."""
        return MappingProxyType(dict(self._runner.state.spent))

    def export(self) -> list[dict[str, object]]:
        """The conversation as JSON objects, for `open_session` to go on with (``initial_items``).

        The user's words, or the sound where no transcript came and it is still kept; the agent's
        words as far as they were heard; calls and their outputs; images, those that were given as
        bytes if they are still kept to be sent again.
        """
        return exported(self._runner.state)

    @property
    def rate_limits(self) -> tuple[rt.RateLimit, ...]:
        """The limits as the server told them last."""
        return self._runner.state.link.rate_limits

    def metrics(self) -> tuple[TurnMetrics, ...]:
        """Latencies of the last hundred turns, oldest first; the last may not be over."""
        self._runner.observer.pinged(self._runner.transport)
        return self._runner.state.latency.turns

    @property
    def rtt(self) -> float | None:
        """Seconds that the last ping over the connection took, there and back.

        None before the first, and for a transport that does not ping. Pings are sent every
        ``WebSocketOptions.ping_interval`` seconds; telemetry tells them as ``realtime.rtt``.
        """
        transport = self._runner.transport
        return transport.stats().rtt if isinstance(transport, Pinged) else None

    @property
    def span(self) -> Span:
        """The session's place in a trace; its telemetry events bear these ids."""
        return self._runner.observer.span
