"""The one place that imports onnxruntime, behind a typed protocol."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from voxloop._errors import ModelFileError
from voxloop.local.models import missing_extra

__all__ = ["InferenceSession", "Tensor", "open_session"]

Tensor = npt.NDArray[np.float32] | npt.NDArray[np.int64] | npt.NDArray[np.bool_]
"""What the models of this package take."""


class InferenceSession(Protocol):
    """What is used of an onnxruntime session. Safe to call from several threads."""

    def run(
        self, output_names: Sequence[str] | None, input_feed: Mapping[str, Tensor]
    ) -> Sequence[npt.NDArray[np.float32]]:
        """Run the graph and return the named outputs, or all of them, in order."""
        ...


def open_session(model: bytes, *, name: str, threads: int = 1) -> InferenceSession:
    """Load a model that was read and checked by :mod:`voxloop.local.models`.

    Args:
        model: The content of an ``.onnx`` or ``.ort`` file.
        name: File name, for the error message.
        threads: Threads of one operator; operators run one after the other.

    Raises:
        MissingExtra: onnxruntime is not installed.
        ModelFileError: onnxruntime cannot load the model.
    """
    try:
        onnxruntime = importlib.import_module("onnxruntime")  # ships no types
    except ImportError as error:
        raise missing_extra("onnxruntime") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # The pool's threads would otherwise spin for some milliseconds after each call and take a core
    # from the audio.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session: InferenceSession = onnxruntime.InferenceSession(
            model, options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # onnxruntime raises its own types, all straight from Exception
        raise ModelFileError(
            f"{name} cannot be loaded by onnxruntime {onnxruntime.__version__}: {error}", file=name
        ) from error
    return session
