//! What can go wrong, as plain data that may cross threads and be kept.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;

use crate::header::Header;

/// Why a TCP connection could not be made.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectKind {
    /// The host name has no address.
    Dns,
    /// Nothing listens on the port.
    Refused,
    /// There is no way to the host.
    Unreachable,
    /// The peer broke the connection off while it was being made.
    Reset,
    /// The proxy could not make the connection.
    Proxy,
    /// The proxy does not want to: it asks for a login, or forbids the target.
    ProxyRefused,
    /// Anything else the operating system said.
    Other,
}

impl ConnectKind {
    /// A stable name: `dns`, `refused`, `unreachable`, `reset`, `proxy`, `proxy_refused` or `other`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::Reset => "reset",
            Self::Proxy => "proxy",
            Self::ProxyRefused => "proxy_refused",
            Self::Other => "other",
        }
    }

    pub(crate) fn of(error: &std::io::Error) -> Self {
        use std::io::ErrorKind as K;
        match error.kind() {
            K::ConnectionRefused => Self::Refused,
            K::HostUnreachable | K::NetworkUnreachable | K::NetworkDown | K::TimedOut => {
                Self::Unreachable
            }
            K::ConnectionReset | K::ConnectionAborted | K::BrokenPipe | K::UnexpectedEof => {
                Self::Reset
            }
            _ => Self::Other,
        }
    }
}

/// Why there is no TLS session.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsKind {
    /// The certificate is no longer valid, or not yet.
    Expired,
    /// The certificate is for another name.
    WrongHost,
    /// Nobody we trust vouches for the certificate.
    UnknownAuthority,
    /// The server wants a certificate of ours, or another one.
    ClientCertificate,
    /// No version or cipher both sides know, or what came is not TLS.
    Protocol,
    /// Anything else.
    Other,
}

impl TlsKind {
    /// A stable name, such as `wrong_host`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::WrongHost => "wrong_host",
            Self::UnknownAuthority => "unknown_authority",
            Self::ClientCertificate => "client_certificate",
            Self::Protocol => "protocol",
            Self::Other => "other",
        }
    }

    pub(crate) fn of(error: &rustls::Error) -> Self {
        use rustls::{AlertDescription as A, CertificateError as C, Error as E};
        match error {
            E::InvalidCertificate(why) => match why {
                C::Expired
                | C::ExpiredContext { .. }
                | C::NotValidYet
                | C::NotValidYetContext { .. } => Self::Expired,
                C::NotValidForName | C::NotValidForNameContext { .. } => Self::WrongHost,
                C::UnknownIssuer => Self::UnknownAuthority,
                _ => Self::Other,
            },
            // The server speaks of our certificate.
            E::AlertReceived(
                A::CertificateRequired
                | A::BadCertificate
                | A::CertificateExpired
                | A::CertificateRevoked
                | A::CertificateUnknown
                | A::UnsupportedCertificate
                | A::UnknownCA
                | A::AccessDenied,
            ) => Self::ClientCertificate,
            E::PeerIncompatible(_)
            | E::InvalidMessage(_)
            | E::AlertReceived(A::ProtocolVersion | A::HandshakeFailure) => Self::Protocol,
            _ => Self::Other,
        }
    }
}

/// What a deadline was set for.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Name lookup and TCP.
    Connect,
    /// The way through a proxy.
    Proxy,
    /// The TLS handshake.
    Tls,
    /// The WebSocket upgrade.
    Handshake,
    /// The head of an HTTP response.
    FirstByte,
    /// The next part of an HTTP body.
    Idle,
    /// A whole HTTP exchange.
    Total,
    /// The answer to a keepalive ping.
    Ping,
    /// The closing handshake.
    Close,
}

impl Phase {
    /// A stable name, such as `first_byte`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Proxy => "proxy",
            Self::Tls => "tls",
            Self::Handshake => "handshake",
            Self::FirstByte => "first_byte",
            Self::Idle => "idle",
            Self::Total => "total",
            Self::Ping => "ping",
            Self::Close => "close",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "connecting",
            Self::Proxy => "the proxy's work",
            Self::Tls => "the TLS handshake",
            Self::Handshake => "the WebSocket handshake",
            Self::FirstByte => "the head of the response",
            Self::Idle => "the next part of the response",
            Self::Total => "the whole response",
            Self::Ping => "the answer to a ping",
            Self::Close => "the answer to a close",
        })
    }
}

