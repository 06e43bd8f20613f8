"""What the application hands to a session, checked before anything is done with it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, TypeAlias

import msgspec

from voxloop._errors import ConfigError
from voxloop.agents import Agent
from voxloop.providers import Provider
from voxloop.realtime.checks import NO, fit, words
from voxloop.realtime.config import MAX_OUTPUT_TOKENS, ModelConfig, RunConfig, SessionModelSettings
from voxloop.realtime.items import as_item, definition
from voxloop.realtime.objects import check_objects, check_voice
from voxloop.tools import Tool, to_text
from voxloop.wire import realtime as rt

MAX_SENT = 15 * 1024 * 1024
"""Bytes of one message to the server: what the API takes of audio at once, and less than what a
connection carries."""

Role: TypeAlias = Literal["user", "system"]
Detail: TypeAlias = Literal["auto", "low", "high"]

_SHOWN = 40
"""Characters of a text that a message may quote."""


def check(name: str, value: object, hint: Any) -> Any:
    """The value as the type wants it.

    Raises:
        ConfigError: It does not fit; what it says is not told beyond a few characters.
    """
    found = fit(value, hint)
    if found is NO:
        plain = value is None or isinstance(value, (bool, int, float))
        shown = repr(value) if plain or (isinstance(value, str) and len(value) <= _SHOWN) else ""
        raise ConfigError(
            f"{name} is {shown or f'a value of type {type(value).__name__}'}; give {words(hint)}"
        )
    return found


def check_id(name: str, value: object) -> str:
    """An id, which is text and not blank.

    Raises:
        ConfigError: It is none.
    """
    text: str = check(name, value, str)
    if not text.strip():
        raise ConfigError(f"{name} is blank; give the id that an event or the history named")
    return text


def check_text(name: str, value: object) -> str:
    """A text that says something.

    Raises:
        ConfigError: It is none, or empty.
    """
    text: str = check(name, value, str)
    if not text:
        raise ConfigError(f"{name} is empty; there is nothing to send")
    return text


def check_opening(
    agent: object, config: object, model_config: object, provider: object, items: object
) -> tuple[RunConfig, ModelConfig]:
    """What `open_session` was given.

    Raises:
        ConfigError: One of them is of another kind.
    """
    check("agent", agent, Agent)
    run: RunConfig | None = check("config", config, RunConfig | None)
    target: ModelConfig | None = check("model_config", model_config, ModelConfig | None)
    if provider is not None and not isinstance(provider, Provider):
        raise ConfigError(
            f"provider is of type {type(provider).__name__}; give voxloop.OpenAI(...), "
            "voxloop.Local() or another Provider"
        )
    if isinstance(items, (str, bytes, Mapping)) or not isinstance(items, Iterable):
        raise ConfigError("initial_items is no list of items; give what Session.export gave")
    return run or RunConfig(), target or ModelConfig()


def check_settings(settings: object) -> SessionModelSettings:
    """What `Session.update_settings` was given.

    Raises:
        ConfigError: They are no settings.
    """
    found: SessionModelSettings = check("settings", settings, SessionModelSettings)
    return found


def sendable_item(item: rt.Item | Mapping[str, object]) -> rt.Item:
    """An item of the conversation that one message can carry.

    Raises:
        ConfigError: It is no item, or is too large.
    """
    made = as_item(item)
    _small_enough("the item", len(rt.encode(rt.ConversationItemCreate(item=made))))
    return made


def tool_output(output: object) -> str:
    """What the application answers a call with, as text.

    Raises:
        ConfigError: It is too large.
    """
    text = to_text(output)
    _small_enough("the output", len(rt.encode({"output": text})))
    return text


def _small_enough(what: str, size: int) -> None:
    if size > MAX_SENT:
        raise ConfigError(
            f"{what} is {size} bytes; a message takes {MAX_SENT}, and a larger one would end the "
            "connection: send it in parts"
        )


def raw_event(event: object) -> dict[str, object]:
    """An event of the application's own making.

    Raises:
        ConfigError: It is no JSON object, has no type, or is too large.
    """
    if not isinstance(event, Mapping):
        raise ConfigError(f"an event is a mapping with a 'type', not a {type(event).__name__}")
    given = dict(event)
    if not isinstance(given.get("type"), str) or not given["type"]:
        raise ConfigError("an event needs a 'type', such as 'conversation.item.retrieve'")
    try:
        # A copy: what the application changes afterwards does not change what is sent.
        encoded = rt.encode(given)
        _finite(msgspec.to_builtins(given))
        made: dict[str, object] = msgspec.json.decode(encoded)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise ConfigError(f"the event cannot be written as JSON: {error}") from None
    _small_enough("the event", len(encoded))
    return made


def _finite(value: object) -> None:
    # The encoder would write null, which says something else.
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"there is no JSON for {value}")
    if isinstance(value, dict):
        for part in value.values():
            _finite(part)
    elif isinstance(value, (list, tuple)):
        for part in value:
            _finite(part)


def response_params(
    *,
    instructions: object,
    output_modalities: object,
    conversation: object,
    input: object,
    metadata: object,
    tools: object,
    tool_choice: object,
    max_output_tokens: object,
    voice: object,
    parallel_tool_calls: object,
    reasoning_effort: object,
    prompt: object,
) -> rt.ResponseParams | None:
    """The settings of one response, None if there are none; see `Session.respond`.

    Raises:
        ConfigError: One of them cannot be used.
    """
    check_objects(prompt, None, None, (), tool_choice)
    if isinstance(tool_choice, str):
        check("tool_choice", tool_choice, Literal["auto", "none", "required"])
    tokens = check("max_output_tokens", max_output_tokens, int | Literal["inf"] | None)
    if isinstance(tokens, int) and not 1 <= tokens <= MAX_OUTPUT_TOKENS:
        raise ConfigError(f"max_output_tokens is {tokens}; give 1 to {MAX_OUTPUT_TOKENS} or 'inf'")
    kinds = tuple[Literal["audio", "text"], ...] | None
    modalities = check("output_modalities", output_modalities, kinds)
    if modalities is not None and len(modalities) != 1:
        raise ConfigError("output_modalities is ('audio',) or ('text',), never both")
    effort = check(
        "reasoning_effort",
        reasoning_effort,
        Literal["minimal", "low", "medium", "high", "xhigh"] | None,
    )
    if voice is not None:
        check_voice(voice)
    params = rt.ResponseParams(
        instructions=check("instructions", instructions, str | None),
        output_modalities=None if modalities is None else list(modalities),
        conversation=check("conversation", conversation, Literal["auto", "none"] | None),
        input=None if input is None else [as_item(item) for item in _listed("input", input)],
        metadata=_metadata(metadata),
        tools=None if tools is None else [_tool(tool) for tool in _listed("tools", tools)],
        tool_choice=_plain(tool_choice),
        max_output_tokens=tokens,
        audio=None if voice is None else rt.AudioConfig(output=rt.AudioOutput(voice=_plain(voice))),
        parallel_tool_calls=check("parallel_tool_calls", parallel_tool_calls, bool | None),
        reasoning=None if effort is None else {"effort": effort},
        prompt=_plain(prompt),
    )
    try:
        rt.encode(rt.ResponseCreate(response=params))
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise ConfigError(f"these settings cannot be told as JSON: {error}") from None
    return None if params == rt.ResponseParams() else params


def _listed(name: str, value: object) -> Sequence[Any]:
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
        raise ConfigError(f"{name} is a {type(value).__name__}; give a list")
    return list(value)


def _tool(tool: object) -> dict[str, object]:
    if not isinstance(tool, (Tool, Mapping)):
        raise ConfigError(f"tools has a {type(tool).__name__}; give Tool objects or definitions")
    made = definition(tool)
    try:
        msgspec.json.encode(made)
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigError(f"a tool cannot be written as JSON: {error}") from None
    return made


def _metadata(value: object) -> dict[str, str] | None:
    given = check("metadata", value, Mapping | None)
    if given is None:
        return None
    if not all(isinstance(key, str) and isinstance(text, str) for key, text in given.items()):
        raise ConfigError("metadata must map texts to texts")
    return dict(given)


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else value
