"""The command line: ``voxloop demo``, ``serve``, ``doctor`` and ``replay``.

This module imports next to nothing, so that an interrupt is answered from the first moment on.
"""

from __future__ import annotations

import os
import signal
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

__all__ = ["main"]


def main() -> NoReturn:
    """Run the command line and exit.

    Codes: 0 done, 1 failed, 2 wrong usage, 3 no speech was found, 130 interrupted.
    """
    # Until trio runs there is nothing to close.
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    from voxloop.cli._interrupt import leave

    try:
        from voxloop.cli._app import app
    except ModuleNotFoundError as error:
        if error.name != "click":
            raise
        print(
            "voxloop: the command line needs click; run: pip install 'voxloop[local]' "
            "(with the offline engines) or 'voxloop[cli]' (without)",
            file=sys.stderr,
        )
        sys.exit(1)
    from click.exceptions import Abort

    try:
        sys.exit(app.main(standalone_mode=False))
    except (KeyboardInterrupt, Abort):  # click turns the one into the other
        leave()
    except Exception as error:
        from voxloop.cli._failure import report

        sys.exit(report(error))
