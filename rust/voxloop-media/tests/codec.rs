//! The scan of audio events against a full parse of the same text.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use serde_json::{Value, json};
use voxloop_media::codec::{Delta, Event, append, event};

/// What a full parse and strict base64 make of a text.
fn reference(text: &str) -> Option<Delta> {
    let value: Value = serde_json::from_str(text).ok()?;
    let object = value.as_object()?;
    let kind = object.get("type")?.as_str()?;
    if kind != "response.output_audio.delta" && kind != "response.audio.delta" {
        return None;
    }
    let id = |name: &str| match object.get(name).unwrap_or(&Value::Null) {
        Value::Null => Some(String::new()),
        Value::String(id) => Some(id.clone()),
        _ => None,
    };
    let index = |name: &str| match object.get(name).unwrap_or(&Value::Null) {
        Value::Null => Some(0),
        value => u32::try_from(value.as_u64()?).ok(),
    };
    id("event_id")?;
    Some(Delta {
        item_id: id("item_id")?,
        response_id: id("response_id")?,
        content_index: index("content_index")?,
        output_index: index("output_index")?,
        audio: STANDARD.decode(object.get("delta")?.as_str()?).ok()?,
    })
}

fn check(text: &str) -> Result<(), TestCaseError> {
    match (event(text), reference(text)) {
        (Event::Audio(found), wanted) => {
            let mut onto = b"before".to_vec();
            let more = found.append_to(&mut onto);
            prop_assert_eq!(more, wanted.as_ref().map(|delta| delta.audio.len()));
            let audio = wanted.as_ref().map_or(&[][..], |delta| &delta.audio);
            prop_assert_eq!(onto, [b"before", audio].concat());
            prop_assert_eq!(found.decoded(), wanted);
        }
        // A type that is written with escapes or comes twice: left to the full decoder.
        (other, Some(wanted)) => prop_assert!(
            !text.contains("audio.delta") || text.matches("\"type\"").count() > 1,
            "sound was missed in {text}: {other:?}, {wanted:?}"
        ),
        (_, None) => {}
    }
    Ok(())
}

fn blank() -> impl Strategy<Value = String> {
    prop_oneof![4 => Just(String::new()), 1 => "[ \t\r\n]{0,3}"]
}

/// A string as JSON, some of its letters written as escapes.
fn written(text: &str, escapes: &[bool]) -> String {
    let mut out = String::from("\"");
    for (place, letter) in text.chars().enumerate() {
        let escape = escapes.get(place % escapes.len().max(1)).copied().unwrap_or(false);
        match letter {
            '"' | '\\' => out.extend(['\\', letter]),
            '/' if escape => out.push_str("\\/"),
            _ if escape || letter < ' ' => {
                let mut units = [0; 2];
                for unit in letter.encode_utf16(&mut units) {
                    write!(out, "\\u{unit:04x}").expect("a String takes all");
                }
            }
            _ => out.push(letter),
        }
    }
    out.push('"');
    out
}

fn some_escapes() -> impl Strategy<Value = Vec<bool>> {
    prop_oneof![
        6 => Just(vec![false]),
        1 => proptest::collection::vec(proptest::bool::weighted(0.1), 1..40),
        1 => Just(vec![true]),
    ]
}

fn text_value(of: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    (of, some_escapes()).prop_map(|(text, escapes)| written(&text, &escapes))
}

fn json_value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map("[a-z\"\\\\]{0,4}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
    .prop_map(|value| value.to_string())
}

fn member(names: bool) -> impl Strategy<Value = (String, String)> {
    let kind = prop_oneof![
        5 => Just("response.output_audio.delta".to_owned()),
        2 => Just("response.audio.delta".to_owned()),
        1 => Just("response.output_text.delta".to_owned()),
        1 => ".{0,6}",
    ];
    let sound = prop_oneof![
        6 => proptest::collection::vec(any::<u8>(), 0..2_000).prop_map(|b| STANDARD.encode(b)),
        1 => "[A-Za-z0-9+/]{0,9}={0,3}",
        1 => "[A-Za-z0-9+/]{4,8}[ \\-_!\n]{1,2}[A-Za-z0-9]{0,4}",
    ];
    let index = prop_oneof![
        6 => (0_u32..4).prop_map(|n| n.to_string()),
        1 => any::<i64>().prop_map(|n| n.to_string()),
        1 => prop_oneof!["0\\.0", "1e0", "-0", "null", "01", "\"1\"", "4294967296", "true"],
    ];
    let id = || {
        prop_oneof![
            6 => text_value("[a-z_0-9]{0,12}"),
            1 => text_value(".{0,6}"),
            1 => json_value(),
        ]
    };
    let known = prop_oneof![
        3 => text_value(kind).prop_map(|v| ("type".to_owned(), v)),
        3 => text_value(sound).prop_map(|v| ("delta".to_owned(), v)),
        2 => index.clone().prop_map(|v| ("content_index".to_owned(), v)),
        2 => index.prop_map(|v| ("output_index".to_owned(), v)),
        2 => id().prop_map(|v| ("item_id".to_owned(), v)),
        2 => id().prop_map(|v| ("response_id".to_owned(), v)),
        1 => id().prop_map(|v| ("event_id".to_owned(), v)),
    ];
    let unknown = ("[a-z\"\\\\é]{0,6}", json_value());
    if names { known.boxed() } else { prop_oneof![5 => known, 1 => unknown].boxed() }
}

