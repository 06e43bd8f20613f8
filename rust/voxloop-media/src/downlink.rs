//! From pieces of sound to blocks for a sink, and how much of each message was heard.
//!
//! No clock and no thread: pieces, blocks, ends and cuts happen when they are told. What a message
//! was heard of is counted in frames of the wire, so that it never lies beyond what was received,
//! whatever rate the sink has.

use std::collections::VecDeque;

use voxloop_audio::{
    Heard, JitterBuffer, JitterStats, Overrun, PlaybackLedger, Quality, Resampler,
};

use crate::bargein::Answers;
use crate::codec::Delta;
use crate::cut::CutItem;
use crate::error::{MediaError, Result};
use crate::heed::Heed;
use crate::hub::Taken;
use crate::spare;
use crate::wire::WireFormat;

/// Messages whose account is kept.
const KEPT_ITEMS: usize = 256;

/// How sound is prepared for a sink.
#[derive(Debug, Clone, Copy)]
pub struct DownlinkSettings {
    /// The wire's side.
    pub format: WireFormat,
    /// Frames per second of the sink.
    pub sink_rate: u32,
    /// Sound that must be there before playing begins, in milliseconds.
    pub target_ms: u32,
    /// Sound that is held at most, in seconds; what would exceed it is dropped and counted.
    pub capacity_s: u32,
}

/// Counters since the start; frames are those of the sink.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DownlinkStats {
    /// Pieces taken.
    pub pieces: u64,
    /// Pieces dropped because their answer was stopped.
    pub late_pieces: u64,
    /// Pieces dropped because there was no room.
    pub overruns: u64,
    /// What the buffer counts.
    pub buffer: JitterStats,
    /// Frames held.
    pub depth: u64,
    /// Frames of the wire that were played.
    pub played_frames: u64,
}

#[derive(Debug)]
struct Item {
    serial: u64,
    id: String,
    response: String,
    content_index: u32,
    carry: Option<u8>,
    received: u64,
    done: bool,
    in_conversation: bool,
    earlier: bool,
}

/// A stretch that one run of the resampler made: frames of the wire in, of the sink out.
#[derive(Debug, Default)]
struct Stretch {
    fed: u64,
    produced: u64,
    played: u64,
    heard: u64,
    closed: bool,
}

/// The way from the wire to a sink.
#[derive(Debug)]
pub struct Downlink {
    settings: DownlinkSettings,
    resampler: Resampler,
    buffer: JitterBuffer<i16>,
    ledger: PlaybackLedger<u64>,
    stretches: VecDeque<Stretch>,
    items: VecDeque<Item>,
    answers: Answers,
    serial: u64,
    last_fed: Option<u64>,
    /// Bytes of pieces taken, and how many of them there were when the sink last fell silent.
    taken_bytes: u64,
    silent_at: u64,
    cuts: u64,
    stats: DownlinkStats,
    heard: Heed,
}

impl Downlink {
    /// A downlink with nothing in it.
    ///
    /// # Errors
    /// A rate or a size that is out of range.
    pub fn new(settings: DownlinkSettings) -> Result<Self> {
        let frames = |ms: u64| usize::try_from(ms * u64::from(settings.sink_rate) / 1_000);
        let (target, capacity) =
            (frames(u64::from(settings.target_ms)), frames(u64::from(settings.capacity_s) * 1_000));
        let (Ok(target), Ok(capacity)) = (target, capacity) else {
            return Err(MediaError::Config("the sink's buffer does not fit memory".to_owned()));
        };
        let rate = settings.format.rate();
        Ok(Self {
            settings,
            resampler: Resampler::new(rate, settings.sink_rate, 1, Quality::High)?,
            buffer: JitterBuffer::new(target, capacity, 1, Overrun::DropNewest)?,
            ledger: PlaybackLedger::new(rate)?,
            stretches: VecDeque::new(),
            items: VecDeque::new(),
            answers: Answers::default(),
            serial: 0,
            last_fed: None,
            taken_bytes: 0,
            silent_at: 0,
            cuts: 0,
            stats: DownlinkStats::default(),
            heard: Heed::default(),
        })
    }

    /// Frames per second of the sink.
    pub fn sink_rate(&self) -> u32 {
        self.settings.sink_rate
    }

    /// Which answers are running, and which were stopped.
    pub fn answers(&mut self) -> &mut Answers {
        &mut self.answers
    }

