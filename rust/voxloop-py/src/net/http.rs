//! One HTTP request and its response.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString};
use voxloop_net as core;

use super::{HeaderTuple, WayTuple, headers_in, headers_out, way_in};
use crate::error;

/// A part of a form: name, content (`bytes`, or the path of a file), file name, content type.
type PartTuple<'py> = (String, Bound<'py, PyAny>, Option<String>, Option<String>);

/// Status and headers of an HTTP response; the first item of a call.
#[pyclass(frozen, module = "voxloop._native")]
pub(crate) struct HttpHead {
    #[pyo3(get)]
    status: u16,
    #[pyo3(get)]
    version: &'static str,
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
    /// None once aborted: the traceback of an error may hold this object for a long time, and is
    /// not to hold descriptors with it.
    call: Mutex<Option<Arc<core::HttpCall>>>,
}

#[pymethods]
impl HttpCall {
    #[staticmethod]
    #[pyo3(signature = (method, url, *, headers, body, connect_timeout, first_byte_timeout,
        idle_timeout, total_timeout, way))]
    #[allow(clippy::too_many_arguments)] // keyword-only in Python, one per setting
    fn start(
        py: Python<'_>,
        method: &str,
        url: &str,
        headers: Vec<HeaderTuple>,
        body: Option<Bound<'_, PyAny>>,
        connect_timeout: f64,
        first_byte_timeout: f64,
        idle_timeout: f64,
        total_timeout: Option<f64>,
        way: WayTuple,
    ) -> PyResult<Self> {
        let mut request = core::HttpRequest::new(method, url);
        request.headers = headers_in(headers);
        request.body = body_in(body)?;
        request.connect_timeout = Duration::from_secs_f64(connect_timeout);
        request.first_byte_timeout = Some(Duration::from_secs_f64(first_byte_timeout));
        request.idle_timeout = Some(Duration::from_secs_f64(idle_timeout));
        request.total_timeout = total_timeout.map(Duration::from_secs_f64);
        (request.tls, request.proxy, request.allow_insecure_key) = way_in(way);
        let call = py.detach(|| core::HttpCall::start(request));
        let call = call.map_err(|failure| error::net(py, &failure))?;
        Ok(Self { call: Mutex::new(Some(Arc::new(call))) })
    }

    fn fileno(&self) -> i32 {
        self.call().map_or(-1, |call| call.recv_fileno())
    }

    /// The head, then pieces of the body, then None once the body is complete.
    fn drain<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let list = PyList::empty(py);
        match self.call().and_then(|call| call.drain()) {
            Ok(core::Drained::Items(items)) => {
                for item in items {
                    match item {
                        core::HttpItem::Head { status, version, headers, .. } => {
                            list.append(Bound::new(py, HttpHead { status, version, headers })?)?;
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

    fn send_fileno(&self) -> i32 {
        self.call().ok().and_then(|call| call.send_fileno()).unwrap_or(-1)
    }

    fn try_send(&self, py: Python<'_>, data: &Bound<'_, PyAny>) -> PyResult<bool> {
        let data = bytes_in(data)?;
        let call = self.call().map_err(core::TrySend::Closed);
        match call.and_then(|call| call.try_send(data)) {
            Ok(()) => Ok(true),
            Err(core::TrySend::Full) => Ok(false),
            Err(core::TrySend::Closed(failure)) => Err(error::net(py, &failure)),
        }
    }

    /// Says that a streamed body is complete.
    fn end_body(&self, py: Python<'_>) -> PyResult<()> {
        let ended = self.call().and_then(|call| call.end_body());
        ended.map_err(|failure| error::net(py, &failure))
    }

    fn abort(&self) {
        let call = self.call.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(call) = call {
            call.abort();
        }
    }
}

impl HttpCall {
    fn call(&self) -> Result<Arc<core::HttpCall>, core::NetError> {
        let call = self.call.lock().unwrap_or_else(PoisonError::into_inner).clone();
        call.ok_or_else(|| core::NetError::Closed {
            code: None,
            reason: "aborted by the caller".to_owned(),
            clean: false,
        })
    }
}

/// A body as Python gives it: `bytes`, the parts of a form, or the length of a stream.
fn body_in(body: Option<Bound<'_, PyAny>>) -> PyResult<core::HttpBody> {
    let Some(body) = body else { return Ok(core::HttpBody::Empty) };
    if let Ok((length,)) = body.extract::<(Option<u64>,)>() {
        return Ok(core::HttpBody::Stream { length });
    }
    if let Ok(parts) = body.cast::<PyList>() {
        let parts: PyResult<_> = parts.iter().map(|part| part_in(&part)).collect();
        return Ok(core::HttpBody::Multipart(parts?));
    }
    Ok(core::HttpBody::Bytes(bytes_in(&body)?))
}

fn part_in(part: &Bound<'_, PyAny>) -> PyResult<core::Part> {
    let (name, content, filename, content_type): PartTuple<'_> = part.extract()?;
    let data = if let Ok(path) = content.cast::<PyString>() {
        core::PartData::File(path.extract()?)
    } else {
        core::PartData::Bytes(bytes_in(&content)?)
    };
    Ok(core::Part { name, filename, content_type, data })
}

/// A copy, so that no network thread ever lets go of a Python object.
fn bytes_in(data: &Bound<'_, PyAny>) -> PyResult<Bytes> {
    Ok(Bytes::copy_from_slice(data.cast::<PyBytes>()?.as_bytes()))
}
