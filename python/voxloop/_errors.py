"""The whole exception tree. Nothing of ours is imported here, so that Rust can raise from it.

::

    VoxloopError
    ├── ConfigError (ValueError)            a setting or an argument cannot be used
    │   ├── MissingExtra (ImportError)      a feature whose packages are not installed
    │   └── ModelRetired                    a model that its maker has switched off
    ├── AuthenticationError                 no key, or the server refused it
    ├── NetworkError
    │   ├── ConnectFailed (OSError)         name, route or listener
    │   ├── TlsFailed                       certificate or handshake
    │   ├── HandshakeRejected               the server answered the upgrade with another status
    │   ├── NetworkTimeout (TimeoutError)   one phase took longer than its limit
    │   ├── ConnectionClosed (trio.BrokenResourceError)
    │   └── ProtocolError                   the peer broke the protocol
    ├── UseAfterClose (trio.ClosedResourceError)
    ├── BufferFull (trio.WouldBlock)        nothing was taken; wait, or drop something
    ├── ConcurrencyError (trio.BusyResourceError)
    ├── ForkedProcessError                  a handle made before fork, used in the child
    ├── NativeCrash                         a bug of ours, kept to one connection
    ├── ApiError                            an error object of the API
    │   ├── CallNotFound                a telephone call that is not there or has ended
    │   ├── RateLimited
    │   └── QuotaExceeded
    ├── AudioFormatError (ValueError)
    │   └── WavError
    ├── DeviceError                         a microphone or a speaker is absent, refused or gone
    ├── ModelFileError                      a local model file is absent or altered
    ├── SpeechToTextError
    ├── TextToSpeechError
    ├── StoreError                          a store of conversations could not be read or written
    └── AgentError
        ├── GuardrailTripped                a guardrail ended the run
        ├── ToolError
        ├── ModelBehaviorError
        └── MaxTurnsExceeded

``code`` is stable text for programs, the message is for people. ``retryable`` says whether the
same call may succeed later. No message, repr or field ever holds a key.
"""

from __future__ import annotations

from collections.abc import Mapping

import trio


class VoxloopError(Exception):
    """Root of every error that voxloop raises on purpose.

    Attributes:
        code: Stable text for programs, such as ``"connect_failed"``.
        retryable: Whether the same call may succeed later.
    """

    code: str = "voxloop_error"
    retryable: bool = False

    def __init__(
        self, message: str, *, code: str | None = None, retryable: bool | None = None
    ) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code
        if retryable is not None:
            self.retryable = retryable

    @property
    def message(self) -> str:
        """The text for people."""
        return str(self.args[0]) if self.args else ""

    def __str__(self) -> str:
        return self.message


class ConfigError(VoxloopError, ValueError):
    """A setting or an argument that cannot be used; the message says what would do."""

    code = "config_invalid"


class MissingExtra(ConfigError, ImportError):
    """A feature whose optional packages are not installed.

    Attributes:
        extra: Name of the extra that brings them.
    """

    code = "missing_extra"

    def __init__(self, message: str, *, extra: str) -> None:
        super().__init__(message)
        self.extra = extra


class ModelRetired(ConfigError):
    """A model that its maker has switched off.

    Attributes:
        model: Its name.
        replacement: The model to take instead, if one is known.
    """

    code = "model_retired"

    def __init__(self, message: str, *, model: str, replacement: str | None) -> None:
        super().__init__(message)
        self.model = model
        self.replacement = replacement


class AuthenticationError(VoxloopError):
    """No API key was found, or the server refused it."""

    code = "authentication"


class NetworkError(VoxloopError):
    """The network or the peer failed."""

    code = "network"
    retryable = True


class ConnectFailed(NetworkError, OSError):
    """Name resolution, route or listener failed.

    Attributes:
        host: Host and port that were tried; a proxy's where it was at fault.
        reason: ``"dns"``, ``"refused"``, ``"unreachable"``, ``"reset"``, ``"proxy"`` (it could
            not reach the target), ``"proxy_refused"`` (it wants a login, or forbids the target)
            or ``"other"``.
    """

    code = "connect_failed"

    def __init__(
        self,
        message: str,
        *,
        host: str = "",
        reason: str = "other",
        retryable: bool | None = None,
    ) -> None:
        super().__init__(message, retryable=retryable)
        self.host = host
        self.reason = reason


class TlsFailed(NetworkError):
    """The certificate or the TLS handshake was refused.

    Attributes:
        reason: ``"expired"``, ``"wrong_host"``, ``"unknown_authority"``,
            ``"client_certificate"`` (the server wants one, or another one), ``"protocol"`` (no
            version in common, or what came is not TLS) or ``"other"``.
    """

    code = "tls_failed"
    retryable = False

    def __init__(self, message: str, *, reason: str = "other") -> None:
        super().__init__(message)
        self.reason = reason


class HandshakeRejected(NetworkError):
    """The server answered the WebSocket upgrade with another status.

    Attributes:
        status: HTTP status.
        headers: Response headers, lower-case names.
        body_head: At most the first 4 KiB of the body.
    """

    code = "handshake_rejected"

    def __init__(
        self,
        message: str,
        *,
        status: int,
        headers: Mapping[str, str] | None = None,
        body_head: str = "",
        retryable: bool | None = None,
    ) -> None:
        super().__init__(message, retryable=retryable)
        self.status = status
        self.headers = dict(headers or {})
        self.body_head = body_head


