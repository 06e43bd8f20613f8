//! What was seen, per session and per run, and its summary as JSON.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use tokio::sync::watch;

use crate::clock;
use crate::plan::Plan;
use crate::uplink::Uplink;

/// Later than this is late: one frame.
const LATE_US: u32 = 20_000;

/// Figures of one session; times in microseconds.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) uplink: Uplink,
    /// The scenario began at this time.
    pub(crate) started: Option<u64>,
    pub(crate) closed: bool,
    pub(crate) finished: bool,
    pub(crate) deltas: u64,
    /// The generator's own lateness: from when a delta was due, and the socket free, to its write.
    pub(crate) send_late: Vec<u32>,
    /// How long the client did not take what was written, where it was more than a millisecond.
    pub(crate) blocked: Vec<u32>,
    /// From the call of a tool to its output, and to the request for a response.
    pub(crate) tool_output: Vec<u32>,
    pub(crate) tool_response: Vec<u32>,
    /// From `speech_started` to the truncation.
    pub(crate) truncated: Vec<u32>,
    /// Truncations that never came, or lay beyond what was sent, or named another item.
    pub(crate) truncation_missing: u64,
    pub(crate) truncation_bad: u64,
    pub(crate) pings: u64,
    pub(crate) pongs: Vec<u32>,
    /// Messages that are no JSON object or no event.
    pub(crate) nonsense: u64,
    /// Types of events that were received, appends left out.
    pub(crate) heard: HashMap<String, u64>,
}

/// One connection.
pub(crate) struct Session {
    pub(crate) id: u32,
    pub(crate) plan: Plan,
    counters: Mutex<Counters>,
}

impl Session {
    pub(crate) fn counters(&self) -> MutexGuard<'_, Counters> {
        self.counters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sessions with one name.
pub(crate) struct Run {
    sessions: Mutex<Vec<Arc<Session>>>,
    /// Whether those who wait for it may begin.
    pub(crate) go: watch::Sender<bool>,
    cpu_at_start: u64,
    began: u64,
}

impl Run {
    fn new() -> Self {
        Self {
            sessions: Mutex::default(),
            go: watch::Sender::new(false),
            cpu_at_start: clock::cpu(),
            began: clock::now(),
        }
    }

    /// Enter a connection.
    pub(crate) fn open(&self, plan: Plan) -> Arc<Session> {
        let mut sessions = lock(&self.sessions);
        let session =
            Arc::new(Session { id: sessions.len() as u32, plan, counters: Mutex::default() });
        sessions.push(Arc::clone(&session));
        session
    }

    /// The summary; with `each`, one of every session as well.
    fn summary(&self, each: bool) -> Value {
        let sessions = lock(&self.sessions).clone();
        let mut total = total(&sessions);
        total["generator_cpu_s"] = seconds(clock::cpu() - self.cpu_at_start);
        total["wall_s"] = seconds(clock::now() - self.began);
        if each {
            total["each"] =
                sessions.iter().map(|session| self::total(std::slice::from_ref(session))).collect();
        }
        total
    }
}

/// All runs.
#[derive(Default)]
pub(crate) struct Registry {
    runs: Mutex<HashMap<String, Arc<Run>>>,
}

impl Registry {
    /// The run with this name; it is made if there is none.
    pub(crate) fn run(&self, name: &str) -> Arc<Run> {
        let mut runs = lock(&self.runs);
        let run = runs.entry(name.to_owned()).or_insert_with(|| Arc::new(Run::new()));
        Arc::clone(run)
    }

    /// The summary of one run, None if there is no such run; `forget` drops its figures.
    pub(crate) fn summary(&self, name: &str, each: bool, forget: bool) -> Option<Value> {
        let run = lock(&self.runs).get(name).map(Arc::clone)?;
        let summary = run.summary(each);
        if forget {
            lock(&self.runs).remove(name);
        }
        Some(summary)
    }

