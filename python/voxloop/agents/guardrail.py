"""Guardrails of an agent: what the user says, and what the agent says."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeAlias, overload

from voxloop._errors import ConfigError
from voxloop.agents.debounce import TextDebounce
from voxloop.tools.guardrail import Behavior, Guardrail, GuardrailFunction, Stage, decorated

Release: TypeAlias = Literal["at_once", "sentence", "turn"]
"""How much of an answer is held back for an output guardrail, least first."""

_RELEASES: tuple[Release, ...] = ("at_once", "sentence", "turn")


@dataclass(frozen=True, slots=True, kw_only=True)
class InputGuardrail(Guardrail):
    """Looks at what the user said.

    The function gets ``(context, agent, text)``. The message of a rejection is the answer: it is
    spoken, and the model's is not.

    Attributes:
        blocking: True asks before the model is called. False asks while the model already works,
            which costs no time: nothing of its answer gets out, no tool starts, before all
            guardrails have let the text pass, and the call is cancelled if one does not.
    """

    blocking: bool = False

    stage: ClassVar[Stage] = "input"


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputGuardrail(Guardrail):
    """Looks at what the agent says, while it says it.

    The function gets ``(context, agent, text)``: the message from its beginning to where it is
    now. The message of a rejection takes the place of what was not said yet, and the turn ends.

    Attributes:
        every: Characters after which the text is checked again (of the text, or of the transcript
            of a realtime session); what is left at the end is always checked.
        release: What a text pipeline holds back. ``"sentence"``: a sentence is spoken when the
            text up to its end has passed. ``"turn"``: a message is spoken when all of it has
            passed, which takes away the early start. ``"at_once"``: it is spoken as it comes, and
            broken off. The strictest of several guardrails counts.

    Raises:
        ConfigError: A field cannot be used.
    """

    every: int = 100
    release: Release = "sentence"

    stage: ClassVar[Stage] = "output"

    def __post_init__(self) -> None:
        Guardrail.__post_init__(self)
        TextDebounce(self.every)
        if self.release not in _RELEASES:
            raise ConfigError(
                f"release of guardrail {self.name!r} is {self.release!r}; "
                "give 'at_once', 'sentence' or 'turn'"
            )


def strictest(guardrails: Iterable[OutputGuardrail]) -> Release:
    """The release that counts for all of them; ``"at_once"`` for none."""
    found = [_RELEASES.index(guardrail.release) for guardrail in guardrails]
    return _RELEASES[max(found, default=0)]


@overload
def input_guardrail(function: GuardrailFunction, /) -> InputGuardrail: ...


@overload
def input_guardrail(
    *,
    name: str = "",
    on_error: Behavior = "allow",
    timeout: float | None = 10.0,
    blocking: bool = False,
) -> Callable[[GuardrailFunction], InputGuardrail]: ...


def input_guardrail(
    function: GuardrailFunction | None = None, /, **settings: Any
) -> InputGuardrail | Callable[[GuardrailFunction], InputGuardrail]:
    """Make an `InputGuardrail` of a function ``(context, agent, text)``.

    Args:
        function: The function, when used without parentheses.
        **settings: ``name``, ``on_error``, ``timeout`` and ``blocking`` of the guardrail.

    Raises:
        ConfigError: A setting cannot be used.

    Example::

        @input_guardrail
        async def no_homework(context, agent, text: str) -> GuardrailResult:
            if "homework" in text:
                return GuardrailResult.reject("I cannot do your homework.")
            return GuardrailResult.allow()
    """
    return decorated(InputGuardrail, function, settings)


@overload
def output_guardrail(function: GuardrailFunction, /) -> OutputGuardrail: ...


@overload
def output_guardrail(
    *,
    name: str = "",
    on_error: Behavior = "allow",
    timeout: float | None = 10.0,
    every: int = 100,
    release: Release = "sentence",
) -> Callable[[GuardrailFunction], OutputGuardrail]: ...


def output_guardrail(
    function: GuardrailFunction | None = None, /, **settings: Any
) -> OutputGuardrail | Callable[[GuardrailFunction], OutputGuardrail]:
    """Make an `OutputGuardrail` of a function ``(context, agent, text)``.

    Args:
        function: The function, when used without parentheses.
        **settings: ``name``, ``on_error``, ``timeout``, ``every`` and ``release``.

    Raises:
        ConfigError: A setting cannot be used.
    """
    return decorated(OutputGuardrail, function, settings)
