"""Sound that waits for the output guardrails: none of what is rejected is ever handed out."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
import trio
import trio.testing

from support.realtime_cast import ITEMS, SLOT_NUMBERS
from support.realtime_driver import Driver
from support.realtime_judge import Judge
from support.realtime_orders import OURS, THEIRS
from support.sessions import only, until
from voxloop import audio, realtime, testing
from voxloop._errors import ConfigError
from voxloop.agents import Agent, GuardrailResult, OutputGuardrail, Release, output_guardrail
from voxloop.realtime import RunConfig
from voxloop.realtime.events import (
    AgentEndEvent,
    AudioEvent,
    AudioInterruptedEvent,
    GuardrailTrippedEvent,
)
from voxloop.realtime.machine import effects, inputs
from voxloop.realtime.machine.parts import replace
from voxloop.testing import script as s

FIRST = "Good morning to you all. "
TEXT = FIRST + "There is a lot of gold in the cellar. Goodbye."


def guard(
    forbidden: str = "gold", *, release: Release = "sentence", seen: list[str] | None = None
) -> OutputGuardrail:
    @output_guardrail(every=200, release=release)
    async def no_gold(_context: object, _agent: object, text: str) -> GuardrailResult:
        if seen is not None:
            seen.append(text)
        return GuardrailResult.reject("No.") if forbidden in text else GuardrailResult.allow()

    return no_gold


async def spoken(
    guardrail: OutputGuardrail, *, text: str = TEXT, action: realtime.GuardrailAction = "cancel"
) -> tuple[list[realtime.Event], testing.RealtimeServer]:
    agent = Agent("Banker", output_guardrails=[guardrail])
    config = RunConfig(hold_audio=True, guardrail_action=action)
    async with (
        testing.RealtimeServer(s.conversation(s.Say(text, chunk_ms=250))) as server,
        realtime.open_session(agent, provider=server.provider(), config=config) as session,
    ):
        await session.send_message("Go.")
        events = await until(session, AgentEndEvent)
        if only(events, GuardrailTrippedEvent) and action == "cancel":
            with trio.fail_after(10):  # else the server may be gone before it has read it
                await server.wait_for("conversation.item.truncate")
    assert server.violations == []
    return events, server


def heard_ms(events: list[realtime.Event]) -> float:
    return sum(event.audio.duration for event in only(events, AudioEvent)) * 1000.0


async def test_not_a_sample_beyond_the_words_that_passed_is_handed_out() -> None:
    seen: list[str] = []
    events, server = await spoken(guard(seen=seen))
    assert seen[0].startswith(FIRST.strip())  # a check takes all the words that are there by then
    assert len(only(events, GuardrailTrippedEvent)) == 1
    # Each word is a quarter of a second: the five of the first sentence at most, all before it.
    assert heard_ms(events) <= 5 * 250.0
    cut = [e for e in server.received if e["type"] == "conversation.item.truncate"]
    assert [e["audio_end_ms"] <= 5 * 250 for e in cut] == [True]
    index = events.index(only(events, GuardrailTrippedEvent)[0])
    assert only(events[index:], AudioEvent) == []


async def test_what_passes_is_handed_out_whole_and_before_the_end() -> None:
    seen: list[str] = []
    events, _ = await spoken(guard("silver", seen=seen))
    assert heard_ms(events) == pytest.approx(250.0 * len(TEXT.split()))
    assert isinstance(events[-1], AgentEndEvent)
    assert events[-1].status == "completed"
    assert seen[-1] == TEXT
    last = max(i for i, event in enumerate(events) if isinstance(event, AudioEvent))
    assert last < len(events) - 1


async def test_a_whole_message_may_wait() -> None:
    events, server = await spoken(guard("Goodbye", release="turn"))
    assert heard_ms(events) == 0.0
    (cut,) = [e for e in server.received if e["type"] == "conversation.item.truncate"]
    assert cut["audio_end_ms"] == 0
    events, _ = await spoken(guard("silver", release="turn"))
    assert heard_ms(events) == pytest.approx(250.0 * len(TEXT.split()))


async def test_nothing_waits_where_no_guardrail_wants_it() -> None:
    events, _ = await spoken(guard("silver", release="at_once"))
    kinds = [type(event) for event in events]
    assert kinds.index(AudioEvent) < kinds.index(AgentEndEvent)
    assert heard_ms(events) == pytest.approx(250.0 * len(TEXT.split()))


async def test_an_application_that_only_wants_to_know_hears_everything() -> None:
    events, _ = await spoken(guard(), action="event")
    assert len(only(events, GuardrailTrippedEvent)) == 1
    assert heard_ms(events) == pytest.approx(250.0 * len(TEXT.split()))
    assert only(events, AgentEndEvent)[0].status == "completed"


async def test_a_slow_guardrail_makes_the_answer_late_and_not_shorter() -> None:
    go = trio.Event()

    @output_guardrail
    async def slow(_context: object, _agent: object, _text: str) -> GuardrailResult:
        await go.wait()
        return GuardrailResult.allow()

    agent = Agent("Banker", output_guardrails=[slow])
    config = RunConfig(hold_audio=True)
    async with (
        testing.RealtimeServer(s.conversation(s.Say(TEXT))) as server,
        realtime.open_session(agent, provider=server.provider(), config=config) as session,
        session.wire_events() as frames,
    ):
        await session.send_message("Go.")
        with trio.fail_after(10):
            async for frame in frames:
                if frame.direction == "in" and "response.done" in str(frame.data):
                    break
        await trio.testing.wait_all_tasks_blocked()
        assert session.state == "thinking"
        go.set()
        events = await until(session, AgentEndEvent)
        assert heard_ms(events) == pytest.approx(250.0 * len(TEXT.split()))
        assert session.state == "speaking"


async def test_a_sink_would_go_another_way_and_is_refused() -> None:
    async with (
        testing.RealtimeServer() as server,
        realtime.open_session(
            Agent("A"), provider=server.provider(), config=RunConfig(hold_audio=True)
        ) as session,
    ):
        with pytest.raises(ConfigError, match="hold_audio"):
            async with session.attach(sink=audio.NullSink()):
                pass
        async with session.attach():
            pass


# -- the reducer by hand ---------------------------------------------------------------------------


def driver(release: Release = "sentence") -> Driver:
    d = Driver(
        Agent("A", output_guardrails=[guard(release=release)]), RunConfig(hold_audio=True)
    ).start()
    d.respond()
    d.created()
    d.clear()
    return d


def say(d: Driver, text: str, ms: float) -> None:
    d.part("response.output_audio_transcript.delta", delta=text)
    d.audio(ms)


def let_pass(d: Driver, length: int, *, whole: bool = False) -> None:
    d.feed(inputs.Passed("r1", "i1", length, whole, d.at))


def lengths(d: Driver) -> list[float]:
    return [round(e.audio.duration * 1000.0) for e in d.of(AudioEvent)]


def test_sound_passes_with_the_words_after_it() -> None:
    d = driver()
    say(d, "one ", 100)
    say(d, "two ", 200)
    say(d, "six.", 300)
    assert lengths(d) == []
    let_pass(d, 4)
    assert lengths(d) == []
    let_pass(d, 5)
    assert lengths(d) == [100]
    let_pass(d, 12)
    assert lengths(d) == [100, 200]
    let_pass(d, 12, whole=True)
    assert lengths(d) == [100, 200, 300]
    d.audio(50)
    assert lengths(d)[-1] == 50


def test_held_sound_is_neither_playing_nor_heard() -> None:
    d = driver()
    say(d, "one ", 1000)
    assert d.state.turn.shown == "thinking"
    d.at += 5.0
    let_pass(d, 9)
    assert d.state.turn.shown == "speaking"
    d.at += 0.4
    say(d, "two ", 1000)
    d.speech("started")
    (event,) = d.of(AudioInterruptedEvent)
    assert event.heard_ms == 400
    assert event.received_ms == 2000
    assert d.last("conversation.item.truncate")["audio_end_ms"] == 400
    d.clear()
    let_pass(d, 99, whole=True)
    d.audio(100)
    assert d.events == []


def test_an_interruption_before_anything_was_handed_out_cuts_at_the_beginning() -> None:
    d = driver()
    say(d, "one ", 1000)
    d.done()
    assert d.of(AgentEndEvent) == []
    assert d.did(effects.CheckRest) != []
    d.feed(inputs.Interrupt(d.at))
    assert d.last("conversation.item.truncate")["audio_end_ms"] == 0
    (ended,) = d.of(AgentEndEvent)
    assert ended.status == "completed"
    assert d.state.holds == {}
    let_pass(d, 99, whole=True)
    assert lengths(d) == []


def test_the_end_of_a_response_comes_after_its_sound() -> None:
    d = driver("turn")
    say(d, "one ", 1000)
    d.part("response.output_audio.done")
    d.at += 1.0
    d.done()
    assert d.of(AgentEndEvent) == []
    assert d.did(effects.TurnOver) == []
    d.at += 1.0
    let_pass(d, 4, whole=True)
    kinds = [type(event) for event in d.events if isinstance(event, (AudioEvent, AgentEndEvent))]
    assert kinds == [AudioEvent, AgentEndEvent]
    (over,) = d.did(effects.ResponseOver)
    assert over.track.first_audio_at == d.at
    assert len(d.did(effects.TurnOver)) == 1
    assert d.state.holds == {}


def test_sound_without_words_is_handed_out_at_the_end() -> None:
    d = driver()
    d.audio(100)
    assert lengths(d) == []
    d.done()
    assert lengths(d) == [100]
    assert len(d.of(AgentEndEvent)) == 1


def test_a_lost_connection_leaves_what_passes_and_the_end_of_a_session_nothing() -> None:
    ends: list[Callable[[Driver], object]] = [
        lambda d: d.lose(),
        lambda d: d.feed(inputs.Left(d.at)),
    ]
    for end in ends:
        d = driver()
        say(d, "one ", 100)
        end(d)
        let_pass(d, 4, whole=True)
        assert len(d.of(AgentEndEvent)) == 1
        assert lengths(d) == ([100] if d.state.link.over is False else [])
        assert d.state.holds == {}


def test_it_is_off_unless_it_is_asked_for() -> None:
    d = Driver(Agent("A", output_guardrails=[guard()])).start()
    d.respond()
    d.created()
    say(d, "gold ", 100)
    assert lengths(d) == [100]


def word(j: Judge, item: str, response: str) -> None:
    j.brought.add(response)
    kind = "response.output_audio_transcript.delta"
    j.d.part(kind, item=item, response=response, delta="some words ")


def held_moves(j: Judge, random_: random.Random) -> list[Callable[[], object]]:
    """What happens only where sound is held."""
    slots = [n for n in SLOT_NUMBERS if j.response(n) in j.d.state.turn.responses]
    slot = random_.choice(slots or SLOT_NUMBERS)
    response, name = j.response(slot), random_.choice(ITEMS)
    item = f"{name}:{response}"
    length, whole = random_.randint(1, 40), random_.random() < 0.3
    event = GuardrailTrippedEvent(
        stage="output", guardrails=("g",), text="t", message="m", item_id=item, response_id=response
    )
    action = random_.choice(("cancel", "event"))
    passed = inputs.Passed(response, item, length, whole, j.d.at)
    ours: list[Callable[[], object]] = [
        lambda: j.d.feed(passed),
        lambda: j.d.feed(inputs.Tripped(replace(event, action=action), None, j.d.at)),
    ]
    theirs: list[Callable[[], object]] = [
        lambda: j.audio(slot, name, random_.randint(1, 900)),
        lambda: word(j, item, response),
        lambda: j.d.part("response.output_audio.done", item=item, response=response),
    ]
    return [*ours, *theirs, *theirs] if j.up else ours


@pytest.mark.parametrize("part", range(4))
def test_in_any_order_all_that_holds_without_it_holds_with_it(part: int) -> None:
    held = 0
    for seed in range(part, 400, 4):
        random_ = random.Random(seed)
        config = RunConfig(hold_audio=True, output_guardrails=(guard(),))
        j = Judge(config)
        try:
            for _ in range(random_.choice((10, 20, 60))):
                if random_.random() < 0.7:
                    random_.choice(held_moves(j, random_))()
                else:
                    random_.choice([*OURS, *(THEIRS if j.up else ())])(j, random_)
                j.check()
                if j.over:
                    break
                held += sum(len(hold.sounds) for hold in j.d.state.holds.values())
            for response_id, hold in tuple(j.d.state.holds.items()):
                for item_id in {sound.event.item_id for sound in hold.sounds}:
                    j.d.feed(inputs.Passed(response_id, item_id, 99, True, j.d.at))
                    j.check()
            assert not any(hold.sounds for hold in j.d.state.holds.values())
            assert j.d.state.holds.keys() <= j.d.state.turn.responses.keys()
            open_ends = {name for name, count in j.balance.items() if count}
            assert open_ends == j.d.state.turn.responses.keys()
        except Exception as error:
            error.add_note(f"with the seed {seed}")
            raise
    assert held > 50
