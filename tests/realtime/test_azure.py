"""Azure and other servers of the protocol: the request line, the headers, and keys out of sight."""

from __future__ import annotations

import logging

import pytest

import voxloop
from support.sessions import until
from voxloop import realtime, testing
from voxloop._errors import AuthenticationError, ConfigError, HandshakeRejected, VoxloopError
from voxloop.agents import Agent
from voxloop.net import Secret
from voxloop.realtime import ModelConfig
from voxloop.testing import script as s

CANARY = "azure-canary-0123456789abcdef"
AGENT = Agent("A", "Be kind.")


def endpoint(server: testing.RealtimeServer) -> str:
    return server.base_url.removesuffix("/v1")


async def open_once(server: testing.RealtimeServer, target: ModelConfig) -> None:
    async with realtime.open_session(AGENT, model_config=target) as session:
        await session.send_message("Hello.")
        await until(session, realtime.AgentEndEvent)


async def test_a_deployment_is_reached_by_the_current_path_with_its_key(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    async with testing.RealtimeServer(s.conversation(s.Write("Hi."), s.Write("Hi."))) as server:
        made = ModelConfig.azure(endpoint(server), "my-voice", api_key=CANARY)
        await open_once(server, made)
        versioned = ModelConfig.azure(
            f"{endpoint(server)}/openai/v1/", "two words", api_key=CANARY, api_version="preview"
        )
        await open_once(server, versioned)
    assert server.paths == [
        "/openai/v1/realtime?model=my-voice",
        "/openai/v1/realtime?api-version=preview&model=two%20words",
    ]
    for headers in server.headers:
        assert headers["api-key"] == CANARY
        assert "authorization" not in headers
        assert "openai-beta" not in headers
    logged = [r.getMessage() for r in caplog.records if r.name.startswith("voxloop")]
    for shown in (repr(made), repr(made.target()), *logged):
        assert CANARY not in shown


async def test_a_token_of_a_directory_is_asked_for_and_goes_as_a_bearer() -> None:
    asked: list[int] = []

    async def token() -> str:
        asked.append(1)
        return CANARY

    async with testing.RealtimeServer(s.conversation(s.Write("Hi."))) as server:
        target = ModelConfig.azure(endpoint(server), "d", api_key=token, key_header="Authorization")
        await open_once(server, target)
    assert server.headers[0]["authorization"] == f"Bearer {CANARY}"
    assert asked == [1]


async def test_the_key_of_the_environment_is_that_of_azure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-openai-itself")
    monkeypatch.setenv("CODEX_API_KEY", "sk-of-openai-itself")
    monkeypatch.delenv("AZURE_OPENAI_API_KEY", raising=False)
    async with testing.RealtimeServer(s.conversation(s.Write("Hi."))) as server:
        target = ModelConfig.azure(endpoint(server), "d")
        with pytest.raises(AuthenticationError, match="AZURE_OPENAI_API_KEY"):
            await open_once(server, target)
        assert server.headers == []
        monkeypatch.setenv("AZURE_OPENAI_API_KEY", f" {CANARY} ")
        await open_once(server, target)
    assert server.headers[0]["api-key"] == CANARY


async def test_the_whole_provider_may_be_one_on_azure() -> None:
    async with testing.RealtimeServer(s.conversation(s.Write("Hi."))) as server:
        provider = voxloop.OpenAI.azure(endpoint(server), api_key=CANARY, api_version="preview")
        assert provider.base_url == f"{endpoint(server)}/openai/v1"
        async with realtime.open_session(
            AGENT, provider=provider, model_config=ModelConfig(model="my-voice")
        ) as session:
            await session.send_message("Hello.")
            await until(session, realtime.AgentEndEvent)
    assert server.paths == ["/openai/v1/realtime?api-version=preview&model=my-voice"]
    assert server.headers[0]["api-key"] == CANARY
    assert CANARY not in repr(provider)


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "name.openai.azure.com",
        "ftp://name.openai.azure.com",
        "https://user:pass@name.openai.azure.com",
        "https://name.openai.azure.com/openai/realtime",
        "https://name.openai.azure.com/openai/deployments/d",
    ],
)
def test_what_is_no_endpoint_is_refused_when_it_is_given(wrong: str) -> None:
    with pytest.raises(ConfigError, match="endpoint"):
        ModelConfig.azure(wrong, "d")
    with pytest.raises(ConfigError, match="endpoint"):
        voxloop.OpenAI.azure(wrong)


def test_a_deployment_has_a_name() -> None:
    with pytest.raises(ConfigError, match="deployment"):
        ModelConfig.azure("https://name.openai.azure.com", " ")


async def test_the_query_is_merged_with_that_of_the_address() -> None:
    async with testing.RealtimeServer(s.conversation(s.Write("Hi."))) as server:
        base = server.base_url.replace("http", "ws")
        target = ModelConfig(
            model="m",
            url=f"{base}/realtime?tenant=7&api-version=old",
            query={"api-version": "new", "region": "a b"},
            headers={"X-Tenant": Secret(CANARY)},
        )
        async with realtime.open_session(
            AGENT, model_config=target, provider=server.provider()
        ) as session:
            await session.send_message("Hello.")
            await until(session, realtime.AgentEndEvent)
    assert server.paths == ["/v1/realtime?tenant=7&api-version=new&region=a%20b&model=m"]
    assert server.headers[0]["x-tenant"] == CANARY
    assert CANARY not in repr(target) + repr(target.target())


async def test_a_key_in_the_query_is_in_no_error() -> None:
    plan = s.Script(upgrades=(s.Refusal(status=404, body=f"no path for {CANARY}"),))
    async with testing.RealtimeServer(plan) as server:
        target = ModelConfig.azure(endpoint(server), "d", api_key=CANARY)
        with pytest.raises(HandshakeRejected) as caught:
            await open_once(server, target)
        gone = ModelConfig(
            url="ws://127.0.0.1:1/", query={"api-key": CANARY}, headers={"api-key": CANARY}
        )
        with pytest.raises(VoxloopError) as unreachable:
            await open_once(server, gone)
    for error in (caught.value, unreachable.value):
        assert CANARY not in f"{error!r} {error} {vars(error)}"
        assert CANARY not in repr(error.__cause__) + repr(error.__context__)


@pytest.mark.parametrize("given", [{"query": "a=b"}, {"headers": [("a", "b")]}])
def test_what_is_no_mapping_is_refused(given: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="mapping"):
        ModelConfig(**given)  # type: ignore[arg-type]


async def test_a_key_is_given_to_the_provider_or_to_the_session_and_not_to_both() -> None:
    async with testing.RealtimeServer() as server:
        for target in (
            ModelConfig(api_key="k"),
            ModelConfig(key_header="api-key"),
            ModelConfig.azure("https://name.openai.azure.com", "d"),
        ):
            with pytest.raises(ConfigError, match="provider"):
                async with realtime.open_session(
                    AGENT, provider=server.provider(), model_config=target
                ):
                    pass
