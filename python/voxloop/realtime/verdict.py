"""What an error says about the cause, and what to do about it."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass

import trio

from voxloop._errors import (
    ApiError,
    AuthenticationError,
    ConfigError,
    ConnectionClosed,
    HandshakeRejected,
    NetworkTimeout,
    ProtocolError,
    QuotaExceeded,
    RateLimited,
    TlsFailed,
    VoxloopError,
)

_ACCESS = ("model_not_found", "do not have access", "does not exist")
_MODALITIES = "output_modalities"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One failure.

    Attributes:
        kind: Stable text for programs.
        detail: What happened, for people.
        advice: What to do.
    """

    kind: str
    detail: str
    advice: str


_AT_STEP = {
    "dns": (
        "name_not_found",
        "Check the spelling of the host, the name server, and whether this machine is online.",
    ),
    "tcp": (
        "not_reachable",
        "Nothing answers there: check host and port, that the server runs, and the firewall.",
    ),
    "tls": (
        "tls_failed",
        "Is it a TLS port, and does something between here and there (a proxy) decrypt?",
    ),
}
_TIMEOUT = {
    "dns": "The name server does not answer.",
    "tcp": "Packets go out and none comes back: a firewall, or a host that is down.",
    "tls": "The port is open and does not speak TLS; check the port and the scheme.",
    "upgrade": "The server takes connections and does not answer: check the path of the URL.",
    "session": "The server upgrades and then says nothing; it is no realtime API, or it hangs.",
    "text_turn": "The session stands and the model does not answer: try later, or another model.",
}


def of_error(step: str, error: Exception, *, session_id: str | None = None) -> Verdict:
    """The verdict on an error that ended a step.

    Args:
        step: The step.
        error: What was raised.
        session_id: Id that the server gave, if it did, to be named to its operator.
    """
    detail = str(error) or type(error).__name__
    special = _certificate(error) or _server(error, detail, session_id) or _timeout(step, error)
    if special is not None:
        return Verdict(special[0], detail, special[1])
    kind, advice = _AT_STEP.get(step, ("", ""))
    if kind and isinstance(error, (OSError, socket.gaierror, trio.BrokenResourceError)):
        return Verdict(kind, detail, advice)
    if isinstance(error, ConnectionClosed):
        code = f" with code {error.close_code}" if error.close_code else ""
        return Verdict(
            "connection_closed", detail, f"The server closed{code}: its log or status page say why."
        )
    if isinstance(error, VoxloopError):
        return Verdict(error.code, detail, "")
    return Verdict(kind or "failed", detail, advice)


def _timeout(step: str, error: Exception) -> tuple[str, str] | None:
    if isinstance(error, NetworkTimeout):
        return "timeout", _TIMEOUT.get(step, "Try again; it took too long.")
    return None


def _certificate(error: Exception) -> tuple[str, str] | None:
    refused = isinstance(error, (TlsFailed, ssl.SSLCertVerificationError))
    if not refused and isinstance(error.__cause__, ssl.SSLCertVerificationError):
        refused = True
    if not refused:
        return None
    return "certificate", (
        "The certificate is not trusted: check the clock and the host name; for a private "
        "authority set SSL_CERT_FILE to its PEM file."
    )


def _server(error: Exception, detail: str, session_id: str | None) -> tuple[str, str] | None:
    if isinstance(error, AuthenticationError):
        return "key", "Check the API key, its project and organisation; make a new one if in doubt."
    if isinstance(error, QuotaExceeded):
        return "insufficient_quota", "The account's quota is spent: check plan and billing."
    if isinstance(error, RateLimited):
        return "rate_limited", "Too many requests: wait, or ask for a higher limit."
    if isinstance(error, ConfigError):
        return "config", "Correct what was given."
    if error_code(error) == "beta_dialect" or _beta(error, detail):
        return "beta_dialect", (
            "The server speaks the retired beta protocol: use its current path "
            "(on Azure /openai/v1/realtime), or a newer server."
        )
    if isinstance(error, HandshakeRejected):
        return _status(error.status)
    if isinstance(error, ProtocolError):
        return "protocol", "This is no realtime API: check the URL and its path."
    if isinstance(error, ApiError):
        if any(mark in detail or mark == error.code for mark in _ACCESS):
            return "model_unavailable", "The key has no access to this model: check its name."
        named = f" and name the session {session_id}" if session_id else ""
        return (
            "server_error",
            f"The server failed: try again; if it stays, tell its operator{named}.",
        )
    return None


def error_code(error: Exception) -> str:
    """The stable text of an error of ours, ``""`` for others."""
    return error.code if isinstance(error, VoxloopError) else ""


def _beta(error: Exception, detail: str) -> bool:
    unknown = error_code(error) == "unknown_parameter" or "nknown parameter" in detail
    return unknown and (_MODALITIES in detail or "session.type" in detail)


def _status(status: int) -> tuple[str, str]:
    if status in (401, 403):
        return "key", "Check the API key and what it may do."
    if status == 404:
        return "not_found", "Nothing is served at this path: check the base URL and the model."
    if status >= 500:
        return "server_error", "The server or a gateway before it failed: try again later."
    return "refused", "The server does not upgrade to a WebSocket there: check URL and headers."
