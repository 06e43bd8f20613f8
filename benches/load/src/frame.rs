//! WebSocket frames, the server's side: unmasked out, masked in.

use bytes::{Buf, BytesMut};

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A text message.
    Text,
    /// The peer is leaving.
    Close,
    /// To be answered with its own payload.
    Ping,
    /// The answer to a ping.
    Pong,
    /// Binary and unknown frames, which no client of the protocol sends.
    Other,
}

/// A frame that breaks the rules; the connection is then dropped.
#[derive(Debug)]
pub(crate) struct Broken(pub(crate) &'static str);

/// No message of the protocol is larger.
const LARGEST: u64 = 64 * 1024 * 1024;

/// Append a text frame.
pub(crate) fn put_text(out: &mut BytesMut, text: &[u8]) {
    put(out, 0x81, text);
}

/// Append a ping.
pub(crate) fn put_ping(out: &mut BytesMut, payload: &[u8]) {
    put(out, 0x89, payload);
}

/// Append a pong.
pub(crate) fn put_pong(out: &mut BytesMut, payload: &[u8]) {
    put(out, 0x8a, payload);
}

/// Append a close frame with a status.
pub(crate) fn put_close(out: &mut BytesMut, code: u16) {
    put(out, 0x88, &code.to_be_bytes());
}

fn put(out: &mut BytesMut, first: u8, payload: &[u8]) {
    put_header(out, first, payload.len());
    out.extend_from_slice(payload);
}

/// The header of an unmasked frame.
fn put_header(out: &mut BytesMut, first: u8, length: usize) {
    out.extend_from_slice(&[first]);
    match length {
        0..=125 => out.extend_from_slice(&[length as u8]),
        126..=0xffff => {
            out.extend_from_slice(&[126]);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        _ => {
            out.extend_from_slice(&[127]);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
}

/// Puts the frames of a client together to messages.
#[derive(Default)]
pub(crate) struct Reader {
    partial: BytesMut,
}

impl Reader {
    /// Take the next message out of what was read; None when more has to be read first.
    pub(crate) fn next(&mut self, data: &mut BytesMut) -> Result<Option<(Kind, BytesMut)>, Broken> {
        while let Some((first, payload)) = take(data)? {
            let last = first & 0x80 != 0;
            match first & 0x0f {
                0x1 if last => return Ok(Some((Kind::Text, payload))),
                0x1 => self.partial = payload,
                0x0 => {
                    self.partial.extend_from_slice(&payload);
                    if last {
                        return Ok(Some((Kind::Text, self.partial.split())));
                    }
                }
                0x8 => return Ok(Some((Kind::Close, payload))),
                0x9 => return Ok(Some((Kind::Ping, payload))),
                0xa => return Ok(Some((Kind::Pong, payload))),
                _ => return Ok(Some((Kind::Other, payload))),
            }
        }
        Ok(None)
    }
}

fn take(data: &mut BytesMut) -> Result<Option<(u8, BytesMut)>, Broken> {
    let [first, second, ..] = data[..] else {
        return Ok(None);
    };
    if second & 0x80 == 0 {
        return Err(Broken("a client's frame was not masked"));
    }
    if first & 0x70 != 0 {
        return Err(Broken("a frame had extension bits though none was agreed on"));
    }
    let (extra, length) = match second & 0x7f {
        126 if data.len() >= 4 => (2, u64::from(u16::from_be_bytes([data[2], data[3]]))),
        127 if data.len() >= 10 => {
            let mut long = &data[2..10];
            (8, long.get_u64())
        }
        126 | 127 => return Ok(None),
        short => (0, u64::from(short)),
    };
    if length > LARGEST {
        return Err(Broken("a frame was larger than any message of the protocol"));
    }
    let head = 2 + extra + 4;
    let whole = head + length as usize;
    if data.len() < whole {
        data.reserve(whole - data.len());
        return Ok(None);
    }
    let mask = [data[head - 4], data[head - 3], data[head - 2], data[head - 1]];
    let mut payload = data.split_to(whole);
    payload.advance(head);
    unmask(&mut payload, mask);
    Ok(Some((first, payload)))
}

fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    let [a, b, c, d] = mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let mut words = payload.chunks_exact_mut(8);
    for word in &mut words {
        let mut eight = [0; 8];
        eight.copy_from_slice(word);
        word.copy_from_slice(&(u64::from_ne_bytes(eight) ^ wide).to_ne_bytes());
    }
    for (byte, key) in words.into_remainder().iter_mut().zip(mask.iter().cycle()) {
        *byte ^= key;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(first: u8, payload: &[u8]) -> BytesMut {
        let mut out = BytesMut::new();
        put_header(&mut out, first, payload.len());
        out[1] |= 0x80;
        let mask = [7, 130, 9, 255];
        out.extend_from_slice(&mask);
        let start = out.len();
        out.extend_from_slice(payload);
        for (index, byte) in out[start..].iter_mut().enumerate() {
            *byte ^= mask[index % 4];
        }
        out
    }

    #[test]
    fn messages_come_out_as_they_went_in_however_they_are_cut() {
        for length in [0, 1, 7, 8, 125, 126, 1_390, 65_535, 65_536] {
            let text: Vec<u8> = (0..length).map(|n: u32| (n % 251) as u8).collect();
            let whole = masked(0x81, &text);
            let mut reader = Reader::default();
            let mut data = BytesMut::new();
            for (index, byte) in whole.iter().enumerate() {
                data.extend_from_slice(&[*byte]);
                let found = reader.next(&mut data).expect("a good frame");
                assert_eq!(found.is_some(), index + 1 == whole.len());
                if let Some((kind, payload)) = found {
                    assert_eq!((kind, &payload[..]), (Kind::Text, &text[..]));
                }
            }
        }
    }

    #[test]
    fn fragments_are_joined_and_a_ping_may_lie_between() {
        let mut data = masked(0x01, b"one ");
        data.extend_from_slice(&masked(0x89, b"ping"));
        data.extend_from_slice(&masked(0x80, b"two"));
        let mut reader = Reader::default();
        let mut next = || reader.next(&mut data).expect("good frames");
        assert_eq!(next(), Some((Kind::Ping, BytesMut::from(&b"ping"[..]))));
        assert_eq!(next(), Some((Kind::Text, BytesMut::from(&b"one two"[..]))));
        assert_eq!(next(), None);
    }

    #[test]
    fn what_is_not_masked_is_refused() {
        let mut data = BytesMut::new();
        put_text(&mut data, b"hello");
        assert!(Reader::default().next(&mut data).is_err());
    }
}
