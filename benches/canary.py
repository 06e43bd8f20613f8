"""How late the machine is, whatever is measured on it: a bare loop that sleeps 2 ms at a time.

Ends when its input does, and prints its figures. What it misses, no client could have kept.
"""

from __future__ import annotations

import select
import sys
import time

TICK = 0.002
LATE = 0.020


def main() -> None:
    """Tick until the input ends."""
    begun, ticks, late, worst = time.monotonic(), 0, 0, 0.0
    while not select.select([sys.stdin], [], [], 0)[0]:
        ticks += 1
        due = begun + ticks * TICK
        time.sleep(max(0.0, due - time.monotonic()))
        behind = time.monotonic() - due
        late += behind > LATE
        worst = max(worst, behind)
    share = 100 * late / max(1, ticks)
    print(
        f"The machine meanwhile: {late:,} of {ticks:,} bare sleeps of 2 ms were late by over 20 ms "
        f"({share:.2f} %), the worst by {worst * 1e3:.0f} ms."
    )


if __name__ == "__main__":
    main()
