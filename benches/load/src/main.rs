//! A load generator for realtime clients: it serves the `OpenAI` Realtime protocol over plain
//! WebSocket and TLS from one process, and measures what the clients do.
//!
//! It prints one line of JSON with its ports, and serves until SIGINT or SIGTERM; then it prints
//! the figures of all runs. A session is ordered by the query of its URL, any path:
//!
//! - `run=NAME`: its figures are kept by this name.
//! - `mode=quiet|paced|burst|tool|barge`, `turns=N`, `frames=N` (20 ms deltas of one response),
//!   `lead=N` (of them sent at once, before the pace begins), `tool=NAME`.
//! - `start=connect|response|go`: at once, at the first `response.create`, or at `GET /go?run=NAME`.
//! - `check=1`: appends hold samples that count up by one (modulo 65,536), over all appends.
//! - `ping_ms=N`: pings, whose answers are timed. `warm_ms=N`: appends are not timed before.
//!
//! `GET /stats`, `/stats?run=NAME` (`&each=1` for every session, `&forget=1` to drop them) on the
//! plain port give the figures. Every delta begins with its stamp, little-endian: the word
//! `0x4c584c56`, session, number, 0, and the nanoseconds of the monotonic clock at its writing.

mod clock;
mod connection;
mod events;
mod frame;
mod heard;
mod plan;
mod player;
mod stats;
mod tls;
mod uplink;

use std::error::Error;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Parser;
use rustls::ServerConfig;
use serde_json::json;
use tokio::net::{TcpListener, TcpSocket};
use tokio::signal::unix::{SignalKind, signal};
use tokio_rustls::TlsAcceptor;

use crate::stats::Registry;

type Failure = Box<dyn Error + Send + Sync>;

/// Serve realtime sessions on 127.0.0.1 and measure the clients.
#[derive(Parser)]
#[command(version, after_help = ORDERS)]
struct Options {
    /// Threads that serve.
    #[arg(long, default_value_t = 1)]
    workers: usize,
    /// Port of plain WebSocket and of the figures; 0 takes any.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Port of TLS; 0 takes any.
    #[arg(long, default_value_t = 0)]
    tls_port: u16,
    /// Where to write the PEM of the authority made for this run; without it there is no TLS
    /// unless a chain is given.
    #[arg(long)]
    ca: Option<PathBuf>,
    /// PEM of a certificate chain to serve with instead.
    #[arg(long, requires = "key", conflicts_with = "ca")]
    chain: Option<PathBuf>,
    /// PEM of its key.
    #[arg(long, requires = "chain")]
    key: Option<PathBuf>,
}

const ORDERS: &str = "A session is ordered by the query of its URL:
  run=NAME            figures are kept by this name
  mode=MODE           quiet, paced, burst, tool or barge
  start=WHEN          connect, response (the first response.create) or go (GET /go?run=NAME)
  turns=N frames=N    responses, calls or interruptions; 20 ms deltas of one response
  lead=N              deltas sent at once before the pace begins
  tool=NAME           the tool that is called
  check=1             appends hold samples that count up by one
  ping_ms=N           milliseconds between pings
  warm_ms=N           appends are not timed before
GET /stats, /stats?run=NAME[&each=1][&forget=1] on the plain port give the figures.";

fn main() -> Result<(), Failure> {
    let options = Options::parse();
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(options.workers.max(1))
        .enable_all()
        .build()?
        .block_on(run(options))
}

async fn run(options: Options) -> Result<(), Failure> {
    let registry = Arc::new(Registry::default());
    let config = match (&options.ca, &options.chain, &options.key) {
        (_, Some(chain), Some(key)) => Some(tls::from_files(chain, key)?),
        (Some(ca), ..) => Some(tls::self_made(ca)?),
        _ => None,
    };
    let plain = listen(options.port)?;
    let port = plain.local_addr()?.port();
    let secure = config.map(|config| Ok::<_, Failure>((listen(options.tls_port)?, config)));
    let secure = secure.transpose()?;
    let tls_port = match &secure {
        Some((listener, _)) => Some(listener.local_addr()?.port()),
        None => None,
    };
    println!("{}", json!({"ws": port, "wss": tls_port}));
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        () = accept(plain, None, &registry) => {}
        () = accept_secure(secure, &registry) => {}
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    println!("{}", registry.all());
    Ok(())
}

fn listen(port: u16) -> Result<TcpListener, Failure> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind((Ipv4Addr::LOCALHOST, port).into())?;
    Ok(socket.listen(4_096)?)
}

async fn accept_secure(secure: Option<(TcpListener, Arc<ServerConfig>)>, registry: &Arc<Registry>) {
    match secure {
        Some((listener, config)) => accept(listener, Some(config), registry).await,
        None => std::future::pending().await,
    }
}

/// Take connections for ever; each is a task that ends with its peer.
async fn accept(
    listener: TcpListener,
    config: Option<Arc<ServerConfig>>,
    registry: &Arc<Registry>,
) {
    let acceptor = config.map(TlsAcceptor::from);
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // No descriptor is free: one will be.
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            continue;
        };
        let (acceptor, registry) = (acceptor.clone(), Arc::clone(registry));
        tokio::spawn(async move {
            let _ = stream.set_nodelay(true);
            // A client that goes away in the middle is no failure of the generator.
            let _ = match acceptor {
                None => connection::serve(stream, &registry).await,
                Some(acceptor) => match acceptor.accept(stream).await {
                    Ok(stream) => connection::serve(stream, &registry).await,
                    Err(error) => Err(error),
                },
            };
        });
    }
}
