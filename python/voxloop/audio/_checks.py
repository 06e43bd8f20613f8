"""Numbers that callers give, checked before anything is computed from them."""

from __future__ import annotations

import math
import operator
import sys
from typing import BinaryIO, SupportsFloat, SupportsIndex, cast

from voxloop._errors import AudioFormatError
from voxloop._native import Format

_MOST_MS = 3_600_000
"""An hour: no buffer or frame is meant to hold more, and it keeps the arithmetic small."""


def checked_format(format: object) -> Format:
    """`format`, if it is one."""
    if not isinstance(format, Format):
        raise AudioFormatError(f"format: got {shown(format)}, wanted an audio.Format")
    return format


def checked_file(file: BinaryIO, method: str) -> BinaryIO:
    """`file`, if it has the method that is needed of it."""
    if not callable(getattr(file, method, None)):
        raise AudioFormatError(f"file: got {shown(file)}, wanted a path or a binary file object")
    return file


def flag(value: object, what: str) -> bool:
    """True or False, nothing that merely counts as one."""
    if not isinstance(value, bool):
        raise AudioFormatError(f"{what}: got {shown(value)}, wanted True or False")
    return value


def whole(value: object, what: str, low: int, high: int = sys.maxsize) -> int:
    """A whole number from `low` to `high`; numpy's integers too, but no ``bool``."""
    if not isinstance(value, bool):
        try:
            number = operator.index(cast("SupportsIndex", value))
        except TypeError:
            pass
        else:
            if low <= number <= high:
                return number
    limits = f"{low} or more" if high == sys.maxsize else f"{low} to {high}"
    raise AudioFormatError(f"{what}: got {shown(value)}, wanted a whole number, {limits}")


def real(value: object, what: str, low: float, high: float) -> float:
    """A finite number from `low` to `high`; no ``bool``, and no text."""
    if not isinstance(value, bool | str | bytes | bytearray):
        try:
            number = float(cast("SupportsFloat", value))
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        if low <= number <= high:
            return number
    raise AudioFormatError(f"{what}: got {shown(value)}, wanted a number, {low:g} to {high:g}")


def ms_to_frames(sample_rate: int, ms: object) -> int:
    """Frames of a time, rounded to the nearest."""
    return round(sample_rate * real(ms, "milliseconds", 0, _MOST_MS) / 1_000)


def whole_frames(sample_rate: int, ms: object) -> int:
    """Frames of a time that must be a whole number of them, and at least one."""
    frames = sample_rate * real(ms, "frame_ms", 0, _MOST_MS) / 1_000
    if frames < 1 or frames != int(frames):
        raise AudioFormatError(
            f"frame_ms: {shown(ms)} at {sample_rate} Hz is not a whole number of samples"
        )
    return int(frames)


def shown(value: object) -> str:
    """A value for a message; its type alone where its text is long or fails."""
    try:
        text = repr(value)
    except Exception:
        text = ""
    return text if 0 < len(text) <= 60 else f"a value of type {type(value).__name__}"
