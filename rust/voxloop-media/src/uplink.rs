//! What takes the user's sound from a source to the connection.

use std::future::poll_fn;
use std::ops::Range;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use voxloop_audio::{EnergyGate, Framer, Quality, Resampler, Tail, Vad, VadEvent, VadOutput};
use voxloop_net::{TrySend, monotonic_ns};

use crate::clockwork::{Seat, Ticking};
use crate::codec;
use crate::cut::Reason;
use crate::error::Result;
use crate::report::Report;
use crate::shared::{Binding, Shared, lock};
use crate::source::{Source, Supply};
use crate::spare;
use crate::wire::WireFormat;

/// Audio of one event when a new connection is given again what the old one had: 100 ms.
const REPLAY_PER_SECOND: u32 = 10;

/// A detector of speech on this side.
pub(crate) enum Detector {
    Network(Box<Vad>),
    Energy(Box<EnergyGate>),
}

impl Detector {
    /// Whether speech begins within these samples.
    fn starts(&mut self, samples: &[i16], found: &mut VadOutput) -> bool {
        found.events.clear();
        found.frames.clear();
        // Mono samples cannot be refused.
        let _ = match self {
            Self::Network(vad) => vad.process(samples, found),
            Self::Energy(gate) => gate.process(samples, found),
        };
        found.events.iter().any(|event| matches!(event, VadEvent::SpeechStart { .. }))
    }
}

/// From samples of the source to frames of the wire: no socket, no clock.
pub(crate) struct Uplink {
    shared: Arc<Shared>,
    source: Box<dyn Source>,
    resampler: Resampler,
    framer: Framer<i16>,
    detector: Option<Detector>,
    found: VadOutput,
    wire: Vec<i16>,
    frame: usize,
    /// When the latest samples of the source had come.
    due_ns: u64,
    /// The source has come to its end.
    over: bool,
    /// The device is gone.
    lost: bool,
}

impl Uplink {
    pub(crate) fn new(
        shared: Arc<Shared>,
        source: Box<dyn Source>,
        frame_ms: u32,
        detector: Option<Detector>,
    ) -> Result<Self> {
        let rate = shared.format.rate();
        let frame = (rate * frame_ms / 1_000) as usize;
        Ok(Self {
            resampler: Resampler::new(source.sample_rate(), rate, 1, Quality::High)?,
            framer: Framer::new(frame, 1)?,
            shared,
            source,
            detector,
            found: VadOutput::default(),
            wire: Vec::new(),
            frame,
            due_ns: 0,
            over: false,
            lost: false,
        })
    }

    /// Runs until the source ends or media close.
    pub(crate) async fn run(self: Box<Self>) {
        let shared = Arc::clone(&self.shared);
        let mut closing = shared.closing.subscribe();
        tokio::select! {
            () = carry(self) => {}
            _ = closing.wait_for(|closing| *closing) => {}
        }
    }

    /// Enters what the source gave; false if it will give nothing more.
    fn supplied(&mut self, supply: Supply, raw: &[i16]) -> bool {
        match supply {
            Supply::Samples { due_ns } => self.due_ns = due_ns,
            Supply::End => {
                self.over = true;
                return false;
            }
            Supply::Lost(message) => {
                self.shared.reports.put(Report::DeviceLost(message));
                self.lost = true;
                return false;
            }
        }
        self.shared.counters.sound_up(raw);
        self.shared.counters.source_dropped(self.source.dropped());
        self.take(raw);
        true
    }

    fn take(&mut self, raw: &[i16]) {
        let starts = match &mut self.detector {
            Some(detector) => detector.starts(raw, &mut self.found),
            None => false,
        };
        if starts && let Some(cut) = self.shared.cut(Reason::Local, monotonic_ns(), true) {
            self.shared.reports.put(Report::Cut(cut));
        }
        if let Some((clip, part)) = self.as_it_is(raw) {
            self.shared.tap.up(self.due_ns, self.shared.format.rate(), raw);
            lock(&self.shared.up).push_part(clip, part);
            return;
        }
        if self.source.sample_rate() == self.shared.format.rate() {
            return self.enter(raw); // nothing to resample, and no room made for it
        }
        let mut wire = std::mem::take(&mut self.wire);
        wire.clear();
        // Mono input cannot end inside a frame, which is all that either can refuse.
        let _ = self.resampler.process(raw, &mut wire);
        self.enter(&wire);
        self.wire = wire;
    }

    /// What the source gave last, if it is a frame of the wire already.
    fn as_it_is(&self, raw: &[i16]) -> Option<(&Bytes, Range<usize>)> {
        let shared = &self.shared;
        let fits = shared.format == WireFormat::Pcm16
            && self.source.sample_rate() == shared.format.rate()
            && self.framer.pending_frames() == 0
            && raw.len() == self.frame;
        self.source.part().filter(|(_, part)| fits && part.len() == raw.len() * 2)
    }

    /// Cuts samples of the wire's rate into frames, and keeps them in the ring.
    fn enter(&mut self, samples: &[i16]) {
        let (format, shared) = (self.shared.format, &self.shared);
        shared.tap.up(self.due_ns, format.rate(), samples);
        let _ = self.framer.process(samples, |frame| {
            let mut bytes = Vec::with_capacity(frame.len() * format.width());
            format.encode(frame, &mut bytes);
            lock(&shared.up).push(bytes.into());
        });
    }

