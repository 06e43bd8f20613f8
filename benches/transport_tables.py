"""The tables of ``transport.py``: all rows are kept, losing ones too."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

from peers import ATTACHED, FLOORS, NAMES, SENDING

Result = dict[str, Any]
Pick = Callable[[Result], Any]
BASE = "voxloop"
LATE_US = 20_000
PARTS = ("p50", "p95", "p99", "max")


def lost_the_pace(result: Result) -> bool:
    """Whether fewer than half of the sessions held 20 ms both ways."""
    client = result["client"]
    return client is None or (held(result) or 0) < result["sessions"] / 2


def held(result: Result) -> int | None:
    """Sessions that held the pace; of one with a sink, which has a pace of its own, the way up."""
    client, server = result["client"], result["server"]
    if client is None or server is None:
        return None
    if result["peer"] not in SENDING:
        number: int = client["held"]
        return number
    late = server["up"]["late_us"]["p99"]
    return result["sessions"] if late is not None and late <= LATE_US else 0


def show(scenario: str, results: list[Result]) -> None:
    """Print what belongs to a scenario."""
    _TABLES[scenario](results)


def _heading(title: str, columns: list[str]) -> None:
    print(f"\n### {title}\n")
    print("| | " + " | ".join(columns) + " |")
    print("|---" * (len(columns) + 1) + "|")


def _rows(results: list[Result], cells: Callable[[list[Result]], list[str]]) -> None:
    for peer in (*NAMES, *FLOORS):
        mine = [result for result in results if result["peer"] == peer]
        if not mine:
            continue
        whole = [result for result in mine if result["client"]]
        if not whole:
            print(f"| {peer} | failed: {mine[0].get('failure', '?')} |")
        else:
            print(f"| {peer} | " + " | ".join(cells(whole)) + " |")


def _values(results: list[Result], pick: Pick) -> list[float]:
    return [value for value in map(pick, results) if value is not None]


def shown(value: float) -> str:
    """Three digits that mean something."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _ratio(results: list[Result], pick: Pick) -> Callable[[list[Result]], str]:
    """Minimum / median, and the minimum by voxloop's."""
    base = _values([r for r in results if r["peer"] == BASE and r["client"]], pick)

    def cell(mine: list[Result]) -> str:
        values = _values(mine, pick)
        if not values:
            return "-"
        text = f"{shown(min(values))} / {shown(statistics.median(values))}"
        return f"{text} ({min(values) / min(base):.2f}x)" if base and min(base) else text

    return cell


def _middle(mine: list[Result], *picks: Pick, scale: float = 1.0) -> str:
    """Medians over the rounds, one for each pick."""
    cells = []
    for pick in picks:
        values = _values(mine, pick)
        cells.append(shown(statistics.median(values) * scale) if values else "-")
    return " / ".join(cells)


def _client(*path: str) -> Pick:
    return _at("client", *path)


def _server(*path: str) -> Pick:
    return _at("server", *path)


def _at(*path: str) -> Pick:
    def pick(result: Result) -> Any:
        value: Any = result
        for name in path:
            value = None if value is None else value[name]
        return value

    return pick


def _burst(results: list[Result]) -> None:
    for tls in (False, True):
        some = [result for result in results if result["tls"] == tls]
        if not some:
            continue
        name = "TLS" if tls else "plain"
        _heading(
            f"Burst of 20 ms deltas, {name}",
            ["CPU us per delta, min / median (ratio)", "deltas per second, median"],
        )
        cpu = _ratio(some, _client("cpu_us"))
        _rows(some, lambda mine, cpu=cpu: [cpu(mine), _middle(mine, _client("per_second"))])


def _paced(results: list[Result]) -> None:
    for tls, load in sorted({(result["tls"], result["sessions"]) for result in results}):
        some = [r for r in results if (r["tls"], r["sessions"]) == (tls, load)]
        _heading(
            f"{load} sessions, 20 ms up and down, {'TLS' if tls else 'plain'}",
            [
                "CPU ms per session and second, min / median (ratio)",
                "down late ms p50 / p95 / p99 / max",
                "up late ms p50 / p95 / p99 / max",
                "up lost samples",
                "deltas of those due",
                "sessions that held",
                "generator late ms p99",
            ],
        )
        cpu = _ratio(some, _client("cpu_ms"))

        def cells(mine: list[Result], cpu: Any = cpu, load: int = load) -> list[str]:
            holding = [number for result in mine if (number := held(result)) is not None]
            unseen = mine[0]["peer"] in (ATTACHED, *FLOORS)
            share = statistics.median(r["client"]["deltas"] / r["client"]["due"] for r in mine)
            return [
                cpu(mine),
                _middle(mine, *(_client("down_ms", part) for part in PARTS)),
                _middle(mine, *(_server("up", "late_us", p) for p in PARTS), scale=1e-3),
                _middle(mine, _server("up", "lost_samples")),
                "-" if unseen else f"{share:.1%}",
                f"{statistics.median(holding):.0f} of {load}" if holding else "-",
                _middle(mine, _server("down", "generator_late_us", "p99"), scale=1e-3),
            ]

        _rows(some, cells)


