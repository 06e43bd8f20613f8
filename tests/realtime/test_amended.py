"""What was heard of an answer, where its connection was lost: the server is told that, no more."""

from __future__ import annotations

import base64
from typing import Any

from support.realtime_driver import Driver
from support.realtime_live import eventually, opened, until
from voxloop import audio, realtime, testing
from voxloop.realtime.machine import inputs
from voxloop.testing import script as s
from voxloop.wire import realtime as rt

PNG = b"\x89PNG" + bytes(60)
URL = "data:image/png;base64," + base64.b64encode(PNG).decode()


def say(d: Driver, item: str, words: str, ms: float, response: str = "r1") -> None:
    """An answer with its sound, which is complete."""
    message = {"id": item, "type": "message", "role": "assistant", "content": []}
    d.server(
        "response.output_item.added",
        item=message,
        response_id=response,
        output_index=0,
    )
    d.audio(ms, item=item, response=response)
    d.part("response.output_audio_transcript.done", item=item, response=response, transcript=words)
    d.part("response.output_audio.done", item=item, response=response)


def moved(*answers: tuple[str, str, float]) -> Driver:
    """Another connection is in use, and the answers of the one before still play."""
    d = Driver().start()
    d.created()
    for item, words, ms in answers:
        say(d, item, words, ms)
    d.done()
    d.lose()
    d.tick(0.5)
    d.open()
    d.server("session.updated", session={"type": "realtime"})
    d.clear()
    return d


def told(d: Driver) -> list[tuple[Any, ...]]:
    """Items taken out and put in."""
    found: list[tuple[Any, ...]] = []
    for event in d.sent:
        if event["type"] == "conversation.item.delete":
            found.append(("out", event["item_id"]))
        elif event["type"] == "conversation.item.create":
            item = event["item"]
            text = item["content"][0]["text"]
            found.append(("in", item["id"], text, event.get("previous_item_id")))
    return found


def test_an_answer_that_is_cut_after_the_change_is_told_again_as_it_was_heard() -> None:
    d = moved(("i1", "one two three four", 4_000), ("i2", "and five", 1_000))
    d.tick(0.5)  # a second of it was heard
    d.feed(inputs.Interrupt(d.at))
    assert told(d) == [("out", "i1"), ("in", "i1", "one", "root"), ("out", "i2")]
    assert "conversation.item.truncate" not in d.types(), "there is no sound that could be cut"
    # What the server says of it is known: the history keeps both, with what was heard of them.
    d.server("conversation.item.deleted", item_id="i1")
    d.server(
        "conversation.item.added",
        item={"id": "i1", "type": "message", "role": "assistant", "content": []},
        previous_item_id=None,
    )
    d.server("conversation.item.deleted", item_id="i2")
    assert [(i.id, i.heard_ms) for i in d.state.history.items] == [("i1", 1_000), ("i2", 0)]
    assert d.of(realtime.ErrorEvent) == []
    # The application's own deletion comes after that, and counts.
    d.feed(inputs.DeleteItem("i1", d.at))
    d.server("conversation.item.deleted", item_id="i1")
    assert [i.id for i in d.state.history.items] == ["i2"]


def test_what_was_heard_to_its_end_is_left_as_it_is() -> None:
    d = moved(("i1", "one two", 1_000))
    d.tick(2.0)
    d.feed(inputs.Interrupt(d.at))
    assert told(d) == []


def test_behind_an_item_that_was_taken_out_it_moves_up() -> None:
    d = moved(("i1", "one two", 1_000), ("i2", "three four", 2_000), ("i3", "five six", 2_000))
    d.tick(1.5)  # i1 is over, i2 is half heard
    d.feed(inputs.DeleteItem("i1", d.at))
    d.speech("started")
    assert told(d) == [("out", "i1"), ("out", "i2"), ("in", "i2", "three", "root"), ("out", "i3")]


def test_the_next_connection_is_told_the_same() -> None:
    d = moved(("i1", "one two three four", 4_000))
    d.tick(0.5)
    d.feed(inputs.Interrupt(d.at))
    d.lose()
    d.tick(0.5)
    d.clear()
    d.open()
    assert told(d) == [("in", "i1", "one", None)]
    d.clear()
    d.server("conversation.item.deleted", item_id="i1")  # nobody awaits that on this connection
    assert d.state.history.items == ()


async def test_a_server_is_told_what_was_heard_after_its_connection_was_lost() -> None:
    words = "one two three four five six seven eight"
    plan = s.conversation(s.Say(words, audio=bytes(48_000 * 8)), s.Write("Yes?"))
    async with testing.RealtimeServer(plan) as server:
        async with opened(server) as (session, events):
            await session.send_message("Count.")
            await until(events, realtime.AgentEndEvent)
            await server.drop()
            await until(events, realtime.ReconnectedEvent)
            last = server.peers[-1]
            await eventually(lambda: words in str(last.items))
            await session.interrupt()
            await eventually(lambda: words not in str(last.items))
            await session.send_message("And?")
            await until(events, realtime.AgentEndEvent, 2)
            kept = next(i for i in session.history if i.role == "assistant")
        assert server.violations == []
    assert kept.heard_ms is not None
    assert kept.heard_ms < 8_000
    texts = [i["content"][0]["text"] for i in last.items]  # type: ignore[index]
    share = words[: len(texts[1])]
    assert texts == ["Count.", share, "And?", "Yes?"]
    assert 1 <= len(share.split()) < 8


