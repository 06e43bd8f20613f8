"""Voice agents on trio, with a Rust core.

Two engines take the same `Agent`, providers, audio types and telemetry: a *realtime session*
(`voxloop.realtime`, speech to speech over one WebSocket) and a *voice pipeline*
(`voxloop.voice`, speech to text, a workflow or agent, text to speech). Names are loaded when they
are first used, so that ``import voxloop`` costs next to nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False  # as checkers know it, without the 20 ms that importing `typing` takes
if TYPE_CHECKING:
    from voxloop import audio, local, net, providers, realtime, telemetry, testing, tools, voice
    from voxloop._errors import (
        ApiError,
        AudioFormatError,
        AuthenticationError,
        ConfigError,
        MissingExtra,
        NetworkError,
        VoxloopError,
    )
    from voxloop._version import __version__
    from voxloop.agents import Agent, Handoff, RunContext
    from voxloop.local import Local
    from voxloop.providers import OpenAI
    from voxloop.tools import FileSearch, LocalFileSearch, Tool, tool

__all__ = [
    "Agent",
    "ApiError",
    "AudioFormatError",
    "AuthenticationError",
    "ConfigError",
    "FileSearch",
    "Handoff",
    "Local",
    "LocalFileSearch",
    "MissingExtra",
    "NetworkError",
    "OpenAI",
    "RunContext",
    "Tool",
    "VoxloopError",
    "__version__",
    "audio",
    "local",
    "net",
    "providers",
    "realtime",
    "telemetry",
    "testing",
    "tool",
    "tools",
    "voice",
]

_HOME = {
    "Agent": "agents",
    "ApiError": "_errors",
    "AudioFormatError": "_errors",
    "AuthenticationError": "_errors",
    "ConfigError": "_errors",
    "FileSearch": "tools",
    "Handoff": "agents",
    "Local": "local",
    "LocalFileSearch": "tools",
    "MissingExtra": "_errors",
    "NetworkError": "_errors",
    "OpenAI": "providers",
    "RunContext": "agents",
    "Tool": "tools",
    "VoxloopError": "_errors",
    "__version__": "_version",
    "tool": "tools",
}


def __getattr__(name: str) -> object:
    import importlib

    home = _HOME.get(name)
    if home is not None:
        value: object = getattr(importlib.import_module(f"voxloop.{home}"), name)
    elif name in __all__:
        value = importlib.import_module(f"voxloop.{name}")
    else:
        raise AttributeError(f"module 'voxloop' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
