"""The native module. Its classes are wrapped, documented and exported by `audio` and `net`."""

from typing import Literal, Self, TypeAlias, TypedDict, final

import numpy as np
import numpy.typing as npt
from typing_extensions import Buffer

_Encoding: TypeAlias = Literal["pcm16", "float32"]
_Quality: TypeAlias = Literal["high", "low_latency"]
_Header: TypeAlias = tuple[str, str, bool]

WebSocketItem: TypeAlias = Handshake | tuple[str | bytes, float]
HttpItem: TypeAlias = HttpHead | bytes | None

@final
class Format:
    """How samples are laid out; compared and hashed by value.

    Args:
        sample_rate: Hertz, 1,000 to 768,000.
        channels: 1 to 32; samples of one frame lie side by side (interleaved).
        encoding: ``"pcm16"``: signed 16-bit little-endian; ``"float32"``: IEEE floats in [-1, 1].

    Raises:
        AudioFormatError: A value outside these.
    """

    def __new__(
        cls, sample_rate: int, channels: int = 1, encoding: _Encoding | str = "pcm16"
    ) -> Self: ...
    @property
    def sample_rate(self) -> int: ...
    @property
    def channels(self) -> int: ...
    @property
    def encoding(self) -> _Encoding: ...
    @property
    def bytes_per_frame(self) -> int: ...
    def __hash__(self) -> int: ...
    def __reduce__(self) -> tuple[type[Self], tuple[int, int, str]]: ...

@final
class AudioChunk:
    """A run of whole frames that never changes.

    Offers the buffer protocol without a copy: ``memoryview(chunk)`` and
    ``numpy.frombuffer(chunk, "<i2")``. Slices (``chunk[a:b]``, in frames) share the memory.

    Args:
        data: Bytes-like, laid out as `format` says; copied once.
        format: The layout.

    Raises:
        AudioFormatError: `data` is not a whole number of frames.
    """

    def __new__(cls, data: Buffer, format: Format) -> Self: ...
    @property
    def format(self) -> Format: ...
    @property
    def sample_rate(self) -> int: ...
    @property
    def channels(self) -> int: ...
    @property
    def frames(self) -> int: ...
    @property
    def nbytes(self) -> int: ...
    @property
    def duration(self) -> float:
        """Seconds."""

    def numpy(self) -> npt.NDArray[np.int16] | npt.NDArray[np.float32]:
        """A read-only view of the samples, shape ``(frames,)`` or ``(frames, channels)``."""

    def float32(self) -> npt.NDArray[np.float32]:
        """The samples as float32 in [-1, 1), shape ``(frames,)`` or ``(frames, channels)``."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: slice, /) -> AudioChunk: ...
    def __bytes__(self) -> bytes: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...
    def __hash__(self) -> int: ...

@final
class VadEvent:
    """An edge of speech; positions are input frames from the start of the stream."""

    @property
    def kind(self) -> Literal["speech_start", "speech_end"]: ...
    @property
    def frame(self) -> int:
        """Where the edge lies: the first frame of speech, or the one after its last."""

    @property
    def decided_at(self) -> int:
        """How far the stream had been judged when the edge became certain."""

    def __hash__(self) -> int: ...

@final
class Resampler:
    def __new__(cls, rate_in: int, rate_out: int, channels: int, quality: _Quality) -> Self: ...
    def process(self, chunk: AudioChunk) -> AudioChunk: ...
    def flush(self) -> AudioChunk: ...
    def reset(self) -> None: ...
    @property
    def delay_frames(self) -> int: ...

@final
class Framer:
    def __new__(cls, format: Format, frames: int) -> Self: ...
    def process(self, chunk: AudioChunk) -> list[AudioChunk]: ...
    def flush(self, pad: bool) -> list[AudioChunk]: ...

@final
class Vad:
    def __new__(
        cls, sample_rate: int, threshold: float, silence_ms: int, min_speech_ms: int
    ) -> Self: ...
    def process(self, chunk: AudioChunk) -> list[VadEvent]: ...
    def flush(self) -> list[VadEvent]: ...
    def reset(self) -> None: ...
    @property
    def is_speech(self) -> bool: ...
    @property
    def probability(self) -> float: ...
    @property
    def position(self) -> int: ...

def wav_decode(data: Buffer) -> tuple[AudioChunk, bool]: ...
def wav_encode(chunk: AudioChunk) -> bytes: ...
def resample(chunk: AudioChunk, sample_rate: int, quality: _Quality) -> AudioChunk: ...
def g711_encode(chunk: AudioChunk, law: Literal["ulaw", "alaw"]) -> bytes: ...
def g711_decode(data: Buffer, law: Literal["ulaw", "alaw"], sample_rate: int) -> AudioChunk: ...
def to_mono(chunk: AudioChunk) -> AudioChunk: ...
def rms_dbfs(chunk: AudioChunk) -> float: ...

@final
class Handshake:
    """The server's answer to the upgrade; the first item of a WebSocket."""

    @property
    def headers(self) -> dict[str, str]: ...
    @property
    def subprotocol(self) -> str | None: ...
    @property
    def seconds(self) -> float: ...

@final
class WebSocket:
    @staticmethod
    def open(
        url: str,
        *,
        headers: list[_Header],
        subprotocols: list[str],
        open_timeout: float,
        close_timeout: float,
        ping_interval: float | None,
        ping_timeout: float | None,
        max_message_bytes: int,
        inbox_bytes: int,
        outbox_bytes: int,
        ca_file: str | None,
        allow_insecure_key: bool,
    ) -> WebSocket: ...
    def fileno(self) -> int: ...
    def send_fileno(self) -> int: ...
    def drain(self) -> list[WebSocketItem]: ...
    def try_send(self, data: str | bytes) -> bool: ...
    def close(self, code: int, reason: str) -> None: ...
    def abort(self) -> None: ...
    def stats(self) -> _Stats: ...

class _Stats(TypedDict):
    messages_in: int
    messages_out: int
    bytes_in: int
    bytes_out: int
    wakes: int
    rtt: float | None
    inbox_bytes: int
    outbox_bytes: int

@final
class HttpHead:
    """Status and headers of an HTTP response; the first item of a call."""

    @property
    def status(self) -> int: ...
    @property
    def headers(self) -> dict[str, str]: ...

@final
class HttpCall:
    @staticmethod
    def start(
        method: str,
        url: str,
        *,
        headers: list[_Header],
        body: bytes | None,
        multipart: list[tuple[str, bytes, str | None, str | None]] | None,
        connect_timeout: float,
        first_byte_timeout: float,
        idle_timeout: float,
        total_timeout: float | None,
        ca_file: str | None,
        allow_insecure_key: bool,
    ) -> HttpCall: ...
    def fileno(self) -> int: ...
    def drain(self) -> list[HttpItem]: ...
    def abort(self) -> None: ...

@final
class SseParser:
    def __new__(cls) -> Self: ...
    def feed(self, data: bytes) -> list[tuple[str, str, str]]: ...

def retry_delay(
    failures: int,
    status: int | None,
    headers: list[tuple[str, str]],
    error_code: str | None,
    error_type: str | None,
    random: float,
) -> float | None: ...
def configure_runtime(worker_threads: int) -> None: ...
def after_fork_in_child() -> None: ...
def shutdown(timeout: float) -> None: ...
def live_tasks() -> int: ...
