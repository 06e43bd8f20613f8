"""Speech to text: whole files by ``POST /audio/transcriptions``, streams over a WebSocket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import PurePath
from typing import Final, Self

from voxloop import audio
from voxloop._errors import ConfigError, ConnectionClosed
from voxloop.audio import AudioChunk
from voxloop.net import HttpOptions, Part
from voxloop.providers.openai.endpoint import RETRY_BUDGET, Endpoint
from voxloop.providers.openai.errors import error_from_stream
from voxloop.providers.openai.events import END_MARK, EventStream, begin_events
from voxloop.providers.openai.listening import Listening, StreamOptions, open_listening
from voxloop.providers.openai.models import STT_MODEL, speech_to_text_model
from voxloop.providers.openai.transcript import (
    FileEvent,
    FileOptions,
    FileTranscript,
    TranscriptDelta,
    TranscriptSegment,
    file_transcript,
    form,
)
from voxloop.providers.protocols import Transcript
from voxloop.providers.settings import STTSettings
from voxloop.providers.transcription import ServerTurns, TranscriptionSession
from voxloop.wire import audio as wire
from voxloop.wire.realtime.session import Transcription, TurnDetection
from voxloop.wire.transcription import session_update

_OPTIONS: Final = HttpOptions(first_byte_timeout=60.0, idle_timeout=30.0, total_timeout=60.0)
_FILE_OPTIONS: Final = HttpOptions(first_byte_timeout=300.0, idle_timeout=60.0)
# A batch job may wait longer for its turn than somebody who has just spoken.
_FILE_BUDGET: Final = 900.0
_ANSWER_LIMIT: Final = 8 * 1024 * 1024
# By extension: what the endpoint accepts, and how it is called.
_TYPES: Final = {
    ".flac": "audio/flac",
    ".m4a": "audio/mp4",
    ".mp3": "audio/mpeg",
    ".mp4": "audio/mp4",
    ".mpeg": "audio/mpeg",
    ".mpga": "audio/mpeg",
    ".oga": "audio/ogg",
    ".ogg": "audio/ogg",
    ".wav": "audio/wav",
    ".webm": "audio/webm",
}


class OpenAISpeechToText:
    """Transcribes utterances, files and streams."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    async def transcribe(self, chunk: AudioChunk, settings: STTSettings) -> Transcript:
        """Send ``chunk`` as a WAV file and return its words.

        A request that fails for a passing reason is sent again, after the delay that the server
        asks for. An empty chunk gives empty text and sends nothing.

        Args:
            chunk: PCM16 audio of any rate and number of channels.
            settings: Model, language, prompt; what the model does not take is left out.

        Raises:
            AuthenticationError: No key, or the server refused it.
            ModelRetired: The model is gone.
            RateLimited, QuotaExceeded, ApiError: The server refused the request.
            NetworkError: It could not be reached, or the answer was cut short.

        **Cancellation:** the request is given up; may be called again.
        """
        if not chunk.frames:
            return Transcript(text="")
        heard = await self._transcribe(_wav(chunk), settings, FileOptions(), _OPTIONS)
        return Transcript(text=heard.text, language=heard.language, usage=heard.usage)

    async def transcribe_file(
        self,
        file: AudioChunk | bytes,
        settings: STTSettings | None = None,
        *,
        filename: str = "audio.wav",
        options: FileOptions | None = None,
    ) -> FileTranscript:
        """Transcribe a whole file, with all that the endpoint can tell.

        Args:
            file: A chunk (sent as WAV), or the bytes of a file of a kind that the endpoint takes.
            settings: Model, languages, prompt, keywords; what the model does not take is left out.
            filename: Its extension says what the bytes are.
            options: Shape of the answer, timestamps, speakers.

        Raises:
            ConfigError: An option that the model does not have, or a file of an unknown kind.
            VoxloopError: As `transcribe` raises.

        **Cancellation:** the request is given up; may be called again.
        """
        part = _file(file, filename)
        return await self._transcribe(
            part, settings or STTSettings(), options or FileOptions(), _FILE_OPTIONS
        )

    @asynccontextmanager
    async def stream_file(
        self,
        file: AudioChunk | bytes,
        settings: STTSettings | None = None,
        *,
        filename: str = "audio.wav",
        options: FileOptions | None = None,
    ) -> AsyncIterator[AsyncIterator[FileEvent]]:
        """Transcribe a whole file, and have the words as they are found.

        A request that fails for a passing reason is sent again, but only before its first event.

        Yields:
            `TranscriptDelta`, with diarization `TranscriptSegment`, and at last one
            `FileTranscript`.

        Raises:
            ConfigError: An option that the model does not have, or a file of an unknown kind.
            VoxloopError: As `transcribe` raises, also while iterating.

        **Cancellation:** leaving the block ends the request.
        """
        settings, options = settings or STTSettings(), options or FileOptions()
        parts, doing = self._form(_file(file, filename), settings, options, stream=True)
        async with AsyncExitStack() as stack:

            async def once(key: str) -> _FileEvents:
                events = await begin_events(
                    self._endpoint,
                    "/audio/transcriptions",
                    stack=stack,
                    doing=doing,
                    key=key,
                    options=_FILE_OPTIONS,
                    multipart=parts,
                )
                return _FileEvents(events, doing)

            yield await self._endpoint.retrying(once, doing=doing, budget=_FILE_BUDGET)

    def open_transcription(
        self,
        settings: STTSettings,
        *,
        turns: ServerTurns | None,
        options: StreamOptions | None = None,
    ) -> AbstractAsyncContextManager[TranscriptionSession]:
        """Transcribe a stream as it comes; leaving the block closes it.

        A connection that is lost, or that the server ends after its longest time, is replaced, and
        given again what was not transcribed: no audio is lost that is younger than
        ``options.replay_seconds``, and no turn is told twice. What could not be sent again is told
        as a `TurnFailed` of no item. So is an error of the server that leaves the session usable.

        Args:
            settings: Model, languages, prompt, keywords; what the model does not take is left out.
            turns: How the server is to find the turns; None leaves them to ``commit``.
            options: Times and limits.

        Raises:
            ConfigError: The server finds no turns for this model.
            ModelRetired: The model is gone.

        Entering raises as `OpenAI.realtime` does.
        """
        name = settings.model or STT_MODEL
        model = speech_to_text_model(name, official=self._endpoint.official)
        if turns is not None and not model.server_turns:
            raise ConfigError(f"the server finds no turns for {name}; give turns=None and commit")
        spoken = settings.spoken
        transcription = Transcription(
            model=name,
            language=spoken[0] if spoken and not model.language_list else None,
            languages=list(spoken) if spoken and model.language_list else None,
            prompt=settings.prompt if model.prompt else None,
            keywords=list(settings.keywords) if settings.keywords and model.keywords else None,
            delay=settings.delay if model.delay else None,
        )
        setup = session_update(
            transcription,
            turn_detection=None if turns is None else _detection(turns),
            noise_reduction=settings.noise_reduction,
        )
        listening = Listening(
            self._endpoint,
            setup=setup,
            server_turns=turns is not None,
            doing=f"streamed transcription with {name}",
            opts=options or StreamOptions(),
        )
        return open_listening(listening)

    def _form(
        self, file: Part, settings: STTSettings, options: FileOptions, *, stream: bool
    ) -> tuple[list[Part], str]:
        name = settings.model or STT_MODEL
        official = self._endpoint.official
        parts = form(file, settings, options, name=name, official=official, stream=stream)
        return parts, f"transcription with {name}"

    async def _transcribe(
        self, file: Part, settings: STTSettings, options: FileOptions, limits: HttpOptions
    ) -> FileTranscript:
        parts, doing = self._form(file, settings, options, stream=False)

        async def once(key: str) -> FileTranscript:
            async with self._endpoint.post(
                "/audio/transcriptions",
                doing=doing,
                idempotency_key=key,
                options=limits,
                multipart=parts,
            ) as response:
                body = await response.read(limit=_ANSWER_LIMIT)
                kind = response.headers.get("content-type", "").lower()
            if options.format in ("text", "srt", "vtt"):
                return FileTranscript(text=wire.decode_plain(body, kind))
            return file_transcript(wire.decode_transcription(body))

        budget = _FILE_BUDGET if limits is _FILE_OPTIONS else RETRY_BUDGET
        return await self._endpoint.retrying(once, doing=doing, budget=budget)


