"""The checklist names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent
ROW = re.compile(r"^\| [\d, -]+ \|[^|]*\| (?P<tests>[^|]+) \|$", re.MULTILINE)


def test_every_row_names_tests_that_exist() -> None:
    rows = ROW.findall((HERE / "CHECKLIST.md").read_text(encoding="utf-8"))
    assert len(rows) > 50
    missing = []
    for entry in (entry.strip() for row in rows for entry in row.split(";")):
        file, _, names = entry.partition(": ")
        path = HERE / f"test_{file}.py"
        source = path.read_text(encoding="utf-8") if path.is_file() else ""
        wanted = [name.strip() for name in names.split(",")] if names else [""]
        missing += [f"{file}: {n}" for n in wanted if not re.search(rf"def test_{n}", source)]
    assert missing == []
