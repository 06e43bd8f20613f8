"""Azure: where a resource serves the current API, and where its key is found."""

from __future__ import annotations

import os
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from voxloop._errors import AuthenticationError, ConfigError

KEY_HEADER: Final = "api-key"
KEY_VARIABLE: Final = "AZURE_OPENAI_API_KEY"
_PATHS: Final = frozenset({"", "/openai", "/openai/v1", "/openai/v1/realtime"})


def azure_base_url(endpoint: str) -> str:
    """The base URL of a resource, from whatever the portal shows of it.

    Args:
        endpoint: Such as ``https://NAME.openai.azure.com``.

    Raises:
        ConfigError: It is no such address, or one of the retired preview API.
    """
    parts = urlsplit(endpoint.strip())
    path = parts.path.rstrip("/")
    if parts.scheme not in ("https", "wss", "http", "ws") or not parts.hostname:
        raise ConfigError("endpoint must be like https://NAME.openai.azure.com")
    if parts.username or parts.password:
        raise ConfigError("endpoint holds a user name or password; give api_key= instead")
    if path not in _PATHS:
        raise ConfigError(
            f"endpoint has the path {path!r}; leave it out: sessions are opened at "
            "/openai/v1/realtime, and the preview paths speak a protocol that is retired"
        )
    scheme = "https" if parts.scheme in ("https", "wss") else "http"
    return urlunsplit((scheme, parts.netloc, "/openai/v1", "", ""))


def azure_key() -> str:
    """The key of the environment.

    Raises:
        AuthenticationError: There is none.
    """
    found = os.environ.get(KEY_VARIABLE, "").strip()
    if not found:
        raise AuthenticationError(
            f"no key for Azure: give api_key=, or set {KEY_VARIABLE}. Keys of OpenAI's own "
            "accounts are not looked for, since they are of no use there"
        )
    return found
