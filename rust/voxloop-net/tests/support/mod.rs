//! Peers in threads of their own, and a consumer that waits on the descriptor as Python does.
#![allow(dead_code, unreachable_pub)] // each test binary uses its own part

use std::future::Future;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::WebSocketStream;
use voxloop_net::{Drained, HttpCall, HttpItem, NetError, WakeSignal, WsClient, WsConfig, WsItem};

/// Long enough for a loaded machine; no test waits for it unless something is wrong.
pub const LONG: Duration = Duration::from_secs(20);

/// A peer that serves one test from a thread of its own.
pub struct Peer<T> {
    pub address: SocketAddr,
    thread: JoinHandle<T>,
}

impl<T> Peer<T> {
    pub fn ws(&self) -> String {
        format!("ws://{}/v1/realtime?model=m", self.address)
    }

    pub fn http(&self) -> String {
        format!("http://{}/v1/speech", self.address)
    }

    /// What the peer saw.
    pub fn join(self) -> T {
        self.thread.join().expect("the peer failed")
    }
}

/// Runs `serve` with a listener on a free port of this machine.
pub fn listen<T, F>(serve: impl FnOnce(TcpListener) -> F + Send + 'static) -> Peer<T>
where
    T: Send + 'static,
    F: Future<Output = T>,
{
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.set_nonblocking(true).expect("non-blocking");
    let address = listener.local_addr().expect("its address");
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let listener = TcpListener::from_std(listener).expect("a listener");
            tokio::time::timeout(LONG, serve(listener)).await.expect("the peer is done in time")
        })
    });
    Peer { address, thread }
}

/// Runs `serve` with the first connection.
pub fn tcp<T, F>(serve: impl FnOnce(TcpStream) -> F + Send + 'static) -> Peer<T>
where
    T: Send + 'static,
    F: Future<Output = T>,
{
    listen(|listener| async move {
        let (stream, _) = listener.accept().await.expect("a connection");
        stream.set_nodelay(true).expect("nodelay");
        serve(stream).await
    })
}

/// Runs `serve` with the first WebSocket.
pub fn ws<T, F>(serve: impl FnOnce(WebSocketStream<TcpStream>) -> F + Send + 'static) -> Peer<T>
where
    T: Send + 'static,
    F: Future<Output = T>,
{
    tcp(|stream| async move {
        serve(tokio_tungstenite::accept_async(stream).await.expect("a handshake")).await
    })
}

/// Reads a request head.
pub async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("a whole request head"));
    }
    String::from_utf8(head).expect("a request in ASCII")
}

/// Writes text as it is.
pub async fn write(stream: &mut (impl AsyncWrite + Unpin), text: &str) {
    stream.write_all(text.as_bytes()).await.expect("the client reads");
    stream.flush().await.expect("the client reads");
}

/// Waits until the client is gone; how long that took, and what it said before.
pub async fn until_eof(stream: &mut (impl AsyncRead + Unpin)) -> (Duration, Vec<u8>) {
    let begun = Instant::now();
    let mut rest = Vec::new();
    // A reset is an end too.
    let _ = stream.read_to_end(&mut rest).await;
    (begun.elapsed(), rest)
}

pub fn readable(signal: &WakeSignal, wait: Duration) -> bool {
    let fd = signal.as_fd();
    let mut set = [PollFd::new(&fd, PollFlags::IN)];
    let limit = Timespec::try_from(wait).expect("a short wait");
    poll(&mut set, Some(&limit)).expect("poll") == 1
}

/// What [`ws_all`] and the like take from.
pub trait Source {
    type Item;
    fn signal(&self) -> &WakeSignal;
    fn take(&self) -> Result<Drained<Self::Item>, NetError>;
}

impl Source for WsClient {
    type Item = WsItem;
    fn signal(&self) -> &WakeSignal {
        self.recv_signal()
    }
    fn take(&self) -> Result<Drained<WsItem>, NetError> {
        self.drain()
    }
}

impl Source for HttpCall {
    type Item = HttpItem;
    fn signal(&self) -> &WakeSignal {
        self.recv_signal()
    }
    fn take(&self) -> Result<Drained<HttpItem>, NetError> {
        self.drain()
    }
}

/// Waits for `count` items.
pub fn some<S: Source>(source: &S, count: usize) -> Vec<S::Item> {
    let mut all = Vec::new();
    while all.len() < count {
        assert!(readable(source.signal(), LONG), "nothing came: {} of {count}", all.len());
        match source.take() {
            Ok(Drained::Items(items)) => all.extend(items),
            Ok(Drained::End) => panic!("the end came after {} of {count}", all.len()),
            Err(error) => panic!("{error} came after {} of {count}", all.len()),
        }
    }
    all
}

/// Waits for the end: everything that came before it, and how it ended.
pub fn all<S: Source>(source: &S) -> (Vec<S::Item>, Result<(), NetError>) {
    let mut all = Vec::new();
    loop {
        assert!(readable(source.signal(), LONG), "no end came");
        match source.take() {
            Ok(Drained::Items(items)) => all.extend(items),
            Ok(Drained::End) => return (all, Ok(())),
            Err(error) => return (all, Err(error)),
        }
    }
}

/// Waits for the error at the end.
pub fn error<S: Source>(source: &S) -> NetError {
    all(source).1.expect_err("an error at the end")
}

pub fn open(config: WsConfig) -> WsClient {
    WsClient::open(config).expect("a valid configuration")
}

/// Opens and waits for the item that says so.
pub fn opened(config: WsConfig) -> WsClient {
    let client = open(config);
    let first = some(&client, 1).remove(0);
    assert!(matches!(first, WsItem::Open { status: 101, .. }), "{first:?}");
    client
}

pub fn texts(items: Vec<WsItem>) -> Vec<String> {
    items
        .into_iter()
        .filter_map(|item| match item {
            WsItem::Text { text, .. } => Some(text.to_string()),
            _ => None,
        })
        .collect()
}

/// Polls `done` until it holds.
pub fn eventually(what: &str, done: impl Fn() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < LONG, "{what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A certificate authority made for one test, and a server certificate it signed.
pub struct Authority {
    pub ca_file: std::path::PathBuf,
    pub acceptor: TlsAcceptor,
}

impl Drop for Authority {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.ca_file);
    }
}

/// An authority whose server certificate is for `name`.
pub fn authority(test: &str, name: &str) -> Authority {
    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
    let ca_key = KeyPair::generate().expect("a key");
    let mut ca = CertificateParams::new(Vec::new()).expect("parameters");
    ca.distinguished_name.push(DnType::CommonName, format!("authority of {test}"));
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_certificate = ca.self_signed(&ca_key).expect("a certificate");
    let issuer = Issuer::new(ca, ca_key);
    let key = KeyPair::generate().expect("a key");
    let server = CertificateParams::new(vec![name.to_owned()]).expect("parameters");
    let certificate = server.signed_by(&key, &issuer).expect("a certificate");
    let ca_file = std::env::temp_dir().join(format!("voxloop-{test}-{}.pem", std::process::id()));
    std::fs::write(&ca_file, ca_certificate.pem()).expect("a temporary file");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            rustls::pki_types::PrivateKeyDer::Pkcs8(key.serialize_der().into()),
        )
        .expect("a usable certificate");
    Authority { ca_file, acceptor: TlsAcceptor::from(Arc::new(config)) }
}
