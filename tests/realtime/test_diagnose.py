"""What `diagnose` says about servers that are wrong in different ways, all of them real."""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
import trustme

from voxloop import realtime, testing
from voxloop.providers import OpenAI
from voxloop.testing import script as s

CANARY = "sk-test-canary-0123456789"
FINE = s.Script(replies=(s.Reply((s.Write("OK"),)),))


def provider(port: int, scheme: str = "http") -> OpenAI:
    return OpenAI(api_key=CANARY, base_url=f"{scheme}://127.0.0.1:{port}/v1")


def statuses(report: realtime.Diagnosis) -> dict[str, str]:
    return {step.name: step.status for step in report.steps}


@asynccontextmanager
async def raw_server(answer: bytes | None) -> AsyncIterator[int]:
    """Takes connections; answers every first packet with some bytes, or with nothing."""

    async def serve(stream: trio.SocketStream) -> None:
        await stream.receive_some(4096)
        if answer is not None:
            await stream.send_all(answer)
        await trio.sleep_forever()

    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, serve, listeners)
        yield listeners[0].socket.getsockname()[1]
        nursery.cancel_scope.cancel()


async def test_a_server_that_is_fine() -> None:
    async with testing.RealtimeServer(FINE) as server:
        report = await realtime.diagnose(provider=server.provider())
        assert server.violations == []
    assert report.ok
    assert report.failure is None
    assert statuses(report) == {
        **dict.fromkeys(("key", "dns", "tcp", "upgrade", "session", "text_turn"), "ok"),
        "tls": "skipped",
    }
    assert report.session_id == "sess_1"
    assert report.events[0] == "session.created"
    assert report.events[-1] == "response.done"
    assert "'OK'" in report.step("text_turn").detail
    assert all(step.seconds is not None for step in report.steps if step.status == "ok")


async def test_nobody_listens() -> None:
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    await listeners[0].aclose()
    report = await realtime.diagnose(provider=provider(port))
    assert report.failure is not None
    assert (report.failure.name, report.failure.kind) == ("tcp", "not_reachable")
    assert report.failure.advice
    assert report.step("upgrade").status == "skipped"
    assert report.address == f"127.0.0.1:{port}"


async def test_a_name_that_is_not_there() -> None:
    there = OpenAI(api_key=CANARY, base_url="https://nowhere.invalid/v1")
    report = await realtime.diagnose(provider=there)
    assert report.failure is not None
    assert (report.failure.name, report.failure.kind) == ("dns", "name_not_found")


async def test_a_certificate_that_is_not_trusted() -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    async with testing.RealtimeServer(FINE, ssl=context) as server:
        report = await realtime.diagnose(provider=server.provider())
    assert report.failure is not None
    assert (report.failure.name, report.failure.kind) == ("tls", "certificate")
    assert "SSL_CERT_FILE" in report.failure.advice


async def test_a_certificate_that_is_made_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    async with testing.RealtimeServer(FINE, ssl=context) as server:
        report = await realtime.diagnose(provider=server.provider())
    assert report.ok, report.failure
    assert report.step("tls").status == "ok"