async def test_a_sink_that_is_cut_after_the_change_tells_the_same() -> None:
    words = "one two three four five six seven eight"
    plan = s.conversation(
        s.Reply((s.Say(words, audio=bytes(48_000 * 8)),), hold=True), s.Write("Yes?")
    )
    async with testing.RealtimeServer(plan) as server:
        async with opened(server) as (session, events):
            async with session.attach(sink=audio.NullSink(buffer_ms=20)) as media:
                await session.send_message("Count.")
                await eventually(lambda: media.stats().played_frames > 4_800)
                await server.wait_for("session.update")
                await server.drop()
                await until(events, realtime.ReconnectedEvent)
                last = server.peers[-1]
                await eventually(lambda: words in str(last.items) or "one" in str(last.items))
                await eventually(lambda: session._runner._media_epoch == 2)
                before = media.stats().played_frames
                await eventually(lambda: media.stats().played_frames > before + 4_800)
                await session.interrupt()
                await session.send_message("And?")
                await until(events, realtime.AgentEndEvent, 2)
                (kept,) = [i for i in session.history if i.heard_ms is not None]
        assert server.violations == []
    text = last.items[1]["content"][0]["text"]  # type: ignore[index]
    assert text == words[: len(text)]
    assert 1 <= len(text.split()) < 8
    assert kept.received_ms == 8_000


async def test_a_sink_falls_silent_after_its_connection_was_lost() -> None:
    plan = s.conversation(s.Reply((s.Say("one two", audio=bytes(48_000)),), hold=True))
    async with testing.RealtimeServer(plan) as server:
        async with opened(server) as (session, events):
            async with session.attach(sink=audio.NullSink(buffer_ms=20)) as media:
                await session.send_message("Count.")
                await eventually(lambda: media.stats().played_frames > 2_400)
                await server.drop()
                await until(events, realtime.ReconnectedEvent)
                await eventually(lambda: session.state == "listening")
                assert media.stats().played_frames == 24_000, "what had come is played"


async def test_images_of_bytes_come_through_a_lost_connection() -> None:
    async with testing.RealtimeServer(s.conversation(s.Write("A cat."))) as server:
        async with opened(server) as (session, events):
            await session.send_image(PNG, text="What is this?", detail="low")
            await until(events, realtime.AgentEndEvent)
            await server.drop()
            event = await until(events, realtime.ReconnectedEvent)
            assert event.lost_items == 0
            await server.wait_for("conversation.item.create", 3)
            await eventually(lambda: len(server.peers[-1].items) == 2)
            first = server.peers[-1].items[0]["content"]
            assert "A cat" not in str(first)
            parts = {part["type"]: part for part in first}  # type: ignore[attr-defined]
            assert parts["input_image"]["image_url"] == URL
            assert parts["input_image"]["detail"] == "low"
            assert parts["input_text"]["text"] == "What is this?"
            assert "base64" not in str(session.history), "the history does not hold it"
        assert server.violations == []


def image(d: Driver, number: int, shown: list[dict[str, str]] | None = None) -> None:
    """An image with a text, of which the server shows this, or nothing of its content."""
    name = f"m{number}"
    content = [
        rt.ContentPart(type="input_text", text="This."),
        rt.ContentPart(type="input_image", image_url=URL),
    ]
    item = rt.Item(type="message", role="user", id=name, content=content)
    d.feed(inputs.AddItem(item, None, False, d.at))
    told = {"id": name, "type": "message", "role": "user", "content": shown}
    d.server("conversation.item.added", item=told, previous_item_id=None)


def test_of_too_many_images_the_oldest_are_lost_and_counted() -> None:
    d = Driver(reconnect=realtime.Reconnect(image_bytes=2 * len(URL))).start()
    for number in range(4):
        image(d, number)
    d.feed(inputs.DeleteItem("m3", d.at))
    d.server("conversation.item.deleted", item_id="m3")
    assert list(d.state.images.parts) == ["m2"]
    image(d, 4)
    d.lose()
    d.tick(0.5)
    d.clear()
    d.open()
    (event,) = d.of(realtime.ReconnectedEvent)
    assert (event.replayed_items, event.lost_items) == (4, 2)
    contents = [e["item"]["content"] for e in d.sent if e["type"] == "conversation.item.create"]
    assert [[part["type"] for part in parts] for parts in contents] == [
        ["input_text"],
        ["input_text"],
        ["input_text", "input_image"],
        ["input_text", "input_image"],
    ]


def test_an_image_that_the_server_shows_elsewhere_or_not_at_all_is_sent_again() -> None:
    d = Driver().start()
    for number, shown in enumerate(
        (
            [{"type": "input_text", "text": "This."}],
            [{"type": "input_image"}, {"type": "input_text", "text": "This."}],
        )
    ):
        image(d, number, shown)
    d.lose()
    d.tick(0.5)
    d.clear()
    d.open()
    (event,) = d.of(realtime.ReconnectedEvent)
    assert event.lost_items == 0
    contents = [e["item"]["content"] for e in d.sent if e["type"] == "conversation.item.create"]
    assert [[part.get("image_url") for part in parts] for parts in contents] == [
        [None, URL],
        [URL, None],
    ]


def test_an_item_that_the_server_shows_without_its_content_keeps_what_it_was_given() -> None:
    d = Driver().start()
    image(d, 1)
    (entry,) = d.state.history.items
    assert [part.type for part in entry.content] == ["text", "image"]
    assert entry.text == "This."


def test_a_request_that_was_interrupted_is_not_made_again() -> None:
    d = Driver().start()
    d.respond()
    event_id = d.last("response.create")["event_id"]
    d.feed(inputs.Interrupt(d.at))
    d.error("conversation_already_has_active_response", event_id=event_id)
    d.clear()
    d.created("theirs")
    d.done("theirs")
    d.tick(5.0)
    assert "response.create" not in d.types()
