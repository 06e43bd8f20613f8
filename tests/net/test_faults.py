"""The table of faults names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent
CRATE = HERE.parents[1] / "rust" / "voxloop-net"
ROW = re.compile(r"^\|[^|\n]+\|[^|\n]+\| (?P<tests>[^|\n]+) \|$", re.MULTILINE)


def test_every_fault_names_tests_that_exist() -> None:
    rows = ROW.findall((HERE / "FAULTS.md").read_text(encoding="utf-8"))
    named = [row for row in rows if ":" in row]
    assert len(named) > 45
    missing = []
    for entry in (entry.strip() for row in named for entry in row.split(";")):
        file, _, names = entry.partition(": ")
        rust = file.startswith("rust/")
        path = CRATE / file.removeprefix("rust/") if rust else HERE / f"test_{file}.py"
        source = path.read_text(encoding="utf-8") if path.is_file() else ""
        head = "fn " if rust else "def test_"
        wanted = [name.strip() for name in names.split(",")]
        missing += [f"{file}: {n}" for n in wanted if not re.search(rf"{head}{n}\b", source)]
    assert missing == []
