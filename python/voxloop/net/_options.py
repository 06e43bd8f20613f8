"""What every connection can be told about its way to the server."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from typing import Literal, TypeVar

from voxloop._errors import ConfigError
from voxloop.net._auth import Secret

Way = tuple[str | None, str | None, str | None, str | None, bool]
Options = TypeVar("Options", bound="ConnectOptions")


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectOptions:
    """Whom to trust, who we are, and whether to go through a proxy.

    The same for WebSocket and HTTP. There is no switch that turns verification off.

    Attributes:
        ca_file: PEM file with the only roots to trust; without it those of ``SSL_CERT_FILE`` and
            ``SSL_CERT_DIR`` (as ``c_rehash`` names them), or the system's.
        client_cert: PEM file with our certificate and those between it and the server's authority,
            for servers that ask for one.
        client_key: PEM file with its key; None if ``client_cert`` holds the key too.
        proxy: None asks ``HTTPS_PROXY`` (for ``https://`` and ``wss://``) or ``HTTP_PROXY``, then
            ``ALL_PROXY``, except for hosts that ``NO_PROXY`` names by name, suffix, address or
            network, and never for this machine; the lower-case names win. False or ``"direct"``
            uses none. A URL is used for every host: ``http://``, ``https://`` (the way to the
            proxy is encrypted), ``socks5://`` (names are looked up here) or ``socks5h://`` (by
            the proxy), with ``user:password@`` if the proxy wants a login. A URL is never in a
            repr or an error.
        allow_insecure_key: Send credentials unencrypted to, or through, another machine.
    """

    ca_file: str | os.PathLike[str] | None = None
    client_cert: str | os.PathLike[str] | None = None
    client_key: str | os.PathLike[str] | None = None
    proxy: str | Secret | Literal[False] | None = field(default=None, repr=False)
    allow_insecure_key: bool = False

    def __post_init__(self) -> None:
        if self.client_key is not None and self.client_cert is None:
            raise ConfigError("client_key is given without client_cert; give both, or neither")
        if not (self.proxy is None or self.proxy is False or isinstance(self.proxy, str | Secret)):
            raise ConfigError("proxy must be a URL, None (ask the environment) or False (none)")

    def given_to(self, options: Options) -> Options:
        """``options`` with this way to the server in place of theirs."""
        return replace(
            options,
            ca_file=self.ca_file,
            client_cert=self.client_cert,
            client_key=self.client_key,
            proxy=self.proxy,
            allow_insecure_key=self.allow_insecure_key,
        )

    def way(self) -> Way:
        """As Rust takes it."""
        proxy = self.proxy.reveal() if isinstance(self.proxy, Secret) else self.proxy
        if proxy is False or proxy == "direct":
            proxy = ""
        elif proxy == "":
            raise ConfigError('proxy is empty; give a URL, None, or False for "no proxy"')
        return (
            _path(self.ca_file),
            _path(self.client_cert),
            _path(self.client_key),
            proxy,
            self.allow_insecure_key,
        )


def check_seconds(options: object, *names: str) -> None:
    """Refuse times that are not positive.

    Raises:
        ConfigError: Naming the first.
    """
    for name in names:
        value = getattr(options, name)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if value is not None and not (number and 0 < value < 1e6):
            raise ConfigError(f"{name} must be a positive number of seconds, not {value!r}")


def _path(path: str | os.PathLike[str] | None) -> str | None:
    return None if path is None else os.fspath(path)
