"""The commands and their options."""

from __future__ import annotations

import logging
import sys
from functools import partial
from pathlib import Path

import click

from voxloop._version import __version__
from voxloop.cli import _failure, _interrupt


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="voxloop")
def app() -> None:
    """Voice agents: a spoken question in, a spoken answer out."""


def _debug(_context: click.Context, _option: click.Parameter, value: bool) -> None:
    if value:
        _failure.show_tracebacks()
        logging.basicConfig(level=logging.DEBUG, stream=sys.stderr)
    else:  # what fails is told in one line; the server's own log would repeat it
        logging.basicConfig(level=logging.CRITICAL)


debug_option = click.option(
    "--debug",
    is_flag=True,
    expose_value=False,
    callback=_debug,
    help="Show logs, and the traceback of a failure.",
)


@app.command()
@click.argument("clips", nargs=-1, type=click.Path(path_type=Path), metavar="[CLIP.wav ...]")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per clip on stdout.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("voxloop-demo"),
    show_default=True,
    help="Folder for the spoken answers.",
)
@click.option("--live", is_flag=True, help="Against OpenAI, with your key.")
@debug_option
def demo(clips: tuple[Path, ...], as_json: bool, out: Path, live: bool) -> int:
    """Ask a spoken question and hear the answer, through both engines.

    Without a clip the question is asked in the local voice. Everything runs offline on this
    machine unless --live is given.
    """
    from voxloop.cli._demo import run_demo

    return _interrupt.run(partial(run_demo, clips, as_json=as_json, out=out, live=live))


@app.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
@click.option("--url", help="Whole WebSocket URL instead of the account's.")
@click.option("--model", help="Realtime model to ask.")
@debug_option
def doctor(as_json: bool, url: str | None, model: str | None) -> int:
    """Try the way to the realtime API step by step, and say what to do where it fails.

    Codes: 0 everything works, 1 a step failed. One short answer in text is asked for.
    """
    from voxloop.cli._doctor import run_doctor

    return _interrupt.run(partial(run_doctor, as_json=as_json, url=url, model=model))


@app.command()
@click.argument("recording", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--serve", "serving", is_flag=True, help="Play it as a realtime server.")
@click.option("--port", type=click.IntRange(0, 65_535), default=0, help="Port for --serve.")
@click.option("--speed", type=float, default=1.0, show_default=True, help="0 waits for nothing.")
@debug_option
def replay(recording: Path, serving: bool, port: int, speed: float) -> int:
    """Show a recorded session line by line, or play it as the server that it was."""
    from voxloop.cli._replay import run_replay

    work = partial(run_replay, recording, serving=serving, port=port, speed=speed)
    return _interrupt.run(work)


@app.command()
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=8_765,
    show_default=True,
    help="Port on loopback; 0 takes a free one.",
)
@debug_option
def serve(port: int) -> int:
    """Serve the OpenAI-compatible local endpoints on loopback until Ctrl-C.

    Point a client at the address that is printed: /v1/realtime, /v1/audio/transcriptions,
    /v1/audio/speech, /v1/responses and /v1/models.
    """
    from voxloop.cli._serve import run_server

    return _interrupt.run(partial(run_server, port))


@app.command()
@click.option("--device", "speaker", help="Speaker by name; the default one otherwise.")
@click.option("--microphone", help="Microphone by name; the default one otherwise.")
@click.option("--list-devices", "listing", is_flag=True, help="Show what there is and leave.")
@click.option("--live", is_flag=True, help="Against OpenAI, with your key.")
@debug_option
def talk(speaker: str | None, microphone: str | None, listing: bool, live: bool) -> int:
    """Talk with an agent through microphone and speaker until Ctrl-C.

    Everything runs offline on this machine unless --live is given. Wear headphones: there is no
    echo canceller, and the agent would hear itself.
    """
    from voxloop.cli._talk import list_devices, run_talk

    if listing:
        return _interrupt.run(list_devices)
    return _interrupt.run(partial(run_talk, live=live, microphone=microphone, speaker=speaker))
