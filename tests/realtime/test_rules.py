"""Rules of a conversation that were found by trying what an application would try."""

from __future__ import annotations

from typing import Any

from support.realtime_driver import Driver
from support.sessions import only, until
from voxloop import realtime, testing
from voxloop.agents import Agent
from voxloop.realtime.machine import inputs
from voxloop.testing import script as s
from voxloop.tools import tool
from voxloop.wire import realtime as rt


def states(d: Driver) -> list[str]:
    return [event.state for event in d.of(realtime.AgentStateEvent)]


def test_the_agent_speaks_until_its_sound_is_over_though_it_comes_slowly() -> None:
    d = Driver().start()
    d.respond()
    d.created()
    d.clear()
    for _ in range(5):
        d.audio(100.0)
        d.tick(0.15)  # it has been played, and the next piece has not come yet
    assert states(d) == ["speaking"]
    d.audio(100.0)
    d.part("response.output_audio.done")
    d.done()
    assert states(d) == ["speaking"]
    d.tick(0.11)
    assert states(d) == ["speaking", "listening"]


def test_a_pause_in_the_sound_is_no_reason_to_wake_up() -> None:
    from voxloop.realtime.machine import reducer

    d = Driver().start()
    d.respond()
    d.created()
    d.audio(100.0)
    d.tick(5.0)
    assert reducer.deadline(d.state) is None
    d.part("response.output_audio.done")
    assert states(d)[-1] == "thinking"


async def test_of_two_handoffs_that_come_one_after_the_other_the_second_is_told_so() -> None:
    agent = Agent("A", handoffs=[Agent("B"), Agent("C")])
    calls = (s.Call("transfer_to_b", {}, "c1"), s.Call("transfer_to_c", {}, "c2"))
    async with (
        testing.RealtimeServer(s.conversation(calls, s.Write("I am B."))) as server,
        realtime.open_session(agent, provider=server.provider()) as session,
    ):
        await session.send_message("Go.")
        events = await until(session, realtime.AgentEndEvent, 2)
        outputs = {e.call_id: e.output for e in session.history if e.type == "function_call"}
        assert session.current_agent.name == "B"
    assert outputs["c2"] == "The conversation was already transferred."
    assert only(events, realtime.ErrorEvent) == []
    assert len(only(events, realtime.HandoffEvent)) == 1


def test_a_call_goes_to_the_tools_that_its_response_was_given() -> None:
    @tool
    async def look() -> str:
        """Look."""
        return "x"

    d = Driver(Agent("A", tools=[look])).start()
    d.respond()
    d.created()
    other = Driver(Agent("B")).state.agent.current
    d.feed(inputs.AgentReady(other, None, "", d.at))
    d.server("session.updated", session={"type": "realtime"})
    assert d.state.agent.current.agent.name == "B"
    d.call("look")
    (call,) = d.of(realtime.ToolCallEvent)
    assert call.handled
    d.finish()
    d.done()
    d.created("r2")
    d.call("look", call_id="c2", response="r2")
    assert len(d.of(realtime.ToolCallEvent)) == 1


async def test_a_response_beside_the_conversation_is_known_by_what_it_was_asked_for_with() -> None:
    async with (
        testing.RealtimeServer(s.conversation(s.Write("Billing."))) as server,
        realtime.open_session(Agent("A"), provider=server.provider()) as session,
    ):
        await session.respond(
            conversation="none",
            output_modalities=["text"],
            instructions="What is this about?",
            metadata={"topic": "subject"},
        )
        events = await until(session, realtime.AgentEndEvent)
        assert session.history == ()
    starts: list[Any] = [*only(events, realtime.AgentStartEvent)]
    for event in [*starts, *only(events, realtime.AgentEndEvent)]:
        assert not event.in_conversation
        assert event.metadata == {"topic": "subject"}


def test_so_is_one_within_the_conversation() -> None:
    d = Driver().start()
    d.respond(rt.ResponseParams(metadata={"a": "b"}))
    d.created(metadata={"a": "b"})
    (start,) = d.of(realtime.AgentStartEvent)
    assert start.in_conversation
    assert start.metadata == {"a": "b"}


def entered(d: Driver, content: list[dict[str, Any]], kind: str = "added", **fields: Any) -> None:
    item = {"id": "u1", "type": "message", "role": "user", "content": content, **fields}
    d.server(f"conversation.item.{kind}", item=item, previous_item_id=None)


def test_an_image_stays_in_a_message_of_which_the_server_leaves_it_out() -> None:
    image = {"type": "input_image", "image_url": "https://example.org/a.png"}
    text = {"type": "input_text", "text": "What is this?"}
    for echo in ([text], [{"type": "input_image"}, text]):
        d = Driver().start()
        entered(d, [image, text])
        entered(d, echo, "done")
        (entry,) = d.state.history.current()
        assert [part.type for part in entry.content] == ["image", "text"]
        assert entry.content[0].image_url == image["image_url"]
        assert entry.text == "What is this?"


def test_a_response_ends_once_and_is_counted_once() -> None:
    usage = {"total_tokens": 10, "input_tokens": 6, "output_tokens": 4}
    d = Driver().start()
    d.respond()
    d.created()
    d.done(usage=usage)
    d.done(usage=usage)
    d.created()
    assert len(d.of(realtime.AgentStartEvent)) == len(d.of(realtime.AgentEndEvent)) == 1
    assert (d.state.usage.responses, d.state.usage.total_tokens) == (1, 10)
    assert d.state.turn.shown == "listening"


def test_what_a_transcript_tells_beside_the_words_is_passed_on() -> None:
    d = Driver().start()
    kind = "conversation.item.input_audio_transcription"
    sure = {"token": "Hi", "logprob": -0.1, "bytes": [72, 105]}
    place = {"item_id": "u1", "content_index": 0}
    d.server(f"{kind}.delta", **place, delta="Hi", logprobs=[sure])
    segment = {"id": "seg_1", "speaker": "A", "text": "Hi", "start": 0.5, "end": 1.0}
    d.server(f"{kind}.segment", **place, **segment)
    languages = [{"code": "en"}, {"odd": 1}]
    d.server(f"{kind}.completed", **place, transcript="Hi", logprobs=[sure], languages=languages)
    first, last = d.of(realtime.TranscriptEvent)
    assert [entry.logprob for entry in first.logprobs] == [-0.1]
    assert [entry.token for entry in last.logprobs] == ["Hi"]
    assert last.languages == ("en",)
    (told,) = d.of(realtime.TranscriptSegmentEvent)
    assert (told.speaker, told.text, told.start, told.end) == ("A", "Hi", 0.5, 1.0)


def test_an_item_at_the_front_is_there_though_the_server_names_nothing_before_it() -> None:
    d = Driver().start()
    entered(d, [{"type": "input_text", "text": "first"}])
    item = rt.Item(type="message", id="s1", role="system")
    d.feed(inputs.AddItem(item, "root", False, d.at))
    made = {"id": "s1", "type": "message", "role": "system", "content": []}
    for kind in ("added", "done"):
        d.server(f"conversation.item.{kind}", item=made, previous_item_id=None)
    assert [entry.id for entry in d.state.history.current()] == ["s1", "u1"]
