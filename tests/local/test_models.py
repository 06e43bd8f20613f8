from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from voxloop._errors import MissingExtra, ModelFileError
from voxloop.local import models
from voxloop.local.embed import MiniLm
from voxloop.local.onnx import open_session
from voxloop.local.stt import MoonshineSpeechToText


@pytest.mark.parametrize("file", models.ALL_FILES, ids=lambda file: file.name)
def test_every_installed_file_is_the_released_one(file: models.ModelFile) -> None:
    assert len(models.read(file)) == models.locate(file).stat().st_size
    assert models.verify(file) == models.locate(file)


def _altered_copy(file: models.ModelFile, folder: Path) -> Path:
    copy = folder / file.name
    shutil.copyfile(models.locate(file), copy)
    data = bytearray(copy.read_bytes())
    data[len(data) // 2] ^= 1
    copy.write_bytes(data)
    return copy


def test_one_altered_bit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _altered_copy(models.MOONSHINE_VOCABULARY, tmp_path)
    monkeypatch.setenv("VOXLOOP_MODELS", str(tmp_path))
    with pytest.raises(ModelFileError, match=r"tokenizer\.bin .* fails its checksum") as caught:
        MoonshineSpeechToText.load()
    assert caught.value.file == "tokenizer.bin"
    assert "moonshine-voice==0.1.0" in caught.value.message
    with pytest.raises(ModelFileError):
        models.verify(models.MOONSHINE_VOCABULARY)


def test_an_altered_file_is_refused_after_a_good_one_was_verified(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models.verify(models.MINILM_TOKENIZER)
    _altered_copy(models.MINILM_TOKENIZER, tmp_path)
    monkeypatch.setenv("VOXLOOP_MODELS", str(tmp_path))
    with pytest.raises(ModelFileError, match=r"tokenizer\.json"):
        models.verify(models.MINILM_TOKENIZER)
    with pytest.raises(ModelFileError, match=r"tokenizer\.json"):
        MiniLm.load()


def test_a_good_replacement_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copyfile(models.locate(models.MOONSHINE_VOCABULARY), tmp_path / "tokenizer.bin")
    monkeypatch.setenv("VOXLOOP_MODELS", str(tmp_path))
    assert models.verify(models.MOONSHINE_VOCABULARY) == tmp_path / "tokenizer.bin"
    assert (
        models.locate(models.MINILM_MODEL).parent != tmp_path
    )  # the others come from their packages


def test_a_missing_package_names_the_extra() -> None:
    absent = models.ModelFile("x.onnx", "voxloop_no_such_package", ".", "no-such==1", "0" * 64)
    with pytest.raises(MissingExtra, match=r'pip install "voxloop\[local\]"') as caught:
        models.read(absent)
    assert caught.value.extra == "local"


def test_a_package_without_the_file_names_the_release_to_install() -> None:
    absent = models.ModelFile("absent.onnx", "hibari", "assets", "hibari-tts==0.2.1", "0" * 64)
    with pytest.raises(ModelFileError, match=r"absent\.onnx is not in .*hibari-tts==0\.2\.1"):
        models.read(absent)


def test_a_file_that_is_no_model_is_a_typed_error() -> None:
    with pytest.raises(ModelFileError, match=r"junk\.onnx cannot be loaded by onnxruntime"):
        open_session(b"not a model", name="junk.onnx")
