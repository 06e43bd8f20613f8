"""Every documented block of Python runs as it is written, offline, in a folder with a question."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import trio

from voxloop import audio
from voxloop.local import Local
from voxloop.providers import TTSSettings

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)


def blocks() -> list[tuple[str, str]]:
    return [
        (f"{page.relative_to(ROOT)}:{text.count(chr(10), 0, match.start()) + 1}", match[1])
        for page in PAGES
        for text in [page.read_text(encoding="utf-8")]
        for match in FENCE.finditer(text)
    ]


async def spoken(text: str) -> bytes:
    async with Local().text_to_speech().synthesize(text, TTSSettings()) as stream:
        return audio.encode_wav(audio.concat([chunk async for chunk in stream]))


@pytest.fixture(scope="module")
def question() -> bytes:
    return trio.run(spoken, "What is the weather like in Paris?")


@pytest.mark.parametrize(("place", "code"), blocks(), ids=lambda value: value[:40])
def test_the_block_runs(place: str, code: str, tmp_path: Path, question: bytes) -> None:
    (tmp_path / "question.wav").write_bytes(question)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, f"{place}\n{done.stderr}"


def test_the_readme_has_a_block_and_stays_short() -> None:
    readme = ROOT / "README.md"
    assert len(readme.read_text(encoding="utf-8").splitlines()) <= 150
    assert any(place.startswith("README.md") for place, _ in blocks())
