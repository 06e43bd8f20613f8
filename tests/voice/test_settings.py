"""Settings that come as mappings, and a splitter of one's own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from support.voice_runs import events_of, outline, pipeline, talk
from voxloop import Agent, voice
from voxloop._errors import ConfigError
from voxloop.providers import CustomVoice
from voxloop.testing import ScriptedLLM, ScriptedTTS
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
        ({"stt": {"temperature": "warm"}}, "stt: temperature is 'warm'"),
        ({"stt": {"temperature": True}}, "stt: temperature is True"),
        ({"stt": {"model": 5}}, "stt: model is 5; give a text"),
        ({"stt": {"languages": 5}}, "stt: languages is 5; give a tuple of texts"),
        ({"stt": {"keywords": [1]}}, r"stt: keywords is \[1\]; give a tuple of texts"),
        ({"stt": {"delay": "soon"}}, "stt: delay is 'soon'; give one of 'minimal'"),
        ({"stt": {"noise_reduction": "far"}}, "stt: noise_reduction is 'far'"),
        ({"tts": {"voice": 5}}, "tts: voice is 5; give a name"),
        ({"tts": {"voice": {"id": ""}}}, "tts: the id of a voice is ''"),
        ({"tts": {"speed": "fast"}}, "tts: speed is 'fast'"),
        ({"prefetch": True}, "prefetch is True"),
        ({"metadata": [1]}, r"metadata is \[1\]; give a mapping"),
        ({"group_id": 7}, "group_id is 7"),
        ({"workflow_name": None}, "workflow_name is None"),
        ({"turn_detection": {"mode": "auto"}}, "turn_detection: mode is 'auto'"),
        ({"turn_detection": {"threshold": None}}, "turn_detection: threshold is None"),
        ({"tts": None}, "tts must be TTSSettings or a mapping, not NoneType"),
        ({"splitter": "."}, "splitter is '.'"),
        ({"short_speech": "ignore"}, "short_speech"),
    ],
)
def test_what_cannot_be_used_is_named(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        voice.Config(**given)


def test_all_settings_may_be_a_mapping() -> None:
    given = {"stt": {"language": "en"}, "tts": {"voice": {"id": "v_1"}}, "prefetch": 3}
    line = voice.Pipeline(voice.SimpleWorkflow(str), config=given)
    assert line._config == voice.Config(
        stt=voice.STTSettings(language="en"),
        tts=voice.TTSSettings(voice=CustomVoice("v_1")),
        prefetch=3,
    )
    with pytest.raises(ConfigError, match="config has no setting 'sst'; there are workflow_name"):
        voice.Pipeline(voice.SimpleWorkflow(str), config={"sst": {}})
    with pytest.raises(ConfigError, match="config: stt has no setting 'langage'"):
        voice.Pipeline(voice.SimpleWorkflow(str), config={"stt": {"langage": "en"}})
    with pytest.raises(ConfigError, match="config must be Config or a mapping, not str"):
        voice.Pipeline(voice.SimpleWorkflow(str), config="x")  # type: ignore[arg-type]


def test_a_subclass_may_have_settings_of_its_own_class() -> None:
    @dataclass(frozen=True, slots=True, kw_only=True)
    class MySTT(voice.STTSettings):
        account: str = "mine"

    @dataclass(frozen=True, slots=True, kw_only=True)
    class MyConfig(voice.Config):
        stt: MySTT = field(default_factory=MySTT)

    assert MyConfig(stt={"account": "yours"}).stt == MySTT(account="yours")  # type: ignore[arg-type]
    assert MyConfig().stt.account == "mine"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda w: voice.Pipeline(w, provider="openai"), "str is no provider"),
        (lambda w: voice.Pipeline(w, stt="whisper-1"), "str recognises no speech"),
        (lambda w: voice.Pipeline(w, tts="tts-1"), "str does not speak"),
        (lambda w: voice.SimpleWorkflow(str, greeting=5), "greeting is 5"),
        (lambda w: voice.AgentWorkflow(Agent("A"), greeting=5), "greeting is 5"),
        (lambda w: voice.AgentWorkflow(Agent("A"), max_turns=0), "max_turns is 0"),
        (lambda w: voice.AgentWorkflow(Agent("A"), options={}), "options is dict"),
        (lambda w: voice.StreamedAudioInput(channels="2"), "channels is '2'"),
        (lambda w: voice.StreamedAudioInput(buffer_seconds=float("inf")), "buffer_seconds is inf"),
    ],
)
def test_what_is_no_engine_or_number_is_refused_at_once(make: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        make(voice.SimpleWorkflow(str))


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


class Unmarked:
    """Drops what only the eye is meant to see, one line at a time."""

    def __init__(self) -> None:
        self._text = ""

    def push(self, delta: str) -> list[str]:
        *ready, self._text = (self._text + delta).split("\n")
        return [line.replace("*", "").strip() for line in ready]

    def flush(self) -> list[str]:
        rest, self._text = self._text, ""
        return [rest.replace("*", "")]


@pytest.mark.parametrize("lines_heard", [1, 2])
async def test_memory_keeps_what_was_heard_though_the_splitter_changed_it(lines_heard: int) -> None:
    lines = [f"**Number {n}** is *the* next of all.\n" for n in range(4)]
    llm = ScriptedLLM(lines, "Yes.")
    workflow = voice.AgentWorkflow(Agent("Reader"))
    tts = ScriptedTTS(seconds_per_char=0.05)
    line = pipeline(
        workflow, tts=tts, llm=llm, splitter=Unmarked, queue_policy="interrupt", prefetch=4
    )
    spoken = len("Number 0 is the next of all.") * 50
    async with talk(line) as talking:
        await talking.say()
        await talking.until(lambda e: isinstance(e, voice.TextEvent) and "3" in e.text)
        talking.result.report_playback(1, lines_heard * spoken + 10)
        assert talking.result.interrupt()
        await talking.until(voice.InterruptedEvent)
    kept: Any = workflow.history[-1]
    assert kept["content"][0]["text"] == "".join(lines[:lines_heard]).rstrip("\n")


async def test_a_splitter_that_gives_no_list_is_told_apart() -> None:
    class Whole:
        def push(self, delta: str) -> str:
            return delta

        def flush(self) -> list[str]:
            return [""]

    seen, error = await events_of(pipeline(voice.SimpleWorkflow(lambda _: "One."), splitter=Whole))
    assert error is None
    assert "text One." in outline(seen)

    class Numbers(Whole):
        def flush(self) -> list[Any]:
            return [7]

    seen, error = await events_of(pipeline(voice.SimpleWorkflow(lambda _: "O."), splitter=Numbers))
    assert isinstance(error, ConfigError)
    assert "the splitter gave int" in str(error)
