//! The connections of `voxloop-net` for Python: start, drain, send, let go.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString};
use voxloop_media::{Hub, Incoming};
use voxloop_net as core;

use crate::error;
use crate::realtime::{Batch, seconds};

/// A header as it comes from Python: name, value, whether the value is a secret.
type HeaderTuple = (String, String, bool);
/// A part of a form: name, content, file name, content type.
type PartTuple = (String, Vec<u8>, Option<String>, Option<String>);

fn headers_in(headers: Vec<HeaderTuple>) -> Vec<core::Header> {
    let header = |(name, value, secret)| {
        if secret { core::Header::secret(name, value) } else { core::Header::new(name, value) }
    };
    headers.into_iter().map(header).collect()
}

/// Repeated names are joined by a comma, as HTTP allows for all but cookies.
pub(crate) fn headers_out<'py>(
    py: Python<'py>,
    headers: &[core::Header],
) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    for header in headers {
        let name = header.name.to_ascii_lowercase();
        match dict.get_item(&name)? {
            Some(before) => dict.set_item(name, format!("{before}, {}", header.value))?,
            None => dict.set_item(name, &header.value)?,
        }
    }
    Ok(dict)
}

/// The server's answer to the upgrade; the first item of a WebSocket.
#[pyclass(frozen, module = "voxloop._native")]
pub(crate) struct Handshake {
    headers: Vec<core::Header>,
    #[pyo3(get)]
    subprotocol: Option<String>,
    #[pyo3(get)]
    seconds: f64,
}

#[pymethods]
impl Handshake {
    #[getter]
    fn headers<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        headers_out(py, &self.headers)
    }
}

/// One WebSocket connection.
#[pyclass(frozen, module = "voxloop._native")]
pub(crate) struct WebSocket {
    client: core::WsClient<Incoming>,
    hub: Option<Arc<Hub>>,
}

impl WebSocket {
    pub(crate) fn hub(&self) -> Option<&Arc<Hub>> {
        self.hub.as_ref()
    }

    pub(crate) fn client(&self) -> &core::WsClient<Incoming> {
        &self.client
    }

    fn put<'py>(
        py: Python<'py>,
        item: core::WsItem<Incoming>,
        batch: &mut Batch<'py>,
    ) -> PyResult<()> {
        match item {
            core::WsItem::Made(made) => batch.incoming(made),
            core::WsItem::Open { headers, subprotocol, handshake_us, .. } => {
                let seconds = Duration::from_micros(handshake_us).as_secs_f64();
                batch.add(Bound::new(py, Handshake { headers, subprotocol, seconds })?)
            }
            core::WsItem::Text { text, at_ns } => {
                batch.add((PyString::new(py, text.as_str()), seconds(at_ns)))
            }
            core::WsItem::Binary { data, at_ns } => {
                batch.add((PyBytes::new(py, &data), seconds(at_ns)))
            }
        }
    }
}

