"""The real engines, loaded once for all tests of this folder."""

from __future__ import annotations

import pytest

from voxloop.local.embed import MiniLm
from voxloop.local.router import Router
from voxloop.local.stt import MoonshineSpeechToText
from voxloop.local.tts import HibariTextToSpeech


@pytest.fixture(scope="session")
def recogniser() -> MoonshineSpeechToText:
    return MoonshineSpeechToText.load()


@pytest.fixture(scope="session")
def speaker() -> HibariTextToSpeech:
    return HibariTextToSpeech.load()


@pytest.fixture(scope="session")
def encoder() -> MiniLm:
    return MiniLm.load()


@pytest.fixture(scope="session")
def router(encoder: MiniLm) -> Router:
    return Router(encoder)
