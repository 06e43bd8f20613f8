//! What a WebSocket connection can be told, and the check of it.

use std::fmt;
use std::time::Duration;

use ::http::HeaderMap;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use crate::error::NetError;
use crate::header::{self, Header, Secrets};
use crate::proxy::{Proxy, ProxyChoice};
use crate::target::Target;
use crate::tls::TlsConfig;

/// Bytes that the protocol library asks for at once. It fills as many with zeros before each read, so
/// that they are resident for every connection; the socket is read further ahead than that.
const READ_BUFFER: usize = 2 * 1024;
/// Bytes from which on what is to be sent is written to the socket. The protocol library keeps what
/// room it once took for them, so that every connection that was late once holds it.
const WRITE_BUFFER: usize = 4 * 1024;
/// The protocol library sets this much address space aside for a frame that claims to be as large.
const MAX_MESSAGE: usize = 256 << 20;
/// Fields the handshake sets itself.
const RESERVED: [&str; 4] = ["connection", "content-length", "host", "transfer-encoding"];

/// How to open a WebSocket. [`WsConfig::new`] has the defaults.
#[derive(Clone)]
pub struct WsConfig {
    /// A `ws://` or `wss://` URL.
    pub url: String,
    /// Headers of the upgrade request, besides those of the protocol.
    pub headers: Vec<Header>,
    /// Subprotocols to offer, most wanted first.
    pub subprotocols: Vec<String>,
    /// For name lookup, TCP, TLS and the upgrade together: 10 s.
    pub open_timeout: Duration,
    /// From [`crate::WsClient::close`] to the end of the connection: 2 s.
    pub close_timeout: Duration,
    /// Between keepalive pings: 15 s. `None` sends none.
    pub ping_interval: Option<Duration>,
    /// For a sign of life after a ping: 10 s. `None` does not judge.
    pub ping_timeout: Option<Duration>,
    /// The largest message and frame, either way: 16 MiB, and never above 256 MiB.
    pub max_message_bytes: usize,
    /// Bytes received and not taken before reading stops: 8 MiB.
    pub inbox_bytes: usize,
    /// Bytes sent and not written before sending is refused: 4 MiB.
    pub outbox_bytes: usize,
    /// How long what an interpreter made may wait, so that one wake-up is for several: 20 ms.
    pub coalesce: Duration,
    /// Whom to trust and who we are.
    pub tls: TlsConfig,
    /// Whether to go through a proxy.
    pub proxy: ProxyChoice,
    /// Lets sensitive headers go unencrypted to another machine.
    pub allow_insecure_key: bool,
}

impl WsConfig {
    /// The defaults for `url`.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            headers: Vec::new(),
            subprotocols: Vec::new(),
            open_timeout: Duration::from_secs(10),
            close_timeout: Duration::from_secs(2),
            ping_interval: Some(Duration::from_secs(15)),
            ping_timeout: Some(Duration::from_secs(10)),
            max_message_bytes: 16 << 20,
            inbox_bytes: 8 << 20,
            outbox_bytes: 4 << 20,
            coalesce: Duration::from_millis(20),
            tls: TlsConfig::default(),
            proxy: ProxyChoice::default(),
            allow_insecure_key: false,
        }
    }

    /// Checks everything that can be checked before connecting.
    pub(crate) fn check(&self) -> Result<Plan, NetError> {
        let target = Target::parse(&self.url, "ws", "wss")?;
        target.guard_secrets(&self.headers, self.allow_insecure_key)?;
        self.tls.check()?;
        let proxy = Proxy::choose(&self.proxy, &target)?;
        if let Some(proxy) = &proxy {
            proxy.guard_secrets(&target, &self.headers, self.allow_insecure_key)?;
        }
        let headers = header::to_map(&self.headers)?;
        for name in headers.keys().map(::http::HeaderName::as_str) {
            if RESERVED.contains(&name) || name == "upgrade" || name.starts_with("sec-websocket-") {
                return Err(invalid(format!("header {name} is set by the WebSocket handshake")));
            }
        }
        for name in &self.subprotocols {
            if name.is_empty() || !name.bytes().all(is_token) {
                return Err(invalid("a subprotocol is not a token of RFC 9110".to_owned()));
            }
        }
        for (name, bytes) in [
            ("max_message_bytes", self.max_message_bytes),
            ("inbox_bytes", self.inbox_bytes),
            ("outbox_bytes", self.outbox_bytes),
        ] {
            if bytes == 0 {
                return Err(invalid(format!("{name} is 0; wanted 1 or more")));
            }
        }
        if self.max_message_bytes > MAX_MESSAGE {
            let bytes = self.max_message_bytes;
            return Err(invalid(format!(
                "max_message_bytes is {bytes}; wanted {MAX_MESSAGE} or fewer"
            )));
        }
        if self.ping_interval.is_some_and(|interval| interval.is_zero()) {
            return Err(invalid(
                "ping_interval is 0; wanted more, or none for no pings".to_owned(),
            ));
        }
        Ok(Plan { target, proxy, headers, secrets: Secrets::of(&self.headers) })
    }

    /// What an open connection goes by; the rest is of no use to it.
    pub(crate) fn into_times(self: Box<Self>) -> Times {
        Times {
            ping_interval: self.ping_interval,
            ping_timeout: self.ping_timeout,
            close: self.close_timeout,
            coalesce: self.coalesce,
        }
    }

    /// The limits, as the protocol library wants them.
    pub(crate) fn protocol_limits(&self) -> WebSocketConfig {
        WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(WRITE_BUFFER)
            // The buffer grows past its target only while the socket takes nothing; one batch and
            // one message of the largest size must fit.
            .max_write_buffer_size(self.max_message_bytes.saturating_add(4 * WRITE_BUFFER + 1024))
            .max_message_size(Some(self.max_message_bytes))
            .max_frame_size(Some(self.max_message_bytes))
    }
}

