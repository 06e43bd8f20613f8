"""Generates one response: asks the model, speaks what it says, and has the events sent."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from voxloop._errors import VoxloopError
from voxloop.local.server.realtime.builder import Events, ResponseBuilder
from voxloop.local.server.realtime.conversation import Conversation
from voxloop.local.server.realtime.effects import ResponsePlan
from voxloop.providers import (
    LanguageModel,
    ModelDone,
    ModelRequest,
    TextDelta,
    TextDone,
    TextToSpeech,
    ToolCall,
    TTSSettings,
)
from voxloop.wire import realtime as rt

__all__ = ["Responder", "SessionView"]

_log = logging.getLogger("voxloop.local.server")

_DELTA_BYTES: Final = 9_600  # 200 ms


class SessionView(Protocol):
    """What a response needs of its session."""

    @property
    def conversation(self) -> Conversation:
        """The items."""
        ...

    def audio_started(self) -> None:
        """Audio goes out."""
        ...


class Responder:
    """One response, from its first event to the one before the last.

    Args:
        plan: What to generate.
        session: The session it belongs to.
        model: Language model.
        voice: Text to speech.
        emit: Sends events in order; a batch is never sent in part.
    """

    def __init__(
        self,
        plan: ResponsePlan,
        session: SessionView,
        *,
        model: LanguageModel,
        voice: TextToSpeech,
        emit: Callable[[Events], Awaitable[None]],
    ) -> None:
        self._plan = plan
        self._session = session
        self._model = model
        self._voice = voice
        self._emit = emit
        self._builder = ResponseBuilder(plan, session.conversation)
        self._final: Events | None = None
        self._audio_ms = 0

    @property
    def audio_ms(self) -> int:
        """Length of the sound that was sent, in milliseconds."""
        return self._audio_ms

    async def begin(self) -> None:
        """Announce the response.

        **Cancellation:** the event is sent whole or not at all.
        """
        await self._emit(self._builder.created())

    async def generate(self) -> None:
        """Ask the model and send what comes, up to the events that `closing` gives.

        A failure of an engine becomes the status of the response.

        **Cancellation:** what was sent stays; `closing` gives the events of a cancelled response.
        """
        try:
            self._final = await self._stream()
        except VoxloopError as error:
            self._final = self._failed(error.code, str(error))
        except Exception:
            _log.exception("a response failed")
            self._final = self._failed(
                "internal_error", "the local server failed; its log says why"
            )

    def closing(self, reason: str) -> Events:
        """The last events of the response; ``reason`` says why it was cancelled if it was."""
        if self._final is None:
            return self._builder.done("cancelled", reason=reason)
        return self._final

    async def _stream(self) -> Events:
        plan, settings = self._plan, self._plan.settings
        items = self._session.conversation.model_items() if plan.items is None else plan.items
        request = ModelRequest(
            instructions=settings.instructions,
            items=items,
            tools=settings.tools,
            tool_choice=settings.tool_choice,
        )
        done = ModelDone()
        async with self._model.respond(request) as events:
            async for event in events:
                match event:
                    case TextDelta(text=text):
                        await self._emit(self._builder.text(text))
                    case TextDone(text=text):
                        if settings.speaks:
                            await self._speak(text)
                        await self._emit(self._builder.end_message())
                    case ToolCall():
                        await self._emit(self._builder.call(event))
                    case ModelDone():
                        done = event
        return self._builder.done(done.status, reason=done.reason, usage=done.usage)

    async def _speak(self, text: str) -> None:
        settings = self._plan.settings
        wanted = TTSSettings(voice=settings.voice, speed=settings.speed)
        async with self._voice.synthesize(text, wanted) as chunks:
            async for chunk in chunks:
                self._session.audio_started()
                pcm = bytes(chunk)
                self._audio_ms += round(chunk.duration * 1000)
                for at in range(0, len(pcm), _DELTA_BYTES):
                    await self._emit(self._builder.audio(pcm[at : at + _DELTA_BYTES]))

    def _failed(self, code: str, message: str) -> Events:
        detail = rt.ErrorDetail(type="server_error", code=code, message=message)
        return self._builder.done("failed", error=detail)
