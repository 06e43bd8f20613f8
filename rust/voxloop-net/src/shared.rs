//! What every handle does: take what its task brought, and end with it.

use std::io;

use voxloop_queue::{Drained, Inbox};

use crate::error::{ConnectKind, NetError};
use crate::runtime::TaskHandle;
use crate::target::Target;

/// No connection to `target`, for want of a descriptor to wait on.
pub(crate) fn out_of_descriptors(error: &io::Error, target: &Target) -> NetError {
    NetError::ConnectFailed {
        host: target.host.clone(),
        port: target.port,
        kind: ConnectKind::Other,
        message: format!("cannot open a wake descriptor: {error}"),
    }
}

/// Takes from `inbox` unless the handle is on the wrong side of a fork.
pub(crate) fn drain<T>(
    task: &TaskHandle,
    inbox: &Inbox<T, NetError>,
    what: &'static str,
) -> Result<Drained<T>, NetError> {
    // The descriptor and perhaps the mutex are shared with the parent: not to be touched.
    task.check(what)?;
    inbox.drain()
}
