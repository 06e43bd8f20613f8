//! Failures of TLS, found in what wraps them.

use std::io;

use crate::error::{NetError, TlsKind};

/// The failure that `error` stands for, if TLS is at fault and not the line under it.
pub(crate) fn of_io(error: &io::Error, host: &str) -> Option<NetError> {
    let tls = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    Some(of(tls, host))
}

/// The failure that `error` stands for.
pub(crate) fn of(error: &rustls::Error, host: &str) -> NetError {
    let kind = TlsKind::of(error);
    let advice = match kind {
        TlsKind::UnknownAuthority => "; if it is right, give ca_file",
        TlsKind::ClientCertificate => "; the server judges client_cert",
        _ => "",
    };
    NetError::TlsFailed { host: host.to_owned(), kind, message: format!("{error}{advice}") }
}
