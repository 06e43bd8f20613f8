//! The server's side of one session: what it sends, when, and how long the client took.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::BytesMut;
use serde_json::{Value, json};

use crate::clock::{self, MS};
use crate::events::{self, Delta, FRAME_MS, Ids};
use crate::frame;
use crate::plan::{Mode, Start};
use crate::stats::Session;

/// Deltas of one write in a burst.
const BURST: u64 = 16;
/// Nanoseconds that an answer to a call or an interruption may take.
const PATIENCE: u64 = 5_000 * MS;
/// A word for every so many deltas.
const WORDS: u64 = 10;

/// A response that is being played.
struct Playing {
    ids: Ids,
    delta: Delta,
    sent: u64,
    began: u64,
    words: String,
    /// When the user will cut in.
    cut_at: Option<u64>,
}

/// What the client is to do next.
enum Awaited {
    /// The output of this call, which was made at this time.
    Output { call_id: String, at: u64 },
    /// The request for the response that follows it.
    Request { at: u64 },
    /// The truncation of this message, of which this much was sent.
    Truncation { item: String, sent_ms: u64, at: u64 },
}

/// A pure state machine but for the clock: it fills `out`, and its owner writes that.
pub(crate) struct Player {
    session: Arc<Session>,
    /// Frames to be written.
    pub(crate) out: BytesMut,
    /// Since when nothing waits to be written.
    free_since: u64,
    turns_left: u64,
    events: u64,
    objects: u64,
    random: u64,
    playing: Option<Playing>,
    awaited: Option<Awaited>,
    /// When the next turn begins by itself.
    next_turn: Option<u64>,
    /// A response that the client asked for while another ran, or before its time.
    asked: VecDeque<()>,
    ping_at: Option<u64>,
}

