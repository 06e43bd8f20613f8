"""The scripted workflow, in a pipeline and by itself."""

from __future__ import annotations

import pytest

from voxloop import voice
from voxloop.testing import (
    Pause,
    ScriptedProvider,
    ScriptedSTT,
    ScriptedTTS,
    ScriptedWorkflow,
    ScriptExhausted,
    utterance,
)


async def test_each_transcript_gets_its_answer() -> None:
    workflow = ScriptedWorkflow("It is sunny.", ["One ", Pause(0.01), "moment."])
    tts = ScriptedTTS()
    provider = ScriptedProvider(stt=ScriptedSTT("First", "Second"), tts=tts)
    async with voice.Pipeline(workflow, provider=provider) as pipeline:
        for text in ("It is sunny.", "One moment."):
            reply = await pipeline.run_to_end(voice.AudioInput(utterance(1.0)))
            assert reply.text.strip() == text
    assert workflow.heard == ["First", "Second"]
    assert workflow.remaining == 0
    assert tts.texts == ["It is sunny.", "One moment."]


async def test_an_exception_and_the_end_of_the_script() -> None:
    workflow = ScriptedWorkflow(["Well, ", KeyError("mine")])
    said = []
    with pytest.raises(KeyError, match="mine"):
        async for text in workflow.run("x"):
            said.append(text)
    assert said == ["Well, "]
    with pytest.raises(ScriptExhausted, match="transcript 2"):
        [text async for text in workflow.run("y")]
