"""Server events of a response: its life, its sound, its words and its calls."""

from __future__ import annotations

from msgspec.structs import replace

from voxloop._errors import ApiError, VoxloopError
from voxloop.audio import AudioChunk
from voxloop.net import AudioDelta
from voxloop.realtime.events import (
    AgentEndEvent,
    AgentStartEvent,
    AudioEvent,
    TranscriptEvent,
)
from voxloop.realtime.machine import (
    dispatch,
    history,
    holdback,
    latency,
    moments,
    overdue,
    playback,
    responses,
    sequencer,
    toolcalls,
)
from voxloop.realtime.machine.effects import CheckRest, ResponseOver
from voxloop.realtime.machine.errors import from_detail
from voxloop.realtime.machine.holdback import Hold
from voxloop.realtime.machine.state import ResponseTrack
from voxloop.realtime.machine.step import Step
from voxloop.realtime.telephone import FORMATS
from voxloop.realtime.usage import Usage, of_response
from voxloop.wire import realtime as rt

KEPT_OVER = 64
"""Responses that have ended and are remembered, so that none ends twice."""


def created(step: Step, event: rt.ResponseCreated) -> None:
    """A response began."""
    response_id = event.response.id or ""
    if response_id in step.state.turn.responses or response_id in step.state.turn.over:
        return
    state, turn = step.state.sequencer, step.state.turn
    outside = _outside(step, event.response) if turn.outside else None
    waiting, beside, params = turn.outside, turn.beside, None
    asked_at = state.sent.asked_at if state.sent is not None else None
    if outside is not None:
        asked_at, params = waiting.get(outside), beside.get(outside)
        waiting = {name: at for name, at in waiting.items() if name != outside}
        beside = {name: given for name, given in beside.items() if name != outside}
    track = ResponseTrack(
        response_id=response_id,
        agent=step.state.agent.current.agent.name,
        by=step.state.agent.current,
        in_conversation=outside is None,
        params=params,
        metadata=_metadata(event.response) if event.response.metadata else {},
        asked_at=asked_at,
        created_at=step.at,
    )
    if not response_id:
        overdue.forget(step)
        turn = step.state.turn
    running = {**turn.responses, response_id: track}
    turn = replace(turn, responses=running, outside=waiting, beside=beside)
    if outside is not None:
        step.update(turn=turn)
    else:
        step.update(
            turn=turn,
            sequencer=sequencer.created(state, response_id, step.at),
            latency=latency.begin(step.state.latency, "response_created", step.at),
        )
    step.emit(
        AgentStartEvent(
            response_id=response_id,
            agent=track.agent,
            in_conversation=track.in_conversation,
            metadata=track.metadata,
            at=step.at,
        )
    )
    if outside is not None:
        return
    if step.state.tools.when_idle:
        toolcalls.covered(step)
    moments.began(step)
    if state.cancel_on_start:
        responses.mute(step, [response_id])
        responses.cancel(step)


def _metadata(response: rt.Response) -> dict[str, str]:
    given = response.metadata or {}
    return {name: text for name, text in given.items() if name != responses.TAG}


def _outside(step: Step, response: rt.Response) -> str | None:
    """The request outside the conversation that this response answers, None if it is inside."""
    waiting = step.state.turn.outside
    tag = (response.metadata or {}).get(responses.TAG)
    if tag in waiting:
        return tag
    # One that the application asked for with an event of its own bears no tag.
    if response.conversation_id is None and step.state.sequencer.sent is None:
        return next(iter(waiting))
    return None


def done(step: Step, event: rt.ResponseDone) -> None:
    """A response ended, in whatever way."""
    response = event.response
    response_id = response.id or step.state.sequencer.active or ""
    turn = step.state.turn
    if response_id in turn.over:
        return
    overdue.heard(step, response_id)
    turn = step.state.turn
    track = turn.responses.get(response_id)
    spent = of_response(response.usage)
    if spent is not None:
        agents = step.state.spent
        who = track.agent if track is not None else step.state.agent.current.agent.name
        total = agents[who] + spent if who in agents else spent
        usage = step.state.usage + spent
        step.state = replace(step.state, usage=usage, spent={**agents, who: total})
    status = response.status or "completed"
    for item in response.output or ():
        if item.type == "function_call" and _whole(item, status):
            dispatch.called(step, item, response_id)
    running = {name: value for name, value in turn.responses.items() if name != response_id}
    over = (*turn.over, response_id)[-KEPT_OVER:] if response_id else turn.over
    step.update(
        turn=replace(step.state.turn, responses=running, over=over),
        sequencer=sequencer.done(step.state.sequencer, response_id),
    )
    if track is not None:
        begun = len(step.effects)
        _ended(step, track, response, status, spent)
        _later(step, response_id, begun)
    toolcalls.response_over(step, response_id)


