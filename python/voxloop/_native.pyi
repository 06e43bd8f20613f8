"""The native module. Its classes are wrapped, documented and exported by `audio` and `net`."""

from typing import Literal, Self, TypeAlias, TypedDict, final

import numpy as np
import numpy.typing as npt
from typing_extensions import Buffer, disjoint_base

_Encoding: TypeAlias = Literal["pcm16", "float32"]
_Quality: TypeAlias = Literal["high", "low_latency"]
_Width: TypeAlias = Literal["pcm_u8", "pcm24", "pcm32"]
_Audio: TypeAlias = AudioChunk | Buffer | npt.NDArray[np.int16] | npt.NDArray[np.float32]
_Header: TypeAlias = tuple[str, str, bool]
_Way: TypeAlias = tuple[str | None, str | None, str | None, str | None, bool]
Part: TypeAlias = tuple[str, str | bytes, str | None, str | None]

WebSocketItem: TypeAlias = Handshake | tuple[str | bytes | AudioDelta | MediaCut, float]
_MediaReport: TypeAlias = tuple[str, AudioChunk | int | MediaCut | str | None]
HttpItem: TypeAlias = HttpHead | bytes | None

__version__: str

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
        data: Bytes-like, laid out as `format` says. ``bytes`` are shared and kept alive; all else
            is copied once.
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
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, memo: dict[int, object], /) -> Self: ...
    def __hash__(self) -> int: ...
    def __reduce__(self) -> tuple[type[Self], tuple[bytes, Format]]: ...

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
class VadFrame:
    """What a detector said about one stretch of its input; positions are input frames."""

    @property
    def start(self) -> int: ...
    @property
    def end(self) -> int: ...
    @property
    def probability(self) -> float:
        """Of speech, 0 to 1."""

    @property
    def is_speech(self) -> bool:
        """Whether the stream counts as speech after this stretch."""

@final
class Resampler:
    def __new__(
        cls,
        rate_in: int,
        rate_out: int,
        channels: int,
        quality: _Quality,
        simd: str | None = None,
    ) -> Self: ...
    def process(self, data: _Audio) -> AudioChunk: ...
    def flush(self) -> AudioChunk: ...
    def reset(self) -> None: ...
    @property
    def delay_frames(self) -> int: ...
    @property
    def simd(self) -> str: ...

@final
class Framer:
    def __new__(cls, format: Format, frames: int) -> Self: ...
    def process(self, data: _Audio) -> list[AudioChunk]: ...
    def flush(self, pad: bool) -> list[AudioChunk]: ...
    def reset(self) -> None: ...
    @property
    def pending_frames(self) -> int: ...

@final
class Vad:
    def __new__(
        cls,
        sample_rate: int,
        threshold: float,
        release: float,
        silence_ms: int,
        min_speech_ms: int,
    ) -> Self: ...
    def process(self, data: _Audio) -> tuple[list[VadEvent], list[VadFrame]]: ...
    def flush(self) -> tuple[list[VadEvent], list[VadFrame]]: ...
    def reset(self) -> None: ...
    @property
    def is_speech(self) -> bool: ...
    @property
    def probability(self) -> float: ...
    @property
    def position(self) -> int: ...

@final
class EnergyGate:
    def __new__(
        cls,
        sample_rate: int,
        threshold_dbfs: float,
        margin_db: float,
        silence_ms: int,
        min_speech_ms: int,
    ) -> Self: ...
    def process(self, data: _Audio) -> tuple[list[VadEvent], list[VadFrame]]: ...
    def flush(self) -> tuple[list[VadEvent], list[VadFrame]]: ...
    def reset(self) -> None: ...
    @property
    def is_speech(self) -> bool: ...
    @property
    def floor_dbfs(self) -> float | None: ...
    @property
    def position(self) -> int: ...

@final
class Dither:
    """Rounding to 16 bits with triangular dither of two steps, for an error that is plain noise.

    The mean and the power of the rounding error do not depend on the signal then (Lipshitz,
    Wannamaker and Vanderkooy 1992), at the price of 4.8 dB more noise. The same seed gives the
    same output, however the stream is cut.

    Args:
        seed: 0 to 2**64 - 1.
    """

    def __new__(cls, seed: int) -> Self: ...
    def process(self, data: _Audio) -> AudioChunk:
        """The next chunk as PCM16."""

