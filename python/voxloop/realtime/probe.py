"""What `diagnose` asks of a server: that it greets, and one short answer in text."""

from __future__ import annotations

from collections import deque

from voxloop._errors import ApiError, ProtocolError, VoxloopError
from voxloop.providers import RealtimeTransport
from voxloop.realtime.machine.errors import from_detail
from voxloop.wire import realtime as rt
from voxloop.wire._base import raw_event

BETA_FIELDS = frozenset(
    {"modalities", "input_audio_format", "output_audio_format", "max_response_output_tokens"}
)
"""Fields of a session that only the beta protocol has at that place."""
EVENT_ID = "create_diagnosis"


class BetaDialect(ProtocolError):
    """The server speaks the beta protocol."""

    code = "beta_dialect"


class Probe:
    """What was heard so far.

    Attributes:
        session_id: Id that the server gave.
        model: Model that it named.
        events: Types of its events, in order.
    """

    def __init__(self) -> None:
        self.session_id: str | None = None
        self.model: str | None = None
        self.events: list[str] = []
        self._frames: deque[str | bytes] = deque()

    async def greet(self, transport: RealtimeTransport) -> str:
        """Wait for ``session.created``; words for people.

        Raises:
            VoxloopError: Something else came, or the connection ended.

        **Cancellation:** may be called again.
        """
        event, raw = await self._next(transport)
        if isinstance(event, rt.ErrorEvent):
            raise from_detail(event.error, "the server refused the session without a reason")
        session = raw.get("session")
        if raw.get("type") != "session.created" or not isinstance(session, dict):
            raise ProtocolError(f"the first event is {raw.get('type')!r}, not 'session.created'")
        self.session_id = _text(session.get("id"))
        self.model = _text(session.get("model"))
        if session.keys() & BETA_FIELDS:
            raise BetaDialect("the server describes its session in the retired beta protocol")
        return f"session {self.session_id or 'without an id'}, model {self.model or 'not named'}"

    async def ask(self, transport: RealtimeTransport) -> str:
        """Ask for one answer in text, outside of any conversation; words for people.

        Raises:
            VoxloopError: There was none.

        **Cancellation:** the answer is not waited for any longer.
        """
        params = rt.ResponseParams(
            conversation="none",
            input=[
                rt.Item(
                    type="message",
                    role="user",
                    content=[rt.ContentPart(type="input_text", text="Reply with one word: OK")],
                )
            ],
            output_modalities=["text"],
            max_output_tokens=64,
            metadata={"purpose": "diagnosis"},
        )
        event_id = EVENT_ID
        await transport.send(rt.encode(rt.ResponseCreate(event_id=event_id, response=params)))
        text = ""
        while True:
            event, _ = await self._next(transport)
            match event:
                case rt.ErrorEvent(error=detail) if detail.event_id in (None, event_id):
                    raise from_detail(detail, "the server reported an error without a message")
                case rt.ResponseOutputTextDone(text=whole):
                    text = whole
                case rt.ResponseDone(response=response):
                    return _answer(response, text)
                case _:
                    pass

    async def _next(
        self, transport: RealtimeTransport
    ) -> tuple[rt.ServerMessage, dict[str, object]]:
        while not self._frames:
            for frame in await transport.receive_batch():
                self._frames.extend(text for text, _ in frame.messages)
        text = self._frames.popleft()
        _, raw = raw_event(text)
        self.events.append(str(raw["type"]))
        return rt.decode_server(text), raw


def _answer(response: rt.Response, text: str) -> str:
    status = response.status or "completed"
    if status in ("completed", "incomplete"):
        return f"answered {text.strip()[:40]!r}" if text.strip() else f"answered ({status})"
    details = response.status_details or rt.StatusDetails()
    if details.error is not None:
        raise from_detail(details.error, details.reason or "the response failed")
    raise _unexplained(status, details.reason)


def _unexplained(status: str, reason: str | None) -> VoxloopError:
    return ApiError(f"the response ended as {status}: {reason or 'the server gave no reason'}")


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
