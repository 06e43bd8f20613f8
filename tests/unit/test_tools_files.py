from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from voxloop._errors import ConfigError
from voxloop.agents import Agent, resolve
from voxloop.tools import FileSearch, LocalFileSearch, RunContext, ToolOutcome, run_tool
from voxloop.tools.folder import Limits, _Glob, search_folder

CONTEXT: RunContext[Any] = RunContext(None, agent_name="A")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    files = {
        "readme.md": "Hello\nworld\n",
        "docs/guide.md": "Open the door.\nThe price is 3.5 (net).\n",
        "docs/deep/er/notes.txt": "hello again\n",
        "src/main.py": "print('hello')\n",
        "src/main.rs": "fn main() {}\n",
        ".hidden/key.txt": "hello secret\n",
        ".env": "hello=1\n",
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    (root / "picture.bin").write_bytes(b"hello\0world")
    (tmp_path / "outside.txt").write_text("hello outside\n")
    return root


async def ask(root: Path, settings: dict[str, Any] | None = None, **arguments: Any) -> ToolOutcome:
    search = LocalFileSearch(root, **(settings or {})).tool()
    return await run_tool(search, json.dumps(arguments), context=CONTEXT)


@pytest.mark.parametrize(
    ("pattern", "paths"),
    [
        ("*.md", ["readme.md"]),
        ("**/*.md", ["docs/guide.md", "readme.md"]),
        ("docs/**", ["docs/deep/er/notes.txt", "docs/guide.md"]),
        ("src/main.{py,rs}", ["src/main.py", "src/main.rs"]),
        ("{docs,src}/*.{md,py}", ["docs/guide.md", "src/main.py"]),
        ("**/er/**/*.txt", ["docs/deep/er/notes.txt"]),
        ("src/main.[pq]?", ["src/main.py"]),
        ("src/main.[!p]?", ["src/main.rs"]),
        ("./src/*.py", ["src/main.py"]),
        ("nothing", ["Nothing was found."]),
        ("../*", ["Nothing was found."]),
        ("/etc/passwd", ["Nothing was found."]),
    ],
)
async def test_files_are_found_by_their_paths(root: Path, pattern: str, paths: list[str]) -> None:
    outcome = await ask(root, pattern=pattern)
    assert (outcome.status, outcome.output.split("\n")) == ("ok", paths)


async def test_lines_are_found_by_their_text(root: Path) -> None:
    assert (await ask(root, text="hello")).output.split("\n") == [
        "docs/deep/er/notes.txt:1: hello again",
        "readme.md:1: Hello",
        "src/main.py:1: print('hello')",
    ]
    assert (await ask(root, text="hello", ignore_case=False, pattern="*.md")).output == (
        "Nothing was found."
    )
    assert (await ask(root, text="3.5 (net)")).output == (
        "docs/guide.md:2: The price is 3.5 (net)."
    )
    assert (await ask(root, text="3x5")).output == "Nothing was found."


async def test_a_folder_may_be_chosen_inside_the_root(root: Path) -> None:
    assert (await ask(root, folder="docs/deep/", pattern="er/*")).output == (
        "docs/deep/er/notes.txt"
    )
    for folder in ("..", "docs/../..", "/etc", "~", "C:/", "\\\\host\\share", "a\0b"):
        outcome = await ask(root, folder=folder)
        assert (outcome.status, "not inside" in outcome.output) == ("error", True), folder
    assert "there is no folder" in (await ask(root, folder="docs/none")).output


async def test_hidden_files_are_searched_when_asked_for(root: Path) -> None:
    assert "secret" not in (await ask(root, text="hello")).output
    shown = await ask(root, {"hidden": True}, text="hello")
    assert ".env:1: hello=1" in shown.output
    assert ".hidden/key.txt:1: hello secret" in shown.output


async def test_no_link_leads_anywhere(root: Path) -> None:
    (root / "file.txt").symlink_to(root.parent / "outside.txt")
    (root / "folder").symlink_to(root.parent)
    (root / "loop").symlink_to(root)
    (root / "inside.md").symlink_to(root / "readme.md")
    for arguments in ({}, {"text": "hello"}, {"pattern": "folder/*"}):
        output = (await ask(root, **arguments)).output
        assert "outside" not in output
        assert not any(name in output for name in ("folder/", "loop", "file.txt", "inside.md"))
    assert "there is no folder" in (await ask(root, folder="folder")).output


async def test_a_link_put_there_during_the_search_leads_nowhere(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder is a plain one when it is listed and a link when it is opened."""
    plain = os.open

    def swapped(path: Any, flags: int, *args: Any, **kwargs: Any) -> int:
        if path == "src" and (root / "src").is_dir() and not (root / "src").is_symlink():
            (root / "src").rename(root / "moved")
            (root / "src").symlink_to(root.parent)
        return plain(path, flags, *args, **kwargs)

    monkeypatch.setattr(os, "open", swapped)
    monkeypatch.setattr(os, "supports_dir_fd", {*os.supports_dir_fd, swapped})
    output = (await ask(root, text="hello")).output
    assert (root / "src").is_symlink()
    assert "outside" not in output


async def test_what_is_no_plain_text_is_passed_over(root: Path) -> None:
    os.mkfifo(root / "pipe")
    (root / "large.txt").write_text("hello\n" * 1000)
    output = (await ask(root, {"max_file_bytes": 1000}, text="hello")).output
    for name in ("pipe", "large.txt", "picture.bin"):
        assert name not in output
    assert "pipe" not in (await ask(root)).output


async def test_answers_are_bounded(root: Path) -> None:
    (root / "many.txt").write_text("\n".join(f"line {n} " + "x" * 1000 for n in range(500)))
    found = (await ask(root, {"max_results": 3}, text="line")).output.split("\n")
    assert found[3:] == ["(only the first 3 results are shown)"]
    assert all(len(line) < 400 for line in found)
    short = (await ask(root, {"max_output_chars": 700}, text="line")).output
    assert len(short) < 800
    assert short.endswith("(more was found; search for less)")
    files = (await ask(root, {"max_files": 2})).output
    assert files.endswith("(only the first 2 files were searched)")


def test_a_search_ends_at_its_time(root: Path) -> None:
    limits = Limits(results=10, file_bytes=100, files=10, seconds=-1.0)
    found = search_folder(root, "", "**", "", ignore_case=True, limits=limits)
    assert (found.matches, "ended after" in found.note) == ([], True)


def test_no_pattern_takes_for_ever() -> None:
    begun = time.monotonic()
    assert not _Glob("*a" * 200 + "b").matches("a" * 250)
    assert not _Glob("**/" * 100 + "b").matches("/".join("a" * 200))
    with pytest.raises(ValueError, match="too many alternatives"):
        _Glob("{a,b}" * 50)
    with pytest.raises(ValueError, match="more than 500"):
        _Glob("a" * 501)
    assert time.monotonic() - begun < 30


def test_no_descriptor_stays_open(root: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    limits = Limits(results=1, file_bytes=100, files=10, seconds=60)
    for text in ("", "hello"):
        search_folder(root, "docs", "**/*", text, ignore_case=True, limits=limits)
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize(
    "arguments",
    [
        {"root": "no/such/folder"},
        {"root": 3},
        {"root": __file__},
        {"root": ".", "max_results": 0},
        {"root": ".", "timeout": 0},
    ],
)
def test_a_local_search_is_checked(arguments: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        LocalFileSearch(**arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        {"vector_store_ids": []},
        {"vector_store_ids": "vs_1"},
        {"vector_store_ids": [3]},
        {"vector_store_ids": ["vs"], "max_num_results": 51},
        {"vector_store_ids": ["vs"], "max_num_results": 0},
        {"vector_store_ids": ["vs"], "filters": "x"},
    ],
)
def test_a_hosted_search_is_checked(arguments: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        FileSearch(**arguments)


async def test_both_are_tools_of_an_agent(root: Path) -> None:
    hosted = FileSearch(
        vector_store_ids=["vs_1"],  # type: ignore[arg-type]
        max_num_results=3,
        filters={"type": "eq", "key": "a", "value": 1},
        ranking_options={"score_threshold": 0.5},
        include_search_results=True,
    )
    web: dict[str, object] = {"type": "web_search", "search_context_size": "low"}
    resolved = await resolve(Agent("A", tools=[hosted, LocalFileSearch(root), web]), CONTEXT)
    assert resolved.schemas[0] == {
        "type": "file_search",
        "vector_store_ids": ["vs_1"],
        "max_num_results": 3,
        "filters": {"type": "eq", "key": "a", "value": 1},
        "ranking_options": {"score_threshold": 0.5},
    }
    assert resolved.schemas[2] == web
    assert resolved.include == ("file_search_call.results",)
    assert list(resolved.functions) == ["file_search"]
    properties: Any = resolved.functions["file_search"].parameters["properties"]
    assert list(properties) == ["pattern", "text", "folder", "ignore_case"]
