//! The upgrade request and its answer (RFC 6455, section 4).
//!
//! Done here rather than by the protocol library, which drops the stream of a refused upgrade
//! before the server's explanation in the body can be read.

use std::time::Duration;

use ::http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE};
use ::http::{HeaderMap, HeaderName, HeaderValue};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::config::{Plan, WsConfig};
use super::head::{HeadFault, MAX_HEAD, read_head};
use crate::error::NetError;
use crate::header::{self, Header};
use crate::target::Target;

const MAX_BODY_HEAD: usize = 4096;
/// For the body of a refusal, which is of use but not worth waiting for.
const BODY_WAIT: Duration = Duration::from_secs(1);

/// A server's consent.
pub(crate) struct Upgraded {
    pub(crate) status: u16,
    pub(crate) headers: Vec<Header>,
    pub(crate) subprotocol: Option<String>,
    /// Frames that came with the response.
    pub(crate) early_bytes: Vec<u8>,
}

/// Asks for the upgrade and checks the answer.
pub(crate) async fn upgrade<S>(
    stream: &mut S,
    config: &WsConfig,
    plan: &Plan,
) -> Result<Upgraded, NetError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let key = generate_key();
    let request = write_request(&key, config, plan);
    let lost = |error: std::io::Error| lost(&error, &plan.target);
    stream.write_all(&request).await.map_err(lost)?;
    stream.flush().await.map_err(lost)?;
    let mut buffer = Vec::with_capacity(1024);
    let head = read_head(stream, &mut buffer).await.map_err(|fault| match fault {
        HeadFault::Io(error) => lost(error),
        HeadFault::Ended => NetError::unclean("the peer closed during the WebSocket handshake"),
        HeadFault::TooLong => {
            let what = "the head of the handshake response";
            NetError::TooBig { what, limit: MAX_HEAD, size: None }
        }
        HeadFault::NotHttp(why) => broken(format!("the handshake response is not HTTP: {why}")),
    })?;
    if head.status != 101 {
        let body = read_body_head(stream, buffer, &head.fields).await;
        return Err(NetError::HandshakeRejected {
            status: head.status,
            headers: header::from_map(&head.fields, &plan.secrets),
            body_head: plan.secrets.scrub_bytes(&body),
        });
    }
    let subprotocol = check_consent(&head.fields, &key, &config.subprotocols)?;
    let headers = header::from_map(&head.fields, &plan.secrets);
    Ok(Upgraded { status: head.status, headers, subprotocol, early_bytes: buffer })
}

fn write_request(key: &str, config: &WsConfig, plan: &Plan) -> Vec<u8> {
    let mut request = format!(
        "GET {} HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n",
        plan.target.path_and_query(),
        plan.target.authority(),
    )
    .into_bytes();
    let mut field = |name: &str, value: &[u8]| {
        request.extend_from_slice(name.as_bytes());
        request.extend_from_slice(b": ");
        request.extend_from_slice(value);
        request.extend_from_slice(b"\r\n");
    };
    if !config.subprotocols.is_empty() {
        field("Sec-WebSocket-Protocol", config.subprotocols.join(", ").as_bytes());
    }
    for (name, value) in &plan.headers {
        field(name.as_str(), value.as_bytes());
    }
    request.extend_from_slice(b"\r\n");
    request
}

/// The chosen subprotocol, if the server agreed to what was asked and to nothing else.
fn check_consent(
    fields: &HeaderMap,
    key: &str,
    offered: &[String],
) -> Result<Option<String>, NetError> {
    let text = |name: &str| fields.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let has_word = |name: HeaderName, word: &str| {
        fields
            .get_all(name)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .any(|value| value.split(',').any(|part| part.trim().eq_ignore_ascii_case(word)))
    };
    if !has_word(UPGRADE, "websocket") || !has_word(CONNECTION, "upgrade") {
        return Err(broken("status 101 without an upgrade to websocket".to_owned()));
    }
    if text("sec-websocket-accept") != Some(derive_accept_key(key.as_bytes()).as_str()) {
        return Err(broken("Sec-WebSocket-Accept does not answer the key".to_owned()));
    }
    if text("sec-websocket-extensions").is_some_and(|value| !value.is_empty()) {
        return Err(broken("the server chose an extension, none was offered".to_owned()));
    }
    match text("sec-websocket-protocol") {
        None => Ok(None),
        Some(chosen) if offered.iter().any(|name| name == chosen) => Ok(Some(chosen.to_owned())),
        Some(_) => Err(broken("the server chose a subprotocol that was not offered".to_owned())),
    }
}