    /// Takes a piece of sound.
    pub fn sound(&mut self, delta: &Delta) -> Taken {
        if self.answers.is_muted(&delta.response_id) {
            self.stats.late_pieces += 1;
            return Taken::Dropped;
        }
        let frames = delta.audio.len() / self.settings.format.width() + 1;
        // What the resampler holds back comes on top.
        let most = self.resampler.output_frames(frames as u64) + self.resampler.delay_frames() + 1;
        let most = most as usize;
        if self.buffer.depth() + most > self.buffer.capacity() || !self.make_room() {
            self.stats.overruns += 1;
            return Taken::Dropped;
        }
        let index = self.item(delta);
        self.stats.pieces += 1;
        self.taken_bytes += delta.audio.len() as u64;
        spare::with(|samples| {
            let item = &mut self.items[index];
            self.settings.format.decode(&mut item.carry, &delta.audio, samples);
            let frames = samples.len() as u64;
            item.received += frames;
            let serial = item.serial;
            if frames > 0 {
                self.last_fed = Some(serial);
                self.ledger.queue(serial, frames);
                self.feed(samples);
            }
        });
        if self.answers.is_over(&delta.response_id) {
            // It took a longer way than the end of its response: that end still stands.
            self.finish(|item| item.response == delta.response_id);
        }
        Taken::Played
    }

    fn item(&mut self, delta: &Delta) -> usize {
        let same =
            |item: &Item| item.id == delta.item_id && item.content_index == delta.content_index;
        if let Some(index) = self.items.iter().rposition(same) {
            self.items[index].done = false;
            return index;
        }
        self.serial += 1;
        self.items.push_back(Item {
            serial: self.serial,
            id: delta.item_id.clone(),
            response: delta.response_id.clone(),
            content_index: delta.content_index,
            carry: None,
            received: 0,
            done: false,
            in_conversation: self.answers.in_conversation(&delta.response_id),
            earlier: false,
        });
        self.items.len() - 1
    }

    /// Forgets the oldest message of which nothing is to be played; false if there is none.
    fn make_room(&mut self) -> bool {
        if self.items.len() < KEPT_ITEMS {
            return true;
        }
        let ledger = &self.ledger;
        let over = |item: &Item| ledger.heard(&item.serial).pending == 0;
        let Some(index) = self.items.iter().position(over) else { return false };
        if let Some(item) = self.items.remove(index) {
            self.ledger.forget(&item.serial);
        }
        true
    }

    fn feed(&mut self, samples: &[i16]) {
        let produced = if self.settings.format.rate() == self.settings.sink_rate {
            let _ = self.buffer.push(samples);
            samples.len()
        } else {
            spare::with(|resampled| {
                // Mono input cannot end inside a frame, which is all that either can refuse.
                let _ = self.resampler.process(samples, resampled);
                let _ = self.buffer.push(resampled);
                resampled.len()
            })
        };
        if self.stretches.back().is_none_or(|stretch| stretch.closed) {
            self.stretches.push_back(Stretch::default());
        }
        if let Some(stretch) = self.stretches.back_mut() {
            stretch.fed += samples.len() as u64;
            stretch.produced += produced as u64;
        }
    }

    /// All sound of a part has come.
    pub fn audio_done(&mut self, item_id: &str, content_index: u32) {
        self.finish(|item| item.id == item_id && item.content_index == content_index);
    }

    /// A response ended; no more sound of it comes.
    pub fn response_done(&mut self, response_id: &str) {
        self.answers.done(response_id);
        self.finish(|item| item.response == response_id);
    }

    /// Another connection is used from now on: nothing more comes of what an earlier one began.
    pub fn rebound(&mut self) {
        if let Some(active) = self.answers.active().map(str::to_owned) {
            self.answers.done(&active);
        }
        self.finish(|_| true);
        for item in &mut self.items {
            item.earlier = true;
        }
    }

    fn finish(&mut self, which: impl Fn(&Item) -> bool) {
        let mut last = false;
        for item in self.items.iter_mut().filter(|item| which(item)) {
            item.done = true;
            last |= self.last_fed == Some(item.serial);
        }
        if last {
            self.close_stretch();
        }
    }

    /// Gives out what the resampler holds back, and lets the buffer play to its end.
    fn close_stretch(&mut self) {
        if let Some(stretch) = self.stretches.back_mut().filter(|stretch| !stretch.closed) {
            spare::with(|rest| {
                self.resampler.flush(rest);
                let _ = self.buffer.push(rest);
                stretch.produced += rest.len() as u64;
            });
            stretch.closed = true;
        }
        self.buffer.end();
        self.played(0);
    }

    /// Fills a block for the sink with sound, or silence where there is none; how many frames of
    /// sound there are, which come first. They count as heard once [`Downlink::played`] says so.
    pub fn pull(&mut self, block: &mut [i16]) -> usize {
        let sound = self.buffer.pull(block).unwrap_or(0);
        self.heard.pulled(&block[..sound]);
        sound
    }

