"""What the reducer is given: frames, commands of the application, ends of work, and the time.

``at`` is ``time.monotonic()`` seconds, taken by whoever makes the input.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from voxloop._errors import VoxloopError
from voxloop.agents import ResolvedAgent
from voxloop.net import AudioDelta
from voxloop.net import MediaCut as NativeCut
from voxloop.realtime.config import SessionModelSettings
from voxloop.realtime.events import GuardrailTrippedEvent, InterruptionCause
from voxloop.realtime.filtering import Rewrite
from voxloop.wire import realtime as rt


@dataclass(frozen=True, slots=True)
class Received:
    """A frame, decoded."""

    event: rt.ServerMessage
    at: float


@dataclass(frozen=True, slots=True)
class Sound:
    """Sound of an answer, decoded on the network thread."""

    delta: AudioDelta
    at: float


@dataclass(frozen=True, slots=True)
class SoundTaken:
    """Sound of an answer that came the long way and that a sink has taken."""

    event: rt.ResponseOutputAudioDelta
    at: float


@dataclass(frozen=True, slots=True)
class MediaAttached:
    """Media were attached; ``source``: the user's audio comes from them."""

    source: bool
    at: float


@dataclass(frozen=True, slots=True)
class MediaLeft:
    """Media were let go, after they had taken so many bytes of sound in all."""

    taken_bytes: int
    at: float


@dataclass(frozen=True, slots=True)
class MediaCut:
    """The media have silenced the answer; ``cause`` is why, where they did not know it."""

    cut: NativeCut
    at: float
    cause: InterruptionCause = "application"


@dataclass(frozen=True, slots=True)
class MediaSilent:
    """Of all the sound that a sink has taken, this many bytes were played or given up."""

    taken_bytes: int
    at: float


@dataclass(frozen=True, slots=True)
class BadFrame:
    """A frame that is not an event."""

    error: VoxloopError
    at: float


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed."""

    at: float


@dataclass(frozen=True, slots=True)
class Lost:
    """A connection ended, or could not be made; without an error it ended as it should.

    ``epoch`` is its number, None that of the one in use.
    """

    error: VoxloopError | None
    at: float
    epoch: int | None = None


@dataclass(frozen=True, slots=True)
class Opened:
    """A connection that was asked for stands; ``wall`` is Unix seconds."""

    epoch: int
    at: float
    wall: float | None = None


@dataclass(frozen=True, slots=True)
class Heard:
    """The first frame came on a connection that is not in use yet."""

    epoch: int
    at: float


@dataclass(frozen=True, slots=True)
class Left:
    """The application leaves the session's block."""

    at: float


@dataclass(frozen=True, slots=True)
class Start:
    """The first connection stands: tell the server everything. ``wall`` is Unix seconds."""

    at: float
    wall: float | None = None


@dataclass(frozen=True, slots=True)
class AppendAudio:
    """Audio of the user, in the session's input format."""

    data: bytes
    at: float


@dataclass(frozen=True, slots=True)
class CommitAudio:
    """The user's turn is over. ``respond`` None: ask for an answer if nobody else does."""

    respond: bool | None
    at: float


@dataclass(frozen=True, slots=True)
class ClearAudio:
    """Forget the audio that was not committed."""

    at: float


@dataclass(frozen=True, slots=True)
class AddItem:
    """Add an item to the conversation, and perhaps ask for a response."""

    item: rt.Item
    previous_item_id: str | None
    respond: bool
    at: float


@dataclass(frozen=True, slots=True)
class DeleteItem:
    """Take an item out of the conversation."""

    item_id: str
    at: float


@dataclass(frozen=True, slots=True)
class Respond:
    """Ask for a response, perhaps with settings of its own."""

    params: rt.ResponseParams | None
    at: float


@dataclass(frozen=True, slots=True)
class Interrupt:
    """Stop the answer."""

    at: float


@dataclass(frozen=True, slots=True)
class Played:
    """The application reports how much of an item it has played."""

    item_id: str
    played_ms: float
    at: float


@dataclass(frozen=True, slots=True)
class Examined:
    """Whether a call may run at all, and whether someone has to approve it."""

    call_id: str
    enabled: bool
    needs_approval: bool
    at: float


@dataclass(frozen=True, slots=True)
class Tripped:
    """A guardrail stops an answer; with an error it ends the session."""

    event: GuardrailTrippedEvent
    error: VoxloopError | None
    at: float


@dataclass(frozen=True, slots=True)
class Passed:
    """The guardrails have let the first ``length`` characters of a message pass.

    ``whole``: the message is complete, and they have let all of it pass.
    """

    response_id: str
    item_id: str
    length: int
    whole: bool
    at: float


@dataclass(frozen=True, slots=True)
class Judged:
    """The guardrails have looked at a turn of the user; without an event they let it pass."""

    item_id: str
    event: GuardrailTrippedEvent | None
    error: VoxloopError | None
    at: float


@dataclass(frozen=True, slots=True)
class ToolFinished:
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


@dataclass(frozen=True, slots=True)
class Answer:
    """The application answers a call."""

    call_id: str
    output: str
    at: float


@dataclass(frozen=True, slots=True)
class Decide:
    """The application approves or rejects a call; ``always`` holds for the tool from then on."""

    call_id: str
    approved: bool
    message: str | None
    at: float
    always: bool = False


@dataclass(frozen=True, slots=True)
class AgentReady:
    """An agent is resolved and may take over; ``call_id`` is that of the handoff, if any.

    ``rewrite`` is what its filter makes of the conversation.
    """

    agent: ResolvedAgent
    call_id: str | None
    message: str
    at: float
    rewrite: Rewrite | None = None


@dataclass(frozen=True, slots=True)
class ChangeSettings:
    """New settings for the server."""

    settings: SessionModelSettings
    at: float


@dataclass(frozen=True, slots=True)
class Raw:
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
