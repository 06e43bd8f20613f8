"""What goes over the wire, as typed values: realtime events, Responses events, audio answers.

No I/O happens here, and neither trio nor a socket is needed to use it.
"""

from __future__ import annotations
