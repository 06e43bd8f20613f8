"""One line for people, an exit code for programs; the traceback only on request."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator

import click

from voxloop._errors import VoxloopError

_settings = {"debug": False}


def show_tracebacks() -> None:
    """Print the traceback of a failure as well (``--debug``)."""
    _settings["debug"] = True


def report(error: BaseException) -> int:
    """Print what went wrong on stderr and give the exit code."""
    if _settings["debug"]:
        traceback.print_exception(error)
    cause = root_cause(error)
    if isinstance(cause, click.ClickException):
        cause.show()
        return cause.exit_code
    if isinstance(cause, click.exceptions.Exit):
        return cause.exit_code
    if isinstance(cause, BrokenPipeError):  # who reads our output, such as head, has seen enough
        return 1
    print(f"voxloop: {_sentence(cause)}", file=sys.stderr)
    return 1


def root_cause(error: BaseException) -> BaseException:
    """The failure that tells most: ours if there is one, else the first of the group."""
    leaves = list(_leaves(error))
    ours = (leaf for leaf in leaves if isinstance(leaf, VoxloopError))
    return next(ours, leaves[0])


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error


def _sentence(error: BaseException) -> str:
    if isinstance(error, VoxloopError):
        return " ".join(str(error).split())
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    text = " ".join(str(error).split()) or "no message"
    return f"{type(error).__name__}: {text} (--debug shows where; this is a bug of ours)"
