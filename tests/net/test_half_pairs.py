"""Halves of surrogate pairs, as the names of files bring them, are sent as what they cannot be."""

from __future__ import annotations

from pathlib import Path

from support.voice_runs import question
from voxloop import Agent, tool, voice
from voxloop.agents import SqliteStore
from voxloop.providers import STTSettings, TTSSettings
from voxloop.testing import HttpServer, ScriptedSTT, ScriptedTTS, http

NAME = "caf\udce9.txt"  # what os.listdir() gives for a name that is no UTF-8
TOLD = "caf\ufffd.txt"


@tool
async def newest_file(folder: str) -> str:
    """Name of the newest file of a folder."""
    return NAME


async def test_an_agent_speaks_of_a_file_whose_name_is_no_utf8(tmp_path: Path) -> None:
    answers = (http.response(calls=[("newest_file", {"folder": "here"})]), http.response("Found."))
    agent = Agent(name="Clerk", instructions=f"You look after {NAME}.", tools=(newest_file,))
    async with HttpServer(*answers) as server, SqliteStore(tmp_path / "kept.db") as store:
        workflow = voice.AgentWorkflow(agent, store=store, conversation_id="one")
        line = voice.Pipeline(
            workflow, provider=server.provider(), stt=ScriptedSTT(f"where is {NAME}"),
            tts=ScriptedTTS(),
        )  # fmt: skip
        async with line:
            reply = await line.run_to_end(question())
        assert reply.text.strip() == "Found."
        bodies = [str(request.json) for request in server.requests]
        assert TOLD in bodies[0]
        assert f"'output': '{TOLD}'" in bodies[1]
        kept = await store.load("one", limit=None)
        assert TOLD in str(kept)


async def test_speech_and_its_settings_are_sent() -> None:
    async with HttpServer(http.speech(bytes(960)), http.transcript("hi")) as server:
        provider = server.provider()
        settings = TTSSettings(instructions=NAME)
        async with provider.text_to_speech().synthesize(NAME, settings) as chunks:
            assert sum([chunk.frames async for chunk in chunks]) == 480
        await provider.speech_to_text().transcribe(question().chunk, STTSettings(prompt=NAME))
        assert str(server.requests[0].json).count(TOLD) == 2
        (prompt,) = [part for part in server.requests[1].parts if part.name == "prompt"]
        assert prompt.content == b"caf?.txt"
