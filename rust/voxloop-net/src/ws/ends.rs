//! How a connection ended, and what the peer is to be told of it.

use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::error::{CapacityError, ProtocolError};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use super::writer::Outgoing;
use crate::error::NetError;
use crate::header::Secrets;

/// The end that the peer's Close frame stands for.
pub(crate) fn of_close(frame: Option<CloseFrame>, secrets: &Secrets) -> NetError {
    let (code, reason) = match frame {
        Some(frame) => (frame.code.into(), secrets.scrub(&frame.reason)),
        None => (1005, String::new()),
    };
    NetError::Closed { code: Some(code), reason, clean: true }
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
