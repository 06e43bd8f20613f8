"""Where calls wait for a person's approval."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import trio

from voxloop._errors import ConfigError
from voxloop.tools import Approvals, Decision

LATE = "The call was not approved in time."


@dataclass(slots=True)
class Desk:
    """Decisions of a conversation and the calls that wait for one.

    Attributes:
        approvals: All decisions so far; lasting ones hold over turns.
    """

    approvals: Approvals = field(default_factory=Approvals)
    _waiting: dict[str, tuple[str, trio.Event]] = field(default_factory=dict)

    @property
    def waiting(self) -> tuple[str, ...]:
        """Ids of the calls that wait."""
        return tuple(self._waiting)

    def approve(self, call_id: str, *, always: bool = False) -> None:
        """Let a call run.

        Raises:
            ConfigError: No such call waits.
        """
        tool = self._tool(call_id)
        self.approvals = self.approvals.approve(tool, call_id, always=always)
        self._wake(tool if always else None, call_id)

    def reject(self, call_id: str, *, always: bool = False, message: str = "") -> None:
        """Keep a call from running.

        Raises:
            ConfigError: No such call waits.
        """
        tool = self._tool(call_id)
        self.approvals = self.approvals.reject(tool, call_id, always=always, message=message)
        self._wake(tool if always else None, call_id)

    def expect(self, tool: str, call_id: str) -> None:
        """Say that the call waits from now on."""
        self._waiting[call_id] = (tool, trio.Event())

    def clear(self) -> None:
        """Forget the calls that wait: their turn is over."""
        self._waiting.clear()

    async def decision(self, tool: str, call_id: str, *, timeout: float | None) -> Decision | None:
        """What was decided about the call; waits for it if the call is expected to wait.

        Returns:
            The decision, a rejection if there is none in time, or None if the call needs none.

        **Cancellation:** may be called again.
        """
        if call_id in self._waiting:
            with trio.move_on_after(math.inf if timeout is None else timeout):
                await self._waiting[call_id][1].wait()
            self._waiting.pop(call_id, None)
            return self.approvals.decision(tool, call_id) or Decision(False, LATE)
        return self.approvals.decision(tool, call_id)

    def _tool(self, call_id: str) -> str:
        if call_id not in self._waiting:
            raise ConfigError(f"no call {call_id!r} waits for approval")
        return self._waiting[call_id][0]

    def _wake(self, tool: str | None, call_id: str) -> None:
        for waiting, (name, event) in self._waiting.items():
            if waiting == call_id or name == tool:
                event.set()
