"""What the reducer is given: frames, commands of the application, ends of work, and the time.

``at`` is ``time.monotonic()`` seconds, taken by whoever makes the input.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from msgspec import Struct

from voxloop._errors import VoxloopError
from voxloop.agents import ResolvedAgent
from voxloop.net import AudioDelta
from voxloop.net import MediaCut as NativeCut
from voxloop.realtime.config import SessionModelSettings
from voxloop.realtime.events import GuardrailTrippedEvent, InterruptionCause
from voxloop.realtime.machine.filtering import Rewrite
from voxloop.wire import realtime as rt


class Received(Struct, frozen=True):
    """A frame, decoded."""

    event: rt.ServerMessage
    at: float


class Sound(Struct, frozen=True):
    """Sound of an answer, decoded on the network thread."""

    delta: AudioDelta
    at: float


class SoundTaken(Struct, frozen=True):
    """Sound of an answer that came the long way and that a sink has taken."""

    event: rt.ResponseOutputAudioDelta
    at: float


class MediaAttached(Struct, frozen=True):
    """Media were attached; ``source``: the user's audio comes from them."""

    source: bool
    at: float


class MediaLeft(Struct, frozen=True):
    """Media were let go, after they had taken so many bytes of sound in all."""

    taken_bytes: int
    at: float


class MediaCut(Struct, frozen=True):
    """The media have silenced the answer; ``cause`` is why, where they did not know it."""

    cut: NativeCut
    at: float
    cause: InterruptionCause = "application"


class MediaSilent(Struct, frozen=True):
    """Of all the sound that a sink has taken, this many bytes were played or given up."""

    taken_bytes: int
    at: float


class BadFrame(Struct, frozen=True):
    """A frame that is not an event."""

    error: VoxloopError
    at: float


class Tick(Struct, frozen=True):
    """Time has passed."""

    at: float


class Lost(Struct, frozen=True):
    """A connection ended, or could not be made; without an error it ended as it should.

    ``epoch`` is its number, None that of the one in use.
    """

    error: VoxloopError | None
    at: float
    epoch: int | None = None


class Opened(Struct, frozen=True):
    """A connection that was asked for stands; ``wall`` is Unix seconds."""

    epoch: int
    at: float
    wall: float | None = None


class Heard(Struct, frozen=True):
    """The first frame came on a connection that is not in use yet."""

    epoch: int
    at: float


class Left(Struct, frozen=True):
    """The application leaves the session's block."""

    at: float


class Start(Struct, frozen=True):
    """The first connection stands: tell the server everything. ``wall`` is Unix seconds."""

    at: float
    wall: float | None = None


class AppendAudio(Struct, frozen=True):
    """Audio of the user, in the session's input format."""

    data: bytes
    at: float


class CommitAudio(Struct, frozen=True):
    """The user's turn is over. ``respond`` None: ask for an answer if nobody else does."""

    respond: bool | None
    at: float


class ClearAudio(Struct, frozen=True):
    """Forget the audio that was not committed."""

    at: float


class AddItem(Struct, frozen=True):
    """Add an item to the conversation, and perhaps ask for a response."""

    item: rt.Item
    previous_item_id: str | None
    respond: bool
    at: float


class DeleteItem(Struct, frozen=True):
    """Take an item out of the conversation."""

    item_id: str
    at: float


class Respond(Struct, frozen=True):
    """Ask for a response, perhaps with settings of its own."""

    params: rt.ResponseParams | None
    at: float


class Interrupt(Struct, frozen=True):
    """Stop the answer."""

    at: float


class Played(Struct, frozen=True):
    """The application reports how much of an item it has played."""

    item_id: str
    played_ms: float
    at: float


class Examined(Struct, frozen=True):
    """Whether a call may run at all, and whether someone has to approve it."""

    call_id: str
    enabled: bool
    needs_approval: bool
    at: float


class Tripped(Struct, frozen=True):
    """A guardrail stops an answer; with an error it ends the session."""

    event: GuardrailTrippedEvent
    error: VoxloopError | None
    at: float


class Passed(Struct, frozen=True):
    """The guardrails have let the first ``length`` characters of a message pass.

    ``whole``: the message is complete, and they have let all of it pass.
    """

    response_id: str
    item_id: str
    length: int
    whole: bool
    at: float


class Judged(Struct, frozen=True):
    """The guardrails have looked at a turn of the user; without an event they let it pass."""

    item_id: str
    event: GuardrailTrippedEvent | None
    error: VoxloopError | None
    at: float


class ToolFinished(Struct, frozen=True):
    """A function came to its end; with ``fatal`` the session ends as well.

    ``respond`` None goes by the tool.
    """

    call_id: str
    output: str
    status: str
    duration: float | None
    at: float
    respond: bool | None = None
    fatal: VoxloopError | None = None


class Answer(Struct, frozen=True):
    """The application answers a call."""

    call_id: str
    output: str
    at: float


class Decide(Struct, frozen=True):
    """The application approves or rejects a call; ``always`` holds for the tool from then on."""

    call_id: str
    approved: bool
    message: str | None
    at: float
    always: bool = False


class AgentReady(Struct, frozen=True):
    """An agent is resolved and may take over; ``call_id`` is that of the handoff, if any.

    ``rewrite`` is what its filter makes of the conversation.
    """

    agent: ResolvedAgent
    call_id: str | None
    message: str
    at: float
    rewrite: Rewrite | None = None


class ChangeSettings(Struct, frozen=True):
    """New settings for the server."""

    settings: SessionModelSettings
    at: float


class Raw(Struct, frozen=True):
    """An event of the application's own making."""

    event: Mapping[str, object]
    at: float


Input: TypeAlias = (
    Received
    | Sound
    | SoundTaken
    | MediaAttached
    | MediaLeft
    | MediaCut
    | MediaSilent
    | BadFrame
    | Tick
    | Lost
    | Opened
    | Heard
    | Left
    | Start
    | AppendAudio
    | CommitAudio
    | ClearAudio
    | AddItem
    | DeleteItem
    | Respond
    | Interrupt
    | Played
    | Examined
    | Tripped
    | Passed
    | Judged
    | ToolFinished
    | Answer
    | Decide
    | AgentReady
    | ChangeSettings
    | Raw
)