@final
class JitterStats:
    """Counters of a `JitterBuffer`: ``pushed == played + dropped + cleared`` and what is held."""

    @property
    def pushed(self) -> int:
        """Frames taken."""

    @property
    def played(self) -> int:
        """Frames of sound given out."""

    @property
    def dropped(self) -> int:
        """Frames given up because the buffer was full."""

    @property
    def cleared(self) -> int:
        """Frames given up by `JitterBuffer.clear`."""

    @property
    def concealed(self) -> int:
        """Frames of silence in place of sound that had not come in time."""

    @property
    def underruns(self) -> int:
        """Times that it ran dry."""

    @property
    def overruns(self) -> int:
        """Pushes that found too little room."""

@final
class JitterBuffer:
    def __new__(cls, format: Format, target: int, capacity: int, drop_newest: bool) -> Self: ...
    def push(self, data: _Audio) -> int: ...
    def pull(self, frames: int) -> tuple[AudioChunk, int]: ...
    def end(self) -> None: ...
    def clear(self) -> int: ...
    def set_target(self, frames: int) -> None: ...
    @property
    def depth(self) -> int: ...
    @property
    def target(self) -> int: ...
    @property
    def capacity(self) -> int: ...
    @property
    def is_playing(self) -> bool: ...
    @property
    def stats(self) -> JitterStats: ...

@final
class Heard:
    """How far one item of a `PlaybackLedger` has come, in frames."""

    @property
    def played(self) -> int: ...
    @property
    def pending(self) -> int:
        """Queued and not yet played."""

    @property
    def dropped(self) -> int:
        """Queued and given up."""

    @property
    def is_complete(self) -> bool:
        """Whether all that was queued has been played."""

@final
class PlaybackLedger:
    """What of each item was really heard, to the frame.

    Sound is entered with `queue` as it is handed to a device that plays in order; `play` says how
    many frames the device has played since.

    Args:
        sample_rate: Hertz of the device.

    Raises:
        AudioFormatError: A rate out of range; from the methods, a negative count.

    Example:
        >>> from voxloop import audio
        >>> ledger = audio.PlaybackLedger(24_000)
        >>> ledger.queue("item_1", 24_000)
        >>> ledger.play(6_000)
        0
        >>> (ledger.heard_ms("item_1"), ledger.clear())
        (250, 18000)
    """

    def __new__(cls, sample_rate: int) -> Self: ...
    def queue(self, item: str, frames: int) -> None:
        """Enter frames of an item at the end of the device's queue."""

    def play(self, frames: int) -> int:
        """The device has played this many more; returns those beyond the queue: silence."""

    def clear(self) -> int:
        """Give up all that is queued, as when the listener interrupts; returns how many frames."""

    def heard(self, item: str) -> Heard:
        """How far an item has come; zeros for one never queued."""

    def heard_ms(self, item: str) -> int:
        """Whole milliseconds of an item that were heard, rounded down."""

    def forget(self, item: str) -> bool:
        """Drop the account of an item with nothing pending; whether there was one."""

    def items(self) -> list[tuple[str, Heard]]:
        """Every item, in the order of its first frame."""

    @property
    def current(self) -> str | None:
        """The item that plays, or plays next."""

    @property
    def pending_frames(self) -> int: ...
    @property
    def played_frames(self) -> int: ...
    @property
    def silence_frames(self) -> int:
        """Frames played while nothing was queued."""

@final
class Pace:
    """What a `Pacer` says at one reading of the clock."""

    @property
    def due(self) -> int:
        """Blocks to send now."""

    @property
    def skipped(self) -> int:
        """Blocks given up because the caller came too late for them."""

    @property
    def wait(self) -> float:
        """Seconds until the next block is due."""

@final
class Packed:
    """Bytes that are kept in less room, without loss: speech in PCM16 takes about half of it.

    ``bytes(packed)`` are those that were given, ``len(packed)`` is how many they are, and
    ``sys.getsizeof(packed)`` what is held. Bytes that are no PCM16 take what they took.

    Args:
        data: Bytes-like: PCM16, little-endian, mono.

    Raises:
        AudioFormatError: It is not bytes-like.

    Example:
        >>> from voxloop import audio
        >>> silence = audio.Packed(bytes(48_000))
        >>> (len(silence), bytes(silence) == bytes(48_000))
        (48000, True)
    """

    def __new__(cls, data: Buffer) -> Self: ...
    def __len__(self) -> int: ...
    def __bytes__(self) -> bytes: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...