def expire(step: Step) -> None:
    """End the response without an id of which nothing has come for long."""
    until = step.state.sequencer.nameless_until
    if until is not None and step.at >= until:
        give_up(step, "", "incomplete", "not_ended")


def give_up(step: Step, response_id: str, status: str, reason: str) -> None:
    """A response that runs is not going to be ended by the server."""
    details = rt.StatusDetails(reason=reason)
    done(
        step,
        rt.ResponseDone(
            response=rt.Response(id=response_id, status=status, status_details=details)
        ),
    )


def _later(step: Step, response_id: str, begun: int) -> None:
    """Tell the end of a response after the sound of it that is held, if some is."""
    hold = step.state.holds.get(response_id)
    if hold is None:
        return
    if not hold.sounds:
        holdback.forget(step, response_id)
        return
    silent = {held.event.item_id for held in hold.sounds if not hold.words.get(held.event.item_id)}
    ended = tuple(step.effects[begun:])
    del step.effects[begun:]
    # Sound of which no words have come cannot be looked at.
    holdback.put(step, replace(hold, ended=ended, done=hold.done | silent))
    step.do(CheckRest(response_id))


def _ended(
    step: Step, track: ResponseTrack, response: rt.Response, status: str, spent: Usage | None
) -> None:
    details = response.status_details
    reason = None if details is None else details.reason
    if status == "failed":
        error = _failure(details or rt.StatusDetails())
        reason = reason or error.code
        step.error(error)
    step.emit(
        AgentEndEvent(
            response_id=track.response_id,
            agent=track.agent,
            status=status,
            reason=reason,
            usage=spent,
            in_conversation=track.in_conversation,
            metadata=track.metadata,
            at=step.at,
        )
    )
    moments.ended(step, track, status)
    step.do(ResponseOver(track, status, reason, step.at, spent))


def _failure(details: rt.StatusDetails) -> VoxloopError:
    if details.error is not None:
        return from_detail(details.error, details.reason or "the response failed")
    return ApiError(details.reason or "the response failed, and the server gave no reason")


def end_all(step: Step, status: str, reason: str) -> None:
    """The connection is gone: what was running has ended too."""
    for track in step.state.turn.responses.values():
        begun = len(step.effects)
        step.emit(
            AgentEndEvent(
                response_id=track.response_id,
                agent=track.agent,
                status=status,
                reason=reason,
                in_conversation=track.in_conversation,
                metadata=track.metadata,
                at=step.at,
            )
        )
        step.do(ResponseOver(track, status, reason, step.at))
        _later(step, track.response_id, begun)
    step.update(turn=replace(step.state.turn, responses={}, over=()))


def item_added(step: Step, event: rt.ResponseOutputItemAdded) -> None:
    """The model begins an item."""
    _enter(step, event.item, event.response_id)


def item_done(step: Step, event: rt.ResponseOutputItemDone) -> None:
    """The model has finished an item; a call of a tool is carried out now."""
    _enter(step, event.item, event.response_id)
    if event.item.type == "function_call" and _whole(event.item, "completed"):
        dispatch.called(step, event.item, event.response_id)


def _whole(item: rt.Item, response_status: str) -> bool:
    """Whether a call is complete; those of a response that was stopped are not carried out."""
    return (item.status or response_status) == "completed"


def _enter(step: Step, item: rt.Item, response_id: str) -> None:
    overdue.heard(step, response_id)
    track = step.state.turn.responses.get(response_id)
    if track is not None and not track.in_conversation:
        return
    found = history.upsert(step.state.history, item, None)
    if found is not None:
        step.history(*found)


def audio_delta(step: Step, event: rt.ResponseOutputAudioDelta) -> None:
    """More sound, as an event that took the long way."""
    _heard(step, event, event.delta, None)


def sound(step: Step, delta: AudioDelta) -> None:
    """More sound, decoded already."""
    if delta.taken:
        if not delta.dropped:
            taken(step, delta.response_id, delta.nbytes)
        return
    _heard(step, delta, delta.data, delta.chunk())


def taken(step: Step, response_id: str, nbytes: int) -> None:
    """More sound, which a sink plays and keeps the account of."""
    overdue.heard(step, response_id)
    ledger = step.state.playback
    step.update(playback=replace(ledger, taken=ledger.taken + nbytes))
    if response_id not in step.state.turn.muted and nbytes > 1:
        _mark(step, step.state.turn.responses.get(response_id))


def _heard(
    step: Step,
    event: rt.ResponseOutputAudioDelta | AudioDelta,
    data: bytes,
    chunk: AudioChunk | None,
) -> None:
    """Enter sound. ``chunk`` is all of ``data`` where that is a whole number of samples."""
    overdue.heard(step, event.response_id)
    if event.response_id in step.state.turn.muted:
        return
    if not holdback.sound(step, event, data, chunk):
        hand_out(step, event, data, chunk)


