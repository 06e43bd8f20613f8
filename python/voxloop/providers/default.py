"""The provider that is taken when none is named."""

from __future__ import annotations

from voxloop.net import find_api_key
from voxloop.providers.openai import OpenAI
from voxloop.providers.protocols import Provider


def default_provider() -> Provider:
    """The OpenAI account whose key is found first.

    Raises:
        AuthenticationError: No key was found; the message names where it was looked for, and the
            local provider as the way to start without one.
    """
    find_api_key()
    # The key itself is not kept: it is looked up again for each request, so that it may change.
    return OpenAI()