@final
class Pacer:
    def __new__(cls, sample_rate: int, frames: int, catch_up: int, lead: int) -> Self: ...
    def poll(self, now: float) -> Pace: ...
    def reset(self) -> None: ...
    @property
    def interval(self) -> float: ...
    @property
    def skipped(self) -> int: ...

@final
class WavInfo:
    """What a WAV file says about itself, and what was found to be true."""

    @property
    def sample_rate(self) -> int: ...
    @property
    def channels(self) -> int: ...
    @property
    def encoding(self) -> str:
        """As stored: pcm_u8, pcm16, pcm24, pcm32, float32, float64, alaw or ulaw."""

    @property
    def bits(self) -> int:
        """Bits of a sample that carry signal."""

    @property
    def channel_mask(self) -> int | None:
        """Speaker positions of an extensible header."""

    @property
    def frames(self) -> int:
        """Whole frames that are there."""

    @property
    def duration(self) -> float:
        """Seconds."""

    @property
    def truncated(self) -> bool:
        """Whether the header states another length than there is, or none."""

    @property
    def more_data(self) -> bool:
        """Whether another data chunk follows, which is not read."""

    @property
    def data_offset(self) -> int:
        """Bytes before the first sample."""

@final
class WavDecoder:
    def __new__(cls, encoding: _Encoding) -> Self: ...
    def feed(self, data: Buffer) -> AudioChunk | None: ...
    def finish(self) -> tuple[AudioChunk, WavInfo]: ...
    @property
    def info(self) -> WavInfo | None: ...

def as_chunk(data: _Audio, format: Format | None = None) -> AudioChunk: ...
def wav_decode(data: Buffer, encoding: _Encoding) -> tuple[AudioChunk, WavInfo]: ...
def wav_encode(data: _Audio) -> bytes: ...
def wav_header(format: Format, data_bytes: int | None, seekable: bool) -> bytes: ...
def wav_parse(data: Buffer) -> WavInfo: ...
def resample(data: _Audio, sample_rate: int, quality: _Quality) -> AudioChunk: ...
def alaw_decode(data: Buffer, *, sample_rate: int = 8_000) -> AudioChunk:
    """A-law bytes to PCM16 mono."""

def alaw_encode(chunk: _Audio) -> bytes:
    """A-law codes of PCM16, one byte a sample (ITU-T G.711; rounding as in G.191)."""

def ulaw_decode(data: Buffer, *, sample_rate: int = 8_000) -> AudioChunk:
    """u-law bytes to PCM16 mono."""

def ulaw_encode(chunk: _Audio) -> bytes:
    """u-law codes of PCM16, one byte a sample (ITU-T G.711; rounding as in G.191)."""

def pcm_decode(data: Buffer, width: _Width, format: Format) -> AudioChunk: ...
def pcm_encode(data: _Audio, width: _Width) -> bytes: ...
def gain(chunk: _Audio, factor: float) -> AudioChunk:
    """Every sample times `factor`.

    Args:
        chunk: PCM16 is rounded to nearest, halves to even, and clamped; float32 is not clamped.
        factor: Linear; for decibels ``10 ** (db / 20)``.

    Raises:
        AudioFormatError: `factor` is not finite.

    Example:
        >>> import array
        >>> from voxloop import audio
        >>> bytes(audio.gain(array.array("h", [100, -30_000]), 2.0)) == bytes(
        ...     array.array("h", [200, -32_768])
        ... )
        True
    """

def mix(one: _Audio, other: _Audio) -> AudioChunk:
    """The sum of two chunks, each sample clamped to full scale.

    Raises:
        AudioFormatError: The chunks differ in format or in length.
    """

def rms(chunk: _Audio) -> float:
    """Root mean square in full-scale units, 0 to 1; 0 for no frames."""

def peak(chunk: _Audio) -> float:
    """Largest magnitude in full-scale units, 0 to 1; 0 for no frames."""

def rms_dbfs(chunk: _Audio) -> float:
    """Root mean square level in dB relative to full scale; ``-inf`` for silence or no frames."""

