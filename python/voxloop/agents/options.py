"""How a turn runs: limits, guardrails and hooks of the run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from voxloop._errors import ConfigError
from voxloop.agents.guardrail import InputGuardrail, OutputGuardrail
from voxloop.agents.hooks import Hooks
from voxloop.tools import FailureFormatter
from voxloop.tools.guardrail import as_guardrails


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """Settings of a run, whichever agent has the word.

    Attributes:
        max_turns: Responses that one turn may take.
        max_parallel_tools: Tools that run at once; further ones wait.
        max_handoffs: Handoffs that one turn may follow; the model reads that no more are.
        approval_timeout: Seconds that a call waits for approval before it counts as rejected;
            None waits for ever.
        input_guardrails: Added to those of the agent.
        output_guardrails: Added to those of the agent.
        hooks: Called at every step.
        failure: Words what the model reads about failed calls, where the tool does not.

    Raises:
        ConfigError: A setting cannot be used.
    """

    max_turns: int = 10
    max_parallel_tools: int = 8
    max_handoffs: int = 5
    approval_timeout: float | None = 60.0
    input_guardrails: Iterable[InputGuardrail] = ()
    output_guardrails: Iterable[OutputGuardrail] = ()
    hooks: Hooks | None = field(default=None, hash=False)
    failure: FailureFormatter | None = None

    def __post_init__(self) -> None:
        for name in ("max_turns", "max_parallel_tools", "max_handoffs"):
            value, least = getattr(self, name), int(name != "max_handoffs")
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ConfigError(f"{name} is {value!r}; give a number of at least {least}")
        if self.approval_timeout is not None and not self.approval_timeout > 0:
            raise ConfigError("approval_timeout must be seconds above 0, or None")
        if self.failure is not None and not callable(self.failure):
            raise ConfigError("failure must be a callable (failure)")
        for name, kind in (
            ("input_guardrails", InputGuardrail),
            ("output_guardrails", OutputGuardrail),
        ):
            found = as_guardrails(getattr(self, name), kind, owner="the run")
            object.__setattr__(self, name, found)
