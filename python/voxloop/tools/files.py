"""File search: hosted by the API, and in a folder of this machine. Two things, two names."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from voxloop._errors import ConfigError, ToolError
from voxloop.tools.folder import Limits, Match, search_folder
from voxloop.tools.schema import JsonObject
from voxloop.tools.tool import Tool, tool

_MOST_RESULTS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSearch:
    """Search in vector stores of the API, which runs it: a hosted tool.

    Attributes:
        vector_store_ids: Where to search, at least one.
        max_num_results: 1 to 50; None leaves it to the server.
        filters: Filter on attributes of the files, an object of the API.
        ranking_options: How results are ranked, an object of the API.
        include_search_results: Whether the response holds the results as well.

    Raises:
        ConfigError: A field cannot be used.

    Example::

        agent = Agent("Help", tools=[FileSearch(vector_store_ids=["vs_1"], max_num_results=3)])
    """

    vector_store_ids: tuple[str, ...]
    max_num_results: int | None = None
    filters: Mapping[str, object] | None = field(default=None, hash=False)
    ranking_options: Mapping[str, object] | None = field(default=None, hash=False)
    include_search_results: bool = False

    def __post_init__(self) -> None:
        ids: Any = self.vector_store_ids
        if isinstance(ids, str) or not isinstance(ids, Iterable):
            raise ConfigError("vector_store_ids must be a list of ids")
        kept = tuple(ids)
        if not kept or not all(isinstance(name, str) and name for name in kept):
            raise ConfigError("vector_store_ids must name at least one vector store")
        object.__setattr__(self, "vector_store_ids", kept)
        count = self.max_num_results
        if count is not None and (isinstance(count, bool) or not 1 <= count <= _MOST_RESULTS):
            raise ConfigError(f"max_num_results is {count!r}; give 1 to {_MOST_RESULTS}")
        for name in ("filters", "ranking_options"):
            value = getattr(self, name)
            if value is not None and not isinstance(value, Mapping):
                raise ConfigError(f"{name} must be an object of the API, not {value!r}")

    def definition(self) -> JsonObject:
        """The tool in the shape that the Responses API takes."""
        made: JsonObject = {
            "type": "file_search",
            "vector_store_ids": list(self.vector_store_ids),
        }
        if self.max_num_results is not None:
            made["max_num_results"] = self.max_num_results
        if self.filters is not None:
            made["filters"] = dict(self.filters)
        if self.ranking_options is not None:
            made["ranking_options"] = dict(self.ranking_options)
        return made

    @property
    def include(self) -> tuple[str, ...]:
        """What a response is to tell beside its output."""
        return ("file_search_call.results",) if self.include_search_results else ()


@dataclass(frozen=True, slots=True)
class LocalFileSearch:
    """Search in one folder of this machine, by file name and by text; never outside it.

    The model gives a glob pattern, a text, or both, and gets relative paths with line numbers. It
    cannot leave the folder: neither ``..`` nor an absolute path is taken, and no symbolic link is
    followed, whether it was there before or is put there during the search. Devices, pipes,
    binary files and files above a size are passed over, and so are hidden ones unless asked for.

    Attributes:
        root: The folder.
        name: Name of the tool.
        description: When to use it, for the model.
        hidden: Whether names that begin with a dot are searched as well.
        max_results: Lines, or files where no text is searched, at most.
        max_file_bytes: Larger files are passed over.
        max_files: Files that one search looks at, at most.
        max_output_chars: The answer ends there.
        timeout: Seconds after which a search ends with what it has found.

    Raises:
        ConfigError: `root` is no folder, or a limit is below 1.
    """

    root: str | os.PathLike[str]
    name: str = "file_search"
    description: str = (
        "Search the files of a folder. Give a glob pattern for their names, a text that they "
        "contain, or both. Answers with paths and lines."
    )
    hidden: bool = False
    max_results: int = 100
    max_file_bytes: int = 2_000_000
    max_files: int = 20_000
    max_output_chars: int = 20_000
    timeout: float = 10.0

    def __post_init__(self) -> None:
        try:
            root = Path(self.root).resolve(strict=True)
        except (OSError, RuntimeError, ValueError, TypeError) as error:
            raise ConfigError(f"LocalFileSearch needs a folder: {self.root!r}") from error
        if not root.is_dir():
            raise ConfigError(f"LocalFileSearch needs a folder, and {root.name!r} is none")
        object.__setattr__(self, "root", root)
        for limit in ("max_results", "max_file_bytes", "max_files", "max_output_chars"):
            value = getattr(self, limit)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ConfigError(f"{limit} is {value!r}; give a number of at least 1")
        if not self.timeout > 0:
            raise ConfigError(f"timeout is {self.timeout}; give seconds above 0")

    def tool(self) -> Tool:
        """The search as a tool; `Agent` takes the object itself just as well."""

        def search(
            pattern: str = "**/*", text: str = "", folder: str = "", ignore_case: bool = True
        ) -> str:
            """Search.

            Args:
                pattern: Glob pattern of relative paths; knows *, ?, [a-z], {a,b} and **.
                text: Text that a line contains, word for word; empty lists the files.
                folder: Folder to search in, relative; empty searches everything.
                ignore_case: Whether upper and lower case are the same.
            """
            limits = Limits(
                results=self.max_results,
                file_bytes=self.max_file_bytes,
                files=self.max_files,
                seconds=self.timeout,
                hidden=self.hidden,
            )
            try:
                found = search_folder(
                    Path(self.root), folder, pattern, text, ignore_case=ignore_case, limits=limits
                )
            except ValueError as error:
                raise ToolError(str(error), tool=self.name) from error
            return self._written(found.matches, found.note)

        # The search ends itself; the tool's own limit is for a disk that does not answer.
        return tool(name=self.name, description=self.description, timeout=self.timeout + 5.0)(
            search
        )

    def _written(self, matches: Iterable[Match], note: str) -> str:
        lines: list[str] = []
        length = 0
        for match in matches:
            line = (
                match.path if match.line is None else f"{match.path}:{match.number}: {match.line}"
            )
            length += len(line) + 1
            if length > self.max_output_chars:
                note = "more was found; search for less"
                break
            lines.append(line)
        if not lines and not note:
            return "Nothing was found."
        return "\n".join([*lines, f"({note})"] if note else lines)