class _FileEvents:
    """What the stream means to the caller, until the transcript is done."""

    def __init__(self, events: EventStream, doing: str) -> None:
        self._events = events
        self._doing = doing
        self._done = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> FileEvent:
        """Wait for the next event.

        **Cancellation:** nothing is lost; may be called again.
        """
        while not self._done:
            data = await self._events.next_data()
            if data is None:
                raise ConnectionClosed(
                    f"{self._doing}: the event stream ended before the transcript"
                )
            if data == END_MARK:
                continue
            out = self._read(wire.decode_stream_event(data))
            if out is not None:
                return out
        raise StopAsyncIteration

    def _read(self, event: wire.StreamEvent | wire.Unknown) -> FileEvent | None:
        match event:
            case wire.TranscriptTextDelta(delta=delta) if delta:
                return TranscriptDelta(text=delta)
            case wire.TranscriptTextSegment():
                return TranscriptSegment(
                    text=event.text, speaker=event.speaker, start=event.start, end=event.end
                )
            case wire.TranscriptTextDone():
                self._done = True
                return file_transcript(event.whole())
            case wire.StreamError():
                raise error_from_stream(
                    code=event.said.code,
                    message=event.said.message,
                    type=event.said.type,
                    doing=self._doing,
                )
        return None


def _wav(chunk: AudioChunk) -> Part:
    return Part("file", audio.encode_wav(chunk), "audio.wav", "audio/wav")


def _file(file: AudioChunk | bytes, filename: str) -> Part:
    if isinstance(file, AudioChunk):
        return _wav(file)
    name = PurePath(filename).name
    kind = _TYPES.get(PurePath(name).suffix.lower())
    if kind is None:
        raise ConfigError(
            f"files of this kind are not taken: the name must end in one of {', '.join(_TYPES)}"
        )
    return Part("file", bytes(file), name, kind)


def _detection(turns: ServerTurns) -> TurnDetection:
    if turns.type == "semantic_vad":
        return TurnDetection(type=turns.type, eagerness=turns.eagerness)
    return TurnDetection(
        type=turns.type,
        threshold=turns.threshold,
        prefix_padding_ms=turns.prefix_padding_ms,
        silence_duration_ms=turns.silence_duration_ms,
    )
