"""A workflow that follows a script."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Sequence
from typing import TypeAlias

import trio

from voxloop.testing.scripted import Pause, ScriptExhausted

AnswerStep: TypeAlias = str | Pause | Exception
"""One step of a scripted answer: text that is said, a wait, or an exception that is raised."""


class ScriptedWorkflow:
    """A workflow whose answers are written down.

    Args:
        answers: A text, or a sequence of steps, for each transcript.
        greeting: Said first in a streamed run.

    Attributes:
        heard: All transcripts so far, in order.
    """

    def __init__(self, *answers: str | Sequence[AnswerStep], greeting: str | None = None) -> None:
        self._script = deque((a,) if isinstance(a, str) else tuple(a) for a in answers)
        self.greeting = greeting
        self.heard: list[str] = []

    @property
    def remaining(self) -> int:
        """Answers that were not asked for."""
        return len(self._script)

    async def run(self, text: str) -> AsyncIterator[str]:
        """Give the next answer of the script, piece by piece.

        Raises:
            ScriptExhausted: There is none.

        **Cancellation:** the answer is used up.
        """
        self.heard.append(text)
        if not self._script:
            raise ScriptExhausted(f"no answer left for transcript {len(self.heard)}")
        for step in self._script.popleft():
            await trio.sleep(step.seconds if isinstance(step, Pause) else 0)
            if isinstance(step, Exception):
                raise step
            if isinstance(step, str):
                yield step