def peak_dbfs(chunk: _Audio) -> float:
    """Largest magnitude in dB relative to full scale; ``-inf`` for silence or no frames."""

def channel(chunk: _Audio, index: int) -> AudioChunk:
    """One channel, counted from 0, in the chunk's own encoding.

    Raises:
        AudioFormatError: There is no such channel.
    """

def to_mono(chunk: _Audio) -> AudioChunk:
    """The mean of all channels as PCM16; a mono PCM16 chunk comes back as it is."""

def to_pcm16(chunk: _Audio) -> AudioChunk:
    """As PCM16: ``round(x * 32768)``, halves to even, clamped, NaN as 0.

    There is no dither; see `Dither`. A PCM16 chunk comes back as it is.
    """

def to_float32(chunk: _Audio) -> AudioChunk:
    """As float32: ``x / 32768``, in [-1, 1); `to_pcm16` brings the same samples back.

    A float32 chunk comes back as it is.
    """

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
        way: _Way,
        coalesce: float,
        decode_audio: bool,
    ) -> WebSocket: ...
    def fileno(self) -> int: ...
    def send_fileno(self) -> int: ...
    def drain(self) -> list[WebSocketItem]: ...
    def try_send(self, data: str | bytes) -> bool: ...
    def try_append(self, data: bytes) -> bool: ...
    def keep_messages(self, wanted: bool) -> None: ...
    def close(self, code: int, reason: str) -> None: ...
    def abort(self) -> None: ...
    def stats(self) -> _Stats: ...

@final
class AudioDelta:
    """Sound of one part of an answer, decoded; pieces that came together are one."""

    @property
    def item_id(self) -> str: ...
    @property
    def response_id(self) -> str: ...
    @property
    def content_index(self) -> int: ...
    @property
    def output_index(self) -> int: ...
    @property
    def nbytes(self) -> int:
        """Bytes of audio."""

    @property
    def taken(self) -> bool:
        """Whether a sink has taken the audio."""

    @property
    def dropped(self) -> bool:
        """Whether the audio was dropped: its answer was stopped, or there was no room."""

    @property
    def data(self) -> bytes:
        """The audio; it may end inside a sample. Empty if a sink has taken it."""

    def chunk(self) -> AudioChunk | None:
        """PCM16 mono at 24,000 Hz, without a copy; None if it ends inside a sample."""

    @property
    def messages(self) -> list[tuple[str, float]]:
        """The messages it came in, each with its time of arrival; none that were not kept."""

@final
class CutItem:
    """A message that was cut short."""

    @property
    def item_id(self) -> str: ...
    @property
    def response_id(self) -> str: ...
    @property
    def content_index(self) -> int: ...
    @property
    def heard_ms(self) -> int:
        """How much of it was heard."""

    @property
    def received_ms(self) -> int:
        """How much of it had come, rounded up."""

    @property
    def in_conversation(self) -> bool:
        """Whether the server can be told."""

    @property
    def sent(self) -> bool:
        """Whether the server was told."""

@final
class MediaCut:
    """An interruption that was carried out."""

    @property
    def reason(self) -> str:
        """``server``, ``local`` or ``application``."""

    @property
    def items(self) -> list[CutItem]:
        """What was not heard to its end, in the order of playing."""

    @property
    def muted(self) -> list[str]:
        """Responses of which nothing more is played."""

    @property
    def taken_bytes(self) -> int:
        """Bytes of sound taken until then, all of them played or given up."""

    @property
    def at(self) -> float:
        """When its cause arrived."""

    @property
    def seconds(self) -> float:
        """From then until the sink was silent and the server's share was queued."""

@final
class MediaSource:
    """The native side of a source, to be attached once."""

    @staticmethod
    def clip(chunk: AudioChunk, realtime: bool, looped: bool, frame_ms: int) -> MediaSource: ...
    @staticmethod
    def microphone(name: str | None, frame_ms: int) -> MediaSource: ...
    @staticmethod
    def pushed(queue: PushQueue) -> MediaSource: ...

@final
class MediaSink:
    """The native side of a sink, to be attached once."""

    @staticmethod
    def null(sample_rate: int, buffer_ms: int) -> MediaSink: ...
    @staticmethod
    def wav(path: str, sample_rate: int, buffer_ms: int) -> MediaSink: ...
    @staticmethod
    def batches(sample_rate: int, buffer_ms: int, batch_ms: int) -> MediaSink: ...
    @staticmethod
    def speaker(name: str | None, latency_ms: int, buffer_ms: int) -> MediaSink: ...

