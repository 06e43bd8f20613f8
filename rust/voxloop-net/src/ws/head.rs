//! The head of an HTTP response, from a server or a proxy, read with a limit.

use std::io;

use ::http::{HeaderMap, HeaderName, HeaderValue};
use tokio::io::{AsyncRead, AsyncReadExt};

pub(crate) const MAX_HEAD: usize = 32 * 1024;
const MAX_FIELDS: usize = 100;

/// Status and fields of a response.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(crate) fields: HeaderMap,
}

/// Why there is no head.
#[derive(Debug)]
pub(crate) enum HeadFault {
    Io(io::Error),
    Ended,
    TooLong,
    NotHttp(httparse::Error),
}

/// Reads up to the end of a final response head; what follows it stays in `buffer`.
pub(crate) async fn read_head<S: AsyncRead + Unpin>(
    stream: &mut S,
    buffer: &mut Vec<u8>,
) -> Result<Head, HeadFault> {
    loop {
        while let Some((head, length)) = parse_head(buffer)? {
            buffer.drain(..length);
            // Other 1xx responses announce the real one.
            if !(100..200).contains(&head.status) || head.status == 101 {
                return Ok(head);
            }
        }
        if buffer.len() > MAX_HEAD {
            return Err(HeadFault::TooLong);
        }
        if stream.read_buf(buffer).await.map_err(HeadFault::Io)? == 0 {
            return Err(HeadFault::Ended);
        }
    }
}

fn parse_head(buffer: &[u8]) -> Result<Option<(Head, usize)>, HeadFault> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut response = httparse::Response::new(&mut fields);
    let length = match response.parse(buffer) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(error) => return Err(HeadFault::NotHttp(error)),
    };
    let mut map = HeaderMap::new();
    for field in response.headers {
        let name = HeaderName::from_bytes(field.name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(field.value)) {
            map.append(name, value);
        }
    }
    Ok(Some((Head { status: response.code.unwrap_or_default(), fields: map }, length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_whole_or_wanting_or_broken() {
        assert!(parse_head(b"HTTP/1.1 200 OK\r\nA: b\r\n").unwrap().is_none());
        let (head, length) = parse_head(b"HTTP/1.1 200 OK\r\nA: b\r\n\r\nrest").unwrap().unwrap();
        assert_eq!((head.status, length), (200, 25));
        assert!(parse_head(b"SSH-2.0-OpenSSH\r\n").is_err());
    }
}
