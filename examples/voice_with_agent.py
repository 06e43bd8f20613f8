"""An agent behind a voice pipeline: a search in one folder, a function, memory over turns."""

from __future__ import annotations

import tempfile
from pathlib import Path

import trio
from _offline import arguments, provider, spoken

from voxloop import Agent, audio, tool, voice
from voxloop.tools import LocalFileSearch

NOTES = {
    "tomatoes": "Water them twice a week.\n",
    "heating": "It is serviced in May.\n",
}
QUESTIONS = [
    "Search the files for tomatoes.",
    "What is the weather like in Paris?",
]


@tool
async def get_weather(location: str) -> str:
    """Current weather for a location.

    Args:
        location: City name.
    """
    await trio.sleep(0.1)  # what was said before the call is heard meanwhile
    return f"It is sunny and 22 degrees in {location}."


def make_workflow(folder: Path) -> voice.AgentWorkflow:
    """An agent that may look into `folder`, where some notes are put, and nowhere else."""
    for name, text in NOTES.items():
        (folder / name).write_text(text, encoding="utf-8")
    agent = Agent(
        name="Secretary",
        instructions="Use the tools, and answer in one sentence.",
        tools=[LocalFileSearch(folder), get_weather],
    )
    return voice.AgentWorkflow(agent)


async def ask(pipeline: voice.Pipeline, question: str) -> audio.AudioChunk:
    """Ask one question aloud, tell what happens, return the sound of the answer."""
    heard: list[audio.AudioChunk] = []
    async with pipeline.run(voice.AudioInput(await spoken(question))) as result:
        async for event in result:
            match event:
                case voice.TranscriptEvent(text=text):
                    print(f"heard: {text}")
                case voice.ToolEvent(kind="call", name=name, arguments=given):
                    print(f"tool   {name}({given})")
                case voice.ToolEvent(kind="result", output=output):
                    print(f"    -> {output}")
                case voice.TextEvent(text=text):
                    print(f"says:  {text}")
                case voice.AudioEvent(data=chunk):
                    heard.append(chunk)
    return audio.concat(heard)


async def main(*, live: bool, out: str) -> None:
    """Two questions to the same agent, which remembers the first when it gets the second."""
    answers: list[audio.AudioChunk] = []
    with tempfile.TemporaryDirectory() as folder:
        workflow = make_workflow(Path(folder))
        async with voice.Pipeline(workflow, provider=provider(live=live)) as pipeline:
            for question in QUESTIONS:
                answers.append(await ask(pipeline, question))
                roles = [str(item.get("role") or item["type"]) for item in workflow.history]
                print(f"remembers {len(roles)} items: {', '.join(roles)}")
    audio.write_wav(out, audio.concat(answers))


if __name__ == "__main__":
    given = arguments(__doc__)
    trio.run(lambda: main(live=given.live, out=given.out))
