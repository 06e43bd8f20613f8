//! Request bodies that are sent as they come: from the caller piece by piece, or from a file.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ::http::header::CONTENT_LENGTH;
use bytes::{Bytes, BytesMut};
use futures_util::stream::{Stream, unfold};
use reqwest::multipart::{Form, Part as FormPart};
use reqwest::{Body, RequestBuilder};
use tokio::fs::File;
use tokio::io::AsyncReadExt;
use voxloop_queue::{Outbox, Unsent};

use super::request::{HttpBody, Part, PartData};
use crate::WakeSignal;
use crate::clock::monotonic_ns;
use crate::error::NetError;
use crate::ws::TrySend;

/// Bytes given by the caller and not yet taken for sending.
const QUEUE_BYTES: usize = 256 * 1024;
/// Bytes taken from the queue, or read from a file, at once.
const PIECE: usize = 64 * 1024;
const WHAT: &str = "this request body";

/// When a part of the body was last taken for sending.
#[derive(Debug, Default)]
pub(crate) struct Progress(AtomicU64);

impl Progress {
    pub(crate) fn last_ns(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn moved(&self) {
        self.0.store(monotonic_ns(), Ordering::Relaxed);
    }
}

/// The way of a streamed body from the caller to the task.
pub(crate) struct Upload {
    queue: Outbox<Bytes, NetError>,
    length: Option<u64>,
    given: Mutex<Given>,
}

#[derive(Default)]
struct Given {
    bytes: u64,
    /// The caller said that it was all.
    ended: bool,
    /// The request is over: what the queue still held was dropped.
    stopped: bool,
    fault: Option<NetError>,
}

impl Upload {
    pub(crate) fn new(length: Option<u64>) -> io::Result<Self> {
        Ok(Self { queue: Outbox::new(QUEUE_BYTES)?, length, given: Mutex::default() })
    }

    pub(crate) fn signal(&self) -> &WakeSignal {
        self.queue.signal()
    }

    pub(crate) fn try_send(&self, data: Bytes) -> Result<(), TrySend> {
        if data.is_empty() {
            return Ok(());
        }
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = given.bytes + data.len() as u64;
        if let Some(length) = self.length.filter(|length| bytes > *length) {
            let fault = invalid(&format!("more than the {length} bytes of the promised length"));
            given.fault.get_or_insert(fault.clone());
            self.queue.finish(fault.clone());
            return Err(TrySend::Closed(fault));
        }
        let size = data.len();
        self.queue.try_push(data, size).map_err(|unsent| match unsent {
            Unsent::Full(_) => TrySend::Full,
            Unsent::Closed(error) => TrySend::Closed(error),
        })?;
        given.bytes = bytes;
        Ok(())
    }

    pub(crate) fn end(&self) -> Result<(), NetError> {
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        if given.ended {
            return Ok(());
        }
        if let Some(length) = self.length.filter(|length| given.bytes < *length) {
            let bytes = given.bytes;
            let fault = invalid(&format!("{bytes} of {length} bytes; the rest is missing"));
            given.fault.get_or_insert(fault.clone());
            self.queue.finish(fault.clone());
            return Err(fault);
        }
        given.ended = true;
        // Over already if the request has ended: its own end says why.
        let _ = self.queue.push_last(Bytes::new(), NetError::UseAfterClose { what: WHAT });
        Ok(())
    }

    /// Ends the queue: later parts get `error`.
    pub(crate) fn stop(&self, error: NetError) {
        self.given.lock().unwrap_or_else(PoisonError::into_inner).stopped = true;
        self.queue.finish(error);
    }

    /// What the caller did wrong, which matters more than what became of the request.
    pub(crate) fn fault(&self) -> Option<NetError> {
        self.given.lock().unwrap_or_else(PoisonError::into_inner).fault.clone()
    }

