"""The state of a session: small frozen parts, each changed by one module."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, TypeAlias

from msgspec import Struct, field

from voxloop.agents import Agent, ResolvedAgent
from voxloop.realtime.config import RunConfig, SessionModelSettings
from voxloop.realtime.events import AgentState
from voxloop.realtime.machine.filtering import Rewrite
from voxloop.realtime.machine.history import History
from voxloop.realtime.machine.images import Images
from voxloop.realtime.machine.latency import Ledger
from voxloop.realtime.machine.parts import NONE
from voxloop.realtime.machine.playback import Playback
from voxloop.realtime.machine.ring import Ring, empty
from voxloop.realtime.machine.sequencer import Sequencer
from voxloop.realtime.machine.settings import Payload
from voxloop.realtime.reconnect import Line, Reconnect
from voxloop.realtime.telephone import FORMATS
from voxloop.realtime.usage import Usage
from voxloop.tools import Approvals, Respond
from voxloop.wire import realtime as rt

if TYPE_CHECKING:
    from voxloop.realtime.machine.holdback import Hold

CallKind: TypeAlias = Literal["function", "application", "handoff"]


class Handover(Struct, frozen=True, kw_only=True):
    """An agent that takes over when the server has accepted its settings.

    Attributes:
        agent: The agent to come.
        call_id: Call of the handoff; None when the application changes the agent.
        message: What the call is answered with.
        rewrite: What the handoff's filter makes of the conversation.
    """

    agent: ResolvedAgent
    call_id: str | None
    message: str
    rewrite: Rewrite | None = None


class PendingUpdate(Struct, frozen=True, kw_only=True):
    """A ``session.update`` without an answer yet.

    Attributes:
        event_id: Its id; the server names it when it refuses.
        before: What the server knew before.
        changes: What it was told.
        settings: The settings before.
        handover: What waits for the answer.
        deadline: When to go on without it.
        initial: It is the first one: without it the session is not the one that was asked for.
    """

    event_id: str
    before: Payload
    changes: Payload
    settings: SessionModelSettings
    handover: Handover | None = None
    deadline: float
    initial: bool = False


class Link(Struct, frozen=True):
    """The server's side.

    Attributes:
        session_id: Id that the server gave.
        expires_at: Unix seconds at which the server will end the session.
        known: Settings that the server was told, as the tree of `settings.payload`.
        pending: Updates it has not answered, in order.
        voice_fixed: Audio exists, so the voice cannot change.
        answers: It starts a response by itself after a turn.
        interrupts: It cancels its response by itself when the user speaks.
        attached: The session is attached to a call.
        over: The connection ended or was left.
        rate_limits: The latest ones.
        repeated: Items that were sent again, and the item before each in what was sent: what the
            server says of them is known.
        replaced: Those of them that were taken out, to be put in again or not; the server's word
            that they are gone is awaited.
    """

    session_id: str | None = None
    expires_at: int | None = None
    known: Payload = field(default_factory=dict)
    pending: tuple[PendingUpdate, ...] = ()
    voice_fixed: bool = False
    answers: bool = True
    interrupts: bool = True
    attached: bool = False
    over: bool = False
    rate_limits: tuple[rt.RateLimit, ...] = ()
    repeated: Mapping[str, str | None] = NONE
    replaced: tuple[str, ...] = ()


class AgentSlot(Struct, frozen=True):
    """Who answers.

    Attributes:
        current: The agent whose settings the server has.
        moving: A handoff is under way.
        moved_in: Response in which the last handoff was called.
        hops: Handoffs since the user's turn began.
    """

    current: ResolvedAgent
    moving: bool = False
    moved_in: str | None = None
    hops: int = 0


class ResponseTrack(Struct, frozen=True, kw_only=True):
    """A response that is running.

    Attributes:
        response_id: Its id.
        agent: Name of the agent that began it.
        by: The agent itself, as it was then.
        in_conversation: It is part of the conversation.
        params: What was asked for, outside the conversation.
        metadata: What the application has asked for it with.
        asked_at: When it was asked for; None if the server began it by itself.
        created_at: When it began.
        first_text_at: When its first words came.
        first_audio_at: When its first sound came.
    """

    response_id: str
    agent: str
    by: ResolvedAgent | None = None
    in_conversation: bool = True
    params: rt.ResponseParams | None = None
    metadata: Mapping[str, str] = NONE
    asked_at: float | None = None
    created_at: float = 0.0
    first_text_at: float | None = None
    first_audio_at: float | None = None


class Turn(Struct, frozen=True):
    """What is going on.

    Attributes:
        speaking: The user speaks.
        responses: Responses that run, by id.
        muted: Responses that were stopped: nothing more of them is passed on.
        outside: Event ids of requests for responses outside the conversation.
        beside: What those asked for, by the same ids.
        shown: The state that the application was told last.
        quiet_since: Since when nothing has happened; None once that was told.
        tripped: Responses that a guardrail has stopped.
        over: Responses that have ended, so that each ends once.
        let_out: Responses that go on although one has tripped: their sound is not held.
        word: The agent that has the word, once it has said or done something in the turn.
        said: What it has said in the turn.
    """

    speaking: bool = False
    responses: Mapping[str, ResponseTrack] = NONE
    muted: tuple[str, ...] = ()
    outside: Mapping[str, float] = NONE
    beside: Mapping[str, rt.ResponseParams] = NONE
    shown: AgentState | None = None
    quiet_since: float | None = None
    tripped: tuple[str, ...] = ()
    over: tuple[str, ...] = ()
    let_out: tuple[str, ...] = ()
    word: Agent | None = None
    said: tuple[str, ...] = ()


class InputBuffer(Struct, frozen=True):
    """The server's input buffer, as far as it can be known from here.

    Attributes:
        uncommitted: Bytes sent since the last commit or clear.
        commits: Commits of ours that were not answered yet: whether a response is to follow
            (None: if the turn was not ended by the server before).
        ended_by_server: The server has ended a turn and heard no speech since.
        stopped_item: The message that the server is about to commit.
        attached: A source sends audio that is not counted here.
        stopped_ms: Where it ends in the audio of this connection.
    """

    uncommitted: int = 0
    commits: tuple[bool | None, ...] = ()
    ended_by_server: bool = False
    stopped_item: str | None = None
    attached: bool = False
    stopped_ms: int | None = None


class MediaState(Struct, frozen=True):
    """Media that were let go. What they took counts on in `Playback`, over those that follow.

    Attributes:
        base: Bytes that they had taken; those that are attached now count from there.
        left_at: When the last of them was let go.
    """

    base: int = 0
    left_at: float = float("-inf")


class Call(Struct, frozen=True, kw_only=True):
    """A call of the model.

    Attributes:
        agent: The agent that made it, with the tools that it had then.
        status: ``"checking"`` whether it may run at all, ``"approval"``, ``"running"`` or
            ``"answered"``.
        called_at: When it came.
        deadline: When it is answered for want of an answer.
        respond: Whether the model goes on once it is answered.
        in_conversation: The response that made it is part of the conversation.
        output: What it was answered with.
    """

    call_id: str
    name: str
    arguments: str
    item_id: str
    response_id: str
    agent: ResolvedAgent
    kind: CallKind
    status: Literal["checking", "approval", "running", "answered"]
    called_at: float
    deadline: float | None = None
    respond: Respond = True
    in_conversation: bool = True
    output: str | None = None


class Batch(Struct, frozen=True):
    """The calls of one response: the model goes on once all are answered.

    Attributes:
        open: Calls without an answer.
        wanted: One of them wants the model to go on.
        later: One of them wants that once nobody speaks.
        over: The response has ended.
        beside: It ran outside the conversation, with these settings.
    """

    open: frozenset[str] = frozenset()
    wanted: bool = False
    later: bool = False
    over: bool = False
    beside: rt.ResponseParams | None = None


class ToolState(Struct, frozen=True):
    """All calls that matter: the open ones, and enough of the answered to know repetitions.

    Attributes:
        calls: By call id; of the answered ones the latest only, since each new call copies them.
        past: Calls that were answered before those.
        batches: Those of running calls, by response.
        approvals: What was decided so far.
        when_idle: The model is to go on with an output once nobody speaks.
    """

    calls: Mapping[str, Call] = NONE
    past: Mapping[str, Call] = NONE
    batches: Mapping[str, Batch] = NONE
    approvals: Approvals = field(default_factory=Approvals)
    when_idle: bool = False

    def known(self, call_id: str) -> Call | None:
        """The call of this id, if it is remembered."""
        return self.calls.get(call_id) or self.past.get(call_id)

    @property
    def running(self) -> bool:
        """Whether a call has no answer yet."""
        for batch in self.batches.values():  # noqa: SIM110 - `any` asks a generator each time
            if batch.open:
                return True
        return False


class Gated(Struct, frozen=True):
    """A turn of the user that waits to be let in.

    Attributes:
        status: Its transcript is awaited, or looked at.
        until: When the transcript is given up.
    """

    status: Literal["transcript", "checking"]
    until: float | None = None


class Backlog(Struct, frozen=True):
    """What the application asked for and the server has not shown to have done.

    Attributes:
        creates: Items to add, in order.
        deletes: Items to take out.
        held: Events that came while there was no connection, to be sent as they are.
    """

    creates: tuple[rt.ConversationItemCreate, ...] = ()
    deletes: tuple[str, ...] = ()
    held: tuple[rt.ClientEvent | dict[str, object], ...] = ()


class State(Struct, frozen=True, kw_only=True):
    """Everything that a session knows.

    Attributes:
        config: How it behaves.
        reconnect: What happens when the connection is lost.
        settings: What the server is to know, apart from the agent.
        prefix: Part of all ids made here, so that they are unique in the conversation.
        ids: How many were made.
        gates: Turns that wait to be let in, by their item.
        spent: What the responses of each agent cost, by its name.
        images: Images of the conversation that were given as bytes.
        holds: Sound that waits for the output guardrails, by response.
    """

    config: RunConfig
    settings: SessionModelSettings
    agent: AgentSlot
    prefix: str
    reconnect: Reconnect
    ring: Ring
    ids: int = 0
    line: Line = Line()
    backlog: Backlog = Backlog()
    link: Link = Link()
    turn: Turn = Turn()
    input: InputBuffer = InputBuffer()
    sequencer: Sequencer = Sequencer()
    playback: Playback = Playback()
    media: MediaState = MediaState()
    tools: ToolState = ToolState()
    history: History = field(default_factory=History)
    latency: Ledger = Ledger()
    usage: Usage = Usage()
    gates: Mapping[str, Gated] = NONE
    spent: Mapping[str, Usage] = NONE
    images: Images = Images()
    holds: Mapping[str, Hold] = NONE


def initial(
    agent: ResolvedAgent,
    config: RunConfig,
    *,
    prefix: str,
    attached: bool = False,
    reconnect: Reconnect | None = None,
) -> State:
    """The state of a session that has just been opened."""
    settings = config.model_settings
    gated = bool(config.input_guardrails or agent.agent.input_guardrails)
    link = Link(
        answers=settings.server_answers and not gated,
        interrupts=settings.server_interrupts,
        attached=attached,
    )
    policy = reconnect or Reconnect()
    again = policy.enabled and not attached
    return State(
        config=config,
        settings=settings,
        agent=AgentSlot(agent),
        prefix=prefix,
        link=link,
        reconnect=policy,
        ring=empty(
            policy.audio_seconds if again else 0.0,
            FORMATS[settings.input_format].bytes_per_ms * 1000,
        ),
        images=Images(limit=int(policy.image_bytes) if again else 0),
    )
