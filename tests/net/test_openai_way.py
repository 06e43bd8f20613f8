"""The way of an account to its server: private authority, our certificate, proxy; for all alike."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
import trio
import trustme
from websockets.exceptions import ConnectionClosed as PeerClosed
from websockets.trio.server import ServerConnection

import voxloop
from support.lines import Proxy
from support.servers import read_request, tcp_server, websocket_server
from voxloop import audio, net
from voxloop._errors import ConfigError
from voxloop.providers import ChatCompletionsModel, ModelRequest, RealtimeTarget, STTSettings
from voxloop.wire import realtime as rt

TONE = audio.AudioChunk(bytes(range(256)) * 30, audio.Format(16_000))
CANARY = "canary-p4ss"
HEARD = b'{"text": "heard"}'
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"


class Site:
    """A TLS server for HTTP and one for WebSocket, that ask for a certificate of our authority."""

    def __init__(self, folder: Path) -> None:
        ca, clients = trustme.CA(), trustme.CA()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ca.issue_cert("localhost").configure_cert(self.context)
        clients.configure_trust(self.context)
        self.context.verify_mode = ssl.CERT_REQUIRED
        ours = clients.issue_cert("client@voice.example")
        self.ca_file = folder / "ca.pem"
        self.cert = folder / "cert.pem"
        self.key = folder / "key.pem"
        ca.cert_pem.write_to_path(str(self.ca_file))
        ours.cert_chain_pems[0].write_to_path(str(self.cert))
        ours.private_key_pem.write_to_path(str(self.key))
        self.heads: list[str] = []

    async def http(self, stream: trio.SocketStream) -> None:
        secure = trio.SSLStream(stream, self.context, server_side=True)
        try:
            while request := await read_request(secure):  # type: ignore[arg-type]
                self.heads.append(request.split(b"\r\n")[0].decode())
                await secure.send_all(ANSWER % len(HEARD) + HEARD)
        except trio.BrokenResourceError:
            pass

    async def realtime(self, peer: ServerConnection) -> None:
        assert peer.request is not None
        self.heads.append(peer.request.path)
        try:
            await peer.send('{"type": "session.created", "event_id": "e", "session": {}}')
            async for _ in peer:
                pass
        except PeerClosed:
            pass

    def connect(self, proxy: str) -> net.ConnectOptions:
        return net.ConnectOptions(
            ca_file=self.ca_file, client_cert=self.cert, client_key=self.key, proxy=proxy
        )


async def test_requests_and_sessions_take_the_way_they_are_given(tmp_path: Path) -> None:
    site, proxy = Site(tmp_path), Proxy(login=("user", CANARY))
    async with (
        tcp_server(site.http) as port,
        websocket_server(site.realtime, tls=site.context) as realtime_url,
        proxy.http() as proxy_port,
    ):
        provider = voxloop.OpenAI(
            api_key="sk-0123456789",
            base_url=f"https://localhost:{port}/v1",
            realtime_url=f"{realtime_url}v1/realtime",
            connect=site.connect(f"http://user:{CANARY}@localhost:{proxy_port}"),
        )
        with trio.fail_after(20):
            heard = await provider.speech_to_text().transcribe(TONE, STTSettings())
            async with provider.realtime(RealtimeTarget(model="gpt-realtime")) as socket:
                (first,) = await socket.receive_batch()
    assert heard.text == "heard"
    assert isinstance(rt.decode_server(first.data), rt.SessionCreated)
    assert site.heads == [
        "POST /v1/audio/transcriptions HTTP/1.1",
        "/v1/realtime?model=gpt-realtime",
    ]
    http_port, ws_port = port, int(realtime_url.split(":")[2][:-1])
    assert proxy.asked == [("localhost", http_port), ("localhost", ws_port)]
    assert CANARY not in repr(provider) + repr(vars(provider))


async def test_without_it_neither_gets_there(tmp_path: Path) -> None:
    site = Site(tmp_path)
    async with (
        tcp_server(site.http) as port,
        websocket_server(site.realtime, tls=site.context) as realtime_url,
    ):
        provider = voxloop.OpenAI(
            api_key="sk-0123456789",
            base_url=f"https://localhost:{port}/v1",
            realtime_url=realtime_url,
        )
        with pytest.raises(net.TlsFailed):
            await provider.speech_to_text().transcribe(TONE, STTSettings())
        with pytest.raises(net.TlsFailed):
            async with provider.realtime(RealtimeTarget()):
                pass
    assert site.heads == []


async def test_a_key_goes_in_the_clear_only_where_it_is_allowed() -> None:
    async def hear(stream: trio.SocketStream) -> None:
        await read_request(stream)
        await stream.send_all(ANSWER % len(HEARD) + HEARD)

    async with tcp_server(hear) as server, Proxy().http() as port:
        for allowed in (False, True):
            connect = net.ConnectOptions(
                proxy=f"http://localhost:{port}", allow_insecure_key=allowed
            )
            provider = voxloop.OpenAI(
                api_key="sk-0123456789",
                base_url=f"http://voice.example:{server}/v1",
                connect=connect,
            )
            # The server speaks no WebSocket.
            with pytest.raises(net.NetworkError if allowed else ConfigError):
                async with provider.realtime(RealtimeTarget()):
                    pass
            if allowed:
                heard = await provider.speech_to_text().transcribe(TONE, STTSettings())
                assert heard.text == "heard"
            else:
                with pytest.raises(ConfigError):
                    await provider.speech_to_text().transcribe(TONE, STTSettings())


async def test_a_chat_server_of_ones_own_may_have_its_own_authority(tmp_path: Path) -> None:
    site = Site(tmp_path)
    async with tcp_server(site.http) as port:
        model = ChatCompletionsModel(
            base_url=f"https://localhost:{port}/v1", model="m", connect=site.connect("direct")
        )
        with pytest.raises(net.ProtocolError, match="application/json"):
            async with model.respond(ModelRequest()):
                pass
    assert site.heads == ["POST /v1/chat/completions HTTP/1.1"]
