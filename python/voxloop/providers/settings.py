"""What may be asked of a recogniser and of a voice; ``None`` leaves it to the provider."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from voxloop._errors import ConfigError

MIN_SPEED = 0.25
MAX_SPEED = 4.0
MAX_TEMPERATURE = 1.0


@dataclass(frozen=True, slots=True)
class CustomVoice:
    """A voice that was made for one account, named by its id.

    Attributes:
        id: Such as ``"voice_1234"``.
    """

    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class STTSettings:
    """How speech is turned into text; a model gets only what it takes.

    Attributes:
        model: Model name; None takes the provider's default.
        language: ISO 639-1 code of the speech, such as ``"en"``; None detects it.
        languages: Codes of all languages that may be spoken; wins over ``language``. A model that
            takes only one gets the first.
        prompt: Text that guides spelling and style.
        keywords: Words to expect, such as names.
        temperature: Sampling temperature, 0 to 1; not for streams.
        noise_reduction: Where the microphone is, for streams; None leaves noise as it is.
        delay: How long a model of streams may wait for more before it writes.

    Raises:
        ConfigError: ``temperature`` lies outside 0 to 1, or a list is a single text.
    """

    model: str | None = None
    language: str | None = None
    languages: tuple[str, ...] = ()
    prompt: str | None = None
    keywords: tuple[str, ...] = ()
    temperature: float | None = None
    noise_reduction: Literal["near_field", "far_field"] | None = None
    delay: Literal["minimal", "low", "medium", "high", "xhigh"] | None = None

    def __post_init__(self) -> None:
        if self.temperature is not None and not 0.0 <= self.temperature <= MAX_TEMPERATURE:
            raise ConfigError(
                f"temperature is {self.temperature}; give a value from 0 to {MAX_TEMPERATURE:g}"
            )
        for name in ("languages", "keywords"):
            value = getattr(self, name)
            if isinstance(value, str):
                raise ConfigError(f"{name} is one text; give a tuple of texts")
            object.__setattr__(self, name, tuple(value))

    @property
    def spoken(self) -> tuple[str, ...]:
        """``languages``, or the one ``language``."""
        return self.languages or ((self.language,) if self.language else ())


@dataclass(frozen=True, slots=True, kw_only=True)
class TTSSettings:
    """How text is spoken.

    Attributes:
        model: Model name; None takes the provider's default.
        voice: Voice name or a voice of one's own; None takes the provider's default.
        speed: Rate of speech, 0.25 to 4 times the voice's own.
        instructions: How to speak, in words; models that cannot follow them ignore it.
        usage: Have the speech as events, which tell at the end what it cost; a third more bytes.

    Raises:
        ConfigError: ``speed`` lies outside 0.25 to 4.
    """

    model: str | None = None
    voice: str | CustomVoice | None = None
    speed: float | None = None
    instructions: str | None = None
    usage: bool = False

    def __post_init__(self) -> None:
        if self.speed is not None and not MIN_SPEED <= self.speed <= MAX_SPEED:
            raise ConfigError(
                f"speed is {self.speed}; give a value from {MIN_SPEED:g} to {MAX_SPEED:g}"
            )
