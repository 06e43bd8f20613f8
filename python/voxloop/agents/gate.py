"""What stands between the model's text and the listener: the output guardrails."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from voxloop.agents.debounce import TextDebounce
from voxloop.agents.guardrail import OutputGuardrail, strictest
from voxloop.tools import Verdict


class OutputRejected(Exception):
    """Output guardrails stopped a text; how the loop learns of it, never seen outside."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__()
        self.verdict = verdict


class OutputGate:
    """Holds one message back until its guardrails have let it pass.

    Args:
        guardrails: All that look at the message.
        ask: Asks them about the message so far.
        release: Gives a piece of the message on.
    """

    def __init__(
        self,
        guardrails: Sequence[OutputGuardrail],
        *,
        ask: Callable[[str], Awaitable[Verdict]],
        release: Callable[[str], Awaitable[None]],
    ) -> None:
        self._ask = ask
        self._pass_on = release
        self._mode = strictest(guardrails)
        self._debounce: TextDebounce | None = None
        if self._mode == "sentence":
            self._debounce = TextDebounce(None, sentences=True)
        elif guardrails:
            self._debounce = TextDebounce(min(guardrail.every for guardrail in guardrails))
        self._released = 0
        self.received = False

    async def push(self, delta: str) -> None:
        """Take the next piece of the message.

        Raises:
            OutputRejected: A guardrail stopped it.

        **Cancellation:** a check is given up, what is held back stays held back.
        """
        self.received = self.received or bool(delta)
        if self._debounce is None:
            await self._pass_on(delta)
            return
        due = self._debounce.push(delta)
        if self._mode == "at_once":
            await self._pass_on(delta)
            self._released += len(delta)
        if due is not None and self._mode != "turn":
            await self._check(due)

    async def end(self) -> None:
        """The message is complete: check and release what is left of it.

        Raises:
            OutputRejected: A guardrail stopped it.

        **Cancellation:** as with `push`.
        """
        if self._debounce is None:
            return
        left = self._debounce.finish()
        text = self._debounce.text
        if left is not None or (self._mode == "turn" and text):
            await self._check(text)

    async def _check(self, text: str) -> None:
        verdict = await self._ask(text)
        if verdict.stopped is not None:
            raise OutputRejected(verdict)
        held, self._released = text[self._released :], max(self._released, len(text))
        if held:
            await self._pass_on(held)