async def test_a_port_that_speaks_no_tls() -> None:
    async with raw_server(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        report = await realtime.diagnose(provider=provider(port, "https"))
    assert report.failure is not None
    assert (report.failure.name, report.failure.kind) == ("tls", "tls_failed")


@pytest.mark.parametrize(
    ("refusal", "kind"),
    [
        (s.Refusal(status=401, body=f'{{"error": {{"message": "bad key {CANARY}"}}}}'), "key"),
        (s.Refusal(status=403), "key"),
        (s.Refusal(status=404), "not_found"),
        (s.Refusal(status=429, body='{"error": {"code": "insufficient_quota"}}'), None),
        (s.Refusal(status=429), "rate_limited"),
        (s.Refusal(status=503), "server_error"),
    ],
)
async def test_upgrades_that_are_refused(refusal: s.Refusal, kind: str | None) -> None:
    async with testing.RealtimeServer(s.Script(upgrades=(refusal,))) as server:
        report = await realtime.diagnose(provider=provider(server.port))
    assert report.failure is not None
    assert (report.failure.name, report.failure.kind) == ("upgrade", kind or "insufficient_quota")
    assert CANARY not in repr(report)


async def test_a_server_that_takes_the_connection_and_says_nothing() -> None:
    async with raw_server(None) as port:
        report = await realtime.diagnose(provider=provider(port), step_timeout=0.5)
    assert report.failure is not None
    assert (report.failure.name, report.failure.kind) == ("upgrade", "timeout")


async def test_a_server_that_upgrades_and_says_nothing() -> None:
    transport = testing.MemoryTransport()
    report = await realtime.diagnose(provider=transport.provider(), step_timeout=0.3)
    assert report.failure is not None
    assert (report.failure.name, report.failure.kind) == ("session", "timeout")
    assert report.step("dns").status == "skipped"


@pytest.mark.parametrize(
    ("first", "kind"),
    [
        ({"type": "hello"}, "protocol"),
        ("no JSON", "protocol"),
        (
            {"type": "session.created", "session": {"id": "s", "modalities": ["text", "audio"]}},
            "beta_dialect",
        ),
        (
            {"type": "error", "error": {"code": "model_not_found", "message": "no such model"}},
            "model_unavailable",
        ),
        ({"type": "error", "error": {"code": "invalid_api_key", "message": "no"}}, "key"),
    ],
)
async def test_greetings_that_are_wrong(first: dict[str, object] | str, kind: str) -> None:
    transport = testing.MemoryTransport()
    transport.deliver(first)
    report = await realtime.diagnose(provider=transport.provider())
    assert report.failure is not None
    assert (report.failure.name, report.failure.kind) == ("session", kind)


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (s.Reply(status="failed", error=("insufficient_quota", "spent")), "insufficient_quota"),
        (s.Reply(status="failed", error=("x", "you do not have access")), "model_unavailable"),
        (s.Reply(status="failed", error=("server_error", "broken")), "server_error"),
        (s.Reply(delay=60.0), "timeout"),
    ],
)
async def test_answers_that_fail(reply: s.Reply, kind: str) -> None:
    async with testing.RealtimeServer(s.Script(replies=(reply,))) as server:
        report = await realtime.diagnose(provider=server.provider(), step_timeout=1.0)
    assert report.failure is not None
    assert (report.failure.name, report.failure.kind) == ("text_turn", kind)
    assert report.session_id == "sess_1"
    if kind == "server_error":
        assert "sess_1" in report.failure.advice


async def test_a_parameter_of_today_that_the_server_does_not_know() -> None:
    refused = ("unknown_parameter", "Unknown parameter: 'response.output_modalities'.", "response")
    plan = s.Script(refuse={"response.create": refused})
    async with testing.RealtimeServer(plan) as server:
        report = await realtime.diagnose(provider=server.provider())
    assert report.failure is not None
    assert (report.failure.name, report.failure.kind) == ("text_turn", "beta_dialect")


async def test_no_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("CODEX_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CODEX_HOME", str(tmp_path))
    report = await realtime.diagnose()
    assert report.failure is not None
    assert (report.failure.name, report.failure.kind) == ("key", "key")


async def run_doctor(
    server: testing.RealtimeServer, *more: str
) -> subprocess.CompletedProcess[bytes]:
    environment = {"OPENAI_API_KEY": CANARY, "PATH": "/usr/bin", "OPENAI_BASE_URL": server.base_url}
    return await trio.run_process(
        [sys.executable, "-m", "voxloop", "doctor", *more],
        capture_stdout=True,
        capture_stderr=True,
        check=False,
        env=environment,
    )


async def test_the_command() -> None:
    async with testing.RealtimeServer(FINE) as server:
        done = await run_doctor(server, "--json")
        report = json.loads(done.stdout)
        assert done.returncode == 0
        assert report["ok"] is True
        assert report["session_id"] == "sess_1"
        assert report["steps"][0]["name"] == "key"
    async with testing.RealtimeServer(s.Script(upgrades=(s.Refusal(status=401),))) as server:
        done = await run_doctor(server)
        text = done.stdout.decode()
        assert done.returncode == 1
        assert "upgrade    failed" in text
        assert "Check the API key" in text
        assert CANARY not in text + done.stderr.decode()
