"""Progress on stderr: a line that rewrites itself on a terminal, now and then a line elsewhere."""

from __future__ import annotations

import sys
import time

_EVERY_SECONDS = 10.0


class Progress:
    """Says what goes on; silent about what takes less than a moment."""

    def __init__(self, *, quiet: bool) -> None:
        self._terminal = sys.stderr.isatty()
        self._quiet = quiet
        self._told = time.monotonic()

    def say(self, text: str) -> None:
        """One line about a new step."""
        if not self._quiet or self._terminal:
            self.clear()
            print(text, file=sys.stderr, flush=True)

    def at(self, what: str, done: float, whole: float) -> None:
        """How far a long step has come, in seconds of audio."""
        if not self._terminal and whole < _EVERY_SECONDS:
            return
        now = time.monotonic()
        if now - self._told < (0.1 if self._terminal else _EVERY_SECONDS):
            return
        self._told = now
        text = f"  {what} {min(done, whole):.1f} of {whole:.1f} s"
        if self._terminal:
            print(f"\r{text}\x1b[K", end="", file=sys.stderr, flush=True)
        else:
            print(text, file=sys.stderr, flush=True)

    def clear(self) -> None:
        """Make room for a line of output."""
        if self._terminal:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
