"""A voice pipeline: speech to text, a function, text to speech."""

from __future__ import annotations

import trio
from _offline import arguments, provider, spoken

from voxloop import audio, voice


async def main(*, live: bool, out: str) -> None:
    """One question, with the events of the run."""
    workflow = voice.SimpleWorkflow(
        lambda text: [f"I understood: {text}", "How can I help?"],
        greeting="Hello! I'm listening.",
    )
    config = voice.Config(
        workflow_name="MyVoiceAssistant",
        tts=voice.TTSSettings(voice="nova" if live else None),
    )
    question = audio.encode_wav(await spoken("Please turn on the light."))
    heard: list[audio.AudioChunk] = []
    async with (
        voice.Pipeline(workflow, config=config, provider=provider(live=live)) as pipeline,
        pipeline.run(voice.AudioInput(question)) as result,
    ):
        async for event in result:
            match event:
                case voice.AudioEvent(data=chunk):
                    heard.append(chunk)
                case voice.TranscriptEvent(text=text):
                    print(f"heard: {text}")
                case voice.TextEvent(text=text):
                    print(f"says:  {text}")
                case voice.LifecycleEvent(event=what):
                    print(f"[{what}]")
                case voice.ErrorEvent(error=error):
                    print(f"error: {error}")
    audio.write_wav(out, audio.concat(heard))
    print(f"saved {out}")


if __name__ == "__main__":
    given = arguments(__doc__)
    trio.run(lambda: main(live=given.live, out=given.out))
