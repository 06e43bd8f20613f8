//! What a client said, as far as the generator cares.

use memchr::memmem;
use serde_json::Value;

/// A message of the client.
#[derive(Debug, PartialEq)]
pub(crate) enum Heard<'a> {
    /// Sound, as base64.
    Append(&'a [u8]),
    /// Anything else.
    Event(Value),
    /// No JSON object.
    Nonsense,
}

/// Clients order keys as they like, and the sound is long: the type is looked for at both ends.
const EDGE: usize = 128;

/// Read a message. Base64 has no quotes and no escapes, so an append needs no JSON parser.
pub(crate) fn read(text: &[u8]) -> Heard<'_> {
    const APPEND: &[u8] = b"\"input_audio_buffer.append\"";
    let head = &text[..text.len().min(EDGE)];
    let tail = &text[text.len().saturating_sub(EDGE)..];
    if (memmem::find(head, APPEND).is_some() || memmem::find(tail, APPEND).is_some())
        && let Some(audio) = audio(text)
    {
        return Heard::Append(audio);
    }
    match serde_json::from_slice(text) {
        Ok(event @ Value::Object(_)) => Heard::Event(event),
        _ => Heard::Nonsense,
    }
}

fn audio(text: &[u8]) -> Option<&[u8]> {
    const KEY: &[u8] = b"\"audio\"";
    let after = &text[memmem::find(text, KEY)? + KEY.len()..];
    let start = memchr::memchr(b'"', after)? + 1;
    let length = memchr::memchr(b'"', &after[start..])?;
    Some(&after[start..start + length])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_append_is_found_in_any_order_and_spacing() {
        for text in [
            r#"{"type":"input_audio_buffer.append","audio":"AAAA"}"#,
            r#"{"audio": "AAAA", "type": "input_audio_buffer.append"}"#,
            r#"{"event_id":"e","audio":"AAAA","type":"input_audio_buffer.append"}"#,
        ] {
            assert_eq!(read(text.as_bytes()), Heard::Append(b"AAAA"), "{text}");
        }
    }

    #[test]
    fn what_only_speaks_of_an_append_is_an_event() {
        let text = r#"{"type":"x","note":"\"input_audio_buffer.append\""}"#;
        assert!(matches!(read(text.as_bytes()), Heard::Event(_)));
        assert_eq!(read(b"[]"), Heard::Nonsense);
    }
}
