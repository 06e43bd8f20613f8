"""Names of a package that are loaded when they are first used.

A process that only holds realtime sessions need not hold the database of conversations, the HTTP
client or the voice activity detector as well.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping


def lazy(
    package: str, public: list[str], homes: Mapping[str, str]
) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """A module's ``__getattr__`` (PEP 562), which remembers what it has found, and ``__dir__``.

    Args:
        package: Name of the module.
        public: Its ``__all__``.
        homes: In which of its submodules a public name lies that is not loaded yet.
    """

    def find(name: str) -> object:
        home = homes.get(name)
        if home is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value: object = getattr(importlib.import_module(f"{package}.{home}"), name)
        setattr(sys.modules[package], name, value)
        return value

    return find, lambda: public
