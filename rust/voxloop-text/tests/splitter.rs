//! Any text, in any pieces: nothing lost, nothing torn, cut where the text alone says.

use proptest::prelude::*;
use unicode_segmentation::UnicodeSegmentation;
use voxloop_text::{HARD_CAP, Limits, Splitter, is_speakable};

const PROSE: &str = "It is sunny in Oslo today, and it will stay so until the evening. Dr. Smith \
    said that the wind, e.g. at the coast, may rise to 3.14 metres per second! \"Really?\" she \
    asked. Yes... I think so. See example.com/a?b=c. Write to j.doe@example.org at 5 p.m. \
    tomorrow; bring a coat.\r\n1. First a list item.\n2. Then another one.\n\nAnd an end";
const JAPANESE: &str = "こんにちは。今日はとても良い天気ですね、散歩に行きませんか？「はい、行きましょう！」と\
    彼女は言いました。そして二人は公園へ出かけました……桜が咲いています。";
const CHINESE: &str =
    "你好！今天天气很好，我们去公园散步吧。你觉得怎么样？“好的。”她说：我们走吧……然后呢";
const THAI: &str = "สวัสดีครับ วันนี้อากาศดีมาก เราไปเดินเล่นที่สวนสาธารณะกันไหม ผมคิดว่าน่าจะสนุก";
const HINDI: &str = "नमस्ते, आज मौसम बहुत अच्छा है। क्या हम पार्क में टहलने चलें? हाँ, ज़रूर चलते हैं।";
const ARABIC: &str =
    "مرحبا، الطقس جميل اليوم. هل نذهب إلى الحديقة؟ نعم، هيا بنا؛ سأحضر القهوة معي.";
const MARKDOWN: &str = "# Weather\n\n- **Oslo:** sunny.\n- _Bergen_: rain (as ever).\n\n> It may \
    change.\n\n| a | b |\n|---|---|\n```py\nx = 1.5\n```\nSee https://example.com/a,b?c=d;e for `x`.";
const EMOJI: &str = "👩‍👩‍👧‍👦🇳🇴👍🏽❗️Yes!👩🏾‍🚀 No.🏳️‍🌈e\u{301}";

fn split_with(limits: Limits, text: &str, size: usize) -> Vec<String> {
    let mut splitter = Splitter::new(limits).expect("good limits");
    let mut segments = Vec::new();
    let characters: Vec<char> = text.chars().collect();
    for piece in characters.chunks(size) {
        splitter.push(&piece.iter().collect::<String>(), |segment| segments.push(segment.into()));
    }
    splitter.flush(|segment| segments.push(segment.into()));
    segments
}

fn split(text: &str, size: usize) -> Vec<String> {
    split_with(Limits::default(), text, size)
}

fn boundaries(text: &str) -> std::collections::HashSet<usize> {
    text.grapheme_indices(true).map(|(at, _)| at).chain([text.len()]).collect()
}

fn check(limits: Limits, text: &str, size: usize) {
    let segments = split_with(limits, text, size);
    assert_eq!(segments.concat(), text);
    assert_eq!(segments, split_with(limits, text, usize::MAX), "the pieces must not matter");
    let good = boundaries(text);
    let mut at = 0;
    for (number, segment) in segments.iter().enumerate() {
        assert!(!segment.is_empty());
        at += segment.len();
        let on_blank = segment.ends_with(char::is_whitespace);
        assert!(on_blank || good.contains(&at), "{segment:?} ends within a grapheme");
        assert!(segment.chars().count() as u64 <= HARD_CAP);
        let full = segment.chars().count() as u64 * 3 >= limits.first_most.min(limits.most) / 4;
        let last = number + 1 == segments.len();
        assert!(last || full || is_speakable(segment), "{segment:?} says nothing");
    }
}

#[test]
fn every_script_and_every_size_of_piece() {
    let texts = [PROSE, JAPANESE, CHINESE, THAI, HINDI, ARABIC, MARKDOWN, EMOJI];
    let all = texts.join(" ");
    let repeated = texts.map(|text| text.repeat(7));
    for text in texts.into_iter().chain(repeated.iter().map(String::as_str)).chain([&*all, ""]) {
        for size in 1..=15 {
            check(Limits::default(), text, size);
        }
    }
}

