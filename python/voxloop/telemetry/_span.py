"""Spans: pairs of events that belong together, and which of them lies within which.

A span is two events of one name: ``NAME.start``, and ``NAME.stop`` or ``NAME.exception``. Their
metadata bear the ids of the span, of its trace and of the span around it, in the form that W3C
Trace Context gives them, so that any tracer can be fed with them.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from voxloop._errors import ConfigError
from voxloop.telemetry._bus import emit, enabled

# A generator of our own: an application may seed the one that all share, and asking the system for
# each id takes longer than all else about a span.
_random = random.Random()  # noqa: S311 - ids are no secrets
_beginning = threading.Lock()
_HEX = frozenset("0123456789abcdef")
_current: ContextVar[Span | Later | None] = ContextVar("voxloop_span", default=None)


def _forked() -> None:
    """The child would give out the same ids, and wait for a lock that a thread has left closed."""
    global _beginning  # noqa: PLW0603 - a lock cannot be opened by another thread than its own
    _beginning = threading.Lock()
    _random.seed()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


@dataclass(frozen=True, slots=True)
class Span:
    """The place of a piece of work in a trace.

    Attributes:
        trace_id: 32 hexadecimal digits; the same for all spans of a trace.
        span_id: 16 hexadecimal digits.
        parent_id: Id of the span around it; None for the first of a trace.
    """

    trace_id: str
    span_id: str
    parent_id: str | None = None

    @classmethod
    def begin(cls, parent: Span | None = None, *, trace_id: str | None = None) -> Span:
        """A new span.

        Args:
            parent: The span around it; None takes the one that `span` is in, if any.
            trace_id: Trace to begin, such as one that came with a request; not with a parent.

        Raises:
            ConfigError: The trace id is not 32 hexadecimal digits, or is all zeros.
        """
        if trace_id is not None:
            if len(trace_id) != 32 or not set(trace_id) <= _HEX or not trace_id.strip("0"):
                raise ConfigError(
                    f"trace_id is {trace_id!r}; give 32 hexadecimal digits in lower case"
                )
            return cls(trace_id, _new_id(64))
        around = current_span() if parent is None else parent
        if around is None:
            return cls(_new_id(128), _new_id(64))
        return cls(around.trace_id, _new_id(64), around.span_id)

    @property
    def metadata(self) -> dict[str, object]:
        """The ids, as events bear them."""
        return {"trace_id": self.trace_id, "span_id": self.span_id, "parent_id": self.parent_id}


class Later:
    """A span that is begun when someone asks for it: of most, no one does."""

    __slots__ = ("_around", "_span")

    def __init__(self, around: Span | Later) -> None:
        self._around = around
        self._span: Span | None = None

    @property
    def span(self) -> Span:
        """The span, the same each time."""
        if self._span is None:
            around = self._around.span if isinstance(self._around, Later) else self._around
            # Tools of one response may ask in threads of their own, all for the same one.
            with _beginning:
                if self._span is None:
                    self._span = Span.begin(around)
        return self._span


def current_span() -> Span | None:
    """The span that the running code is in: of a `span` block, or of the tool that runs."""
    found = _current.get()
    return found.span if isinstance(found, Later) else found


class within:  # noqa: N801 - a context manager, named as one
    """Let the block be inside a span, without telling anyone."""

    __slots__ = ("_span", "_token")

    def __init__(self, span: Span | Later) -> None:
        self._span = span

    def __enter__(self) -> None:
        self._token = _current.set(self._span)

    def __exit__(self, *_: object) -> None:
        _current.reset(self._token)


@contextmanager
def span(
    name: str,
    metadata: Mapping[str, object] | None = None,
    *,
    parent: Span | None = None,
    trace_id: str | None = None,
) -> Iterator[Span]:
    """Tell when the block begins and ends.

    ``NAME.start`` has ``system_time`` (Unix seconds); ``NAME.stop`` has ``duration_ms``;
    ``NAME.exception``, in its place when the block raises, has ``duration_ms`` and in its metadata
    the class of the exception as ``error`` and, for an error of ours, its ``code``. What the
    exception says is not told: it may hold what was said.

    Spans that are begun within the block lie within this one, also in tasks and threads that it
    starts.

    Args:
        name: Such as ``"shop.lookup"``.
        metadata: Told with both events.
        parent: The span around it; None takes the one that this is called in, if any.
        trace_id: Trace to begin; see `Span.begin`.

    Raises:
        ConfigError: The trace id cannot be used.

    Example::

        with telemetry.span("shop.lookup", {"shop": "north"}):
            order = await find(order_id)
    """
    made = Span.begin(parent, trace_id=trace_id)
    about = {**(metadata or {}), **made.metadata}
    emit(f"{name}.start", {"system_time": time.time()}, about)
    began = time.monotonic()
    token = _current.set(made)
    try:
        yield made
    except BaseException as error:
        if enabled(f"{name}.exception"):
            code = getattr(error, "code", None)
            failed = {**about, "error": type(error).__name__, "code": code}
            emit(f"{name}.exception", {"duration_ms": _since(began)}, failed)
        raise
    else:
        emit(f"{name}.stop", {"duration_ms": _since(began)}, about)
    finally:
        _current.reset(token)


def _since(began: float) -> float:
    return (time.monotonic() - began) * 1000.0


def _new_id(bits: int) -> str:
    # All zeros would be no id.
    return f"{_random.getrandbits(bits) or 1:0{bits // 4}x}"
