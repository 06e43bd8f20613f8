"""Pipelines on real sockets that are cancelled, interrupted or broken at random points.

Every engine is that of `voxloop.OpenAI`; its servers answer over loopback. After each case their
books, and those of this process, must be what they were before it.
"""

from __future__ import annotations

import array
import contextlib
import functools
import gc
import os
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import trio

import voxloop
from support.transcription_server import TranscriptionServer, speech, transcription_server
from support.voice_fuzz import ENDINGS, Mine, drive, open_files
from support.voice_runs import cancel_after
from voxloop import Agent, LocalFileSearch, _native, tool, voice
from voxloop._errors import VoxloopError
from voxloop.testing import HttpRequest, HttpServer, http, utterance

WAYS = (*ENDINGS, "steps", "steps", "time", "time", "time")
WORDS = ("weather", "files", "prices", "", "lamp", "note", "a long story")
CLIP = utterance(0.3, before=0.1, after=0.6)
SPOKEN = speech(1, 2, ms=150, pause_ms=150)
# The server's own tasks: those of a connection that is closed may wait for what never comes.
_PEER = ("websockets.", "trio._highlevel_serve_listeners.")
_CLOSE = {"Connection": "close"}
_FAULTS = (
    http.refusal(429, "rate_limit_exceeded", retry_after_ms="2"),
    http.refusal(400, "invalid_value"),
    http.Answer(drop=True),
    http.GARBLED_EVENTS,
    http.WEB_PAGE,
)


class Answers:
    """What the HTTP servers answer, by path; the dice are those of the case under way."""

    def __init__(self) -> None:
        self.dice = random.Random(0)
        self.fault = 0.0

    def answer(self, request: HttpRequest) -> http.Answer:
        dice = self.dice
        if dice.random() < self.fault:
            return dice.choice(_FAULTS)
        given = self._good(request)
        if dice.random() < self.fault:
            given = replace(given, cut=dice.choice(("reset", "end")))
        return replace(
            given, hang=dice.choice((0.0, 0.0, 0.005)), gap=dice.choice((0.0, 0.0005, 0.002))
        )

    def closing(self, request: HttpRequest) -> http.Answer:
        """The same, and the connection ends behind it."""
        given = self.answer(request)
        return replace(given, headers={**given.headers, **_CLOSE})

    def _good(self, request: HttpRequest) -> http.Answer:
        if request.target.endswith("/audio/transcriptions"):
            return http.transcript(self.dice.choice(WORDS))
        if request.target.endswith("/audio/speech"):
            pcm = array.array("h", [3] * (2400 * self.dice.randint(1, 8))).tobytes()
            as_events = b'"sse"' in request.body
            return http.speech_events(pcm) if as_events else http.speech(pcm, piece=999)
        return self._response(request.json)

    def _response(self, body: Any) -> http.Answer:
        last = body["input"][-1]
        offered = {entry.get("name") for entry in body["tools"]}
        said = last["content"] if last.get("type") == "message" else ""
        text = said if isinstance(said, str) else said[0]["text"]
        weather = ("get_weather", {"city": "Oslo"})
        asked: dict[str, tuple[str, dict[str, object]]] = {
            "weather": weather,
            "files": ("file_search", {"text": "lamp"}),
            "note": ("note", {"text": "lamp"}),
            "prices": ("transfer_to_sales", {}),
        }
        call = asked.get(text)
        if call is None or call[0] not in offered:
            return http.response("That is so. " * self.dice.randint(0, 6) + "And that is all.")
        calls = [call, weather] if self.dice.random() < 0.3 else [call]
        return http.response(self.dice.choice(("", "Let me see. ")), calls=calls)


