//! What an interruption did to the answer.

/// One message that was cut short.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CutItem {
    /// The message.
    pub item_id: String,
    /// Its response.
    pub response_id: String,
    /// Index of the audio part.
    pub content_index: u32,
    /// Milliseconds of it that were heard, rounded down.
    pub heard_ms: u64,
    /// Milliseconds of it that had come, rounded up.
    pub received_ms: u64,
    /// Whether it stands in the server's conversation.
    pub in_conversation: bool,
    /// Whether it came over an earlier connection: to the present one it is no sound to be cut.
    pub earlier: bool,
    /// Whether the truncation went to the server already.
    pub sent: bool,
}

/// Why the answer was cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The server heard the user.
    Server,
    /// The detector on this side heard the user.
    Local,
    /// The application asked for it.
    Application,
}

impl Reason {
    /// `server`, `local` or `application`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Local => "local",
            Self::Application => "application",
        }
    }
}

/// An interruption: what was not heard to its end, in the order of playing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// Why.
    pub reason: Reason,
    /// The messages; the first was playing, those behind it had not begun.
    pub items: Vec<CutItem>,
    /// Responses of which nothing more is played.
    pub muted: Vec<String>,
    /// Bytes of sound that were taken until then, all of which are played or given up.
    pub taken_bytes: u64,
    /// When its cause arrived, by [`voxloop_net::monotonic_ns`].
    pub at_ns: u64,
    /// From then until the sink was silent and the truncations were queued, in nanoseconds.
    pub took_ns: u64,
}
