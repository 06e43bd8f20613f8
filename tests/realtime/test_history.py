"""The conversation in order, whatever order its events come in."""

from __future__ import annotations

import random
from typing import Any

import pytest

from support.realtime_driver import Driver
from voxloop.realtime import ErrorEvent, HistoryEvent, TranscriptEvent
from voxloop.realtime.machine.history import HistoryItem, HistoryPart


def message(item_id: str, role: str = "user", **fields: object) -> dict[str, object]:
    return {"id": item_id, "type": "message", "role": role, "status": "completed", **fields}


def add(d: Driver, item: dict[str, object], previous: str | None = None) -> None:
    d.server("conversation.item.added", item=item, previous_item_id=previous)


def ids(d: Driver) -> list[str]:
    return [item.id for item in d.state.history.current()]


def text_part(text: str | None, kind: str = "input_text") -> dict[str, object]:
    return {"type": kind, "text": text}


def test_items_stand_where_the_server_puts_them() -> None:
    d = Driver().start()
    add(d, message("a"))
    add(d, message("b"), "a")
    add(d, message("c"), "a")
    add(d, message("front"), "root")
    add(d, message("lost"), "nobody")
    assert ids(d) == ["front", "a", "c", "b", "lost"]
    assert [e.kind for e in d.of(HistoryEvent)] == ["added"] * 5


@pytest.mark.parametrize("seed", range(20))
def test_a_chain_that_comes_in_any_order_ends_in_its_own(seed: int) -> None:
    d = Driver().start()
    chain = [f"i{n}" for n in range(8)]
    links = list(zip(chain, ["root", *chain], strict=False))
    random.Random(seed).shuffle(links)
    for item_id, previous in links:
        add(d, message(item_id), previous)
    assert ids(d) == chain


def test_the_place_may_become_known_later() -> None:
    d = Driver().start()
    add(d, message("a"))
    add(d, message("b"), "a")
    item = message("m", "assistant", status="in_progress")
    d.server("response.output_item.added", item=item, response_id="r", output_index=0)
    add(d, item, "a")
    assert ids(d) == ["a", "m", "b"]


def test_a_transcript_survives_events_that_leave_it_out() -> None:
    d = Driver().start()
    add(d, message("a", "assistant", content=[]))
    d.part("response.output_audio_transcript.done", item="a", transcript="Hello there")
    d.server("conversation.item.done", item=message("a", "assistant", content=[]))
    part = {"type": "output_audio", "transcript": None}
    d.server("conversation.item.done", item=message("a", "assistant", content=[part]))
    assert d.state.history.current()[0].text == "Hello there"


def test_what_has_come_so_far_is_there_before_the_end() -> None:
    d = Driver().start()
    add(d, message("a", "assistant", content=[]))
    d.part("response.output_audio_transcript.delta", item="a", delta="Hel")
    d.part("response.output_audio_transcript.delta", item="a", delta="lo")
    assert d.state.history.current()[0].text == "Hello"
    d.part("response.output_audio_transcript.done", item="a", transcript="Hello.")
    assert d.state.history.current()[0].text == "Hello."
    assert d.state.history.drafts == {}


def test_text_and_audio_in_one_message_are_both_kept() -> None:
    d = Driver().start()
    add(d, message("a", "assistant", content=[]))
    d.server(
        "response.output_text.done",
        item_id="a",
        response_id="r",
        output_index=0,
        content_index=0,
        text="Read this. ",
    )
    d.server(
        "response.output_audio_transcript.done",
        item_id="a",
        response_id="r",
        output_index=0,
        content_index=1,
        transcript="Hear this.",
    )
    (item,) = d.state.history.current()
    assert [(p.type, p.text) for p in item.content] == [
        ("text", "Read this. "),
        ("audio", "Hear this."),
    ]
    texts = [e.text for e in d.of(TranscriptEvent) if e.final]
    assert texts == ["Read this. ", "Hear this."]


def test_the_users_words_come_by_and_by_and_then_whole() -> None:
    d = Driver().start()
    add(d, message("u", content=[{"type": "input_audio"}]))
    kind = "conversation.item.input_audio_transcription"
    d.server(f"{kind}.delta", item_id="u", content_index=0, delta="How ")
    d.server(f"{kind}.delta", item_id="u", delta="are you")
    assert d.state.history.current()[0].text == "How are you"
    d.server(f"{kind}.completed", item_id="u", content_index=0, transcript="How are you?")
    assert d.state.history.current()[0].text == "How are you?"
    events = d.of(TranscriptEvent)
    assert [(e.role, e.delta, e.final, e.text) for e in events] == [
        ("user", "How ", False, None),
        ("user", "are you", False, None),
        ("user", "", True, "How are you?"),
    ]