@dataclass
class Servers:
    """The servers of all cases.

    Attributes:
        closing: Ends each connection behind its answer.
        keeping: Leaves them open for a next request.
        listening: Transcribes streams.
        folder: What the agent may search.
    """

    answers: Answers
    closing: HttpServer
    keeping: HttpServer
    listening: TranscriptionServer
    folder: Path

    def census(self) -> dict[str, object]:
        """Whatever must be as it was when a case is over."""
        return {
            "tasks": sorted(name for name, _ in _tasks() if not name.startswith(_PEER)),
            "descriptors": open_files(),
            "network tasks": _native.live_tasks(),
            "threads": sorted(_busy_threads()),
            "connections": self.closing.connections + self.keeping.connections,
            "temporary files": len(os.listdir(tempfile.gettempdir())),
        }


@asynccontextmanager
async def servers(folder: Path) -> AsyncIterator[Servers]:
    """Run the servers; `folder` gets something to be searched."""
    (folder / "lamps.txt").write_text("A lamp is ten euros.\n" * 50)
    answers = Answers()
    async with (
        HttpServer(respond=answers.closing) as closing,
        HttpServer(respond=answers.answer) as keeping,
        transcription_server() as listening,
    ):
        yield Servers(answers, closing, keeping, listening, folder)


@dataclass
class SocketCase:
    """One random pipeline on real sockets."""

    seed: int
    servers: Servers
    random: random.Random = field(init=False)
    streaming: bool = field(init=False)
    workflow: voice.AgentWorkflow = field(init=False)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        chance = self.random.random
        self.servers.answers.dice = random.Random(self.seed)
        self.servers.answers.fault = 0.1 if chance() < 0.3 else 0.0
        self.servers.listening.drops = 1 if chance() < 0.2 else 0
        self.servers.listening.random = random.Random(self.seed)
        self.servers.listening.transcribe = self._transcribe
        self.streaming = chance() < 0.5
        greeting = "Hello!" if chance() < 0.5 else None
        found = LocalFileSearch(self.servers.folder)
        clerk = Agent("Clerk", tools=[get_weather, note, found]).add_handoff(Agent("Sales"))
        self.workflow = voice.AgentWorkflow(clerk, greeting=greeting)

    async def _transcribe(self, session: Any, item: str, text: str) -> None:
        await trio.sleep(self.random.choice((0.0, 0.002)))
        await self.servers.listening.say(session, item, self.random.choice(WORDS))

    def pipeline(self) -> voice.Pipeline:
        dice = self.random
        modes = ("server_vad", "semantic_vad", "local", "manual")
        mode: Any = dice.choice(modes if self.streaming else modes[2:])
        http_server = self.servers.keeping if dice.random() < 0.3 else self.servers.closing
        provider = voxloop.OpenAI(
            api_key="sk-test",
            base_url=http_server.base_url,
            realtime_url=self.servers.listening.url + "/realtime",
        )
        config = voice.Config(
            queue_policy=dice.choice(("interrupt", "queue", "latest")),
            turn_detection=voice.TurnDetection(mode=mode),
            stream_stt=self.streaming or None,
            tts=voice.TTSSettings(usage=dice.random() < 0.3),
            prefetch=dice.choice((1, 2, 3)),
            on_slow=dice.choice((None, "Wait.")),
            slow_seconds=0.1,
            on_silence=dice.choice((None, "Hello?")),
            silence_seconds=0.1,
            on_error=dice.choice(("raise", "speak")),
        )
        return voice.Pipeline(self.workflow, provider=provider, config=config)

    async def feed(self, stream: voice.StreamedAudioInput, dice: random.Random) -> None:
        """Speak some turns, quicker than anybody does."""
        for _ in range(dice.randint(1, 4)):
            if stream.sample_rate == 24_000:
                for first in range(0, len(SPOKEN), 4800):
                    await stream.push(SPOKEN[first : first + 4800])
            else:
                for first in range(0, CLIP.frames, 1600):
                    await stream.push(CLIP[first : first + 1600])
            if dice.random() < 0.5:
                stream.commit()
            await trio.sleep(dice.choice((0.0, 0.005, 0.05)))
        stream.close()

    def check_history(self) -> None:
        """The conversation can go on: every call has its output, and nobody holds it."""
        with self.workflow._conversation.exclusive():
            history = self.workflow._conversation.items()
        ids = {
            kind: Counter(item["call_id"] for item in history if item["type"] == kind)
            for kind in ("function_call", "function_call_output")
        }
        assert ids["function_call"] == ids["function_call_output"]


