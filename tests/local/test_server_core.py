"""The rules of a session without a socket: which event answers which."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import msgspec
import pytest

from support.server_client import WEATHER, spoken
from support.speech_clips import clip_path
from voxloop import audio
from voxloop.local.server.realtime.builder import ResponseBuilder
from voxloop.local.server.realtime.core import SessionCore
from voxloop.local.server.realtime.effects import (
    Cancel,
    Effect,
    PrepareTools,
    Respond,
    Send,
    Speculate,
    Transcribe,
)
from voxloop.local.server.realtime.settings import initial
from voxloop.local.server.refusal import Refusal
from voxloop.providers import ToolCall
from voxloop.wire import realtime as rt

RATE_MS = 48


@pytest.fixture
def core() -> SessionCore:
    return SessionCore(initial(session_id="sess_1", model="m", expires_at=1))


def _step(core: SessionCore, type: str, **fields: object) -> list[Effect]:
    raw: dict[str, object] = {"type": type, **fields}
    event = rt.decode_client(msgspec.json.encode(raw))
    assert not isinstance(event, (rt.Unknown, rt.Invalid)), event
    return list(core.step(event, raw))


def _names(effects: list[Effect]) -> list[str]:
    return [
        str(effect.event.__struct_config__.tag)
        if isinstance(effect, Send)
        else type(effect).__name__
        for effect in effects
    ]


def _message(text: str, **fields: object) -> dict[str, object]:
    return {
        "type": "message",
        "role": "user",
        "content": [{"type": "input_text", "text": text}],
        **fields,
    }


def _speak(core: SessionCore) -> list[Effect]:
    pcm = spoken(audio.read_wav(clip_path("google_two_people")))
    return list(core.append(pcm))


def test_a_spoken_turn(core: SessionCore) -> None:
    effects = _speak(core)
    assert _names(effects) == [
        "input_audio_buffer.speech_started",
        "Speculate",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "Transcribe",
        "Respond",
    ]
    ids = {
        effect.event.item_id
        for effect in effects
        if isinstance(effect, Send)
        and isinstance(
            effect.event, (rt.InputAudioBufferSpeechStarted, rt.InputAudioBufferCommitted)
        )
    }
    transcribe = next(effect for effect in effects if isinstance(effect, Transcribe))
    guess = next(effect for effect in effects if isinstance(effect, Speculate))
    assert ids == {transcribe.item_id}
    assert guess.segment == transcribe.segment
    assert transcribe.checked
    assert not transcribe.announce


def test_a_second_turn_cancels_the_answer_and_owes_one(core: SessionCore) -> None:
    first = next(effect for effect in _speak(core) if isinstance(effect, Respond))
    effects = _speak(core)
    assert Cancel(first.plan.response_id, "turn_detected") in effects
    assert not any(isinstance(effect, Respond) for effect in effects)
    owed = list(core.finished(first.plan.response_id))
    assert [type(effect) for effect in owed] == [Respond]


def test_without_interruption_the_answer_goes_on(core: SessionCore) -> None:
    detection = {"type": "server_vad", "interrupt_response": False}
    _step(
        core,
        "session.update",
        session={"type": "realtime", "audio": {"input": {"turn_detection": detection}}},
    )
    _speak(core)
    assert not any(isinstance(effect, Cancel) for effect in _speak(core))


def test_events_only(core: SessionCore) -> None:
    detection = {"type": "server_vad", "create_response": False, "interrupt_response": False}
    _step(
        core,
        "session.update",
        session={"type": "realtime", "audio": {"input": {"turn_detection": detection}}},
    )
    names = _names(_speak(core))
    assert "input_audio_buffer.committed" in names
    assert "Respond" not in names


def test_one_response_at_a_time_in_the_conversation(core: SessionCore) -> None:
    (first,) = _step(core, "response.create")
    assert isinstance(first, Respond)
    with pytest.raises(Refusal) as caught:
        _step(core, "response.create")
    assert caught.value.code == "conversation_already_has_active_response"
    assert first.plan.response_id in caught.value.message
    (aside,) = _step(
        core, "response.create", response={"conversation": "none", "metadata": {"a": "b"}}
    )
    assert isinstance(aside, Respond)
    assert not aside.plan.in_conversation
    assert aside.plan.metadata == {"a": "b"}
    assert list(core.finished(first.plan.response_id)) == []
    assert _names(_step(core, "response.create")) == ["Respond"]


def test_responses_aside_are_bounded(core: SessionCore) -> None:
    for _ in range(4):
        _step(core, "response.create", response={"conversation": "none"})
    with pytest.raises(Refusal) as caught:
        _step(core, "response.create", response={"conversation": "none"})
    assert caught.value.code == "too_many_responses"


def test_cancel_needs_a_response(core: SessionCore) -> None:
    with pytest.raises(Refusal) as caught:
        _step(core, "response.cancel")
    assert caught.value.code == "response_cancel_not_active"
    (respond,) = _step(core, "response.create")
    assert isinstance(respond, Respond)
    assert _step(core, "response.cancel") == [Cancel(respond.plan.response_id, "client_cancelled")]
    with pytest.raises(Refusal):
        _step(core, "response.cancel", response_id="resp_other")


def test_items_keep_their_order(core: SessionCore) -> None:
    def previous(**fields: object) -> str | None:
        added = _step(core, "conversation.item.create", **fields)[0]
        assert isinstance(added, Send)
        assert isinstance(added.event, rt.ConversationItemAdded)
        return added.event.previous_item_id

    assert previous(item=_message("b", id="b")) is None
    assert previous(item=_message("c", id="c")) == "b"
    assert previous(item=_message("a", id="a"), previous_item_id="root") is None
    assert previous(item=_message("bb", id="bb"), previous_item_id="b") == "b"
    texts = [item["content"][0]["text"] for item in core.conversation.model_items()]  # type: ignore[index]
    assert texts == ["a", "b", "bb", "c"]
    for fields in (
        {"item": _message("b", id="b")},
        {"item": _message("x"), "previous_item_id": "nowhere"},
    ):
        with pytest.raises(Refusal):
            _step(core, "conversation.item.create", **fields)
    _step(core, "conversation.item.delete", item_id="bb")
    assert len(core.conversation.model_items()) == 3
    with pytest.raises(Refusal) as caught:
        _step(core, "conversation.item.delete", item_id="bb")
    assert caught.value.code == "item_delete_invalid_item_id"


@pytest.mark.parametrize(
    ("item", "param"),
    [
        (
            {"type": "message", "role": "assistant", "content": [{"type": "output_audio"}]},
            "item.content[0].type",
        ),
        ({"type": "message", "role": "user"}, "item.content"),
        ({"type": "message", "role": "judge", "content": []}, "item.role"),
        ({"type": "function_call_output", "output": "x"}, "item.call_id"),
        ({"type": "function_call", "arguments": "{}"}, "item.name"),
        ({"type": "mcp_call"}, "item.type"),
    ],
)
def test_items_that_cannot_be_created(
    core: SessionCore, item: dict[str, object], param: str
) -> None:
    with pytest.raises(Refusal) as caught:
        _step(core, "conversation.item.create", item=item)
    assert caught.value.param == param
    assert core.conversation.model_items() == ()


def test_audio_of_an_item_is_transcribed_and_can_be_retrieved(core: SessionCore) -> None:
    pcm = bytes(range(256)) * 48
    part = {"type": "input_audio", "audio": base64.b64encode(pcm).decode()}
    effects = _step(
        core, "conversation.item.create", item=_message("", id="i") | {"content": [part]}
    )
    assert _names(effects) == ["conversation.item.added", "conversation.item.done", "Transcribe"]
    assert isinstance(effects[-1], Transcribe)
    assert not effects[-1].checked
    assert core.conversation.item("i").content == [rt.ContentPart(type="input_audio")]
    (retrieved,) = _step(core, "conversation.item.retrieve", item_id="i")
    assert isinstance(retrieved, Send)
    assert isinstance(retrieved.event, rt.ConversationItemRetrieved)
    assert (retrieved.event.item.content or [])[0].audio == pcm


def _say(core: SessionCore, text: str, milliseconds: int) -> str:
    (respond,) = _step(core, "response.create")
    assert isinstance(respond, Respond)
    builder = ResponseBuilder(respond.plan, core.conversation)
    events = [
        *builder.created(),
        *builder.text(text),
        *builder.audio(bytes(RATE_MS * milliseconds)),
        *builder.done("completed"),
    ]
    list(core.finished(respond.plan.response_id))
    return next(
        event.item.id or "" for event in events if isinstance(event, rt.ResponseOutputItemAdded)
    )


def test_truncation_is_bounded_and_forgets_the_text(core: SessionCore) -> None:
    item_id = _say(core, "A long answer.", 1000)

    def truncate(end: int, index: int = 0) -> list[Effect]:
        return _step(
            core,
            "conversation.item.truncate",
            item_id=item_id,
            content_index=index,
            audio_end_ms=end,
        )

    for end, index in ((1001, 0), (-1, 0), (500, 1)):
        with pytest.raises(Refusal):
            truncate(end, index)
    assert (core.conversation.item(item_id).content or [])[0].transcript == "A long answer."
    assert _names(truncate(400)) == ["conversation.item.truncated"]
    assert (core.conversation.item(item_id).content or [])[0].transcript is None
    assert len((core.conversation.retrieve(item_id).content or [])[0].audio or b"") == 400 * RATE_MS
    with pytest.raises(Refusal):
        truncate(401)
    with pytest.raises(Refusal) as caught:
        _step(core, "conversation.item.truncate", item_id="no", content_index=0, audio_end_ms=0)
    assert caught.value.code == "item_truncate_invalid_item_id"


def test_a_truncated_answer_stays_so_when_it_is_finished(core: SessionCore) -> None:
    (respond,) = _step(core, "response.create")
    assert isinstance(respond, Respond)
    builder = ResponseBuilder(respond.plan, core.conversation)
    builder.text("Something long.")
    builder.audio(bytes(RATE_MS * 500))
    item_id = core.conversation.last_id or ""
    _step(core, "conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=100)
    builder.done("cancelled", reason="turn_detected")
    item = core.conversation.item(item_id)
    assert item.status == "incomplete"
    assert (item.content or [])[0].transcript is None


def _kinds(events: Iterator[rt.ServerEvent] | list[rt.ServerEvent]) -> list[str]:
    return [str(event.__struct_config__.tag) for event in events]


def test_order_of_a_response(core: SessionCore) -> None:
    (respond,) = _step(core, "response.create")
    assert isinstance(respond, Respond)
    builder = ResponseBuilder(respond.plan, core.conversation)
    events = [
        *builder.created(),
        *builder.text("Hi."),
        *builder.audio(b"\0\0"),
        *builder.call(ToolCall(call_id="c", name="f", arguments="{}")),
        *builder.done("completed"),
    ]
    assert _kinds(events) == [
        "response.created",
        "response.output_item.added",
        "conversation.item.added",
        "response.content_part.added",
        "response.output_audio_transcript.delta",
        "response.output_audio.delta",
        "response.output_audio.done",
        "response.output_audio_transcript.done",
        "response.content_part.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.output_item.added",
        "conversation.item.added",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
    ]
    done = events[-1]
    assert isinstance(done, rt.ResponseDone)
    assert [item.type for item in done.response.output or []] == ["message", "function_call"]
    assert done.response.status == "completed"
    assert done.response.status_details is None


def test_a_response_aside_leaves_the_conversation_alone(core: SessionCore) -> None:
    (respond,) = _step(
        core, "response.create", response={"conversation": "none", "output_modalities": ["text"]}
    )
    assert isinstance(respond, Respond)
    builder = ResponseBuilder(respond.plan, core.conversation)
    kinds = _kinds([*builder.created(), *builder.text("Hi."), *builder.done("completed")])
    assert "conversation.item.added" not in kinds
    assert "response.output_text.delta" in kinds
    assert core.conversation.model_items() == ()


def test_input_of_a_response_may_refer_to_items(core: SessionCore) -> None:
    _step(core, "conversation.item.create", item=_message("old", id="old"))
    (respond,) = _step(
        core,
        "response.create",
        response={"input": [{"type": "item_reference", "id": "old"}, _message("new")]},
    )
    assert isinstance(respond, Respond)
    assert [item["content"][0]["text"] for item in respond.plan.items or ()] == ["old", "new"]  # type: ignore[index]


def test_tools_are_prepared_when_they_change(core: SessionCore) -> None:
    update = {"type": "realtime", "tools": [WEATHER]}
    assert PrepareTools((WEATHER,)) in _step(core, "session.update", session=update)
    assert _names(_step(core, "session.update", session=update)) == ["session.updated"]


def test_a_transcription_session_gives_no_answers() -> None:
    settings = initial(session_id="s", model="m", expires_at=1, transcription_only=True)
    core = SessionCore(settings)
    effects = _speak(core)
    assert "Respond" not in _names(effects)
    assert next(effect for effect in effects if isinstance(effect, Transcribe)).announce
    with pytest.raises(Refusal):
        _step(core, "response.create")


def test_audio_kept_for_retrieval_is_bounded(core: SessionCore) -> None:
    part = {"type": "input_audio", "audio": base64.b64encode(bytes(7 * 2**20)).decode()}
    for index in range(6):
        _step(
            core,
            "conversation.item.create",
            item=_message("", id=f"i{index}") | {"content": [part]},
        )
    kept = [
        len((core.conversation.retrieve(f"i{index}").content or [])[0].audio or b"")
        for index in range(6)
    ]
    assert sum(kept) <= 32 * 2**20
    assert kept[0] == 0
    assert kept[-1] == 7 * 2**20
