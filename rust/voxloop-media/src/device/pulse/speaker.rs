//! A stream that plays.
//!
//! It always plays, silence where there is nothing else, so that its latency is the same for the
//! first word as for any other. What the server holds is known from its answers, asked for while
//! there is sound on the way. Where it runs dry while there is sound to play, the server is asked to
//! hold more from then on.

use std::io::Cursor;
use std::time::Duration;

use pulseaudio::protocol as pa;
use tokio::time::sleep;
use voxloop_net::monotonic_ns;
use voxloop_net::runtime;

use super::account::Account;
use super::cadence::Cadence;
use super::link::{Link, Message};
use super::opening::{Opening, device_name, named};
use crate::error::{MediaError, Result};
use crate::port::SinkPort;
use crate::session::{Drive, SinkSetup};

/// How often what was heard is entered.
const TICK_NS: u64 = 10_000_000;
/// How often the server is asked while there is sound on the way.
const ASK_NS: u64 = 100_000_000;
/// Latency that grows by itself ends here, in milliseconds.
const MOST_MS: u32 = 400;
/// Samples written at once at most.
const BLOCK: usize = 4_800;

/// Makes the stream. The server asks for sound, and plays once it has some.
pub(super) fn open(name: Option<&str>, latency_ms: u32, buffer_ms: u32) -> Result<SinkSetup> {
    let mut server = Opening::connect()?;
    let failed = |error: MediaError| named(error, name, "speaker");
    let asked = device_name(name, pa::DEFAULT_SINK)?;
    let question = pa::GetSinkInfo { index: None, name: Some(asked.clone()) };
    let info: pa::SinkInfo = server.ask(&pa::Command::GetSinkInfo(question)).map_err(failed)?;
    let rate = super::rate_of(info.sample_spec);
    let params = pa::PlaybackStreamParams {
        sample_spec: super::mono(rate),
        channel_map: pa::ChannelMap::mono(),
        sink_name: Some(asked),
        buffer_attr: pa::stream::BufferAttr {
            target_length: super::bytes_of(latency_ms, rate),
            ..Default::default()
        },
        flags: pa::stream::StreamFlags { adjust_latency: true, ..Default::default() },
        props: super::props(c"speaker"),
        ..Default::default()
    };
    let made: pa::CreatePlaybackStreamReply =
        server.ask(&pa::Command::CreatePlaybackStream(params)).map_err(failed)?;
    let link = server.into_link()?;
    let start = move |port: SinkPort| -> Result<Box<dyn Send + Sync>> {
        let playing = Playing {
            cuts: port.cuts(),
            port,
            link,
            channel: made.channel,
            rate,
            latency_ms,
            account: Account::new(rate),
            cadence: Cadence::new(rate),
            late_ns: 0,
            wanted: made.requested_bytes as usize / 2,
            asked: None,
            asked_ns: 0,
            ticked_ns: 0,
            block: Vec::new(),
        };
        Ok(Box::new(runtime::spawn(playing.run())?))
    };
    Ok(SinkSetup { sample_rate: rate, buffer_ms, drive: Drive::Device(Box::new(start)) })
}

/// A question for the server's latency that is on its way.
struct Asked {
    seq: u32,
    at_ns: u64,
    written: u64,
}

struct Playing {
    port: SinkPort,
    link: Link,
    channel: u32,
    rate: u32,
    /// What the server was asked to hold.
    latency_ms: u32,
    account: Account,
    cadence: Cadence,
    /// How late the latest request is.
    late_ns: u64,
    /// Cuts that the device has followed.
    cuts: u64,
    /// Samples that the server wants.
    wanted: usize,
    asked: Option<Asked>,
    asked_ns: u64,
    ticked_ns: u64,
    block: Vec<i16>,
}

impl Playing {
    async fn run(mut self) {
        let why = self.play().await;
        self.port.lost(why);
    }

    /// Why it ended.
    async fn play(&mut self) -> String {
        loop {
            while let Some(message) = self.link.next() {
                if let Err(why) = self.take(message) {
                    return why;
                }
            }
            self.feed();
            self.tick();
            tokio::select! {
                done = self.link.exchange() => if let Err(error) = done {
                    return format!("the sound server has gone, and the speaker with it: {error}");
                },
                () = self.port.changed() => {
                    self.follow(self.port.cuts());
                    self.port.played(0, self.cuts);
                }
                () = sleep(Duration::from_nanos(TICK_NS)), if self.account.awaits() => {}
            }
        }
    }

