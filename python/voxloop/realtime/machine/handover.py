"""Settings and agents: what the server is told, what it accepts, and who answers then."""

from __future__ import annotations

from voxloop._errors import ConcurrencyError, ConfigError, VoxloopError
from voxloop.agents import ResolvedAgent
from voxloop.agents.checks import wire_choice
from voxloop.realtime.config import SessionModelSettings
from voxloop.realtime.events import HandoffEvent
from voxloop.realtime.machine import commands, guards, moments, toolcalls
from voxloop.realtime.machine.effects import End
from voxloop.realtime.machine.filtering import Rewrite
from voxloop.realtime.machine.inputs import AddItem, AgentReady, ChangeSettings, DeleteItem
from voxloop.realtime.machine.parts import replace
from voxloop.realtime.machine.settings import (
    Payload,
    applied,
    changed,
    kept,
    param_path,
    payload,
    to_wire,
    without,
)
from voxloop.realtime.machine.state import Handover, PendingUpdate
from voxloop.realtime.machine.step import Step
from voxloop.wire import realtime as rt

MAX_PENDING = 32
"""Updates that may wait for an answer; the oldest is taken as accepted beyond that."""


def start(step: Step) -> None:
    """Tell the server everything."""
    state = step.state
    everything = _target(step, state.agent.current, state.settings)
    _tell(step, everything, state.settings, initial=True)


def renew(step: Step) -> None:
    """Tell another connection everything; the voice stays the one that was heard."""
    state = step.state
    everything = _target(step, state.agent.current, state.settings)
    told = _voice(state.link.known)
    if state.link.voice_fixed and told is not None:
        everything = applied(everything, {"audio": {"output": {"voice": told}}})
    step.update(link=replace(state.link, session_id=None, expires_at=None, known={}, pending=()))
    _tell(step, everything, state.settings, initial=True)
    _follow(step)


def adopt(step: Step) -> None:
    """The connection is lost: whoever was to take over does, and the next one is told so."""
    pending = step.state.link.pending
    step.update(link=replace(step.state.link, pending=()))
    for update in pending:
        if update.handover is not None:
            _take_over(step, update.handover)


def change_settings(step: Step, command: ChangeSettings) -> None:
    """Tell the server what differs in new settings."""
    state, new = step.state, command.settings
    if (new.input_format, new.output_format) != (
        state.settings.input_format,
        state.settings.output_format,
    ):
        step.refuse(ConfigError("audio formats cannot change within a session; open another"))
        return
    if state.settings.tracing not in (None, new.tracing):
        step.refuse(
            ConfigError("tracing cannot change once it is on; open another session for that")
        )
        return
    changes = _changes(step, state.agent.current, new)
    before = state.settings
    step.state = replace(state, settings=new)
    if changes and step.state.line.up:
        _tell(step, changes, before)
    _follow(step)


def agent_ready(step: Step, ready: AgentReady) -> None:
    """Tell the server what differs in another agent; it takes over when that is accepted."""
    state = step.state
    if ready.call_id is None and state.agent.moving:
        step.refuse(ConcurrencyError("a handoff is under way; change the agent when it is over"))
        return
    if ready.call_id is not None and not _waits(step, ready.call_id):
        return
    step.update(agent=replace(state.agent, moving=True))
    handover = Handover(
        agent=ready.agent, call_id=ready.call_id, message=ready.message, rewrite=ready.rewrite
    )
    changes = _changes(step, ready.agent, state.settings)
    if changes and step.state.line.up:
        _tell(step, changes, state.settings, handover)
    else:
        _take_over(step, handover)


def accepted(step: Step, session: rt.Session) -> None:
    """``session.updated``: the oldest update stands."""
    link = step.state.link
    incoming = session.audio.input if session.audio is not None else None
    if incoming is not None and incoming.turn_detection is None:
        link = replace(link, answers=False, interrupts=False)
    elif incoming is not None and isinstance(incoming.turn_detection, rt.TurnDetection):
        vad = incoming.turn_detection
        link = replace(
            link,
            answers=vad.create_response is not False,
            interrupts=vad.interrupt_response is not False,
        )
    first, rest = (link.pending[0], link.pending[1:]) if link.pending else (None, ())
    step.update(link=replace(link, pending=rest))
    if first is not None and first.handover is not None:
        _take_over(step, first.handover)


