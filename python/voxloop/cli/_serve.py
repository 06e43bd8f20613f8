"""``voxloop serve``: the local server alone."""

from __future__ import annotations

import trio

from voxloop import local


async def run_server(port: int) -> int:
    """Serve until cancelled."""
    print("loading the local engines ...", flush=True)
    async with local.serve(port=port) as server:
        print(f"voxloop serves {server.url} (Ctrl-C ends it)", flush=True)
        await trio.sleep_forever()
    return 0
