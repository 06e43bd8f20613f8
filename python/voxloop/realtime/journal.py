"""The frames of a session as lines of JSON, without keys, and without content if that is wanted.

The first line describes the recording; each further line is one frame: ``at`` in seconds since the
beginning, ``dir`` (``"in"`` from the server), ``epoch`` (which connection) and ``event``. Where
frames are missing because the disk was slow, ``dropped`` says how many are, up to there.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from pathlib import Path

from voxloop._version import __version__

VERSION = 1
HIDDEN = "[redacted]"
_SECRETS = frozenset({"authorization", "api_key", "headers", "client_secret", "api-key"})
_CONTENT = frozenset(
    {
        "text", "transcript", "delta", "audio", "instructions", "arguments", "output", "input",
        "image_url", "message", "description", "metadata", "prompt", "variables", "keywords",
    }
)  # fmt: skip
_KEY = re.compile(r"\b(sk|ek)[-_][\w\-]{8,}")


class Journal:
    """Writes the lines.

    Raises:
        OSError: The file cannot be made or written.
    """

    def __init__(self, path: Path, *, redact: bool) -> None:
        self._redact = redact
        self._dropped = 0
        self._file = path.open("w", encoding="utf-8")
        self._line(
            {
                "recording": VERSION,
                "voxloop": __version__,
                "started": time.time(),
                "rate": 24_000,
                "redacted": redact,
            }
        )

    def write(self, direction: str, data: str | bytes, at: float, epoch: int, dropped: int) -> None:
        """Add a frame."""
        try:
            event: object = clean(json.loads(data), content=not self._redact)
        except (ValueError, RecursionError):
            text = data if isinstance(data, str) else data.decode("utf-8", "replace")
            event = HIDDEN if self._redact else _KEY.sub(HIDDEN, text)
        line: dict[str, object] = {
            "at": round(at, 6), "dir": direction, "epoch": epoch, "event": event
        }  # fmt: skip
        if dropped != self._dropped:
            line["dropped"] = self._dropped = dropped
        self._line(line)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _line(self, value: Mapping[str, object]) -> None:
        self._file.write(json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n")


def clean(value: object, *, content: bool) -> object:
    """JSON without keys and, if ``content`` is False, without words, sound and images."""
    if isinstance(value, dict):
        return {name: _field(name, inner, content=content) for name, inner in value.items()}
    if isinstance(value, list):
        return [clean(inner, content=content) for inner in value]
    if isinstance(value, str) and ("sk" in value or "ek" in value) and len(value) < 100_000:
        return _KEY.sub(HIDDEN, value)
    return value


def _field(name: str, value: object, *, content: bool) -> object:
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if name in _SECRETS:
        return HIDDEN
    if not content and name in _CONTENT and (isinstance(value, str) or name in _WHOLE):
        return HIDDEN
    return clean(value, content=content)


_WHOLE = frozenset({"metadata", "prompt", "variables", "keywords"})
