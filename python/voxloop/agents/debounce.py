"""When to look at a text that grows."""

from __future__ import annotations

import re

from voxloop._errors import ConfigError

_SENTENCE_END = re.compile(
    r"[.!?\u2026\u3002\uff01\uff1f]+[\"'\u2019\u201d)\]]*(?=\s)|[\u3002\uff01\uff1f]+|\n"
)


class TextDebounce:
    """Says when a growing text is to be checked: every so many characters, and once at its end.

    It holds the text and counts, no more: pure, and the same for every engine.

    Args:
        every: Characters after which the text is due; None leaves them out.
        sentences: Whether the end of a sentence makes it due as well: a full stop and the like
            that a blank follows, a CJK one by itself, or a line break.

    Raises:
        ConfigError: `every` is below 1, or nothing would ever be due before the end.

    Example::

        debounce = TextDebounce(every=100)
        for delta in deltas:
            if (text := debounce.push(delta)) is not None:
                await check(text)
        if (text := debounce.finish()) is not None:
            await check(text)
    """

    def __init__(self, every: int | None = 100, *, sentences: bool = False) -> None:
        if every is not None and (isinstance(every, bool) or every < 1):
            raise ConfigError(f"every is {every}; give a number of characters of at least 1")
        if every is None and not sentences:
            raise ConfigError("give every=, or sentences=True: nothing else makes a text due")
        self._every = every
        self._sentences = sentences
        self._text = ""
        self._checked = 0
        self._steps = 0
        self._searched = 0

    @property
    def text(self) -> str:
        """All of the text so far."""
        return self._text

    @property
    def checked(self) -> int:
        """Length of the text that was last given out for a check."""
        return self._checked

    def push(self, delta: str) -> str | None:
        """Add `delta`; the text to check if one is due, else None.

        A delta that crosses several marks makes one check due, of the whole text up to its last
        sentence end, or of all of it where characters count.
        """
        self._text += delta
        due = 0
        if self._every is not None and len(self._text) // self._every > self._steps:
            self._steps = len(self._text) // self._every
            due = len(self._text)
        if self._sentences:
            due = max(due, self._sentence_end())
        if due <= self._checked:
            return None
        self._checked = due
        return self._text[:due]

    def finish(self) -> str | None:
        """The whole text if some of it was not checked yet, else None."""
        if self._checked == len(self._text):
            return None
        self._checked = len(self._text)
        return self._text

    def _sentence_end(self) -> int:
        end = 0
        for match in _SENTENCE_END.finditer(self._text, self._searched):
            end = match.end()
        if end:
            self._searched = end
        return end
