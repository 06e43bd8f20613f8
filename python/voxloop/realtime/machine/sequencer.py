"""Who may ask for a response, and when.

The conversation takes one response at a time, so requests wait here until nothing is running, and
those that pile up meanwhile are answered by one. A request with settings of its own stands alone.
Responses outside the conversation do not pass through.
"""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from voxloop.wire import realtime as rt

EXPECT_SECONDS = 2.0
"""How long to wait for the response that the server starts by itself after a turn."""
BEGIN_SECONDS = 30.0
"""How long a request may stay without a response or a refusal, before it is given up."""
NAMELESS_SECONDS = 15.0
"""How long nothing may come of a response without an id, before it is given up."""
MAX_ATTEMPTS = 3
"""How often one request is put back because another response was running."""


class Request(Struct, frozen=True, kw_only=True):
    """A wish for a response.

    Attributes:
        event: What to send when it is asked for alone.
        manual: It stands alone and covers no other request.
        asked_at: When it was made.
        attempts: How often it was sent before.
    """

    event: rt.ResponseCreate | dict[str, object]
    manual: bool
    asked_at: float
    attempts: int = 0

    @property
    def event_id(self) -> str:
        """Id of the event that asks."""
        if isinstance(self.event, dict):
            return str(self.event.get("event_id", ""))
        return self.event.event_id or ""


class Sequencer(Struct, frozen=True):
    """State of the conversation's responses.

    Attributes:
        waiting: Requests not sent yet, in order.
        sent: The request that was sent and has no response yet.
        answered: The request of the running response, or one that the running response displaced.
        active: Id of the response that is running.
        cancelling: The running response was asked to stop.
        cancel_id: Id of the event that asked.
        cancel_on_start: The response asked for is to be stopped as soon as it begins.
        expected_until: Until when a response of the server's own is waited for.
        begin_until: Until when the request that was sent may stay unanswered.
        nameless_until: Until when something has to come of a running response without an id.
    """

    waiting: tuple[Request, ...] = ()
    sent: Request | None = None
    answered: Request | None = None
    active: str | None = None
    cancelling: bool = False
    cancel_id: str | None = None
    cancel_on_start: bool = False
    expected_until: float | None = None
    begin_until: float | None = None
    nameless_until: float | None = None

    @property
    def held(self) -> bool:
        """Whether something waits that time, or the end of a response, may let go on."""
        return bool(self.waiting) or self.expected_until is not None

    @property
    def busy(self) -> bool:
        """Whether a response runs, was asked for, or is about to be."""
        return (
            self.active is not None
            or self.sent is not None
            or bool(self.waiting)
            or self.expected_until is not None
        )


def ask(sequencer: Sequencer, request: Request) -> Sequencer:
    """Queue a request."""
    return replace(sequencer, waiting=(*sequencer.waiting, request))


def release(sequencer: Sequencer, at: float) -> tuple[Sequencer, Request | None]:
    """Take the next request to send, if one may be sent now."""
    if sequencer.expected_until is not None and at >= sequencer.expected_until:
        sequencer = replace(sequencer, expected_until=None)
    if not sequencer.waiting:
        return sequencer, None
    if (
        sequencer.active is not None
        or sequencer.sent is not None
        or sequencer.expected_until is not None
    ):
        return sequencer, None
    first = sequencer.waiting[0]
    covered = 1
    if not first.manual:
        while covered < len(sequencer.waiting) and not sequencer.waiting[covered].manual:
            covered += 1
    rest = sequencer.waiting[covered:]
    until = at + BEGIN_SECONDS
    taken = replace(sequencer, waiting=rest, sent=first, begin_until=until, cancel_on_start=False)
    return taken, first


def expect(sequencer: Sequencer, at: float) -> Sequencer:
    """The server has ended a turn and will answer by itself."""
    if sequencer.active is not None:
        return sequencer
    return replace(sequencer, expected_until=at + EXPECT_SECONDS)


def created(sequencer: Sequencer, response_id: str, at: float) -> Sequencer:
    """A response of the conversation began."""
    return Sequencer(
        sequencer.waiting,
        answered=sequencer.sent,
        active=response_id,
        nameless_until=None if response_id else at + NAMELESS_SECONDS,
    )


def named(sequencer: Sequencer, response_id: str) -> Sequencer:
    """The running response began without an id and has one now."""
    return replace(sequencer, active=response_id, nameless_until=None)


def unanswered(sequencer: Sequencer, at: float) -> tuple[Sequencer, bool]:
    """Give up the request that was sent if it is high time, and whether it was."""
    until = sequencer.begin_until
    if sequencer.sent is None or until is None or at < until:
        return sequencer, False
    return replace(sequencer, sent=None, begin_until=None, cancel_on_start=False), True


def done(sequencer: Sequencer, response_id: str) -> Sequencer:
    """A response ended; one that is not the running one changes nothing."""
    if sequencer.active is None or (response_id and sequencer.active != response_id):
        return sequencer
    return replace(
        sequencer,
        active=None,
        answered=None,
        cancelling=False,
        cancel_id=None,
        nameless_until=None,
    )


def refused(sequencer: Sequencer, error: rt.ErrorDetail, at: float) -> tuple[Sequencer, bool]:
    """An error came; when it answers the request in flight, the slot is free again.

    Returns:
        The sequencer, and whether the error need not be shown: the request waits for another
        attempt, or is not wanted any more.
    """
    request = sequencer.sent or sequencer.answered
    busy = error.code == "conversation_already_has_active_response"
    mine = request is not None and error.event_id == request.event_id
    if error.event_id is None and sequencer.sent is not None:
        mine = busy or error.code == "bad_response_create" or "response.create" in error.message
    if not mine or request is None:
        return sequencer, False
    stopped = sequencer.cancel_on_start
    sequencer = replace(
        sequencer, sent=None, answered=None, begin_until=None, cancel_on_start=False
    )
    if busy and stopped:  # nobody wants it any more
        return sequencer, True
    if not busy or request.attempts + 1 >= MAX_ATTEMPTS:
        return sequencer, False
    again = replace(request, attempts=request.attempts + 1)
    sequencer = replace(sequencer, waiting=(again, *sequencer.waiting))
    # With the running response known, its end lets the request through; else wait a little.
    return (sequencer if sequencer.active is not None else expect(sequencer, at)), True
