"""The skin around the reducer: it reads, writes, keeps time, runs tools, and nothing else."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import trio

from voxloop._bridge import checkpoint, let_other_threads_go
from voxloop._errors import ProtocolError, UseAfterClose, VoxloopError
from voxloop.net import AudioDelta, Frame, MediaCut, MediaLink
from voxloop.providers import RealtimeTransport
from voxloop.realtime.events import AudioEvent, ErrorEvent, Event, InterruptionCause
from voxloop.realtime.machine import effects, inputs, quick, reducer
from voxloop.realtime.machine.state import State
from voxloop.realtime.skin.connector import Connection, Connector
from voxloop.realtime.skin.follow import Follower
from voxloop.realtime.skin.gap import GAP_BYTES, Gap, added
from voxloop.realtime.skin.observe import Observer
from voxloop.realtime.skin.outbox import Outbox
from voxloop.realtime.skin.subscribers import Hub
from voxloop.realtime.skin.telling import Telling, WireEvent
from voxloop.realtime.skin.timer import Timer
from voxloop.realtime.skin.work import Workshop
from voxloop.realtime.telephone import FORMATS, WireFormat
from voxloop.tools import RunContext
from voxloop.wire import realtime as rt

if TYPE_CHECKING:
    from voxloop.realtime.recording import Recording

_log = logging.getLogger("voxloop.realtime")


class Runner:
    """One session: feeds the reducer and carries out its effects.

    All of it happens on one trio thread, and `feed` awaits nothing, so that what one input leads to
    is never interleaved with another's.
    """

    media: MediaLink | None = None
    """Source and sink that are attached now."""
    _media_epoch = 0
    """Connection that they are bound to."""
    follower: Follower | None = None
    """Enters what they carry past this thread."""
    _frames_wanted = False
    """Someone reads or records all frames."""
    _stepped = False
    """What is due is to be looked at again."""
    _error: VoxloopError | None = None
    """What ended the session."""
    recordings: tuple[Recording, ...] = ()
    """What enters all that happens."""

    def __init__(
        self,
        state: State,
        connector: Connector,
        nursery: trio.Nursery,
        context: RunContext[Any],
    ) -> None:
        self._state = state
        self._sent = quick.Sent()
        self.events = Telling()
        self.wire: Hub[WireEvent] = Hub()
        self.observer = Observer(time.monotonic(), FORMATS[state.settings.output_format])
        self.context = context
        self._connector = connector
        self._gap = Gap()
        self._nursery = nursery
        self.work = Workshop(self, nursery, context, state.config)
        self._timer = Timer(self)
        self._quick = quick.Quick()

    @property
    def state(self) -> State:
        """What the reducer has made of everything so far."""
        if self._sent:
            self._state = self._sent.entered(self._state)
        return self._state

    @property
    def input_format(self) -> WireFormat:
        """What the server takes of the user's sound; it never changes."""
        return FORMATS[self._state.settings.input_format]

    @property
    def wire_wanted(self) -> bool:
        """Whether someone reads all frames."""
        return self.wire.wanted

    async def connect(self) -> None:
        """Make the first connection.

        Raises:
            VoxloopError: It cannot be made.

        **Cancellation:** the attempt is given up.
        """
        given = (self, self._nursery, self._timer)
        await self._nursery.start(self._connector.first, *given, name="voxloop connection")

    def start(self) -> None:
        """Tell the server everything, and begin to keep time."""
        self.feed(inputs.Start(time.monotonic(), time.time()))
        self._connector.begin()

    @property
    def transport(self) -> RealtimeTransport | None:
        """What carries the messages now, or did last."""
        return None if self._connector.current is None else self._connector.current.transport

    def pinged(self) -> None:
        """Look at the pings, which the network thread sends and measures."""
        self.observer.pinged(self.transport)

    async def aclose(self) -> None:
        """End the session: nothing more is sent, the connection is closed, all tasks are cancelled.

        **Cancellation:** it takes at most ``close_timeout`` seconds in any case.
        """
        self.feed(inputs.Left(time.monotonic()))
        with trio.move_on_after(self.state.config.close_timeout) as scope:
            scope.shield = True
            try:
                if self._connector.current is not None:
                    await self._connector.current.aclose()
            except (VoxloopError, OSError, trio.BrokenResourceError, trio.ClosedResourceError):
                _log.debug("the connection was gone before it was closed", exc_info=True)
        self._nursery.cancel_scope.cancel()

    async def room(self) -> None:
        """Wait until the application may send more.

        Raises:
            VoxloopError: The session is over.

        **Cancellation:** may be called again.
        """
        while True:
            connection = self._connector.current
            if connection is not None and self._state.line.up:
                await connection.outbox.room()
            elif self._gap.nbytes > GAP_BYTES and not self._state.link.over:
                await self._gap.over.wait()
            else:
                await checkpoint()
            self.check_open()
            if connection is self._connector.current or self._gap.nbytes <= GAP_BYTES:
                return

    async def audio_room(self) -> None:
        """The same for audio: without a connection the ring takes it, and nothing is waited for."""
        if self._state.line.up:
            await self.room()
        else:
            await checkpoint()
            self.check_open()

    def check_open(self) -> None:
        """Raise what ended the session, if it is over."""
        if not self._state.link.over:
            return
        if self._error is None:
            raise UseAfterClose("the session is over: open another with realtime.open_session")
        raise self._error

    def bind_media(self, media: MediaLink) -> int:
        """Let media talk over the connection; samples of the user's audio that are sent again.

        Raises:
            ConfigError: The connection is none that they can talk over.
        """
        connection = self._connector.current
        if connection is None:
            raise UseAfterClose("the session has no connection: open another session")
        again = connection.bind_media(media)
        self.media, self._media_epoch = media, connection.epoch
        return again

    def cut_media(self, cause: InterruptionCause = "application") -> None:
        """Silence the sink, and enter how far it had come."""
        found = None if self.media is None else self.media.cut()
        if found is not None:
            self.feed(inputs.MediaCut(found, time.monotonic(), cause))

    def append(self, data: bytes) -> None:
        """Send a piece of the user's audio, or keep it while there is no connection.

        Raises:
            VoxloopError: The session is over.
        """
        state, connection = self._state, self._connector.current
        if (
            connection is not None
            and state.line.up
            and not state.link.over
            and not self._frames_wanted
            and connection.outbox.append(data)
        ):
            if self._sent.add(data):
                self._state = self._sent.entered(state)
            self._audio_sent(data, connection.outbox)
            return
        at = time.monotonic()
        longer = quick.appended(self.state, data)
        if longer is None:
            self.command(inputs.AppendAudio(data, at))
            return
        self._state = longer
        if self.recordings:
            self._record_user(data, at)
        self._send(effects.Send(rt.InputAudioBufferAppend(audio=data)))

    def follow(self) -> None:
        """Enter what attached media have carried, and see what is wanted from now on."""
        self._frames_wanted = self.wire.wanted or bool(self.recordings)
        self._connector.keep_messages(self._frames_wanted)
        if self.follower is not None:
            self.follower.catch_up()
            self._timer.nudge()

    def record(self, recording: Recording) -> None:
        """Enter in a recording what happens from now on."""
        self.follow()
        self.recordings = (*self.recordings, recording)
        self.follow()

    def unrecord(self, recording: Recording) -> None:
        """Enter nothing more in it."""
        self.follow()
        self.recordings = tuple(other for other in self.recordings if other is not recording)
        self.follow()

    def command(self, given: inputs.Input) -> None:
        """Feed a command of the application.

        Raises:
            VoxloopError: It cannot be carried out, or the session is over.
        """
        self.check_open()
        before = self.state.backlog
        refused = self.feed(given)
        if not self.state.line.up:
            self._gap.nbytes += added(before, self.state.backlog)
        if refused is not None:
            raise refused

    def feed(self, given: inputs.Input) -> VoxloopError | None:
        """Take one input; the error of a refused command is returned."""
        refused = self._feed(given)
        self._keep_time()
        self.events.tell()
        return refused

    def _feed(self, given: inputs.Input) -> VoxloopError | None:
        told: rt.ConversationItemCreate | None = None
        if type(given) is inputs.ToolFinished:
            told = quick.answer(self.state, given)
            if told is not None:
                self._send(effects.Send(told))
                let_other_threads_go()  # the model waits for it
        self._state, todo = reducer.step(self.state, given)
        if self.recordings and isinstance(given, inputs.AppendAudio):
            self._record_user(given.data, given.at)
        refused: VoxloopError | None = None
        for effect in todo:
            match effect:
                case effects.Send(event=event):
                    if told is None or event != told:
                        self._send(effect)
                case effects.Emit(event=event):
                    self._emit(event)
                case (
                    effects.RunTool()
                    | effects.RunHandoff()
                    | effects.Examine()
                    | effects.Explain()
                    | effects.CancelTool()
                    | effects.Hook()
                ):
                    self.work.do(effect, of_frame=type(given) is inputs.Received)
                case effects.CheckInput():
                    self.work.watch.check_input(effect)
                case effects.CheckRest(response_id=response_id):
                    self.work.watch.check_rest(response_id)
                case effects.Greeted():
                    self.observer.greeted(effect)
                case effects.ResponseOver():
                    self.observer.response_over(effect)
                case effects.TurnOver():
                    self.observer.turn_over(effect)
                    self.observer.pinged(self.transport)
                case effects.Refuse(error=error):
                    refused = error
                case effects.Dial(epoch=epoch):
                    self._nursery.start_soon(self._connector.again, self, epoch)
                case effects.Switch(epoch=epoch):
                    self._connector.switch(epoch)
                    self._gap.end()
                case effects.HangUp(epoch=epoch):
                    self._connector.hang_up(epoch)
                case effects.End():
                    self._end(effect, given.at)
        self._stepped = True
        return refused

    def _keep_time(self) -> None:
        if self._stepped:
            self._stepped = False
            self._timer.arm(reducer.deadline(self._state))

    def _record_user(self, data: bytes, at: float) -> None:
        chunk = self.input_format.decode(data)
        for recording in self.recordings:
            recording.user(chunk, at)

    def _emit(self, event: Event) -> None:
        self.events.keep(event)
        if type(event) is AudioEvent:
            self.observer.heard(event, self._state)
        else:
            self.work.watch.saw(event, self._state)
            self.observer.event(event, self._state)
        for recording in self.recordings:
            recording.event(event)

    def _send(self, effect: effects.Send) -> None:
        event = effect.event
        data = rt.encode(event)
        if self._connector.current is None:
            return
        outbox = self._connector.current.outbox
        outbox.put(data)
        if isinstance(event, rt.InputAudioBufferAppend):
            self._audio_sent(event.audio, outbox)
        if self._frames_wanted:
            self.on_wire("out", data, time.monotonic())

    def _audio_sent(self, data: bytes, outbox: Outbox) -> None:
        self.observer.audio_sent(data, outbox.waiting, outbox.depth, self.input_format)

    def on_wire(self, direction: Literal["in", "out"], data: str | bytes, at: float) -> None:
        """A frame went over the wire: tell whoever wants all of them."""
        if self.wire.wanted:
            self.wire.publish(WireEvent(direction, data, at), len(data))
        for recording in self.recordings:
            recording.frame(direction, data, at, self.state.line.epoch)

    def _end(self, effect: effects.End, at: float) -> None:
        self._error = effect.error
        self.follow()
        self.observer.pinged(self.transport)
        self.observer.ended(effect, self.state, at)
        if self._connector.current is not None:
            self._connector.current.outbox.close()
        self._gap.end()
        self.events.finish(effect.error)
        self.wire.finish(effect.error)

    def tell(self, event: ErrorEvent) -> None:
        """Tell the application of an error that the session survives."""
        self.events.publish(event)

    def take(self, connection: Connection, frames: Sequence[Frame]) -> int:
        """Handle frames for as long as the connection is the one in use; how many those were.

        A frame that begins a tool is the last of them.
        """
        taken, epoch = 0, connection.epoch
        while taken < len(frames) and not self.work.begun:
            if connection is not self._connector.current or self._state.line.epoch != epoch:
                break
            decoded = None
            row = None if self._frames_wanted else self._row(frames, taken)
            if row is not None:
                taken, decoded = taken + row.taken, row.left
                if taken == len(frames):
                    break
            data, at = frames[taken]
            taken += 1
            try:
                self._take(data, at, decoded)
            except Exception:
                # A step that fails has changed nothing: the session goes on without this frame.
                _log.exception("a frame of the server could not be handled")
                failure = ProtocolError("a frame of the server could not be handled; see the log")
                self.tell(ErrorEvent(error=failure, at=at))
        if not self.work.begun:  # else it is, once the tool has had its turn
            self._keep_time()
        return taken

    @property
    def hurried(self) -> bool:
        """Whether a tool is to run that the model waits for."""
        return self.work.begun

    async def hurry(self) -> None:
        """Let tools run before the frames that came with their calls are handled.

        **Cancellation:** may be called again.
        """
        # Two turns: in the first the reader may come before the tool, in the second it does not.
        await checkpoint()
        await checkpoint()
        self.events.tell()
        self.work.make_ready()

    def told(self) -> bool:
        """Tell the application what was kept; False if it is far behind."""
        self.events.tell()
        return not self.events.crowded

    async def give_way(self) -> None:
        """Let the application take what it was told; for a moment."""
        await self.events.give_way()

    def _take(
        self,
        data: str | bytes | AudioDelta | MediaCut,
        at: float,
        decoded: rt.ServerMessage | None,
    ) -> None:
        if self._frames_wanted:
            self._seen(data, at)
        if isinstance(data, AudioDelta):
            if not (data.taken and self._taken(data, at)):
                self._feed(inputs.Sound(data, at))
        elif isinstance(data, MediaCut):
            self._feed(inputs.MediaCut(data, at))
        else:
            try:
                event = decoded or rt.decode_server(data)
            except ProtocolError as error:
                self._feed(inputs.BadFrame(error, at))
                return
            if not reducer.ignores(event):  # what is due by now, the timer brings up
                self._feed(self._received(event, at))

    def _row(self, frames: Sequence[Frame], first: int) -> quick.Row | None:
        """Frames of which nothing has to be told but themselves; None if that cannot be said."""
        try:
            row = self._quick.row(self._state, frames, first)
        except Exception:
            _log.exception("frames that go the long way, one by one")
            return None
        if row.taken:
            self._state = row.state
            self.events.keep_all(row.told)
            self.observer.heard_more(row)
            for event, size in row.told:
                if not size:
                    self.work.watch.saw(event, row.state)
        return row

    def _seen(self, data: str | bytes | AudioDelta | MediaCut, at: float) -> None:
        """Frames go to whoever wants all of them; sound as the frames it came in."""
        for text, when in Frame(data, at).messages:
            self.on_wire("in", text, when)

    def _taken(self, data: AudioDelta, at: float) -> bool:
        """A sink has the sound; False if there is more to it."""
        self.observer.audio_taken(data.nbytes, data.response_id, data.item_id)
        longer = self._quick.taken(self._state, data, at)
        if longer is None:
            return False
        self._state = longer
        return True

    def _received(self, event: rt.ServerMessage, at: float) -> inputs.Input:
        """An event that came as text; sound among it still belongs to the sink, if there is one."""
        if self.media is not None and isinstance(event, rt.ResponseOutputAudioDelta):
            place = (event.item_id, event.response_id, event.content_index)
            if self.media.deliver(*place, event.delta):
                self.observer.audio_taken(len(event.delta), event.response_id, event.item_id)
                return inputs.SoundTaken(event, at)
        if (
            self.media is not None
            and isinstance(event, rt.SessionUpdated)
            and self._media_epoch != self.state.line.epoch
        ):  # another connection, which knows the formats by now
            self.bind_media(self.media)
        return inputs.Received(event, at)