    /// The summaries of all runs.
    pub(crate) fn all(&self) -> Value {
        let runs = lock(&self.runs).clone();
        runs.iter()
            .map(|(name, run)| (name.clone(), run.summary(false)))
            .collect::<serde_json::Map<_, _>>()
            .into()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn seconds(nanoseconds: u64) -> Value {
    json!(nanoseconds as f64 / 1e9)
}

fn total(sessions: &[Arc<Session>]) -> Value {
    let guards: Vec<_> = sessions.iter().map(|session| session.counters()).collect();
    let sum = |field: fn(&Counters) -> u64| guards.iter().map(|one| field(one)).sum::<u64>();
    let spread = |field: fn(&Counters) -> &Vec<u32>| {
        spread(guards.iter().flat_map(|one| field(one).iter().copied()))
    };
    let mut heard: HashMap<&str, u64> = HashMap::new();
    for one in &guards {
        for (kind, count) in &one.heard {
            *heard.entry(kind).or_default() += count;
        }
    }
    json!({
        "sessions": guards.len(),
        "started": sum(|one| u64::from(one.started.is_some())),
        "finished": sum(|one| u64::from(one.finished)),
        "closed": sum(|one| u64::from(one.closed)),
        "down": {
            "deltas": sum(|one| one.deltas),
            "generator_late_us": spread(|one| &one.send_late),
            "blocked_us": spread(|one| &one.blocked),
        },
        "up": {
            "appends": sum(|one| one.uplink.appends),
            "samples": sum(|one| one.uplink.samples),
            "lost_samples": sum(|one| one.uplink.lost),
            "back": sum(|one| one.uplink.back),
            "torn": sum(|one| one.uplink.torn),
            "late_us": self::spread(guards.iter().flat_map(|one| one.uplink.late_us())),
        },
        "tool": {
            "output_us": spread(|one| &one.tool_output),
            "response_us": spread(|one| &one.tool_response),
        },
        "barge": {
            "truncated_us": spread(|one| &one.truncated),
            "missing": sum(|one| one.truncation_missing),
            "bad": sum(|one| one.truncation_bad),
        },
        "ping": {"sent": sum(|one| one.pings), "answered_us": spread(|one| &one.pongs)},
        "nonsense": sum(|one| one.nonsense),
        "heard": heard,
    })
}

/// Count, percentiles and how many lie beyond a frame.
fn spread(values: impl Iterator<Item = u32>) -> Value {
    let mut values: Vec<u32> = values.collect();
    values.sort_unstable();
    let at = |part: f64| {
        let index = (values.len() as f64 * part) as usize;
        values.get(index.min(values.len().saturating_sub(1))).copied()
    };
    json!({
        "count": values.len(),
        "min": values.first(),
        "p50": at(0.5), "p95": at(0.95), "p99": at(0.99), "max": values.last(),
        "late": values.len() - values.partition_point(|value| *value <= LATE_US),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_of_a_hundred_and_of_none() {
        let hundred = spread((1..=100).map(|n| n * 1_000));
        assert_eq!(hundred["p50"], 51_000);
        assert_eq!(hundred["p99"], 100_000);
        assert_eq!((&hundred["min"], &hundred["max"]), (&json!(1_000), &json!(100_000)));
        assert_eq!(hundred["late"], 80);
        let none = spread(std::iter::empty());
        assert_eq!((&none["count"], &none["p50"]), (&json!(0), &Value::Null));
    }

    #[test]
    fn a_run_sums_its_sessions_and_is_forgotten_when_asked() {
        let registry = Registry::default();
        let run = registry.run("a");
        for _ in 0..3 {
            run.open(Plan::default()).counters().deltas = 5;
        }
        let summary = registry.summary("a", true, true).expect("the run");
        assert_eq!(summary["sessions"], 3);
        assert_eq!(summary["down"]["deltas"], 15);
        assert_eq!(summary["each"][2]["down"]["deltas"], 5);
        assert!(registry.summary("a", false, false).is_none());
    }
}
