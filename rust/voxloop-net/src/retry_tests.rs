use std::time::UNIX_EPOCH;

use proptest::prelude::*;

use super::*;
use crate::error::{ConnectKind, Phase, TlsKind};

/// Sun, 06 Nov 1994 08:49:37 GMT, the example of RFC 9110.
const NOW: Duration = Duration::from_secs(784_111_777);

fn attempt(retries_done: u32) -> Attempt {
    Attempt { retries_done, now: UNIX_EPOCH + NOW, random: 0.0, budget: None }
}

fn headers(pairs: &[(&str, &str)]) -> Vec<Header> {
    pairs.iter().map(|(name, value)| Header::new(*name, *value)).collect()
}

fn on(status: u16, pairs: &[(&str, &str)]) -> Decision {
    on_code(status, pairs, None, None)
}

fn on_code(
    status: u16,
    pairs: &[(&str, &str)],
    error_code: Option<&str>,
    error_type: Option<&str>,
) -> Decision {
    let headers = headers(pairs);
    let failure = Failure::Response { status, headers: &headers, error_code, error_type };
    RetryPolicy::default().decide(&attempt(0), &failure)
}

fn retry(seconds: f64, hinted: bool) -> Decision {
    Decision::Retry { after: Duration::from_secs_f64(seconds), hinted }
}

fn stop(reason: StopReason) -> Decision {
    Decision::Stop(reason)
}

#[test]
fn statuses() {
    for status in [408, 409, 429, 500, 502, 503, 504, 529, 599] {
        assert_eq!(on(status, &[]), retry(0.5, false), "{status}");
    }
    for status in [200, 301, 400, 401, 403, 404, 413, 422, 499, 600] {
        assert_eq!(on(status, &[]), stop(StopReason::NotRetryable), "{status}");
    }
}

#[test]
fn hints_in_milliseconds_seconds_and_dates() {
    assert_eq!(on(429, &[("Retry-After-Ms", "1500")]), retry(1.5, true));
    assert_eq!(on(429, &[("retry-after", "7")]), retry(7.0, true));
    assert_eq!(on(429, &[("retry-after", " 0.25 ")]), retry(0.25, true));
    assert_eq!(on(503, &[("retry-after", "Sun, 06 Nov 1994 08:50:07 GMT")]), retry(30.0, true));
    assert_eq!(on(503, &[("retry-after", "Sunday, 06-Nov-94 08:50:07 GMT")]), retry(30.0, true));
    // The finer hint is taken first, the other when it is of no use.
    let both = [("retry-after-ms", "10"), ("retry-after", "9")];
    assert_eq!(on(429, &both), retry(0.01, true));
    let both = [("retry-after-ms", "soon"), ("retry-after", "9")];
    assert_eq!(on(429, &both), retry(9.0, true));
}

#[test]
fn hints_that_make_no_sense_are_passed_over() {
    for text in [
        "",
        "0",
        "-1",
        "NaN",
        "-inf",
        "soon",
        "1e-30",
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Thu, 01 Jan 1970 00:00:00 GMT",
        "1;2",
    ] {
        assert_eq!(on(429, &[("retry-after", text)]), retry(0.5, false), "{text:?}");
    }
}

#[test]
fn hints_above_two_minutes_end_it() {
    assert_eq!(on(429, &[("retry-after", "120")]), retry(120.0, true));
    for text in ["120.5", "3600", "1e300", "inf", "Sun, 06 Nov 1994 08:51:38 GMT"] {
        assert_eq!(on(429, &[("retry-after", text)]), stop(StopReason::HintTooLong), "{text}");
    }
    assert_eq!(on(429, &[("retry-after-ms", "120001")]), stop(StopReason::HintTooLong));
    let forced = [("x-should-retry", "true"), ("retry-after", "121")];
    assert_eq!(on(429, &forced), stop(StopReason::HintTooLong));
}

#[test]
fn a_spent_quota_is_never_retried() {
    for code in QUOTA_CODES {
        assert_eq!(on_code(429, &[], Some(code), None), stop(StopReason::Quota));
        assert_eq!(on_code(429, &[], None, Some(code)), stop(StopReason::Quota));
        let urged = [("x-should-retry", "true"), ("retry-after", "1")];
        assert_eq!(on_code(429, &urged, Some(code), None), stop(StopReason::Quota));
    }
    let limited = on_code(429, &[], Some("rate_limit_exceeded"), Some("rate_limit_error"));
    assert_eq!(limited, retry(0.5, false));
}