    fn take(&mut self, message: Message) -> std::result::Result<(), String> {
        match message {
            Message::Event(pa::Command::Request(request)) => {
                let samples = request.length as usize / 2;
                self.wanted += samples;
                self.late_ns = self.late_ns.max(self.cadence.asked(samples, monotonic_ns()));
            }
            Message::Event(pa::Command::PlaybackStreamKilled(_)) => {
                return Err("the speaker was removed".to_owned());
            }
            Message::Event(pa::Command::Underflow(_)) => {
                if self.account.is_within() {
                    self.port.underrun();
                    self.grow();
                }
                self.stalled();
            }
            Message::Event(
                pa::Command::PlaybackStreamSuspended(_)
                | pa::Command::PlaybackStreamMoved(_)
                | pa::Command::Started(_),
            ) => {
                self.stalled();
            }
            Message::Reply(seq, payload) => self.answered(seq, &payload),
            Message::Error(_, pa::PulseError::NoEntity) => {
                return Err("the sound server knows the stream no more".to_owned());
            }
            _ => {}
        }
        Ok(())
    }

    fn stalled(&mut self) {
        self.account.stalled();
        self.cadence.stalled();
        self.ask();
    }

    /// Has the server hold half as much again, up to a bound: it asks for the difference by itself.
    fn grow(&mut self) {
        let grown = (self.latency_ms * 3 / 2).min(MOST_MS);
        if grown > self.latency_ms {
            self.latency_ms = grown;
            let params = pa::SetPlaybackStreamBufferAttrParams {
                index: self.channel,
                buffer_attr: pa::stream::BufferAttr {
                    target_length: super::bytes_of(grown, self.rate),
                    ..Default::default()
                },
                adjust_latency: true,
                early_requests: false,
            };
            self.link.send(&pa::Command::SetPlaybackStreamBufferAttr(params));
            self.cadence.stalled();
        }
    }

    /// Gives the server what it asked for.
    fn feed(&mut self) {
        while self.wanted > 0 {
            let samples = self.wanted.min(BLOCK);
            let mut block = std::mem::take(&mut self.block);
            block.resize(samples, 0);
            let pulled = self.port.pull(&mut block);
            // A cut that came meanwhile: what was written before goes first.
            self.follow(pulled.cuts);
            self.link.sound(self.channel, &block);
            self.account.write(samples, pulled.sound);
            self.port.block(std::mem::take(&mut self.late_ns));
            self.block = block;
            self.wanted -= samples;
        }
    }

    /// Takes back what the server holds, if the sink was silenced since.
    fn follow(&mut self, cuts: u64) {
        if cuts == self.cuts {
            return;
        }
        self.cuts = cuts;
        self.link.send(&pa::Command::FlushPlaybackStream(self.channel));
        self.account.forget();
        self.asked = None;
        self.asked_ns = 0;
    }

    fn tick(&mut self) {
        let now = monotonic_ns();
        if !self.account.awaits() || now.saturating_sub(self.ticked_ns) < TICK_NS {
            return;
        }
        self.ticked_ns = now;
        let heard = self.account.heard(now);
        if heard > 0 {
            self.port.played(heard, self.cuts);
        }
        if now.saturating_sub(self.asked_ns) >= ASK_NS {
            self.ask();
        }
    }

    fn ask(&mut self) {
        let now = std::time::SystemTime::now();
        let params = pa::LatencyParams { channel: self.channel, now };
        let seq = self.link.send(&pa::Command::GetPlaybackLatency(params));
        self.asked_ns = monotonic_ns();
        self.asked = Some(Asked { seq, at_ns: self.asked_ns, written: self.account.written() });
    }

    fn answered(&mut self, seq: u32, payload: &[u8]) {
        let Some(asked) = self.asked.take_if(|asked| asked.seq == seq) else { return };
        let mut cursor = Cursor::new(payload);
        let mut reader = pa::TagStructReader::new(&mut cursor, self.link.version());
        let Ok(found) = reader.read::<pa::PlaybackLatency>() else { return };
        let queued = found.write_offset.saturating_sub(found.read_offset).max(0) as u64 / 2;
        let held = found.sink_usec.saturating_mul(u64::from(self.rate)) / 1_000_000;
        let now = monotonic_ns();
        let middle = asked.at_ns + now.saturating_sub(asked.at_ns) / 2;
        self.account.fixed(asked.written, queued + held, middle, found.playing);
    }
}
