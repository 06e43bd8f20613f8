"""`reducer.step` for what comes many times a second, where next to nothing follows from it.

Sound out, sound in and the words of an answer that is being spoken: each function gives what `step`
would lead to, at a fraction of its price, or says that more has to be looked at. None of them
brings a sooner deadline. `tests/realtime/test_rows.py` and all random orders hold them to `step`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import NamedTuple, TypeAlias

from msgspec.structs import replace

from voxloop._errors import ProtocolError
from voxloop.net import AudioDelta, Frame, MediaCut
from voxloop.realtime.events import AudioEvent, TranscriptEvent
from voxloop.realtime.machine import history, inputs, latency, playback, ring, toolcalls
from voxloop.realtime.machine.history import Key
from voxloop.realtime.machine.playback import Playback
from voxloop.realtime.machine.state import InputBuffer, State
from voxloop.realtime.telephone import FORMATS
from voxloop.wire import realtime as rt

_PCM16_BYTES_PER_MS = FORMATS["pcm16"].bytes_per_ms

Told: TypeAlias = tuple[AudioEvent | TranscriptEvent, int]
"""What the application is to be told, and the bytes of its sound."""


def answer(state: State, given: inputs.ToolFinished) -> rt.ConversationItemCreate | None:
    """What `step` sends first when a tool has come to its end, None if that is nothing.

    The model waits for it, and for nothing else that follows from the output.
    """
    call = state.tools.calls.get(given.call_id)
    if call is None or call.status != "running" or not call.in_conversation:
        return None
    if state.link.over or not state.line.up:
        return None
    return toolcalls.telling(state, given.call_id, given.output)


def appended(state: State, data: bytes) -> State | None:
    """A piece of the user's audio is sent, on a connection that stands."""
    if state.link.over or not state.line.up:
        return None
    buffer = state.input
    longer = InputBuffer(
        buffer.uncommitted + len(data),
        buffer.commits,
        buffer.ended_by_server,
        buffer.stopped_item,
        buffer.attached,
        buffer.stopped_ms,
    )
    return replace(state, input=longer, ring=ring.append(state.ring, data))


class Sent:
    """Audio of the user that was sent and is not in the state yet: several pieces go in as one."""

    __slots__ = ("_bytes", "_pieces")

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._bytes = 0

    def __bool__(self) -> bool:
        return bool(self._pieces)

    def add(self, data: bytes) -> bool:
        """Keep a piece; whether it is time to enter what there is."""
        self._pieces.append(data)
        self._bytes += len(data)
        return self._bytes >= ring.PIECE_BYTES

    def entered(self, state: State) -> State:
        """The state with all of it. Nothing else may have changed it since the first piece."""
        longer = appended(state, b"".join(self._pieces))
        self._pieces, self._bytes = [], 0
        return state if longer is None else longer


class Row(NamedTuple):
    """What frames in a row have led to.

    Attributes:
        state: The state after them.
        told: What the application is to be told.
        taken: How many frames those were.
        left: The frame after them, if it was decoded to see that it is none of them.
    """

    state: State
    told: list[Told]
    taken: int
    left: rt.ServerMessage | None


