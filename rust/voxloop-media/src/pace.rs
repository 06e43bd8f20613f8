//! The task that gives a paced sink its blocks in time.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::sleep;
use voxloop_audio::Pacer;
use voxloop_net::monotonic_ns;

use crate::downlink::Downlink;
use crate::error::Result;
use crate::report::Report;
use crate::shared::{Shared, lock};
use crate::sink::Sink;

/// Blocks a second.
const BLOCKS: u32 = 50;
/// Blocks that are made good for after a stall of the machine: five seconds.
const CATCH_UP: u32 = 250;

struct Paced<'a> {
    shared: &'a Shared,
    down: &'a Mutex<Downlink>,
    sink: Box<dyn Sink>,
    pacer: Pacer,
    number: u64,
    block: Vec<i16>,
    rate: u32,
    /// The last block was not full: the buffer knows that it ran dry.
    dry: bool,
}

/// Runs until media close or the sink fails, and ends the sink in either case.
pub(crate) async fn run(shared: Arc<Shared>, sink: Box<dyn Sink>, rate: u32) {
    let Some(down) = &shared.down else { return };
    let frames = rate / BLOCKS;
    let Ok(schedule) = Pacer::new(rate, frames, CATCH_UP) else { return };
    let block = vec![0; frames as usize];
    let mut paced =
        Paced { shared: &shared, down, sink, pacer: schedule, number: 0, block, rate, dry: true };
    let mut closing = shared.closing.subscribe();
    let ended = tokio::select! {
        ended = paced.play() => ended,
        _ = closing.wait_for(|closing| *closing) => Ok(()),
    };
    if let Err(error) = ended.and_then(|()| paced.sink.finish()) {
        shared.reports.put(Report::Failed(format!("the sink failed: {error}")));
    }
}

impl Paced<'_> {
    async fn play(&mut self) -> Result<()> {
        loop {
            if self.dry && lock(self.down).is_empty() {
                self.rest().await?;
            }
            let now = monotonic_ns();
            let pace = self.pacer.poll(Duration::from_nanos(now));
            self.number += pace.skipped;
            for _ in 0..pace.due {
                let due = self.pacer.due(self.number).unwrap_or_default().as_nanos();
                self.number += 1;
                let late = now.saturating_sub(u64::try_from(due).unwrap_or(now));
                self.shared.counters.block_down(late);
                self.tick(u64::try_from(due).unwrap_or(now))?;
            }
            sleep(pace.wait).await;
        }
    }

    fn tick(&mut self, due_ns: u64) -> Result<()> {
        let (sound, silent, heard) = {
            let mut down = lock(self.down);
            let sound = down.pull(&mut self.block);
            down.played(sound);
            (sound, down.fell_silent(), down.take_heard())
        };
        self.shared.tap.down(due_ns, self.rate, &heard);
        self.shared.counters.sound_down(&self.block);
        self.dry = sound < self.block.len();
        self.sink.write(&self.block, sound)?;
        self.told(silent);
        Ok(())
    }

    fn told(&mut self, silent: Option<u64>) {
        if let Some(taken_bytes) = silent {
            self.sink.flush();
            self.shared.reports.put(Report::Silent { taken_bytes });
        }
    }

    /// Waits for sound without ticking; the schedule starts anew then.
    async fn rest(&mut self) -> Result<()> {
        let begun = monotonic_ns();
        self.sink.flush();
        loop {
            let (empty, silent) = {
                let mut down = lock(self.down);
                (down.is_empty(), down.fell_silent())
            };
            self.told(silent);
            if !empty {
                break;
            }
            self.shared.sounded.notified().await;
        }
        let frames = u128::from(monotonic_ns() - begun) * u128::from(self.rate) / 1_000_000_000;
        self.pacer.reset();
        self.number = 0;
        self.sink.pause(frames as u64)
    }
}
