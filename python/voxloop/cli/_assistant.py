"""The demo's agent: a greeter with two tools and two colleagues."""

from __future__ import annotations

from typing import Literal

from voxloop.agents import Agent
from voxloop.tools import tool

QUESTION = "What is the weather like in Paris?"


@tool
async def get_weather(location: str) -> str:
    """Current weather for a place.

    Args:
        location: City name.
    """
    place = "your area" if location.strip().lower() in {"", "here"} else location.strip()
    return f"It is sunny and 22 degrees in {place}."


@tool
async def set_lamp(room: str, state: Literal["on", "off"]) -> str:
    """Switch a lamp in a room on or off.

    Args:
        room: The room the lamp stands in.
        state: Whether the lamp shall be on or off.
    """
    name = room.strip().removesuffix(" lamp") or "room"
    return f"The {name} lamp is {state} now."


def greeter() -> Agent:
    """The agent that both engines run."""
    tech = Agent(
        name="TechSupport",
        instructions="You solve technical problems.",
        handoff_description="Solves technical problems with devices and software.",
    )
    sales = Agent(
        name="Sales",
        instructions="You answer questions about prices.",
        handoff_description="Answers questions about prices and orders.",
    )
    return (
        Agent(
            name="Greeter",
            instructions=(
                "Welcome callers, answer in one short sentence, use the tools for weather and "
                "lamps, and hand callers over where a colleague fits better."
            ),
            tools=(get_weather, set_lamp),
        )
        .add_handoff(tech, condition="Technical issues")
        .add_handoff(sales, condition="Sales questions")
    )
