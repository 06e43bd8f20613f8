"""Searching a folder without ever leaving it. Blocking; runs in a worker thread.

Every folder is opened relative to the descriptor of the one above it, and no symbolic link is
followed, so that a link which appears between the look and the opening leads nowhere either.
"""

from __future__ import annotations

import fnmatch
import os
import re
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

_HEAD_BYTES = 8192
_MAX_DEPTH = 64
_MAX_LINE = 300
_MAX_PATTERN = 500
_MAX_ALTERNATIVES = 64
_DIRECTORY = getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)
_FILE = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)  # a pipe does not block
_CLOSE = getattr(os, "O_CLOEXEC", 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much one search may do."""

    results: int
    file_bytes: int
    files: int
    seconds: float
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class Match:
    """A file, or a line of one.

    Attributes:
        path: Relative to the root, with ``/``.
        number: Number of the line, from 1.
        line: The line, cut where it is long; None for the file as such.
    """

    path: str
    number: int = 0
    line: str | None = None


@dataclass(slots=True)
class Found:
    """What a search found, in the order of the paths, and why it may not be all."""

    matches: list[Match] = field(default_factory=list)
    note: str = ""


class _Enough(Exception):
    """A limit was reached; the text says which."""


def search_folder(
    root: Path, folder: str, pattern: str, text: str, *, ignore_case: bool, limits: Limits
) -> Found:
    """Search `folder` below `root` for files that match `pattern` and hold `text`.

    Raises:
        ValueError: The folder or the pattern cannot be used; the message is for the model.
    """
    if os.open not in os.supports_dir_fd or os.scandir not in os.supports_fd:
        raise ValueError("file search needs a system that opens files by folder")
    glob = _Glob(pattern)
    words = re.compile(re.escape(text), re.IGNORECASE if ignore_case else 0) if text else None
    found = Found()
    deadline = time.monotonic() + limits.seconds
    seen = 0
    try:
        with _folder(root, folder) as (descriptor, prefix):
            for path, holder, entry in _files(descriptor, prefix, limits, deadline, 0):
                seen += 1
                if seen > limits.files:
                    raise _Enough(f"only the first {limits.files} files were searched")
                if not glob.matches(path[len(prefix) :]):
                    continue
                if words is None:
                    found.matches.append(Match(path))
                else:
                    found.matches += _lines(holder, entry, path, words, limits, deadline)
                if len(found.matches) > limits.results:
                    del found.matches[limits.results :]
                    raise _Enough(f"only the first {limits.results} results are shown")
    except _Enough as reason:
        found.note = str(reason)
    return found


@contextmanager
def _folder(root: Path, folder: str) -> Iterator[tuple[int, str]]:
    parts = [part for part in folder.replace("\\", "/").split("/") if part not in ("", ".")]
    outside = folder.startswith(("/", "\\", "~")) or ".." in parts or "\0" in folder
    if outside or (parts and ":" in parts[0]):
        raise ValueError(
            f"the folder {folder!r} is not inside the searched one; give a relative one"
        )
    descriptor = os.open(root, os.O_RDONLY | _DIRECTORY | _CLOSE)
    try:
        for part in parts:
            try:
                below = os.open(part, os.O_RDONLY | _DIRECTORY | _CLOSE, dir_fd=descriptor)
            except OSError as error:
                raise ValueError(f"there is no folder {folder!r}") from error
            os.close(descriptor)
            descriptor = below
        yield descriptor, "".join(part + "/" for part in parts)
    finally:
        os.close(descriptor)


def _files(
    descriptor: int, prefix: str, limits: Limits, deadline: float, depth: int
) -> Iterator[tuple[str, int, str]]:
    """Path, descriptor of its folder and name of each file, sorted within each folder."""
    try:
        with os.scandir(descriptor) as scan:
            entries = sorted(
                (entry.name, entry.is_dir(follow_symlinks=False))
                for entry in scan
                if (limits.hidden or not entry.name.startswith("."))
                and (entry.is_dir(follow_symlinks=False) or entry.is_file(follow_symlinks=False))
            )
    except OSError:
        return  # a folder that may not be read
    for name, is_folder in entries:
        if time.monotonic() > deadline:
            raise _Enough(f"the search ended after {limits.seconds:g} s")
        if not is_folder:
            yield prefix + name, descriptor, name
        elif depth < _MAX_DEPTH:
            try:
                below = os.open(name, os.O_RDONLY | _DIRECTORY | _CLOSE, dir_fd=descriptor)
            except OSError:
                continue
            try:
                yield from _files(below, f"{prefix}{name}/", limits, deadline, depth + 1)
            finally:
                os.close(below)


def _lines(
    holder: int, name: str, path: str, words: re.Pattern[str], limits: Limits, deadline: float
) -> Iterator[Match]:
    data = _read(holder, name, limits.file_bytes)
    if data is None:
        return
    for number, line in enumerate(data.decode("utf-8", "replace").splitlines(), 1):
        if number % 1000 == 0 and time.monotonic() > deadline:
            raise _Enough(f"the search ended after {limits.seconds:g} s")
        hit = words.search(line)
        if hit is None:
            continue
        first = max(0, hit.start() - _MAX_LINE // 2) if len(line) > _MAX_LINE else 0
        yield Match(path, number, line[first : first + _MAX_LINE].strip())


def _read(holder: int, name: str, most: int) -> bytes | None:
    """The file if it is a plain one, not too large, and holds text."""
    try:
        descriptor = os.open(name, os.O_RDONLY | _FILE | _CLOSE, dir_fd=holder)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode) or status.st_size > most:
            return None
        try:
            data = file.read(most + 1)  # the size may have grown since
        except OSError:
            return None
    return None if len(data) > most or b"\0" in data[:_HEAD_BYTES] else data


class _Glob:
    """Glob patterns: ``*`` and ``?`` stay in a folder, ``**`` crosses any number of them.

    Matched name by name with all positions at once, so that no pattern takes more than linear
    time; one by regular expressions alone would.
    """

    def __init__(self, pattern: str) -> None:
        if len(pattern) > _MAX_PATTERN:
            raise ValueError(f"the pattern has more than {_MAX_PATTERN} characters")
        self._options = [
            [None if part == "**" else re.compile(fnmatch.translate(part)) for part in parts]
            for parts in (one.split("/") for one in _alternatives(pattern.removeprefix("./")))
        ]

    def matches(self, path: str) -> bool:
        names = path.split("/")
        return any(_follows(option, names) for option in self._options)


def _follows(parts: list[re.Pattern[str] | None], names: list[str]) -> bool:
    def closed(at: set[int]) -> set[int]:
        """With the positions behind each ``**``, which may stand for nothing."""
        todo = list(at)
        while todo:
            position = todo.pop()
            if position < len(parts) and parts[position] is None and position + 1 not in at:
                at.add(position + 1)
                todo.append(position + 1)
        return at

    at = closed({0})
    for name in names:
        reached: set[int] = set()
        for position in at:
            part = parts[position] if position < len(parts) else None
            if position == len(parts):
                continue
            if part is None:
                reached.add(position)
            elif part.match(name):
                reached.add(position + 1)
        at = closed(reached)
    return len(parts) in at


def _alternatives(pattern: str) -> list[str]:
    """`pattern` with each ``{a,b}`` written out."""
    done: list[str] = []
    todo = [pattern]
    while todo:
        one = todo.pop(0)
        braces = re.search(r"\{([^{}]*,[^{}]*)\}", one)
        if braces is None:
            done.append(one)
        else:
            todo += [one[: braces.start()] + c + one[braces.end() :] for c in braces[1].split(",")]
        if len(todo) + len(done) > _MAX_ALTERNATIVES:
            raise ValueError("the pattern has too many alternatives; give fewer")
    return done
