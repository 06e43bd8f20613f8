//! One TCP connection: a request, and what becomes of it.

use std::io;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{mpsc, watch};
use tokio::time::{Duration, sleep, sleep_until};
use tungstenite::handshake::derive_accept_key;

use crate::clock::{self, MS};
use crate::frame::{self, Kind, Reader};
use crate::heard::{self, Heard};
use crate::plan::{self, Plan, Start};
use crate::player::Player;
use crate::stats::{Registry, Run, Session};

/// Events of the client that may wait while the socket takes nothing more.
const WAITING: usize = 1_024;
/// How long an answer to a close frame may take.
const GOODBYE: Duration = Duration::from_millis(250);
const LARGEST_REQUEST: usize = 64 * 1024;

/// From the reader to the writer.
enum Note {
    Event(Value, u64),
    Ping(Bytes),
    Close,
}

/// A request for a session, or for figures.
struct Request {
    target: String,
    key: Option<String>,
}

/// Serve one connection to its end.
pub(crate) async fn serve<S>(mut stream: S, registry: &Registry) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut data = BytesMut::with_capacity(4 * 1024);
    let request = loop {
        if let Some(request) = parse(&mut data)? {
            break request;
        }
        if stream.read_buf(&mut data).await? == 0 {
            return Ok(());
        }
    };
    let Some(key) = request.key else {
        return answer(stream, &request.target, registry).await;
    };
    let plan = match Plan::parse(&request.target) {
        Ok(plan) => plan,
        Err(reason) => return refuse(stream, 400, &reason).await,
    };
    let accept = derive_accept_key(key.as_bytes());
    let head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    let run = registry.run(&plan.run);
    let session = run.open(plan);
    let result = talk(stream, data, &session, &run).await;
    session.counters().closed = true;
    result
}

fn parse(data: &mut BytesMut) -> io::Result<Option<Request>> {
    let bad = |text: &str| io::Error::new(io::ErrorKind::InvalidData, text);
    if data.len() > LARGEST_REQUEST {
        return Err(bad("the request's head is too large"));
    }
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut head = httparse::Request::new(&mut headers);
    let status = head.parse(data).map_err(|error| bad(&error.to_string()))?;
    let httparse::Status::Complete(length) = status else {
        return Ok(None);
    };
    let key = head
        .headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case("sec-websocket-key"))
        .map(|header| String::from_utf8_lossy(header.value).into_owned());
    let target = head.path.unwrap_or("/").to_owned();
    let _ = data.split_to(length);
    Ok(Some(Request { target, key }))
}

// -- figures ----------------------------------------------------------------------------------

async fn answer<S>(stream: S, target: &str, registry: &Registry) -> io::Result<()>
where
    S: AsyncWrite + Unpin,
{
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let value =
        |wanted| plan::pairs(query).find(|(name, _)| *name == wanted).map(|(_, value)| value);
    let body = match (path, value("run")) {
        ("/stats", None) => registry.all(),
        ("/stats", Some(name)) => {
            let each = value("each").is_some();
            match registry.summary(name, each, value("forget").is_some()) {
                Some(summary) => summary,
                None => return refuse(stream, 404, "no such run").await,
            }
        }
        ("/go", Some(name)) => {
            registry.run(name).go.send_replace(true);
            json!({})
        }
        _ => return refuse(stream, 404, "ask for /stats, /stats?run=... or /go?run=...").await,
    };
    respond(stream, "200 OK", "application/json", &body.to_string()).await
}

async fn refuse<S>(stream: S, status: u16, reason: &str) -> io::Result<()>
where
    S: AsyncWrite + Unpin,
{
    respond(stream, &format!("{status} Refused"), "text/plain", reason).await
}

async fn respond<S>(mut stream: S, status: &str, kind: &str, body: &str) -> io::Result<()>
where
    S: AsyncWrite + Unpin,
{
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    stream.shutdown().await
}

// -- a session --------------------------------------------------------------------------------

