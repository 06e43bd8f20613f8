"""Who asks for a response, and when."""

from __future__ import annotations

from support.realtime_driver import Driver
from voxloop.realtime import RunConfig, SessionModelSettings, TurnDetection
from voxloop.realtime.events import AgentStartEvent, ErrorEvent
from voxloop.realtime.machine import inputs
from voxloop.wire import realtime as rt

MANUAL = RunConfig(model_settings=SessionModelSettings(turn_detection=None))


def message(driver: Driver, text: str, *, respond: bool = True) -> None:
    part = rt.ContentPart(type="input_text", text=text)
    item = rt.Item(type="message", role="user", content=[part])
    driver.feed(inputs.AddItem(item, None, respond, driver.at))


def test_a_message_is_an_item_and_one_request() -> None:
    d = Driver().start()
    message(d, "Hello")
    assert d.types() == ["conversation.item.create", "response.create"]
    item = d.sent[0]["item"]
    assert item["role"] == "user"
    assert item["content"] == [{"type": "input_text", "text": "Hello"}]
    assert len(item["id"]) <= 32


def test_a_message_without_response_asks_for_nothing() -> None:
    d = Driver().start()
    message(d, "Note this", respond=False)
    assert d.types() == ["conversation.item.create"]


def test_messages_during_a_response_get_one_answer_after_it() -> None:
    d = Driver().start()
    d.respond()
    d.created()
    message(d, "one")
    message(d, "two")
    message(d, "three")
    assert d.types().count("response.create") == 1
    d.done()
    assert d.types().count("response.create") == 2
    d.created("r2")
    d.done("r2")
    assert d.types().count("response.create") == 2


def test_a_message_after_the_request_was_sent_gets_an_answer_of_its_own() -> None:
    d = Driver().start()
    d.respond()
    message(d, "late")
    assert d.types().count("response.create") == 1
    d.created()
    d.done()
    assert d.types().count("response.create") == 2


def test_a_request_with_settings_covers_only_itself() -> None:
    d = Driver().start()
    d.respond()
    d.created()
    d.respond()
    d.respond(rt.ResponseParams(instructions="Be brief."))
    d.respond()
    d.done()
    assert "response" not in d.last("response.create")
    d.created("r2")
    d.done("r2")
    assert d.last("response.create")["response"] == {"instructions": "Be brief."}
    d.created("r3")
    d.done("r3")
    assert "response" not in d.last("response.create")
    assert d.types().count("response.create") == 4


def test_a_raw_request_keeps_its_body_and_waits_its_turn() -> None:
    d = Driver().start()
    d.respond()
    d.created()
    event = {"type": "response.create", "event_id": "mine", "response": {"vendor": [1, 2]}}
    d.feed(inputs.Raw(event, d.at))
    assert d.types() == ["response.create"]
    d.done()
    assert d.sent[-1] == event


def test_the_end_of_another_response_changes_nothing() -> None:
    d = Driver().start()
    d.respond()
    d.created("r1")
    d.respond()
    d.done("r0")
    assert d.types().count("response.create") == 1


def test_a_refused_request_frees_the_slot() -> None:
    d = Driver().start()
    d.respond()
    event_id = d.last("response.create")["event_id"]
    d.respond()
    d.error("something_else", event_id="another")
    assert d.types().count("response.create") == 1
    d.error("invalid_value", event_id=event_id)
    assert d.types().count("response.create") == 2
    assert [e.error.code for e in d.of(ErrorEvent)] == ["something_else", "invalid_value"]


def test_an_error_without_event_id_frees_only_when_it_speaks_of_the_request() -> None:
    d = Driver().start()
    d.respond()
    d.respond()
    d.error("server_error", message="something about audio")
    assert d.types().count("response.create") == 1
    d.error("bad_response_create")
    assert d.types().count("response.create") == 2


def test_an_active_response_of_the_server_rearms_the_request_without_an_error() -> None:
    d = Driver().start()
    d.respond()
    event_id = d.last("response.create")["event_id"]
    d.created("server")
    d.error("conversation_already_has_active_response", event_id=event_id)
    assert d.of(ErrorEvent) == []
    d.done("server")
    assert d.types() == ["response.create", "response.create"]
    assert d.last("response.create")["event_id"] == event_id


