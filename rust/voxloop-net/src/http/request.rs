//! What a request is made of, and the check of it.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use ::http::header::ACCEPT_ENCODING;
use ::http::{HeaderMap, HeaderValue, Method};
use bytes::Bytes;

use crate::error::NetError;
use crate::header::{self, Header, Secrets};
use crate::proxy::{Proxy, ProxyChoice};
use crate::target::Target;
use crate::tls::TlsConfig;

/// A request. [`HttpRequest::new`] has the defaults.
#[derive(Clone)]
pub struct HttpRequest {
    /// The method, such as `POST`.
    pub method: String,
    /// An `http://` or `https://` URL.
    pub url: String,
    /// The headers. A multipart body sets its own content type.
    pub headers: Vec<Header>,
    /// The body.
    pub body: HttpBody,
    /// For name lookup, TCP and TLS: 5 s.
    pub connect_timeout: Duration,
    /// From the start, or the last part of a streamed body, to the head of the response: 30 s.
    pub first_byte_timeout: Option<Duration>,
    /// For each next part of the body, not counted while the inbox is full: 10 s.
    pub idle_timeout: Option<Duration>,
    /// For the whole exchange: 60 s.
    pub total_timeout: Option<Duration>,
    /// Bytes received and not taken before reading stops: 256 KiB.
    pub inbox_bytes: usize,
    /// The largest body, once decompressed; `None` for any, which never takes more memory than the
    /// inbox.
    pub max_body_bytes: Option<u64>,
    /// Whom to trust and who we are.
    pub tls: TlsConfig,
    /// Whether to go through a proxy.
    pub proxy: ProxyChoice,
    /// Lets sensitive headers go unencrypted to another machine.
    pub allow_insecure_key: bool,
}

/// A request body. All but a streamed one can be sent again as they were.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum HttpBody {
    /// None.
    #[default]
    Empty,
    /// These bytes.
    Bytes(Bytes),
    /// `multipart/form-data`.
    Multipart(Vec<Part>),
    /// What [`crate::HttpCall::try_send`] is given, until [`crate::HttpCall::end_body`].
    Stream {
        /// How many bytes will come; `None` sends them in chunks of unknown number.
        length: Option<u64>,
    },
}

/// One part of a multipart body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The field name.
    pub name: String,
    /// The file name, for a file.
    pub filename: Option<String>,
    /// The media type, such as `audio/wav`.
    pub content_type: Option<String>,
    /// The content.
    pub data: PartData,
}

/// The content of a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PartData {
    /// These bytes.
    Bytes(Bytes),
    /// What is in this file, read while it is sent.
    File(PathBuf),
}

impl HttpRequest {
    /// The defaults for a request without a body.
    pub fn new(method: impl Into<String>, url: impl Into<String>) -> Self {
        Self {
            method: method.into(),
            url: url.into(),
            headers: Vec::new(),
            body: HttpBody::Empty,
            connect_timeout: Duration::from_secs(5),
            first_byte_timeout: Some(Duration::from_secs(30)),
            idle_timeout: Some(Duration::from_secs(10)),
            total_timeout: Some(Duration::from_secs(60)),
            inbox_bytes: 256 << 10,
            max_body_bytes: None,
            tls: TlsConfig::default(),
            proxy: ProxyChoice::default(),
            allow_insecure_key: false,
        }
    }

    /// Checks everything that can be checked before connecting.
    pub(crate) fn check(&self) -> Result<Plan, NetError> {
        let target = Target::parse(&self.url, "http", "https")?;
        target.guard_secrets(&self.headers, self.allow_insecure_key)?;
        self.tls.check()?;
        let proxy = Proxy::choose(&self.proxy, &target)?;
        if let Some(proxy) = &proxy {
            proxy.guard_secrets(&target, &self.headers, self.allow_insecure_key)?;
        }
        let method = Method::from_bytes(self.method.as_bytes())
            .map_err(|_| invalid(format!("{:?} is not an HTTP method", self.method)))?;
        if self.inbox_bytes == 0 {
            return Err(invalid("inbox_bytes is 0; wanted 1 or more".to_owned()));
        }
        let mut headers = header::to_map(&self.headers)?;
        // Nothing here is worth the time a server takes to compress it: speech hardly shrinks, and
        // an event in a compressor's buffer is late. One that compresses unasked is understood.
        headers.entry(ACCEPT_ENCODING).or_insert(HeaderValue::from_static("identity"));
        self.body.check()?;
        Ok(Plan { target, proxy, method, headers, secrets: Secrets::of(&self.headers) })
    }
}

impl HttpBody {
    fn check(&self) -> Result<(), NetError> {
        let Self::Multipart(parts) = self else { return Ok(()) };
        for content_type in parts.iter().filter_map(|part| part.content_type.as_deref()) {
            if reqwest::multipart::Part::text("").mime_str(content_type).is_err() {
                return Err(invalid(format!("{content_type:?} is not a media type")));
            }
        }
        Ok(())
    }
}

impl fmt::Debug for HttpRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A query may hold a key, and a body what somebody said.
        f.debug_struct("HttpRequest")
            .field("method", &self.method)
            .field("url", &self.url.split(['?', '#']).next().unwrap_or_default())
            .field("headers", &self.headers)
            .finish_non_exhaustive()
    }
}

/// A checked request.
pub(crate) struct Plan {
    pub(crate) target: Target,
    pub(crate) proxy: Option<Proxy>,
    pub(crate) method: Method,
    pub(crate) headers: HeaderMap,
    pub(crate) secrets: Secrets,
}

fn invalid(message: String) -> NetError {
    NetError::InvalidConfig { message }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_will_not_do_are_named() {
        let refused = |change: &dyn Fn(&mut HttpRequest)| {
            let mut request = HttpRequest::new("GET", "http://127.0.0.1/");
            change(&mut request);
            request.check().err().unwrap()
        };
        assert!(refused(&|r| r.method = "GE T".into()).to_string().contains("GE T"));
        assert!(refused(&|r| r.inbox_bytes = 0).to_string().contains("inbox_bytes"));
        assert_eq!(refused(&|r| r.url = "ws://h/".into()).code(), "invalid_url");
        let part = |content_type: &str| Part {
            name: "file".into(),
            filename: Some("a.wav".into()),
            content_type: Some(content_type.into()),
            data: PartData::Bytes(Bytes::new()),
        };
        let error = refused(&|r| r.body = HttpBody::Multipart(vec![part("not a type")]));
        assert!(error.to_string().contains("not a type"), "{error}");
    }

    #[test]
    fn debug_shows_no_secret() {
        let mut request = HttpRequest::new("POST", "https://h/v1?key=sk-canary");
        request.headers.push(Header::new("Authorization", "Bearer sk-canary"));
        request.body = HttpBody::Bytes("sk-canary".into());
        let shown = format!("{request:?}");
        assert!(!shown.contains("canary"), "{shown}");
    }
}
