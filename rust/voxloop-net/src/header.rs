//! A header field whose value may be a secret, and the removal of secrets from what peers send.

use std::fmt;

use ::http::{HeaderMap, HeaderName, HeaderValue};
use bytes::Bytes;

use crate::error::NetError;

/// Fields that carry a credential whoever sets them.
const SECRET_NAMES: [&str; 6] =
    ["authorization", "proxy-authorization", "api-key", "x-api-key", "cookie", "set-cookie"];

/// One header field. The value of a `sensitive` one is in no `Debug` output and no error.
#[derive(Clone, PartialEq, Eq)]
pub struct Header {
    /// The field name, in the case it was given or received in.
    pub name: String,
    /// The field value.
    pub value: String,
    /// Whether the value is a secret.
    pub sensitive: bool,
}

impl Header {
    /// A header that is sensitive if its name is one that carries credentials.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        let name = name.into();
        let sensitive = SECRET_NAMES.iter().any(|secret| name.eq_ignore_ascii_case(secret));
        Self { name, value: value.into(), sensitive }
    }

    /// A header that is sensitive whatever its name.
    pub fn secret(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), value: value.into(), sensitive: true }
    }
}

impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = if self.sensitive { "[redacted]" } else { &self.value };
        write!(f, "{}: {value}", self.name)
    }
}

/// Checks `headers` and makes them the HTTP library's, secrets marked.
pub(crate) fn to_map(headers: &[Header]) -> Result<HeaderMap, NetError> {
    let mut map = HeaderMap::with_capacity(headers.len());
    for header in headers {
        let name = HeaderName::from_bytes(header.name.as_bytes())
            .map_err(|_| invalid(format!("{:?} is not a header name", header.name)))?;
        let mut value = HeaderValue::from_bytes(header.value.as_bytes()).map_err(|_| {
            invalid(format!("the value of header {name} has characters no header may have"))
        })?;
        value.set_sensitive(header.sensitive);
        map.append(name, value);
    }
    Ok(map)
}

/// Headers as received; a value that is not UTF-8 has the bad bytes replaced.
pub(crate) fn from_map(map: &HeaderMap, secrets: &Secrets) -> Vec<Header> {
    map.iter()
        .map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes());
            Header::new(name.as_str(), secrets.scrub(&value))
        })
        .collect()
}

fn invalid(message: String) -> NetError {
    NetError::InvalidConfig { message }
}

/// The secrets of one request, to be taken out of whatever the peer echoes.
#[derive(Clone, Default)]
pub(crate) struct Secrets(Vec<String>);

impl Secrets {
    pub(crate) fn of(headers: &[Header]) -> Self {
        let mut secrets: Vec<String> = headers
            .iter()
            .filter(|header| header.sensitive)
            // Of "Bearer KEY", KEY; short words such as the scheme are no secrets.
            .flat_map(|header| header.value.split_whitespace())
            .filter(|word| word.len() >= 8)
            .map(str::to_owned)
            .collect();
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        Self(secrets)
    }

    pub(crate) fn scrub(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in &self.0 {
            if text.contains(secret) {
                text = text.replace(secret, "[redacted]");
            }
        }
        text
    }

    /// As [`Self::scrub`]; bytes that are not text are left alone unless a secret is in them.
    pub(crate) fn scrub_bytes(&self, bytes: &[u8]) -> Bytes {
        let text = String::from_utf8_lossy(bytes);
        let scrubbed = self.scrub(&text);
        if scrubbed == text { Bytes::copy_from_slice(bytes) } else { scrubbed.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secret_values_are_in_no_debug_output() {
        let headers = [
            Header::new("Authorization", "Bearer sk-canary-1"),
            Header::new("X-API-Key", "sk-canary-2"),
            Header::secret("X-Mine", "sk-canary-3"),
            Header::new("Accept", "text/plain"),
        ];
        let shown = format!("{headers:?} {headers:#?}");
        assert!(!shown.contains("canary"), "{shown}");
        assert!(shown.contains("Accept: text/plain"));
    }

    #[test]
    fn an_echoed_secret_is_taken_out() {
        let secrets = Secrets::of(&[Header::new("Authorization", "Bearer sk-canary-1")]);
        assert_eq!(secrets.scrub("Incorrect key sk-canary-1."), "Incorrect key [redacted].");
        assert_eq!(secrets.scrub("Bearer of news"), "Bearer of news");
        assert_eq!(&secrets.scrub_bytes(b"\xff sk-canary-1")[..], "\u{fffd} [redacted]".as_bytes());
        assert_eq!(&secrets.scrub_bytes(b"\xff raw")[..], b"\xff raw");
    }

    #[test]
    fn a_bad_header_is_refused_without_its_value() {
        let error = to_map(&[Header::secret("x-key", "sk-canary\r\nEvil: 1")]).unwrap_err();
        assert!(!error.to_string().contains("canary"), "{error}");
        assert!(to_map(&[Header::new("bad name", "v")]).is_err());
        assert!(to_map(&[Header::secret("x-key", "fine")]).unwrap()["x-key"].is_sensitive());
    }
}