    async fn finish(&mut self) {
        let mut rest = Vec::new();
        self.resampler.flush(&mut rest);
        self.enter(&rest);
        if let Some(rest) = self.framer.flush(Tail::Short) {
            let mut bytes = Vec::new();
            self.shared.format.encode(&rest, &mut bytes);
            lock(&self.shared.up).push(bytes.into());
        }
        let mut told = false;
        loop {
            self.due_ns = monotonic_ns();
            self.pump().await;
            let all = {
                let up = lock(&self.shared.up);
                up.sent() == up.end()
            };
            if all && !told {
                told = true;
                self.shared.reports.put(Report::SourceEnded);
            }
            // A later connection is still given what this one may have lost.
            self.shared.bound.notified().await;
        }
    }

    /// What the connection is to be given next.
    fn next_event(&self) -> Option<Next> {
        let (bytes, position, run) = {
            let up = lock(&self.shared.up);
            let replay = up.end() - up.sent() > 2 * self.frame as u64;
            let most = (self.shared.format.rate() / REPLAY_PER_SECOND) as usize;
            (up.unsent(if replay { most } else { self.frame }), up.sent(), up.run())
        };
        if bytes.is_empty() {
            return None;
        }
        let samples = (bytes.len() / self.shared.format.width()) as u64;
        let event = codec::append(&bytes);
        let copy = self.shared.tap.wants_texts().then(|| event.clone());
        Some(Next { event, copy, samples, end: position + samples, run })
    }

    /// It was queued.
    fn sent(&self, copy: Option<String>, samples: u64, end: u64, run: u64) {
        let shared = &self.shared;
        lock(&shared.up).mark_sent(end, run);
        shared.counters.sent_up(samples);
        if let Some(copy) = copy {
            shared.tap.text(monotonic_ns(), copy);
        }
        let frames = samples.div_ceil(self.frame as u64);
        let late = monotonic_ns().saturating_sub(self.due_ns);
        (0..frames).for_each(|_| shared.counters.frame_up(late));
    }

    /// Gives the connection all that it was not given yet, waiting for room.
    async fn pump(&mut self) {
        while let Some(Binding { sender, number }) = self.shared.binding() {
            let Some(Next { event, copy, samples, end, run }) = self.next_event() else { return };
            if sender.send_text(event).await.is_err() {
                return self.shared.unbind(number);
            }
            self.sent(copy, samples, end, run);
        }
    }

    /// The same at once; false if there is no room for all of it.
    fn pump_now(&self) -> bool {
        loop {
            let binding = lock(&self.shared.binding);
            let Some(Binding { sender, number }) = &*binding else { return true };
            let Some(Next { event, copy, samples, end, run }) = self.next_event() else {
                return true;
            };
            match sender.try_send_text(event) {
                Ok(()) => self.sent(copy, samples, end, run),
                Err(TrySend::Full) => return false,
                Err(TrySend::Closed(_)) => {
                    let number = *number;
                    drop(binding);
                    self.shared.unbind(number);
                    return true;
                }
            }
        }
    }
}

/// An event with audio of the user that was not sent yet.
struct Next {
    event: String,
    /// For whoever reads all events.
    copy: Option<String>,
    samples: u64,
    /// Position behind the last of them, on the connection of this number.
    end: u64,
    run: u64,
}

impl Ticking for Uplink {
    /// Takes what is due and queues it; over when the source is, or when room must be waited for.
    fn tick(&mut self, _now_ns: u64) -> Option<u64> {
        let mut nobody = Context::from_waker(Waker::noop());
        spare::with(|raw| {
            loop {
                raw.clear();
                match self.source.poll_supply(&mut nobody, raw) {
                    Poll::Pending => return self.source.next_ns(),
                    Poll::Ready(supply) => {
                        if !self.supplied(supply, raw) || !self.pump_now() {
                            return None;
                        }
                    }
                }
            }
        })
    }
}

/// Takes the source's sound to the connection until it ends, and what is left of it for ever.
async fn carry(mut up: Box<Uplink>) {
    let shared = Arc::clone(&up.shared);
    up.due_ns = monotonic_ns();
    let mut raw = Vec::new();
    while !up.over {
        up.pump().await;
        if !up.source.is_live() && shared.binding().is_none() {
            shared.bound.notified().await;
            continue;
        }
        if let Some(next_ns) = up.source.next_ns() {
            let seat = Seat::take(up, next_ns);
            tokio::select! {
                () = seat.over() => {}
                // As below.
                () = shared.bound.notified() => {}
            }
            let Some(back) = seat.leave() else { return };
            up = back;
        } else {
            let supply = tokio::select! {
                supply = poll_fn(|cx| up.source.poll_supply(cx, &mut raw)) => supply,
                // A new connection: what is kept goes out before anything new.
                () = shared.bound.notified() => continue,
            };
            up.supplied(supply, &raw);
            raw.clear();
        }
        if up.lost {
            return;
        }
    }
    up.finish().await;
}
