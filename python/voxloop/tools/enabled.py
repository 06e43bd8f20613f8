"""Whether a tool or a handoff is offered to the model."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from voxloop._errors import ConfigError
from voxloop.tools.context import RunContext

Enabled: TypeAlias = "bool | Callable[[RunContext[Any], Any], bool | Awaitable[bool]]"
"""True, False, or a callable ``(context, agent)`` that says so anew for each response."""


async def is_enabled(policy: Enabled, context: RunContext[Any], agent: object) -> bool:
    """Ask `policy`; an exception of a callable comes out as it is.

    Raises:
        ConfigError: The callable gave something other than a bool.

    **Cancellation:** an async callable is cancelled; may be called again.
    """
    if isinstance(policy, bool):
        return policy
    answer = policy(context, agent)
    found: object = await answer if inspect.isawaitable(answer) else answer
    if not isinstance(found, bool):
        raise ConfigError(f"is_enabled gave {type(found).__name__}; give True or False")
    return found


def check_enabled(policy: object, *, owner: str) -> None:
    """Refuse what is neither a bool nor a callable.

    Raises:
        ConfigError: It is something else.
    """
    if not isinstance(policy, bool) and not callable(policy):
        raise ConfigError(
            f"is_enabled of {owner} is {policy!r}; give a bool or a callable (context, agent)"
        )