#[test]
fn prose_is_cut_where_a_person_would_breathe() {
    assert_eq!(
        split(PROSE, 4),
        [
            "It is sunny in Oslo today, ",
            "and it will stay so until the evening. Dr. Smith said that the wind, e.g. at the \
             coast, may rise to 3.14 metres per second! ",
            "\"Really?\" she asked. Yes... I think so. See example.com/a?b=c. Write to \
             j.doe@example.org at 5 p.m. tomorrow; bring a coat.\r\n",
            "1. First a list item.\n2. Then another one.\n\nAnd an end",
        ]
    );
}

#[test]
fn full_stops_that_end_nothing() {
    let low = Limits { first_sentence: 1, first_clause: 100, sentence: 1, ..Limits::default() };
    for text in [
        "Dr. Who",
        "Mr. and Mrs. Smith",
        "J. R. R. Tolkien",
        "e.g. this",
        "(cf. Prof. Ito) said",
        "the U.S. Army",
        "3.14 is pi",
        "www.example.com is",
        "a.b@c.de wrote",
        "at 5 p.m. sharp",
        "No. 5 is",
        "see Fig. 3 there",
        "1. First",
        "  12. Twelfth",
        "- 3. Third",
        "etc. and so on",
        "well... maybe",
        "wait… what",
        "192.168.0.1 is",
        "z. B. so",
        "“Dr. Who",
    ] {
        assert_eq!(split_with(low, text, 1), [text]);
    }
    for (text, count) in [
        ("I said no. Then", 2),
        ("It was 1984. Then", 2),
        ("At 5 p.m. We left", 2),
        ("Yes... No", 2),
        ("So said I. You", 2),
        ("Wait!? No", 2),
        ("\"Go.\" He", 2),
        ("**Bold.** Then", 2),
        ("好。好", 2),
        ("好？！好", 2),
        ("「好。」好", 2),
        ("ठीक है। हाँ", 2),
        ("نعم؟ لا", 2),
        ("a\nb", 2),
        ("end.\r\nnew", 2),
        ("Cats, dogs, etc. They", 2),
        ("(Yes.) No", 2),
    ] {
        let segments = split_with(low, text, 1);
        assert_eq!(segments.len(), count, "{segments:?}");
    }
}

#[test]
fn marks_and_blanks_go_with_the_words_next_to_them() {
    let low = Limits { first_sentence: 1, sentence: 1, ..Limits::default() };
    for text in ["... Yes. ", "! ! ! Yes. ", "\n\n- - -\n\nYes. ", "。。。Yes. "] {
        let segments = split_with(low, text, 1);
        assert!(segments.iter().all(|segment| is_speakable(segment)), "{segments:?}");
    }
    assert_eq!(split("!!!", 1), ["!!!"], "the rest of a message is handed out as it is");
}

#[test]
fn one_grapheme_without_end_is_torn_at_the_cap_and_costs_linear_time() {
    let text = format!("e{}", "\u{301}".repeat(100_000));
    let segments = split(&text, 1000);
    assert_eq!(segments.concat(), text);
    assert!(segments.iter().all(|segment| segment.chars().count() as u64 <= HARD_CAP));
    assert!(segments.len() < 30);
}

#[test]
fn what_waits_is_bounded() {
    let mut splitter = Splitter::new(Limits::default()).expect("good limits");
    for text in ["x", "字", "\n", "🇳🇴", "a b"] {
        for _ in 0..5_000 {
            splitter.push(text, |_| {});
            assert!(splitter.pending_bytes() <= 4 * 4096);
        }
    }
}

#[test]
fn limits_that_cannot_be_met() {
    let good = Limits::default();
    for bad in [
        Limits { most: 5000, ..good },
        Limits { most: 0, ..good },
        Limits { first_sentence: 0, ..good },
        Limits { sentence: 300, ..good },
    ] {
        assert!(Splitter::new(bad).is_err(), "{bad:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn any_text_in_any_pieces(
        text in "([a-zA-Z0-9 .,!?;:\n\r\"'()*_-]|[。、！？」「…—字か]|[\u{301}\u{200d}\u{fe0f}]|Dr\\. |e\\.g\\. |\\.\\.\\. |p\\.m\\. |👩‍👧|🇳🇴|👍🏽|नि|ครับ |\\PC){0,400}",
        size in 1..16_usize,
        low in any::<bool>(),
    ) {
        let low_limits =
            Limits { first_sentence: 1, first_clause: 2, first_most: 9, sentence: 3, most: 20 };
        check(if low { low_limits } else { Limits::default() }, &text, size);
    }
}
