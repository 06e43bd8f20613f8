"""TLS as deployments have it: whom to trust, who we are, and what is wrong in plain words."""

from __future__ import annotations

import datetime
import hashlib
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import pytest
import trio
import trustme
from websockets.exceptions import ConnectionClosed as PeerClosed
from websockets.trio.server import ServerConnection

from support.servers import read_request, tcp_server, websocket_server
from voxloop import net
from voxloop._errors import ConfigError

KINDS = ["websocket", "http"]


async def echo(peer: ServerConnection) -> None:
    try:
        async for message in peer:
            await peer.send(message)
    except PeerClosed:
        pass


def server_context(ca: trustme.CA, *names: str, **settings: object) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert(*(names or ("localhost",)), **settings).configure_cert(context)  # type: ignore[arg-type]
    return context


def ca_file(ca: trustme.CA, folder: Path, name: str = "ca.pem") -> str:
    ca.cert_pem.write_to_path(str(folder / name))
    return str(folder / name)


@asynccontextmanager
async def server(kind: str, context: ssl.SSLContext) -> AsyncIterator[str]:
    if kind == "websocket":
        async with websocket_server(echo, tls=context) as url:
            yield url
        return

    async def serve(stream: trio.SocketStream) -> None:
        secure = trio.SSLStream(stream, context, server_side=True)
        try:
            await read_request(secure)  # type: ignore[arg-type]
            await secure.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
            await secure.receive_some(1)
        except trio.BrokenResourceError:
            pass

    async with tcp_server(serve) as port:
        yield f"https://localhost:{port}/"


async def reach(kind: str, url: str, **way: object) -> None:
    if kind == "websocket":
        options = net.WebSocketOptions(**way)  # type: ignore[arg-type]
        async with net.open_websocket(url, options=options) as socket:
            await socket.send("a")
            assert (await socket.receive()).data == "a"
    else:
        async with net.request("GET", url, options=net.HttpOptions(**way)) as response:  # type: ignore[arg-type]
            assert await response.read() == b"hello"


async def refused(kind: str, url: str, **way: object) -> net.TlsFailed:
    with pytest.raises(net.TlsFailed) as caught:
        await reach(kind, url, **way)
    assert not caught.value.retryable
    assert "localhost" in str(caught.value)
    return caught.value


@pytest.mark.parametrize("kind", KINDS)
async def test_what_is_wrong_with_a_certificate_is_told_apart(kind: str, tmp_path: Path) -> None:
    ca = trustme.CA()
    trusted = ca_file(ca, tmp_path)
    past = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=2)
    async with server(kind, server_context(ca, not_after=past)) as url:
        assert (await refused(kind, url, ca_file=trusted)).reason == "expired"
    async with server(kind, server_context(ca, "other.example")) as url:
        assert (await refused(kind, url, ca_file=trusted)).reason == "wrong_host"
    async with server(kind, server_context(trustme.CA())) as url:
        error = await refused(kind, url, ca_file=trusted)
    assert error.reason == "unknown_authority"
    assert "ca_file" in str(error)


