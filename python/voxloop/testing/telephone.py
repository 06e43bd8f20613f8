"""The formats of a scripted session: PCM16 as the script has it, or G.711 where one was set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

from voxloop.audio import PCM24K, AudioChunk, alaw_encode, resample, ulaw_encode

Way: TypeAlias = Literal["input", "output"]
_LAWS = {"audio/pcmu": ulaw_encode, "audio/pcma": alaw_encode}
_RATE = 8_000


def _format(session: Mapping[str, object], way: Way) -> str:
    """Type of the format that the client has set."""
    tree: object = session
    for name in ("audio", way, "format", "type"):
        tree = tree.get(name) if isinstance(tree, dict) else None
    return str(tree)


def bytes_per_ms(session: Mapping[str, object], way: Way) -> int:
    """Bytes of a millisecond of one direction: of G.711 8, else 48."""
    return 8 if _format(session, way) in _LAWS else 48


def spoken(session: Mapping[str, object], sound: bytes) -> bytes:
    """Sound of the script (PCM16 at 24,000 Hz) as the session's output format has it."""
    encode = _LAWS.get(_format(session, "output"))
    if encode is None:
        return sound
    return encode(resample(AudioChunk(sound, PCM24K), _RATE))
