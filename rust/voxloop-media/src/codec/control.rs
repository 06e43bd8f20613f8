//! The few other events that sound goes by. They are rare: a parser reads them.

use serde::Deserialize;
use serde_json::Value as Json;

/// An event that changes what is played or what is kept of the user's audio.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Control {
    /// The user speaks.
    SpeechStarted,
    /// The user has stopped, at this offset in the audio sent.
    SpeechStopped {
        /// Milliseconds from the start of the connection's audio.
        audio_end_ms: u64,
    },
    /// The input buffer became a message.
    Committed,
    /// The input buffer is empty.
    Cleared,
    /// A response began.
    ResponseCreated {
        /// Its id.
        id: String,
        /// Whether it is part of the conversation.
        in_conversation: bool,
    },
    /// A response ended.
    ResponseDone {
        /// Its id.
        id: String,
    },
    /// All sound of a part has come.
    AudioDone {
        /// The message.
        item_id: String,
        /// Index of the audio part.
        content_index: u32,
    },
}

/// Metadata key of a response that was asked for outside the conversation.
const OUTSIDE_TAG: &str = "voxloop_request";

#[derive(Default, Deserialize)]
struct Fields {
    #[serde(default)]
    audio_end_ms: Option<f64>,
    #[serde(default)]
    item_id: Option<String>,
    #[serde(default)]
    content_index: Option<u32>,
    #[serde(default)]
    response: Option<Response>,
}

#[derive(Deserialize)]
struct Response {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    metadata: Option<Json>,
}

impl Control {
    /// Reads an event of a type, `None` for one that says nothing about sound or cannot be read.
    pub fn read(kind: &str, text: &str) -> Option<Self> {
        let fields = || serde_json::from_str::<Fields>(text).ok();
        Some(match kind {
            // Whatever else it says: the user speaks.
            "input_audio_buffer.speech_started" => Self::SpeechStarted,
            "input_audio_buffer.speech_stopped" => {
                let end = fields()?.audio_end_ms.unwrap_or_default().max(0.0);
                Self::SpeechStopped { audio_end_ms: end as u64 }
            }
            "input_audio_buffer.committed" => Self::Committed,
            "input_audio_buffer.cleared" => Self::Cleared,
            "response.created" => {
                let response = fields()?.response?;
                let tagged = response.metadata.is_some_and(|data| data.get(OUTSIDE_TAG).is_some());
                let id = response.id.unwrap_or_default();
                Self::ResponseCreated { id, in_conversation: !tagged }
            }
            "response.done" => {
                Self::ResponseDone { id: fields()?.response?.id.unwrap_or_default() }
            }
            "response.output_audio.done" | "response.audio.done" => {
                let fields = fields()?;
                Self::AudioDone {
                    item_id: fields.item_id.unwrap_or_default(),
                    content_index: fields.content_index.unwrap_or_default(),
                }
            }
            _ => return None,
        })
    }
}

/// `conversation.item.truncate`: the server is to forget what was not heard.
pub fn truncate(event_id: &str, item_id: &str, content_index: u32, audio_end_ms: u64) -> String {
    serde_json::json!({
        "type": "conversation.item.truncate",
        "event_id": event_id,
        "item_id": item_id,
        "content_index": content_index,
        "audio_end_ms": audio_end_ms,
    })
    .to_string()
}

/// `response.cancel`.
pub fn cancel(event_id: &str, response_id: &str) -> String {
    let id = (!response_id.is_empty()).then_some(response_id);
    let mut event = serde_json::json!({"type": "response.cancel", "event_id": event_id});
    if let (Some(id), Json::Object(members)) = (id, &mut event) {
        members.insert("response_id".into(), id.into());
    }
    event.to_string()
}
