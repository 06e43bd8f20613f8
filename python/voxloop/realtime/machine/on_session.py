"""Server events about the session, its limits and its errors."""

from __future__ import annotations

from voxloop._errors import AuthenticationError
from voxloop.realtime.events import RateLimitEvent
from voxloop.realtime.machine import handover, line, on_response, ring, sequencer
from voxloop.realtime.machine.effects import End, Greeted
from voxloop.realtime.machine.errors import from_detail, harmless
from voxloop.realtime.machine.parts import replace
from voxloop.realtime.machine.step import Step
from voxloop.wire import realtime as rt


def created(step: Step, event: rt.SessionCreated) -> None:
    """The first event."""
    link = step.state.link
    step.update(
        link=replace(link, session_id=event.session.id, expires_at=event.session.expires_at)
    )
    line.expires(step, event.session.expires_at)
    step.do(Greeted(event.session.id))


def updated(step: Step, event: rt.SessionUpdated) -> None:
    """An update was accepted."""
    link = step.state.link
    step.update(
        link=replace(
            link,
            session_id=event.session.id or link.session_id,
            expires_at=event.session.expires_at or link.expires_at,
        )
    )
    if link.expires_at is None:
        line.expires(step, event.session.expires_at)
    handover.accepted(step, event.session)


def rate_limits(step: Step, event: rt.RateLimitsUpdated) -> None:
    """How much is left."""
    limits = tuple(event.rate_limits)
    step.update(link=replace(step.state.link, rate_limits=limits))
    share = step.state.config.rate_limit_warning
    low = tuple(
        entry.name or ""
        for entry in limits
        if entry.limit and entry.remaining is not None and entry.remaining < share * entry.limit
    )
    step.emit(RateLimitEvent(limits=limits, low=low, at=step.at))


def error(step: Step, event: rt.ErrorEvent) -> None:
    """Something was refused. What it answers is settled; the rest is passed on."""
    detail = event.error
    typed = from_detail(detail, "the server reported an error without a message")
    if isinstance(typed, AuthenticationError):
        step.do(End(typed))
        return
    if typed.code == "session_expired" and not step.state.link.attached:
        line.down(step, typed)
        return
    if harmless(detail):
        _came_too_late(step, detail)
        return
    state, again = sequencer.refused(step.state.sequencer, detail, step.at)
    step.update(sequencer=state)
    if again:
        return
    _item_refused(step, detail)
    _outside_refused(step, detail)
    _commit_refused(step, detail)
    if not handover.rejected(step, detail, typed):
        step.error(typed)


def _came_too_late(step: Step, detail: rt.ErrorDetail) -> None:
    state = step.state.sequencer
    if (detail.event_id or "").startswith("truncate_"):
        return
    gone = detail.code == "response_cancel_not_active" and detail.event_id is not None
    if gone and detail.event_id == state.cancel_id and state.active is not None:
        # Its end was told before, or never will be: the server knows nothing of it.
        on_response.give_up(step, state.active, "cancelled", "client_cancelled")
    else:
        step.update(sequencer=replace(state, cancelling=False))


def _item_refused(step: Step, detail: rt.ErrorDetail) -> None:
    backlog = step.state.backlog
    if any(create.event_id == detail.event_id for create in backlog.creates):
        waiting = tuple(c for c in backlog.creates if c.event_id != detail.event_id)
        step.update(backlog=replace(backlog, creates=waiting))


def _outside_refused(step: Step, detail: rt.ErrorDetail) -> None:
    turn = step.state.turn
    if detail.event_id in turn.outside:
        outside = {name: at for name, at in turn.outside.items() if name != detail.event_id}
        step.update(turn=replace(turn, outside=outside))


def _commit_refused(step: Step, detail: rt.ErrorDetail) -> None:
    buffer = step.state.input
    if not buffer.commits:
        return
    event_id = detail.event_id or ""
    if event_id.startswith("commit_") or detail.code == "input_audio_buffer_commit_empty":
        step.update(
            input=replace(buffer, commits=buffer.commits[1:]),
            ring=ring.refused(step.state.ring, detail.event_id),
        )
