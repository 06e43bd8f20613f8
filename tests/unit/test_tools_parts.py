"""Pictures and files that tools give."""

from __future__ import annotations

from typing import Any

import pytest

from voxloop import Agent, tool
from voxloop._errors import ConfigError
from voxloop.agents import AgentToolResult, Conversation, run_turn
from voxloop.providers.chat_items import chat_messages
from voxloop.testing import ScriptedLLM, call
from voxloop.tools import ToolFile, ToolImage, ToolText, to_text
from voxloop.tools.parts import content_of, parts_of

PNG = ToolImage(data=b"\x89PNG", detail="low")
BILL = ToolFile(data=b"%PDF", filename="bill.pdf")


@pytest.mark.parametrize(
    ("part", "wire"),
    [
        (ToolText("hi"), {"type": "input_text", "text": "hi"}),
        (
            PNG,
            {"type": "input_image", "image_url": "data:image/png;base64,iVBORw==", "detail": "low"},
        ),
        (ToolImage(url="https://x/y.png"), {"type": "input_image", "image_url": "https://x/y.png"}),
        (ToolImage(file_id="file_1"), {"type": "input_image", "file_id": "file_1"}),
        (
            BILL,
            {
                "type": "input_file",
                "filename": "bill.pdf",
                "file_data": "data:application/pdf;base64,JVBERg==",
            },
        ),
        (ToolFile(url="https://x/y.pdf"), {"type": "input_file", "file_url": "https://x/y.pdf"}),
        (ToolFile(file_id="file_1"), {"type": "input_file", "file_id": "file_1"}),
    ],
)
def test_parts_on_the_wire(part: Any, wire: dict[str, object]) -> None:
    assert content_of([part]) == [wire]


def test_what_counts_as_parts() -> None:
    assert parts_of(PNG) == (PNG,)
    assert parts_of(["See:", PNG]) == (ToolText("See:"), PNG)
    assert parts_of(("a", "b")) == ()
    assert parts_of([PNG, 7]) == ()
    assert parts_of("text") == ()
    assert to_text(["See:", PNG, BILL]) == "See:\n(an image)\n(a file: bill.pdf)"


@pytest.mark.parametrize(
    "make",
    [
        ToolImage,
        ToolFile,
        lambda: ToolImage(url="u", file_id="f"),
        lambda: ToolFile(data=b"x"),
        lambda: ToolFile(data=b"x", filename="x", url="u"),
    ],
)
def test_a_part_has_one_place(make: Any) -> None:
    with pytest.raises(ConfigError):
        make()


async def test_a_picture_reaches_the_model_and_stays_in_the_history() -> None:
    @tool
    async def look() -> list[object]:
        """Look."""
        return ["This is the door:", PNG]

    model = ScriptedLLM([call("look")], "It is open.")
    conversation = Conversation(Agent("Guard", tools=[look]))
    async with run_turn(conversation, "Is it open?", model=model) as turn:
        events = [event async for event in turn]
    (told,) = [event for event in events if isinstance(event, AgentToolResult)]
    assert told.output == "This is the door:\n(an image)"
    wanted = content_of([ToolText("This is the door:"), PNG])
    for items in (conversation.history, model.requests[1].items):
        outputs = [i["output"] for i in items if i["type"] == "function_call_output"]
        assert outputs == [wanted]
    tools = [m for m in chat_messages("", conversation.history) if m["role"] == "tool"]
    assert [message["content"] for message in tools] == ["This is the door:\n(an image)"]
