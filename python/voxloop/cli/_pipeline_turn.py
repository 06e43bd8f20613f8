"""The pipeline half of the demo: the same clip through STT, agent and TTS."""

from __future__ import annotations

import json

from voxloop import audio, voice
from voxloop.agents import Agent
from voxloop.cli._outcome import MARKS, Latency, Outcome, ToolUse
from voxloop.providers import Provider


async def ask_by_pipeline(clip: audio.AudioChunk, *, agent: Agent, provider: Provider) -> Outcome:
    """Run `clip` through the pipeline to its end.

    Raises:
        VoxloopError: A stage failed.

    **Cancellation:** the run is given up.
    """
    async with voice.Pipeline(voice.AgentWorkflow(agent), provider=provider) as pipeline:
        reply = await pipeline.run_to_end(voice.AudioInput(clip))
    return Outcome(
        transcript=reply.transcript,
        agent=reply.agent or agent.name,
        tool_calls=tuple(map(_tool_use, reply.tool_calls)),
        handoffs=reply.handoffs,
        answer=reply.text,
        audio=reply.audio,
        latency=_latency(reply.metrics),
    )


def _tool_use(record: voice.ToolRecord) -> ToolUse:
    arguments = json.loads(record.arguments or "{}")
    return ToolUse(name=record.name, arguments=arguments, output=record.output)


def _latency(metrics: voice.TurnMetrics | None) -> Latency:
    marks = {} if metrics is None else {m: getattr(metrics, m) for m in MARKS}
    return Latency({mark: at for mark, at in marks.items() if at is not None})