@contextmanager
def strict_server(kind: str, context: ssl.SSLContext) -> Iterator[str]:
    """Says why it refuses a handshake, which trio's TLS does not."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                stream, _ = listener.accept()
            except OSError:
                return
            # A second hold on the socket: closing it with bytes unread would reset the line, and
            # the alert on it might never be read.
            with stream.dup() as rest:
                rest.settimeout(5)
                with suppress(OSError), context.wrap_socket(stream, server_side=True) as tls:
                    tls.settimeout(5)
                    tls.recv(1000)
                with suppress(OSError):
                    rest.shutdown(socket.SHUT_WR)
                    while rest.recv(1000):
                        pass

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        port = listener.getsockname()[1]
        yield f"{'wss' if kind == 'websocket' else 'https'}://localhost:{port}/"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(10)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
@pytest.mark.parametrize("kind", KINDS)
async def test_an_old_version_and_no_tls_at_all(kind: str, tmp_path: Path) -> None:
    ca = trustme.CA()
    context = server_context(ca)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    with strict_server(kind, context) as url:
        assert (await refused(kind, url, ca_file=ca_file(ca, tmp_path))).reason == "protocol"

    async def plain(stream: trio.SocketStream) -> None:
        await stream.receive_some(1000)
        await stream.send_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with tcp_server(plain) as port:
        scheme = "wss" if kind == "websocket" else "https"
        assert (await refused(kind, f"{scheme}://localhost:{port}/")).reason == "protocol"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_client_certificate_is_shown_where_one_is_asked_for(
    kind: str, version: ssl.TLSVersion, tmp_path: Path
) -> None:
    ca, clients = trustme.CA(), trustme.CA()
    context = server_context(ca)
    context.minimum_version = context.maximum_version = version
    context.verify_mode = ssl.CERT_REQUIRED
    clients.configure_trust(context)
    ours = clients.issue_cert("client@voice.example")
    chain, key, both = tmp_path / "chain.pem", tmp_path / "key.pem", tmp_path / "both.pem"
    for blob in ours.cert_chain_pems:
        blob.write_to_path(str(chain), append=True)
    ours.private_key_pem.write_to_path(str(key))
    ours.private_key_and_cert_chain_pem.write_to_path(str(both))
    trusted = ca_file(ca, tmp_path)
    async with server(kind, context) as url:
        await reach(kind, url, ca_file=trusted, client_cert=chain, client_key=key)
        await reach(kind, url, ca_file=trusted, client_cert=both)
    with strict_server(kind, context) as url:
        without = await refused(kind, url, ca_file=trusted)
        strange = tmp_path / "strange.pem"
        trustme.CA().issue_cert("x@y.example").private_key_and_cert_chain_pem.write_to_path(
            str(strange)
        )
        wrong = await refused(kind, url, ca_file=trusted, client_cert=strange)
    # TLS 1.2 has no word of its own for a certificate that is missing.
    if version is ssl.TLSVersion.TLSv1_3:
        assert without.reason == "client_certificate"
        assert "client_cert" in str(without)
    assert wrong.reason == "client_certificate"


@pytest.mark.parametrize("kind", KINDS)
async def test_the_environment_names_roots(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ca = trustme.CA()
    folder = tmp_path / "roots"
    folder.mkdir()
    async with server(kind, server_context(ca)) as url:
        monkeypatch.setenv("SSL_CERT_FILE", ca_file(ca, tmp_path))
        await reach(kind, url)
        monkeypatch.setenv("SSL_CERT_FILE", ca_file(trustme.CA(), tmp_path, "other.pem"))
        assert (await refused(kind, url)).reason == "unknown_authority"
        # The folder counts beside the file, by the names that c_rehash gives.
        monkeypatch.setenv("SSL_CERT_DIR", f"{tmp_path / 'missing'}:{folder}")
        hashed = hashlib.sha1(ca.cert_pem.bytes(), usedforsecurity=False).hexdigest()[:8]
        ca_file(ca, folder, f"{hashed}.0")
        await reach(kind, url)
        # What was given wins over the environment.
        given = ca_file(trustme.CA(), tmp_path, "given.pem")
        assert (await refused(kind, url, ca_file=given)).reason == "unknown_authority"


@pytest.mark.parametrize("kind", KINDS)
async def test_a_file_that_will_not_do_is_named(kind: str, tmp_path: Path) -> None:
    scheme = "wss" if kind == "websocket" else "https"
    text = tmp_path / "text.pem"
    text.write_text("no PEM at all")
    ca = trustme.CA()
    cert_only = ca_file(ca, tmp_path)
    for way in (
        {"ca_file": text},
        {"ca_file": tmp_path / "missing.pem"},
        {"client_cert": text},
        {"client_cert": cert_only},
        {"client_cert": cert_only, "client_key": text},
    ):
        async with tcp_server(trio.aclose_forcefully) as port:
            with pytest.raises(ConfigError, match=r"\.pem") as caught:
                await reach(kind, f"{scheme}://localhost:{port}/", **way)
        assert caught.value.code == "invalid_config"
    with pytest.raises(ConfigError, match="client_cert"):
        net.HttpOptions(client_key=text)


async def test_a_session_is_resumed_and_a_changed_file_is_read_again(tmp_path: Path) -> None:
    old, new = trustme.CA(), trustme.CA()
    file = ca_file(old, tmp_path)
    async with websocket_server(echo, tls=server_context(old)) as url:
        await reach("websocket", url, ca_file=file)
    async with websocket_server(echo, tls=server_context(new)) as url:
        assert (await refused("websocket", url, ca_file=file)).reason == "unknown_authority"
        await trio.sleep(0.02)  # a later time of change, on a clock of 10 ms
        ca_file(new, tmp_path)
        await reach("websocket", url, ca_file=file)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_line_cut_in_the_handshake_is_worth_another_try(kind: str) -> None:
    async def cut(stream: trio.SocketStream) -> None:
        await stream.receive_some(100)
        await stream.aclose()

    scheme = "wss" if kind == "websocket" else "https"
    async with tcp_server(cut) as port:
        with pytest.raises(net.NetworkError) as caught:
            await reach(kind, f"{scheme}://localhost:{port}/")
    assert caught.value.retryable


def test_nothing_turns_verification_off() -> None:
    names = {*net.WebSocketOptions.__dataclass_fields__, *net.HttpOptions.__dataclass_fields__}
    assert not {name for name in names if "verify" in name or "skip" in name}