    /// Says that the sink has played frames of sound that were pulled.
    pub fn played(&mut self, frames: usize) {
        self.heard.played(frames);
        let (wire, sink) = (self.settings.format.rate(), self.settings.sink_rate);
        let mut left = frames as u64;
        while let Some(stretch) = self.stretches.front_mut() {
            let now = left.min(stretch.produced - stretch.played);
            stretch.played += now;
            left -= now;
            let over = stretch.closed && stretch.played == stretch.produced;
            let reached = u128::from(stretch.played) * u128::from(wire) / u128::from(sink);
            let heard = if over { stretch.fed } else { stretch.fed.min(reached as u64) };
            self.ledger.play(heard.saturating_sub(stretch.heard));
            stretch.heard = stretch.heard.max(heard);
            if !over {
                break;
            }
            self.stretches.pop_front();
        }
    }

    /// Says whether the sound itself is wanted, for [`Downlink::take_heard`].
    pub fn keep_heard(&mut self, wanted: bool) {
        self.heard.want(wanted);
    }

    /// The sound that was played since the last call; empty unless it is wanted.
    pub fn take_heard(&mut self) -> Vec<i16> {
        self.heard.take()
    }

    /// Whether the next block would be silence, and stays so until more comes.
    pub fn is_empty(&self) -> bool {
        self.buffer.depth() == 0
    }

    /// Told once each time that all sound taken so far was played or given up and no more of it is
    /// to come: how many bytes that was in all.
    pub fn fell_silent(&mut self) -> Option<u64> {
        let over = self.taken_bytes > self.silent_at
            && self.ledger.pending_frames() == 0
            && self.items.iter().all(|item| item.done);
        if !over {
            return None;
        }
        self.silent_at = self.taken_bytes;
        Some(self.silent_at)
    }

    /// Bytes of the pieces taken so far.
    pub fn taken_bytes(&self) -> u64 {
        self.taken_bytes
    }

    /// Silences everything at once: what is held is given up, and nothing more of the answers that
    /// were to be heard is taken.
    ///
    /// Returns what was not heard to its end, in the order of playing, and the responses muted. The
    /// items are not yet marked as sent.
    pub fn cut(&mut self) -> (Vec<CutItem>, Vec<String>) {
        self.cuts += 1;
        let rate = self.settings.format.rate();
        let mut items = Vec::new();
        let mut muted = Vec::new();
        for item in &mut self.items {
            let heard = self.ledger.heard(&item.serial);
            let awaited = !item.done
                && item.received > 0
                && self.answers.active() == Some(item.response.as_str());
            item.done = true;
            if heard.pending == 0 && !awaited {
                continue;
            }
            items.push(CutItem {
                item_id: item.id.clone(),
                response_id: item.response.clone(),
                content_index: item.content_index,
                heard_ms: self.ledger.heard_ms(&item.serial),
                received_ms: (item.received * 1_000).div_ceil(u64::from(rate)),
                earlier: item.earlier,
                in_conversation: item.in_conversation,
                sent: false,
            });
            if self.answers.mute(&item.response) {
                muted.push(item.response.clone());
            }
        }
        if let Some(active) = self.answers.active().map(str::to_owned)
            && self.answers.mute(&active)
        {
            muted.push(active);
        }
        self.buffer.clear();
        self.heard.forget();
        self.ledger.clear();
        self.resampler.reset();
        self.stretches.clear();
        self.last_fed = None;
        (items, muted)
    }

    /// How often it was silenced: what was pulled before the last time is not to be heard any more.
    pub fn cuts(&self) -> u64 {
        self.cuts
    }

    /// How far a message has come, all its parts together, in frames of the wire, and in
    /// milliseconds; `None` for one that is not known.
    pub fn heard(&self, item_id: &str) -> Option<(Heard, u64)> {
        // Messages have one part of audio; of several, the last one that was heard at all counts.
        let mut found = None;
        for item in self.items.iter().filter(|item| item.id == item_id) {
            let heard = self.ledger.heard(&item.serial);
            if found.is_none() || heard.played > 0 {
                found = Some((heard, self.ledger.heard_ms(&item.serial)));
            }
        }
        found
    }

    /// The message that is being played, or plays next.
    pub fn current(&self) -> Option<&str> {
        let serial = self.ledger.current()?;
        self.items.iter().find(|item| item.serial == *serial).map(|item| item.id.as_str())
    }

    /// The counters.
    pub fn stats(&self) -> DownlinkStats {
        DownlinkStats {
            buffer: self.buffer.stats(),
            depth: self.buffer.depth() as u64,
            played_frames: self.ledger.played_frames(),
            ..self.stats
        }
    }
}