def test_a_transcript_of_an_unknown_message_adds_it() -> None:
    d = Driver().start()
    d.server(
        "conversation.item.input_audio_transcription.completed",
        item_id="u",
        content_index=0,
        transcript="Hi",
    )
    assert [(i.id, i.role, i.text) for i in d.state.history.current()] == [("u", "user", "Hi")]


def test_a_transcript_touches_neither_text_nor_other_items() -> None:
    d = Driver().start()
    add(d, message("u", content=[text_part("look: "), {"type": "input_audio"}]))
    add(d, message("v", content=[{"type": "input_audio"}]))
    d.server(
        "conversation.item.input_audio_transcription.completed",
        item_id="u",
        content_index=1,
        transcript="here",
    )
    assert [i.text for i in d.state.history.current()] == ["look: here", ""]


def test_a_failed_transcript_is_told() -> None:
    d = Driver().start()
    add(d, message("u", content=[{"type": "input_audio"}]))
    d.server(
        "conversation.item.input_audio_transcription.failed",
        item_id="u",
        content_index=0,
        error={"type": "x", "code": "audio_unintelligible", "message": "mumbling"},
    )
    assert d.of(ErrorEvent)[0].error.code == "stt_failed"
    assert d.state.history.current()[0].status == "incomplete"


def test_neither_audio_nor_images_are_kept() -> None:
    d = Driver().start()
    image = {"type": "input_image", "image_url": "data:image/png;base64," + "A" * 1000}
    sound = {"type": "output_audio", "audio": "AAAA" * 100, "transcript": "hi"}
    add(d, message("a", content=[image]))
    d.server("conversation.item.retrieved", item=message("b", "assistant", content=[sound]))
    assert "AAAA" not in repr(d.state.history)
    assert d.state.history.current()[1].text == "hi"


def test_an_item_that_is_deleted_is_gone_and_an_unknown_one_says_nothing() -> None:
    d = Driver().start()
    add(d, message("a"))
    d.clear()
    d.server("conversation.item.deleted", item_id="a")
    d.server("conversation.item.deleted", item_id="a")
    assert ids(d) == []
    assert [e.kind for e in d.of(HistoryEvent)] == ["deleted"]


def test_an_event_that_changes_nothing_says_nothing() -> None:
    d = Driver().start()
    item = message("a", content=[text_part("x")])
    add(d, item)
    d.clear()
    d.server("conversation.item.done", item=item)
    assert d.events == []


def test_items_of_a_response_outside_the_conversation_stay_outside() -> None:
    from voxloop.wire import realtime as rt

    d = Driver().start()
    d.respond(rt.ResponseParams(conversation="none"))
    tag = d.last("response.create")["response"]["metadata"]
    d.created("side", conversation_id=None, metadata=tag)
    item = message("s", "assistant", content=[text_part("aside", "output_text")])
    d.server("response.output_item.done", item=item, response_id="side", output_index=0)
    d.part("response.output_text.done", item="s", response="side", text="aside")
    assert ids(d) == []
    assert d.of(TranscriptEvent)[0].text == "aside"


def test_items_that_each_follow_the_other_stand_in_some_order() -> None:
    d = Driver().start()
    for name, previous in (("a", "b"), ("b", "a"), ("c", "c"), ("a", "c")):
        item = {"id": name, "type": "message", "role": "user", "content": []}
        d.server("conversation.item.added", item=item, previous_item_id=previous)
    assert sorted(entry.id for entry in d.state.history.items) == ["a", "b", "c"]


def test_entries_are_the_same_whichever_item_holds_the_output() -> None:
    known: dict[str, Any] = {
        "id": "a", "type": "function_call", "role": None, "status": "completed",
        "content": (HistoryPart(type="text", text="x"),), "name": "look", "call_id": "c",
        "arguments": "{}", "output": "blue", "heard_ms": 1, "received_ms": 2.0,
        "previous_id": "b",
    }  # fmt: skip
    entry = HistoryItem(**known)
    assert {*known, "output_id"} == set(entry.__struct_fields__)
    other = HistoryItem(**known, output_id="o")
    assert entry == other
    assert hash(entry) == hash(other)
    for name in known:
        assert entry != HistoryItem(**{**known, name: "else"}), name
    assert "output='blue'" in repr(entry)
    assert "previous_id" not in repr(entry)
    assert entry != "a"
