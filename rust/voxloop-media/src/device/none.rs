//! No backend for this system yet.

use super::DeviceInfo;
use crate::error::{DeviceFault, MediaError, Result};
use crate::session::SinkSetup;
use crate::source::Source;

fn unsupported() -> MediaError {
    DeviceFault::Unsupported.error(
        "microphones and speakers are not supported on this system yet; record and play with a \
         package of your choice, through PushSource and CallbackSink",
    )
}

pub(super) fn list() -> Result<Vec<DeviceInfo>> {
    Err(unsupported())
}

pub(super) fn open_microphone(_: Option<&str>, _: u32) -> Result<Box<dyn Source>> {
    Err(unsupported())
}

pub(super) fn open_speaker(_: Option<&str>, _: u32, _: u32) -> Result<SinkSetup> {
    Err(unsupported())
}