def test_a_request_is_not_put_back_for_ever() -> None:
    d = Driver().start()
    d.respond()
    for _ in range(3):
        event_id = d.last("response.create")["event_id"]
        d.error("conversation_already_has_active_response", event_id=event_id)
        d.tick(3.0)
    assert d.types().count("response.create") == 3
    assert len(d.of(ErrorEvent)) == 1


def test_after_a_turn_the_server_answers_first() -> None:
    d = Driver().start()
    d.speech("started")
    d.speech("stopped")
    d.committed()
    message(d, "and this")
    assert d.types() == ["conversation.item.create"]
    d.created("server")
    d.done("server")
    assert d.types() == ["conversation.item.create", "response.create"]


def test_a_server_that_does_not_answer_is_waited_for_only_so_long() -> None:
    d = Driver().start()
    d.speech("stopped")
    d.committed()
    message(d, "and this")
    d.tick(1.0)
    assert "response.create" not in d.types()
    d.tick(1.5)
    assert "response.create" in d.types()


def test_with_create_response_off_nobody_is_waited_for() -> None:
    vad = TurnDetection(type="server_vad", create_response=False)
    d = Driver(config=RunConfig(model_settings=SessionModelSettings(turn_detection=vad))).start()
    d.speech("stopped")
    d.committed()
    d.respond()
    assert d.types() == ["response.create"]


def test_a_response_outside_the_conversation_blocks_nothing() -> None:
    d = Driver().start()
    d.respond()
    d.created("r1")
    params = rt.ResponseParams(conversation="none", metadata={"topic": "side"})
    d.respond(params)
    body = d.last("response.create")["response"]
    assert body["conversation"] == "none"
    assert body["metadata"]["topic"] == "side"
    d.created("side", conversation_id=None, metadata=body["metadata"])
    d.done("r1")
    d.respond()
    assert d.types().count("response.create") == 3
    d.done("side")
    assert [e.response_id for e in d.of(AgentStartEvent)] == ["r1", "side"]


def test_a_commit_without_turn_detection_asks_at_once() -> None:
    d = Driver(config=MANUAL).start()
    d.feed(inputs.AppendAudio(b"\0\0" * 480, d.at))
    d.feed(inputs.CommitAudio(None, d.at))
    assert d.types() == [
        "input_audio_buffer.append",
        "input_audio_buffer.commit",
        "response.create",
    ]
    d.committed()
    assert d.types().count("response.create") == 1


def test_a_commit_of_nothing_without_turn_detection_is_refused() -> None:
    d = Driver(config=MANUAL).start()
    d.feed(inputs.CommitAudio(None, d.at))
    refusal = d.refusal()
    assert refusal is not None
    assert "send_audio" in str(refusal)
    assert d.sent == []


def test_a_commit_may_leave_the_answer_to_the_application() -> None:
    d = Driver(config=MANUAL).start()
    d.feed(inputs.AppendAudio(b"\0\0" * 480, d.at))
    d.feed(inputs.CommitAudio(False, d.at))
    d.committed()
    assert "response.create" not in d.types()


def test_a_commit_under_turn_detection_asks_once_it_has_carried_speech() -> None:
    d = Driver().start()
    d.feed(inputs.AppendAudio(b"\0\0" * 480, d.at))
    d.feed(inputs.CommitAudio(None, d.at))
    assert "response.create" not in d.types()
    d.committed("other")
    assert d.types()[-1] == "response.create"


def test_a_commit_of_the_silence_after_a_turn_asks_for_nothing() -> None:
    d = Driver().start()
    d.feed(inputs.AppendAudio(b"\0\0" * 480, d.at))
    d.speech("started")
    d.speech("stopped")
    d.feed(inputs.CommitAudio(None, d.at))
    d.committed("u1")  # by the server
    d.created("server")
    d.committed("rest")  # by us
    d.done("server")
    assert "response.create" not in d.types()


def test_an_empty_commit_that_the_server_refuses_is_forgotten() -> None:
    d = Driver().start()
    d.feed(inputs.CommitAudio(None, d.at))
    event_id = d.last("input_audio_buffer.commit")["event_id"]
    d.error("input_audio_buffer_commit_empty", event_id=event_id)
    d.speech("stopped")
    d.committed()
    d.created("server")
    d.done("server")
    assert "response.create" not in d.types()
