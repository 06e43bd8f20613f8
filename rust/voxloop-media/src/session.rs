//! The thin skin: settings in, tasks on the network threads, and a handle that ends them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::{Notify, watch};
use voxloop_audio::{EnergyGate, GateSettings, Heard, Vad, VadSettings};
use voxloop_net::runtime::{self, Task};
use voxloop_net::{WsSender, monotonic_ns};

use crate::codec::Delta;
use crate::cut::{Cut, Reason};
use crate::downlink::{Downlink, DownlinkSettings};
use crate::error::{MediaError, Result};
use crate::hub::{Hub, Listener, Taken};
use crate::pace;
use crate::port::SinkPort;
use crate::report::{Report, Reports};
use crate::ring::Ring;
use crate::shared::{Binding, Shared, lock};
use crate::sink::Sink;
use crate::source::Source;
use crate::stats::{Counters, MediaStats};
use crate::tap::{Tap, Tapped};
use crate::uplink::{Detector, Uplink};
use crate::wire::WireFormat;

/// A detector of speech on this side, for the user's own audio.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LocalVad {
    /// The small network of `voxloop-audio`.
    Network,
    /// The level alone.
    Energy,
}

/// How media behave.
#[derive(Debug, Clone)]
pub struct MediaSettings {
    /// Audio to the server.
    pub input: WireFormat,
    /// Audio from the server.
    pub output: WireFormat,
    /// Length of one event of the user's audio, in milliseconds.
    pub frame_ms: u32,
    /// The user's speech stops the answer.
    pub barge_in: bool,
    /// Who else hears the user, besides the server.
    pub local_vad: Option<LocalVad>,
    /// Audio since the last commit that is kept for another connection, in seconds.
    pub keep_s: u32,
    /// Part of the ids of events that media send.
    pub prefix: String,
    /// Whether sound, and events for the connection, are kept from the start; see [`Media::tap`].
    pub tap: (bool, bool),
}

/// A sink with its rate and the depth of the buffer before it.
pub struct SinkSetup {
    /// Frames per second.
    pub sample_rate: u32,
    /// Sound that must be there before playing begins, in milliseconds.
    pub buffer_ms: u32,
    /// Who takes the blocks, and by whose clock.
    pub drive: Drive,
}

/// Makes a sink, with the queue of reports at hand.
type MakeSink = Box<dyn FnOnce(Arc<Reports>) -> Result<Box<dyn Sink>> + Send>;
/// Starts a device; dropping what it gives stops the device.
type StartDevice = Box<dyn FnOnce(SinkPort) -> Result<Box<dyn Send + Sync>> + Send>;

/// By whose clock a sink plays.
pub enum Drive {
    /// By ours: it is given a block every 20 ms.
    Paced(MakeSink),
    /// By its own: it takes blocks as it needs them.
    Device(StartDevice),
}

/// Sound that waits for the sink at most, in seconds.
const CAPACITY_S: u32 = 900;

/// A source and a sink on their way to and from a connection, which may change.
///
/// Dropping it ends its tasks.
pub struct Media {
    shared: Arc<Shared>,
    number: AtomicU64,
    hub: Mutex<Option<Arc<Hub>>>,
    task: Task,
    /// Stops the device when it is dropped.
    device: Mutex<Option<Box<dyn Send + Sync>>>,
}

impl Media {
    /// Starts source and sink; they are bound to no connection yet.
    ///
    /// # Errors
    /// A setting, rate or file that cannot be used.
    pub fn open(
        settings: MediaSettings,
        source: Option<Box<dyn Source>>,
        sink: Option<SinkSetup>,
    ) -> Result<Self> {
        let (frame_ms, local_vad) = (settings.frame_ms, settings.local_vad);
        let shared = Arc::new(shared(settings, sink.as_ref())?);
        let uplink = match source {
            Some(source) => {
                let detector = detector(local_vad, source.sample_rate())?;
                // Boxed: each future that it goes through would have room for it.
                Some(Box::new(Uplink::new(Arc::clone(&shared), source, frame_ms, detector)?))
            }
            None => None,
        };
        let (mut paced, mut device) = (None, None);
        if let Some(setup) = sink {
            match setup.drive {
                Drive::Paced(make) => {
                    paced = Some((make(Arc::clone(&shared.reports))?, setup.sample_rate));
                }
                Drive::Device(start) => device = Some(start(SinkPort(Arc::clone(&shared)))?),
            }
        }
        let task = runtime::spawn(run(Arc::clone(&shared), uplink, paced))?;
        let (number, hub, device) = (AtomicU64::new(0), Mutex::new(None), Mutex::new(device));
        Ok(Self { shared, number, hub, task, device })
    }

    /// Goes on over a connection: audio that an earlier one may have lost is sent again first.
    /// Returns how many samples that is.
    pub fn bind(&self, hub: &Arc<Hub>, sender: WsSender) -> u64 {
        self.unbind();
        let number = self.number.fetch_add(1, Ordering::Relaxed) + 1;
        let again = lock(&self.shared.up).rewind();
        self.shared.rebound();
        hub.attach(Some(Arc::clone(&self.shared) as Arc<dyn Listener>));
        *lock(&self.hub) = Some(Arc::clone(hub));
        *lock(&self.shared.binding) = Some(Binding { sender, number });
        self.shared.bound.notify_one();
        again
    }

