"""Speech to text: Moonshine tiny-en on ONNX Runtime.

Moonshine (Jeffries et al., "Moonshine: Speech Recognition for Live Transcription and Voice
Commands", arXiv:2410.15608) takes the raw waveform; the cost grows with the length of the audio,
there is no fixed window.

On silence and on noise the model invents words. It must only be given what a voice activity
detector has passed.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from voxloop._errors import AudioFormatError
from voxloop.local import models
from voxloop.local.chunking import split_quiet
from voxloop.local.gate import is_steady_sound
from voxloop.local.onnx import InferenceSession, Tensor, open_session

__all__ = ["MoonshineSpeechToText", "Samples"]

Samples = npt.NDArray[np.float32]

SAMPLE_RATE: Final = 16_000
_LAYERS: Final = 6
_HEADS: Final = 8
_HEAD_SIZE: Final = 36
_START_TOKEN: Final = 1
_END_TOKEN: Final = 2
# English speech takes 3 to 5 tokens a second; what goes beyond this is the model talking to itself.
_TOKENS_PER_SECOND: Final = 6.5
_TOKENS_EXTRA: Final = 4
_SHORTEST_S: Final = 0.1
_LONGEST_CHUNK_S: Final = 15.0
_MUSIC: Final = re.compile("[\u266a\u266b]+(?:[^\u266a\u266b]*[\u266a\u266b]+)?")
_ENGLISH: Final = re.compile(r"[A-Za-z0-9]")
_TARGET_PEAK: Final = 0.5
# Short commands lose their first or last word without silence around them; these lengths made the
# fewest errors on real commands, played at several speeds and loudnesses, and cost no measurable
# time.
_PADDING_S: Final = (0.5, 0.4)


class MoonshineSpeechToText:
    """English transcription of speech. Thread-safe: one piece is decoded at a time.

    Example:
        >>> engine = MoonshineSpeechToText.load()          # doctest: +SKIP
        >>> engine.transcribe_samples(speech)              # doctest: +SKIP
        'What is the weather like?'
    """

    def __init__(
        self, encoder: InferenceSession, decoder: InferenceSession, vocabulary: Sequence[bytes]
    ) -> None:
        self._encoder = encoder
        self._decoder = decoder
        self._vocabulary = vocabulary
        self._lock = threading.Lock()

    @classmethod
    def load(cls, *, threads: int = 2) -> MoonshineSpeechToText:
        """Read, check and load the three model files, and run them once. Takes about half a second.

        Args:
            threads: Threads of one operator.

        Raises:
            MissingExtra: The extra ``local`` is not installed.
            ModelFileError: A model file is absent or altered.
        """
        encoder, decoder = (
            open_session(models.read(file), name=file.name, threads=threads)
            for file in (models.MOONSHINE_ENCODER, models.MOONSHINE_DECODER)
        )
        engine = cls(encoder, decoder, read_vocabulary(models.read(models.MOONSHINE_VOCABULARY)))
        engine._decode(np.zeros(SAMPLE_RATE, np.float32))
        return engine

    def transcribe_samples(
        self, samples: Samples, *, on_progress: Callable[[float], None] | None = None
    ) -> str:
        """Transcribe speech that a voice activity detector has passed.

        Audio of more than 15 s is cut at quiet places and transcribed piece by piece, so memory
        does not grow with its length.

        Args:
            samples: Mono float32 at 16 kHz in -1..1, shape ``(frames,)``.
            on_progress: Called after each piece with the seconds of audio done so far, from this
                thread. An exception it raises ends the transcription and reaches the caller.

        Returns:
            The text as the model writes it, with punctuation; empty for less than 0.1 s and for
            steady noise.

        Raises:
            AudioFormatError: ``samples`` is not one-dimensional float32.
        """
        if samples.ndim != 1 or samples.dtype != np.float32:
            raise AudioFormatError(
                f"speech to text wants float32 of shape (frames,), got {samples.dtype} of shape "
                f"{samples.shape}; convert with AudioChunk.float32() and audio.to_mono()"
            )
        texts: list[str] = []
        for start, stop in split_quiet(samples, SAMPLE_RATE, longest_s=_LONGEST_CHUNK_S):
            if text := self._transcribe_piece(samples[start:stop]):
                texts.append(text)
            if on_progress is not None:
                on_progress(stop / SAMPLE_RATE)
        return " ".join(texts)

    def _transcribe_piece(self, samples: Samples) -> str:
        if len(samples) < _SHORTEST_S * SAMPLE_RATE or is_steady_sound(samples, SAMPLE_RATE):
            return ""
        with self._lock:
            return spoken_text(self._decode(prepare(samples)))

    def _decode(self, samples: Samples) -> str:
        """Greedy decoding of one padded piece."""
        mask = np.ones((1, len(samples)), np.int64)
        hidden = self._encoder.run(None, {"input_values": samples[None], "attention_mask": mask})[0]
        feed: dict[str, Tensor] = {
            "encoder_hidden_states": hidden,
            "encoder_attention_mask": mask,  # one entry a sample: the decoder thins it out itself
            **_empty_caches(),
        }
        seconds = max(len(samples) / SAMPLE_RATE - sum(_PADDING_S), 0.0)
        limit = int(seconds * _TOKENS_PER_SECOND) + _TOKENS_EXTRA
        tokens: list[int] = []
        token = _START_TOKEN
        while len(tokens) < limit:
            feed["input_ids"] = np.array([[token]], np.int64)
            feed["use_cache_branch"] = np.array([bool(tokens)])
            logits, *present = self._decoder.run(None, feed)
            token = int(logits[0, -1].argmax())
            if token == _END_TOKEN:
                break
            tokens.append(token)
            _keep_caches(feed, present, first=len(tokens) == 1)
            if (repeated := repeated_tail(tokens)) is not None:
                del tokens[-repeated:]
                break
        return decode_tokens(tokens, self._vocabulary)


def prepare(samples: Samples) -> Samples:
    """Scale speech to a peak of 0.5 and put silence before (0.5 s) and after it (0.4 s)."""
    peak = float(np.abs(samples).max(initial=0.0))
    gain = np.float32(_TARGET_PEAK / peak) if peak > 1e-4 else np.float32(1.0)
    before, after = (int(seconds * SAMPLE_RATE) for seconds in _PADDING_S)
    return np.pad(samples * gain, (before, after))


def spoken_text(text: str) -> str:
    """``text`` without the notes that the model writes for music; empty when it is not English."""
    spoken = _MUSIC.sub("", text).strip()
    return spoken if _ENGLISH.search(spoken) else ""


def _empty_caches() -> dict[str, Tensor]:
    shape = (1, _HEADS, 0, _HEAD_SIZE)
    return {
        f"past_key_values.{layer}.{part}.{kind}": np.zeros(shape, np.float32)
        for layer in range(_LAYERS)
        for part in ("decoder", "encoder")
        for kind in ("key", "value")
    }


def _keep_caches(
    feed: dict[str, Tensor], present: Sequence[npt.NDArray[np.float32]], *, first: bool
) -> None:
    """Feed the new decoder caches back; those of the encoder are only real after the first step."""
    for layer in range(_LAYERS):
        for index, (part, kind) in enumerate(
            (part, kind) for part in ("decoder", "encoder") for kind in ("key", "value")
        ):
            if first or part == "decoder":
                feed[f"past_key_values.{layer}.{part}.{kind}"] = present[layer * 4 + index]


def repeated_tail(tokens: Sequence[int]) -> int | None:
    """How many tokens at the end repeat what is before them, or None.

    A phrase of three tokens or more said three times in a row, or one of one or two tokens said
    five times, is taken for the model's loop; its first saying is kept.
    """
    for size in range(1, len(tokens) // 3 + 1):
        times = 5 if size < 3 else 3
        if len(tokens) < size * times:
            continue
        last = tokens[-size:]
        if all(
            tokens[len(tokens) - size * (n + 1) : len(tokens) - size * n] == last
            for n in range(1, times)
        ):
            return size * (times - 1)
    return None


def read_vocabulary(data: bytes) -> tuple[bytes, ...]:
    """Entries of ``tokenizer.bin``: byte strings, each after its length in one or two bytes.

    A length byte of 128 or more holds the low seven bits; the next byte counts 128s.
    """
    entries: list[bytes] = []
    at = 0
    while at < len(data):
        length = data[at]
        at += 1
        if length >= 128:
            length = data[at] * 128 + length - 128
            at += 1
        entries.append(data[at : at + length])
        at += length
    return tuple(entries)


def decode_tokens(tokens: Sequence[int], vocabulary: Sequence[bytes]) -> str:
    """Text of tokens; U+2581 is a space, ``<0xNN>`` a byte, other ``<...>`` nothing."""
    out = bytearray()
    for token in tokens:
        piece = vocabulary[token]
        if piece.startswith(b"<0x") and len(piece) == 6:
            out.append(int(piece[3:5], 16))
        elif not (piece.startswith(b"<") and piece.endswith(b">")):
            out += piece
    return out.decode("utf-8", "ignore").replace("\u2581", " ").strip()
