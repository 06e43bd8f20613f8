"""What of an answer has been heard: segments of text, their sound, and how far it was played.

Sound counts from the moment the application read it from the run. It is taken to play at once and
without gaps; as soon as the application reports positions of a turn, those count instead.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field

from voxloop.voice.alignment import end_of

# Reported positions are rounded to a device's buffer.
_REPORT_SLACK_MS = 20.0
# A device that reports nothing for so long beyond the end of the sound is taken to have played it.
_REPORT_GRACE_S = 2.0
# Speech is about fifteen characters a second; used only until a segment of the turn is complete.
_MS_PER_CHARACTER = 65.0


@dataclass(slots=True)
class Segment:
    """Text for one synthesis, and what became of it.

    Attributes:
        text: With the blank that ends it.
        voice: Overrides the settings' voice.
        start: Where it begins in what the workflow wrote.
        end: Where it ends there; equal to `start` for what the workflow did not write.
        made_ms: Sound that was synthesised.
        handed_ms: Sound that the application has read.
        complete: All its sound has been made.
    """

    text: str
    voice: str | None = None
    start: int = 0
    end: int = 0
    made_ms: float = 0.0
    handed_ms: float = 0.0
    complete: bool = False

    def reached(self, cut: int, written: str) -> int:
        """Where `cut` characters of the text lead to in what the workflow wrote."""
        span = self.end - self.start
        if cut == len(self.text):
            return self.end
        if span in (0, len(self.text), len(self.text) - 1):  # as it was written, but for a blank
            return min(self.start + cut, self.end)
        return self.start + end_of(self.text[:cut], written[self.start : self.end], 0)


@dataclass(frozen=True, slots=True)
class Heard:
    """What the user has heard of a turn.

    Attributes:
        text: Up to the last whole word.
        written: The same, as a part of what the workflow wrote.
        unspoken: The rest of that.
        played_ms: Sound that was played.
    """

    text: str
    written: str
    unspoken: str
    played_ms: float


@dataclass(slots=True)
class DeviceClock:
    """When all sound that was handed out will have been played, in seconds."""

    ends_at: float = 0.0


@dataclass(slots=True)
class TurnPlayback:
    """The segments of one turn in order."""

    clock: DeviceClock
    segments: list[Segment] = field(default_factory=list)
    _written: list[str] = field(default_factory=list)
    _reported_ms: float | None = None
    _reported_at: float = 0.0

    def write(self, text: str) -> None:
        """Note what the workflow wrote."""
        self._written.append(text)

    @property
    def written(self) -> str:
        """What the workflow wrote."""
        return "".join(self._written)

    @property
    def written_chars(self) -> int:
        """How much the workflow wrote."""
        return sum(map(len, self._written))

    def hand_out(self, segment: Segment, milliseconds: float, at: float) -> None:
        """Note that the application has read sound of `segment`."""
        segment.handed_ms += milliseconds
        self.clock.ends_at = max(self.clock.ends_at, at) + milliseconds / 1000

    def report(self, played_ms: float, at: float) -> None:
        """Note what the application says it has played of the turn, in all."""
        self._reported_ms = max(self._reported_ms or 0.0, played_ms)
        self._reported_at = at

    @property
    def handed_ms(self) -> float:
        """Sound of the turn that the application has read."""
        return sum(segment.handed_ms for segment in self.segments)

    @property
    def unread(self) -> bool:
        """Whether sound waits to be read."""
        return any(segment.made_ms - segment.handed_ms > 1e-6 for segment in self.segments)

    def played_ms(self, at: float) -> float:
        """Sound of the turn that has been played."""
        handed = self.handed_ms
        if self._reported_ms is not None:
            return min(self._reported_ms, handed)
        return max(0.0, handed - max(0.0, self.clock.ends_at - at) * 1000)

    def left(self, at: float) -> float:
        """Seconds until what was handed out has been played; 0 if it has."""
        if self._reported_ms is None:
            return max(0.0, self.clock.ends_at - at)
        left_ms = self.handed_ms - self._reported_ms
        if left_ms <= _REPORT_SLACK_MS:
            return 0.0
        return max(0.0, self._reported_at + left_ms / 1000 + _REPORT_GRACE_S - at)

    def heard(self, at: float) -> Heard:
        """What was heard by then, whole words only."""
        played = left = self.played_ms(at)
        texts: list[str] = []
        whole = self.written
        end = 0
        for segment in self.segments:
            if segment.complete and left >= segment.made_ms - 1.0:
                cut = len(segment.text)
            else:
                share = left / self._expected_ms(segment)
                cut = word_cut(segment.text, int(share * len(segment.text)))
            texts.append(segment.text[:cut])
            end = max(end, segment.reached(cut, whole))
            left -= segment.made_ms
            if cut < len(segment.text) or left <= -1.0:
                break
        return Heard("".join(texts).rstrip(), whole[:end], whole[end:], played)

    def _expected_ms(self, segment: Segment) -> float:
        """Length of a segment's sound: known once it is complete, else by the turn's own pace."""
        if segment.complete:
            return max(segment.made_ms, 1.0)
        known = [s for s in self.segments if s.complete and s.made_ms]
        characters = sum(len(s.text) for s in known)
        pace = sum(s.made_ms for s in known) / characters if characters else _MS_PER_CHARACTER
        return max(segment.made_ms, len(segment.text) * pace, 1.0)


def word_cut(text: str, position: int) -> int:
    """The last end of a word at or before `position`, with the blanks that follow it.

    Scripts without blanks between words (Chinese, Japanese) are cut between characters.
    """
    cut = min(max(position, 0), len(text))
    while cut and not _between_words(text, cut):
        cut -= 1
    while cut and cut < len(text) and text[cut].isspace():
        cut += 1
    return cut


def _between_words(text: str, position: int) -> bool:
    if position == len(text) or text[position].isspace() or text[position - 1].isspace():
        return True
    return unicodedata.east_asian_width(text[position - 1]) in "WF"
