"""What a scripted realtime server says: replies for the responses, and steps of its own.

A reply is used for each response, in order. Steps run by themselves, from the moment the client
has sent its first ``session.update``; they are how the server hears a user, breaks off or drops.
"""

from __future__ import annotations

import array
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

RATE = 24_000
SECONDS_PER_WORD = 0.25


def tone(seconds: float, *, frequency: float = 440.0, level: float = 0.2) -> bytes:
    """A sine: PCM16 mono at 24,000 Hz.

    Args:
        seconds: Length.
        frequency: Hertz.
        level: Amplitude, 1 is full scale.
    """
    turn = 2.0 * math.pi * frequency / RATE
    peak = 32_767 * level
    count = round(seconds * RATE)
    return array.array("h", (round(peak * math.sin(turn * n)) for n in range(count))).tobytes()


@dataclass(frozen=True, slots=True)
class Say:
    """A spoken message.

    Attributes:
        text: What it says; sent as transcript, word by word.
        audio: PCM16 mono at 24,000 Hz, sent as the session's output format has it; None makes a
            tone of a quarter second a word.
        chunk_ms: Length of one audio event.
        pace: Seconds of waiting for each second of audio: 0 sends all at once, 1 is real time.
    """

    text: str
    audio: bytes | None = field(default=None, repr=False)
    chunk_ms: int = 100
    pace: float = 0.0

    def sound(self) -> bytes:
        """The audio."""
        if self.audio is not None:
            return self.audio
        return tone(SECONDS_PER_WORD * max(1, len(self.text.split())))


@dataclass(frozen=True, slots=True)
class Write:
    """A message in text."""

    text: str


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a function.

    Attributes:
        name: Function.
        arguments: Its arguments, or the JSON text itself.
        call_id: Id; None makes one.
    """

    name: str
    arguments: Mapping[str, object] | str = field(default_factory=dict)
    call_id: str | None = None

    def text(self) -> str:
        """The arguments as JSON text."""
        if isinstance(self.arguments, str):
            return self.arguments
        return json.dumps(dict(self.arguments))


Output: TypeAlias = Say | Write | Call


@dataclass(frozen=True, slots=True)
class Reply:
    """One response.

    Attributes:
        outputs: Its items.
        status: How it ends, when nothing stops it.
        reason: Why.
        error: Code and message of a failed one.
        delay: Seconds between ``response.created`` and the first output.
        hold: It does not end before it is cancelled.
    """

    outputs: tuple[Output, ...] = ()
    status: Literal["completed", "failed", "incomplete"] = "completed"
    reason: str | None = None
    error: tuple[str, str] | None = None
    delay: float = 0.0
    hold: bool = False


@dataclass(frozen=True, slots=True)
class Hears:
    """The server's turn detection hears the user: speech, end of speech, commit, transcript.

    Attributes:
        text: What was said; None gives no transcript.
        seconds: How long it takes.
        after: Seconds before it begins.
    """

    text: str | None = "Hello."
    seconds: float = 0.0
    after: float = 0.0


@dataclass(frozen=True, slots=True)
class Until:
    """Wait until the client has sent ``count`` events of a type, in all."""

    type: str
    count: int = 1


@dataclass(frozen=True, slots=True)
class UntilSent:
    """Wait until the server has sent ``count`` events of a type, in all."""

    type: str
    count: int = 1


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Emit:
    """Send any event, or any text."""

    event: Mapping[str, object] | str


@dataclass(frozen=True, slots=True)
class Close:
    """Close the connection as the protocol wants it."""

    code: int = 1000
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Drop:
    """End the TCP connection without a word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An upgrade that is answered with another status.

    Attributes:
        status: HTTP status.
        headers: Headers of the answer.
        body: Its text.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """Connections that break by themselves, at moments that follow from a seed.

    Attributes:
        seed: The same seed breaks them at the same moments.
        low: Seconds after which a connection breaks, at least.
        high: At most.
        count: Connections that break; those after them hold.
        clean_share: Share that is closed with 1011 or 1001 instead of without a word.
    """

    seed: int = 0
    low: float = 0.0
    high: float = 1.0
    count: int = 1
    clean_share: float = 0.25


Step: TypeAlias = Hears | Until | UntilSent | Pause | Emit | Close | Drop


@dataclass(frozen=True, slots=True)
class Script:
    """All that a server does.

    Attributes:
        replies: Used for the responses, in order; when none is left, a response fails.
        steps: What it does by itself on a connection, in order.
        later: The same for all connections but the first; None takes ``steps`` for them too.
        upgrades: Answers to the requests for a connection, in order; None accepts. When none is
            left, all are accepted.
        expires_after: Seconds after which the server ends a session, as it says at its beginning.
        faults: Breaks connections.
        played: Steps of each connection that are all it does: it answers nothing by itself.
        committed_text: Transcript of every turn that the client commits; None gives none.
        refuse: Answers to the first client event of a type: (code, message, param) of an error.
        confirm_updates: ``session.update`` is answered with ``session.updated``.
    """

    replies: tuple[Reply, ...] = ()
    steps: tuple[Step, ...] = ()
    later: tuple[Step, ...] | None = None
    upgrades: tuple[Refusal | None, ...] = ()
    expires_after: float | None = None
    faults: Faults | None = None
    committed_text: str | None = None
    played: tuple[tuple[Step, ...], ...] = ()
    refuse: Mapping[str, tuple[str, str, str | None]] = field(default_factory=dict)
    confirm_updates: bool = True


def conversation(
    *replies: Output | Reply | tuple[Output, ...], steps: tuple[Step, ...] = ()
) -> Script:
    """A script of replies, each given by its outputs."""
    made: list[Reply] = []
    for reply in replies:
        if isinstance(reply, Reply):
            made.append(reply)
        else:
            made.append(Reply(reply if isinstance(reply, tuple) else (reply,)))
    return Script(tuple(made), steps)


def weather_call(location: str = "Paris", *, answer: str | None = None) -> Script:
    """The model calls ``get_weather`` and then speaks."""
    said = answer or f"It is sunny in {location}."
    call = Call("get_weather", {"location": location}, "call_weather")
    return conversation(call, Say(said))


def handoff(tool_name: str, *, answer: str = "You are through to the right place.") -> Script:
    """The model hands over, and the next agent speaks."""
    return conversation(Call(tool_name, {}, "call_handoff"), Say(answer))


def spoken_turn(question: str, answer: str) -> Script:
    """The server hears a question by its turn detection, and answers."""
    return conversation(Say(answer), steps=(Hears(question),))


def barge_in(answer: str, *, after: float = 0.3) -> Script:
    """A long answer at the pace of speech, and a user who interrupts it."""
    return conversation(
        Reply((Say(answer, pace=1.0),)),
        Say("Yes?"),
        steps=(
            UntilSent("response.output_audio.delta"),
            Hears("Stop!", after=after),
        ),
    )