def rejected(step: Step, detail: rt.ErrorDetail, error: VoxloopError) -> bool:
    """An error came; True if it refuses one of the updates, which is undone or tried without it."""
    link = step.state.link
    update = next((u for u in link.pending if u.event_id == detail.event_id), None)
    if update is None:
        return False
    later = link.pending[link.pending.index(update) + 1 :]
    known = update.before
    for following in later:
        known = applied(known, following.changes)
    rest = tuple(u for u in link.pending if u is not update)
    step.update(link=replace(link, pending=rest, known=known))
    if update.initial:
        step.do(End(error))
        return True
    step.error(error)
    reduced = without(update.changes, param_path(detail.param))
    if update.handover is not None and reduced and reduced != update.changes:
        _tell(step, reduced, update.settings, update.handover)
        return True
    if not later:
        step.state = replace(step.state, settings=update.settings)
        _follow(step)
    if update.handover is not None:
        _stay(step, update.handover)
    return True


def expire(step: Step) -> None:
    """Go on with handoffs whose settings the server has not answered in time."""
    for update in step.state.link.pending:
        if update.handover is None or step.at < update.deadline:
            continue
        waiting = replace(update, handover=None)
        link = step.state.link
        pending = tuple(waiting if old is update else old for old in link.pending)
        step.update(link=replace(link, pending=pending))
        _take_over(step, update.handover)


def _take_over(step: Step, handover: Handover) -> None:
    slot = step.state.agent
    gated = guards.gated(step.state)
    step.update(agent=replace(slot, current=handover.agent, moving=False))
    if guards.gated(step.state) != gated:
        _follow(step)
    step.emit(
        HandoffEvent(
            from_agent=slot.current.agent.name,
            to_agent=handover.agent.agent.name,
            reason="application" if handover.call_id is None else "handoff",
            at=step.at,
        )
    )
    moments.handed_over(step, slot.current.agent, handover.agent.agent)
    if handover.rewrite is not None:
        _rewrite(step, handover.rewrite)
    if handover.call_id is not None:
        toolcalls.answer(step, step.state.tools.calls[handover.call_id], handover.message, "ok")


def _rewrite(step: Step, rewrite: Rewrite) -> None:
    """Make the conversation what the handoff's filter chose, before the next agent answers."""
    for item_id in rewrite.deleted:
        commands.delete_item(step, DeleteItem(item_id, step.at))
    for item, previous in rewrite.created:
        commands.add_item(step, AddItem(item, previous, False, step.at))


def _stay(step: Step, handover: Handover) -> None:
    step.update(agent=replace(step.state.agent, moving=False))
    if handover.call_id is not None:
        call = step.state.tools.calls[handover.call_id]
        name = handover.agent.agent.name
        toolcalls.answer(step, call, f"The transfer to {name} failed; go on without it.", "error")


def _waits(step: Step, call_id: str) -> bool:
    call = step.state.tools.calls.get(call_id)
    told = any(u.handover and u.handover.call_id == call_id for u in step.state.link.pending)
    return call is not None and call.kind == "handoff" and call.status == "running" and not told


def _target(step: Step, agent: ResolvedAgent, settings: SessionModelSettings) -> Payload:
    return payload(
        settings,
        instructions=agent.instructions,
        tools=agent.schemas,
        voice=agent.agent.voice,
        attached=step.state.link.attached,
        gated=bool(guards.input_guardrails(step.state.config, agent.agent)),
        prompt=agent.prompt,
        tool_choice=wire_choice(agent.agent.tool_choice),
        parallel_tool_calls=agent.agent.parallel_tool_calls,
    )


def _changes(step: Step, agent: ResolvedAgent, settings: SessionModelSettings) -> Payload:
    link = step.state.link
    return changed(link.known, _target(step, agent, settings), voice_fixed=link.voice_fixed)


def _tell(
    step: Step,
    changes: Payload,
    settings: SessionModelSettings,
    handover: Handover | None = None,
    *,
    initial: bool = False,
) -> None:
    event_id = step.new_id("update")
    step.send(rt.SessionUpdate(event_id=event_id, session=to_wire(changes)))
    link = step.state.link
    update = PendingUpdate(
        event_id=event_id,
        before=link.known,
        changes=changes,
        settings=settings,
        handover=handover,
        deadline=step.at + step.state.config.update_timeout,
        initial=initial,
    )
    pending = (*link.pending, update)
    if len(pending) > MAX_PENDING:
        oldest = next(old for old in pending if old.handover is None)
        pending = tuple(old for old in pending if old is not oldest)
    step.update(link=replace(link, pending=pending, known=kept(applied(link.known, changes))))


def _voice(known: Payload) -> object:
    """The voice that the server was told last, None if it was told none."""
    for name in ("audio", "output", "voice"):
        inner = known.get(name)
        if name == "voice" or not isinstance(inner, dict):
            return inner
        known = inner
    return None


def _follow(step: Step) -> None:
    """Act on the turn detection of the settings until the server confirms its own."""
    settings = step.state.settings
    link = replace(
        step.state.link,
        answers=settings.server_answers and not guards.gated(step.state),
        interrupts=settings.server_interrupts,
    )
    step.update(link=link)
