//! Whether a connection goes through a proxy, and through which.

use std::env;
use std::fmt;
use std::net::IpAddr;

use ::http::Uri;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper_util::client::proxy::matcher::Matcher;
use percent_encoding::percent_decode_str;
use url::{Host, Url};

use crate::error::NetError;
use crate::header::Header;
use crate::target::{Target, is_local_name};

/// Which proxy to use.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum ProxyChoice {
    /// What `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` say. The lower-case names count
    /// too and win. Never for this machine itself.
    #[default]
    Environment,
    /// None.
    Direct,
    /// This one, for every host: `http://`, `https://`, `socks5://` (names are looked up here) or
    /// `socks5h://` (by the proxy), with a user name and password if it wants them.
    Url(String),
}

impl fmt::Debug for ProxyChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Environment => "Environment",
            Self::Direct => "Direct",
            Self::Url(_) => "Url([redacted])",
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Scheme {
    Http,
    Https,
    /// Names are looked up by us.
    Socks5,
    /// Names are looked up by the proxy.
    Socks5h,
}

impl Scheme {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "http" => Some(Self::Http),
            "https" => Some(Self::Https),
            "socks5" => Some(Self::Socks5),
            "socks5h" => Some(Self::Socks5h),
            _ => None,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Socks5 => "socks5",
            Self::Socks5h => "socks5h",
        }
    }

    fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
            Self::Socks5 | Self::Socks5h => 1080,
        }
    }
}

/// A proxy and what it is to be told. Its `Debug` shows no login.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Proxy {
    pub(crate) scheme: Scheme,
    pub(crate) host: String,
    pub(crate) port: u16,
    /// User name and password.
    pub(crate) login: Option<(String, String)>,
}

impl Proxy {
    /// The proxy for `target`, if any.
    ///
    /// # Errors
    /// [`NetError::InvalidConfig`] for a proxy that cannot be one; it names the variable or option.
    pub(crate) fn choose(choice: &ProxyChoice, target: &Target) -> Result<Option<Self>, NetError> {
        match choice {
            ProxyChoice::Direct => Ok(None),
            ProxyChoice::Url(url) => Self::parse(url, "proxy").map(Some),
            ProxyChoice::Environment => Self::of_environment(target, |name| env::var(name).ok()),
        }
    }

    fn of_environment(
        target: &Target,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, NetError> {
        if target.loopback {
            return Ok(None);
        }
        let find = |name: &'static str| {
            // A web server hands a request's Proxy header to its CGI programs as HTTP_PROXY.
            let forged = name == "HTTP_PROXY" && variable("REQUEST_METHOD").is_some();
            variable(&name.to_ascii_lowercase())
                .or_else(|| variable(name).filter(|_| !forged))
                .filter(|value| !value.trim().is_empty())
                .map(|value| (value, name))
        };
        let own = if target.secure { "HTTPS_PROXY" } else { "HTTP_PROXY" };
        let Some((url, name)) = find(own).or_else(|| find("ALL_PROXY")) else { return Ok(None) };
        let exempt = find("NO_PROXY").is_some_and(|(list, _)| is_exempt(target, &list));
        if exempt { Ok(None) } else { Self::parse(url.trim(), name).map(Some) }
    }

    fn parse(text: &str, from: &str) -> Result<Self, NetError> {
        // No message repeats the text: it may hold a password.
        let invalid = |why: &str| NetError::InvalidConfig {
            message: format!(
                "{from} is not the URL of a proxy: {why}; wanted http://, https://, socks5:// or \
                 socks5h://, a host, and perhaps user:password@ and a port"
            ),
        };
        let with_scheme = format!("http://{text}");
        let text = if text.contains("://") { text } else { &with_scheme };
        let url = Url::parse(text).map_err(|error| invalid(&error.to_string()))?;
        let scheme = Scheme::parse(url.scheme()).ok_or_else(|| invalid("of another scheme"))?;
        let host = match url.host() {
            Some(Host::Ipv6(ip)) => ip.to_string(),
            Some(host) if !host.to_string().is_empty() => host.to_string(),
            _ => return Err(invalid("it names no host")),
        };
        let decoded = |text: &str| {
            let text = percent_decode_str(text).decode_utf8();
            text.map(String::from).map_err(|_| invalid("its login is not UTF-8"))
        };
        let login = match (url.username(), url.password()) {
            ("", None) => None,
            (user, password) => Some((decoded(user)?, decoded(password.unwrap_or_default())?)),
        };
        let too_long = |text: &String| text.len() > 255;
        if login.as_ref().is_some_and(|(user, password)| too_long(user) || too_long(password)) {
            return Err(invalid("its user name or password is above 255 bytes"));
        }
        let port = url.port().unwrap_or(scheme.default_port());
        Ok(Self { scheme, host, port, login })
    }

    /// `scheme://[login@]host:port` for the HTTP library. Holds the login: never to be shown.
    pub(crate) fn url(&self) -> Result<Url, NetError> {
        let host = bracketed(&self.host);
        let made = Url::parse(&format!("{}://{host}:{}", self.scheme.as_str(), self.port));
        let mut url = made.map_err(|error| NetError::InvalidConfig {
            message: format!("the host of the proxy cannot be in a URL: {error}"),
        })?;
        if let Some((user, password)) = &self.login {
            // These fail for URLs without a host only.
            let _ = url.set_username(user);
            let _ = url.set_password(Some(password));
        }
        Ok(url)
    }

