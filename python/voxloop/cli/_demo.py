"""``voxloop demo``: every clip through both engines."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import trio

from voxloop import audio, telemetry
from voxloop._errors import VoxloopError, WavError
from voxloop.cli import _report
from voxloop.cli._assistant import QUESTION, greeter
from voxloop.cli._outcome import Outcome
from voxloop.cli._pipeline_turn import ask_by_pipeline
from voxloop.cli._progress import Progress
from voxloop.cli._realtime_turn import ask_by_realtime
from voxloop.providers import OpenAI, Provider, TTSSettings

EXIT_NO_SPEECH = 3


@dataclass(frozen=True, slots=True)
class _Question:
    """A clip and the names its answers are saved under."""

    name: str
    stem: str
    sound: audio.AudioChunk


async def run_demo(clips: tuple[Path, ...], *, as_json: bool, out: Path, live: bool) -> int:
    """Ask every clip and report; the exit code is 0, or 3 when a clip held no speech.

    Raises:
        VoxloopError: A clip cannot be used, or an engine failed.

    **Cancellation:** closes everything; answers saved so far stay.
    """
    progress = Progress(quiet=as_json)
    questions = [_read(path) for path in clips]
    _check_names(questions)
    provider = await _provider(progress, live=live)
    await trio.Path(out).mkdir(parents=True, exist_ok=True)
    if not questions:
        questions = [await _own_question(out, progress)]
    silent = []
    for question in questions:
        report = await _ask(question, provider, out, progress)
        progress.clear()
        print(_report.as_json(report) if as_json else _report.as_text(report), flush=True)
        if report.heard_nothing:
            silent.append(question.name)
    for name in silent:
        print(f"voxloop: no speech was found in {name}", file=sys.stderr)
    return EXIT_NO_SPEECH if silent else 0


def _read(path: Path) -> _Question:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", audio.TruncatedWavWarning)
            sound = audio.to_mono(audio.read_wav(path))
    except WavError as error:
        raise VoxloopError(f"{path}: {error}", code=error.code) from error
    if sound.frames == 0:
        raise VoxloopError(f"{path}: the file holds no audio", code="audio_empty")
    return _Question(str(path), path.stem, sound)


def _check_names(questions: list[_Question]) -> None:
    """Two clips of one name would overwrite each other's answers."""
    seen: dict[str, str] = {}
    for question in questions:
        other = seen.setdefault(question.stem, question.name)
        if other != question.name:
            raise VoxloopError(
                f"{other} and {question.name} have the same name, so their answers would be "
                "saved to the same file; rename one or run them one by one",
                code="clip_names",
            )


async def _provider(progress: Progress, *, live: bool) -> Provider:
    if live:
        provider: Provider = OpenAI()
    else:
        from voxloop.local import Local

        progress.say("loading the local engines ...")
        provider = Local()
    await provider.warm_up()
    return provider


async def _own_question(out: Path, progress: Progress) -> _Question:
    from voxloop.local import Local

    progress.say(f'asking "{QUESTION}" in the local voice ...')
    voice = Local().text_to_speech()
    async with voice.synthesize(QUESTION, TTSSettings()) as stream:
        sound = audio.concat([chunk async for chunk in stream])
    file = out / "question.wav"
    audio.write_wav(file, sound)
    return _Question(str(file), "question", sound)


async def _ask(
    question: _Question, provider: Provider, out: Path, progress: Progress
) -> _report.ClipReport:
    agent = greeter()
    progress.say(f"{question.name}: realtime session ({question.sound.duration:.1f} s of audio)")
    heard = partial(progress.at, "listening to")
    live = await ask_by_realtime(question.sound, agent=agent, provider=provider, progress=heard)
    progress.say(f"{question.name}: voice pipeline")
    with _transcription_shown(progress):
        staged = await ask_by_pipeline(question.sound, agent=agent, provider=provider)
    return _report.ClipReport(
        clip=question.name,
        realtime=live,
        realtime_audio=await _save(out / f"{question.stem}-realtime.wav", live),
        pipeline=staged,
        pipeline_audio=await _save(out / f"{question.stem}-pipeline.wav", staged),
    )


@contextmanager
def _transcription_shown(progress: Progress) -> Iterator[None]:
    """Say how far the local recogniser has come; a long recording takes it a while."""

    def show(_name: str, measured: Mapping[str, float], _about: Mapping[str, object]) -> None:
        progress.at("transcribed", measured["speech_s"], measured["audio_s"])

    telemetry.attach("voxloop demo", ["local.stt.progress"], show)
    try:
        yield
    finally:
        telemetry.detach("voxloop demo")


async def _save(file: Path, outcome: Outcome) -> Path | None:
    """Write the answer's sound; None when nothing was said."""
    if outcome.audio.frames == 0:
        return None
    await trio.to_thread.run_sync(audio.write_wav, file, outcome.audio)
    return file
