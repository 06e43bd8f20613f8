use proptest::prelude::*;

use super::*;

fn parse(stream: &[u8]) -> Vec<SseEvent> {
    SseParser::new().feed(stream).unwrap()
}

fn data_of(stream: &str) -> Vec<String> {
    parse(stream.as_bytes()).into_iter().map(|event| event.data).collect()
}

#[test]
fn the_examples_of_the_standard() {
    assert_eq!(data_of("data: YHOO\ndata: +2\ndata: 10\n\n"), ["YHOO\n+2\n10"]);
    let stream = ": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\n\
                  data:  third event\n\n";
    let events = parse(stream.as_bytes());
    let seen: Vec<_> = events.iter().map(|e| (e.data.as_str(), e.id.as_str())).collect();
    assert_eq!(seen, [("first event", "1"), ("second event", ""), (" third event", "")]);
    assert_eq!(data_of("data\n\ndata\ndata\n\ndata:"), ["", "\n"]);
    assert_eq!(data_of("data:test\n\ndata: test\n\n"), ["test", "test"]);
}

#[test]
fn every_line_end_and_the_byte_order_mark() {
    for end in ["\n", "\r", "\r\n"] {
        let stream = format!("\u{feff}data: a{end}data: b{end}{end}data: c{end}{end}");
        assert_eq!(data_of(&stream), ["a\nb", "c"], "{end:?}");
    }
    assert_eq!(data_of("\u{feff}\u{feff}data: a\n\n"), [] as [&str; 0]);
    assert_eq!(data_of("x\n\u{feff}data: a\n\n"), [] as [&str; 0]);
}

#[test]
fn types_ids_and_retry_times() {
    let stream = "event: delta\ndata: a\nid: 7\nretry: 1500\n\ndata: b\nretry: 1e3\nid: x\0y\n\n\
                  event: only\n\n: note\n\nid: 8\n\ndata: c\n\n";
    let events = parse(stream.as_bytes());
    let event = |event: &str, data: &str, id: &str| SseEvent {
        event: event.into(),
        data: data.into(),
        id: id.into(),
        retry_ms: Some(1500),
    };
    // An id may come in a block without data, which ends nothing.
    assert_eq!(
        events,
        [event("delta", "a", "7"), event("message", "b", "7"), event("message", "c", "8")]
    );
}

#[test]
fn what_is_not_understood_is_passed_over() {
    assert_eq!(data_of("Data: a\nda ta: b\nfoo\n:data: c\ndata : d\n\n"), [] as [&str; 0]);
    assert_eq!(parse(b"data: \xff\xfe ok\n\n")[0].data, "\u{fffd}\u{fffd} ok");
}

#[test]
fn an_event_without_its_blank_line_is_not_given() {
    assert_eq!(data_of("data: a\n\ndata: b\n"), ["a"]);
    assert_eq!(data_of("data: a\n\ndata: b"), ["a"]);
}

#[test]
fn endless_lines_and_events_are_refused() {
    let mut parser = SseParser::with_limits(16, 64);
    assert!(parser.feed(b"data: 0123456789").unwrap().is_empty());
    assert_eq!(parser.feed(b"x").unwrap_err().code(), "too_big");
    let mut parser = SseParser::with_limits(16, 20);
    assert!(parser.feed(b"data: 01234567\n").unwrap().is_empty());
    assert_eq!(parser.feed(b"data: 0123456789\ndata: 0123\n").unwrap_err().code(), "too_big");
}

proptest! {
    #[test]
    fn split_anywhere_is_the_same_as_whole(
        lines in prop::collection::vec(
            prop_oneof![
                Just("data: x".to_owned()),
                Just("data".to_owned()),
                Just("event: e".to_owned()),
                Just("id: 5".to_owned()),
                Just("retry: 9".to_owned()),
                Just(": c".to_owned()),
                Just(String::new()),
                Just(String::new()),
                "[\\PC\u{feff}]{0,6}",
            ],
            0..24,
        ),
        ends in prop::collection::vec(prop_oneof![Just("\n"), Just("\r"), Just("\r\n")], 24),
        bom in any::<bool>(),
        cuts in prop::collection::vec(1_usize..9, 1..32),
    ) {
        let mut stream = String::from(if bom { "\u{feff}" } else { "" });
        for (line, end) in lines.iter().zip(&ends) {
            stream.push_str(line);
            stream.push_str(end);
        }
        let whole = parse(stream.as_bytes());
        let mut parser = SseParser::new();
        let mut pieces = Vec::new();
        let mut rest = stream.as_bytes();
        for cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, tail) = rest.split_at((*cut).min(rest.len()));
            pieces.extend(parser.feed(piece).unwrap());
            prop_assert!(parser.feed(b"").unwrap().is_empty());
            rest = tail;
        }
        prop_assert_eq!(pieces, whole);
    }

    #[test]
    fn no_bytes_are_too_strange(stream in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = parse(&stream);
    }
}