def _tool(results: list[Result]) -> None:
    _heading(
        "Tool call round trip as the generator sees it",
        ["to the output, ms p50 (ratio)", "p99", "to response.create, ms p50", "p99", "answered"],
    )
    # A ratio needs no unit.
    base = _values([r for r in results if r["peer"] == BASE], _server("tool", "output_us", "p50"))

    def cells(mine: list[Result]) -> list[str]:
        own = _values(mine, _server("tool", "output_us", "p50"))
        ratio = f" ({min(own) / min(base):.2f}x)" if base and own else ""
        count = sum(r["server"]["tool"]["output_us"]["count"] for r in mine if r["server"])
        return [
            _middle(mine, _server("tool", "output_us", "p50"), scale=1e-3) + ratio,
            _middle(mine, _server("tool", "output_us", "p99"), scale=1e-3),
            _middle(mine, _server("tool", "response_us", "p50"), scale=1e-3),
            _middle(mine, _server("tool", "response_us", "p99"), scale=1e-3),
            f"{count} of {sum(r['turns'] for r in mine)}",
        ]

    _rows(results, cells)


def _barge(results: list[Result]) -> None:
    for blocked in (False, True):
        some = [result for result in results if result["blocked"] == blocked]
        how = "the GIL is held for 100 ms of every 200" if blocked else "Python is free"
        _heading(
            f"From speech_started to the truncation, {how}",
            ["ms p50", "p99", "max", "truncated", "beyond what was sent"],
        )

        def cells(mine: list[Result]) -> list[str]:
            due = sum(r["sessions"] * r["turns"] for r in mine)
            seen = sum(r["server"]["barge"]["truncated_us"]["count"] for r in mine if r["server"])
            path = ("barge", "truncated_us")
            return [
                *(_middle(mine, _server(*path, p), scale=1e-3) for p in ("p50", "p99", "max")),
                f"{seen} of {due}",
                _middle(mine, _server("barge", "bad")),
            ]

        _rows(some, cells)


def _memory(results: list[Result]) -> None:
    _heading(
        "Resident memory",
        ["two sessions, MB (ratio)", "each further talking session, KB (ratio)"],
    )
    base, each = _ratio(results, _client("base_mb")), _ratio(results, _client("session_kb"))
    _rows(results, lambda mine: [base(mine), each(mine)])


def _stall(results: list[Result]) -> None:
    for by_gil in (False, True):
        some = [result for result in results if result["held"] == by_gil]
        if not some:
            continue
        how = "a C call that holds the GIL" if by_gil else "time.sleep on the loop's thread"
        first = some[0]
        _heading(
            f"{first['sessions']} sessions, {first['stalls']} times "
            f"{first['blocked_s']:g} s of {how}",
            [
                "up: late by over 20 ms",
                "up: lost samples",
                "up late ms max",
                "down, in Python (attached: in the sink): late by over 20 ms",
                "down: lost",
                "pings answered",
                "pong ms p50 / max",
            ],
        )

        def cells(mine: list[Result]) -> list[str]:
            (one,) = mine
            client, server = one["client"], one["server"]
            up, ping = server["up"], server["ping"]
            return [
                f"{up['late_us']['late']} of {up['late_us']['count']}",
                str(up["lost_samples"]),
                f"{(up['late_us']['max'] or 0) / 1e3:.0f}",
                f"{client['late']} of {client['deltas']}",
                str(client["lost"]),
                f"{ping['answered_us']['count']} of {ping['sent']}",
                _middle(mine, _server("ping", "answered_us", "p50"), scale=1e-3)
                + " / "
                + _middle(mine, _server("ping", "answered_us", "max"), scale=1e-3),
            ]

        _rows(some, cells)


_TABLES: dict[str, Callable[[list[Result]], None]] = {
    "burst": _burst,
    "paced": _paced,
    "tool": _tool,
    "barge": _barge,
    "memory": _memory,
    "stall": _stall,
}
