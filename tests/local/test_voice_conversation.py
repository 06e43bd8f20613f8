"""Real people talk to a voice pipeline whose engines all run here."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from support.speech_clips import clip_path, require_clips
from support.voice_runs import talk
from voxloop import Agent, Local, audio, tool, voice

pytestmark = pytest.mark.slow

SPOKEN = (
    ("google_book_a_room", "room"),  # is asked for how many
    ("google_two_people", "two"),  # and says so
    ("v2j_lamp", "lamp"),
    ("harvard_spk2_snt2", "joy"),
    ("goforward", "forward"),
    ("google_brooklyn", "brooklyn"),
    ("lj002_0020", "thirteen"),
    ("v2j_lamp", "lamp"),
    ("harvard_spk1_snt3", "air"),
    ("google_book_a_room", "room"),
    ("google_two_people", "two"),
    ("harvard_spk1_snt1", "dog"),
    ("v2j_lamp", "lamp"),
    ("librivox_sense_0880", "young"),
    ("librivox_sense_0930", "amiable"),
    ("google_mountain_view", "mountain"),
    ("azure_weather", "weather"),  # is handed over
    ("google_two_people", "two"),
    ("goforward", "forward"),
    ("harvard_spk2_snt2", "joy"),
)


@tool
async def book_room(people: int) -> str:
    """Book a room in the hotel.

    Args:
        people: How many people the room is for.
    """
    return f"A room for {people} is booked."


@tool
async def set_lamp(room: str, state: Literal["on", "off"]) -> str:
    """Switch a lamp in a room on or off.

    Args:
        room: The room the lamp stands in.
        state: Whether the lamp shall be on or off.
    """
    return f"The {room} lamp is {state} now."


def assistant() -> voice.AgentWorkflow:
    weather = Agent("Weather", handoff_description="Answers questions about the weather.")
    agent = Agent("Porter", "Answer in a sentence.", tools=[book_room, set_lamp])
    return voice.AgentWorkflow(agent.add_handoff(weather, condition="Weather"))


def clip(name: str, quiet: float = 1.4) -> audio.AudioChunk:
    speech = audio.to_mono(audio.read_wav(clip_path(name)))
    return audio.concat([speech, audio.silence(speech.format, quiet)])


@pytest.mark.timeout(600)
async def test_twenty_clips_are_one_conversation() -> None:
    require_clips()
    workflow = assistant()
    config = voice.Config(
        queue_policy="queue", turn_detection=voice.TurnDetection(silence_duration_ms=900)
    )
    pipeline = voice.Pipeline(workflow, provider=Local(), config=config)
    async with talk(pipeline, patience=500) as talking:
        for name, _ in SPOKEN:
            await talking.say(clip(name))
    assert [talking.ended(n) for n in range(1, 21)] == ["ok"] * 20
    heard = [event.text.lower() for event in talking.of(voice.TranscriptEvent)]
    assert len(heard) == 20
    assert [word in text for (_, word), text in zip(SPOKEN, heard, strict=True)] == [True] * 20
    calls = [(e.turn_id, e.name) for e in talking.of(voice.ToolEvent) if e.kind == "call"]
    assert calls == [
        (2, "book_room"),
        (3, "set_lamp"),
        (8, "set_lamp"),
        (11, "book_room"),
        (13, "set_lamp"),
    ], "the number of people is understood only by what was asked before"
    results = [e for e in talking.of(voice.ToolEvent) if e.kind == "result"]
    assert results[0].output == "A room for 2 is booked."
    (handoff,) = talking.of(voice.HandoffEvent)
    assert (handoff.turn_id, handoff.to_agent) == (17, "Weather")
    assert workflow.agent.name == "Weather"
    said = {event.turn_id for event in talking.of(voice.TextEvent)}
    assert said == set(range(1, 21))
    sound = sum(event.data.duration for event in talking.of(voice.AudioEvent))
    assert sound > 20


@pytest.mark.timeout(600)
async def test_a_person_breaks_an_answer_off() -> None:
    require_clips()
    story = (
        "The weather in the north is cold, with a little snow on the hills. In the south it is "
        "warm and dry, and the sea is calm. In the west there is rain, and in the east there is "
        "a strong wind that will last until tomorrow evening."
    )

    @tool
    async def get_weather(location: str) -> str:
        """Current weather for a place."""
        return story

    workflow = voice.AgentWorkflow(Agent("A", tools=[get_weather, set_lamp]))
    pipeline = voice.Pipeline(workflow, provider=Local())
    async with talk(pipeline, patience=500) as talking:
        await talking.say(clip("azure_weather"))
        await talking.until(sound_of(1, 6.0))
        talking.result.report_playback(1, 5000)
        await talking.say(clip("v2j_lamp"))
        await talking.until(lambda e: isinstance(e, voice.TextEvent) and e.turn_id == 2)
        stop = await talking.until(voice.InterruptedEvent)
    assert (talking.ended(1), talking.ended(2)) == ("interrupted", "ok")
    assert stop.heard_ms == 5000
    heard = stop.heard_text
    assert story.startswith(heard)
    assert 40 <= len(heard) <= 130, "five seconds of speech"
    assert story[len(heard)] in " ,.", "whole words"
    texts = [
        item["content"][0]["text"] for item in workflow.history if item.get("role") == "assistant"
    ]  # type: ignore[index]
    assert texts[0].strip() == heard
    assert "lamp is on" in texts[1]


def sound_of(turn: int, seconds: float) -> Any:
    seen: dict[int, float] = {}

    def enough(event: voice.Event) -> bool:
        if isinstance(event, voice.AudioEvent) and event.turn_id == turn:
            seen[id(event)] = event.data.duration
        return sum(seen.values()) >= seconds

    return enough