class NetworkTimeout(NetworkError, TimeoutError):
    """One phase of an exchange took longer than its limit.

    Attributes:
        phase: ``"connect"``, ``"proxy"``, ``"tls"``, ``"handshake"``, ``"first_byte"``,
            ``"idle"``, ``"total"``, ``"ping"`` or ``"close"``.
    """

    code = "timeout"

    def __init__(self, message: str, *, phase: str = "") -> None:
        super().__init__(message)
        self.phase = phase


class ConnectionClosed(NetworkError, trio.BrokenResourceError):
    """The peer or the network ended the connection.

    Attributes:
        close_code: WebSocket close code, None when there was no close frame.
        reason: Close reason as the peer wrote it.
        clean: Whether the closing handshake took place.
    """

    code = "connection_closed"

    def __init__(
        self,
        message: str,
        *,
        close_code: int | None = None,
        reason: str = "",
        clean: bool = False,
        retryable: bool | None = None,
    ) -> None:
        super().__init__(message, retryable=retryable)
        self.close_code = close_code
        self.reason = reason
        self.clean = clean


class ProtocolError(NetworkError):
    """The peer sent what the protocol does not allow."""

    code = "protocol"
    retryable = False


class UseAfterClose(VoxloopError, trio.ClosedResourceError):
    """A handle was used after its block was left."""

    code = "use_after_close"


class BufferFull(VoxloopError, trio.WouldBlock):
    """A buffer that takes no more for now; nothing of what was given was taken."""

    code = "buffer_full"
    retryable = True


class ConcurrencyError(VoxloopError, trio.BusyResourceError):
    """Two tasks used at once what only one may use."""

    code = "concurrency"


class ForkedProcessError(VoxloopError):
    """A handle from before ``fork()`` was used in the child; open a new one there."""

    code = "forked"


class NativeCrash(VoxloopError):
    """A panic in the native core; only the connection it happened on is lost."""

    code = "native_crash"


class ApiError(VoxloopError):
    """An error object of the API.

    Attributes:
        status: HTTP status, None over a WebSocket.
        type: The API's error type.
        param: The field at fault.
        event_id: The client event at fault.
        request_id: The server's id of the request.
    """

    code = "api_error"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        type: str | None = None,
        status: int | None = None,
        param: str | None = None,
        event_id: str | None = None,
        request_id: str | None = None,
        retryable: bool | None = None,
    ) -> None:
        super().__init__(message, code=code, retryable=retryable)
        self.type = type
        self.status = status
        self.param = param
        self.event_id = event_id
        self.request_id = request_id


class CallNotFound(ApiError):
    """There is no such telephone call, or it has ended."""

    code = "call_not_found"


class RateLimited(ApiError):
    """Too many requests; wait ``retry_after`` seconds if it is given."""

    code = "rate_limited"
    retryable = True

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        type: str | None = None,
        status: int | None = 429,
        request_id: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, code=code, type=type, status=status, request_id=request_id)
        self.retry_after = retry_after


class QuotaExceeded(ApiError):
    """The account's quota is spent: waiting does not help."""

    code = "insufficient_quota"
    retryable = False


class AudioFormatError(VoxloopError, ValueError):
    """Audio of another shape, dtype, rate or length than was wanted."""

    code = "audio_format"


class WavError(AudioFormatError):
    """Bytes that are not a WAV file that can be read.

    Attributes:
        offset: Byte offset at which reading stopped.
    """

    code = "wav_invalid"

    def __init__(self, message: str, *, offset: int = 0, code: str | None = None) -> None:
        super().__init__(message, code=code)
        self.offset = offset


class DeviceError(VoxloopError):
    """A microphone or a speaker cannot be used, or cannot be used any more.

    Attributes:
        reason: ``"unsupported"`` (no backend for this system), ``"no_server"`` (no sound server,
            or one that does not answer), ``"not_found"``, ``"refused"`` or ``"lost"`` (it was
            removed, or the sound server ended).
    """

    code = "device"

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class ModelFileError(VoxloopError):
    """A local model file is absent or is not the one that was released.

    Attributes:
        file: Name of the file.
    """

    code = "model_file"

    def __init__(self, message: str, *, file: str) -> None:
        super().__init__(message)
        self.file = file


class SpeechToTextError(VoxloopError):
    """Transcription failed."""

    code = "stt_failed"


class TextToSpeechError(VoxloopError):
    """Synthesis failed."""

    code = "tts_failed"


class StoreError(VoxloopError):
    """A store of conversations could not be read or written.

    ``code`` is ``"store_corrupt"`` for a file that is no store, or no longer one, and
    ``"store_busy"`` where another process holds it.
    """

    code = "store_failed"


class AgentError(VoxloopError):
    """The agent loop could not go on."""

    code = "agent_failed"


class GuardrailTripped(AgentError):
    """A guardrail ended the run.

    Attributes:
        guardrail: Its name.
        stage: ``"input"``, ``"output"``, ``"tool_input"`` or ``"tool_output"``.
        info: What the guardrail told the application.
    """

    code = "guardrail_tripped"

    def __init__(
        self, message: str, *, guardrail: str, stage: str = "", info: object = None
    ) -> None:
        super().__init__(message)
        self.guardrail = guardrail
        self.stage = stage
        self.info = info


class ToolError(AgentError):
    """A tool failed in a way that its caller asked to see.

    Attributes:
        tool: Name of the tool.
    """

    code = "tool_failed"

    def __init__(self, message: str, *, tool: str, code: str | None = None) -> None:
        super().__init__(message, code=code)
        self.tool = tool


class ModelBehaviorError(AgentError):
    """The model answered in a way that its contract does not allow."""

    code = "model_behavior"


class MaxTurnsExceeded(AgentError):
    """The agent called tools more often than ``max_turns`` allows."""

    code = "max_turns"