#[pymethods]
impl WebSocket {
    #[staticmethod]
    #[pyo3(signature = (url, *, headers, subprotocols, open_timeout, close_timeout, ping_interval,
        ping_timeout, max_message_bytes, inbox_bytes, outbox_bytes, ca_file, allow_insecure_key,
        coalesce, decode_audio))]
    #[allow(clippy::too_many_arguments)] // keyword-only in Python, one per setting
    fn open(
        py: Python<'_>,
        url: String,
        headers: Vec<HeaderTuple>,
        subprotocols: Vec<String>,
        open_timeout: f64,
        close_timeout: f64,
        ping_interval: Option<f64>,
        ping_timeout: Option<f64>,
        max_message_bytes: usize,
        inbox_bytes: usize,
        outbox_bytes: usize,
        ca_file: Option<PathBuf>,
        allow_insecure_key: bool,
        coalesce: f64,
        decode_audio: bool,
    ) -> PyResult<Self> {
        let mut config = core::WsConfig::new(url);
        config.headers = headers_in(headers);
        config.subprotocols = subprotocols;
        config.open_timeout = Duration::from_secs_f64(open_timeout);
        config.close_timeout = Duration::from_secs_f64(close_timeout);
        config.ping_interval = ping_interval.map(Duration::from_secs_f64);
        config.ping_timeout = ping_timeout.map(Duration::from_secs_f64);
        config.max_message_bytes = max_message_bytes;
        config.inbox_bytes = inbox_bytes;
        config.outbox_bytes = outbox_bytes;
        config.ca_file = ca_file;
        config.allow_insecure_key = allow_insecure_key;
        config.coalesce = Duration::from_secs_f64(coalesce);
        let hub = decode_audio.then(|| Arc::new(Hub::default()));
        let interpreter = hub.clone().map(|hub| hub as Arc<dyn core::Interpret<Incoming>>);
        let client = py.detach(|| core::WsClient::open_with(config, interpreter));
        Ok(Self { client: client.map_err(|failure| error::net(py, &failure))?, hub })
    }

    fn fileno(&self) -> i32 {
        self.client.recv_fileno()
    }

    fn send_fileno(&self) -> i32 {
        self.client.send_fileno()
    }

    fn drain<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        match self.client.drain() {
            Ok(core::Drained::Items(items)) => {
                let mut batch = Batch::new(py);
                for item in items {
                    Self::put(py, item, &mut batch)?;
                }
                batch.finish()
            }
            Ok(core::Drained::End) => {
                let end = core::NetError::Closed { code: None, reason: String::new(), clean: true };
                Err(error::net(py, &end))
            }
            Err(failure) => Err(error::net(py, &failure)),
        }
    }

    fn try_send(&self, py: Python<'_>, data: &Bound<'_, PyAny>) -> PyResult<bool> {
        let sent = if let Ok(text) = data.cast::<PyString>() {
            let text = text.to_cow()?;
            if let Some(hub) = &self.hub {
                hub.sending(&text);
            }
            self.client.try_send_text(&text)
        } else {
            let bytes = data.cast::<PyBytes>()?.as_bytes();
            self.client.try_send_binary(Bytes::copy_from_slice(bytes))
        };
        match sent {
            Ok(()) => Ok(true),
            Err(core::TrySend::Full) => Ok(false),
            Err(core::TrySend::Closed(failure)) => Err(error::net(py, &failure)),
        }
    }

    fn close(&self, py: Python<'_>, code: u16, reason: &str) -> PyResult<()> {
        self.client.close(code, reason).map_err(|failure| error::net(py, &failure))
    }

    fn abort(&self) {
        self.client.abort();
    }

    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let stats = self.client.stats();
        let dict = PyDict::new(py);
        dict.set_item("messages_in", stats.messages_in)?;
        dict.set_item("messages_out", stats.messages_out)?;
        dict.set_item("bytes_in", stats.payload_bytes_in)?;
        dict.set_item("bytes_out", stats.payload_bytes_out)?;
        dict.set_item("wakes", stats.wakes)?;
        dict.set_item("rtt", stats.last_rtt_us.map(|us| Duration::from_micros(us).as_secs_f64()))?;
        dict.set_item("inbox_bytes", stats.inbox_bytes)?;
        dict.set_item("outbox_bytes", stats.outbox_bytes)?;
        Ok(dict)
    }
}

/// Status and headers of an HTTP response; the first item of a call.
#[pyclass(frozen, module = "voxloop._native")]
pub(crate) struct HttpHead {
    #[pyo3(get)]
    status: u16,
    headers: Vec<core::Header>,
}

#[pymethods]
impl HttpHead {
    #[getter]
    fn headers<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        headers_out(py, &self.headers)
    }
}

/// One HTTP request and its response.
#[pyclass(frozen, module = "voxloop._native")]
pub(crate) struct HttpCall {
    call: core::HttpCall,
}

