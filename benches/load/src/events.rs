//! The server's events as JSON, and deltas that are written once and then only stamped.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::BytesMut;
use serde_json::{Value, json};

use crate::frame;

/// PCM16 bytes of 20 ms at 24,000 Hz.
pub(crate) const FRAME_BYTES: usize = 960;
/// Milliseconds of one delta.
pub(crate) const FRAME_MS: u64 = 20;
/// First bytes of every delta: mark, session, number, nothing, and the time of sending.
const STAMP_BYTES: usize = 24;
const STAMP_CHARS: usize = STAMP_BYTES / 3 * 4;
/// Little-endian first word of a stamp.
const MARK: u32 = 0x4c58_4c56;

/// Ids of a response and its message.
#[derive(Clone, Debug)]
pub(crate) struct Ids {
    pub(crate) response: String,
    pub(crate) item: String,
}

/// A delta's frame, ready to be stamped and sent again and again.
pub(crate) struct Delta {
    frame: BytesMut,
    id_at: usize,
    stamp_at: usize,
    session: u32,
}

impl Delta {
    /// The frame for the deltas of one response.
    pub(crate) fn new(session: u32, ids: &Ids) -> Self {
        // Something like a voice, and no run of zeros that anything could make easy.
        let mut state = 0x9e37_79b9_u32;
        let sound: Vec<u8> = (0..FRAME_BYTES)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            })
            .collect();
        let Ids { response, item } = ids;
        let head = format!(
            r#"{{"type":"response.output_audio.delta","event_id":"event_{:016x}","response_id":"{response}","item_id":"{item}","output_index":0,"content_index":0,"delta":""#,
            0
        );
        let text = format!(r#"{head}{}"}}"#, STANDARD.encode(sound));
        let mut frame = BytesMut::new();
        frame::put_text(&mut frame, text.as_bytes());
        let header = frame.len() - text.len();
        let id_at = header + head.find("event_0").map_or(0, |at| at + 6);
        Self { id_at, stamp_at: header + head.len(), frame, session }
    }

    /// Append the frame with this event number, this number in the response, and this time.
    pub(crate) fn put(&mut self, out: &mut BytesMut, event: u64, number: u32, at: u64) {
        for (index, digit) in self.frame[self.id_at..self.id_at + 16].iter_mut().enumerate() {
            *digit = b"0123456789abcdef"[(event >> (60 - 4 * index) & 15) as usize];
        }
        let mut stamp = [0; STAMP_BYTES];
        stamp[0..4].copy_from_slice(&MARK.to_le_bytes());
        stamp[4..8].copy_from_slice(&self.session.to_le_bytes());
        stamp[8..12].copy_from_slice(&number.to_le_bytes());
        stamp[16..24].copy_from_slice(&at.to_le_bytes());
        let place = &mut self.frame[self.stamp_at..self.stamp_at + STAMP_CHARS];
        // 24 bytes are 32 characters exactly: it always fits.
        let _ = STANDARD.encode_slice(stamp, place);
        out.extend_from_slice(&self.frame);
    }
}

/// What `session.created` and `session.updated` show.
pub(crate) fn session(id: u32, given: Option<&Value>) -> Value {
    let mut session = json!({
        "type": "realtime",
        "object": "realtime.session",
        "id": format!("sess_{id:08x}"),
        "model": "gpt-realtime",
        "output_modalities": ["audio"],
        "instructions": "",
        "tools": [],
        "tool_choice": "auto",
        "max_output_tokens": "inf",
        "audio": {
            "input": {"format": {"type": "audio/pcm", "rate": 24_000}, "turn_detection": null},
            "output": {"format": {"type": "audio/pcm", "rate": 24_000}, "voice": "marin", "speed": 1.0},
        },
    });
    if let Some(Value::Object(changes)) = given {
        for (name, value) in changes {
            session[name] = value.clone();
        }
    }
    session
}

/// A response object.
pub(crate) fn response(id: &str, status: &str, reason: Option<&str>, output: &Value) -> Value {
    let details = reason.map(|reason| json!({"type": status, "reason": reason}));
    json!({
        "object": "realtime.response",
        "id": id,
        "status": status,
        "status_details": details,
        "output": output,
        "conversation_id": "conv_load",
        "output_modalities": ["audio"],
        "metadata": null,
        "usage": if status == "in_progress" { Value::Null } else { usage() },
    })
}

fn usage() -> Value {
    json!({
        "total_tokens": 30, "input_tokens": 10, "output_tokens": 20,
        "input_token_details": {"text_tokens": 5, "audio_tokens": 5, "cached_tokens": 0},
        "output_token_details": {"text_tokens": 5, "audio_tokens": 15},
    })
}

/// The assistant's message.
pub(crate) fn message(item: &str, status: &str, transcript: Option<&str>) -> Value {
    let content = transcript
        .map_or_else(|| json!([]), |text| json!([{"type": "output_audio", "transcript": text}]));
    json!({
        "id": item, "object": "realtime.item", "type": "message", "status": status,
        "role": "assistant", "content": content,
    })
}