/// Up to 4 KiB of the body of a refusal; less if it does not come in time.
async fn read_body_head<S: AsyncRead + Unpin>(
    stream: &mut S,
    mut body: Vec<u8>,
    fields: &HeaderMap,
) -> Vec<u8> {
    let text = |name| fields.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let chunked = text(TRANSFER_ENCODING).is_some_and(|value| value.contains("chunked"));
    let length = text(CONTENT_LENGTH).and_then(|value| value.trim().parse::<usize>().ok());
    let wanted = if chunked { MAX_HEAD } else { length.unwrap_or(usize::MAX).min(MAX_BODY_HEAD) };
    let reading = async {
        while body.len() < wanted && !(chunked && body.ends_with(b"0\r\n\r\n")) {
            match stream.read_buf(&mut body).await {
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
        }
    };
    // What has come by then will do.
    let _ = timeout(BODY_WAIT, reading).await;
    let mut body = if chunked { unchunk(&body) } else { body };
    body.truncate(wanted.min(MAX_BODY_HEAD));
    body
}

/// The data of as many chunks as are whole or begun.
fn unchunk(mut rest: &[u8]) -> Vec<u8> {
    let mut data = Vec::new();
    while let Ok(httparse::Status::Complete((begin, size))) = httparse::parse_chunk_size(rest) {
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let available = &rest[begin..];
        data.extend_from_slice(&available[..size.min(available.len())]);
        match size.checked_add(2).and_then(|used| available.get(used..)) {
            Some(next) if size > 0 => rest = next,
            _ => break,
        }
    }
    data
}

/// With TLS 1.3 a server judges our certificate only now.
fn lost(error: &std::io::Error, target: &Target) -> NetError {
    crate::tls_fault::of_io(error, &target.host)
        .unwrap_or_else(|| NetError::unclean(format!("during the WebSocket handshake: {error}")))
}

fn broken(message: String) -> NetError {
    NetError::Protocol { message }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

    /// The example of RFC 6455, section 1.3.
    fn consent() -> HeaderMap {
        let mut fields = HeaderMap::new();
        fields.insert(UPGRADE, HeaderValue::from_static("WebSocket"));
        fields.insert(CONNECTION, HeaderValue::from_static("keep-alive, Upgrade"));
        let accept = HeaderValue::from_static("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        fields.insert("sec-websocket-accept", accept);
        fields
    }

    #[test]
    fn the_example_of_the_rfc_is_consent() {
        assert_eq!(check_consent(&consent(), KEY, &[]), Ok(None));
        let mut fields = consent();
        fields.insert("sec-websocket-protocol", HeaderValue::from_static("b"));
        let offered = ["a".to_owned(), "b".to_owned()];
        assert_eq!(check_consent(&fields, KEY, &offered), Ok(Some("b".to_owned())));
        assert!(check_consent(&fields, KEY, &offered[..1]).is_err());
    }

    #[test]
    fn anything_less_or_more_is_not() {
        for name in ["upgrade", "connection", "sec-websocket-accept"] {
            let mut fields = consent();
            fields.remove(name);
            assert_eq!(check_consent(&fields, KEY, &[]).unwrap_err().code(), "protocol_error");
        }
        assert!(check_consent(&consent(), "AAAAAAAAAAAAAAAAAAAAAA==", &[]).is_err());
        let mut fields = consent();
        let deflate = HeaderValue::from_static("permessage-deflate");
        fields.insert("sec-websocket-extensions", deflate);
        assert!(check_consent(&fields, KEY, &[]).is_err());
    }

    #[test]
    fn chunks_are_joined_as_far_as_they_came() {
        assert_eq!(unchunk(b"3\r\nabc\r\n2;x=1\r\nde\r\n0\r\n\r\n"), b"abcde");
        assert_eq!(unchunk(b"3\r\nabc\r\nff\r\nde"), b"abcde");
        assert_eq!(unchunk(b"ffffffffffffffff\r\nde"), b"de");
        assert_eq!(unchunk(b"zz"), b"");
    }
}
