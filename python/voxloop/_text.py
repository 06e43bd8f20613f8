"""The native text splitter, for the rooms above; `voice.splitter` wraps and documents it."""

from __future__ import annotations

from voxloop._native import Splitter as NativeSplitter

__all__ = ["NativeSplitter"]
