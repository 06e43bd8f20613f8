//! What went wrong under an HTTP exchange, in this crate's terms.

use std::error::Error;
use std::io;
use std::time::Duration;

use crate::error::{ConnectKind, NetError, Phase};
use crate::target::Target;

/// An error of the HTTP library as one of ours, without the URL.
pub(crate) fn of(error: reqwest::Error, target: &Target, connect_timeout: Duration) -> NetError {
    if error.is_connect() && error.is_timeout() {
        return NetError::Timeout { phase: Phase::Connect, after: connect_timeout };
    }
    let error = error.without_url();
    let host = target.host.clone();
    if let Some(tls) = find::<rustls::Error>(&error) {
        return NetError::TlsFailed { host, message: tls.to_string() };
    }
    let message = innermost(&error);
    if error.is_connect() {
        let kind = if mentions(&error, "dns error") {
            ConnectKind::Dns
        } else {
            find::<io::Error>(&error).map_or(ConnectKind::Other, ConnectKind::of)
        };
        return NetError::ConnectFailed { host, port: target.port, kind, message };
    }
    if error.is_builder() {
        return NetError::InvalidConfig { message };
    }
    if find::<io::Error>(&error).is_some() || mentions(&error, "connection closed") {
        return NetError::unclean(message);
    }
    if error.is_body() || error.is_decode() || mentions(&error, "end of file") {
        return NetError::unclean(format!("the response body was cut short: {message}"));
    }
    NetError::Protocol { message }
}

/// The first error of type `E` in the chain. An `io::Error` hides what it wraps from `source`.
fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if let Some(found) = wrapped.and_then(|wrapped| find::<E>(wrapped)) {
            return Some(found);
        }
        next = error.source();
    }
    None
}

fn mentions(error: &(dyn Error + 'static), text: &str) -> bool {
    chain(error).any(|error| error.to_string().contains(text))
}

fn innermost(error: &(dyn Error + 'static)) -> String {
    chain(error).last().map(ToString::to_string).unwrap_or_default()
}

fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}
