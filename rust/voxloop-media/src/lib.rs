//! Sound between a realtime connection, a source and a sink.
//!
//! The pure parts ([`codec`], [`downlink`], [`ring`], [`bargein`]) know neither a clock nor a
//! socket; a thin skin ([`Media`]) runs them on the network threads of `voxloop-net`. Nothing here
//! knows of Python: whatever the caller's thread does, sound goes on.
#![forbid(unsafe_code)]

pub mod bargein;
mod clockwork;
pub mod codec;
pub mod cut;
pub mod device;
pub mod downlink;
pub mod error;
mod heed;
pub mod hub;
pub mod incoming;
mod pace;
mod port;
pub mod report;
pub mod ring;
mod session;
mod shared;
pub mod sink;
pub mod source;
mod spare;
pub mod stats;
pub mod tap;
mod uplink;
pub mod wire;

pub use cut::{Cut, CutItem, Reason};
pub use downlink::{Downlink, DownlinkSettings};
pub use error::{DeviceFault, MediaError, Result};
pub use hub::{Hub, Listener, Taken};
pub use incoming::{Incoming, Piece};
pub use port::{Pulled, SinkPort};
pub use report::{Report, Reports};
pub use session::{Drive, LocalVad, Media, MediaSettings, SinkSetup};
pub use stats::MediaStats;
pub use tap::{Stretch, Tap, Tapped};
pub use voxloop_audio::Heard;
pub use wire::WireFormat;
