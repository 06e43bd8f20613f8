"""`Session`: what the application holds while it talks."""

from __future__ import annotations

import math
import os
import time
import uuid
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from voxloop._errors import ConfigError
from voxloop.agents import Agent, resolve
from voxloop.audio import AudioLike, Format, Sink, Source
from voxloop.realtime.arguments import (
    Detail,
    Role,
    check,
    check_id,
    check_settings,
    check_text,
    raw_event,
    response_params,
    sendable_item,
    tool_output,
)
from voxloop.realtime.attach import Attaching, AttachOptions, LocalVad, Media
from voxloop.realtime.config import Level, SessionModelSettings
from voxloop.realtime.events import Event
from voxloop.realtime.items import image_url, mcp_answer
from voxloop.realtime.machine import inputs
from voxloop.realtime.machine.holdback import check_sink
from voxloop.realtime.skin.runner import Runner
from voxloop.realtime.skin.subscribers import Subscription
from voxloop.realtime.skin.telling import WireEvent
from voxloop.realtime.skin.work import check_agent
from voxloop.realtime.telephone import FORMATS
from voxloop.realtime.uplink import Uplink
from voxloop.realtime.view import SessionView
from voxloop.tools import Tool
from voxloop.wire import realtime as rt

if TYPE_CHECKING:
    from voxloop.realtime.recording import Recording


