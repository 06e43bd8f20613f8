"""What the server's events mean for a stream that is being transcribed: pure, no I/O."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Final, cast

import msgspec

from voxloop._errors import (
    ApiError,
    AuthenticationError,
    ProtocolError,
    SpeechToTextError,
    VoxloopError,
)
from voxloop.net import QUOTA_CODES
from voxloop.providers.openai.errors import error_from_stream
from voxloop.providers.openai.tape import BYTES_PER_MS, Tape
from voxloop.providers.openai.turns import Turn, Turns
from voxloop.providers.transcription import (
    SpeechStarted,
    SpeechStopped,
    StreamError,
    TranscriptionEvent,
    TurnFailed,
    TurnHeard,
    TurnPartial,
)
from voxloop.wire.realtime import server as ev
from voxloop.wire.realtime.codec import Invalid, ServerMessage
from voxloop.wire.realtime.items import ErrorDetail, TranscriptionUsage

MARK_EVENT: Final = "mark_"
"""Begin of the event id of a commit; the mark's number follows."""
_EMPTY: Final = "input_audio_buffer_commit_empty"
_EXPIRED: Final = "session_expired"
# After these nothing that is sent on this connection can succeed.
_FATAL: Final = QUOTA_CODES | {
    "invalid_api_key",
    "authentication_error",
    "permission_error",
    "model_not_found",
    "session_not_found",
    "unsupported_country_region_territory",
}


class SessionExpired(Exception):
    """The server's time for this session is over; a new one goes on where it stopped."""


