"""The key precedence, and that a key never shows."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest

from voxloop import net
from voxloop._errors import AuthenticationError


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for name in ("CODEX_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CODEX_HOME", str(tmp_path))
    return tmp_path


def store(folder: Path, record: object) -> None:
    (folder / "auth.json").write_text(json.dumps(record), encoding="utf-8")


async def test_the_order_of_the_sources(clean: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "third")
    assert net.find_api_key().reveal() == "third"
    store(clean, {"OPENAI_API_KEY": " second "})
    assert net.find_api_key().reveal() == "second"
    monkeypatch.setenv("CODEX_API_KEY", "first")
    assert net.find_api_key().reveal() == "first"
    assert (await net.resolve_api_key("given")).reveal() == "given"


def test_blank_counts_as_absent(clean: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODEX_API_KEY", "   ")
    store(clean, {"OPENAI_API_KEY": ""})
    monkeypatch.setenv("OPENAI_API_KEY", "third")
    assert net.find_api_key().reveal() == "third"


def test_no_key_names_every_source_and_the_way_to_start() -> None:
    with pytest.raises(AuthenticationError) as caught:
        net.find_api_key()
    for words in ("CODEX_API_KEY", "auth.json", "CODEX_HOME", "OPENAI_API_KEY", "voxloop.Local()"):
        assert words in str(caught.value)


def test_a_login_of_another_kind_is_passed_over(clean: Path) -> None:
    store(clean, {"auth_mode": "chatgpt", "OPENAI_API_KEY": "stored"})
    with pytest.raises(AuthenticationError):
        net.find_api_key()


@pytest.mark.parametrize("text", ["{", "[]", "\x00"])
def test_a_broken_file_is_said_and_not_shown(clean: Path, text: str) -> None:
    (clean / "auth.json").write_text(text + "sk-canary", encoding="utf-8")
    with pytest.raises(AuthenticationError, match=r"auth\.json") as caught:
        net.find_api_key()
    assert "sk-canary" not in repr(caught.value)


async def test_functions_are_asked() -> None:
    async def later() -> str:
        return "later"

    assert (await net.resolve_api_key(later)).reveal() == "later"
    assert (await net.resolve_api_key(lambda: "now")).reveal() == "now"
    with pytest.raises(AuthenticationError, match="blank"):
        await net.resolve_api_key(lambda: " ")


def test_a_secret_stays_out_of_sight() -> None:
    secret = net.Secret("sk-canary")
    assert "canary" not in f"{secret} {secret!r} {[secret]}"
    with pytest.raises(TypeError):
        pickle.dumps(secret)
