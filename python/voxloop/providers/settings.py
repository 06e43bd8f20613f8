"""What may be asked of a recogniser and of a voice; ``None`` leaves it to the provider."""

from __future__ import annotations

from dataclasses import dataclass

from voxloop._errors import ConfigError

MIN_SPEED = 0.25
MAX_SPEED = 4.0
MAX_TEMPERATURE = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class STTSettings:
    """How speech is turned into text.

    Attributes:
        model: Model name; None takes the provider's default.
        language: ISO 639-1 code of the speech, such as ``"en"``; None detects it.
        prompt: Text that guides spelling and style.
        temperature: Sampling temperature, 0 to 1.

    Raises:
        ConfigError: ``temperature`` lies outside 0 to 1.
    """

    model: str | None = None
    language: str | None = None
    prompt: str | None = None
    temperature: float | None = None

    def __post_init__(self) -> None:
        if self.temperature is not None and not 0.0 <= self.temperature <= MAX_TEMPERATURE:
            raise ConfigError(
                f"temperature is {self.temperature}; give a value from 0 to {MAX_TEMPERATURE:g}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class TTSSettings:
    """How text is spoken.

    Attributes:
        model: Model name; None takes the provider's default.
        voice: Voice name; None takes the provider's default.
        speed: Rate of speech, 0.25 to 4 times the voice's own.
        instructions: How to speak, in words; models that cannot follow them ignore it.

    Raises:
        ConfigError: ``speed`` lies outside 0.25 to 4.
    """

    model: str | None = None
    voice: str | None = None
    speed: float | None = None
    instructions: str | None = None

    def __post_init__(self) -> None:
        if self.speed is not None and not MIN_SPEED <= self.speed <= MAX_SPEED:
            raise ConfigError(
                f"speed is {self.speed}; give a value from {MIN_SPEED:g} to {MAX_SPEED:g}"
            )
