//! How a connection ended, and what the peer is to be told of it.

use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::error::{CapacityError, ProtocolError};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::writer::Outgoing;
use crate::error::NetError;
use crate::header::Secrets;
use crate::socket::Meter;

/// Registered in 2016, for a gateway whose own server failed it.
const BAD_GATEWAY: u16 = 1014;

/// The end that the peer's Close frame stands for.
pub(crate) fn of_close(frame: Option<CloseFrame>, meter: &Meter, secrets: &Secrets) -> NetError {
    let (code, reason) = match frame {
        // The protocol library takes 1014 for a code not in use, and puts this in its place.
        Some(frame) if frame.code == CloseCode::Protocol => {
            match meter.with_tail(|tail| close_at_end(tail, BAD_GATEWAY)) {
                Some(reason) => (BAD_GATEWAY, secrets.scrub(&reason)),
                None => (1002, secrets.scrub(&frame.reason)),
            }
        }
        Some(frame) => (frame.code.into(), secrets.scrub(&frame.reason)),
        None => (1005, String::new()),
    };
    NetError::Closed { code: Some(code), reason, clean: true }
}

/// The reason in a Close frame with `code` that `bytes` end with, if they do.
fn close_at_end(bytes: &[u8], code: u16) -> Option<String> {
    let start = bytes.windows(4).enumerate().position(|(start, head)| {
        head[0] == 0x88
            && usize::from(head[1]) == bytes.len() - start - 2
            && head[2..] == code.to_be_bytes()
    })?;
    String::from_utf8(bytes[start + 4..].to_vec()).ok()
}

/// The end that an error of the protocol library stands for.
pub(crate) fn of_error(error: Error) -> NetError {
    match error {
        Error::Io(error) => NetError::unclean(error.to_string()),
        Error::ConnectionClosed | Error::AlreadyClosed => NetError::unclean("the socket ended"),
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => {
            NetError::unclean("the peer ended the connection without a closing handshake")
        }
        Error::Capacity(CapacityError::MessageTooLong { size, max_size }) => {
            NetError::TooBig { what: "message", limit: max_size, size: Some(size) }
        }
        Error::Utf8(_) => NetError::Protocol { message: NOT_UTF8.to_owned() },
        error => NetError::Protocol { message: error.to_string() },
    }
}

const NOT_UTF8: &str = "a text message is not UTF-8";

/// The Close frame that tells the peer why, if it can be told.
pub(crate) fn parting_words(end: &NetError) -> Option<Outgoing> {
    let (code, reason) = match end {
        NetError::TooBig { .. } => (1009, "message too big"),
        NetError::Protocol { message } if message == NOT_UTF8 => (1007, "invalid UTF-8"),
        NetError::Protocol { .. } => (1002, "protocol error"),
        _ => return None,
    };
    Outgoing::close(code, reason).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_close_frame_is_found_at_the_end_alone() {
        let found = |bytes: &[u8]| close_at_end(bytes, 1014);
        assert_eq!(found(b"xyz\x88\x02\x03\xf6").as_deref(), Some(""));
        assert_eq!(found(b"\x88\x05\x03\xf6\x88bye\x88\x05\x03\xf6bye").as_deref(), Some("bye"));
        for other in
            [&b""[..], b"\x88", b"\x88\x02\x03\xea", b"\x88\x02\x03\xf6x", b"\x88\x03\x03\xf6\xff"]
        {
            assert_eq!(found(other), None, "{other:x?}");
        }
    }
}
