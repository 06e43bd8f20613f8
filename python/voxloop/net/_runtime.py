"""The network threads of this process: how many, what a fork and an exit do to them."""

from __future__ import annotations

import atexit
import os

from voxloop import _native
from voxloop._pool import at_rest

_GOODBYE_SECONDS = 0.5


def configure(*, worker_threads: int) -> None:
    """Set the number of network threads; the default is 1.

    Raises:
        ConfigError: A connection has been opened already, or the number is 0.
    """
    _native.configure_runtime(worker_threads)


# A forked child has none of the parent's threads: it starts its own with its first connection,
# and a handle from before the fork raises ForkedProcessError.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_native.after_fork_in_child)
# A connection that waits for a next request is not to outlive the pipelines it was opened in.
at_rest(_native.drop_idle_connections)
# Without this the process would end in the middle of closing handshakes.
atexit.register(_native.shutdown, _GOODBYE_SECONDS)