class Hearing:
    """The state of one stream, over any number of connections.

    Args:
        tape: The audio; told what has been settled.
        server_turns: The server finds the turns.
        doing: What is being done, for messages.
    """

    def __init__(self, tape: Tape, *, server_turns: bool, doing: str) -> None:
        self._tape = tape
        self._server_turns = server_turns
        self._doing = doing
        self._turns = Turns()
        self._final: set[str] = set()
        self._clears = 0
        self.cleared = False
        self.expires_at: float | None = None
        self.lifetime = 0.0

    @property
    def idle(self) -> bool:
        """Nothing was begun that is not over."""
        return not self._turns.open

    @property
    def finished(self) -> bool:
        """The input has ended, and all of it is transcribed."""
        return self.cleared and not self._turns.pending

    @property
    def waits_since(self) -> float | None:
        """Since when a transcript is held back for an earlier one."""
        return self._turns.oldest_wait

    def clearing(self, *, connected: bool) -> None:
        """The caller clears the buffer: what was not committed is gone."""
        self._clears += connected
        self._tape.clear(self._turns.last_end)
        self._turns.forget_uncommitted()

    def reconnected(self, now: float) -> list[TranscriptionEvent]:
        """A new connection is open, which knows of nothing; tell what it cannot be given."""
        earliest = self._turns.earliest if self._server_turns else self._tape.settled
        self._turns = Turns()
        self._final.clear()
        self._clears = 0
        self.cleared = False
        before = self._tape.settled
        lost = self._tape.rewind()
        if not lost or earliest is None:
            return []
        # Silence that the server has heard and made nothing of is no loss.
        seconds = (before + lost - max(before, earliest)) / BYTES_PER_MS / 1000
        if seconds <= 0:
            return []
        error = SpeechToTextError(
            f"{self._doing}: the connection was lost, and {seconds:.1f} s of audio are older than "
            "what is kept to be sent again",
            code="audio_lost",
        )
        return [TurnFailed(item_id=None, error=error, at=now)]

    def heard(self, event: ServerMessage, now: float) -> list[TranscriptionEvent]:
        """Take one event of the server.

        Raises:
            SessionExpired: The session has run its time.
            AuthenticationError, ApiError: The server will transcribe no more.
        """
        match event:
            case ev.SessionCreated(session=session):
                # Read in case it says so; sessions of some servers have no end.
                self.expires_at = session.expires_at
                self.lifetime = max(0.0, (session.expires_at or 0) - time.time())
            case ev.InputAudioBufferSpeechStarted(item_id=item_id, audio_start_ms=ms):
                turn = self._turns.of(item_id)
                turn.start = self._position(ms)
                return [SpeechStarted(item_id=item_id, audio_ms=turn.start / BYTES_PER_MS, at=now)]
            case ev.InputAudioBufferSpeechStopped(item_id=item_id, audio_end_ms=ms):
                turn = self._turns.of(item_id)
                turn.stop = self._position(ms)
                return [SpeechStopped(item_id=item_id, audio_ms=turn.stop / BYTES_PER_MS, at=now)]
            case ev.InputAudioBufferCommitted(item_id=item_id, previous_item_id=previous):
                self._commit(item_id, previous)
            case ev.ConversationItemInputAudioTranscriptionDelta(item_id=item_id, delta=delta):
                turn = self._turns.of(item_id)
                turn.text += delta
                if delta:
                    return [TurnPartial(item_id=item_id, delta=delta, text=turn.text, at=now)]
            case ev.ConversationItemInputAudioTranscriptionCompleted():
                return self._completed(event, now)
            case ev.ConversationItemInputAudioTranscriptionFailed(item_id=item_id, error=detail):
                error = self._error(detail)
                return self._over(item_id, TurnFailed(item_id=item_id, error=error, at=now), now)
            case ev.InputAudioBufferCleared():
                # The caller's own ones come before the one at the end of the input.
                self.cleared = self._clears == 0
                self._clears = max(0, self._clears - 1)
            case ev.ErrorEvent(error=detail):
                return self._refused(detail, now)
            case Invalid(type=kind):
                unusable = ProtocolError(f"{self._doing}: the server sent an unusable {kind}")
                return [StreamError(error=unusable, at=now)]
        return []

    def overdue(self, before: float) -> list[TranscriptionEvent]:
        """Tell what has waited since ``before`` for the transcript of an earlier turn."""
        return self._tell(self._turns.ready(before=before))

    def _position(self, milliseconds: int) -> int:
        place = self._tape.shift + milliseconds * BYTES_PER_MS
        return min(max(place, self._tape.settled), self._tape.end)

    def _commit(self, item_id: str, previous: str | None) -> Turn:
        turn = self._turns.of(item_id)
        if turn.end is None:
            final = turn.start is None and self._tape.ends_next
            self._turns.commit(item_id, previous, self._tape.committed(turn.stop))
            if final:
                self._final.add(item_id)
        return turn

    def _completed(
        self, event: ev.ConversationItemInputAudioTranscriptionCompleted, now: float
    ) -> list[TranscriptionEvent]:
        heard = TurnHeard(
            item_id=event.item_id,
            text=event.transcript.strip(),
            usage=_plain(event.usage),
            at=now,
        )
        return self._over(event.item_id, heard, now)

    def _over(
        self, item_id: str, outcome: TurnHeard | TurnFailed, now: float
    ) -> list[TranscriptionEvent]:
        turn = self._commit(item_id, None)
        turn.outcome = outcome
        turn.at = now
        return self._tell(self._turns.ready())

    def _tell(self, turns: list[Turn]) -> list[TranscriptionEvent]:
        out: list[TranscriptionEvent] = []
        for turn in turns:
            if turn.end is not None:
                self._tape.settle(turn.end)
            # The rest at the end of the input is mostly silence: no words there are no turn.
            silent = isinstance(turn.outcome, TurnHeard) and not turn.outcome.text
            if turn.outcome is not None and not (silent and turn.item_id in self._final):
                out.append(turn.outcome)
        return out

    def _refused(self, detail: ErrorDetail, now: float) -> list[TranscriptionEvent]:
        if detail.code == _EXPIRED:
            raise SessionExpired
        event_id = detail.event_id or ""
        error = self._error(detail)
        if event_id.startswith(MARK_EVENT) and event_id[len(MARK_EVENT) :].isdecimal():
            number = int(event_id[len(MARK_EVENT) :])
            mark = self._tape.refused(number, settle=not self._turns.pending)
            if mark is not None and mark.kind == "end" and detail.code == _EMPTY:
                return []
            if mark is not None:
                return [TurnFailed(item_id=None, error=error, at=now)]
        elif {detail.code, detail.type} & _FATAL:
            raise error
        return [StreamError(error=error, at=now)]

    def _error(self, detail: ErrorDetail) -> VoxloopError:
        if {detail.code, detail.type} & {"invalid_api_key", "authentication_error"}:
            return AuthenticationError(f"{self._doing}: the server refused the API key")
        return self.refusal(detail)

    def refusal(self, detail: ErrorDetail) -> ApiError:
        """The exception for an error of the server."""
        return error_from_stream(
            code=detail.code,
            message=detail.message,
            type=detail.type,
            param=detail.param,
            doing=self._doing,
        )


def _plain(usage: TranscriptionUsage | None) -> Mapping[str, object] | None:
    return None if usage is None else cast("dict[str, object]", msgspec.to_builtins(usage))
