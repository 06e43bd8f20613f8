"""The real recordings, which lie beside the project and are never part of it."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Clip:
    """One recording and what is said in it."""

    id: str
    path: Path
    text: str
    group: str
    seconds: float


@cache
def folder() -> Path | None:
    """``VOXLOOP_SPEECH``, or the nearest ``shared/speech`` above the project."""
    named = os.environ.get("VOXLOOP_SPEECH")
    candidates = [Path(named)] if named else []
    candidates += [above / "shared" / "speech" for above in Path(__file__).resolve().parents]
    return next((path for path in candidates if (path / "index.json").is_file()), None)


@cache
def clips(group: str | None = None) -> tuple[Clip, ...]:
    """All recordings, or those of one group; empty where the folder is absent."""
    home = folder()
    if home is None:
        return ()
    index = json.loads((home / "index.json").read_text(encoding="utf-8"))
    found = (
        Clip(c["id"], home / c["file"], c["text"], c["group"], c["seconds"]) for c in index["clips"]
    )
    return tuple(clip for clip in found if group in (None, clip.group))


def require_clips(group: str | None = None) -> tuple[Clip, ...]:
    """The recordings, or a loud skip."""
    found = clips(group)
    if not found:
        pytest.skip(
            "NO REAL SPEECH HERE: no shared/speech folder above the project and VOXLOOP_SPEECH is "
            "not set; this test needs recordings of people"
        )
    return found


def clip_path(clip_id: str) -> Path:
    """The path of one recording, or a loud skip."""
    return next(clip.path for clip in require_clips() if clip.id == clip_id)
