"""Audio values and streams: PCM, WAV, resampling, framing and voice activity detection.

Every function that takes audio takes an `AudioChunk`, bytes-like PCM16 (little-endian, mono at
24,000 Hz unless a format is given), an ``array.array`` or a numpy array (int16 or float32, shape
``(frames,)`` or ``(frames, channels)``). numpy itself is only needed for what returns its arrays.
"""

from __future__ import annotations

from voxloop._errors import AudioFormatError, WavError
from voxloop._native import AudioChunk, Format, VadEvent
from voxloop.audio._chunk import (
    PCM16K,
    PCM24K,
    AudioLike,
    as_chunk,
    concat,
    rms_dbfs,
    silence,
    to_mono,
)
from voxloop.audio._g711 import alaw_decode, alaw_encode, ulaw_decode, ulaw_encode
from voxloop.audio._streams import Framer, Quality, Resampler, Vad, resample
from voxloop.audio._wav import TruncatedWavWarning, decode_wav, encode_wav, read_wav, write_wav

__all__ = [
    "PCM16K",
    "PCM24K",
    "AudioChunk",
    "AudioFormatError",
    "AudioLike",
    "Format",
    "Framer",
    "Quality",
    "Resampler",
    "TruncatedWavWarning",
    "Vad",
    "VadEvent",
    "WavError",
    "alaw_decode",
    "alaw_encode",
    "as_chunk",
    "concat",
    "decode_wav",
    "encode_wav",
    "read_wav",
    "resample",
    "rms_dbfs",
    "silence",
    "to_mono",
    "ulaw_decode",
    "ulaw_encode",
    "write_wav",
]
