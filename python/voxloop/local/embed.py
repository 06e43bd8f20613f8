"""Sentence vectors: all-MiniLM-L6-v2 quantised to int8, on ONNX Runtime.

Mean pooling over the tokens, then L2 normalisation, as its authors do (Reimers and Gurevych,
"Sentence-BERT", arXiv:1908.10084), so that the dot product of two vectors is their cosine
similarity.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from voxloop.local import models
from voxloop.local.onnx import InferenceSession, open_session

__all__ = ["DIMENSIONS", "MiniLm", "SentenceEncoder", "Vectors"]

Vectors = npt.NDArray[np.float32]

DIMENSIONS: Final = 384
_LONGEST_TOKENS: Final = 128
_CACHE_ENTRIES: Final = 4096


class SentenceEncoder(Protocol):
    """Turns texts into vectors whose dot product tells how near their meanings are."""

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors, float32 of shape ``(len(texts), dimensions)``."""
        ...


class _Encoding(Protocol):
    @property
    def ids(self) -> list[int]: ...


class _Tokenizer(Protocol):
    def encode_batch_fast(self, input: list[str]) -> Sequence[_Encoding]: ...


class MiniLm:
    """English sentence vectors of 384 dimensions. Thread-safe; remembers the last 4096 texts."""

    def __init__(self, session: InferenceSession, tokenizer: _Tokenizer) -> None:
        self._session = session
        self._tokenizer = tokenizer
        self._known: OrderedDict[str, Vectors] = OrderedDict()
        self._lock = threading.Lock()

    @classmethod
    def load(cls, *, threads: int = 1) -> MiniLm:
        """Read, check and load the model and its vocabulary, and run it once.

        Raises:
            MissingExtra: The extra ``local`` is not installed.
            ModelFileError: A model file is absent or altered.
        """
        session = open_session(
            models.read(models.MINILM_MODEL), name=models.MINILM_MODEL.name, threads=threads
        )
        engine = cls(session, _open_tokenizer(models.read(models.MINILM_TOKENIZER)))
        engine.encode(["ready"])
        return engine

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors of ``texts``.

        Args:
            texts: English sentences or words; what goes beyond 128 tokens is left out.

        Returns:
            float32 of shape ``(len(texts), 384)``.
        """
        with self._lock:
            unknown = [text for text in dict.fromkeys(texts) if text not in self._known]
            # Texts of one length share a batch: the quantised model's result depends on the padding
            # otherwise.
            encodings = self._tokenizer.encode_batch_fast(list(unknown)) if unknown else ()
            groups: dict[int, list[tuple[str, list[int]]]] = {}
            for text, encoding in zip(unknown, encodings, strict=True):
                groups.setdefault(len(encoding.ids), []).append((text, encoding.ids))
            fresh: dict[str, Vectors] = {}
            for group in groups.values():
                vectors = self._run(np.array([ids for _, ids in group], np.int64))
                fresh.update(zip((text for text, _ in group), vectors, strict=True))
            result = np.zeros((len(texts), DIMENSIONS), np.float32)
            for row, text in enumerate(texts):
                result[row] = fresh[text] if text in fresh else self._known[text]
            self._remember(fresh)
        return result

    def _run(self, ids: npt.NDArray[np.int64]) -> Vectors:
        hidden = self._session.run(
            None,
            {
                "input_ids": ids,
                "attention_mask": np.ones_like(ids),
                "token_type_ids": np.zeros_like(ids),
            },
        )[0]
        mean = hidden.mean(axis=1)
        unit: Vectors = mean / np.linalg.norm(mean, axis=1, keepdims=True).clip(1e-9)
        return unit

    def _remember(self, fresh: dict[str, Vectors]) -> None:
        self._known.update(fresh)
        while len(self._known) > _CACHE_ENTRIES:
            self._known.popitem(last=False)


def _open_tokenizer(data: bytes) -> _Tokenizer:
    """The one place that imports tokenizers."""
    try:
        import tokenizers
    except ImportError as error:
        raise models.missing_extra("tokenizers") from error
    tokenizer = tokenizers.Tokenizer.from_str(data.decode("utf-8"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_length=_LONGEST_TOKENS)
    return tokenizer
