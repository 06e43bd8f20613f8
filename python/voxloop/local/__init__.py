"""Offline engines and a local server that speaks OpenAI's API. Needs the extra ``local``."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from voxloop.local.engines import Engines, load_engines
    from voxloop.local.provider import Local
    from voxloop.local.server import Server, serve

__all__ = ["Engines", "Local", "Server", "load_engines", "serve"]

_HOMES = {
    "Engines": "engines",
    "Local": "provider",
    "Server": "server",
    "load_engines": "engines",
    "serve": "server",
}


def __getattr__(name: str) -> object:
    # Each part on first use: numpy and the HTTP packages are only needed for some.
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    try:
        return getattr(importlib.import_module(f"{__name__}.{home}"), name)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "voxloop":
            raise
        from voxloop.local.models import missing_extra

        raise missing_extra(error.name) from error


def __dir__() -> list[str]:
    return __all__
