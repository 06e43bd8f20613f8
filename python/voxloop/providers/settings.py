"""What may be asked of a recogniser and of a voice; ``None`` leaves it to the provider."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias, cast, get_args

from voxloop._errors import ConfigError

MIN_SPEED = 0.25
MAX_SPEED = 4.0
MAX_TEMPERATURE = 1.0

NoiseReduction: TypeAlias = Literal["near_field", "far_field"]
"""Where the microphone is."""

Delay: TypeAlias = Literal["minimal", "low", "medium", "high", "xhigh"]
"""How long a model of streams may wait."""


@dataclass(frozen=True, slots=True)
class CustomVoice:
    """A voice that was made for one account, named by its id.

    Attributes:
        id: Such as ``"voice_1234"``.

    Raises:
        ConfigError: The id is no text, or empty.
    """

    id: str

    def __post_init__(self) -> None:
        if not isinstance(self.id, str) or not self.id:
            raise ConfigError(f"the id of a voice is {self.id!r}; give a text")


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
        ConfigError: A value of a wrong type, or outside its bounds; a list that is a single text.
    """

    model: str | None = None
    language: str | None = None
    languages: tuple[str, ...] = ()
    prompt: str | None = None
    keywords: tuple[str, ...] = ()
    temperature: float | None = None
    noise_reduction: NoiseReduction | None = None
    delay: Delay | None = None

    def __post_init__(self) -> None:
        _check_texts(self, "model", "language", "prompt")
        _check_number("temperature", self.temperature, 0.0, MAX_TEMPERATURE)
        for name in ("languages", "keywords"):
            object.__setattr__(self, name, _texts(name, getattr(self, name)))
        for name, choices in (("noise_reduction", NoiseReduction), ("delay", Delay)):
            value = getattr(self, name)
            if value is not None and value not in get_args(choices):
                known = ", ".join(repr(choice) for choice in get_args(choices))
                raise ConfigError(f"{name} is {value!r}; give one of {known}, or None")

    @property
    def spoken(self) -> tuple[str, ...]:
        """``languages``, or the one ``language``."""
        return self.languages or ((self.language,) if self.language else ())


@dataclass(frozen=True, slots=True, kw_only=True)
class TTSSettings:
    """How text is spoken.

    Attributes:
        model: Model name; None takes the provider's default.
        voice: Voice name or a voice of one's own (also as a mapping with its ``id``); None takes
            the provider's default.
        speed: Rate of speech, 0.25 to 4 times the voice's own.
        instructions: How to speak, in words; models that cannot follow them ignore it.
        usage: Have the speech as events, which tell at the end what it cost; a third more bytes.

    Raises:
        ConfigError: A value of a wrong type, or ``speed`` outside 0.25 to 4.
    """

    model: str | None = None
    voice: str | CustomVoice | None = None
    speed: float | None = None
    instructions: str | None = None
    usage: bool = False

    def __post_init__(self) -> None:
        _check_texts(self, "model", "instructions")
        _check_number("speed", self.speed, MIN_SPEED, MAX_SPEED)
        voice = self.voice
        if isinstance(voice, Mapping) and set(voice) == {"id"}:
            given = cast("Mapping[str, str]", voice)
            object.__setattr__(self, "voice", CustomVoice(given["id"]))
        elif voice is not None and not isinstance(voice, (str, CustomVoice)):
            raise ConfigError(f"voice is {voice!r}; give a name, or CustomVoice(id)")


def _check_texts(settings: object, *names: str) -> None:
    for name in names:
        value = getattr(settings, name)
        if value is not None and not isinstance(value, str):
            raise ConfigError(f"{name} is {value!r}; give a text, or None")


def _check_number(name: str, value: object, least: float, most: float) -> None:
    if value is None:
        return
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not least <= value <= most:  # type: ignore[operator]  # a number by now
        raise ConfigError(f"{name} is {value!r}; give a value from {least:g} to {most:g}")


def _texts(name: str, value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        raise ConfigError(f"{name} is one text; give a tuple of texts")
    if value is None:
        return ()
    given = list(cast("Iterable[object]", value)) if isinstance(value, Iterable) else [None]
    texts = tuple(text for text in given if isinstance(text, str))
    if len(texts) < len(given):
        raise ConfigError(f"{name} is {value!r}; give a tuple of texts")
    return texts
