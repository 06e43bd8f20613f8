//! Where a URL leads, checked before anything is sent there.

use std::net::IpAddr;

use url::{Host, Url};

use crate::error::NetError;
use crate::header::Header;

/// The parts of a URL that a connection needs.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) url: Url,
    pub(crate) secure: bool,
    /// Without the brackets of an IPv6 address.
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) loopback: bool,
}

impl Target {
    /// Parses `url`, whose scheme must be `plain` or `secure`.
    ///
    /// No message repeats the URL: a query or user part may hold a key.
    pub(crate) fn parse(url: &str, plain: &str, secure: &str) -> Result<Self, NetError> {
        let parsed = Url::parse(url).map_err(|error| invalid(error.to_string()))?;
        let scheme = parsed.scheme();
        if scheme != plain && scheme != secure {
            return Err(invalid(format!(
                "the scheme is {scheme:?}; wanted {secure}:// or {plain}://"
            )));
        }
        if !parsed.username().is_empty() || parsed.password().is_some() {
            return Err(invalid("a user name or password in the URL; send it as a header".into()));
        }
        let is_secure = scheme == secure;
        let (host, loopback) = match parsed.host() {
            None => return Err(invalid("it names no host".into())),
            Some(Host::Domain(name)) => (name.to_owned(), is_local_name(name)),
            Some(Host::Ipv4(ip)) => (ip.to_string(), IpAddr::V4(ip).is_loopback()),
            Some(Host::Ipv6(ip)) => (ip.to_string(), IpAddr::V6(ip).is_loopback()),
        };
        let port = parsed.port().unwrap_or(if is_secure { 443 } else { 80 });
        Ok(Self { url: parsed, secure: is_secure, host, port, loopback })
    }

    /// Refuses a secret header on an unencrypted connection to another machine.
    pub(crate) fn guard_secrets(&self, headers: &[Header], allow: bool) -> Result<(), NetError> {
        if self.secure || self.loopback || allow {
            return Ok(());
        }
        match headers.iter().find(|header| header.sensitive) {
            None => Ok(()),
            Some(header) => {
                Err(NetError::InsecureKey { host: self.host.clone(), header: header.name.clone() })
            }
        }
    }

    /// `host[:port]` as it goes into the `Host` header: the port only if it is not the usual one.
    pub(crate) fn authority(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        match (self.secure, self.port) {
            (true, 443) | (false, 80) => host.to_owned(),
            (_, port) => format!("{host}:{port}"),
        }
    }

    /// The path and query of the request line.
    pub(crate) fn path_and_query(&self) -> String {
        match self.url.query() {
            Some(query) => format!("{}?{query}", self.url.path()),
            None => self.url.path().to_owned(),
        }
    }
}

/// Whether `name` means this machine (RFC 6761, section 6.3).
pub(crate) fn is_local_name(name: &str) -> bool {
    let name = name.trim_end_matches('.');
    name.eq_ignore_ascii_case("localhost") || name.to_ascii_lowercase().ends_with(".localhost")
}

fn invalid(message: String) -> NetError {
    NetError::InvalidUrl { message }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ws(url: &str) -> Result<Target, NetError> {
        Target::parse(url, "ws", "wss")
    }

    #[test]
    fn a_url_gives_host_port_and_path() {
        let target = ws("wss://Example.COM/v1/realtime?model=a%20b&x=1#frag").unwrap();
        assert_eq!((target.host.as_str(), target.port), ("example.com", 443));
        assert_eq!(target.authority(), "example.com");
        assert_eq!(target.path_and_query(), "/v1/realtime?model=a%20b&x=1");
        let target = ws("ws://[::1]:8080").unwrap();
        assert_eq!((target.host.as_str(), target.port), ("::1", 8080));
        assert_eq!(target.authority(), "[::1]:8080");
        assert_eq!(target.path_and_query(), "/");
    }

    #[test]
    fn a_url_that_will_not_do_is_refused_without_being_repeated() {
        for url in ["", "wss://", "http://h/", "wss://user:sk-canary@h/", "wss://h:99999/sk-canary"]
        {
            let error = ws(url).err().unwrap();
            assert_eq!(error.code(), "invalid_url", "{url}");
            assert!(!error.to_string().contains("canary"), "{error}");
        }
    }

    #[test]
    fn a_secret_goes_only_encrypted_or_to_this_machine() {
        let headers = [Header::new("Authorization", "Bearer sk-canary")];
        let refused = ["ws://example.com/", "ws://localhost.example.com/", "ws://10.0.0.1/"];
        for url in refused {
            let error = ws(url).unwrap().guard_secrets(&headers, false).unwrap_err();
            assert_eq!(error.code(), "insecure_key");
            assert!(!format!("{error} {error:?}").contains("canary"));
            assert!(ws(url).unwrap().guard_secrets(&headers, true).is_ok());
            assert!(ws(url).unwrap().guard_secrets(&[], false).is_ok());
        }
        let fine = ["wss://example.com/", "ws://localhost/", "ws://127.9.9.9/", "ws://[::1]/"];
        for url in fine {
            assert!(ws(url).unwrap().guard_secrets(&headers, false).is_ok(), "{url}");
        }
    }
}