/// Everything that can end a connection or a request, or refuse a call.
///
/// No variant holds a URL with its query, or the value of a sensitive header.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NetError {
    /// No TCP connection.
    #[error("cannot connect to {host} port {port}: {message}")]
    ConnectFailed {
        /// The host name or address.
        host: String,
        /// The port.
        port: u16,
        /// The kind of failure.
        kind: ConnectKind,
        /// What the operating system said.
        message: String,
    },
    /// No TLS session, or no usable roots to check one with.
    #[error("no TLS session with {host}: {message}")]
    TlsFailed {
        /// The host name or address.
        host: String,
        /// The kind of failure.
        kind: TlsKind,
        /// What was wrong.
        message: String,
    },
    /// The server answered the WebSocket upgrade with something other than 101.
    #[error("the server answered the WebSocket handshake with status {status}{}", elsewhere(*status, headers))]
    HandshakeRejected {
        /// The HTTP status.
        status: u16,
        /// The response headers.
        headers: Vec<Header>,
        /// Up to 4 KiB of the body, without the secrets of the request.
        body_head: Bytes,
    },
    /// A deadline passed.
    #[error("no end of {phase} within {after:?}")]
    Timeout {
        /// What was waited for.
        phase: Phase,
        /// The deadline, from its beginning.
        after: Duration,
    },
    /// The WebSocket, or the connection under an HTTP response, is closed.
    #[error("{}", closed_text(*code, reason, *clean))]
    Closed {
        /// The code of the peer's Close frame; 1005 if it had none; `None` without a Close frame.
        code: Option<u16>,
        /// The reason of the Close frame, or what broke.
        reason: String,
        /// Whether the peer said Close.
        clean: bool,
    },
    /// The peer broke the protocol.
    #[error("the peer broke the protocol: {message}")]
    Protocol {
        /// How.
        message: String,
    },
    /// More bytes than the limit allows.
    #[error("{what} is larger than the limit of {limit} bytes{}", size_text(*size))]
    TooBig {
        /// What is too large.
        what: &'static str,
        /// The limit, in bytes.
        limit: usize,
        /// The size, in bytes, where it is known.
        size: Option<usize>,
    },
    /// The URL is not one of the wanted kind.
    #[error("invalid URL: {message}")]
    InvalidUrl {
        /// What is wrong with it.
        message: String,
    },
    /// An option is out of its range.
    #[error("invalid configuration: {message}")]
    InvalidConfig {
        /// Which, and what it may be.
        message: String,
    },
    /// A secret would go over an unencrypted connection to another machine.
    #[error(
        "header {header} is secret and the connection to {host} is not encrypted; use wss:// or \
         https://, or allow it explicitly"
    )]
    InsecureKey {
        /// The host.
        host: String,
        /// The name of the header.
        header: String,
    },
    /// The handle was closed before.
    #[error("{what} is closed")]
    UseAfterClose {
        /// The kind of handle.
        what: &'static str,
    },
    /// The handle was made before a fork and belongs to the parent process.
    #[error("{what} belongs to the process this one was forked from; open another one here")]
    Forked {
        /// The kind of handle.
        what: &'static str,
    },
    /// A task of this crate panicked: a bug in voxloop.
    #[error("internal error in the network task: {message}")]
    Crash {
        /// The text of the panic.
        message: String,
    },
}

