//! `response.output_audio.delta`: found by a scan, decoded by strict base64.

use std::borrow::Cow;

use base64_simd::STANDARD;
use serde_json::Value as Json;

use super::scan::{Members, Unusual, Value};

const KINDS: [&str; 2] = ["response.output_audio.delta", "response.audio.delta"];
/// What both of them end with.
const MARK: &str = "audio.delta";

/// A piece of an answer's sound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delta {
    /// The message that it belongs to.
    pub item_id: String,
    /// The response that it belongs to.
    pub response_id: String,
    /// Index of the audio part.
    pub content_index: u32,
    /// Index of the item in the response.
    pub output_index: u32,
    /// The audio, as the session's output format has it; it may end inside a sample.
    pub audio: Vec<u8>,
}

/// A piece of an answer's sound as it stands in its message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written<'a> {
    /// The message that it belongs to.
    pub item_id: Cow<'a, str>,
    /// The response that it belongs to.
    pub response_id: Cow<'a, str>,
    /// Index of the audio part.
    pub content_index: u32,
    /// Index of the item in the response.
    pub output_index: u32,
    base64: Cow<'a, str>,
}

impl Written<'_> {
    /// The audio, unless it is no strict base64.
    pub fn decoded(&self) -> Option<Delta> {
        Some(Delta {
            item_id: self.item_id.clone().into_owned(),
            response_id: self.response_id.clone().into_owned(),
            content_index: self.content_index,
            output_index: self.output_index,
            audio: STANDARD.decode_to_vec(self.base64.as_bytes()).ok()?,
        })
    }

    /// Puts the audio behind what is in `audio`, and says how much that is; `None`, and `audio` is
    /// as it was, if it is no strict base64.
    pub fn append_to(&self, audio: &mut Vec<u8>) -> Option<usize> {
        let (before, more) = (audio.len(), self.base64.len() / 4 * 3);
        if audio.capacity() - before < more {
            audio.reserve(more * COMPANY);
        }
        STANDARD.decode_append(self.base64.as_bytes(), audio).ok()?;
        Some(audio.len() - before)
    }
}

/// Pieces that there is room made for when one joins another: where two come at once, more do.
const COMPANY: usize = 16;

/// What a message of the server is, as far as sound goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event<'a> {
    /// A piece of sound, if what it holds can be decoded.
    Audio(Written<'a>),
    /// An event of this type, which was not read further. The type may be wrong for what is no JSON.
    Other(&'a str),
    /// Not for this codec: no JSON, no type, or a piece of sound that is not in order.
    Unknown,
}

/// Reads one message of the server.
///
/// Sound is given only where a strict JSON parser gives the same, and decoded where strict base64
/// (RFC 4648, section 4, padded) does: of keys that come twice the last counts, absent or `null` ids
/// are empty and indexes 0. Everything else is [`Event::Other`] or [`Event::Unknown`] and is for a
/// full decoder to judge.
///
/// ```
/// use voxloop_media::codec::{Event, event};
///
/// let text = r#"{"type":"response.output_audio.delta","item_id":"i","response_id":"r",
///     "output_index":0,"content_index":0,"delta":"AAAB"}"#;
/// let Event::Audio(written) = event(text) else { panic!() };
/// assert_eq!(written.decoded().unwrap().audio, [0, 0, 1]);
/// assert_eq!(event(r#"{"type":"error"}"#), Event::Other("error"));
/// ```
pub fn event(text: &str) -> Event<'_> {
    match scanned(text) {
        Ok(found) => found,
        Err(Unusual) if memchr::memmem::find(text.as_bytes(), MARK.as_bytes()).is_some() => {
            parsed(text).map_or(Event::Unknown, Event::Audio)
        }
        Err(Unusual) => Event::Unknown,
    }
}

#[derive(Default)]
struct Fields<'a> {
    kind: Option<&'a str>,
    event_id: Option<()>,
    item_id: Option<&'a str>,
    response_id: Option<&'a str>,
    content_index: Option<u32>,
    output_index: Option<u32>,
    delta: Option<Cow<'a, str>>,
}

/// The quick way: every field that counts stands there once, in plain letters.
fn scanned(text: &str) -> Result<Event<'_>, Unusual> {
    let mut members = Members::of(text)?;
    let mut fields = Fields::default();
    while let Some((name, value)) = members.next()? {
        match name {
            "type" => {
                let kind = plain(value)?;
                once(&mut fields.kind, kind)?;
                if !KINDS.contains(&kind) {
                    return Ok(Event::Other(kind));
                }
            }
            "event_id" => plain(value).and_then(|_| once(&mut fields.event_id, ()))?,
            "item_id" => once(&mut fields.item_id, plain(value)?)?,
            "response_id" => once(&mut fields.response_id, plain(value)?)?,
            "content_index" => once(&mut fields.content_index, natural(value)?)?,
            "output_index" => once(&mut fields.output_index, natural(value)?)?,
            "delta" => once(&mut fields.delta, base64_text(value)?)?,
            _ => {}
        }
    }
    let Fields {
        kind: Some(_),
        item_id: Some(item_id),
        response_id: Some(response_id),
        content_index: Some(content_index),
        output_index: Some(output_index),
        delta: Some(delta),
        ..
    } = fields
    else {
        return Err(Unusual);
    };
    Ok(Event::Audio(Written {
        item_id: item_id.into(),
        response_id: response_id.into(),
        content_index,
        output_index,
        base64: delta,
    }))
}

fn once<T>(slot: &mut Option<T>, value: T) -> Result<(), Unusual> {
    if slot.replace(value).is_some() { Err(Unusual) } else { Ok(()) }
}

fn plain(value: Value<'_>) -> Result<&str, Unusual> {
    match value {
        Value::Text { raw, escaped: false } => Ok(raw),
        _ => Err(Unusual),
    }
}

fn natural(value: Value<'_>) -> Result<u32, Unusual> {
    match value {
        Value::Natural(number) => Ok(number),
        _ => Err(Unusual),
    }
}

/// Some encoders write every `/`, which base64 is full of, as `\/`.
fn base64_text(value: Value<'_>) -> Result<Cow<'_, str>, Unusual> {
    match value {
        Value::Text { raw, escaped: false } => Ok(Cow::Borrowed(raw)),
        Value::Text { raw, escaped: true } => {
            let text = raw.replace("\\/", "/");
            if text.contains('\\') { Err(Unusual) } else { Ok(Cow::Owned(text)) }
        }
        _ => Err(Unusual),
    }
}

/// The long way, through a tree.
fn parsed(text: &str) -> Option<Written<'static>> {
    let Ok(Json::Object(object)) = serde_json::from_str(text) else { return None };
    let kind = object.get("type")?.as_str()?;
    if !KINDS.contains(&kind) {
        return None;
    }
    let id = |name: &str| match object.get(name) {
        None | Some(Json::Null) => Some(Cow::default()),
        Some(Json::String(id)) => Some(Cow::Owned(id.clone())),
        Some(_) => None,
    };
    let index = |name: &str| match object.get(name) {
        None | Some(Json::Null) => Some(0),
        Some(value) => value.as_u64().and_then(|number| u32::try_from(number).ok()),
    };
    id("event_id")?;
    Some(Written {
        item_id: id("item_id")?,
        response_id: id("response_id")?,
        content_index: index("content_index")?,
        output_index: index("output_index")?,
        base64: Cow::Owned(object.get("delta")?.as_str()?.to_owned()),
    })
}
