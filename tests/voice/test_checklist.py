"""The checklist names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent
ROW = re.compile(r"^\| [a-z]+ [\d, -]+ \|[^|]*\| (?P<tests>[^|]+) \|$", re.MULTILINE)


def test_every_row_names_tests_that_exist() -> None:
    text = (HERE / "CHECKLIST.md").read_text(encoding="utf-8")
    rows = ROW.findall(text)
    assert len(rows) == len(re.findall(r"^\| [a-z]+ \d", text, re.MULTILINE)) > 50
    missing = []
    for entry in (entry.strip() for row in rows for entry in row.split(";")):
        file, _, names = entry.partition(": ")
        folder, _, name = file.rpartition("/")
        path = (HERE.parent / folder if folder else HERE) / f"test_{name}.py"
        source = path.read_text(encoding="utf-8") if path.is_file() else ""
        wanted = [name.strip() for name in names.split(",")] if names else [""]
        missing += [
            f"{file}: {n}"
            for n in wanted
            if not re.search(rf"def test_{n}\b" if n else "def test_", source)
        ]
    assert missing == []