impl NetError {
    /// A stable name of the kind of error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::ConnectFailed { .. } => "connect_failed",
            Self::TlsFailed { .. } => "tls_failed",
            Self::HandshakeRejected { .. } => "handshake_rejected",
            Self::Timeout { .. } => "timeout",
            Self::Closed { .. } => "connection_closed",
            Self::Protocol { .. } => "protocol_error",
            Self::TooBig { .. } => "too_big",
            Self::InvalidUrl { .. } => "invalid_url",
            Self::InvalidConfig { .. } => "invalid_config",
            Self::InsecureKey { .. } => "insecure_key",
            Self::UseAfterClose { .. } => "use_after_close",
            Self::Forked { .. } => "forked",
            Self::Crash { .. } => "native_crash",
        }
    }

    /// Whether the same attempt, made again, may go better.
    pub fn retryable(&self) -> bool {
        match self {
            Self::ConnectFailed { kind, .. } => *kind != ConnectKind::ProxyRefused,
            Self::Timeout { .. } => true,
            Self::HandshakeRejected { status, .. } => crate::retry::retryable_status(*status),
            Self::Closed { code, .. } => Self::close_retryable(*code),
            _ => false,
        }
    }

    /// Whether a WebSocket closed with `code` (`None`: without a Close frame) may be opened again.
    pub fn close_retryable(code: Option<u16>) -> bool {
        matches!(code, None | Some(1001 | 1005 | 1006 | 1011..=1015))
    }

    pub(crate) fn unclean(reason: impl Into<String>) -> Self {
        Self::Closed { code: None, reason: reason.into(), clean: false }
    }
}

fn closed_text(code: Option<u16>, reason: &str, clean: bool) -> String {
    let how = if clean { "closed by the peer" } else { "lost" };
    let code = code.map(|code| format!(" with code {code}")).unwrap_or_default();
    let reason = if reason.is_empty() { String::new() } else { format!(": {reason}") };
    format!("connection {how}{code}{reason}")
}

/// Where a redirect points: its origin, as the rest may hold a secret.
fn elsewhere(status: u16, headers: &[Header]) -> String {
    let location = headers.iter().find(|header| header.name.eq_ignore_ascii_case("location"));
    let Some(location) = location.filter(|_| (300..400).contains(&status)) else {
        return String::new();
    };
    let to = match url::Url::parse(&location.value) {
        Ok(url) => format!("{}://{}", url.scheme(), url.host_str().unwrap_or_default()),
        Err(_) => "another path".to_owned(),
    };
    format!(", a redirect to {to}; none is followed: open the right address yourself")
}

fn size_text(size: Option<usize>) -> String {
    size.map(|size| format!(" ({size} bytes)")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closes_are_retried_as_the_policy_says() {
        for code in [1001, 1005, 1006, 1011, 1012, 1013, 1015] {
            assert!(NetError::close_retryable(Some(code)), "{code}");
        }
        for code in [1000, 1002, 1003, 1007, 1008, 1009, 1010, 3000, 4000, 4999] {
            assert!(!NetError::close_retryable(Some(code)), "{code}");
        }
        assert!(NetError::close_retryable(None));
    }

    #[test]
    fn messages_say_what_happened() {
        let lost = NetError::unclean("connection reset");
        assert_eq!(lost.to_string(), "connection lost: connection reset");
        let over = NetError::Closed { code: Some(4001), reason: "over".into(), clean: true };
        assert_eq!(over.to_string(), "connection closed by the peer with code 4001: over");
        let big = NetError::TooBig { what: "message", limit: 5, size: Some(9) };
        assert_eq!(big.to_string(), "message is larger than the limit of 5 bytes (9 bytes)");
    }

    #[test]
    fn a_redirect_is_named_without_its_secrets() {
        let rejected = |status, location: &str| NetError::HandshakeRejected {
            status,
            headers: vec![Header::new("Location", location)],
            body_head: Bytes::new(),
        };
        let text = rejected(307, "https://u:canary@other.example/a?key=canary").to_string();
        assert!(text.contains("a redirect to https://other.example;"), "{text}");
        assert!(!text.contains("canary"), "{text}");
        assert!(rejected(302, "/canary").to_string().contains("another path"));
        assert!(!rejected(401, "https://other.example").to_string().contains("other"));
    }

    #[test]
    fn errors_stay_small_enough_to_return() {
        assert!(std::mem::size_of::<NetError>() <= 96, "{}", std::mem::size_of::<NetError>());
    }
}
