//! A stream that hears.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};

use pulseaudio::protocol as pa;
use tokio::sync::mpsc;
use voxloop_net::monotonic_ns;
use voxloop_net::runtime::{self, Task};

use super::link::{Link, Message};
use super::opening::{Opening, device_name, named};
use crate::error::{MediaError, Result};
use crate::shared::lock;
use crate::source::{Source, Supply};

/// Pieces that may wait to be sent; at 20 ms each ten seconds.
const WAITING: usize = 500;

#[derive(Default)]
struct Ending {
    why: Mutex<Option<String>>,
    dropped: AtomicU64,
}

/// The source; its task begins with the first poll.
struct Microphone {
    rate: u32,
    receiver: mpsc::Receiver<(Vec<i16>, u64)>,
    ending: Arc<Ending>,
    /// Not begun yet.
    hearing: Option<Hearing>,
    task: Option<Task>,
}

struct Hearing {
    link: Link,
    channel: u32,
    sender: mpsc::Sender<(Vec<i16>, u64)>,
    ending: Arc<Ending>,
}

/// Makes the stream, corked.
pub(super) fn open(name: Option<&str>, frame_ms: u32) -> Result<impl Source + use<>> {
    let mut server = Opening::connect()?;
    let failed = |error: MediaError| named(error, name, "microphone");
    let asked = device_name(name, pa::DEFAULT_SOURCE)?;
    let question = pa::GetSourceInfo { index: None, name: Some(asked.clone()) };
    let info: pa::SourceInfo = server.ask(&pa::Command::GetSourceInfo(question)).map_err(failed)?;
    let rate = super::rate_of(info.sample_spec);
    let params = pa::RecordStreamParams {
        sample_spec: super::mono(rate),
        channel_map: pa::ChannelMap::mono(),
        source_name: Some(asked),
        buffer_attr: pa::stream::BufferAttr {
            fragment_size: super::bytes_of(frame_ms, rate),
            ..Default::default()
        },
        flags: pa::stream::StreamFlags {
            start_corked: true,
            adjust_latency: true,
            ..Default::default()
        },
        props: super::props(c"microphone"),
        ..Default::default()
    };
    let made: pa::CreateRecordStreamReply =
        server.ask(&pa::Command::CreateRecordStream(params)).map_err(failed)?;
    let (sender, receiver) = mpsc::channel(WAITING);
    let ending = Arc::new(Ending::default());
    let hearing = Hearing {
        link: server.into_link()?,
        channel: made.channel,
        sender,
        ending: Arc::clone(&ending),
    };
    Ok(Microphone { rate, receiver, ending, hearing: Some(hearing), task: None })
}

impl Source for Microphone {
    fn sample_rate(&self) -> u32 {
        self.rate
    }

    fn poll_supply(&mut self, cx: &mut Context<'_>, out: &mut Vec<i16>) -> Poll<Supply> {
        if let Some(hearing) = self.hearing.take() {
            match runtime::spawn(hearing.run()) {
                Ok(task) => self.task = Some(task),
                Err(error) => return Poll::Ready(Supply::Lost(error.to_string())),
            }
        }
        if let Some((samples, due_ns)) = ready!(self.receiver.poll_recv(cx)) {
            out.extend_from_slice(&samples);
            return Poll::Ready(Supply::Samples { due_ns });
        }
        let why = lock(&self.ending.why).take();
        Poll::Ready(Supply::Lost(why.unwrap_or_else(|| "the network threads ended".to_owned())))
    }

    fn dropped(&self) -> u64 {
        self.ending.dropped.load(Ordering::Relaxed)
    }
}

impl Hearing {
    async fn run(mut self) {
        let why = self.hear().await;
        // Before the sender is dropped, which is what tells the other end.
        *lock(&self.ending.why) = Some(why);
    }

    /// Why it ended.
    async fn hear(&mut self) -> String {
        let cork = pa::CorkStreamParams { channel: self.channel, cork: false };
        self.link.send(&pa::Command::CorkRecordStream(cork));
        loop {
            while let Some(message) = self.link.next() {
                match message {
                    Message::Sound(channel, bytes) if channel == self.channel => self.take(&bytes),
                    Message::Event(pa::Command::RecordStreamKilled(_)) => {
                        return "the microphone was removed".to_owned();
                    }
                    Message::Error(_, error) => {
                        return format!("the sound server stopped the microphone: {error:?}");
                    }
                    _ => {}
                }
            }
            if let Err(error) = self.link.exchange().await {
                return format!("the sound server has gone, and the microphone with it: {error}");
            }
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        let samples = bytes.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]]));
        let samples: Vec<i16> = samples.collect();
        let count = samples.len() as u64;
        if self.sender.try_send((samples, monotonic_ns())).is_err() {
            self.ending.dropped.fetch_add(count, Ordering::Relaxed);
        }
    }
}