async fn talk<S>(stream: S, data: BytesMut, session: &Arc<Session>, run: &Run) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (from, to) = tokio::io::split(stream);
    let (notes, incoming) = mpsc::channel(WAITING);
    let go = run.go.subscribe();
    // A client that takes nothing is still listened to.
    tokio::select! {
        result = read(from, data, session, notes) => result,
        result = write(to, session, incoming, go) => result,
    }
}

async fn read<R>(
    mut from: R,
    mut data: BytesMut,
    session: &Session,
    notes: mpsc::Sender<Note>,
) -> io::Result<()>
where
    R: AsyncRead + Unpin,
{
    let mut reader = Reader::default();
    loop {
        let at = clock::now();
        loop {
            let next = reader
                .next(&mut data)
                .map_err(|broken| io::Error::new(io::ErrorKind::InvalidData, broken.0))?;
            let Some((kind, payload)) = next else { break };
            let note = match kind {
                Kind::Text => text(session, &payload, at),
                Kind::Ping => Some(Note::Ping(payload.freeze())),
                Kind::Close => {
                    // The answer may wait behind what the client does not take any more.
                    let _ = notes.try_send(Note::Close);
                    sleep(GOODBYE).await;
                    return Ok(());
                }
                Kind::Pong => {
                    pong(session, &payload, at);
                    None
                }
                Kind::Other => {
                    session.counters().nonsense += 1;
                    None
                }
            };
            if let Some(note) = note
                && notes.send(note).await.is_err()
            {
                return Ok(());
            }
        }
        data.reserve(4 * 1024);
        if from.read_buf(&mut data).await? == 0 {
            return Ok(());
        }
    }
}

fn text(session: &Session, payload: &[u8], at: u64) -> Option<Note> {
    let mut counters = session.counters();
    match heard::read(payload) {
        Heard::Append(audio) => {
            let begin = counters.started.map(|at| at + session.plan.warm_ms * MS);
            let timed = begin.is_some_and(|begin| at >= begin);
            counters.uplink.append(audio, at, session.plan.check, timed);
            None
        }
        Heard::Event(event) => {
            let kind = event["type"].as_str().unwrap_or("?").to_owned();
            *counters.heard.entry(kind).or_default() += 1;
            Some(Note::Event(event, at))
        }
        Heard::Nonsense => {
            counters.nonsense += 1;
            None
        }
    }
}

fn pong(session: &Session, payload: &[u8], at: u64) {
    if let Ok(sent) = payload.try_into().map(u64::from_be_bytes) {
        let took = at.saturating_sub(sent) / 1_000;
        session.counters().pongs.push(took as u32);
    }
}

async fn write<W>(
    mut to: W,
    session: &Arc<Session>,
    mut notes: mpsc::Receiver<Note>,
    mut go: watch::Receiver<bool>,
) -> io::Result<()>
where
    W: AsyncWrite + Unpin,
{
    let mut player = Player::new(Arc::clone(session));
    let mut waits = session.plan.start == Start::Go;
    player.connected();
    loop {
        if !player.out.is_empty() {
            let began = clock::now();
            let out = player.out.split();
            to.write_all(&out).await?;
            to.flush().await?;
            player.written(began);
        }
        let due = player.due();
        tokio::select! {
            note = notes.recv() => match note {
                Some(Note::Event(event, at)) => player.heard(&event, at),
                Some(Note::Ping(payload)) => frame::put_pong(&mut player.out, &payload),
                Some(Note::Close) | None => {
                    let mut last = BytesMut::new();
                    frame::put_close(&mut last, 1000);
                    to.write_all(&last).await?;
                    return to.shutdown().await;
                }
            },
            () = opened(&mut go), if waits => {
                waits = false;
                player.begin();
            }
            () = wait(due.unwrap_or_default()), if due.is_some() => {
                player.tick();
            }
        }
    }
}

/// Wait for the run to be let go.
async fn opened(go: &mut watch::Receiver<bool>) {
    // Its sender lives as long as the run, and the run as long as its session.
    let _ = go.wait_for(|open| *open).await;
}

/// Wait for a time; one that has come gives way only, since timers are as coarse as a millisecond.
async fn wait(due: u64) {
    if due <= clock::now() {
        tokio::task::yield_now().await;
    } else {
        sleep_until(clock::instant(due)).await;
    }
}
