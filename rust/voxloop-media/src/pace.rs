//! What gives a paced sink its blocks in time.

use std::sync::Arc;
use std::time::Duration;

use voxloop_audio::Pacer;
use voxloop_net::monotonic_ns;

use crate::clockwork::{Seat, Ticking};
use crate::error::Result;
use crate::report::Report;
use crate::shared::{Shared, lock};
use crate::sink::Sink;
use crate::spare;

/// Blocks a second.
const BLOCKS: u32 = 50;
/// Blocks that are made good for after a stall of the machine: five seconds.
const CATCH_UP: u32 = 250;

struct Paced {
    shared: Arc<Shared>,
    sink: Box<dyn Sink>,
    pacer: Pacer,
    number: u64,
    /// Of one block.
    frames: usize,
    rate: u32,
    /// The last block was not full: the buffer knows that it ran dry.
    dry: bool,
    /// How the sink ended, if it did by itself.
    ended: Result<()>,
}

/// Runs until media close or the sink fails, and ends the sink in either case.
pub(crate) async fn run(shared: Arc<Shared>, sink: Box<dyn Sink>, rate: u32) {
    let frames = rate / BLOCKS;
    let Ok(schedule) = Pacer::new(rate, frames, CATCH_UP) else { return };
    let paced = Box::new(Paced {
        shared: Arc::clone(&shared),
        sink,
        pacer: schedule,
        number: 0,
        frames: frames as usize,
        rate,
        dry: true,
        ended: Ok(()),
    });
    let ended = match play(paced).await {
        Some(mut paced) => {
            std::mem::replace(&mut paced.ended, Ok(())).and_then(|()| paced.sink.finish())
        }
        None => return shared.reports.put(Report::Failed("the sink has crashed".to_owned())),
    };
    if let Err(error) = ended {
        shared.reports.put(Report::Failed(format!("the sink failed: {error}")));
    }
}

/// Rests and plays by turns until media close or the sink fails; `None` if it crashed.
async fn play(mut paced: Box<Paced>) -> Option<Box<Paced>> {
    let shared = Arc::clone(&paced.shared);
    let mut closing = shared.closing.subscribe();
    loop {
        tokio::select! {
            rested = paced.rest() => paced.ended = rested,
            _ = closing.wait_for(|closing| *closing) => return Some(paced),
        }
        if paced.ended.is_ok()
            && let Some(next_ns) = paced.tick(monotonic_ns())
        {
            let seat = Seat::take(paced, next_ns);
            let closed = tokio::select! {
                () = seat.over() => false,
                _ = closing.wait_for(|closing| *closing) => true,
            };
            paced = seat.leave()?;
            if closed {
                return Some(paced);
            }
        }
        if paced.ended.is_err() {
            return Some(paced);
        }
    }
}

impl Ticking for Paced {
    fn tick(&mut self, now_ns: u64) -> Option<u64> {
        let shared = Arc::clone(&self.shared);
        if self.dry && lock(shared.down.as_ref()?).is_empty() {
            return None;
        }
        let pace = self.pacer.poll(Duration::from_nanos(now_ns));
        self.number += pace.skipped;
        for _ in 0..pace.due {
            let due = self.pacer.due(self.number).unwrap_or_default().as_nanos();
            let due_ns = u64::try_from(due).unwrap_or(now_ns);
            self.number += 1;
            shared.counters.block_down(now_ns.saturating_sub(due_ns));
            self.ended = self.give(&shared, due_ns);
            if self.ended.is_err() {
                return None;
            }
        }
        Some(now_ns.saturating_add(u64::try_from(pace.wait.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl Paced {
    fn give(&mut self, shared: &Shared, due_ns: u64) -> Result<()> {
        let Some(down) = &shared.down else { return Ok(()) };
        spare::with(|block| {
            block.resize(self.frames, 0);
            let (sound, silent, heard) = {
                let mut down = lock(down);
                let sound = down.pull(block);
                down.played(sound);
                (sound, down.fell_silent(), down.take_heard())
            };
            shared.tap.down(due_ns, self.rate, &heard);
            shared.counters.sound_down(block);
            self.dry = sound < block.len();
            self.sink.write(block, sound)?;
            self.told(silent);
            Ok(())
        })
    }

    fn told(&mut self, silent: Option<u64>) {
        if let Some(taken_bytes) = silent {
            self.sink.flush();
            self.shared.reports.put(Report::Silent { taken_bytes });
        }
    }

    /// Waits for sound without ticking; the schedule starts anew then. At once if there is some.
    async fn rest(&mut self) -> Result<()> {
        let shared = Arc::clone(&self.shared);
        let Some(down) = &shared.down else { return std::future::pending().await };
        let begun = monotonic_ns();
        self.sink.flush();
        loop {
            let (empty, silent) = {
                let mut down = lock(down);
                (down.is_empty(), down.fell_silent())
            };
            self.told(silent);
            if !empty {
                break;
            }
            shared.sounded.notified().await;
        }
        let frames = u128::from(monotonic_ns() - begun) * u128::from(self.rate) / 1_000_000_000;
        self.pacer.reset();
        self.number = 0;
        self.sink.pause(frames as u64)
    }
}
