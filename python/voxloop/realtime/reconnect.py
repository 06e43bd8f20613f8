"""When a lost connection is made again: the policy, and what is known of the connection so far.

Delays grow by a factor up to a bound, with a share left to chance, so that many clients of a server
that comes back do not come back together. A server that says when to come is obeyed. What decides
is how long a connection held, not that it was made: one that breaks as soon as it stands counts as
one more failure.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal, TypeAlias

from msgspec import Struct

from voxloop._errors import (
    ConfigError,
    ConnectionClosed,
    HandshakeRejected,
    NetworkError,
    NetworkTimeout,
    RateLimited,
    VoxloopError,
)
from voxloop.realtime.checks import check_fields

RECOVERABLE_CLOSES = frozenset({None, 1001, 1005, 1006, 1011, 1012, 1013, 1015})
"""Close codes after which the same session may be opened anew; None: no close frame came."""
ENDS_OF_CALLS = frozenset({None, 1000, 1001, 1005, 1006})
"""Close codes with which a connection that is attached to a call ends as it should."""
RECOVERABLE_STATUSES = frozenset({408, 429})
"""Client errors of an upgrade that may be gone at the next attempt; all from 500 on are too."""

Standby: TypeAlias = Literal["dialing", "open", "ready"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconnect:
    """What happens when the connection is lost.

    Attributes:
        enabled: False: a lost connection ends the session.
        max_attempts: Attempts in a row before the session ends.
        first_attempts: Attempts to make the first connection, before entering the session's block
            raises. One that took its whole time-out is not repeated.
        base: Seconds before the first attempt.
        factor: By which each further delay is longer.
        jitter: Share of each delay that is left to chance, 0 to 1.
        max_delay: Seconds that no delay exceeds, unless the server asks for more.
        give_up_after: Seconds of attempts after which the session ends.
        audio_seconds: Audio of the user that is kept to be sent again. What does not fit is lost,
            oldest first, and reported.
        image_bytes: Images of the conversation that were given as bytes and are kept to be sent
            again, in characters of their URLs. What does not fit is lost, oldest first, and
            reported.
        stable_after: Seconds a connection must have held for the counts to begin anew.
        quick_failures: Connections in a row that broke sooner than that, before the session ends.
        renew_before: Seconds before the server ends the session at which another connection is
            made ready, to be used from the next moment on at which nothing is going on.

    Raises:
        ConfigError: A value is out of range.
    """

    enabled: bool = True
    max_attempts: int = 10
    first_attempts: int = 3
    base: float = 0.25
    factor: float = 2.0
    jitter: float = 0.5
    max_delay: float = 8.0
    give_up_after: float = 60.0
    audio_seconds: float = 30.0
    image_bytes: float = 16 * 1024 * 1024
    stable_after: float = 5.0
    quick_failures: int = 3
    renew_before: float = 120.0

    def __post_init__(self) -> None:
        check_fields(self)
        for name, low in (
            ("max_attempts", 1),
            ("first_attempts", 1),
            ("quick_failures", 1),
            ("base", 0.0),
            ("factor", 1.0),
            ("max_delay", 0.0),
            ("give_up_after", 0.0),
            ("audio_seconds", 0.0),
            ("image_bytes", 0.0),
            ("stable_after", 0.0),
            ("renew_before", 0.0),
        ):
            value = getattr(self, name)
            if not low <= value < 1e9:
                raise ConfigError(f"Reconnect.{name} is {value!r}; give at least {low:g}")
        if not 0.0 <= self.jitter <= 1.0:
            raise ConfigError(f"Reconnect.jitter is {self.jitter!r}; give a value from 0 to 1")

    def first_delay(self, attempt: int, error: VoxloopError, spent: float) -> float | None:
        """Seconds to wait before the first connection is tried again, None to give up.

        Args:
            attempt: Number of the attempt that failed, from 1.
            error: What went wrong with it.
            spent: Seconds since the first one.
        """
        timed_out = isinstance(error, NetworkTimeout)
        if not self.enabled or timed_out or attempt >= self.first_attempts:
            return None
        wait = self.delay(attempt, error, f"first:{attempt}:{spent}")
        again = recoverable(error) and spent + wait <= self.give_up_after
        return wait if again else None

    def delay(self, attempt: int, error: VoxloopError | None, seed: str) -> float:
        """Seconds to wait before an attempt.

        Args:
            attempt: Number of the attempt, from 1.
            error: What went wrong; a server that says when to come is obeyed.
            seed: What the chance is drawn from, so that the same session waits the same again.
        """
        wait = min(self.max_delay, self.base * self.factor ** min(attempt - 1, 64))
        chance = random.Random(seed).random()  # noqa: S311 - jitter
        return max(wait * (1.0 - self.jitter * chance), retry_after(error) or 0.0)


class Line(Struct, frozen=True, kw_only=True):
    """The connection, and the one that is to follow it.

    Every connection has a number, its epoch. What was queued for one is never sent on another.

    Attributes:
        epoch: Number of the connection in use.
        newest: The highest number given out.
        up: It stands.
        opened_at: When it stood.
        wall: What the system's clock said then, in Unix seconds; None if it is not known.
        coming: Number of the connection that is being made.
        standby: How far that one is; ``"ready"`` once the server has said something.
        attempt: Attempts since a connection last held.
        quick: Connections in a row that broke soon.
        since: When the attempts began.
        lost_at: When the connection was lost that has no successor yet.
        retry_at: When the next attempt is due.
        renew_at: When a successor is to be made ready, since the server will end the session.
    """

    epoch: int = 1
    newest: int = 1
    up: bool = True
    opened_at: float = 0.0
    wall: float | None = None
    coming: int | None = None
    standby: Standby | None = None
    attempt: int = 0
    quick: int = 0
    since: float | None = None
    lost_at: float | None = None
    retry_at: float | None = None
    renew_at: float | None = None


def recoverable(error: VoxloopError | None) -> bool:
    """Whether another attempt may succeed; a connection that was closed with 1000 is over."""
    if error is None:
        return False
    if error.code == "session_expired":
        return True
    if isinstance(error, ConnectionClosed):
        return error.close_code in RECOVERABLE_CLOSES
    if isinstance(error, HandshakeRejected):
        return error.status in RECOVERABLE_STATUSES or error.status >= 500
    if isinstance(error, RateLimited):
        return True
    return isinstance(error, NetworkError) and error.retryable


def call_ended(error: VoxloopError | None) -> bool:
    """Whether this is how a call ends: a caller who hangs up leaves no close frame behind."""
    return isinstance(error, ConnectionClosed) and error.close_code in ENDS_OF_CALLS


def retry_after(error: VoxloopError | None) -> float | None:
    """Seconds that the server asks to wait, None if it does not."""
    if isinstance(error, RateLimited):
        return error.retry_after
    if isinstance(error, HandshakeRejected):
        try:
            seconds = float(error.headers.get("retry-after", ""))
        except ValueError:
            return None
        return seconds if 0.0 <= seconds < 1e6 else None
    return None
