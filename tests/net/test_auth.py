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


@pytest.mark.parametrize("text", ["{", "[]", "\x00", "[" * 100_000])
def test_a_broken_file_counts_as_none_is_said_and_not_shown(
    clean: Path, text: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (clean / "auth.json").write_text(text + "sk-canary", encoding="utf-8")
    # It ends the search: the next file is not read.
    (clean / ".credentials.json").write_text('{"OPENAI_API_KEY": "other"}', encoding="utf-8")
    with pytest.raises(AuthenticationError, match=r"auth\.json cannot be read") as caught:
        net.find_api_key()
    assert "sk-canary" not in repr(caught.value) + caplog.text
    assert caught.value.__cause__ is None
    monkeypatch.setenv("OPENAI_API_KEY", "third")
    assert net.find_api_key().reveal() == "third"


@pytest.mark.parametrize("mode", ["apikey", "apiKey", "api_key", "api", None])
def test_the_modes_that_count(clean: Path, mode: str | None) -> None:
    store(clean, {"auth_mode": mode, "OPENAI_API_KEY": "stored"})
    assert net.find_api_key().reveal() == "stored"


@pytest.mark.parametrize("mode", ["chatgpt", "chatgptAuthTokens", "bedrock"])
def test_the_modes_that_do_not(clean: Path, mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store(clean, {"auth_mode": mode, "OPENAI_API_KEY": "x", "tokens": {"access_token": "y"}})
    with pytest.raises(AuthenticationError, match="login of another kind"):
        net.find_api_key()
    monkeypatch.setenv("OPENAI_API_KEY", "third")
    assert net.find_api_key().reveal() == "third"


def test_other_files_and_spellings(
    clean: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (clean / ".credentials.json").write_text('{"openai_api_key": "lower"}', encoding="utf-8")
    assert net.find_api_key().reveal() == "lower"
    home = tmp_path / "home"
    older = home / ".config" / "openai"
    older.mkdir(parents=True)
    (older / "codex.json").write_text('{"OPENAI_API_KEY": "older"}', encoding="utf-8")
    monkeypatch.setenv("HOME", str(home))
    assert net.find_api_key().reveal() == "lower", "CODEX_HOME is set"
    monkeypatch.delenv("CODEX_HOME")
    assert net.find_api_key().reveal() == "older"
    (home / ".codex").mkdir()
    store(home / ".codex", {"OPENAI_API_KEY": "usual"})
    assert net.find_api_key().reveal() == "usual"


def test_a_keyring_is_said_once(
    clean: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("voxloop.net._auth._told", set())
    store(clean, {"OPENAI_API_KEY": "stored"})
    config = clean / "config.toml"
    config.write_text('cli_auth_credentials_store = "keyring"\n', encoding="utf-8")
    for _ in range(2):
        with pytest.raises(AuthenticationError, match="keyring"):
            net.find_api_key()
    assert caplog.text.count("keyring") == 1
    for text in ('cli_auth_credentials_store = "auto"\n', "not = [toml"):
        config.write_text(text, encoding="utf-8")
        assert net.find_api_key().reveal() == "stored"


def test_a_key_that_others_can_read_is_said_with_its_remedy(
    clean: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("voxloop.net._auth._told", set())
    store(clean, {"OPENAI_API_KEY": "sk-canary"})
    path = clean / "auth.json"
    path.chmod(0o600)
    net.find_api_key()
    assert caplog.records == []
    path.chmod(0o640)
    for _ in range(2):
        net.find_api_key()
    assert len(caplog.records) == 1
    assert f"chmod 600 {path}" in caplog.text
    assert "canary" not in caplog.text


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
