//! From here to the target: straight, or through a proxy.

use std::future::{Ready, ready};
use std::io;
use std::task::{Context, Poll};

use ::http::Uri;
use hyper_util::client::legacy::connect::proxy::SocksV5;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::lookup_host;
use tower_service::Service;

use super::connect::secure;
use super::dial::dial;
use super::head::{HeadFault, read_head};
use crate::error::{ConnectKind, NetError, Phase};
use crate::proxy::{Proxy, Scheme, bracketed};
use crate::runtime::Host;
use crate::socket::Line;
use crate::target::Target;
use crate::tls::TlsConfig;

/// A line on which what is written reaches `target`. `phase` follows the steps.
pub(crate) async fn reach(
    host: &'static Host,
    tls: &TlsConfig,
    target: &Target,
    proxy: Option<&Proxy>,
    phase: &mut Phase,
) -> Result<Line, NetError> {
    let Some(proxy) = proxy else {
        return dial(&target.host, target.port).await.map(Line::Tcp);
    };
    let dialed = dial(&proxy.host, proxy.port).await;
    let tcp = dialed.map_err(|error| blame(error, target))?;
    *phase = Phase::Proxy;
    match proxy.scheme {
        Scheme::Http => connect(Line::Tcp(tcp), proxy, target).await,
        Scheme::Https => {
            let line = secure(host, tls, &proxy.host, tcp).await?;
            connect(Line::Tls(Box::new(line)), proxy, target).await
        }
        Scheme::Socks5 | Scheme::Socks5h => socks(Line::Tcp(tcp), proxy, target).await,
    }
}

/// A failure to reach the proxy names it already; this adds what it was wanted for.
fn blame(error: NetError, target: &Target) -> NetError {
    match error {
        NetError::ConnectFailed { host, port, kind, message } => {
            let message = format!("{message} (the proxy for {})", target.host);
            NetError::ConnectFailed { host, port, kind, message }
        }
        other => other,
    }
}

fn failed(proxy: &Proxy, kind: ConnectKind, message: String) -> NetError {
    NetError::ConnectFailed { host: proxy.host.clone(), port: proxy.port, kind, message }
}

/// Asks an HTTP proxy for a tunnel (RFC 9110, section 9.3.6).
async fn connect<S>(mut line: S, proxy: &Proxy, target: &Target) -> Result<S, NetError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let to = format!("{}:{}", bracketed(&target.host), target.port);
    let login = proxy.basic().map(|value| format!("Proxy-Authorization: {value}\r\n"));
    let login = login.unwrap_or_default();
    let request = format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n{login}\r\n");
    let lost = |error: &io::Error| {
        let kind = ConnectKind::of(error);
        failed(proxy, kind, format!("the proxy went away before the tunnel was made: {error}"))
    };
    line.write_all(request.as_bytes()).await.map_err(|error| lost(&error))?;
    line.flush().await.map_err(|error| lost(&error))?;
    let mut early = Vec::with_capacity(512);
    let head = read_head(&mut line, &mut early).await.map_err(|fault| match fault {
        HeadFault::Io(error) => lost(&error),
        HeadFault::Ended => lost(&io::ErrorKind::UnexpectedEof.into()),
        HeadFault::TooLong => {
            failed(proxy, ConnectKind::Proxy, "the proxy's answer has no end".to_owned())
        }
        HeadFault::NotHttp(why) => {
            failed(proxy, ConnectKind::Proxy, format!("the proxy does not speak HTTP: {why}"))
        }
    })?;
    match head.status {
        200..=299 if early.is_empty() => Ok(line),
        200..=299 => {
            let message = "the proxy sent bytes of its own into the tunnel".to_owned();
            Err(failed(proxy, ConnectKind::Proxy, message))
        }
        status => Err(refusal(proxy, status)),
    }
}

fn refusal(proxy: &Proxy, status: u16) -> NetError {
    let (kind, why) = match (status, &proxy.login) {
        (407, None) => (ConnectKind::ProxyRefused, "; it wants a user name and password"),
        (407, Some(_)) => (ConnectKind::ProxyRefused, "; it refused the user name or password"),
        (400..=499, _) => (ConnectKind::ProxyRefused, ""),
        _ => (ConnectKind::Proxy, ""),
    };
    failed(proxy, kind, format!("the proxy answered CONNECT with status {status}{why}"))
}

