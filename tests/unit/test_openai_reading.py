"""Responses of servers that leave out what OpenAI's own server says twice."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from voxloop._errors import ApiError
from voxloop.providers import ModelDone, TextDelta, TextDone, ToolCall
from voxloop.providers.openai.llm import Reading
from voxloop.wire import responses as rs

SAID = [{"type": "output_text", "text": "Hello."}]
MESSAGE = {"type": "message", "id": "m1", "role": "assistant", "content": SAID}
CALL = {"type": "function_call", "id": "f", "call_id": "c", "name": "look", "arguments": "{}"}
DONE = {"type": "response.completed", "response": {"id": "r"}}


def read(*events: dict[str, Any]) -> list[Any]:
    reading, out = Reading("test"), []
    for event in events:
        out += reading.take(rs.decode_event(msgspec.json.encode(event)))
    return out


def delta(text: str | None, item: str = "m1", index: int = 0, part: int = 0) -> dict[str, Any]:
    where = {"item_id": item, "output_index": index, "content_index": part}
    return {"type": "response.output_text.delta", **where, "delta": text}


def whole(text: str, item: str = "m1", index: int = 0, part: int = 0) -> dict[str, Any]:
    where = {"item_id": item, "output_index": index, "content_index": part}
    return {"type": "response.output_text.done", **where, "text": text}


def item_done(item: dict[str, Any], index: int = 0) -> dict[str, Any]:
    return {"type": "response.output_item.done", "output_index": index, "item": item}


def completed(*output: dict[str, Any]) -> dict[str, Any]:
    return {"type": "response.completed", "response": {"id": "r", "output": list(output)}}


def test_all_that_is_said_twice_is_told_once() -> None:
    told = read(delta("Hel"), delta("lo."), whole("Hello."), item_done(MESSAGE), completed(MESSAGE))
    assert told == [TextDelta("Hel"), TextDelta("lo."), TextDone("Hello."), ModelDone()]


@pytest.mark.parametrize(
    ("events", "texts"),
    [
        ([whole("Hello."), DONE], ["Hello."]),
        ([item_done(MESSAGE), DONE], ["Hello."]),
        ([completed(MESSAGE)], ["Hello."]),
        ([item_done(MESSAGE), completed(MESSAGE)], ["Hello."]),
        ([item_done({"type": "message", "content": None}), DONE], []),
        ([completed({"type": "message", "content": [{"refusal": "No."}]})], ["No."]),
        ([completed({"type": 7}, MESSAGE)], ["Hello."]),
    ],
)
def test_a_text_is_taken_from_the_first_place_it_stands_in(
    events: list[dict[str, Any]], texts: list[str]
) -> None:
    *told, last = read(*events)
    assert told == [TextDone(text) for text in texts]
    assert last == ModelDone()


def test_a_call_that_stands_in_the_response_alone_is_called_once() -> None:
    call = ToolCall(call_id="c", name="look", arguments="{}", item_id="f")
    assert read(completed(CALL)) == [call, ModelDone()]
    assert read(item_done(CALL), completed(CALL)) == [call, ModelDone()]
    assert read(delta("Let me see."), item_done(CALL, 1), completed(MESSAGE, CALL)) == [
        TextDelta("Let me see."),
        call,
        ModelDone(),
    ]


@pytest.mark.parametrize("second", [("m2", 1, 0), ("m1", 0, 1), ("m2", 0, 0)])
def test_texts_of_two_parts_do_not_run_into_each_other(second: tuple[str, int, int]) -> None:
    assert read(delta("One."), delta("Two.", *second), DONE) == [
        TextDelta("One."),
        TextDone(""),
        TextDelta("Two."),
        ModelDone(),
    ]


def test_a_message_ends_with_its_item() -> None:
    assert read(delta("One."), item_done(MESSAGE), delta("Two."), DONE) == [
        TextDelta("One."),
        TextDone(""),
        TextDelta("Two."),
        ModelDone(),
    ]


def test_a_delta_without_text_says_nothing() -> None:
    assert read(delta(None), {"type": "response.output_text.delta"}, delta("Hi."), DONE) == [
        TextDelta("Hi."),
        ModelDone(),
    ]


def test_a_response_that_fails_in_the_middle_raises() -> None:
    failed = {"type": "response.failed", "response": {"error": {"code": "x", "message": "y"}}}
    with pytest.raises(ApiError, match="test: y"):
        read(delta("One."), failed)
