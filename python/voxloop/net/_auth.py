"""The API key: where it is looked for, in which order, and how it is kept out of sight."""

from __future__ import annotations

import inspect
import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeAlias

from voxloop._errors import AuthenticationError

KEY_SOURCES = (
    "CODEX_API_KEY",
    "OPENAI_API_KEY in auth.json under CODEX_HOME (default ~/.codex)",
    "OPENAI_API_KEY",
)
"""Where a key is looked for when none is given, in order."""

_API_KEY_MODES = {"apikey", "api_key", "api"}


class Secret:
    """A string that shows itself only to `reveal`."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The string itself; never put it into a message."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __reduce__(self) -> str:
        raise TypeError("a Secret is not to be pickled")


ApiKey: TypeAlias = str | Secret | Callable[[], str | Awaitable[str]]
"""A key, or a function (sync or async) that is asked for one before each connection."""


async def resolve_api_key(explicit: ApiKey | None = None) -> Secret:
    """The key to use now.

    An explicit key wins; otherwise the sources of `KEY_SOURCES` are read in order. Blank values
    count as absent.

    Raises:
        AuthenticationError: There is none, or ``auth.json`` is malformed.

    **Cancellation:** as the given function has it; otherwise there is no checkpoint.
    """
    value: object = explicit
    if callable(explicit):
        value = explicit()
        if inspect.isawaitable(value):
            value = await value
    if isinstance(value, Secret):
        return value
    if isinstance(value, str) and value.strip():
        return Secret(value.strip())
    if explicit is not None:
        raise AuthenticationError("the API key that was given is blank or not a string")
    return find_api_key()


def find_api_key() -> Secret:
    """The first key of `KEY_SOURCES`.

    Raises:
        AuthenticationError: There is none, or ``auth.json`` is malformed.
    """
    found = (
        _from_environment("CODEX_API_KEY") or _from_file() or _from_environment("OPENAI_API_KEY")
    )
    if found is None:
        raise AuthenticationError(
            f"no API key was found. Looked for: {'; '.join(KEY_SOURCES)}. "
            "Without a key everything runs offline with provider=voxloop.Local()."
        )
    return Secret(found)


def _from_environment(name: str) -> str | None:
    return os.environ.get(name, "").strip() or None


def _from_file() -> str | None:
    home = os.environ.get("CODEX_HOME", "").strip()
    path = (Path(home) if home else Path.home() / ".codex") / "auth.json"
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise AuthenticationError(
            f"{path.name} under CODEX_HOME cannot be read as JSON ({type(error).__name__}); "
            "repair or remove it, or set CODEX_API_KEY"
        ) from None
    if not isinstance(record, dict):
        raise AuthenticationError(f"{path.name} under CODEX_HOME must hold a JSON object")
    mode = record.get("auth_mode")
    if isinstance(mode, str) and mode.lower() not in _API_KEY_MODES:
        return None  # a login of another kind: its tokens do not open these endpoints
    key = record.get("OPENAI_API_KEY")
    return key.strip() or None if isinstance(key, str) else None