impl fmt::Debug for WsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A query may hold a key, and so may a subprotocol.
        f.debug_struct("WsConfig")
            .field("url", &self.url.split(['?', '#']).next().unwrap_or_default())
            .field("headers", &self.headers)
            .field("subprotocols", &self.subprotocols.len())
            .finish_non_exhaustive()
    }
}

/// A checked configuration.
pub(crate) struct Plan {
    pub(crate) target: Target,
    pub(crate) proxy: Option<Proxy>,
    pub(crate) headers: HeaderMap,
    pub(crate) secrets: Secrets,
}

impl Plan {
    /// What an open connection must not tell; all that it took to open one goes. (Of a box that is
    /// taken apart in place, the other parts would stay as long as the function runs.)
    pub(crate) fn into_secrets(self: Box<Self>) -> Secrets {
        self.secrets
    }
}

/// How long an open connection waits for what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    pub(crate) ping_interval: Option<Duration>,
    pub(crate) ping_timeout: Option<Duration>,
    pub(crate) close: Duration,
    pub(crate) coalesce: Duration,
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn invalid(message: String) -> NetError {
    NetError::InvalidConfig { message }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(change: impl FnOnce(&mut WsConfig)) -> String {
        let mut config = WsConfig::new("ws://127.0.0.1/");
        change(&mut config);
        let error = config.check().err().unwrap();
        assert_eq!(error.code(), "invalid_config");
        error.to_string()
    }

    #[test]
    fn options_out_of_range_are_named() {
        assert!(refused(|c| c.inbox_bytes = 0).contains("inbox_bytes"));
        assert!(refused(|c| c.outbox_bytes = 0).contains("outbox_bytes"));
        assert!(refused(|c| c.max_message_bytes = 0).contains("max_message_bytes"));
        assert!(refused(|c| c.max_message_bytes = usize::MAX).contains("or fewer"));
        assert!(refused(|c| c.ping_interval = Some(Duration::ZERO)).contains("ping_interval"));
        assert!(refused(|c| c.subprotocols = vec!["a b".into()]).contains("subprotocol"));
        for name in ["Host", "Upgrade", "Sec-WebSocket-Key", "Connection"] {
            let message = refused(|c| c.headers = vec![Header::new(name, "x")]);
            assert!(message.contains(&name.to_lowercase()), "{message}");
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let mut config = WsConfig::new("wss://h/v1?api-key=sk-canary");
        config.headers.push(Header::new("Authorization", "Bearer sk-canary"));
        config.subprotocols.push("openai-insecure-api-key.sk-canary".into());
        let shown = format!("{config:?}");
        assert!(!shown.contains("canary"), "{shown}");
        assert!(shown.contains("wss://h/v1"), "{shown}");
    }
}