    /// The next pieces; `None` once the caller has said that it was all.
    ///
    /// An end that nobody announced is an error: the server must not take half a body for a whole.
    async fn next(&self) -> io::Result<Option<(Vec<Bytes>, usize)>> {
        match self.queue.next_batch(PIECE).await {
            Some(batch) if batch.items.iter().all(Bytes::is_empty) => Ok(None),
            Some(batch) => Ok(Some((batch.items, batch.cost))),
            None => {
                let given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
                let whole = given.ended && !given.stopped;
                if whole { Ok(None) } else { Err(io::ErrorKind::Interrupted.into()) }
            }
        }
    }
}

fn invalid(why: &str) -> NetError {
    NetError::InvalidConfig { message: format!("the streamed body has {why}") }
}

/// `builder` with the body.
pub(crate) async fn body_of(
    builder: RequestBuilder,
    body: &HttpBody,
    upload: Option<&Arc<Upload>>,
    progress: &Arc<Progress>,
) -> Result<RequestBuilder, NetError> {
    Ok(match body {
        HttpBody::Empty => builder,
        HttpBody::Bytes(data) => builder.body(data.clone()),
        HttpBody::Multipart(parts) => builder.multipart(form_of(parts, progress).await?),
        HttpBody::Stream { length } => {
            let Some(upload) = upload else { return Ok(builder) };
            let builder = match length {
                Some(length) => builder.header(CONTENT_LENGTH, *length),
                None => builder,
            };
            let pieces = pieces_of(Arc::clone(upload), Arc::clone(progress));
            builder.body(Body::wrap_stream(pieces))
        }
    })
}

/// The room that pieces took is given back when the next are asked for: they are written then.
fn pieces_of(
    upload: Arc<Upload>,
    progress: Arc<Progress>,
) -> impl Stream<Item = io::Result<Bytes>> + Send {
    unfold(Some((upload, progress, 0)), |state| async move {
        let (upload, progress, written) = state?;
        upload.queue.release(written);
        progress.moved();
        match upload.next().await {
            Ok(None) => None,
            Err(error) => Some((Err(error), None)),
            Ok(Some((pieces, cost))) => {
                let piece = join(pieces);
                Some((Ok(piece), Some((upload, progress, cost))))
            }
        }
    })
}

fn join(mut pieces: Vec<Bytes>) -> Bytes {
    if pieces.len() == 1 {
        return pieces.swap_remove(0);
    }
    let mut joined = BytesMut::with_capacity(pieces.iter().map(Bytes::len).sum());
    for piece in &pieces {
        joined.extend_from_slice(piece);
    }
    joined.freeze()
}

async fn form_of(parts: &[Part], progress: &Arc<Progress>) -> Result<Form, NetError> {
    let mut form = Form::new();
    for part in parts {
        let mut body = match &part.data {
            PartData::Bytes(data) => FormPart::stream_with_length(data.clone(), data.len() as u64),
            PartData::File(path) => file_part(path, progress).await?,
        };
        if let Some(filename) = &part.filename {
            body = body.file_name(filename.clone());
        }
        if let Some(content_type) = &part.content_type {
            body = body.mime_str(content_type).map_err(|_| NetError::InvalidConfig {
                message: format!("{content_type:?} is not a media type"),
            })?;
        }
        form = form.part(part.name.clone(), body);
    }
    Ok(form)
}

/// A part read from its file while it is sent, as long as the file is now.
async fn file_part(path: &Path, progress: &Arc<Progress>) -> Result<FormPart, NetError> {
    let unusable = |why: String| NetError::InvalidConfig {
        message: format!("cannot send the file {}: {why}", path.display()),
    };
    // Opening a pipe would wait for its writer.
    let about = tokio::fs::metadata(path).await.map_err(|error| unusable(error.to_string()))?;
    if !about.is_file() {
        return Err(unusable("it is not a regular file".to_owned()));
    }
    let file = File::open(path).await.map_err(|error| unusable(error.to_string()))?;
    let length = about.len();
    let pieces = unfold(Some((file, length, Arc::clone(progress))), |state| async move {
        let (mut file, left, progress) = state?;
        progress.moved();
        if left == 0 {
            return None;
        }
        let wanted = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
        let mut piece = BytesMut::zeroed(wanted);
        match file.read(&mut piece).await {
            Ok(0) => Some((Err(io::ErrorKind::UnexpectedEof.into()), None)),
            Err(error) => Some((Err(error), None)),
            Ok(count) => {
                piece.truncate(count);
                Some((Ok(piece.freeze()), Some((file, left - count as u64, progress))))
            }
        }
    });
    Ok(FormPart::stream_with_length(Body::wrap_stream(pieces), length))
}
