"""Proxies: tunnels for both transports, who is exempt, and logins that stay out of sight."""

from __future__ import annotations

import ssl
from functools import partial
from pathlib import Path

import pytest
import trio
from websockets.exceptions import ConnectionClosed as PeerClosed
from websockets.trio.server import ServerConnection

from support.lines import Proxy
from support.servers import authority, read_request, tcp_server, websocket_server
from voxloop import net
from voxloop._errors import ConfigError

CANARY = "canary-p4ss"
LOGIN = ("us@er", CANARY)
HIDDEN = f"us%40er:{CANARY}"
VARIABLES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def no_proxy_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


async def echo(peer: ServerConnection) -> None:
    try:
        async for message in peer:
            await peer.send(message)
    except PeerClosed:
        pass


async def talk(url: str, options: net.WebSocketOptions | None = None) -> None:
    async with net.open_websocket(url, options=options) as socket:
        await socket.send("through")
        assert (await socket.receive()).data == "through"


async def fetch(url: str, options: net.HttpOptions | None = None) -> bytes:
    async with net.request("GET", url, options=options) as response:
        return await response.read()


async def hello(stream: trio.SocketStream) -> None:
    while await read_request(stream):
        await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")


@pytest.mark.parametrize("scheme", ["http", "socks5", "socks5h"])
@pytest.mark.parametrize("login", [None, LOGIN])
async def test_a_websocket_goes_through_the_proxy(
    scheme: str, login: tuple[str, str] | None
) -> None:
    proxy = Proxy(login=login)
    serving = proxy.http() if scheme == "http" else proxy.socks()
    async with websocket_server(echo) as url, serving as port:
        user = f"{HIDDEN}@" if login else ""
        options = net.WebSocketOptions(proxy=f"{scheme}://{user}localhost:{port}")
        await talk(url, options)
    (asked,) = proxy.asked
    # Who looks the name up is what tells socks5 from socks5h.
    assert asked[0] in (("127.0.0.1", "0" * 31 + "1") if scheme == "socks5" else ("localhost",))


@pytest.mark.parametrize("scheme", ["http", "socks5h"])
@pytest.mark.parametrize("login", [None, LOGIN])
async def test_http_goes_through_the_proxy(scheme: str, login: tuple[str, str] | None) -> None:
    proxy = Proxy(login=login)
    serving = proxy.http() if scheme == "http" else proxy.socks()
    async with tcp_server(hello) as server, serving as port:
        user = f"{HIDDEN}@" if login else ""
        options = net.HttpOptions(proxy=net.Secret(f"{scheme}://{user}localhost:{port}"))
        assert await fetch(f"http://voice.example:{server}/", options) == b"hello"
    assert proxy.asked == [("voice.example", server)]


async def test_tls_ends_at_the_server_and_not_at_the_proxy(tmp_path: Path) -> None:
    context, ca_file = authority(tmp_path)
    proxy = Proxy()
    async with websocket_server(echo, tls=context) as url, proxy.http() as port:
        at = f"http://localhost:{port}"
        await talk(url, net.WebSocketOptions(ca_file=ca_file, proxy=at))
        secure = url.replace("wss", "https")
        async with net.request(
            "GET", secure, options=net.HttpOptions(ca_file=ca_file, proxy=at)
        ) as response:
            assert response.status == 426  # it speaks WebSocket alone
    assert all(head.startswith("CONNECT localhost:") for head in proxy.heads)
    assert len(proxy.heads) == 2


async def test_the_way_to_an_https_proxy_is_encrypted_too(tmp_path: Path) -> None:
    context, ca_file = authority(tmp_path)
    proxy = Proxy(login=LOGIN)

    async def serve(stream: trio.SocketStream) -> None:
        await proxy.http_over(trio.SSLStream(stream, context, server_side=True))

    async with websocket_server(echo, tls=context) as url, tcp_server(serve) as port:
        at = f"https://{HIDDEN}@localhost:{port}"
        await talk(url, net.WebSocketOptions(ca_file=ca_file, proxy=at))
        secure = url.replace("wss", "https")
        async with net.request(
            "GET", secure, options=net.HttpOptions(ca_file=ca_file, proxy=at)
        ) as response:
            assert response.status == 426
    assert len(proxy.asked) == 2