def media_devices() -> list[tuple[str, str, bool, bool, bool, int, int]]: ...

@final
class PushQueue:
    def __new__(cls, sample_rate: int, max_bytes: int) -> Self: ...
    def send_fileno(self) -> int: ...
    def try_send(self, data: str | bytes) -> bool: ...
    def close(self) -> None: ...

@final
class Media:
    def __new__(
        cls,
        *,
        source: MediaSource | None,
        sink: MediaSink | None,
        input_format: str,
        output_format: str,
        frame_ms: int,
        barge_in: bool,
        local_vad: str | None,
        keep_seconds: int,
        prefix: str,
        tap_sound: bool,
        tap_texts: bool,
    ) -> Self: ...
    def bind(self, socket: WebSocket) -> int: ...
    def unbind(self) -> None: ...
    def cut(self) -> MediaCut | None: ...
    def deliver(self, item_id: str, response_id: str, content_index: int, data: bytes) -> bool: ...
    def outside(self, response_id: str) -> None: ...
    def heard(self, item_id: str) -> tuple[int, int, int, int] | None: ...
    def fileno(self) -> int: ...
    def drain(self) -> list[_MediaReport]: ...
    def tap(self, sound: bool, texts: bool) -> None: ...
    def tapped(
        self,
    ) -> tuple[
        list[tuple[float, AudioChunk]],
        list[tuple[float, AudioChunk]],
        list[tuple[float, str]],
        int,
    ]: ...
    def sent_up(self) -> tuple[int, int]: ...
    def taken_bytes(self) -> int: ...
    def close(self) -> None: ...
    def abort(self) -> None: ...
    def stats(self) -> _MediaFigures: ...

class _MediaFigures(TypedDict):
    frames_up: int
    late_frames_up: int
    worst_up: float
    sent_up: int
    position_up: int
    lost_up: int
    kept_up: int
    source_dropped: int
    device_underruns: int
    level_up: float
    level_down: float
    blocks_down: int
    late_blocks_down: int
    worst_down: float
    pieces_down: int
    late_pieces: int
    overruns: int
    underruns: int
    played_frames: int
    queued_frames: int
    dropped_callback_frames: int
    interruptions: int
    recent: list[tuple[str, float, float, list[tuple[str, int]]]]

class _Stats(TypedDict):
    messages_in: int
    messages_out: int
    bytes_in: int
    bytes_out: int
    wakes: int
    rtt: float | None
    pongs: int
    inbox_bytes: int
    outbox_bytes: int

@final
class HttpHead:
    """Status and headers of an HTTP response; the first item of a call."""

    @property
    def status(self) -> int: ...
    @property
    def version(self) -> str: ...
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
        body: bytes | list[Part] | tuple[int | None] | None,
        connect_timeout: float,
        first_byte_timeout: float,
        idle_timeout: float,
        total_timeout: float | None,
        way: _Way,
    ) -> HttpCall: ...
    def fileno(self) -> int: ...
    def drain(self) -> list[HttpItem]: ...
    def send_fileno(self) -> int: ...
    def try_send(self, data: str | bytes) -> bool: ...
    def end_body(self) -> None: ...
    def abort(self) -> None: ...

@final
class SseParser:
    def __new__(cls) -> Self: ...
    def feed(self, data: bytes) -> list[tuple[str, str, str]]: ...

@disjoint_base
class Splitter:
    def __new__(
        cls,
        *,
        first_sentence: int,
        first_clause: int,
        first_most: int,
        sentence: int,
        most: int,
    ) -> Self: ...
    def push(self, delta: str) -> list[str]: ...
    def flush(self) -> list[str]: ...

def retry_delay(
    failures: int,
    status: int | None,
    headers: list[tuple[str, str]],
    error_code: str | None,
    error_type: str | None,
    random: float,
    budget: float | None,
) -> float | None: ...
def quota_codes() -> list[str]: ...
def configure_runtime(worker_threads: int) -> None: ...
def after_fork_in_child() -> None: ...
def shutdown(timeout: float) -> None: ...
def live_tasks() -> int: ...
def drop_idle_connections() -> None: ...
