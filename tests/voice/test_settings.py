"""Settings that come as mappings, and a splitter of one's own."""

from __future__ import annotations

from typing import Any

import pytest

from support.voice_runs import events_of, outline, pipeline
from voxloop import voice
from voxloop._errors import ConfigError
from voxloop.testing import ScriptedTTS
from voxloop.voice.answer import text_of


def test_parts_may_be_mappings() -> None:
    given: dict[str, Any] = {
        "stt": {"model": "m", "keywords": ["Oslo"]},
        "tts": {"voice": "nova", "speed": 1.5},
        "turn_detection": {"mode": "manual"},
    }
    config = voice.Config(**given)
    assert config.stt == voice.STTSettings(model="m", keywords=("Oslo",))
    assert config.tts == voice.TTSSettings(voice="nova", speed=1.5)
    assert config.turn_detection == voice.TurnDetection(mode="manual")
    assert voice.Config(stt={}) == voice.Config()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"stt": {"modle": "m"}}, "stt has no setting 'modle'; there are model, language"),
        ({"tts": {7: "m"}}, "tts has no setting 7"),
        ({"tts": {"speed": 9.0}}, "tts: speed is 9.0"),
        ({"stt": {"temperature": "warm"}}, "stt has a value of a wrong type"),
        ({"turn_detection": {"mode": "auto"}}, "turn_detection: mode is 'auto'"),
        ({"turn_detection": {"threshold": None}}, "turn_detection has a value of a wrong type"),
        ({"tts": None}, "tts must be TTSSettings or a mapping, not NoneType"),
        ({"splitter": "."}, "splitter is '.'"),
        ({"short_speech": "ignore"}, "short_speech"),
    ],
)
def test_what_cannot_be_used_is_named(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        voice.Config(**given)


class Lines:
    """Cuts at line ends alone."""

    def __init__(self) -> None:
        self._rest = ""

    def push(self, delta: str) -> list[str]:
        *ready, self._rest = (self._rest + delta).splitlines(keepends=True) or [""]
        if self._rest.endswith("\n"):
            ready.append(self._rest)
            self._rest = ""
        return ready

    def flush(self) -> list[str]:
        rest, self._rest = self._rest, ""
        return [rest] if rest else []


@pytest.mark.parametrize(
    ("splitter", "wanted"),
    [
        (Lines, ["Uno dos tres. A b c d e f g.", "Ja."]),
        (
            lambda: voice.SentenceSplitter(first_sentence=1, sentence=1),
            ["Uno dos tres.", "A b c d e f g.", "Ja."],
        ),
    ],
)
async def test_a_splitter_of_ones_own(splitter: Any, wanted: list[str]) -> None:
    workflow = voice.SimpleWorkflow(lambda text: iter(["Uno dos tres. ", "A b c d e f g.\nJa."]))
    tts = ScriptedTTS()
    await events_of(pipeline(workflow, tts=tts, splitter=splitter))
    assert tts.texts == wanted


async def test_each_text_of_a_list_is_a_message_of_its_own() -> None:
    workflow = voice.SimpleWorkflow(lambda text: ("I understood: light.", "", "How can I help?"))
    tts = ScriptedTTS()
    seen, _ = await events_of(pipeline(workflow, tts=tts))
    said = "".join(word[5:] for word in outline(seen) if word.startswith("text "))
    assert said == "I understood: light. How can I help? "
    assert "".join(f"{text} " for text in tts.texts) == said


async def test_texts_of_a_list_are_apart_in_a_hook_too() -> None:
    def fails(text: str) -> str:
        raise ValueError(text)

    tts = ScriptedTTS()
    config: dict[str, Any] = {"on_error": "speak", "error_text": "Sorry."}
    await events_of(pipeline(voice.SimpleWorkflow(fails), tts=tts, **config))
    assert tts.texts == ["Sorry."]
    assert await text_of(lambda: ["One.", "Two."]) == "One. Two. "
