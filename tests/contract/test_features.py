"""The list of features names each number once, and tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reference" / "features.md").read_text(encoding="utf-8")
ROW = re.compile(
    r"^\| (?P<number>[A-Z]?\d+|1[a-g]\.\d+) \| (?P<feature>[^|]+) \| (?P<there>[^|]+) \|$"
)
TEST = re.compile(r"`(?P<file>tests/[\w/]+\.py)`: `(?P<name>test_\w+)`")


def rows(part: str) -> list[re.Match[str]]:
    """The rows of all tables of a part of the page."""
    text = PAGE.split(f"\n## {part}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in text.splitlines() if re.match(r"\| [A-Z]?\d", line)]
    found = [ROW.match(line) for line in lines]
    assert [line for line, match in zip(lines, found, strict=True) if match is None] == []
    return [match for match in found if match is not None]


def test_every_number_stands_once() -> None:
    numbers = [row["number"] for row in rows("Realtime")]
    wanted = [str(number) for number in range(1, 101)]
    for letter, count in (("S", 33), ("E", 12), ("T", 14)):
        wanted += [f"{letter}{number}" for number in range(1, count + 1)]
    assert sorted(numbers) == sorted(wanted)
    voice = [row["number"] for row in rows("Voice")]
    assert len(voice) == len(set(voice)) > 60
    assert {number[:2] for number in voice} == {f"1{letter}" for letter in "abcdefg"}


def test_what_is_there_names_a_test_and_what_is_not_says_why() -> None:
    wrong = []
    for row in rows("Realtime") + rows("Voice"):
        there = row["there"]
        if there.startswith("yes (") and TEST.search(there):
            continue
        if re.match(r"left out: \S.{10,}", there):
            continue
        wrong.append(row[0])
    assert wrong == []


def test_every_test_that_is_named_exists() -> None:
    missing = []
    for match in TEST.finditer(PAGE):
        path = ROOT / match["file"]
        source = path.read_text(encoding="utf-8") if path.is_file() else ""
        if not re.search(rf"^(async )?def {match['name']}\b", source, re.MULTILINE):
            missing.append(f"{match['file']}: {match['name']}")
    assert missing == []
