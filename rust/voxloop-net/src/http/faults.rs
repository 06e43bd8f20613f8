//! What went wrong under an HTTP exchange, in this crate's terms.

use std::error::Error;
use std::io;
use std::time::Duration;

use super::request::Plan;
use crate::error::{ConnectKind, NetError, Phase};
use crate::proxy::Proxy;
use crate::tls_fault;

/// An error of the HTTP library as one of ours, without the URL.
pub(crate) fn of(error: reqwest::Error, plan: &Plan, connect_timeout: Duration) -> NetError {
    let target = &plan.target;
    if error.is_connect() && error.is_timeout() {
        return NetError::Timeout { phase: Phase::Connect, after: connect_timeout };
    }
    let error = error.without_url();
    let host = target.host.clone();
    if let Some(tls) = find::<rustls::Error>(&error) {
        return tls_fault::of(tls, &host);
    }
    let message = innermost(&error);
    if error.is_connect() {
        let kind = if mentions(&error, "dns error") {
            ConnectKind::Dns
        } else {
            find::<io::Error>(&error).map_or(ConnectKind::Other, ConnectKind::of)
        };
        return match &plan.proxy {
            None => NetError::ConnectFailed { host, port: target.port, kind, message },
            Some(proxy) => of_proxy(&error, proxy, &host, kind, &message),
        };
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

/// The library tells a proxy's refusal by its words alone.
fn of_proxy(
    error: &(dyn Error + 'static),
    proxy: &Proxy,
    target: &str,
    kind: ConnectKind,
    message: &str,
) -> NetError {
    let refused = ["authorization required", "credentials", "authentication", "not allowed"];
    let kind = if refused.iter().any(|words| mentions(error, words)) {
        ConnectKind::ProxyRefused
    } else if kind == ConnectKind::Other {
        ConnectKind::Proxy
    } else {
        kind
    };
    let message = format!("{message} (the proxy for {target})");
    NetError::ConnectFailed { host: proxy.host.clone(), port: proxy.port, kind, message }
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
