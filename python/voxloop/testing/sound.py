"""Sound made from nothing: voiced speech that voice activity detection takes for a person."""

from __future__ import annotations

import array
import math

from voxloop.audio import AudioChunk, Format, concat, silence

# Formants of an open vowel: centre frequency and bandwidth in hertz.
_FORMANTS = ((700.0, 130.0), (1220.0, 70.0), (2600.0, 160.0))
_PITCH = 120.0
_SYLLABLES_PER_SECOND = 4.0


def vowels(seconds: float, *, sample_rate: int = 16_000, level: float = 0.27) -> AudioChunk:
    """A voice that says "a-a-a": pulses at 120 Hz through three formant resonators.

    The source-filter model of speech (Fant, *Acoustic Theory of Speech Production*, 1960), with
    the second-order resonators of Klatt (J. Acoust. Soc. Am. 67, 1980). The same call always
    gives the same samples.

    Args:
        seconds: Length.
        sample_rate: Hertz.
        level: Peak, 0 to 1.
    """
    samples = _pulses(round(seconds * sample_rate), sample_rate)
    for centre, bandwidth in _FORMANTS:
        samples = _resonate(samples, centre, bandwidth, sample_rate)
    peak = max((abs(sample) for sample in samples), default=0.0) or 1.0
    turn = 2 * math.pi * _SYLLABLES_PER_SECOND / sample_rate
    pcm = array.array(
        "h",
        (
            int(32_767 * level * (0.55 + 0.45 * math.sin(turn * n)) * sample / peak)
            for n, sample in enumerate(samples)
        ),
    )
    return AudioChunk(pcm.tobytes(), Format(sample_rate))


def utterance(
    seconds: float, *, before: float = 0.5, after: float = 1.0, sample_rate: int = 16_000
) -> AudioChunk:
    """`vowels` between two silences.

    Args:
        seconds: Length of the speech.
        before: Seconds of silence before it.
        after: Seconds of silence after it.
        sample_rate: Hertz.
    """
    layout = Format(sample_rate)
    speech = vowels(seconds, sample_rate=sample_rate)
    return concat([silence(layout, before), speech, silence(layout, after)])


def _pulses(count: int, sample_rate: int) -> list[float]:
    pulses = [0.0] * count
    phase = 0.0
    for n in range(count):
        phase += _PITCH * (1 + 0.1 * math.sin(2 * math.pi * 3 * n / sample_rate)) / sample_rate
        if phase >= 1.0:
            phase -= 1.0
            pulses[n] = 1.0
    return pulses


def _resonate(
    samples: list[float], centre: float, bandwidth: float, sample_rate: int
) -> list[float]:
    radius = math.exp(-math.pi * bandwidth / sample_rate)
    first = 2 * radius * math.cos(2 * math.pi * centre / sample_rate)
    second = -radius * radius
    out = [0.0] * len(samples)
    last = before_last = 0.0
    for n, sample in enumerate(samples):
        last, before_last = sample + first * last + second * before_last, last
        out[n] = last
    return out