impl Player {
    pub(crate) fn new(session: Arc<Session>) -> Self {
        let seed = u64::from(session.id) + 1;
        Self {
            out: BytesMut::new(),
            free_since: clock::now(),
            turns_left: session.plan.turns,
            events: 0,
            objects: 0,
            random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15),
            playing: None,
            awaited: None,
            next_turn: None,
            asked: VecDeque::new(),
            ping_at: None,
            session,
        }
    }

    /// Greet; begin at once if the plan says so.
    pub(crate) fn connected(&mut self) {
        let session = events::session(self.session.id, None);
        self.put(json!({"type": "session.created", "session": session}));
        if self.session.plan.start == Start::Connect {
            self.begin();
        }
    }

    /// Begin the scenario.
    pub(crate) fn begin(&mut self) {
        let now = clock::now();
        self.session.counters().started = Some(now);
        if self.session.plan.ping_ms > 0 {
            self.ping_at = Some(now);
        }
        // Sessions are spread over a frame, as calls are.
        let phase = u64::from(self.session.id) * 7_919 * 1_000 % (FRAME_MS * MS);
        match self.session.plan.mode {
            Mode::Quiet => {}
            Mode::Paced => self.next_turn = Some(now + phase),
            Mode::Burst | Mode::Tool | Mode::Barge => self.next_turn = Some(now),
        }
    }

    /// When `tick` is wanted, if it is.
    pub(crate) fn due(&self) -> Option<u64> {
        let play = self.playing.as_ref().map(|playing| {
            let delta = self.delta_due(playing);
            playing.cut_at.map_or(delta, |cut| cut.min(delta))
        });
        let patience = self.awaited.as_ref().map(|awaited| match awaited {
            Awaited::Output { at, .. }
            | Awaited::Request { at }
            | Awaited::Truncation { at, .. } => at + PATIENCE,
        });
        [play, patience, self.next_turn, self.ping_at].into_iter().flatten().min()
    }

    fn delta_due(&self, playing: &Playing) -> u64 {
        if self.session.plan.mode == Mode::Burst {
            return playing.began;
        }
        let paced = playing.sent.saturating_sub(self.session.plan.lead);
        playing.began + paced * FRAME_MS * MS
    }

    /// Do what is due.
    pub(crate) fn tick(&mut self) {
        let now = clock::now();
        if self.ping_at.is_some_and(|at| at <= now) {
            frame::put_ping(&mut self.out, &now.to_be_bytes());
            self.session.counters().pings += 1;
            self.ping_at = Some(now + self.session.plan.ping_ms * MS);
        }
        if self.next_turn.is_some_and(|at| at <= now) {
            self.next_turn = None;
            self.turn(now);
        }
        self.give_up(now);
        let cut = self.playing.as_ref().and_then(|playing| playing.cut_at);
        if cut.is_some_and(|at| at <= now) {
            self.cut(now);
        }
        self.play(now);
    }

    fn turn(&mut self, now: u64) {
        if self.turns_left == 0 {
            self.session.counters().finished = true;
            return;
        }
        self.turns_left -= 1;
        if self.session.plan.mode == Mode::Tool {
            self.call();
        } else {
            if self.session.plan.mode == Mode::Barge {
                self.turn_of_the_user();
            }
            self.respond(now);
        }
    }

    // -- playing -----------------------------------------------------------------------------

    fn respond(&mut self, now: u64) {
        let ids = self.ids();
        for event in events::opening(&ids) {
            self.put(event);
        }
        let cut_at = (self.session.plan.mode == Mode::Barge)
            .then(|| now + (200 + self.below(600)) * MS + self.below(MS));
        self.playing = Some(Playing {
            delta: Delta::new(self.session.id, &ids),
            ids,
            sent: 0,
            began: now,
            words: String::new(),
            cut_at,
        });
    }

    fn play(&mut self, now: u64) {
        let frames = self.session.plan.frames;
        let burst = self.session.plan.mode == Mode::Burst;
        let mut count = 0;
        while let Some(mut playing) = self.playing.take() {
            let due = self.delta_due(&playing);
            let stop = if burst { count == BURST } else { due > now };
            if stop || playing.sent == frames {
                self.playing = Some(playing);
                break;
            }
            let at = clock::now();
            if !burst {
                let late = (at - due.max(self.free_since).min(at)) / 1_000;
                self.session.counters().send_late.push(late as u32);
            }
            self.events += 1;
            playing.delta.put(&mut self.out, self.events, playing.sent as u32, at);
            playing.sent += 1;
            count += 1;
            if playing.sent % WORDS == 1 {
                playing.words.push_str("word ");
                let words = events::words(&playing.ids, "word ");
                self.put(words);
            }
            self.playing = Some(playing);
        }
        self.session.counters().deltas += count;
        if self.playing.as_ref().is_some_and(|playing| playing.sent == frames) {
            self.end_response(None);
            self.after_response(now);
        }
    }

    fn end_response(&mut self, reason: Option<&str>) {
        if let Some(playing) = self.playing.take() {
            for event in events::closing(&playing.ids, playing.words.trim_end(), reason) {
                self.put(event);
            }
        }
    }

    fn after_response(&mut self, now: u64) {
        let asked = self.asked.pop_front().is_some();
        if self.session.plan.start != Start::Response || asked || self.turns_left == 0 {
            self.next_turn = Some(now);
        }
    }

    // -- interruptions -----------------------------------------------------------------------

    /// The user speaks, and the response is cancelled as the server does it by itself.
    fn cut(&mut self, now: u64) {
        let Some(playing) = &self.playing else {
            return;
        };
        let (item, sent_ms) = (playing.ids.item.clone(), playing.sent * FRAME_MS);
        let user = format!("item_user_{}_{}", self.session.id, self.objects);
        self.put(json!({
            "type": "input_audio_buffer.speech_started", "audio_start_ms": 0, "item_id": user,
        }));
        self.end_response(Some("turn_detected"));
        self.awaited = Some(Awaited::Truncation { item, sent_ms, at: now });
    }

    /// What ends the words that cut in; the first response has none before it.
    fn turn_of_the_user(&mut self) {
        if self.turns_left + 1 == self.session.plan.turns {
            return;
        }
        let user = format!("item_user_{}_{}", self.session.id, self.objects);
        let item = json!({
            "id": user, "object": "realtime.item", "type": "message", "status": "completed",
            "role": "user", "content": [{"type": "input_audio", "transcript": null}],
        });
        self.put(json!({
            "type": "input_audio_buffer.speech_stopped", "audio_end_ms": 100, "item_id": user,
        }));
        self.put(json!({
            "type": "input_audio_buffer.committed", "previous_item_id": null, "item_id": user,
        }));
        self.put(json!({
            "type": "conversation.item.added", "previous_item_id": null, "item": item,
        }));
    }

    fn truncated(&mut self, event: &Value, at: u64) {
        let named = event["item_id"].as_str().unwrap_or_default();
        let end = event["audio_end_ms"].as_u64();
        if let Some(Awaited::Truncation { item, sent_ms, at: since }) = &self.awaited {
            let mut counters = self.session.counters();
            if item == named && end.is_some_and(|end| end <= *sent_ms) {
                counters.truncated.push(((at - since) / 1_000) as u32);
            } else {
                counters.truncation_bad += 1;
            }
            drop(counters);
            self.awaited = None;
            self.next_turn = Some(at + (50 + self.below(100)) * MS);
        }
        self.put(json!({
            "type": "conversation.item.truncated", "item_id": named, "content_index": 0,
            "audio_end_ms": end,
        }));
    }

    // -- tools -------------------------------------------------------------------------------

    fn call(&mut self) {
        let ids = self.ids();
        let call_id = format!("call_{}_{}", self.session.id, self.objects);
        let tool = self.session.plan.tool.clone();
        for event in events::calling(&ids, &call_id, &tool) {
            self.put(event);
        }
        self.awaited = Some(Awaited::Output { call_id, at: clock::now() });
    }

    fn item_created(&mut self, event: &Value, at: u64) {
        let item = &event["item"];
        if let Some(Awaited::Output { call_id, at: since }) = &self.awaited
            && item["type"] == "function_call_output"
            && item["call_id"] == call_id.as_str()
        {
            let since = *since;
            let took = ((at - since) / 1_000) as u32;
            self.session.counters().tool_output.push(took);
            self.awaited = Some(Awaited::Request { at: since });
        }
        for kind in ["conversation.item.added", "conversation.item.done"] {
            self.put(json!({"type": kind, "previous_item_id": null, "item": item}));
        }
    }

    fn response_wanted(&mut self, at: u64) {
        if let Some(Awaited::Request { at: since }) = self.awaited {
            let took = ((at - since) / 1_000) as u32;
            self.session.counters().tool_response.push(took);
            self.awaited = None;
            let ids = self.ids();
            for (kind, status) in
                [("response.created", "in_progress"), ("response.done", "completed")]
            {
                let response = events::response(&ids.response, status, None, &json!([]));
                self.put(json!({"type": kind, "response": response}));
            }
            self.next_turn = Some(at + 2 * MS);
        } else if self.session.plan.start == Start::Response {
            let started = self.session.counters().started.is_some();
            if !started {
                self.begin();
            } else if self.playing.is_some() || self.next_turn.is_some() {
                self.asked.push_back(());
            } else {
                self.next_turn = Some(at);
            }
        }
    }

    fn give_up(&mut self, now: u64) {
        match &self.awaited {
            Some(Awaited::Truncation { at, .. }) if at + PATIENCE <= now => {
                self.session.counters().truncation_missing += 1;
            }
            Some(Awaited::Output { at, .. } | Awaited::Request { at }) if at + PATIENCE <= now => {}
            _ => return,
        }
        self.awaited = None;
        self.next_turn = Some(now);
    }

    // -- what the client says ----------------------------------------------------------------

    /// Take an event of the client that arrived at this time.
    pub(crate) fn heard(&mut self, event: &Value, at: u64) {
        match event["type"].as_str().unwrap_or_default() {
            "session.update" => {
                let session = events::session(self.session.id, Some(&event["session"]));
                self.put(json!({"type": "session.updated", "session": session}));
            }
            "response.create" => self.response_wanted(at),
            "conversation.item.create" => self.item_created(event, at),
            "conversation.item.truncate" => self.truncated(event, at),
            "conversation.item.retrieve" => {
                let item = event["item_id"].as_str().unwrap_or_default();
                let message = events::message(item, "incomplete", Some(""));
                self.put(json!({"type": "conversation.item.retrieved", "item": message}));
            }
            "input_audio_buffer.clear" => self.put(json!({"type": "input_audio_buffer.cleared"})),
            "input_audio_buffer.commit" => {
                self.objects += 1;
                let item = format!("item_user_{}_{}", self.session.id, self.objects);
                self.put(json!({
                    "type": "input_audio_buffer.committed", "previous_item_id": null,
                    "item_id": item,
                }));
            }
            "response.cancel" if self.playing.is_some() => {
                self.end_response(Some("client_cancelled"));
                self.after_response(at);
            }
            _ => {}
        }
    }

    /// Note how long the client did not take what was written.
    pub(crate) fn written(&mut self, began: u64) {
        self.free_since = clock::now();
        let took = (self.free_since - began) / 1_000;
        if took > 1_000 {
            self.session.counters().blocked.push(took as u32);
        }
    }

    // -- odds and ends -----------------------------------------------------------------------

    fn ids(&mut self) -> Ids {
        self.objects += 1;
        let (session, number) = (self.session.id, self.objects);
        Ids {
            response: format!("resp_{session}_{number}"),
            item: format!("item_{session}_{number}"),
        }
    }

    fn put(&mut self, mut event: Value) {
        self.events += 1;
        event["event_id"] = format!("event_{:016x}", self.events).into();
        frame::put_text(&mut self.out, event.to_string().as_bytes());
    }

    /// A whole number below `bound`, the same in every run of this session.
    fn below(&mut self, bound: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % bound
    }
}
