"""What responses and transcriptions cost, summed up."""

from __future__ import annotations

from dataclasses import dataclass

from msgspec import Struct

from voxloop._errors import ConfigError
from voxloop.realtime.checks import check_fields
from voxloop.wire import realtime as rt


class Usage(Struct, frozen=True, kw_only=True):
    """Tokens, as the server counted them; cached ones are part of the input.

    Attributes:
        responses: Responses counted.
        transcription_tokens: Tokens of the user's transcripts.
        transcription_seconds: Seconds of audio of transcripts that are billed by time.
    """

    responses: int = 0
    total_tokens: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    input_text_tokens: int = 0
    input_audio_tokens: int = 0
    input_image_tokens: int = 0
    cached_tokens: int = 0
    cached_text_tokens: int = 0
    cached_audio_tokens: int = 0
    cached_image_tokens: int = 0
    output_text_tokens: int = 0
    output_audio_tokens: int = 0
    transcription_tokens: int = 0
    transcription_seconds: float = 0.0

    def __add__(self, other: Usage) -> Usage:
        # Written out: it is added up at the end of each response, before what follows from it.
        return Usage(
            responses=self.responses + other.responses,
            total_tokens=self.total_tokens + other.total_tokens,
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            input_text_tokens=self.input_text_tokens + other.input_text_tokens,
            input_audio_tokens=self.input_audio_tokens + other.input_audio_tokens,
            input_image_tokens=self.input_image_tokens + other.input_image_tokens,
            cached_tokens=self.cached_tokens + other.cached_tokens,
            cached_text_tokens=self.cached_text_tokens + other.cached_text_tokens,
            cached_audio_tokens=self.cached_audio_tokens + other.cached_audio_tokens,
            cached_image_tokens=self.cached_image_tokens + other.cached_image_tokens,
            output_text_tokens=self.output_text_tokens + other.output_text_tokens,
            output_audio_tokens=self.output_audio_tokens + other.output_audio_tokens,
            transcription_tokens=self.transcription_tokens + other.transcription_tokens,
            transcription_seconds=self.transcription_seconds + other.transcription_seconds,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """What a million tokens cost, in whatever currency; none are built in, since they change.

    Attributes:
        cached_text: Text that the server had cached; likewise ``cached_audio``, ``cached_image``.
        transcription: A million tokens of transcripts.
        transcription_minute: A minute of audio, where transcripts are billed by time.

    Raises:
        ConfigError: One is no number, or below 0.
    """

    text_in: float = 0.0
    audio_in: float = 0.0
    image_in: float = 0.0
    cached_text: float = 0.0
    cached_audio: float = 0.0
    cached_image: float = 0.0
    text_out: float = 0.0
    audio_out: float = 0.0
    transcription: float = 0.0
    transcription_minute: float = 0.0

    def __post_init__(self) -> None:
        check_fields(self)
        for name in self.__dataclass_fields__:
            if not getattr(self, name) >= 0.0:
                raise ConfigError(f"Prices.{name} is {getattr(self, name)}; it is not negative")

    def cost(self, usage: Usage) -> float:
        """What this usage costs.

        Cached tokens are part of the input and are not counted twice. Where the server does not
        split them by kind, they count as text.
        """
        split = usage.cached_text_tokens + usage.cached_audio_tokens + usage.cached_image_tokens
        cached_text = usage.cached_text_tokens + max(0, usage.cached_tokens - split)
        millionths = (
            max(0, usage.input_text_tokens - cached_text) * self.text_in
            + max(0, usage.input_audio_tokens - usage.cached_audio_tokens) * self.audio_in
            + max(0, usage.input_image_tokens - usage.cached_image_tokens) * self.image_in
            + cached_text * self.cached_text
            + usage.cached_audio_tokens * self.cached_audio
            + usage.cached_image_tokens * self.cached_image
            + usage.output_text_tokens * self.text_out
            + usage.output_audio_tokens * self.audio_out
            + usage.transcription_tokens * self.transcription
        )
        return millionths / 1e6 + usage.transcription_seconds / 60.0 * self.transcription_minute


def of_response(usage: rt.Usage | None) -> Usage | None:
    """The cost of one response, None if the server did not tell."""
    if usage is None:
        return None
    spent_in, spent_out = usage.input_tokens or 0, usage.output_tokens or 0
    inputs = usage.input_token_details or rt.InputTokens()
    cached = inputs.cached_tokens_details or rt.CachedTokens()
    outputs = usage.output_token_details or rt.OutputTokens()
    return Usage(
        responses=1,
        total_tokens=usage.total_tokens or spent_in + spent_out,
        input_tokens=spent_in,
        output_tokens=spent_out,
        input_text_tokens=inputs.text_tokens or 0,
        input_audio_tokens=inputs.audio_tokens or 0,
        input_image_tokens=inputs.image_tokens or 0,
        cached_tokens=inputs.cached_tokens or 0,
        cached_text_tokens=cached.text_tokens or 0,
        cached_audio_tokens=cached.audio_tokens or 0,
        cached_image_tokens=cached.image_tokens or 0,
        output_text_tokens=outputs.text_tokens or 0,
        output_audio_tokens=outputs.audio_tokens or 0,
    )


def of_transcription(usage: rt.TranscriptionUsage | None) -> Usage:
    """The cost of one transcript of the user's speech; older servers do not tell it."""
    if usage is None:
        return Usage()
    return Usage(
        transcription_tokens=usage.total_tokens or 0, transcription_seconds=usage.seconds or 0.0
    )
