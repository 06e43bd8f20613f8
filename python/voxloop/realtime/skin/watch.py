"""Asks the guardrails: of what the agent says while it says it, and of what the user said."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any, Protocol

import trio

from voxloop import telemetry
from voxloop._errors import VoxloopError
from voxloop.agents import OutputGuardrail, ResolvedAgent, TextDebounce
from voxloop.agents.guardrail import strictest
from voxloop.realtime.config import RunConfig
from voxloop.realtime.events import (
    AgentEndEvent,
    Event,
    GuardrailAction,
    GuardrailTrippedEvent,
    InterruptionCause,
    TranscriptEvent,
)
from voxloop.realtime.machine import effects, inputs
from voxloop.realtime.machine.guards import input_guardrails
from voxloop.realtime.machine.parts import replace
from voxloop.realtime.machine.state import State
from voxloop.realtime.skin.observe import Observer
from voxloop.tools import RunContext, Verdict, run_guardrails

_log = logging.getLogger("voxloop.realtime")


class Owner(Protocol):
    """The session, as the guardrails see it."""

    observer: Observer

    def feed(self, given: inputs.Input) -> VoxloopError | None:
        """Take one input."""
        ...

    def cut_media(self, cause: InterruptionCause = "application") -> None:
        """Silence what is attached, if something is."""
        ...


class Watch:
    """Looks at texts as they grow.

    One check of a message runs at a time; the next takes the text as it is then, so that slow
    guardrails fall behind by one check and never by more.
    """

    __slots__ = ("_config", "_context", "_nursery", "_owner", "_texts", "_unwatched")

    def __init__(
        self, owner: Owner, nursery: trio.Nursery, context: RunContext[Any], config: RunConfig
    ) -> None:
        self._owner = owner
        self._nursery = nursery
        self._context = context
        self._config = config
        self._texts: dict[str, _Text] = {}
        self._unwatched: tuple[str, str] | None = None
        """Message whose words nobody looks at."""

    def saw(self, event: Event, state: State) -> None:
        """The application is told this."""
        if type(event) is TranscriptEvent:
            if event.role == "assistant":
                self._heard(event, state)
        elif type(event) is AgentEndEvent:
            for item_id, text in tuple(self._texts.items()):
                if text.response_id == event.response_id:
                    del self._texts[item_id]

    def check_rest(self, response_id: str) -> None:
        """No more words of a response will come: have those looked at that were not yet."""
        for text in self._texts.values():
            if text.response_id == response_id and not text.whole:
                text.whole = True
                self._begin(text, text.debounce.finish())

    def check_input(self, effect: effects.CheckInput) -> None:
        """Have a turn of the user looked at."""
        self._nursery.start_soon(self._check_input, effect)

    def _heard(self, event: TranscriptEvent, state: State) -> None:
        text = self._texts.get(event.item_id)
        if text is None:
            message = (event.response_id, event.item_id)
            if message == self._unwatched:
                return
            track = state.turn.responses.get(event.response_id)
            by = track.by if track is not None and track.by is not None else state.agent.current
            guardrails = (*self._config.output_guardrails, *by.agent.output_guardrails)
            if not guardrails:
                self._unwatched = message
                return
            hold = self._config.hold_audio and strictest(guardrails) == "sentence"
            text = self._texts[event.item_id] = _Text(event, by, guardrails, sentences=hold)
        due = text.debounce.push(event.delta)
        if event.final and event.text is not None:
            unchecked = text.debounce.finish() is not None
            known = text.debounce.text.strip() == event.text.strip()
            due = event.text if event.text.strip() and (unchecked or not known) else None
            text.whole = True
        self._begin(text, due)

    def _begin(self, text: _Text, due: str | None) -> None:
        if due is not None:
            text.due = due
        elif not (text.whole and self._config.hold_audio):
            return
        if not text.running:
            text.running = True
            self._nursery.start_soon(self._check, text)

    async def _check(self, text: _Text) -> None:
        agent = text.by.agent
        context = self._context.for_agent(agent.name)
        while text.due is not None:
            due, text.due = text.due, None
            began = time.monotonic()
            verdict = await run_guardrails(text.guardrails, context, agent, due)
            self._measure(verdict, due, began)
            if verdict.stopped is not None:
                event = _event(verdict, "output", due, text.item_id, text.response_id)
                event = self._with_action(event)
                if event.action != "event":
                    self._owner.cut_media("guardrail")
                now = time.monotonic()
                self._owner.feed(inputs.Tripped(event, verdict.error(), now))
                break
            self._pass(text, len(due), whole=False)
        else:
            if text.whole:
                self._pass(text, len(text.debounce.text), whole=True)
        text.running = False

    def _pass(self, text: _Text, length: int, *, whole: bool) -> None:
        if self._config.hold_audio:
            now = time.monotonic()
            self._owner.feed(inputs.Passed(text.response_id, text.item_id, length, whole, now))

    async def _check_input(self, effect: effects.CheckInput) -> None:
        agent = effect.agent.agent
        context = self._context.for_agent(agent.name)
        began = time.monotonic()
        guardrails = input_guardrails(self._config, agent)
        verdict = await run_guardrails(guardrails, context, agent, effect.text)
        self._measure(verdict, effect.text, began)
        event = None
        if verdict.stopped is not None:
            event = self._with_action(_event(verdict, "input", effect.text, effect.item_id, ""))
        now = time.monotonic()
        self._owner.feed(inputs.Judged(effect.item_id, event, verdict.error(), now))

    def _measure(self, verdict: Verdict, text: str, began: float) -> None:
        if not telemetry.enabled("realtime.guardrail"):
            return
        taken = {"duration_ms": (time.monotonic() - began) * 1000.0, "text_len": len(text)}
        span = self._owner.observer.span.metadata
        for check in verdict.checks:
            what = {"name": check.guardrail.name, "tripped": check.result.behavior != "allow"}
            telemetry.emit("realtime.guardrail", taken, {**what, **span})

    def _with_action(self, event: GuardrailTrippedEvent) -> GuardrailTrippedEvent:
        chosen: object = self._config.guardrail_action
        if callable(chosen):
            decide: Callable[[GuardrailTrippedEvent], object] = chosen
            try:
                chosen = decide(event)
            except Exception as error:
                _log.warning("guardrail_action failed: %s", type(error).__name__)
        action: GuardrailAction = "cancel"
        if chosen == "say" or chosen == "event":
            action = "say" if chosen == "say" else "event"
        return replace(event, action=action)


class _Text:
    """A message of the agent that grows."""

    def __init__(
        self,
        event: TranscriptEvent,
        by: ResolvedAgent,
        guardrails: tuple[OutputGuardrail, ...],
        *,
        sentences: bool,
    ) -> None:
        self.item_id = event.item_id
        self.response_id = event.response_id
        self.by = by
        self.guardrails = guardrails
        every = min(guardrail.every for guardrail in guardrails)
        self.debounce = TextDebounce(every, sentences=sentences)
        self.due: str | None = None
        self.whole = False
        self.running = False


def _event(
    verdict: Verdict, stage: str, text: str, item_id: str, response_id: str
) -> GuardrailTrippedEvent:
    stopped = verdict.stopped
    return GuardrailTrippedEvent(
        stage="input" if stage == "input" else "output",
        guardrails=tuple(check.guardrail.name for check in verdict.tripped),
        text=text,
        message=stopped.result.message if stopped is not None else "",
        item_id=item_id,
        response_id=response_id,
        at=time.monotonic(),
    )
