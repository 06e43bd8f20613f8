"""What the examples share: the choice of a provider, and questions to ask.

Offline the engines run on this machine; with ``--live`` the same example runs on OpenAI, with the
key that voxloop finds (see `voxloop.OpenAI`).
"""

from __future__ import annotations

import argparse

import voxloop
from voxloop import audio
from voxloop.providers import Provider, TTSSettings


def arguments(about: str | None) -> argparse.Namespace:
    """Read the command line: ``--live`` and ``--out``."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--live", action="store_true", help="use OpenAI instead of this machine")
    parser.add_argument("--out", default="answer.wav", help="where the answer's sound goes")
    return parser.parse_args()


def provider(*, live: bool) -> Provider:
    """OpenAI, or the engines of this machine."""
    return voxloop.OpenAI() if live else voxloop.Local()


async def spoken(text: str) -> audio.AudioChunk:
    """`text` in the local voice: somebody has to ask."""
    async with voxloop.Local().text_to_speech().synthesize(text, TTSSettings()) as stream:
        return audio.concat([chunk async for chunk in stream])
