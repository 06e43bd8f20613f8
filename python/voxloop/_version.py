"""The version, read from the installed package's metadata."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("voxloop")
except PackageNotFoundError:  # a source tree on the path, never installed
    __version__ = "0.0.0"