#[test]
fn the_server_has_the_last_word_on_a_status() {
    assert_eq!(on(503, &[("X-Should-Retry", "false")]), stop(StopReason::ServerSaysNo));
    assert_eq!(on(400, &[("x-should-retry", "true")]), retry(0.5, false));
    assert_eq!(on(503, &[("x-should-retry", "maybe")]), retry(0.5, false));
}

#[test]
fn errors() {
    let policy = RetryPolicy::default();
    let decide = |error: &NetError| policy.decide(&attempt(0), &Failure::Error(error));
    let refused = NetError::ConnectFailed {
        host: "h".into(),
        port: 1,
        kind: ConnectKind::Refused,
        message: String::new(),
    };
    let late = NetError::Timeout { phase: Phase::FirstByte, after: Duration::from_secs(1) };
    let lost = NetError::Closed { code: Some(1011), reason: String::new(), clean: true };
    for error in [refused, late, lost, NetError::unclean("reset")] {
        assert_eq!(decide(&error), retry(0.5, false), "{error}");
    }
    let over = NetError::Closed { code: Some(1008), reason: String::new(), clean: true };
    let tls =
        NetError::TlsFailed { host: "h".into(), kind: TlsKind::Other, message: String::new() };
    for error in [over, tls, NetError::Forked { what: "it" }] {
        assert_eq!(decide(&error), stop(StopReason::NotRetryable), "{error}");
    }
    let rejected = |status, pairs: &[(&str, &str)]| NetError::HandshakeRejected {
        status,
        headers: headers(pairs),
        body_head: bytes::Bytes::new(),
    };
    assert_eq!(decide(&rejected(503, &[("retry-after", "2")])), retry(2.0, true));
    assert_eq!(decide(&rejected(401, &[])), stop(StopReason::NotRetryable));
    assert_eq!(
        decide(&rejected(503, &[("x-should-retry", "false")])),
        stop(StopReason::ServerSaysNo)
    );
}

#[test]
fn waits_double_up_to_the_cap_and_attempts_end() {
    let policy = RetryPolicy { max_retries: 40, ..RetryPolicy::default() };
    let failure =
        Failure::Response { status: 500, headers: &[], error_code: None, error_type: None };
    let waits: Vec<_> = (0..7).map(|n| policy.decide(&attempt(n), &failure)).collect();
    let wanted = [0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0].map(|wait| retry(wait, false));
    assert_eq!(waits, wanted);
    assert_eq!(policy.decide(&attempt(39), &failure), retry(8.0, false));
    assert_eq!(policy.decide(&attempt(40), &failure), stop(StopReason::Exhausted));
    let default = RetryPolicy::default();
    assert_eq!(default.decide(&attempt(1), &failure), retry(1.0, false));
    assert_eq!(default.decide(&attempt(2), &failure), stop(StopReason::Exhausted));
}

#[test]
fn a_wait_that_does_not_fit_is_not_begun() {
    let failure =
        Failure::Response { status: 500, headers: &[], error_code: None, error_type: None };
    let with_budget = |millis| {
        let budget = Some(Duration::from_millis(millis));
        RetryPolicy::default().decide(&Attempt { budget, ..attempt(0) }, &failure)
    };
    assert_eq!(with_budget(501), retry(0.5, false));
    assert_eq!(with_budget(500), stop(StopReason::Budget));
    assert_eq!(with_budget(0), stop(StopReason::Budget));
}

proptest! {
    #[test]
    fn chance_takes_off_at_most_a_quarter(random in 0.0..1.0_f64, retries in 0..2_u32) {
        let failure =
            Failure::Response { status: 500, headers: &[], error_code: None, error_type: None };
        let full = 0.5 * f64::from(1 << retries);
        let decision =
            RetryPolicy::default().decide(&Attempt { random, ..attempt(retries) }, &failure);
        let Decision::Retry { after, hinted: false } = decision else {
            return Err(TestCaseError::fail("not retried"));
        };
        prop_assert!(after.as_secs_f64() <= full + 1e-9);
        prop_assert!(after.as_secs_f64() >= full * 0.75 - 1e-9);
    }

    #[test]
    fn no_hint_is_too_strange(text in "\\PC{0,40}") {
        let decision = on(429, &[("retry-after", &text), ("retry-after-ms", &text)]);
        let fine = match decision {
            Decision::Retry { after, .. } => after <= Duration::from_secs(120) && !after.is_zero(),
            Decision::Stop(reason) => reason == StopReason::HintTooLong,
        };
        prop_assert!(fine);
    }
}
