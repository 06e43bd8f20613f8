"""The sentence splitter against its peers: throughput, and the time of a whole streamed turn.

Peers: a regular expression over the growing buffer (what most pipelines do), the sentence splitter
of openai-agents (the same idea, with a minimum length) and pysbd (rules for one whole text). All
cases run in turn within a round, in an order that changes, on text that is new each round; the
figure is the minimum over the rounds. Run it with ``make bench-splitter`` (a release build in an
environment of its own); the Rust side alone is ``cargo bench -p voxloop-text``.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import re
import time
from collections.abc import Callable, Iterator
from importlib import metadata

from voxloop.voice import SentenceSplitter

Run = Callable[[list[str]], int]
SENTENCES = [
    "It is sunny in Oslo today, and it will stay so until the evening. ",
    "Dr. Smith said that the wind, e.g. at the coast, may rise to 3.14 metres per second! ",
    "I think so. ",
    "See https://example.com/a,b?c=d for more, or call J. R. Doe at 5 p.m. tomorrow.\n",
    "- **Bergen**: rain, as ever (there is no other weather).\n",
]
SIZES = (1, 4, 16, 64, 256)
WIDE = ["今日はとても良い天気ですね、散歩に行きませんか？", "そして二人は公園へ出かけました。"]  # noqa: RUF001
RULE = re.compile(r"(?<=[.!?])\s+")


def text(kind: str, characters: int) -> str:
    pool = {"latin": SENTENCES, "wide": WIDE, "mixed": SENTENCES + WIDE}[kind]
    parts: list[str] = []
    length = 0
    while length < characters:
        parts.append(random.choice(pool))
        length += len(parts[-1])
    return "".join(parts)[:characters]


def pieces(whole: str, size: int) -> list[str]:
    return [whole[at : at + size] for at in range(0, len(whole), size)]


def voxloop(deltas: list[str]) -> int:
    splitter = SentenceSplitter()
    count = sum(len(splitter.push(delta)) for delta in deltas)
    return count + len(splitter.flush())


class _Nothing:
    def push(self, delta: str) -> list[str]:
        return []


def nothing(deltas: list[str]) -> int:
    """What the calls alone cost: a method in Python that does nothing."""
    splitter = _Nothing()
    return sum(len(splitter.push(delta)) for delta in deltas)


def regex(deltas: list[str]) -> int:
    buffer, count = "", 0
    for delta in deltas:
        buffer += delta
        *ready, buffer = RULE.split(buffer)
        count += len(ready)
    return count + bool(buffer)


def agents() -> Run:
    from agents.voice.utils import get_sentence_based_splitter

    split = get_sentence_based_splitter()

    def run(deltas: list[str]) -> int:
        buffer, count = "", 0
        for delta in deltas:
            ready, buffer = split(buffer + delta)
            count += bool(ready)
        return count + bool(buffer.strip())

    return run


def pysbd() -> Run:
    import pysbd

    segmenter = pysbd.Segmenter(language="en", clean=False)

    def run(deltas: list[str]) -> int:
        return len(segmenter.segment("".join(deltas)))

    return run


def peers() -> Iterator[tuple[str, Run]]:
    yield "voxloop", voxloop
    yield "regex", regex
    for name, make in (("openai-agents", agents), ("pysbd", pysbd)):
        try:
            yield name, make()
        except ImportError:
            print(f"{name} is not installed: left out")


def best(cases: dict[str, Run], kind: str, size: int, characters: int, rounds: int) -> None:
    times: dict[str, float] = dict.fromkeys(cases, float("inf"))
    octets = 0
    for _ in range(rounds):
        whole = text(kind, characters)
        octets = len(whole.encode())
        deltas = pieces(whole, size)
        for name in random.sample(list(cases), len(cases)):
            begun = time.perf_counter()
            cases[name](deltas)
            times[name] = min(times[name], time.perf_counter() - begun)
    mine = times["voxloop"]
    for name, seconds in times.items():
        speed = octets / seconds / 1e6
        print(
            f"| {kind} | {characters} | {size} | {name} | {speed:,.1f} | "
            f"{seconds * 1e6:,.1f} | {seconds / mine:,.1f} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    print(f"{platform.python_implementation()} {platform.python_version()}, ", end="")
    print(f"{os.cpu_count()} cores, {platform.machine()}")
    for name in ("voxloop", "openai-agents", "pysbd"):
        try:
            print(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    print("\n| text | characters | piece | splitter | MB/s | µs in all | times voxloop's |")
    print("|---|---|---|---|---|---|---|")
    every = dict(peers())
    alone: dict[str, Run] = {"voxloop": voxloop}
    quick = {name: run for name, run in every.items() if name != "pysbd"}
    for kind in ("latin", "mixed", "wide"):
        best(alone, kind, 1_000_000, 1_000_000, rounds)
        for size in SIZES:
            cases = quick | {"no splitter": nothing} if kind == "latin" and size == 4 else alone
            best(cases, kind, size, 100_000, rounds)
        best(every, kind, 4, 1_200, rounds)


if __name__ == "__main__":
    main()
