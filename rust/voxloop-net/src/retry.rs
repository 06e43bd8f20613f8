//! Whether a failed request may be made again, and when. Pure: no clock, no randomness of its own.

use std::time::{Duration, SystemTime};

use crate::error::NetError;
use crate::header::Header;

/// Codes and types of a spent quota: no wait makes a difference.
pub const QUOTA_CODES: [&str; 6] = [
    "insufficient_quota",
    "credit_balance_exhausted",
    "organization_spend_limit_exceeded",
    "project_spend_limit_exceeded",
    "organization_usage_limit_exceeded",
    "billing_hard_limit_reached",
];

/// How often and how long to wait.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RetryPolicy {
    /// Attempts after the first.
    pub max_retries: u32,
    /// The first wait without a hint from the server; it doubles each time.
    pub base: Duration,
    /// The longest wait without a hint.
    pub cap: Duration,
    /// The part of a wait without a hint that chance may take off, 0 to 1.
    pub jitter: f64,
    /// A server that asks for more than this is not waited for.
    pub max_hint: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max_retries: 2,
            base: Duration::from_millis(500),
            cap: Duration::from_secs(8),
            jitter: 0.25,
            max_hint: Duration::from_secs(120),
        }
    }
}

/// The circumstances of a decision.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Attempt {
    /// Retries made so far.
    pub retries_done: u32,
    /// The wall clock, for a `Retry-After` date.
    pub now: SystemTime,
    /// A random number, 0 up to 1.
    pub random: f64,
    /// Time left for the whole request; a wait that does not fit is not begun.
    pub budget: Option<Duration>,
}

/// What went wrong.
#[derive(Debug, Clone, Copy)]
pub enum Failure<'a> {
    /// A response with an error status.
    Response {
        /// The HTTP status.
        status: u16,
        /// The response headers.
        headers: &'a [Header],
        /// `error.code` of the body, if it has one.
        error_code: Option<&'a str>,
        /// `error.type` of the body, if it has one.
        error_type: Option<&'a str>,
    },
    /// No whole response.
    Error(&'a NetError),
}

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Make the same request again.
    Retry {
        /// After this wait.
        after: Duration,
        /// Whether the server named the wait.
        hinted: bool,
    },
    /// Report the failure.
    Stop(StopReason),
}

/// Why a request is not made again.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// It would fail again.
    NotRetryable,
    /// The quota is spent.
    Quota,
    /// `max_retries` were made.
    Exhausted,
    /// The server asks for a wait above `max_hint`.
    HintTooLong,
    /// `x-should-retry: false`.
    ServerSaysNo,
    /// The wait is longer than the time left.
    Budget,
}

impl StopReason {
    /// A stable name, such as `hint_too_long`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotRetryable => "not_retryable",
            Self::Quota => "quota",
            Self::Exhausted => "exhausted",
            Self::HintTooLong => "hint_too_long",
            Self::ServerSaysNo => "server_says_no",
            Self::Budget => "budget",
        }
    }
}

impl RetryPolicy {
    /// Decides on one failure.
    ///
    /// The rules, first that applies: a spent quota stops; `x-should-retry` is obeyed; 408, 409,
    /// 429 and 5xx, failures to connect, lost connections and deadlines are retried, all else is
    /// not; `max_retries`; a hint above `max_hint` stops; the budget. The wait is the server's
    /// hint, or `base` doubled for each retry, at most `cap`, less chance's part.
    pub fn decide(&self, attempt: &Attempt, failure: &Failure<'_>) -> Decision {
        if let Err(reason) = may_retry(failure) {
            return Decision::Stop(reason);
        }
        if attempt.retries_done >= self.max_retries {
            return Decision::Stop(StopReason::Exhausted);
        }
        let hint = match failure {
            Failure::Response { headers, .. } => retry_after(headers, attempt.now),
            Failure::Error(NetError::HandshakeRejected { headers, .. }) => {
                retry_after(headers, attempt.now)
            }
            Failure::Error(_) => None,
        };
        if hint.is_some_and(|hint| hint > self.max_hint) {
            return Decision::Stop(StopReason::HintTooLong);
        }
        let after = hint.unwrap_or_else(|| self.backoff(attempt));
        if attempt.budget.is_some_and(|left| after >= left) {
            return Decision::Stop(StopReason::Budget);
        }
        Decision::Retry { after, hinted: hint.is_some() }
    }

    fn backoff(&self, attempt: &Attempt) -> Duration {
        let doubled = 2_u32.checked_pow(attempt.retries_done).map(|n| self.base.saturating_mul(n));
        let wait = doubled.unwrap_or(self.cap).min(self.cap);
        wait.mul_f64(1.0 - self.jitter.clamp(0.0, 1.0) * attempt.random.clamp(0.0, 1.0))
    }
}

fn may_retry(failure: &Failure<'_>) -> Result<(), StopReason> {
    let (status, headers) = match failure {
        Failure::Response { status, headers, error_code, error_type } => {
            if [error_code, error_type].into_iter().flatten().any(|code| is_quota_code(code)) {
                return Err(StopReason::Quota);
            }
            (*status, *headers)
        }
        Failure::Error(NetError::HandshakeRejected { status, headers, .. }) => {
            (*status, headers.as_slice())
        }
        Failure::Error(error) if error.retryable() => return Ok(()),
        Failure::Error(_) => return Err(StopReason::NotRetryable),
    };
    match find(headers, "x-should-retry") {
        Some("true") => Ok(()),
        Some("false") => Err(StopReason::ServerSaysNo),
        _ if retryable_status(status) => Ok(()),
        _ => Err(StopReason::NotRetryable),
    }
}

/// Whether an error `code` or `type` says that a quota is spent, so that no retry can help.
pub fn is_quota_code(code: &str) -> bool {
    QUOTA_CODES.contains(&code)
}

pub(crate) fn retryable_status(status: u16) -> bool {
    matches!(status, 408 | 409 | 429 | 500..=599)
}

/// The wait a server asks for: `retry-after-ms`, else `retry-after` in seconds or as a date.
///
/// `None` for none, and for one that is not above zero or makes no sense. It may be longer than
/// any policy allows.
pub fn retry_after(headers: &[Header], now: SystemTime) -> Option<Duration> {
    if let Some(wait) = find(headers, "retry-after-ms").and_then(|text| seconds(text, 1_000.0)) {
        return Some(wait);
    }
    let text = find(headers, "retry-after")?;
    seconds(text, 1.0).or_else(|| {
        let date = httpdate::parse_http_date(text).ok()?;
        date.duration_since(now).ok().filter(|wait| !wait.is_zero())
    })
}

/// A positive number of units; one too large to hold counts as the longest there is.
fn seconds(text: &str, units_per_second: f64) -> Option<Duration> {
    let number: f64 = text.trim().parse().ok()?;
    if number.is_nan() || number <= 0.0 {
        return None;
    }
    Some(Duration::try_from_secs_f64(number / units_per_second).unwrap_or(Duration::MAX))
        .filter(|wait| !wait.is_zero())
}

fn find<'a>(headers: &'a [Header], name: &str) -> Option<&'a str> {
    headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case(name))
        .map(|header| header.value.trim())
}

#[cfg(test)]
#[path = "retry_tests.rs"]
mod tests;