async def test_the_environment_names_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = Proxy()
    async with websocket_server(echo) as url, tcp_server(hello) as server, proxy.http() as port:
        far = url.replace("localhost", "voice.example")
        monkeypatch.setenv("HTTP_PROXY", f"http://localhost:{port}")
        await talk(far)
        monkeypatch.setenv("http_proxy", "http://localhost:9")  # the lower-case name wins
        monkeypatch.setenv("no_proxy", ".voice.example, 10.0.0.0/8")
        with pytest.raises(net.ConnectFailed) as caught:
            await talk(far)
        assert caught.value.reason == "dns"  # exempt, and there is no such host
        await talk(url)  # this machine is exempt
        monkeypatch.delenv("http_proxy")
        monkeypatch.setenv("no_proxy", "other.example")
        assert await fetch(f"http://voice.example:{server}/") == b"hello"
        monkeypatch.delenv("HTTP_PROXY")
        monkeypatch.setenv("ALL_PROXY", f"localhost:{port}")
        assert await fetch(f"http://voice.example:{server}/") == b"hello"
        for none in (False, "direct"):
            with pytest.raises(net.ConnectFailed):
                await talk(far, net.WebSocketOptions(proxy=none))
    # The second request used the connection of the first again.
    assert [host for host, _ in proxy.asked] == ["voice.example"] * 2


@pytest.mark.parametrize("kind", ["websocket", "http"])
@pytest.mark.parametrize(
    ("proxy", "scheme", "reason", "words"),
    [
        (Proxy(login=LOGIN), "http", "proxy_refused", "proxy"),
        (Proxy(refuse=502), "http", "proxy", "proxy"),
        (Proxy(login=LOGIN), "socks5h", "proxy_refused", "proxy"),
        (Proxy(refuse=5), "socks5h", "proxy", "proxy"),
        (Proxy(refuse=2), "socks5h", "proxy_refused", "proxy"),
    ],
    ids=["http-login", "http-502", "socks-login", "socks-refused", "socks-ruleset"],
)
async def test_a_proxy_that_refuses_is_named(
    kind: str, proxy: Proxy, scheme: str, reason: str, words: str
) -> None:
    serving = proxy.http() if scheme == "http" else proxy.socks()
    async with serving as port:
        at = f"{scheme}://{'user:' + CANARY + '@' if proxy.login else ''}localhost:{port}"
        with pytest.raises(net.ConnectFailed) as caught:
            if kind == "websocket":
                await talk("wss://voice.example/", net.WebSocketOptions(proxy=at))
            else:
                await fetch("https://voice.example/", net.HttpOptions(proxy=at))
    error = caught.value
    assert error.host == f"localhost:{port}"
    assert (error.reason, error.retryable) == (reason, reason == "proxy")
    assert words in str(error)
    assert CANARY not in repr(error) + str(error)


async def test_a_proxy_that_is_not_there_or_says_nothing() -> None:
    async with Proxy(silent=True).http() as port:
        options = net.WebSocketOptions(proxy=f"http://localhost:{port}", open_timeout=0.4)
        with pytest.raises(net.NetworkTimeout) as late:
            await talk("wss://voice.example/", options)
    assert late.value.phase == "proxy"
    with pytest.raises(net.ConnectFailed) as gone:
        await talk("wss://voice.example/", net.WebSocketOptions(proxy=f"http://localhost:{port}"))
    assert gone.value.host == f"localhost:{port}"
    assert "the proxy for voice.example" in str(gone.value)


async def test_a_login_is_in_no_text() -> None:
    at = f"http://{HIDDEN}@localhost:1"
    assert CANARY not in repr(net.WebSocketOptions(proxy=at)) + repr(net.HttpOptions(proxy=at))
    for wrong in (f"ftp://{HIDDEN}@h", f"http://{HIDDEN}@", f"http://[{CANARY}", ""):
        with pytest.raises(ConfigError) as caught:
            await talk("wss://voice.example/", net.WebSocketOptions(proxy=wrong))
        assert CANARY not in repr(caught.value)
        assert "proxy" in str(caught.value)


@pytest.mark.parametrize("start", [partial(net.open_websocket), partial(net.request, "GET")])
async def test_a_key_does_not_travel_in_the_clear_to_a_proxy(start: object) -> None:
    websocket = start.func is net.open_websocket  # type: ignore[attr-defined]
    url = ("ws" if websocket else "http") + "://localhost:1/"
    make = net.WebSocketOptions if websocket else net.HttpOptions
    headers = {"Authorization": net.Secret("Bearer sk-0123456789")}
    with pytest.raises(ConfigError) as caught:
        async with start(url, headers=headers, options=make(proxy="http://far.example:1")):  # type: ignore[operator]
            pass
    assert caught.value.code == "insecure_key"
    assert "far.example" in str(caught.value)


async def test_the_proxy_learns_no_header_of_an_encrypted_request(tmp_path: Path) -> None:
    context: ssl.SSLContext
    context, ca_file = authority(tmp_path)
    proxy = Proxy()
    headers = {"Authorization": net.Secret("Bearer sk-0123456789")}
    async with websocket_server(echo, tls=context) as url, proxy.http() as port:
        options = net.WebSocketOptions(ca_file=ca_file, proxy=f"http://localhost:{port}")
        async with net.open_websocket(url, headers=headers, options=options):
            pass
    (head,) = proxy.heads
    assert "authorization" not in head.lower()
