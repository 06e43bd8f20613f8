//! An HTTP client whose responses come as a bounded stream of parts.

mod client;
mod faults;
mod request;
mod stream;
mod upload;

use std::os::fd::RawFd;
use std::sync::Arc;

use bytes::Bytes;
use voxloop_queue::{Drained, Inbox};

pub(crate) use self::client::Clients;
pub use self::request::{HttpBody, HttpRequest, Part, PartData};
use self::upload::Upload;
use crate::WakeSignal;
use crate::crash::caught;
use crate::error::NetError;
use crate::header::Header;
use crate::runtime::{self, TaskHandle};
use crate::shared;
use crate::ws::TrySend;

const WHAT: &str = "this HTTP request";

/// What a response brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HttpItem {
    /// The response head. Always the first item; any status, a redirect too, which is not followed.
    Head {
        /// The HTTP status.
        status: u16,
        /// The version of HTTP the answer came in: `1.0`, `1.1` or `2`.
        version: &'static str,
        /// The response headers.
        headers: Vec<Header>,
        /// From the call of [`HttpCall::start`] to the head, in microseconds.
        first_byte_us: u64,
    },
    /// A part of the body, as it came.
    Chunk {
        /// The bytes; those of a body that came in gzip are unpacked.
        data: Bytes,
        /// When it came, by [`crate::monotonic_ns`].
        at_ns: u64,
    },
}

impl HttpItem {
    fn payload_bytes(&self) -> usize {
        match self {
            Self::Head { headers, .. } => {
                headers.iter().map(|header| header.name.len() + header.value.len()).sum()
            }
            Self::Chunk { data, .. } => data.len(),
        }
    }
}

type Responses = Inbox<HttpItem, NetError>;

/// Ends the queue when the task is dropped, however that came about.
struct EndGuard(Arc<Responses>, Option<Arc<Upload>>);

impl Drop for EndGuard {
    fn drop(&mut self) {
        let end = NetError::unclean("the request was dropped");
        if let Some(upload) = &self.1 {
            upload.stop(end.clone());
        }
        self.0.finish(Err(end));
    }
}

/// One request and its response.
///
/// Dropping it drops its task, and its socket unless the response was complete.
pub struct HttpCall {
    inbox: Arc<Responses>,
    /// For a body that is streamed.
    upload: Option<Arc<Upload>>,
    task: TaskHandle,
}

impl HttpCall {
    /// Starts the request and returns at once.
    ///
    /// # Errors
    /// [`NetError::InvalidUrl`], [`NetError::InvalidConfig`] and [`NetError::InsecureKey`]. Failures
    /// of the network come from [`HttpCall::drain`].
    pub fn start(request: HttpRequest) -> Result<Self, NetError> {
        let plan = request.check()?;
        let host = runtime::host()?;
        let inbox = Inbox::new(request.inbox_bytes);
        let inbox =
            Arc::new(inbox.map_err(|error| shared::out_of_descriptors(&error, &plan.target))?);
        let upload = match request.body {
            HttpBody::Stream { length } => Some(Arc::new(
                Upload::new(length)
                    .map_err(|error| shared::out_of_descriptors(&error, &plan.target))?,
            )),
            _ => None,
        };
        let guard = EndGuard(Arc::clone(&inbox), upload.clone());
        let body = upload.clone();
        let task = host.spawn(|mut going_down| async move {
            let work = caught(stream::run(host, &guard.0, body, request, plan));
            let end = tokio::select! {
                end = work => end,
                () = going_down.asked() => Err(NetError::unclean("the process is ending")),
            };
            guard.0.finish(end);
        });
        Ok(Self { inbox, upload, task })
    }

    /// Readable when [`HttpCall::drain`] has something to give. Stays open as long as `self`.
    pub fn recv_fileno(&self) -> RawFd {
        self.recv_signal().fileno()
    }

    /// The signal behind [`HttpCall::recv_fileno`].
    pub fn recv_signal(&self) -> &WakeSignal {
        self.inbox.signal()
    }

    /// Takes all that has come; [`Drained::End`] once the body is complete and taken.
    ///
    /// # Errors
    /// What broke the response off, once everything before that was taken.
    pub fn drain(&self) -> Result<Drained<HttpItem>, NetError> {
        shared::drain(&self.task, &self.inbox, WHAT)
    }

    /// Readable when a part of the body that was refused as [`TrySend::Full`] may be tried again.
    /// Only for [`HttpBody::Stream`].
    pub fn send_fileno(&self) -> Option<RawFd> {
        self.upload.as_ref().map(|upload| upload.signal().fileno())
    }

    /// Queues a part of a streamed body.
    ///
    /// # Errors
    /// [`TrySend::Full`] while the queue is full; [`TrySend::Closed`] with what ended the request,
    /// or with [`NetError::InvalidConfig`] for more bytes than were promised.
    pub fn try_send(&self, data: Bytes) -> Result<(), TrySend> {
        self.streamed().map_err(TrySend::Closed)?.try_send(data)
    }

    /// Says that the streamed body is complete. A second call does nothing.
    ///
    /// # Errors
    /// [`NetError::InvalidConfig`] if bytes are missing from the promised number: the request is
    /// given up then.
    pub fn end_body(&self) -> Result<(), NetError> {
        self.streamed()?.end()
    }

    fn streamed(&self) -> Result<&Upload, NetError> {
        self.task.check(WHAT)?;
        self.upload.as_deref().ok_or_else(|| NetError::InvalidConfig {
            message: "the body of this request is not streamed".to_owned(),
        })
    }

    /// Drops the task now, and its socket unless the response was complete.
    pub fn abort(&self) {
        if self.task.is_ours() {
            let end = NetError::unclean("aborted by the caller");
            if let Some(upload) = &self.upload {
                upload.stop(end.clone());
            }
            self.inbox.finish(Err(end));
            self.task.abort();
        }
    }

    /// Whether the exchange has ended; items from before may still be waiting.
    pub fn is_ended(&self) -> bool {
        !self.task.is_ours() || self.inbox.is_ended()
    }
}
