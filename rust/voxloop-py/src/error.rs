//! Errors of the core crates become the exceptions of `voxloop._errors`, by one total match each.

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use voxloop_audio::AudioError;
use voxloop_media::MediaError;
use voxloop_net::NetError;

/// An exception of `voxloop._errors`, made from its class name, message and keyword fields.
fn raise(
    py: Python<'_>,
    class: &str,
    message: &str,
    fields: impl FnOnce(&Bound<'_, PyDict>) -> PyResult<()>,
) -> PyErr {
    let made = || -> PyResult<PyErr> {
        let class = py.import("voxloop._errors")?.getattr(class)?;
        let keywords = PyDict::new(py);
        fields(&keywords)?;
        let arguments = PyTuple::new(py, [message])?;
        Ok(PyErr::from_value(class.call(arguments, Some(&keywords))?))
    };
    made().unwrap_or_else(|failure| {
        PyRuntimeError::new_err(format!("{message} (and its exception failed: {failure})"))
    })
}

/// The exception for a misuse of a handle, such as two tasks at once.
pub(crate) fn misuse(py: Python<'_>, class: &str, message: &str) -> PyErr {
    raise(py, class, message, |_| Ok(()))
}

/// The exception for an error of the audio crate.
pub(crate) fn audio(py: Python<'_>, error: &AudioError) -> PyErr {
    let message = error.to_string();
    let (class, offset) = match error {
        AudioError::Wav { offset, .. } | AudioError::WavEncoding { offset, .. } => {
            ("WavError", Some(*offset))
        }
        AudioError::Container { .. } => ("WavError", Some(0)),
        _ => ("AudioFormatError", None),
    };
    raise(py, class, &message, |fields| {
        if let Some(offset) = offset {
            fields.set_item("offset", offset)?;
        }
        fields.set_item("code", error.code())
    })
}

/// The exception for a function whose result is a numpy array.
pub(crate) fn numpy_is_missing(py: Python<'_>) -> PyErr {
    let message = "this needs numpy: pip install 'voxloop[numpy]'";
    raise(py, "MissingExtra", message, |fields| fields.set_item("extra", "numpy"))
}

/// The exception for an error of the media crate.
pub(crate) fn media(py: Python<'_>, failure: &MediaError) -> PyErr {
    match failure {
        MediaError::Audio(failure) => audio(py, failure),
        MediaError::Net(failure) => net(py, failure),
        MediaError::Device { fault, message } => {
            raise(py, "DeviceError", message, |fields| fields.set_item("reason", fault.as_str()))
        }
        MediaError::Busy(_) => misuse(py, "ConcurrencyError", &failure.to_string()),
        other => misuse(py, "ConfigError", &other.to_string()),
    }
}

/// The exception for an error of the net crate.
pub(crate) fn net(py: Python<'_>, failure: &NetError) -> PyErr {
    let message = failure.to_string();
    let retryable = failure.retryable();
    match failure {
        NetError::ConnectFailed { host, port, kind, .. } => {
            raise(py, "ConnectFailed", &message, |fields| {
                fields.set_item("host", format!("{host}:{port}"))?;
                fields.set_item("reason", kind.as_str())?;
                fields.set_item("retryable", retryable)
            })
        }
        NetError::TlsFailed { kind, .. } => {
            raise(py, "TlsFailed", &message, |fields| fields.set_item("reason", kind.as_str()))
        }
        NetError::HandshakeRejected { status, headers, body_head } => {
            raise(py, "HandshakeRejected", &message, |fields| {
                fields.set_item("status", status)?;
                fields.set_item("headers", crate::net::headers_out(py, headers)?)?;
                fields.set_item("body_head", String::from_utf8_lossy(body_head))?;
                fields.set_item("retryable", retryable)
            })
        }
        NetError::Timeout { phase, .. } => {
            raise(py, "NetworkTimeout", &message, |fields| fields.set_item("phase", phase.as_str()))
        }
        NetError::Closed { code, reason, clean } => {
            raise(py, "ConnectionClosed", &message, |fields| {
                fields.set_item("close_code", code)?;
                fields.set_item("reason", reason)?;
                fields.set_item("clean", clean)?;
                fields.set_item("retryable", retryable)
            })
        }
        NetError::Protocol { .. } | NetError::TooBig { .. } => {
            raise(py, "ProtocolError", &message, |fields| fields.set_item("code", failure.code()))
        }
        NetError::InvalidUrl { .. }
        | NetError::InvalidConfig { .. }
        | NetError::InsecureKey { .. } => {
            raise(py, "ConfigError", &message, |fields| fields.set_item("code", failure.code()))
        }
        NetError::UseAfterClose { .. } => misuse(py, "UseAfterClose", &message),
        NetError::Forked { .. } => misuse(py, "ForkedProcessError", &message),
        NetError::Crash { .. } => misuse(py, "NativeCrash", &message),
        _ => misuse(py, "NetworkError", &message),
    }
}
