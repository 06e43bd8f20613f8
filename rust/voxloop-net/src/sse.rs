//! An incremental parser of server-sent events (WHATWG HTML, section 9.2.6).

use crate::error::NetError;

const MAX_LINE: usize = 1 << 20;
const MAX_EVENT: usize = 8 << 20;
const BOM: &[u8] = b"\xef\xbb\xbf";

/// One dispatched event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SseEvent {
    /// The event type; `message` where the stream named none.
    pub event: String,
    /// The data lines, joined by line feeds.
    pub data: String,
    /// The last event id seen so far; empty if there was none.
    pub id: String,
    /// The reconnection time the stream has asked for so far, in milliseconds.
    pub retry_ms: Option<u64>,
}

/// Takes a stream in pieces cut anywhere and gives its events.
///
/// ```
/// let mut parser = voxloop_net::SseParser::new();
/// assert!(parser.feed(b"data: on").unwrap().is_empty());
/// let events = parser.feed(b"e\r\n\r\n").unwrap();
/// assert_eq!(events[0].data, "one");
/// ```
#[derive(Debug)]
pub struct SseParser {
    /// The bytes of the current line that have come.
    line: Vec<u8>,
    /// The previous byte was CR: a LF that follows is part of the same line end.
    after_cr: bool,
    /// No byte order mark can follow any more.
    begun: bool,
    data: String,
    has_data: bool,
    event: String,
    id: String,
    retry_ms: Option<u64>,
    max_line: usize,
    max_event: usize,
}

impl Default for SseParser {
    fn default() -> Self {
        Self::new()
    }
}

impl SseParser {
    /// A parser at the beginning of a stream; lines up to 1 MiB, events up to 8 MiB.
    pub fn new() -> Self {
        Self::with_limits(MAX_LINE, MAX_EVENT)
    }

    /// A parser that takes lines of up to `max_line` and events of up to `max_event` data bytes.
    pub fn with_limits(max_line: usize, max_event: usize) -> Self {
        Self {
            line: Vec::new(),
            after_cr: false,
            begun: false,
            data: String::new(),
            has_data: false,
            event: String::new(),
            id: String::new(),
            retry_ms: None,
            max_line,
            max_event,
        }
    }

    /// Takes the next piece and gives the events that it completes. An event that the stream ends
    /// in the middle of is never given, as the standard has it.
    ///
    /// # Errors
    /// [`NetError::TooBig`] beyond a limit; the stream is of no use after that.
    pub fn feed(&mut self, mut piece: &[u8]) -> Result<Vec<SseEvent>, NetError> {
        let mut events = Vec::new();
        while !piece.is_empty() {
            if std::mem::take(&mut self.after_cr) && piece[0] == b'\n' {
                piece = &piece[1..];
                continue;
            }
            let end = piece.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            let part = &piece[..end.unwrap_or(piece.len())];
            if self.line.len() + part.len() > self.max_line {
                return Err(too_big("a line of the event stream", self.max_line));
            }
            self.line.extend_from_slice(part);
            let Some(end) = end else { break };
            self.after_cr = piece[end] == b'\r';
            piece = &piece[end + 1..];
            let line = std::mem::take(&mut self.line);
            events.extend(self.take_line(&line)?);
            self.line = line;
            self.line.clear();
        }
        Ok(events)
    }

    /// The last event id, to resume after.
    pub fn last_event_id(&self) -> &str {
        &self.id
    }

    /// The reconnection time that the stream asked for, in milliseconds.
    pub fn retry_ms(&self) -> Option<u64> {
        self.retry_ms
    }

    fn take_line(&mut self, line: &[u8]) -> Result<Option<SseEvent>, NetError> {
        let line = if self.begun { line } else { line.strip_prefix(BOM).unwrap_or(line) };
        self.begun = true;
        if line.is_empty() {
            return Ok(self.dispatch());
        }
        let (field, value) = match line.iter().position(|byte| *byte == b':') {
            Some(0) => return Ok(None), // a comment
            Some(colon) => {
                let value = &line[colon + 1..];
                (&line[..colon], value.strip_prefix(b" ").unwrap_or(value))
            }
            None => (line, &b""[..]),
        };
        self.take_field(field, &String::from_utf8_lossy(value))?;
        Ok(None)
    }

    fn take_field(&mut self, field: &[u8], value: &str) -> Result<(), NetError> {
        match field {
            b"data" => {
                if self.data.len() + value.len() > self.max_event {
                    return Err(too_big("an event of the stream", self.max_event));
                }
                if self.has_data {
                    self.data.push('\n');
                }
                self.data.push_str(value);
                self.has_data = true;
            }
            b"event" => value.clone_into(&mut self.event),
            b"id" if !value.contains('\0') => value.clone_into(&mut self.id),
            b"retry" if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) => {
                self.retry_ms = value.parse().ok().or(self.retry_ms);
            }
            _ => {}
        }
        Ok(())
    }

    fn dispatch(&mut self) -> Option<SseEvent> {
        let event = std::mem::take(&mut self.event);
        let data = std::mem::take(&mut self.data);
        if !std::mem::take(&mut self.has_data) {
            return None;
        }
        let event = if event.is_empty() { "message".to_owned() } else { event };
        Some(SseEvent { event, data, id: self.id.clone(), retry_ms: self.retry_ms })
    }
}

fn too_big(what: &'static str, limit: usize) -> NetError {
    NetError::TooBig { what, limit, size: None }
}

#[cfg(test)]
#[path = "sse_tests.rs"]
mod tests;