/// Asks a SOCKS proxy for a tunnel (RFC 1928, RFC 1929).
async fn socks(line: Line, proxy: &Proxy, target: &Target) -> Result<Line, NetError> {
    let mut host = target.host.clone();
    if proxy.scheme == Scheme::Socks5 {
        // `socks5h` leaves the look-up to the proxy.
        let found = lookup_host((target.host.as_str(), target.port)).await;
        let mut addresses = found.map_err(|error| no_name(target, &error.to_string()))?;
        let address = addresses.next().ok_or_else(|| no_name(target, "it has no address"))?;
        host = address.ip().to_string();
    }
    let uri: Uri = format!("socks5://{}:{}", bracketed(&host), target.port)
        .parse()
        .map_err(|_| no_name(target, "it cannot be told to a proxy"))?;
    let mut service = SocksV5::new(Uri::default(), Made(Some(TokioIo::new(line))));
    if let Some((user, password)) = &proxy.login {
        service = service.with_auth(user.clone(), password.clone());
    }
    match service.call(uri).await {
        Ok(line) => Ok(line.into_inner()),
        Err(error) => {
            let text = error.to_string();
            let refused = ["credentials", "authentication", "not allowed"];
            let kind = if refused.iter().any(|word| text.contains(word)) {
                ConnectKind::ProxyRefused
            } else {
                ConnectKind::Proxy
            };
            Err(failed(proxy, kind, format!("the proxy made no tunnel: {text}")))
        }
    }
}

fn no_name(target: &Target, why: &str) -> NetError {
    NetError::ConnectFailed {
        host: target.host.clone(),
        port: target.port,
        kind: ConnectKind::Dns,
        message: why.to_owned(),
    }
}

/// Gives the one connection that was made already to the library that speaks SOCKS over it.
struct Made(Option<TokioIo<Line>>);

impl Service<Uri> for Made {
    type Response = TokioIo<Line>;
    type Error = io::Error;
    type Future = Ready<io::Result<TokioIo<Line>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        ready(self.0.take().ok_or_else(|| io::ErrorKind::NotConnected.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;

    fn proxy(login: bool) -> Proxy {
        let login = login.then(|| ("user".to_owned(), "sk-canary".to_owned()));
        Proxy { scheme: Scheme::Http, host: "proxy.example".to_owned(), port: 3128, login }
    }

    /// What comes of this answer, and what the proxy was asked.
    async fn asked(answer: &str, login: bool) -> (Result<(), NetError>, String) {
        let (ours, mut theirs) = tokio::io::duplex(4096);
        theirs.write_all(answer.as_bytes()).await.unwrap();
        let target = Target::parse("wss://[fd00::1]/", "ws", "wss").unwrap();
        let result = connect(ours, &proxy(login), &target).await.map(drop);
        let mut request = String::new();
        let _ = tokio::time::timeout(
            std::time::Duration::from_secs(5),
            theirs.read_to_string(&mut request),
        )
        .await;
        (result, request)
    }

    #[tokio::test]
    async fn a_tunnel_is_asked_for_with_the_login() {
        let (result, request) = asked("HTTP/1.1 200 Connection established\r\n\r\n", true).await;
        assert_eq!(result, Ok(()));
        assert!(request.starts_with("CONNECT [fd00::1]:443 HTTP/1.1\r\nHost: [fd00::1]:443\r\n"));
        assert!(request.contains(&proxy(true).basic().unwrap()), "{request}");
    }

    #[tokio::test]
    async fn a_refusal_says_which_proxy_and_why() {
        for (answer, login, kind, words) in [
            ("HTTP/1.1 407 No\r\n\r\n", false, "proxy_refused", "wants a user name"),
            ("HTTP/1.1 407 No\r\n\r\n", true, "proxy_refused", "refused the user name"),
            ("HTTP/1.1 403 No\r\n\r\n", false, "proxy_refused", "status 403"),
            ("HTTP/1.1 502 No\r\n\r\n", false, "proxy", "status 502"),
            ("HTTP/1.1 200 OK\r\n\r\nearly", false, "proxy", "of its own"),
            ("SSH-2.0-x\r\n\r\n", false, "proxy", "does not speak HTTP"),
        ] {
            let error = asked(answer, login).await.0.unwrap_err();
            let NetError::ConnectFailed { kind: got, .. } = &error else { panic!("{error}") };
            assert_eq!((got.as_str(), error.retryable()), (kind, kind == "proxy"), "{error}");
            let text = error.to_string();
            assert!(text.contains("proxy.example") && text.contains(words), "{text}");
            assert!(!format!("{error:?}").contains("canary"));
        }
    }
}