@tool
async def get_weather(city: str) -> str:
    """Weather."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(city.encode())
        await trio.sleep(0.002)
    return "Sunny."


@tool
def note(text: str) -> str:
    """Write something down."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "note.txt").write_text(text)
        time.sleep(0.002)
    return "Done."


async def run_socket_case(
    seed: int, servers: Servers, before: dict[str, object] | None = None
) -> str:
    """Run one case; how it ended. `before` is the census that must hold again after it."""
    case = SocketCase(seed, servers)
    ending = case.random.choice(WAYS)
    # Where little has happened, more can be cut: early points come more often than late ones.
    steps = round(10 ** case.random.uniform(0, 3)) if ending == "steps" else sys.maxsize
    seconds = 0.1 * 10 ** case.random.uniform(-3, 0.3) if ending == "time" else 100.0
    outcome = "completed"
    with trio.CancelScope() as scope, cancel_after(scope, steps=steps):
        scope.deadline = trio.current_time() + seconds
        try:
            outcome = await _run(case, ending)
        except Mine:
            outcome = "raised"
        except VoxloopError as error:
            outcome = type(error).__name__
    if scope.cancelled_caught:
        assert ending in ("steps", "time"), "nothing may hang, wherever it was cut"
        outcome = f"cancelled by {ending}"
    case.check_history()
    if before is not None and await _settled(servers, before):
        outcome += " (and collected)"
    for server in (servers.closing, servers.keeping):
        server.requests.clear()
    servers.listening.sessions.clear()
    return outcome


async def _run(case: SocketCase, ending: str) -> str:
    rate = 24_000 if case.streaming and case.random.random() < 0.5 else 16_000
    stream = voice.StreamedAudioInput(sample_rate=rate)
    line = case.pipeline()
    whole = voice.AudioInput(CLIP) if case.random.random() < 0.2 else None
    feed = functools.partial(case.feed, stream)
    return await drive(
        line, case.random, ending, source=stream if whole is None else whole, feed=feed
    )


async def _settled(servers: Servers, before: dict[str, object]) -> bool:
    """Wait until everything is as it was; what is not after ten seconds was left behind.

    Returns:
        Whether that took the collector, as where the traceback of an error holds what it came
        through.
    """
    begun, collected = time.monotonic(), False
    while (now := servers.census()) != before:
        waited = time.monotonic() - begun
        if waited > 1.0 and not collected:
            gc.collect()
            collected = True
        if waited > 10.0:
            left = {name: (before[name], now[name]) for name in now if now[name] != before[name]}
            raise AssertionError(f"left behind: {left}; open {_descriptors()}; tasks {_tasks()}")
        await trio.sleep(0.002)
    return collected


def _busy_threads() -> Iterable[str]:
    """Threads that are doing something; trio keeps idle ones for ten seconds."""
    return (t.name for t in threading.enumerate() if not t.name.startswith("Trio thread"))


def _descriptors() -> list[str]:
    found = []
    for number in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            found.append(f"{number} {os.readlink(f'/proc/self/fd/{number}')}")
    return found


def _tasks() -> list[tuple[str, str]]:
    """All tasks, and where each stands."""
    found: list[tuple[str, str]] = []
    todo = [trio.lowlevel.current_root_task()]
    while todo:
        task = todo.pop()
        if task is not None:
            frames = [f"{f.f_code.co_name}:{line}" for f, line in task.iter_await_frames()]
            found.append((task.name, " < ".join(reversed(frames))))
            todo += [child for nursery in task.child_nurseries for child in nursery.child_tasks]
    return found
