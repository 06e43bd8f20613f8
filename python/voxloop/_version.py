"""The version, from the native module: reading a package's metadata takes a megabyte of modules."""

from __future__ import annotations

from voxloop._native import __version__ as __version__
