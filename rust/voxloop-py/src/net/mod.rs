//! The connections of `voxloop-net` for Python: start, drain, send, let go.

pub(crate) mod http;
pub(crate) mod websocket;

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use pyo3::prelude::*;
use pyo3::types::PyDict;
use voxloop_net as core;

use crate::error;

/// A header as it comes from Python: name, value, whether the value is a secret.
type HeaderTuple = (String, String, bool);
/// The way to a server: CA file, client certificate, its key, proxy (empty for none), whether a
/// secret may go in the clear.
type WayTuple = (Option<PathBuf>, Option<PathBuf>, Option<PathBuf>, Option<String>, bool);

fn way_in(way: WayTuple) -> (core::TlsConfig, core::ProxyChoice, bool) {
    let (ca_file, client_cert, client_key, proxy, allow_insecure_key) = way;
    let proxy = match proxy {
        None => core::ProxyChoice::Environment,
        Some(url) if url.is_empty() => core::ProxyChoice::Direct,
        Some(url) => core::ProxyChoice::Url(url),
    };
    (core::TlsConfig { ca_file, client_cert, client_key }, proxy, allow_insecure_key)
}

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
#[allow(clippy::too_many_arguments)] // the facts of one failure
pub(crate) fn retry_delay(
    failures: u32,
    status: Option<u16>,
    headers: Vec<(String, String)>,
    error_code: Option<&str>,
    error_type: Option<&str>,
    random: f64,
    budget: Option<f64>,
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
        budget: budget.map(|left| Duration::try_from_secs_f64(left).unwrap_or_default()),
    };
    match core::RetryPolicy::default().decide(&attempt, &failure) {
        core::Decision::Retry { after, .. } => Some(after.as_secs_f64()),
        core::Decision::Stop(_) => None,
    }
}

/// Codes and types of a spent quota.
#[pyfunction]
pub(crate) fn quota_codes() -> Vec<&'static str> {
    core::QUOTA_CODES.to_vec()
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

/// Ends the connections that are kept for a next request.
#[pyfunction]
pub(crate) fn drop_idle_connections(py: Python<'_>) {
    py.detach(core::runtime::drop_idle);
}

/// Connections and requests that have not ended.
#[pyfunction]
pub(crate) fn live_tasks() -> usize {
    core::runtime::live_tasks()
}
