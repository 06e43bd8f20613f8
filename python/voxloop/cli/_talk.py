"""``voxloop talk``: speak with an agent through microphone and speaker."""

from __future__ import annotations

import math
import sys
from contextlib import AsyncExitStack

import trio

from voxloop import audio, realtime
from voxloop.cli._assistant import greeter
from voxloop.providers import OpenAI, Provider

_METER_SECONDS = 0.1
_METER_WIDTH = 20


async def run_talk(*, live: bool, microphone: str | None, speaker: str | None) -> int:
    """Talk until Ctrl-C, or until the session ends.

    Raises:
        DeviceError: There is no microphone or speaker, or it is gone.
        VoxloopError: The session failed.

    **Cancellation:** closes session and devices.
    """
    print("opening ...", flush=True)
    provider = await _provider(live=live)
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(
            realtime.open_session(greeter(), provider=provider)
        )
        media = await stack.enter_async_context(
            session.attach(audio.Microphone(microphone), audio.Speaker(speaker))
        )
        print("speak; wear headphones, or the agent hears itself (Ctrl-C ends it)", flush=True)
        shown = _Shown()
        nursery = await stack.enter_async_context(trio.open_nursery())
        if sys.stdout.isatty():
            nursery.start_soon(_meter, session, media, shown)
        async for event in session:
            shown.take(event)
        nursery.cancel_scope.cancel()
    return 0


async def list_devices() -> int:
    """Print what there is to choose from, the defaults with a star.

    Raises:
        DeviceError: There is no sound server.
    """
    for device in await audio.devices():
        star = "*" if device.default else " "
        form = f"{device.sample_rate} Hz, {device.channels} channels"
        print(f"{star} {device.kind:<10} {device.name}  ({device.description}; {form})")
    return 0


class _Shown:
    """What is told of a conversation: captions, and how long each answer took to begin."""

    def __init__(self) -> None:
        self._stopped: float | None = None
        self._meter = False

    def take(self, event: realtime.Event) -> None:
        """Show an event."""
        match event:
            case realtime.SpeechEvent(kind="stopped", at=at):
                self._stopped = at
            case realtime.AgentStateEvent(state="speaking", at=at) if self._stopped is not None:
                self.line(f"  ({(at - self._stopped) * 1000:.0f} ms after you stopped)")
                self._stopped = None
            case realtime.TranscriptEvent(role=role, final=True, text=text):
                self.line(f"{'you' if role == 'user' else 'agent'}: {text}")
            case realtime.AudioInterruptedEvent(heard_ms=heard):
                self.line(f"  (interrupted after {heard} ms)")
            case realtime.HandoffEvent(to_agent=name):
                self.line(f"  (now {name})")
            case realtime.ErrorEvent(error=error):
                self.line(f"error: {error}")
            case _:
                pass

    def line(self, text: str) -> None:
        """A line of its own, the meter out of the way."""
        print(f"\r\x1b[K{text}" if self._meter else text, flush=True)

    def meter(self, text: str) -> None:
        """The last line of a terminal."""
        self._meter = True
        print(f"\r\x1b[K{text}", end="", flush=True)


async def _meter(session: realtime.Session, media: realtime.Media, shown: _Shown) -> None:
    """The state, and the level of either side."""
    while True:
        await trio.sleep(_METER_SECONDS)
        now = media.stats()
        you, agent = _bar(now.level_up), _bar(now.level_down)
        shown.meter(f"[{session.state:<9}] you {you} agent {agent}")


def _bar(peak: float) -> str:
    """A peak between -60 dB and full scale."""
    share = 1.0 + 20.0 * math.log10(max(peak, 1e-3)) / 60.0
    full = round(min(1.0, max(0.0, share)) * _METER_WIDTH)
    return "#" * full + "." * (_METER_WIDTH - full)


async def _provider(*, live: bool) -> Provider:
    if live:
        provider: Provider = OpenAI()
    else:
        from voxloop.local import Local

        provider = Local()
    await provider.warm_up()
    return provider
