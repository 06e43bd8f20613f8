//! What the kernel alone takes: 20 ms up and down in many sessions over bare sockets.
//!
//! One thread writes frames that were made beforehand, and throws away what it reads: no frame is
//! parsed, nothing is decoded, encoded, queued or played. It rests between two looks, so that what
//! comes due in that time shares one waking. A client of the realtime protocol has all this to do,
//! and more. Called by `transport.py` with the orders of a client, as JSON; prints a client's figures.

use std::error::Error;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use serde_json::{Value, json};

type Outcome<T> = Result<T, Box<dyn Error>>;

const FRAME: Duration = Duration::from_millis(20);
const WARM: Duration = Duration::from_secs(1);
/// Characters of base64 in 20 ms of sound.
const SOUND: usize = 1_280;

fn main() -> Outcome<()> {
    let orders = std::env::args().nth(1).ok_or("wanted: the orders, as JSON")?;
    let orders: Value = serde_json::from_str(&orders)?;
    let word = |name: &str| orders[name].as_str().ok_or(format!("no {name} in the orders"));
    let place = word("url")?.strip_prefix("ws://").ok_or("bare sockets have no TLS")?;
    let count = orders["sessions"].as_u64().ok_or("no sessions in the orders")? as usize;
    let seconds = Duration::from_secs_f64(orders["seconds"].as_f64().unwrap_or(3.0));
    let rest = Duration::from_secs_f64(orders["rest_ms"].as_f64().unwrap_or(0.0) / 1e3);
    let run = word("run")?;
    let mut sessions = Sessions::open(place, run, count)?;
    ask(place, &format!("/go?run={run}"))?;
    let begin = Instant::now();
    sessions.carry(begin, begin + WARM, rest)?;
    sessions.bytes = 0;
    let (used, from) = (cpu(), Instant::now());
    sessions.carry(begin, from + seconds, rest)?;
    let (used, took) = (cpu().saturating_sub(used), from.elapsed());
    let nothing = json!({"p50": null, "p95": null, "p99": null, "max": null});
    println!(
        "{}",
        json!({
            "cpu_ms": used.as_secs_f64() / took.as_secs_f64() / count as f64 * 1e3,
            "due": took.as_secs_f64() / FRAME.as_secs_f64() * count as f64,
            "deltas": 0,
            "bytes": sessions.bytes,
            "down_ms": nothing,
            "held": null,
        })
    );
    Ok(())
}

/// Open sessions, and how far each is on its way up.
struct Sessions {
    sockets: Vec<TcpStream>,
    readable: rustix::fd::OwnedFd,
    frame: Vec<u8>,
    /// Frames written by all: session by session, then from the first again.
    written: usize,
    bytes: usize,
}

impl Sessions {
    fn open(place: &str, run: &str, count: usize) -> Outcome<Self> {
        let readable = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let mut sockets = Vec::with_capacity(count);
        for index in 0..count {
            let socket = upgrade(place, run)?;
            socket.set_nodelay(true)?;
            socket.set_nonblocking(true)?;
            let name = epoll::EventData::new_u64(index as u64);
            epoll::add(&readable, &socket, name, epoll::EventFlags::IN)?;
            sockets.push(socket);
        }
        Ok(Self { sockets, readable, frame: append(), written: 0, bytes: 0 })
    }

    /// Keeps the pace that began at `begin` until `end`.
    fn carry(&mut self, begin: Instant, end: Instant, rest: Duration) -> Outcome<()> {
        let mut events = Vec::with_capacity(1_024);
        let mut room = vec![0; 64 * 1024];
        loop {
            let now = Instant::now();
            if now >= end {
                return Ok(());
            }
            // Sessions are spread over a frame, as calls are.
            let spread = FRAME / self.sockets.len() as u32;
            let due = (now - begin).as_nanos() / spread.as_nanos();
            while (self.written as u128) <= due {
                let mut socket = &self.sockets[self.written % self.sockets.len()];
                if socket.write(&self.frame)? != self.frame.len() {
                    return Err("a socket is full: the server does not keep up".into());
                }
                self.written += 1;
            }
            let left = spread * self.written as u32;
            let left = (begin + left).saturating_duration_since(Instant::now());
            if !rest.is_zero() {
                thread::sleep(rest);
            }
            events.clear();
            let wait = if rest.is_zero() { Timespec::try_from(left)? } else { Timespec::default() };
            epoll::wait(&self.readable, spare_capacity(&mut events), Some(&wait))?;
            for event in &events {
                let mut socket = &self.sockets[event.data.u64() as usize];
                match socket.read(&mut room) {
                    Ok(0) => return Err("the server has closed".into()),
                    Ok(bytes) => self.bytes += bytes,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
    }
}

/// A WebSocket for a paced session.
fn upgrade(place: &str, run: &str) -> Outcome<TcpStream> {
    let mut socket = TcpStream::connect(place)?;
    let target = format!("/v1/realtime?model=m&start=go&run={run}&mode=paced&frames=1000000");
    let key = "dGhlIHNhbXBsZSBub25jZQ==";
    write!(
        socket,
        "GET {target}&warm_ms=1000 HTTP/1.1\r\nHost: {place}\r\nUpgrade: websocket\r\n\
         Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )?;
    let mut head = [0; 4_096];
    let bytes = socket.read(&mut head)?;
    if !head[..bytes].starts_with(b"HTTP/1.1 101") {
        return Err(String::from_utf8_lossy(&head[..bytes]).into());
    }
    Ok(socket)
}

fn ask(place: &str, target: &str) -> Outcome<()> {
    let mut socket = TcpStream::connect(place)?;
    write!(socket, "GET {target} HTTP/1.0\r\nHost: {place}\r\n\r\n")?;
    socket.read_to_end(&mut Vec::new())?;
    Ok(())
}

/// A masked frame with 20 ms of silence.
fn append() -> Vec<u8> {
    let sound = "A".repeat(SOUND);
    let text = format!(r#"{{"type":"input_audio_buffer.append","audio":"{sound}"}}"#);
    // A mask of zeros leaves the text as it is.
    let mut frame = vec![0x81, 0x80 | 0x7e, (text.len() >> 8) as u8, text.len() as u8, 0, 0, 0, 0];
    frame.extend_from_slice(text.as_bytes());
    frame
}

/// What all threads of this process have used so far.
fn cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