class _Answer:
    """An answer that is being spoken, and what has come of it; entered in the state at the end."""

    def __init__(self, state: State, response_id: str, *, worded: bool) -> None:
        ledger = state.playback
        self._state, self._response_id, self._worded = state, response_id, worded
        last = playback.extensible(ledger)
        self._last = last if state.settings.output_format == "pcm16" else None
        self._received_ms = 0.0 if last is None else last.received_ms
        self._ends_at = ledger.ends_at
        self._fresh_at = ledger.fresh_at
        self._words: dict[Key, list[str]] | None = None

    def sound(self, delta: AudioDelta, at: float) -> Told | None:
        """More of its sound, which goes on what came last; None if there is more to it."""
        item_id, response_id, last = delta.item_id, delta.response_id, self._last
        index = delta.content_index
        if (
            last is None
            or item_id != last.item_id
            or index != last.content_index
            or response_id != self._response_id
        ):
            return None
        chunk = delta.chunk()
        if not chunk:
            return None
        size = delta.nbytes
        length = size / _PCM16_BYTES_PER_MS
        self._received_ms += length
        self._ends_at = max(self._ends_at, at) + length / 1000.0
        self._fresh_at = at
        event = AudioEvent(
            audio=chunk, item_id=item_id, response_id=response_id, content_index=index, at=at
        )
        return event, size

    def words(self, event: rt.ResponseOutputAudioTranscriptDelta, at: float) -> Told | None:
        """More of its words; None if there is more to them."""
        item_id, delta, response_id = event.item_id, event.delta, event.response_id
        if not delta or not self._worded or response_id != self._response_id:
            return None
        if self._words is None:
            self._words = {}
        self._words.setdefault((item_id, event.content_index), []).append(delta)
        words = TranscriptEvent(
            role="assistant", delta=delta, item_id=item_id, response_id=response_id, at=at
        )
        return words, 0

    def entered(self) -> State:
        """The state with all of it."""
        ledger, said = self._state.playback, self._state.history
        if self._last is not None and self._received_ms != self._last.received_ms:
            ledger = playback.extended(ledger, self._received_ms, self._ends_at, self._fresh_at)
        if self._words is None:
            return replace(self._state, playback=ledger)
        for key, pieces in self._words.items():
            said = history.draft(said, key, "".join(pieces))
        return replace(self._state, playback=ledger, history=said)


class Quick:
    """The ways for what the server sends; remembers which answer is being spoken.

    The parts of a state are never changed, so that what was found of them holds while they are the
    same ones.
    """

    __slots__ = ("_parts", "_response_id", "_worded")

    def __init__(self) -> None:
        self._parts: tuple[object, ...] = ()
        self._response_id: str | None = None
        self._worded = False

    def row(self, state: State, frames: Sequence[Frame], first: int = 0) -> Row:
        """Frames from ``first`` on that are sound and words of one answer that is being spoken.

        All that changes is how much of it has come, and the draft of its words.
        """
        answer: _Answer | None = None
        told: list[Told] = []
        left: rt.ServerMessage | None = None
        for data, at in islice(frames, first, None):
            if isinstance(data, str):
                left = _decoded(data)
                if not isinstance(left, rt.ResponseOutputAudioTranscriptDelta):
                    break
                answer = answer or self._answer(state, left.response_id)
                event = None if answer is None else answer.words(left, at)
                if event is not None:
                    left = None
            elif isinstance(data, (MediaCut, bytes)) or data.taken:
                break
            else:
                answer = answer or self._answer(state, data.response_id)
                event = None if answer is None else answer.sound(data, at)
            if event is None:
                break
            told.append(event)
        if answer is not None and told:
            state = answer.entered()
        return Row(state, told, len(told), left)

    def _answer(self, state: State, response_id: str) -> _Answer | None:
        if not self._speaking(state, response_id) or response_id in state.turn.muted:
            return None
        return _Answer(state, response_id, worded=self._worded)

    def taken(self, state: State, delta: AudioDelta, at: float) -> State | None:
        """More sound of an answer that a sink is playing; the one event is that there is none."""
        if not self._speaking(state, delta.response_id):
            return None
        ledger = state.playback
        more = 0 if delta.dropped else delta.nbytes
        unheard = delta.response_id in state.turn.muted or more < 2
        fresh_at = ledger.fresh_at if unheard else at
        longer = Playback(
            ledger.items, ledger.ends_at, fresh_at, ledger.taken + more, ledger.silent
        )
        return replace(state, playback=longer)

    def _speaking(self, state: State, response_id: str) -> bool:
        """Whether a response of the conversation is known to sound, and the application knows."""
        turn, marks, link = state.turn, state.latency, state.link
        parts = self._parts
        if (
            response_id == self._response_id
            and turn is parts[0]
            and marks is parts[1]
            and link is parts[2]
        ):
            return True
        track = turn.responses.get(response_id) if response_id else None
        if (
            turn.shown != "speaking"
            or track is None
            or track.first_audio_at is None
            or not track.in_conversation
            or link.over
            or state.config.hold_audio
            or not latency.noted(marks, "first_audio")
        ):
            return False
        self._parts, self._response_id = (turn, marks, link), response_id
        self._worded = track.first_text_at is not None and latency.noted(marks, "first_text")
        return True


def _decoded(data: str) -> rt.ServerMessage | None:
    try:
        return rt.decode_server(data)
    except ProtocolError:
        return None  # whoever decodes it once more tells of it
