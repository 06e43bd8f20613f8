"""The API key: where it is looked for, in which order, and how it is kept out of sight."""

from __future__ import annotations

import inspect
import logging
import os
import stat
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
_KEY_NAMES = ("OPENAI_API_KEY", "openai_api_key")
_FILES = ("auth.json", ".credentials.json")
# Where older tools kept the record; only without CODEX_HOME.
_OLDER_FILES = (
    (".config", "codex", "credentials.json"),
    (".config", "openai", "codex.json"),
    (".codex", "credentials.json"),
)
_log = logging.getLogger("voxloop.net")
_told: set[str] = set()


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
        AuthenticationError: There is none.

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

    The stored record is the first of these files that exists: ``auth.json`` and
    ``.credentials.json`` under ``CODEX_HOME``, and, where that variable is not set,
    ``~/.config/codex/credentials.json``, ``~/.config/openai/codex.json`` and
    ``~/.codex/credentials.json``. It counts only if it holds an API key for its own use: the key
    beside a login of another kind, a file that cannot be read, and files of a set-up that keeps
    its credentials in a keyring are passed over.

    Raises:
        AuthenticationError: There is none.
    """
    stored, remark = None, ""
    found = _from_environment("CODEX_API_KEY")
    if found is None:
        stored, remark = _from_file()
    found = found or stored or _from_environment("OPENAI_API_KEY")
    if found is None:
        raise AuthenticationError(
            f"no API key was found. Looked for: {'; '.join(KEY_SOURCES)}. {remark}"
            "Without a key everything runs offline with provider=voxloop.Local()."
        )
    return Secret(found)


def _from_environment(name: str) -> str | None:
    return os.environ.get(name, "").strip() or None


def _from_file() -> tuple[str | None, str]:
    """The stored key, and what there is to say about the file."""
    variable = os.environ.get("CODEX_HOME", "").strip()
    home = Path(variable).expanduser() if variable else Path.home() / ".codex"
    files = [home / name for name in _FILES]
    if not variable:
        files += [Path.home().joinpath(*parts) for parts in _OLDER_FILES]
    path = next((path for path in files if path.exists()), None)
    if path is None:
        return None, ""
    if _keeps_keyring(home):
        _tell_once(
            "keyring",
            f"{path.name} is passed over: config.toml keeps credentials in a keyring, "
            "which voxloop does not read; set CODEX_API_KEY",
        )
        return None, f"{path.name} was passed over: its set-up uses a keyring. "
    import json  # with what reads a key file only

    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValueError, RecursionError) as error:
        # The text itself stays out of the message: it may hold the key.
        remark = f"{path.name} cannot be read as JSON ({type(error).__name__}); repair or remove it"
        _tell_once(str(path), remark)
        return None, f"{remark}. "
    if not isinstance(record, dict):
        return None, f"{path.name} does not hold a JSON object. "
    mode = record.get("auth_mode")
    if isinstance(mode, str) and mode.lower() not in _API_KEY_MODES:
        # A login of another kind: its tokens do not open these endpoints.
        return None, f"{path.name} holds a login of another kind. "
    keys = (record.get(name) for name in _KEY_NAMES)
    key = next((key.strip() for key in keys if isinstance(key, str) and key.strip()), None)
    if key is not None:
        _check_permissions(path)
    return key, ""


def _keeps_keyring(home: Path) -> bool:
    import tomllib  # rarely wanted, and never again

    try:
        config = tomllib.loads((home / "config.toml").read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValueError, RecursionError):
        return False
    return config.get("cli_auth_credentials_store") == "keyring"


def _check_permissions(path: Path) -> None:
    if os.name != "posix":
        return
    try:
        mode = path.stat().st_mode
    except OSError:
        return
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        _tell_once(
            f"mode:{path}",
            f"{path} holds a key that other users of this machine can read; run: chmod 600 {path}",
        )


def _tell_once(what: str, text: str) -> None:
    if what not in _told:
        _told.add(what)
        _log.warning("%s", text)
