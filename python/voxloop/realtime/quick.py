"""`reducer.step` for what comes many times a second, where next to nothing follows from it.

Sound out, sound in and the words of an answer that is being spoken: each function gives what `step`
would lead to, at a fraction of its price, or None where more has to be looked at. None of them
brings a sooner deadline. `tests/realtime/test_quick.py` holds them to `step`.
"""

from __future__ import annotations

from msgspec.structs import replace

from voxloop.net import AudioDelta
from voxloop.realtime import history, inputs, latency, playback, ring, toolcalls
from voxloop.realtime.events import AudioEvent, TranscriptEvent
from voxloop.realtime.playback import Playback
from voxloop.realtime.state import InputBuffer, State
from voxloop.realtime.telephone import FORMATS
from voxloop.wire import realtime as rt

_PCM16_BYTES_PER_MS = FORMATS["pcm16"].bytes_per_ms


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


class Quick:
    """The ways for what the server sends; remembers which answer is being spoken.

    The parts of a state are never changed, so that what was found of them holds while they are the
    same ones.
    """

    def __init__(self) -> None:
        self._parts: tuple[object, ...] = ()
        self._response_id: str | None = None
        self._worded = False

    def heard(self, state: State, delta: AudioDelta, at: float) -> tuple[State, AudioEvent] | None:
        """More sound of an answer that is being spoken: all that changes is its length."""
        response_id = delta.response_id
        if not self._speaking(state, response_id) or response_id in state.turn.muted:
            return None
        chunk, item_id = delta.chunk(), delta.item_id
        if not chunk or state.settings.output_format != "pcm16":
            return None
        length = delta.nbytes / _PCM16_BYTES_PER_MS
        ledger = playback.extended(state.playback, item_id, delta.content_index, length, at)
        if ledger is None:
            return None
        event = AudioEvent(
            audio=chunk,
            item_id=item_id,
            response_id=response_id,
            content_index=delta.content_index,
            at=at,
        )
        return replace(state, playback=ledger), event

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

    def said(
        self, state: State, event: rt.ResponseOutputAudioTranscriptDelta, at: float
    ) -> tuple[State, TranscriptEvent] | None:
        """More words of an answer that is being spoken: all that grows is a draft."""
        response_id, delta = event.response_id, event.delta
        if not self._speaking(state, response_id) or not self._worded or not delta:
            return None
        if response_id in state.turn.muted:
            return None
        longer = history.draft(state.history, (event.item_id, event.content_index), delta)
        words = TranscriptEvent(
            role="assistant", delta=delta, item_id=event.item_id, response_id=response_id, at=at
        )
        return replace(state, history=longer), words

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
        track = turn.responses.get(response_id)
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