class Session(SessionView):
    """A conversation over one connection; made by `open_session`.

    Iterate it for its events; one task at a time may, others use `subscribe`. What comes before
    the first iteration is kept for it, up to the bounds of `voxloop.realtime.skin.subscribers`; a
    session that is never iterated goes on all the same. What the session sends goes out in the
    order of the calls.

    Every coroutine here raises what ended the session once it is over: `UseAfterClose` after its
    block, else the error itself. **Cancellation:** what a call sends is sent whole or not at all,
    unless it says otherwise.

    Example::

        async with realtime.open_session(agent) as session:
            await session.send_message("Hello!")
            async for event in session:
                match event:
                    case realtime.TranscriptEvent(final=True, text=text):
                        print(text)
                    case realtime.AgentEndEvent():
                        break
    """

    def __init__(self, runner: Runner) -> None:
        super().__init__(runner)
        self._uplink = Uplink(FORMATS[runner.state.settings.input_format])
        self._events: Subscription[Event] = runner.events.add(unasked=True)

    # -- what comes in ---------------------------------------------------------------------------

    def __aiter__(self) -> AsyncIterator[Event]:
        return self._events

    def __anext__(self) -> Coroutine[Any, Any, Event]:
        """The next event.

        Raises:
            VoxloopError: What ended the session, once all events were given.

        **Cancellation:** nothing is lost; may be called again.
        """
        return self._events.__anext__()

    @asynccontextmanager
    async def subscribe(self) -> AsyncIterator[Subscription[Event]]:
        """Open a channel of one's own for the events from now on.

        Leaving the block closes it. See `voxloop.realtime.skin.subscribers` for what happens when
        it is read slowly.
        """
        subscription = self._runner.events.add()
        try:
            yield subscription
        finally:
            self._runner.events.remove(subscription)

    @asynccontextmanager
    async def wire_events(self) -> AsyncIterator[Subscription[WireEvent]]:
        """Open a channel for all frames from now on, as they are, in both directions.

        The oldest are dropped beyond 32 MiB; ``dropped`` counts them. Those that attached media
        send come up to a second late, with the time at which they were queued.
        """
        subscription = self._runner.wire.add()
        self._runner.follow()
        try:
            yield subscription
        finally:
            self._runner.wire.remove(subscription)
            self._runner.follow()

    @asynccontextmanager
    async def record(
        self, path: str | os.PathLike[str], *, redact: bool = False
    ) -> AsyncIterator[Recording]:
        """Write what is said and sent into two files until the block is left.

        ``path`` with the suffix ``.wav`` gets the sound: the user on the left, the agent as it was
        heard on the right, aligned in time. With ``.jsonl`` it gets every frame as a line of JSON;
        `voxloop.testing.replay` plays it back. Keys are never written. The session does not wait
        for the disk: what does not fit into 32 MiB is left out and counted.

        Args:
            path: Where to; its suffix does not matter.
            redact: Leave out words, sound and images: only what happened when is written, and no
                sound file.

        Raises:
            OSError: The files cannot be made.

        **Cancellation:** what has come is written, for at most five seconds.
        """
        from voxloop.realtime.recording import recording  # few sessions are recorded

        async with recording(Path(path), self._runner, redact=redact) as made:
            self._runner.record(made)
            try:
                yield made
            finally:
                self._runner.unrecord(made)

    # -- sound -----------------------------------------------------------------------------------

    async def send_audio(self, data: AudioLike, *, format: Format | None = None) -> None:
        """Send audio of the user; it waits while too much is queued.

        While the connection is lost it waits for nothing: the last ``Reconnect.audio_seconds`` are
        kept and sent once there is another, and what did not fit is reported.

        Args:
            data: Anything that `voxloop.audio.as_chunk` takes, at any rate: it is mixed to mono and
                resampled to what the server takes (``SessionModelSettings.input_format``),
                seamlessly over calls of one rate.
            format: Layout of bytes, and the rate of arrays; PCM16 mono at 24,000 Hz if absent.

        Raises:
            AudioFormatError: It is no audio.

        **Cancellation:** the part that was queued is sent, in pieces of 100 ms.
        """
        await self._runner.audio_room()
        for number, piece in enumerate(self._uplink.convert(data, format=format)):
            if number:
                await self._runner.audio_room()
            self._runner.append(piece)

    async def commit_audio(self, *, respond: bool | None = None) -> None:
        """End the user's turn with the audio sent so far.

        Args:
            respond: Ask for a response. None does, unless the server has ended the turn by itself
                and heard nothing since; then there is nothing to answer.

        Raises:
            ConfigError: Nothing was sent, and there is no turn detection that could know better.
        """
        check("respond", respond, bool | None)
        await self._runner.room()
        now = time.monotonic()
        for piece in self._uplink.flush():
            self._runner.append(piece)
        self._runner.command(inputs.CommitAudio(respond, now))

    async def clear_audio(self) -> None:
        """Forget the audio that was not committed."""
        await self._runner.room()
        self._uplink.reset()
        self._runner.command(inputs.ClearAudio(time.monotonic()))

    async def interrupt(self) -> None:
        """Stop the answer: it is muted at once, cut to what was heard, and cancelled."""
        self._runner.cut_media()
        await self._runner.room()
        self._runner.command(inputs.Interrupt(time.monotonic()))

    def attach(
        self,
        source: Source | None = None,
        sink: Sink | None = None,
        *,
        local_vad: LocalVad | None = None,
        frame_ms: int = 20,
        keep_seconds: int = 30,
    ) -> AbstractAsyncContextManager[Media]:
        """Let sound flow between the connection, a source and a sink, without this thread.

        While the block is open, sound goes from the source to the server and from the server to
        the sink on the network threads, whatever this one does. When the server hears the user,
        the sink is silenced and the answer cut to what was heard before anyone here is told. With
        a sink there are no `AudioEvent`s, and the state is ``speaking`` until it has been heard.

        Leaving the block ends both. Sound that was not heard by then counts as interrupted.

        Args:
            source: The user's sound, such as `voxloop.audio.WavSource`; None leaves it to
                `send_audio`.
            sink: The answer's sound, such as `voxloop.audio.WavSink`; None leaves it to the events.
            local_vad: Who else hears the user, sooner than the server: ``"network"`` goes by a
                small network, ``"energy"`` by the level. None: the server alone.
            frame_ms: Length of one event of the user's audio.
            keep_seconds: Audio since the last commit that is kept to be sent again over another
                connection.

        Raises:
            ConcurrencyError: Media are attached already, or the `PushSource` is to another session.
            ConfigError: The connection has no place for media, a value is out of range, or there is
                a sink although sound is held (``RunConfig.hold_audio``).
            VoxloopError: Source or sink fails, while the block is open.

        **Cancellation:** source and sink are ended, within a second.
        """
        check_sink(self._runner.state.config, sink)
        options = AttachOptions(local_vad, frame_ms, keep_seconds)
        return Attaching(self._runner, source, sink, options)

    def report_playback(self, item_id: str, played_ms: float) -> None:
        """Say how much of a message was played, in all.

        Without reports, sound counts as played at once and without gaps from when it came.

        Raises:
            ConfigError: This is no id of a message, or no time.
        """
        check_id("item_id", item_id)
        if not 0.0 <= check("played_ms", played_ms, float) < math.inf:
            raise ConfigError(f"played_ms is {played_ms}; give what was played in all")
        self._runner.feed(inputs.Played(item_id, played_ms, time.monotonic()))

    # -- text, images and items ------------------------------------------------------------------

    async def send_message(
        self,
        text: str,
        *,
        role: Role = "user",
        respond: bool = True,
    ) -> str:
        """Add a text message and, unless ``respond`` is False, ask for a response.

        Returns:
            Id of the item.

        Raises:
            ConfigError: It is empty, or no text.
        """
        part = rt.ContentPart(type="input_text", text=check_text("text", text))
        check("role", role, Role)
        item = rt.Item(type="message", role=role, content=[part])
        return await self.add_item(item, respond=respond)

    async def send_image(
        self,
        image: bytes | str,
        *,
        text: str | None = None,
        detail: Detail = "auto",
        respond: bool = True,
    ) -> str:
        """Add an image as a message of the user.

        Args:
            image: Bytes of a PNG, JPEG, GIF or WebP file, or a ``data:`` or ``https:`` URL.
            text: Text to go with it.
            detail: How closely the model looks.
            respond: Ask for a response.

        Returns:
            Id of the item.

        Raises:
            ConfigError: It is no such image.
        """
        check("detail", detail, Detail)
        parts = [rt.ContentPart(type="input_image", image_url=image_url(image), detail=detail)]
        if text is not None:
            parts.insert(0, rt.ContentPart(type="input_text", text=check_text("text", text)))
        item = rt.Item(type="message", role="user", content=parts)
        return await self.add_item(item, respond=respond)

    async def add_item(
        self,
        item: rt.Item | Mapping[str, object],
        *,
        previous_item_id: str | None = None,
        respond: bool = False,
    ) -> str:
        """Add any item to the conversation.

        Args:
            item: The item; one without an id gets one.
            previous_item_id: The item to put it behind; ``"root"`` is the front, None the end.
            respond: Ask for a response.

        Returns:
            Id of the item.

        Raises:
            ConfigError: It is no item, or is larger than a message may be.
        """
        item = sendable_item(item)
        check("respond", respond, bool)
        if previous_item_id is not None:
            check_id("previous_item_id", previous_item_id)
        item_id = item.id or f"item_{uuid.uuid4().hex[:24]}"
        named = msgspec.structs.replace(item, id=item_id)
        await self._runner.room()
        self._runner.command(inputs.AddItem(named, previous_item_id, respond, time.monotonic()))
        return item_id

    async def delete_item(self, item_id: str) -> None:
        """Take an item out of the conversation.

        Raises:
            ConfigError: This is no id.
        """
        check_id("item_id", item_id)
        await self._runner.room()
        self._runner.command(inputs.DeleteItem(item_id, time.monotonic()))

    async def respond(
        self,
        *,
        instructions: str | None = None,
        output_modalities: Sequence[str] | None = None,
        conversation: Literal["auto", "none"] | None = None,
        input: Sequence[rt.Item | Mapping[str, object]] | None = None,
        metadata: Mapping[str, str] | None = None,
        tools: Sequence[Tool | Mapping[str, object]] | None = None,
        tool_choice: str | Mapping[str, object] | None = None,
        max_output_tokens: int | Literal["inf"] | None = None,
        voice: str | Mapping[str, object] | None = None,
        parallel_tool_calls: bool | None = None,
        reasoning_effort: Level | None = None,
        prompt: Mapping[str, object] | None = None,
    ) -> None:
        """Ask for a response; it is sent when no other is running.

        Arguments override the session's settings for this response only. With
        ``conversation="none"`` it runs beside the conversation, at once; its events bear its
        ``response_id``, and tools that it calls are answered beside the conversation as well.

        Raises:
            ConfigError: One of them cannot be used, or is no JSON.
        """
        given = response_params(
            instructions=instructions,
            output_modalities=output_modalities,
            conversation=conversation,
            input=input,
            metadata=metadata,
            tools=tools,
            tool_choice=tool_choice,
            max_output_tokens=max_output_tokens,
            voice=voice,
            parallel_tool_calls=parallel_tool_calls,
            reasoning_effort=reasoning_effort,
            prompt=prompt,
        )
        await self._runner.room()
        self._runner.command(inputs.Respond(given, time.monotonic()))

    # -- tools and agents ------------------------------------------------------------------------

    async def send_tool_result(self, call_id: str, output: object) -> None:
        """Answer a call of a tool that has no handler; the model goes on when all are answered.

        Args:
            call_id: From the `ToolCallEvent`.
            output: Text, or anything that can be written as JSON.

        Raises:
            ConfigError: No such call waits for the application any more, or this is too large.
        """
        check_id("call_id", call_id)
        text = tool_output(output)
        await self._runner.room()
        self._runner.command(inputs.Answer(call_id, text, time.monotonic()))

    async def approve_tool_call(self, call_id: str, *, always: bool = False) -> None:
        """Let a call run that waits for approval.

        Args:
            call_id: From the `ToolCallEvent`.
            always: Also all other calls of the tool, those that wait and those to come.

        Raises:
            ConfigError: No such call waits.
        """
        check_id("call_id", call_id)
        await self._runner.room()
        self._runner.command(inputs.Decide(call_id, True, None, time.monotonic(), always))

    async def reject_tool_call(
        self, call_id: str, *, message: str | None = None, always: bool = False
    ) -> None:
        """Answer a call that waits for approval without running it.

        Args:
            call_id: From the `ToolCallEvent`.
            message: What the model is told; else a formatter's words or the usual ones.
            always: Also all other calls of the tool, with the same message.

        Raises:
            ConfigError: No such call waits.
        """
        check_id("call_id", call_id)
        check("message", message, str | None)
        await self._runner.room()
        self._runner.command(inputs.Decide(call_id, False, message, time.monotonic(), always))

    async def answer_mcp_approval(
        self, request_id: str, *, approve: bool, reason: str | None = None
    ) -> None:
        """Say whether a tool of an MCP server may run; the id is that of the `McpApprovalEvent`.

        Raises:
            ConfigError: This is no id, or no decision.
        """
        check_id("request_id", request_id)
        check("approve", approve, bool)
        check("reason", reason, str | None)
        await self.add_item(mcp_answer(request_id, approve=approve, reason=reason))

    async def update_agent(self, agent: Agent) -> None:
        """Let another agent answer from now on.

        It takes over, with a `HandoffEvent`, when the server has accepted its instructions and
        tools. Its voice is only used if no audio exists yet: the server refuses a change after.

        Raises:
            ConfigError: Its instructions or its tools cannot be used; nothing has changed then.
            ConcurrencyError: A handoff is under way.
        """
        resolved = await resolve(check("agent", agent, Agent), self._runner.context)
        check_agent(resolved, self.settings)
        await self._runner.room()
        self._runner.command(inputs.AgentReady(resolved, None, "", time.monotonic()))

    async def update_settings(self, settings: SessionModelSettings) -> None:
        """Change settings; the server is told only what differs.

        Args:
            settings: All of them, such as ``dataclasses.replace(session.settings, speed=1.2)``.

        Raises:
            ConfigError: An audio format differs, or tracing does that is on already: those cannot
                change within a session.
        """
        given = check_settings(settings)
        await self._runner.room()
        self._runner.command(inputs.ChangeSettings(given, time.monotonic()))

    async def send_raw(self, event: Mapping[str, object]) -> None:
        """Send an event as it is, of whatever type.

        A ``response.create`` waits for its turn, so that it never meets a running response.

        Raises:
            ConfigError: It has no type, or is no JSON.
        """
        given = raw_event(event)
        await self._runner.room()
        self._runner.command(inputs.Raw(given, time.monotonic()))