def hand_out(
    step: Step,
    event: rt.ResponseOutputAudioDelta | AudioDelta,
    data: bytes,
    chunk: AudioChunk | None,
    hold: Hold | None = None,
) -> None:
    """Give sound to the application. ``hold``: it was held there."""
    state = step.state
    response_id = event.response_id
    track = state.turn.responses.get(response_id)
    if hold is None:
        item = holdback.entry(step, event, track, state.line.epoch)
    else:
        item = holdback.entry(step, event, hold.track, hold.epoch)
    form = FORMATS[state.settings.output_format]
    pcm = form.name == "audio/pcm"
    if item.carry or not pcm:
        data, chunk = item.carry + data, None
    whole = len(data) & ~1 if pcm else len(data)
    if item.carry or whole < len(data):
        item = replace(item, carry=bytes(data[whole:]))
    ledger = playback.received(state.playback, item, whole / form.bytes_per_ms, step.at)
    step.update(playback=ledger)
    if whole == 0:
        return
    _mark(step, track if track is not None or hold is None else hold.track)
    if chunk is None:
        chunk = form.decode(data[:whole])
    step.emit(
        AudioEvent(
            audio=chunk,
            item_id=event.item_id,
            response_id=response_id,
            content_index=event.content_index,
            at=step.at,
        )
    )


def _mark(step: Step, track: ResponseTrack | None) -> None:
    """Note that there is sound, and when."""
    state = step.state
    if not state.link.voice_fixed:
        step.update(link=replace(state.link, voice_fixed=True))
    if track is not None and track.first_audio_at is None:
        _track(step, replace(track, first_audio_at=step.at))
    if track is None or track.in_conversation:
        marked = latency.note(step.state.latency, "first_audio", step.at)
        step.update(latency=latency.note(marked, "last_audio", step.at))


def audio_done(step: Step, event: rt.ResponseOutputAudioDone) -> None:
    """The sound of a message is complete."""
    if holdback.waits(step.state, event.response_id):
        holdback.complete(step, event.response_id, event.item_id, event.content_index)
        return
    done_ledger = playback.completed(step.state.playback, event.item_id, event.content_index)
    step.update(playback=done_ledger)


def transcript_delta(step: Step, event: rt.ResponseOutputAudioTranscriptDelta) -> None:
    """More of what the sound says."""
    _words(step, event.response_id, (event.item_id, event.content_index), event.delta)


def transcript_done(step: Step, event: rt.ResponseOutputAudioTranscriptDone) -> None:
    """All that the sound says."""
    key = (event.item_id, event.content_index)
    _all_words(step, event.response_id, key, event.transcript, "audio")


def text_delta(step: Step, event: rt.ResponseOutputTextDelta) -> None:
    """More text."""
    _words(step, event.response_id, (event.item_id, event.content_index), event.delta)


def text_done(step: Step, event: rt.ResponseOutputTextDone) -> None:
    """All text of a part."""
    key = (event.item_id, event.content_index)
    _all_words(step, event.response_id, key, event.text, "text")


def _words(step: Step, response_id: str, key: history.Key, delta: str) -> None:
    overdue.heard(step, response_id)
    if response_id in step.state.turn.muted or not delta:
        return
    holdback.words(step, response_id, key[0], len(delta), all_of_it=False)
    track = step.state.turn.responses.get(response_id)
    inside = track is None or track.in_conversation
    if track is not None and track.first_text_at is None:
        _track(step, replace(track, first_text_at=step.at))
    if inside:
        step.history(history.draft(step.state.history, key, delta), None, "updated")
        step.update(latency=latency.note(step.state.latency, "first_text", step.at))
    step.emit(
        TranscriptEvent(
            role="assistant",
            delta=delta,
            item_id=key[0],
            response_id=response_id,
            at=step.at,
        )
    )


def _all_words(step: Step, response_id: str, key: history.Key, text: str, kind: str) -> None:
    overdue.heard(step, response_id)
    if response_id in step.state.turn.muted:
        return
    holdback.words(step, response_id, key[0], len(text), all_of_it=True)
    track = step.state.turn.responses.get(response_id)
    if track is None or track.in_conversation:
        step.history(*history.set_text(step.state.history, key, text, kind), "updated")
        moments.said(step, text)
    step.emit(
        TranscriptEvent(
            role="assistant",
            delta="",
            item_id=key[0],
            final=True,
            text=text,
            response_id=response_id,
            at=step.at,
        )
    )


def _track(step: Step, track: ResponseTrack) -> None:
    turn = step.state.turn
    hold = step.state.holds.get(track.response_id)
    if hold is not None:
        holdback.put(step, replace(hold, track=track))
    if track.response_id in turn.responses:
        step.update(turn=replace(turn, responses={**turn.responses, track.response_id: track}))
