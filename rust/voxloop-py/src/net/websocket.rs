//! One WebSocket connection.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString};
use voxloop_media::{Hub, Incoming};
use voxloop_net as core;

use super::{HeaderTuple, WayTuple, headers_in, headers_out, way_in};
use crate::error;
use crate::realtime::{incoming, seconds};

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

    fn item(py: Python<'_>, item: core::WsItem<Incoming>) -> PyResult<Bound<'_, PyAny>> {
        match item {
            core::WsItem::Made(made) => incoming(py, made)?.into_bound_py_any(py),
            core::WsItem::Open { headers, subprotocol, handshake_us, .. } => {
                let seconds = Duration::from_micros(handshake_us).as_secs_f64();
                Handshake { headers, subprotocol, seconds }.into_bound_py_any(py)
            }
            core::WsItem::Text { text, at_ns } => {
                (PyString::new(py, text.as_str()), seconds(at_ns)).into_bound_py_any(py)
            }
            core::WsItem::Binary { data, at_ns } => {
                (PyBytes::new(py, &data), seconds(at_ns)).into_bound_py_any(py)
            }
        }
    }
}

#[pymethods]
impl WebSocket {
    #[staticmethod]
    #[pyo3(signature = (url, *, headers, subprotocols, open_timeout, close_timeout, ping_interval,
        ping_timeout, max_message_bytes, inbox_bytes, outbox_bytes, way, coalesce, decode_audio))]
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
        way: WayTuple,
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
        (config.tls, config.proxy, config.allow_insecure_key) = way_in(way);
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
                let batch = PyList::empty(py);
                for item in items {
                    batch.append(Self::item(py, item)?)?;
                }
                Ok(batch)
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
            let queue = |text: &str| self.client.try_send_text(text);
            match &self.hub {
                Some(hub) => hub.sending(&text, queue),
                None => queue(&text),
            }
        } else {
            let bytes = data.cast::<PyBytes>()?.as_bytes();
            self.client.try_send_binary(Bytes::copy_from_slice(bytes))
        };
        taken(py, sent)
    }

    /// `input_audio_buffer.append` with these bytes, made here.
    fn try_append(&self, py: Python<'_>, data: &[u8]) -> PyResult<bool> {
        taken(py, self.client.try_send_string(voxloop_media::codec::append(data)))
    }

    fn keep_messages(&self, wanted: bool) {
        if let Some(hub) = &self.hub {
            hub.keep_messages(wanted);
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
        dict.set_item("pongs", stats.pongs_received)?;
        dict.set_item("inbox_bytes", stats.inbox_bytes)?;
        dict.set_item("outbox_bytes", stats.outbox_bytes)?;
        Ok(dict)
    }
}

/// Whether a message found room.
fn taken(py: Python<'_>, sent: Result<(), core::TrySend>) -> PyResult<bool> {
    match sent {
        Ok(()) => Ok(true),
        Err(core::TrySend::Full) => Ok(false),
        Err(core::TrySend::Closed(failure)) => Err(error::net(py, &failure)),
    }
}
