//! What a request is made of, and the check of it.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use ::http::{HeaderMap, Method};
use bytes::Bytes;
use reqwest::multipart::Form;

use crate::error::NetError;
use crate::header::{self, Header, Secrets};
use crate::target::Target;

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
    /// From the start to the head of the response: 30 s.
    pub first_byte_timeout: Option<Duration>,
    /// For each next part of the body, not counted while the inbox is full: 10 s.
    pub idle_timeout: Option<Duration>,
    /// For the whole exchange: 60 s.
    pub total_timeout: Option<Duration>,
    /// Bytes received and not taken before reading stops: 256 KiB.
    pub inbox_bytes: usize,
    /// The largest body; `None` for any, which never takes more memory than the inbox.
    pub max_body_bytes: Option<u64>,
    /// A PEM file of the only roots to trust, instead of `SSL_CERT_FILE` or the platform's.
    pub ca_file: Option<PathBuf>,
    /// Lets sensitive headers go unencrypted to another machine.
    pub allow_insecure_key: bool,
}

/// A request body. Cheap to clone, so that a request can be made again as it was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum HttpBody {
    /// None.
    #[default]
    Empty,
    /// These bytes.
    Bytes(Bytes),
    /// `multipart/form-data`.
    Multipart(Vec<Part>),
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
    pub data: Bytes,
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
            ca_file: None,
            allow_insecure_key: false,
        }
    }

    /// Checks everything that can be checked before connecting.
    pub(crate) fn check(&self) -> Result<Plan, NetError> {
        let target = Target::parse(&self.url, "http", "https")?;
        target.guard_secrets(&self.headers, self.allow_insecure_key)?;
        let method = Method::from_bytes(self.method.as_bytes())
            .map_err(|_| invalid(format!("{:?} is not an HTTP method", self.method)))?;
        if self.inbox_bytes == 0 {
            return Err(invalid("inbox_bytes is 0; wanted 1 or more".to_owned()));
        }
        let headers = header::to_map(&self.headers)?;
        // Made once here for its errors; a form cannot be cloned, so the task makes its own.
        self.body.form()?;
        Ok(Plan { target, method, headers, secrets: Secrets::of(&self.headers) })
    }
}

impl HttpBody {
    /// The form of a multipart body.
    pub(crate) fn form(&self) -> Result<Option<Form>, NetError> {
        let Self::Multipart(parts) = self else { return Ok(None) };
        let mut form = Form::new();
        for part in parts {
            let length = part.data.len() as u64;
            let mut body = reqwest::multipart::Part::stream_with_length(part.data.clone(), length);
            if let Some(filename) = &part.filename {
                body = body.file_name(filename.clone());
            }
            if let Some(content_type) = &part.content_type {
                body = body
                    .mime_str(content_type)
                    .map_err(|_| invalid(format!("{content_type:?} is not a media type")))?;
            }
            form = form.part(part.name.clone(), body);
        }
        Ok(Some(form))
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
            data: Bytes::new(),
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