/// Six good members in any order, with more among them, blanks anywhere.
fn object() -> impl Strategy<Value = String> {
    let good = (
        proptest::collection::vec(any::<u8>(), 0..3_000),
        "[a-z_0-9]{1,12}",
        any::<bool>(),
        proptest::collection::vec(member(false), 0..3),
    )
        .prop_map(|(audio, id, beta, extra)| {
            let kind = if beta { "response.audio.delta" } else { "response.output_audio.delta" };
            let mut members = vec![
                ("type".to_owned(), json!(kind).to_string()),
                ("item_id".to_owned(), json!(id).to_string()),
                ("response_id".to_owned(), json!(format!("r_{id}")).to_string()),
                ("content_index".to_owned(), "0".to_owned()),
                ("output_index".to_owned(), "1".to_owned()),
                ("delta".to_owned(), json!(STANDARD.encode(audio)).to_string()),
            ];
            members.extend(extra);
            members
        });
    let any_members = proptest::collection::vec(member(true), 0..9);
    (prop_oneof![3 => good.prop_shuffle(), 2 => any_members], proptest::collection::vec(blank(), 5))
        .prop_map(|(members, blanks)| {
            let at = |place: usize| blanks[place].as_str();
            let members: Vec<String> = members
                .into_iter()
                .map(|(name, value)| {
                    format!("{}{}{}:{}{value}{}", at(0), json!(name), at(1), at(2), at(3))
                })
                .collect();
            format!("{}{{{}}}{}", at(4), members.join(","), at(0))
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn the_scan_equals_a_full_parse(text in object()) {
        check(&text)?;
    }

    #[test]
    fn a_mutated_event_is_never_other_sound(
        text in object(),
        cuts in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let mut bytes = text.into_bytes();
        for (place, byte) in cuts {
            let at = place.index(bytes.len());
            match byte % 3 {
                0 => bytes[at] = byte,
                1 => bytes.truncate(at.max(1)),
                _ => bytes.insert(at, byte & 0x7F),
            }
        }
        check(&String::from_utf8_lossy(&bytes))?;
    }

    #[test]
    fn what_is_appended_is_read_back(payload in proptest::collection::vec(any::<u8>(), 0..5_000)) {
        let value: Value = serde_json::from_str(&append(&payload)).unwrap();
        prop_assert_eq!(&value["type"], "input_audio_buffer.append");
        prop_assert_eq!(STANDARD.decode(value["audio"].as_str().unwrap()).unwrap(), payload);
        prop_assert_eq!(value.as_object().unwrap().len(), 2);
    }
}

#[test]
fn a_very_long_piece_is_decoded() {
    let audio: Vec<u8> = (0..4_000_000_u32).map(|n| n.to_le_bytes()[1]).collect();
    let text = json!({
        "event_id": "e", "type": "response.output_audio.delta", "item_id": "i",
        "response_id": "r", "output_index": 0, "content_index": 0, "obfuscation": "xyz",
        "delta": STANDARD.encode(&audio),
    });
    let text = text.to_string();
    let Event::Audio(found) = event(&text) else { panic!() };
    assert!(found.decoded().unwrap().audio == audio);
}

#[test]
fn base64_is_strict_in_every_byte_of_a_short_text() {
    let bytes = || (0x20..0x7f).map(char::from).filter(|&letter| letter != '"' && letter != '\\');
    for start in ["", "AQ", "AAAA", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "AAAAA"]
    {
        for (first, second) in bytes().flat_map(|a| bytes().map(move |b| (a, b))) {
            for text in [format!("{start}{first}{second}"), format!("{start}{first}{second}==")] {
                let whole = format!(
                    r#"{{"type":"response.output_audio.delta","event_id":"e","item_id":"i","response_id":"r","output_index":0,"content_index":0,"delta":"{text}"}}"#
                );
                check(&whole).unwrap();
            }
        }
    }
}
