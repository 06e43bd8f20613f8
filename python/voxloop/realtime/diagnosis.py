"""`diagnose`: where a connection to the realtime API fails, and what to do about it.

Each step stands on the one before: the key, the name, TCP, TLS, the upgrade to a WebSocket, the
first event of the session, one short answer in text. The first three network steps are made by
themselves, so that their times can be told apart; the upgrade is the same as a session's.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Literal, TypeAlias
from urllib.parse import urlsplit

import trio

from voxloop._errors import NetworkTimeout, VoxloopError
from voxloop.providers import Provider
from voxloop.realtime.config import ModelConfig
from voxloop.realtime.open import own_provider
from voxloop.realtime.probe import Probe
from voxloop.realtime.verdict import of_error

StepName: TypeAlias = Literal["key", "dns", "tcp", "tls", "upgrade", "session", "text_turn"]
Status: TypeAlias = Literal["ok", "failed", "skipped"]

STEPS: tuple[StepName, ...] = ("key", "dns", "tcp", "tls", "upgrade", "session", "text_turn")
STEP_SECONDS = 10.0
"""How long one step may take by default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DiagnosisStep:
    """One step.

    Attributes:
        name: Which one.
        status: ``"ok"``, ``"failed"``, or ``"skipped"`` when it does not apply or an earlier one
            failed.
        seconds: How long it took; None if it was skipped.
        kind: Stable text for programs: what kind of failure it is, ``""`` if it is none.
        detail: What was found, for people.
        advice: What to do, ``""`` if nothing is.
    """

    name: StepName
    status: Status
    seconds: float | None = None
    kind: str = ""
    detail: str = ""
    advice: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """What `diagnose` found. No key stands in it.

    Attributes:
        address: Host and port; ``""`` if the provider has none.
        steps: All steps, in order.
        session_id: Id that the server gave, to be named to its operator.
        model: Model that the server named.
        events: Types of the events that came, in order.
    """

    address: str = ""
    steps: tuple[DiagnosisStep, ...] = ()
    session_id: str | None = None
    model: str | None = None
    events: tuple[str, ...] = field(default=(), repr=False)

    @property
    def ok(self) -> bool:
        """Whether nothing failed."""
        return self.failure is None

    @property
    def failure(self) -> DiagnosisStep | None:
        """The step that failed, None if none did."""
        return next((step for step in self.steps if step.status == "failed"), None)

    def step(self, name: StepName) -> DiagnosisStep:
        """One of the steps."""
        return next(step for step in self.steps if step.name == name)


async def diagnose(
    *,
    provider: Provider | None = None,
    model_config: ModelConfig | None = None,
    step_timeout: float = STEP_SECONDS,
) -> Diagnosis:
    """Try the way to the realtime API step by step; a failure is in the report, not raised.

    The last step asks for one answer in text outside of any conversation, which costs a few tokens.

    Args:
        provider: Whose connection; None goes by the API key that is found.
        model_config: Which model, and how it is reached.
        step_timeout: Seconds that one step may take.

    Raises:
        ConfigError: Something that was given cannot be used.

    **Cancellation:** what was opened is closed.

    Example::

        report = await realtime.diagnose()
        if report.failure is not None:
            print(report.failure.detail, report.failure.advice)
    """
    course = _Course(step_timeout)
    with course.scope, suppress(_Failed):
        await _walk(course, provider, model_config or ModelConfig())
    if course.scope.cancelled_caught:
        course.timed_out()
    return course.report()


async def _walk(course: _Course, provider: Provider | None, config: ModelConfig) -> None:
    with course.step("key") as note:
        chosen = provider if provider is not None else own_provider(config)
        base = config.url or getattr(chosen, "base_url", None)
        if base is None:
            note.detail = "this provider needs none"
        elif {name.lower() for name in config.headers} & {"authorization", "api-key"}:
            note.detail = "given as a header"
        else:
            await chosen.warm_up()
            note.detail = "found"
    if base is None:
        for name in ("dns", "tcp", "tls"):
            course.skip(name, "this provider has no address of its own")
    else:
        await _network(course, base)
    target = config.target()
    async with AsyncExitStack() as stack:
        with course.step("upgrade") as note:
            transport = await stack.enter_async_context(chosen.realtime(target))
            note.detail = "a WebSocket stands"
        with course.step("session") as note:
            note.detail = await course.probe.greet(transport)
        if config.call_id is not None:
            course.skip("text_turn", "a call that is going on is not disturbed")
            return
        with course.step("text_turn") as note:
            note.detail = await course.probe.ask(transport)


async def _network(course: _Course, base: str) -> None:
    parts = urlsplit(base)
    secure = parts.scheme in ("https", "wss")
    host, port = parts.hostname or "", parts.port or (443 if secure else 80)
    course.address = f"{host}:{port}"
    with course.step("dns") as note:
        found = await trio.socket.getaddrinfo(host, port, type=trio.socket.SOCK_STREAM)
        addresses = sorted({str(entry[4][0]) for entry in found})
        note.detail = ", ".join(addresses)
    with course.step("tcp") as note:
        stream = await trio.open_tcp_stream(host, port)
        note.detail = f"connected to {course.address}"
    async with stream:
        if not secure:
            course.skip("tls", "the address is not encrypted")
            return
        with course.step("tls") as note:
            over = trio.SSLStream(stream, ssl.create_default_context(), server_hostname=host)
            await over.do_handshake()
            note.detail = "the certificate is trusted"


class _Failed(Exception):
    """A step failed, and is in the report."""


@dataclass(slots=True)
class _Note:
    """What a step says for people."""

    detail: str = ""


class _Course:
    """The steps so far."""

    def __init__(self, step_timeout: float) -> None:
        self.address = ""
        self.probe = Probe()
        self.scope = trio.CancelScope()
        self._timeout = step_timeout
        self._current: tuple[StepName, float] = ("key", time.monotonic())
        self._steps: dict[StepName, DiagnosisStep] = {}

    @contextmanager
    def step(self, name: StepName) -> Iterator[_Note]:
        """Carry out one step.

        Raises:
            _Failed: It failed.
        """
        note = _Note()
        self._current = (name, time.monotonic())
        self.scope.deadline = trio.current_time() + self._timeout
        try:
            yield note
        except (VoxloopError, OSError, ssl.SSLError, trio.BrokenResourceError) as error:
            self._failed(error)
            raise _Failed from None
        self.scope.deadline = float("inf")
        taken = time.monotonic() - self._current[1]
        self._steps[name] = DiagnosisStep(name=name, status="ok", seconds=taken, detail=note.detail)

    def skip(self, name: StepName, why: str) -> None:
        """A step does not apply."""
        self._steps[name] = DiagnosisStep(name=name, status="skipped", detail=why)

    def timed_out(self) -> None:
        """The step at hand took too long."""
        name = self._current[0]
        self._failed(NetworkTimeout(f"nothing came within {self._timeout:g} s", phase=name))

    def report(self) -> Diagnosis:
        """All of it."""
        for name in STEPS:
            if name not in self._steps:
                self.skip(name, "an earlier step failed")
        return Diagnosis(
            address=self.address,
            steps=tuple(self._steps[name] for name in STEPS),
            session_id=self.probe.session_id,
            model=self.probe.model,
            events=tuple(self.probe.events),
        )

    def _failed(self, error: Exception) -> None:
        name, began = self._current
        verdict = of_error(name, error, session_id=self.probe.session_id)
        self._steps[name] = DiagnosisStep(
            name=name,
            status="failed",
            seconds=time.monotonic() - began,
            kind=verdict.kind,
            detail=verdict.detail,
            advice=verdict.advice,
        )