#[pymethods]
impl HttpCall {
    #[staticmethod]
    #[pyo3(signature = (method, url, *, headers, body, multipart, connect_timeout,
        first_byte_timeout, idle_timeout, total_timeout, ca_file, allow_insecure_key))]
    #[allow(clippy::too_many_arguments)] // keyword-only in Python, one per setting
    fn start(
        py: Python<'_>,
        method: &str,
        url: &str,
        headers: Vec<HeaderTuple>,
        body: Option<Vec<u8>>,
        multipart: Option<Vec<PartTuple>>,
        connect_timeout: f64,
        first_byte_timeout: f64,
        idle_timeout: f64,
        total_timeout: Option<f64>,
        ca_file: Option<PathBuf>,
        allow_insecure_key: bool,
    ) -> PyResult<Self> {
        let mut request = core::HttpRequest::new(method, url);
        request.headers = headers_in(headers);
        request.body = match (body, multipart) {
            (Some(body), _) => core::HttpBody::Bytes(body.into()),
            (None, Some(parts)) => core::HttpBody::Multipart(parts.into_iter().map(part).collect()),
            (None, None) => core::HttpBody::Empty,
        };
        request.connect_timeout = Duration::from_secs_f64(connect_timeout);
        request.first_byte_timeout = Some(Duration::from_secs_f64(first_byte_timeout));
        request.idle_timeout = Some(Duration::from_secs_f64(idle_timeout));
        request.total_timeout = total_timeout.map(Duration::from_secs_f64);
        request.ca_file = ca_file;
        request.allow_insecure_key = allow_insecure_key;
        let call = py.detach(|| core::HttpCall::start(request));
        Ok(Self { call: call.map_err(|failure| error::net(py, &failure))? })
    }

    fn fileno(&self) -> i32 {
        self.call.recv_fileno()
    }

    /// The head, then pieces of the body, then None once the body is complete.
    fn drain<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let list = PyList::empty(py);
        match self.call.drain() {
            Ok(core::Drained::Items(items)) => {
                for item in items {
                    match item {
                        core::HttpItem::Head { status, headers, .. } => {
                            list.append(Bound::new(py, HttpHead { status, headers })?)?;
                        }
                        core::HttpItem::Chunk { data, .. } => {
                            list.append(PyBytes::new(py, &data))?;
                        }
                    }
                }
            }
            Ok(core::Drained::End) => list.append(py.None())?,
            Err(failure) => return Err(error::net(py, &failure)),
        }
        Ok(list)
    }

    fn abort(&self) {
        self.call.abort();
    }
}

fn part((name, content, filename, content_type): PartTuple) -> core::Part {
    core::Part { name, filename, content_type, data: content.into() }
}

/// An incremental parser of server-sent events.
#[pyclass(frozen, module = "voxloop._native")]
pub(crate) struct SseParser {
    inner: std::sync::Mutex<core::SseParser>,
}

#[pymethods]
impl SseParser {
    #[new]
    fn new() -> Self {
        Self { inner: std::sync::Mutex::new(core::SseParser::new()) }
    }

    /// The events that `data` completes: event, data and id of each.
    fn feed(&self, py: Python<'_>, data: &[u8]) -> PyResult<Vec<(String, String, String)>> {
        let mut parser = self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let events = parser.feed(data).map_err(|failure| error::net(py, &failure))?;
        Ok(events.into_iter().map(|event| (event.event, event.data, event.id)).collect())
    }
}

/// Seconds to wait before the next try, or None to give up.
#[pyfunction]
pub(crate) fn retry_delay(
    failures: u32,
    status: Option<u16>,
    headers: Vec<(String, String)>,
    error_code: Option<&str>,
    error_type: Option<&str>,
    random: f64,
) -> Option<f64> {
    let headers: Vec<_> =
        headers.into_iter().map(|(name, value)| core::Header::new(name, value)).collect();
    let lost = core::NetError::Closed { code: None, reason: String::new(), clean: false };
    let failure = match status {
        Some(status) => {
            core::Failure::Response { status, headers: &headers, error_code, error_type }
        }
        None => core::Failure::Error(&lost),
    };
    let attempt = core::Attempt {
        retries_done: failures.saturating_sub(1),
        now: SystemTime::now(),
        random,
        budget: None,
    };
    match core::RetryPolicy::default().decide(&attempt, &failure) {
        core::Decision::Retry { after, .. } => Some(after.as_secs_f64()),
        core::Decision::Stop(_) => None,
    }
}

/// Sets the number of network threads; only before the first connection.
#[pyfunction]
pub(crate) fn configure_runtime(py: Python<'_>, worker_threads: usize) -> PyResult<()> {
    core::runtime::configure(worker_threads).map_err(|failure| error::net(py, &failure))
}

/// Forgets the runtime in a forked child, whose threads do not exist.
#[pyfunction]
pub(crate) fn after_fork_in_child() {
    core::runtime::after_fork_in_child();
}

/// Says goodbye on open sockets and ends the network threads.
#[pyfunction]
pub(crate) fn shutdown(py: Python<'_>, timeout: f64) {
    py.detach(|| core::runtime::shutdown(Duration::from_secs_f64(timeout)));
}

/// Connections and requests that have not ended.
#[pyfunction]
pub(crate) fn live_tasks() -> usize {
    core::runtime::live_tasks()
}
