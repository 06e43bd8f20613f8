"""Audio values and streams: PCM, WAV, G.711, resampling, framing, playback, voice activity.

Every function that takes audio takes an `AudioChunk`, bytes-like PCM16 (little-endian, mono at
24,000 Hz unless a format is given), an ``array.array`` or a numpy array (int16 or float32, shape
``(frames,)`` or ``(frames, channels)``). numpy itself is only needed for what returns its arrays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from voxloop._errors import AudioFormatError, DeviceError, WavError
from voxloop._lazy import lazy

# What is called for each 20 ms comes from the native module as it is: a Python function in between
# would be an eighth of the call.
from voxloop._native import (
    AudioChunk,
    Dither,
    Format,
    Heard,
    JitterStats,
    MediaSink,
    MediaSource,
    Pace,
    Packed,
    PlaybackLedger,
    VadEvent,
    VadFrame,
    WavInfo,
    alaw_decode,
    alaw_encode,
    channel,
    gain,
    mix,
    peak,
    peak_dbfs,
    rms,
    rms_dbfs,
    to_float32,
    to_mono,
    to_pcm16,
    ulaw_decode,
    ulaw_encode,
)
from voxloop.audio._chunk import PCM16K, PCM24K, AudioLike, as_chunk, concat, silence
from voxloop.audio._media import (
    CallbackSink,
    NullSink,
    OnSound,
    PushSource,
    Sink,
    Source,
    WavSink,
    WavSource,
)
from voxloop.audio._streams import Framer, Quality, Resampler, resample
from voxloop.audio._wav import (
    Encoding,
    TruncatedWavWarning,
    decode_wav,
    encode_wav,
    read_wav,
    wav_info,
    write_wav,
)

if TYPE_CHECKING:
    from voxloop.audio._devices import Device, Microphone, Speaker, devices
    from voxloop.audio._pcm import Width, decode_pcm, encode_pcm
    from voxloop.audio._playback import JitterBuffer, Overrun, Pacer
    from voxloop.audio._vad import EnergyGate, Vad
    from voxloop.audio._wavstream import WavDecoder, WavReader, WavWriter

__all__ = [
    "PCM16K",
    "PCM24K",
    "AudioChunk",
    "AudioFormatError",
    "AudioLike",
    "CallbackSink",
    "Device",
    "DeviceError",
    "Dither",
    "Encoding",
    "EnergyGate",
    "Format",
    "Framer",
    "Heard",
    "JitterBuffer",
    "JitterStats",
    "MediaSink",
    "MediaSource",
    "Microphone",
    "NullSink",
    "OnSound",
    "Overrun",
    "Pace",
    "Pacer",
    "Packed",
    "PlaybackLedger",
    "PushSource",
    "Quality",
    "Resampler",
    "Sink",
    "Source",
    "Speaker",
    "TruncatedWavWarning",
    "Vad",
    "VadEvent",
    "VadFrame",
    "WavDecoder",
    "WavError",
    "WavInfo",
    "WavReader",
    "WavSink",
    "WavSource",
    "WavWriter",
    "Width",
    "alaw_decode",
    "alaw_encode",
    "as_chunk",
    "channel",
    "concat",
    "decode_pcm",
    "decode_wav",
    "devices",
    "encode_pcm",
    "encode_wav",
    "gain",
    "mix",
    "peak",
    "peak_dbfs",
    "read_wav",
    "resample",
    "rms",
    "rms_dbfs",
    "silence",
    "to_float32",
    "to_mono",
    "to_pcm16",
    "ulaw_decode",
    "ulaw_encode",
    "wav_info",
    "write_wav",
]

# What a realtime session does without.
__getattr__, __dir__ = lazy(
    __name__,
    __all__,
    {
        "Device": "_devices",
        "EnergyGate": "_vad",
        "JitterBuffer": "_playback",
        "Microphone": "_devices",
        "Overrun": "_playback",
        "Pacer": "_playback",
        "Speaker": "_devices",
        "Vad": "_vad",
        "WavDecoder": "_wavstream",
        "WavReader": "_wavstream",
        "WavWriter": "_wavstream",
        "Width": "_pcm",
        "decode_pcm": "_pcm",
        "devices": "_devices",
        "encode_pcm": "_pcm",
    },
)