    /// The value of `Proxy-Authorization` (RFC 7617).
    pub(crate) fn basic(&self) -> Option<String> {
        let (user, password) = self.login.as_ref()?;
        Some(format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
    }

    /// Refuses a secret that would lie open on the way to the proxy, or in it.
    pub(crate) fn guard_secrets(
        &self,
        target: &Target,
        headers: &[Header],
        allow: bool,
    ) -> Result<(), NetError> {
        let here = is_local_name(&self.host)
            || self.host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
        if target.secure || here || self.scheme == Scheme::Https || allow {
            return Ok(());
        }
        match headers.iter().find(|header| header.sensitive) {
            None => Ok(()),
            Some(header) => {
                Err(NetError::InsecureKey { host: self.host.clone(), header: header.name.clone() })
            }
        }
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}:{}", self.scheme.as_str(), bracketed(&self.host), self.port)
    }
}

/// `host` as it stands before a port.
pub(crate) fn bracketed(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}

/// Whether `NO_PROXY` names the target: by name, by a suffix of it, by address or by network.
fn is_exempt(target: &Target, list: &str) -> bool {
    let rules = Matcher::builder().all("http://proxy.invalid").no(list).build();
    let uri: Result<Uri, _> = format!("http://{}/", bracketed(&target.host)).parse();
    uri.is_ok_and(|uri| rules.intercept(&uri).is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: &str) -> Target {
        Target::parse(url, "ws", "wss").unwrap()
    }

    /// The proxy for `url` where these variables are set.
    fn chosen(url: &str, variables: &[(&str, &str)]) -> Option<String> {
        let variable = |name: &str| {
            let found = variables.iter().find(|(set, _)| *set == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let proxy = Proxy::of_environment(&target(url), variable).unwrap();
        proxy.map(|proxy| format!("{proxy:?}"))
    }

    #[test]
    fn the_variable_fits_the_scheme_and_lower_case_wins() {
        let set = [("HTTPS_PROXY", "http://a:1"), ("HTTP_PROXY", "b:2"), ("ALL_PROXY", "c")];
        assert_eq!(chosen("wss://h/", &set).unwrap(), "http://a:1");
        assert_eq!(chosen("ws://h/", &set).unwrap(), "http://b:2");
        assert_eq!(chosen("wss://h/", &set[1..]).unwrap(), "http://c:80");
        let set = [("https_proxy", "socks5h://d"), ("HTTPS_PROXY", "http://a:1")];
        assert_eq!(chosen("wss://h/", &set).unwrap(), "socks5h://d:1080");
        assert_eq!(chosen("wss://h/", &[("HTTPS_PROXY", " ")]), None);
        assert_eq!(chosen("wss://h/", &[]), None);
    }

    #[test]
    fn a_cgi_program_does_not_believe_http_proxy() {
        let set = [("HTTP_PROXY", "http://evil"), ("REQUEST_METHOD", "GET")];
        assert_eq!(chosen("ws://h/", &set), None);
        let set = [("http_proxy", "http://fine"), ("REQUEST_METHOD", "GET")];
        assert_eq!(chosen("ws://h/", &set).unwrap(), "http://fine:80");
    }

    #[test]
    fn what_no_proxy_names_goes_direct() {
        let through = |url: &str, list: &str| {
            chosen(url, &[("ALL_PROXY", "http://p"), ("NO_PROXY", list)]).is_some()
        };
        assert!(!through("wss://api.example.com/", "example.com"));
        assert!(!through("wss://api.example.com/", "other, .example.com"));
        assert!(through("wss://notexample.com/", "example.com"));
        assert!(!through("wss://10.1.2.3/", "10.0.0.0/8"));
        assert!(through("wss://11.1.2.3/", "10.0.0.0/8"));
        assert!(!through("wss://[fd00::1]/", "fd00::/8"));
        assert!(!through("wss://h/", "*"));
        for url in ["ws://localhost/", "ws://127.0.0.1/", "ws://[::1]/", "ws://a.localhost/"] {
            assert!(!through(url, "nothing"), "{url}");
        }
    }

    #[test]
    fn what_cannot_be_a_proxy_is_refused_without_its_password() {
        for text in ["ftp://u:canary@h", "http://u:canary@", "socks4://canary@h", "http://[canary"]
        {
            let choice = ProxyChoice::Url(text.to_owned());
            let error = Proxy::choose(&choice, &target("wss://h/")).unwrap_err();
            assert_eq!(error.code(), "invalid_config", "{text}");
            assert!(!format!("{error} {error:?} {choice:?}").contains("canary"), "{error}");
        }
    }

    #[test]
    fn a_login_is_decoded_and_kept_out_of_sight() {
        let proxy = Proxy::parse("http://us%40er:p%3Aw@[::1]:3128", "proxy").unwrap();
        assert_eq!(proxy.login, Some(("us@er".to_owned(), "p:w".to_owned())));
        assert_eq!(proxy.basic().unwrap(), format!("Basic {}", STANDARD.encode("us@er:p:w")));
        assert_eq!(format!("{proxy:?}"), "http://[::1]:3128");
        assert_eq!(proxy.url().unwrap().as_str(), "http://us%40er:p%3Aw@[::1]:3128/");
    }

    #[test]
    fn a_key_does_not_lie_open_on_the_way_to_a_proxy() {
        let headers = [Header::new("Authorization", "Bearer sk-canary")];
        let guard = |proxy: &str, url: &str| {
            Proxy::parse(proxy, "proxy").unwrap().guard_secrets(&target(url), &headers, false)
        };
        let error = guard("http://p:3128", "ws://localhost/").unwrap_err();
        assert_eq!(error.code(), "insecure_key");
        for (proxy, url) in [
            ("http://p:3128", "wss://h/"),
            ("https://p:3128", "ws://localhost/"),
            ("socks5://127.0.0.1", "ws://localhost/"),
            ("http://localhost:1", "ws://localhost/"),
        ] {
            assert!(guard(proxy, url).is_ok(), "{proxy} {url}");
        }
    }
}
