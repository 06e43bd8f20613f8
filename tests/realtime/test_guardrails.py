"""Guardrails over real sockets: answers are stopped, turns of the user wait to be let in."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import trio

from support.realtime_driver import Driver
from support.sessions import only, until
from voxloop import realtime, telemetry, testing
from voxloop._errors import ConfigError, GuardrailTripped
from voxloop.agents import Agent, GuardrailResult, input_guardrail, output_guardrail
from voxloop.realtime import GuardrailTrippedEvent
from voxloop.realtime.machine import effects, inputs
from voxloop.testing import script as s

SEEN: list[str] = []


@output_guardrail(every=20)
def no_gold(_context: object, _agent: object, text: str) -> GuardrailResult:
    SEEN.append(text)
    return GuardrailResult.reject("Let us talk of silver.") if "gold" in text else GuardrailResult()


@output_guardrail
def no_gold_late(_context: object, _agent: object, text: str) -> GuardrailResult:
    return GuardrailResult.reject("No.") if "gold" in text else GuardrailResult()


@input_guardrail
async def no_homework(_context: object, _agent: object, text: str) -> GuardrailResult:
    return GuardrailResult.reject("Ask your teacher.") if "homework" in text else GuardrailResult()


GUARDED = Agent("Banker", "Talk.", output_guardrails=[no_gold])
GATED = Agent("Tutor", "Teach.", input_guardrails=[no_homework])
HELD = s.conversation(s.Reply((s.Write("gold"),), hold=True))
LONG = "We have a lot of gold in the cellar and much more of it than anyone could ever count."


@pytest.fixture(autouse=True)
def nothing_seen() -> None:
    SEEN.clear()


async def talk(
    plan: s.Script,
    agent: Agent,
    count: int,
    config: realtime.RunConfig | None = None,
    *,
    last: type[object] = realtime.AgentEndEvent,
) -> tuple[list[realtime.Event], testing.RealtimeServer]:
    async with (
        testing.RealtimeServer(plan) as server,
        realtime.open_session(agent, provider=server.provider(), config=config) as session,
    ):
        if not plan.steps:
            await session.send_message("Go.")
        events = await until(session, last, count)
    assert server.violations == []
    return events, server


def requests(server: testing.RealtimeServer) -> list[object]:
    return [e.get("response") for e in server.received if e["type"] == "response.create"]


async def test_an_answer_is_stopped_and_the_message_said_in_its_place() -> None:
    plan = s.conversation(s.Reply((s.Say(LONG, pace=1.0),)), s.Say("Let us talk of silver."))
    events, server = await talk(plan, GUARDED, 2)
    (event,) = only(events, GuardrailTrippedEvent)
    assert (event.stage, event.guardrails, event.action) == ("output", ("no_gold",), "say")
    assert "gold" in event.text
    assert [e.status for e in only(events, realtime.AgentEndEvent)] == ["cancelled", "completed"]
    index = events.index(event)
    late = [e for e in events[index:] if isinstance(e, realtime.AudioEvent)]
    assert {e.response_id for e in late} <= {only(events, realtime.AgentEndEvent)[1].response_id}
    again = requests(server)[-1]
    assert isinstance(again, dict)
    assert "Let us talk of silver." in again["instructions"]
    # It does not stand in the conversation as something that the user said.
    items = [e["item"] for e in server.received if e["type"] == "conversation.item.create"]
    assert len(items) == 1
    assert "response.cancel" in server.types()
    assert "conversation.item.truncate" in server.types()


async def test_text_is_stopped_without_a_cut_of_sound() -> None:
    plan = s.conversation(s.Reply((s.Write(LONG),), hold=True))
    config = realtime.RunConfig(guardrail_action="cancel")
    events, server = await talk(plan, GUARDED, 1, config)
    assert len(only(events, GuardrailTrippedEvent)) == 1
    assert only(events, realtime.AudioInterruptedEvent) == []
    assert len(requests(server)) == 1


async def test_what_is_shorter_than_a_step_is_looked_at_when_it_is_complete() -> None:
    short = s.conversation(s.Reply((s.Write("All gold."),), hold=True))
    agent = Agent("Banker", output_guardrails=[no_gold_late])
    events, _ = await talk(short, agent, 1, realtime.RunConfig(guardrail_action="cancel"))
    assert [e.text for e in only(events, GuardrailTrippedEvent)] == ["All gold."]


async def test_a_text_is_looked_at_step_by_step_and_once_at_its_end() -> None:
    text = "one two three four five six seven eight nine ten"
    seen: list[str] = []
    whole = trio.Event()

    @output_guardrail(every=20)
    async def note(_context: object, _agent: object, so_far: str) -> GuardrailResult:
        seen.append(so_far)
        if so_far == text:
            whole.set()
        return GuardrailResult()

    agent = Agent("Banker", output_guardrails=[note])
    async with (
        testing.RealtimeServer(s.conversation(s.Write(text))) as server,
        realtime.open_session(agent, provider=server.provider()) as session,
    ):
        await session.send_message("Go.")
        with trio.fail_after(10):
            await whole.wait()
    assert seen == sorted(set(seen), key=len)


async def test_one_object_for_agent_and_run_is_asked_once() -> None:
    config = realtime.RunConfig(output_guardrails=(no_gold, no_gold_late), guardrail_action="event")
    events, server = await talk(HELD, GUARDED, 1, config, last=GuardrailTrippedEvent)
    (event,) = only(events, GuardrailTrippedEvent)
    assert event.guardrails == ("no_gold", "no_gold_late")
    assert SEEN == ["gold"]
    assert server.types().count("response.cancel") == 0


async def test_the_application_chooses_what_is_done() -> None:
    chosen: list[str] = []

    def choose(event: GuardrailTrippedEvent) -> realtime.GuardrailAction:
        chosen.append(event.message)
        return "event"

    config = realtime.RunConfig(guardrail_action=choose)
    events, _ = await talk(HELD, GUARDED, 1, config, last=GuardrailTrippedEvent)
    assert chosen == ["Let us talk of silver."]
    assert only(events, GuardrailTrippedEvent)[0].action == "event"


async def test_a_guardrail_may_end_the_session() -> None:
    @output_guardrail
    def never(_context: object, _agent: object, _text: str) -> GuardrailResult:
        return GuardrailResult.trip("enough")

    agent = Agent("Banker", output_guardrails=[never])
    with pytest.raises(GuardrailTripped, match="enough"):
        await talk(HELD, agent, 2)


@pytest.mark.parametrize(("on_error", "tripped"), [("allow", 0), ("reject", 1)])
async def test_a_guardrail_that_fails_lets_pass_or_stops(on_error: str, tripped: int) -> None:
    def broken(_context: object, _agent: object, _text: str) -> GuardrailResult:
        raise RuntimeError("secret")

    guard = output_guardrail(on_error="reject" if on_error == "reject" else "allow")(broken)
    agent = Agent("Banker", output_guardrails=[guard])
    config = realtime.RunConfig(guardrail_action="event")
    last = GuardrailTrippedEvent if tripped else realtime.AgentEndEvent
    events, _ = await talk(
        HELD if tripped else s.conversation(s.Write("gold")), agent, 1, config, last=last
    )
    assert len(only(events, GuardrailTrippedEvent)) == tripped
    assert only(events, realtime.ErrorEvent) == []


def tripped_in(response_id: str, at: float = 100.0) -> inputs.Tripped:
    event = GuardrailTrippedEvent(
        stage="output",
        guardrails=("g",),
        text="t",
        message="m",
        item_id="i1",
        response_id=response_id,
    )
    return inputs.Tripped(event, None, at)


def test_a_response_trips_once() -> None:
    d = Driver().start()
    d.respond()
    d.created()
    d.clear()
    d.feed(tripped_in("r1"))
    d.feed(tripped_in("r1"))
    assert len(d.of(GuardrailTrippedEvent)) == 1
    assert d.types() == ["response.cancel"]
    d.done("r1", "cancelled")
    assert d.types() == ["response.cancel", "response.create"]


def test_a_response_that_is_over_is_cut_and_the_next_goes_on() -> None:
    d = Driver().start()
    d.respond()
    d.created("r1")
    d.audio(2000.0, "i1", "r1")
    d.part("response.output_audio.done")
    d.done("r1")
    d.respond()
    d.created("r2")
    d.audio(500.0, "i2", "r2")
    d.at += 0.5
    d.clear()
    d.feed(tripped_in("r1", d.at))
    assert d.types() == ["conversation.item.truncate"]
    assert d.last("conversation.item.truncate")["audio_end_ms"] == 500
    d.audio(100.0, "i2", "r2")
    assert len(d.of(realtime.AudioEvent)) == 1
    assert [p.played_ms for p in d.state.playback.positions(d.at)] == pytest.approx([0.0], abs=1e-6)


async def test_a_turn_is_looked_at_before_it_is_answered() -> None:
    plan = s.conversation(s.Say("Two."), steps=(s.Hears("What is one and one?"),))
    events, server = await talk(plan, GATED, 1)
    update = next(e["session"] for e in server.received if e["type"] == "session.update")
    assert isinstance(update, dict)
    assert update["audio"]["input"]["turn_detection"]["create_response"] is False
    assert requests(server) == [None]
    assert only(events, GuardrailTrippedEvent) == []


async def test_a_turn_that_is_not_let_in_gets_the_message_for_an_answer() -> None:
    plan = s.conversation(s.Say("Ask your teacher."), steps=(s.Hears("Do my homework!"),))
    events, server = await talk(plan, GATED, 1)
    (event,) = only(events, GuardrailTrippedEvent)
    assert (event.stage, event.text) == ("input", "Do my homework!")
    (request,) = requests(server)
    assert isinstance(request, dict)
    assert "Ask your teacher." in request["instructions"]


async def test_written_messages_are_looked_at_too() -> None:
    async with (
        testing.RealtimeServer(s.conversation(s.Write("Hi."))) as server,
        realtime.open_session(
            GATED, provider=server.provider(), config=realtime.RunConfig(guardrail_action="cancel")
        ) as session,
    ):
        await session.send_message("My homework?")
        await until(session, GuardrailTrippedEvent)
        await session.send_message("Hello.")
        await until(session, realtime.AgentEndEvent)
    assert requests(server) == [None]


def test_a_transcript_that_fails_or_does_not_come_goes_by_the_guardrails() -> None:
    for strict in (False, True):
        guard = input_guardrail(on_error="reject" if strict else "allow")(no_homework.function)
        d = Driver(Agent("Tutor", input_guardrails=[guard])).start()
        d.speech("started")
        d.speech("stopped")
        d.committed()
        assert "response.create" not in d.types()
        d.tick(11.0)
        assert len(d.of(GuardrailTrippedEvent)) == strict
        assert (d.last("response.create").get("response") is not None) == strict


def test_a_commit_of_ones_own_waits_as_well() -> None:
    settings = realtime.SessionModelSettings(turn_detection=None)
    d = Driver(GATED, realtime.RunConfig(model_settings=settings)).start()
    d.append(bytes(4800))
    d.feed(inputs.CommitAudio(None, d.at))
    d.committed()
    assert d.types()[-1] == "input_audio_buffer.commit"
    kind = "conversation.item.input_audio_transcription.completed"
    d.server(kind, item_id="u1", content_index=0, transcript="Hello.")
    (check,) = d.did(effects.CheckInput)
    assert check.text == "Hello."
    d.feed(inputs.Judged("u1", None, None, d.at))
    assert d.types()[-1] == "response.create"


async def test_guardrails_that_read_transcripts_need_transcripts() -> None:
    silent = realtime.SessionModelSettings(transcription=None)
    with pytest.raises(ConfigError, match="transcript"):
        realtime.RunConfig(model_settings=silent, input_guardrails=(no_homework,))
    async with testing.RealtimeServer() as server:
        with pytest.raises(ConfigError, match="transcript"):
            async with realtime.open_session(
                GATED,
                provider=server.provider(),
                config=realtime.RunConfig(model_settings=silent),
            ):
                await trio.sleep_forever()


async def test_every_check_is_measured() -> None:
    told: list[tuple[str, dict[str, object]]] = []

    def note(name: str, measured: Mapping[str, float], what: Mapping[str, object]) -> None:
        told.append((name, {**measured, **what}))

    plan = s.conversation(s.Reply((s.Say(LONG, pace=1.0),)), s.Say("Silver."))
    telemetry.attach_many("checks", ["realtime.guardrail", "realtime.interrupt"], note)
    try:
        await talk(plan, GUARDED, 2)
    finally:
        telemetry.detach("checks")
    checks = [what for name, what in told if name == "realtime.guardrail"]
    assert True in [what["tripped"] for what in checks]
    assert {what["name"] for what in checks} == {"no_gold"}
    assert [name for name, _ in told].count("realtime.interrupt") == 1