    /// Lets go of the connection. What it brought is still played; the user's audio is kept.
    pub fn unbind(&self) {
        *lock(&self.shared.binding) = None;
        if let Some(hub) = lock(&self.hub).take() {
            hub.attach(None);
        }
    }

    /// Silences the sink at once, for a wish of the application. The caller tells the server.
    pub fn cut(&self) -> Option<Cut> {
        self.shared.cut(Reason::Application, monotonic_ns(), false)
    }

    /// Takes a piece of sound that came another way than by the connection; false without a sink
    /// or for an answer that was stopped.
    pub fn deliver(&self, delta: &Delta) -> bool {
        self.shared.sound(delta) == Taken::Played
    }

    /// A response began that is no part of the conversation, as the caller knows.
    pub fn outside(&self, response_id: &str) {
        if let Some(down) = &self.shared.down {
            lock(down).answers().created(response_id, false);
        }
    }

    /// How far a message has come; `None` for one that is not known.
    pub fn heard(&self, item_id: &str) -> Option<(Heard, u64)> {
        lock(self.shared.down.as_ref()?).heard(item_id)
    }

    /// Says whether sound, and events for the connection, are to be kept for [`Media::tapped`].
    pub fn tap(&self, sound: bool, texts: bool) {
        self.shared.tap.want(sound, texts);
        if let Some(down) = &self.shared.down {
            lock(down).keep_heard(sound);
        }
    }

    /// Takes what went by since the last time, as far as it was wanted.
    pub fn tapped(&self) -> Tapped {
        self.shared.tap.take()
    }

    /// Samples of the user's audio that were given to connections so far, and how many wait.
    pub fn sent_up(&self) -> (u64, u64) {
        let up = lock(&self.shared.up);
        (self.shared.counters.samples_up(), up.end() - up.sent())
    }

    /// Bytes of the answer's sound that were taken so far.
    pub fn taken_bytes(&self) -> u64 {
        self.shared.down.as_ref().map_or(0, |down| lock(down).taken_bytes())
    }

    /// What media have to tell.
    pub fn reports(&self) -> &Reports {
        &self.shared.reports
    }

    /// Asks source and sink to end; [`Report::Closed`] comes when they have.
    pub fn close(&self) {
        self.unbind();
        drop(lock(&self.device).take());
        self.shared.closing.send_replace(true);
    }

    /// Drops the tasks now.
    pub fn abort(&self) {
        self.unbind();
        drop(lock(&self.device).take());
        self.task.abort();
    }

    /// What has happened so far.
    pub fn stats(&self) -> MediaStats {
        let up = lock(&self.shared.up);
        MediaStats {
            position_up: up.end(),
            lost_up: up.lost(),
            kept_up: up.end() - up.start(),
            dropped_reports: self.shared.reports.dropped(),
            down: self.shared.down.as_ref().map(|down| lock(down).stats()).unwrap_or_default(),
            ..self.shared.counters.report()
        }
    }
}

impl Drop for Media {
    fn drop(&mut self) {
        self.unbind();
    }
}

/// Both directions side by side, and a last word when both are done.
async fn run(shared: Arc<Shared>, uplink: Option<Box<Uplink>>, sink: Option<(Box<dyn Sink>, u32)>) {
    let down = async {
        if let Some((sink, rate)) = sink {
            pace::run(Arc::clone(&shared), sink, rate).await;
        }
    };
    let up = async {
        if let Some(uplink) = uplink {
            uplink.run().await;
        }
    };
    tokio::join!(up, down);
    let mut closing = shared.closing.subscribe();
    let _ = closing.wait_for(|closing| *closing).await;
    shared.reports.put(Report::Closed);
}

/// What the tasks share, with nothing in it.
fn shared(settings: MediaSettings, sink: Option<&SinkSetup>) -> Result<Shared> {
    let (rate, frame_ms) = (settings.input.rate(), settings.frame_ms);
    if !(5..=1_000).contains(&frame_ms) {
        let text = format!("frames of {frame_ms} ms; wanted 5 to 1000");
        return Err(MediaError::Config(text));
    }
    let down = sink.map(|setup| {
        Downlink::new(DownlinkSettings {
            format: settings.output,
            sink_rate: setup.sample_rate,
            target_ms: setup.buffer_ms,
            capacity_s: CAPACITY_S,
        })
    });
    let mut down = down.transpose()?;
    let tap = Tap::default();
    let (sound, texts) = settings.tap;
    tap.want(sound, texts);
    if let Some(down) = &mut down {
        down.keep_heard(sound);
    }
    Ok(Shared {
        down: down.map(Mutex::new),
        sounded: Notify::new(),
        up: Mutex::new(Ring::new(settings.input.width(), (settings.keep_s * rate) as usize)),
        format: settings.input,
        binding: Mutex::new(None),
        bound: Notify::new(),
        reports: Arc::new(Reports::new()?),
        counters: Counters::default(),
        tap,
        barge_in: settings.barge_in,
        prefix: settings.prefix,
        ids: AtomicU64::new(0),
        closing: watch::Sender::new(false),
    })
}

fn detector(kind: Option<LocalVad>, rate: u32) -> Result<Option<Detector>> {
    Ok(match kind {
        None => None,
        Some(LocalVad::Network) => {
            Some(Detector::Network(Box::new(Vad::new(rate, VadSettings::default())?)))
        }
        Some(LocalVad::Energy) => {
            Some(Detector::Energy(Box::new(EnergyGate::new(rate, GateSettings::default())?)))
        }
    })
}