/// A call of a tool.
pub(crate) fn call(item: &str, call_id: &str, name: &str, status: &str, arguments: &str) -> Value {
    json!({
        "id": item, "object": "realtime.item", "type": "function_call", "status": status,
        "call_id": call_id, "name": name, "arguments": arguments,
    })
}

/// What the server sends before the first delta.
pub(crate) fn opening(ids: &Ids) -> Vec<Value> {
    let Ids { response: id, item } = ids;
    let started = message(item, "in_progress", None);
    vec![
        json!({"type": "response.created", "response": response(id, "in_progress", None, &json!([]))}),
        json!({"type": "response.output_item.added", "response_id": id, "output_index": 0, "item": started}),
        json!({"type": "conversation.item.added", "previous_item_id": null, "item": started}),
        json!({
            "type": "response.content_part.added", "response_id": id, "item_id": item,
            "output_index": 0, "content_index": 0, "part": {"type": "audio", "transcript": ""},
        }),
    ]
}

/// What it sends after the last one; `reason` says why it was cancelled, if it was.
pub(crate) fn closing(ids: &Ids, transcript: &str, reason: Option<&str>) -> Vec<Value> {
    let Ids { response: id, item } = ids;
    let (item_status, status) =
        reason.map_or(("completed", "completed"), |_| ("incomplete", "cancelled"));
    let whole = message(item, item_status, Some(transcript));
    let place = |kind: &str| {
        json!({
            "type": kind, "response_id": id, "item_id": item,
            "output_index": 0, "content_index": 0,
        })
    };
    let mut words = place("response.output_audio_transcript.done");
    words["transcript"] = transcript.into();
    let mut part = place("response.content_part.done");
    part["part"] = json!({"type": "audio", "transcript": transcript});
    vec![
        place("response.output_audio.done"),
        words,
        part,
        json!({"type": "response.output_item.done", "response_id": id, "output_index": 0, "item": whole}),
        json!({"type": "conversation.item.done", "previous_item_id": null, "item": whole}),
        json!({"type": "response.done", "response": response(id, status, reason, &json!([whole]))}),
    ]
}

/// A word of what is said.
pub(crate) fn words(ids: &Ids, delta: &str) -> Value {
    json!({
        "type": "response.output_audio_transcript.delta", "response_id": ids.response,
        "item_id": ids.item, "output_index": 0, "content_index": 0, "delta": delta,
    })
}

/// A whole response that calls a tool.
pub(crate) fn calling(ids: &Ids, call_id: &str, name: &str) -> Vec<Value> {
    let Ids { response: id, item } = ids;
    let arguments = r#"{"key":"value"}"#;
    let open = call(item, call_id, name, "in_progress", "");
    let whole = call(item, call_id, name, "completed", arguments);
    let part = |kind: &str, field: &str| {
        let mut event = json!({
            "type": kind, "response_id": id, "item_id": item, "output_index": 0, "call_id": call_id,
        });
        event[field] = arguments.into();
        event
    };
    let mut done = part("response.function_call_arguments.done", "arguments");
    done["name"] = name.into();
    vec![
        json!({"type": "response.created", "response": response(id, "in_progress", None, &json!([]))}),
        json!({"type": "response.output_item.added", "response_id": id, "output_index": 0, "item": open}),
        json!({"type": "conversation.item.added", "previous_item_id": null, "item": open}),
        part("response.function_call_arguments.delta", "delta"),
        done,
        json!({"type": "response.output_item.done", "response_id": id, "output_index": 0, "item": whole}),
        json!({"type": "conversation.item.done", "previous_item_id": null, "item": whole}),
        json!({"type": "response.done", "response": response(id, "completed", None, &json!([whole]))}),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamped_delta_is_json_and_says_when_it_was_sent() {
        let ids = Ids { response: "resp_1".to_owned(), item: "item_1".to_owned() };
        let mut delta = Delta::new(7, &ids);
        for (number, at) in [(0, 1), (1, u64::MAX), (70_000, 123_456_789)] {
            let mut out = BytesMut::new();
            delta.put(&mut out, 0xabc, number, at);
            let event: Value = serde_json::from_slice(&out[4..]).expect("JSON");
            assert_eq!(event["event_id"], "event_0000000000000abc");
            assert_eq!(event["response_id"], "resp_1");
            let text = event["delta"].as_str().expect("text");
            assert_eq!(text.len(), 1_280);
            let sound = STANDARD.decode(text).expect("base64");
            assert_eq!(sound.len(), FRAME_BYTES);
            assert_eq!(sound[0..4], MARK.to_le_bytes());
            assert_eq!(sound[4..8], 7_u32.to_le_bytes());
            assert_eq!(sound[8..12], number.to_le_bytes());
            assert_eq!(sound[16..24], at.to_le_bytes());
        }
    }
}
