//! What of each message was heard, against a listener who hears every sample.

use std::collections::HashMap;

use proptest::prelude::*;
use voxloop_media::codec::Delta;
use voxloop_media::{Downlink, DownlinkSettings, Taken, WireFormat};

/// Frames of a block of 20 ms.
const TICK_MS: u64 = 20;

fn downlink(format: WireFormat, sink_rate: u32, target_ms: u32) -> Downlink {
    Downlink::new(DownlinkSettings { format, sink_rate, target_ms, capacity_s: 60 })
        .expect("settings in range")
}

fn delta(item: &str, response: &str, audio: Vec<u8>) -> Delta {
    Delta {
        item_id: item.to_owned(),
        response_id: response.to_owned(),
        content_index: 0,
        output_index: 0,
        audio,
    }
}

fn samples(values: impl IntoIterator<Item = i16>) -> Vec<u8> {
    values.into_iter().flat_map(i16::to_le_bytes).collect()
}

/// A small generator, so that ten thousand schedules need no shrinking machinery.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

/// A server that speaks items in responses, and a listener who notes whose samples he hears: at
/// equal rates each sample carries the number of its item.
struct World {
    down: Downlink,
    random: Random,
    received: HashMap<String, u64>,
    heard: HashMap<i16, u64>,
    open: Vec<(String, String)>,
    items: u64,
    responses: u64,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed * 2 + 1);
        (0..10).for_each(|_| _ = random.below(2));
        let target_ms = random.below(4) as u32 * 20;
        Self {
            down: downlink(WireFormat::Pcm16, 24_000, target_ms),
            random,
            received: HashMap::new(),
            heard: HashMap::new(),
            open: Vec::new(),
            items: 0,
            responses: 0,
        }
    }

    fn speak(&mut self) {
        if self.open.is_empty() || self.random.below(8) == 0 {
            if self.open.is_empty() || self.random.below(2) == 0 {
                self.responses += 1;
                let id = format!("r{}", self.responses);
                self.down.answers().created(&id, true);
            }
            self.items += 1;
            self.open.push((format!("{}", self.items), format!("r{}", self.responses)));
        }
        let place = self.random.below(self.open.len() as u64) as usize;
        let (item, response) = self.open[place].clone();
        let frames = self.random.below(4_000);
        let number = item.parse::<i16>().expect("items have numbers");
        let piece = delta(&item, &response, samples((0..frames).map(|_| number)));
        if self.down.sound(&piece) == Taken::Played && frames > 0 {
            *self.received.entry(item).or_default() += frames;
        }
    }

    fn tick(&mut self) {
        let mut block = vec![0; 24 * TICK_MS as usize];
        let sound = self.down.pull(&mut block);
        self.down.played(sound);
        for sample in &block[..sound] {
            *self.heard.entry(*sample).or_default() += 1;
        }
        assert!(block[sound..].iter().all(|&sample| sample == 0));
    }

    fn heard_of(&self, item: &str) -> u64 {
        self.heard.get(&item.parse().expect("items have numbers")).copied().unwrap_or(0)
    }

    fn end_one(&mut self) {
        if !self.open.is_empty() {
            let place = self.random.below(self.open.len() as u64) as usize;
            let (item, response) = self.open.remove(place);
            self.down.audio_done(&item, 0);
            if !self.open.iter().any(|(_, other)| *other == response) {
                self.down.response_done(&response);
            }
        }
    }

    /// Interrupts, and compares what is reported with what was heard.
    fn cut(&mut self) {
        let (items, muted) = self.down.cut();
        for item in &items {
            let received = self.received.get(&item.item_id).copied().unwrap_or(0);
            let truth = self.heard_of(&item.item_id);
            assert!(received > 0, "nothing is cut before its first sound");
            assert_eq!(item.heard_ms, truth / 24, "what is told is what was heard");
            assert!(item.heard_ms * 24 <= received, "never beyond what was received");
            assert!(
                muted.contains(&item.response_id)
                    || self.down.answers().is_muted(&item.response_id)
            );
        }
        // What was received in full and heard in full is not cut.
        for (item, received) in &self.received {
            let truth = self.heard_of(item);
            let cut = items.iter().any(|cut| cut.item_id == *item);
            assert!(truth == *received || cut, "{item}: {truth} of {received} and not told");
        }
        let mut block = [1; 960];
        assert_eq!(self.down.pull(&mut block), 0, "silent at once");
        for (item, response) in std::mem::take(&mut self.open) {
            let taken = self.down.sound(&delta(&item, &response, samples([1; 480])));
            let muted = self.down.answers().is_muted(&response);
            assert_eq!(taken == Taken::Dropped, muted, "late sound of a stopped answer is dropped");
            self.down.audio_done(&item, 0);
            self.down.response_done(&response);
        }
        self.down.cut();
        self.received.clear();
        self.heard.clear();
    }
}

#[test]
fn ten_thousand_interruptions_tell_what_was_heard() {
    let mut cuts = 0;
    for seed in 0..500 {
        let mut world = World::new(seed);
        for _ in 0..20 {
            for _ in 0..world.random.below(60) {
                match world.random.below(10) {
                    0..=2 => world.speak(),
                    3 => world.end_one(),
                    _ => world.tick(),
                }
            }
            world.cut();
            cuts += 1;
        }
    }
    assert_eq!(cuts, 10_000);
}

fn play(down: &mut Downlink, ticks: usize, block: usize) -> Vec<i16> {
    let mut all = Vec::new();
    for _ in 0..ticks {
        let mut out = vec![0; block];
        let sound = down.pull(&mut out);
        down.played(sound);
        all.extend_from_slice(&out[..sound]);
    }
    all
}

#[test]
fn silence_is_told_once_and_only_when_no_more_is_to_come() {
    let mut down = downlink(WireFormat::Pcm16, 24_000, 0);
    down.answers().created("r", true);
    assert_eq!(down.fell_silent(), None);
    down.sound(&delta("a", "r", samples([1; 480])));
    play(&mut down, 2, 480);
    assert_eq!(down.fell_silent(), None, "the message is not complete");
    down.audio_done("a", 0);
    assert_eq!(down.fell_silent(), Some(960));
    assert_eq!(down.fell_silent(), None);
    down.sound(&delta("b", "r", samples([1; 480])));
    down.response_done("r");
    assert_eq!(down.fell_silent(), None);
    play(&mut down, 1, 480);
    assert_eq!(down.fell_silent(), Some(1_920));
}

#[test]
fn a_part_heard_to_its_end_is_cut_only_while_more_of_it_may_come() {
    let mut down = downlink(WireFormat::Pcm16, 24_000, 0);
    down.answers().created("r", true);
    down.sound(&delta("a", "r", samples([1; 480])));
    play(&mut down, 2, 480);
    let (items, muted) = down.cut();
    assert_eq!((items[0].heard_ms, muted), (20, vec!["r".to_owned()]));
    assert_eq!(down.cut(), (vec![], vec![]), "a second interruption finds nothing");

    let mut down = downlink(WireFormat::Pcm16, 24_000, 0);
    down.answers().created("r", true);
    down.sound(&delta("a", "r", samples([1; 480])));
    down.audio_done("a", 0);
    play(&mut down, 1, 480);
    let (items, muted) = down.cut();
    assert_eq!((items, muted), (vec![], vec!["r".to_owned()]));
}

#[test]
fn what_a_lost_connection_began_is_played_to_its_end_and_told_as_earlier() {
    let mut down = downlink(WireFormat::Pcm16, 24_000, 0);
    down.answers().created("r", true);
    down.sound(&delta("a", "r", samples([1; 960])));
    play(&mut down, 1, 480);
    down.rebound();
    assert_eq!(down.fell_silent(), None);
    assert_eq!(play(&mut down, 2, 480).len(), 480);
    assert_eq!(down.fell_silent(), Some(1_920), "no more of it can come");

    down.sound(&delta("b", "r", samples([2; 960])));
    down.rebound();
    down.answers().created("s", true);
    down.sound(&delta("c", "s", samples([3; 481])));
    play(&mut down, 1, 480);
    let (items, _) = down.cut();
    let told: Vec<_> =
        items.iter().map(|i| (i.item_id.as_str(), i.heard_ms, i.received_ms, i.earlier)).collect();
    assert_eq!(told, [("b", 20, 40, true), ("c", 0, 21, false)]);
}

#[test]
fn sound_that_comes_after_the_end_of_its_response_is_played_to_its_end() {
    let mut down = downlink(WireFormat::Pcm16, 24_000, 60);
    down.answers().created("r", true);
    down.sound(&delta("a", "r", samples([1; 480])));
    down.response_done("r");
    down.sound(&delta("a", "r", samples([2; 480])));
    assert_eq!(play(&mut down, 3, 480).len(), 960);
    assert_eq!(down.fell_silent(), Some(1_920));
}

#[test]
fn a_response_outside_the_conversation_is_known_as_such() {
    let mut down = downlink(WireFormat::Ulaw, 8_000, 0);
    down.answers().created("side", false);
    down.sound(&delta("a", "side", vec![0; 800]));
    let (items, _) = down.cut();
    assert!(!items[0].in_conversation);
}

#[test]
fn what_has_no_room_is_dropped_whole_and_counted() {
    let mut down = downlink(WireFormat::Pcm16, 24_000, 0);
    let minute = samples(std::iter::repeat_n(1, 24_000 * 50));
    assert_eq!(down.sound(&delta("a", "r", minute.clone())), Taken::Played);
    assert_eq!(down.sound(&delta("a", "r", minute)), Taken::Dropped);
    assert_eq!(down.stats().overruns, 1);
    assert_eq!(down.taken_bytes(), 24_000 * 50 * 2);
}

#[test]
fn endless_new_messages_are_bounded() {
    let mut down = downlink(WireFormat::Pcm16, 24_000, 0);
    for n in 0..5_000 {
        down.sound(&delta(&n.to_string(), "r", samples([1; 2])));
        play(&mut down, 1, 480);
    }
    assert_eq!(down.heard("0"), None, "forgotten");
    assert_eq!(down.heard("4999").map(|(heard, _)| heard.played), Some(2));
    let mut full = downlink(WireFormat::Pcm16, 24_000, 0);
    let taken = (0..5_000)
        .filter(|n| full.sound(&delta(&n.to_string(), "r", samples([1; 2]))) == Taken::Played)
        .count();
    assert_eq!(taken, 256, "messages that wait are not forgotten");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// At any pair of rates: all is heard in the end, in order, and a cut is never off by more than
    /// a block, nor beyond what was received.
    #[test]
    fn positions_hold_at_other_rates(
        rate in prop_oneof![Just(8_000_u32), Just(16_000), Just(44_100), Just(48_000)],
        ulaw: bool,
        cuts in proptest::collection::vec((1_usize..3_000, 0_usize..6), 1..12),
        stop in 0_usize..40,
    ) {
        let format = if ulaw { WireFormat::Ulaw } else { WireFormat::Pcm16 };
        let mut down = downlink(format, rate, 0);
        down.answers().created("r", true);
        let block = rate as usize / 50;
        let (mut fed, mut out) = (0_u64, 0_u64);
        for (frames, ticks) in cuts {
            down.sound(&delta("a", "r", vec![0x80; frames * format.width()]));
            fed += frames as u64;
            out += play(&mut down, ticks, block).len() as u64;
            let heard = down.heard("a").unwrap().0.played;
            let truth = out * u64::from(format.rate()) / u64::from(rate);
            prop_assert!(heard <= fed && heard.abs_diff(truth) <= 1, "{} {} {}", heard, truth, fed);
        }
        if stop % 2 == 0 {
            down.audio_done("a", 0);
            out += play(&mut down, 1_000, block).len() as u64;
            let exact = (fed as f64 * f64::from(rate) / f64::from(format.rate())).round_ties_even();
            prop_assert_eq!(out, exact as u64);
            prop_assert_eq!(down.heard("a").unwrap().0.played, fed);
            prop_assert!(down.heard("a").unwrap().0.is_complete());
        } else {
            out += play(&mut down, stop, block).len() as u64;
            let truth = out * 1_000 / u64::from(rate);
            let (items, _) = down.cut();
            prop_assert_eq!(items.len(), 1);
            prop_assert!(items[0].heard_ms.abs_diff(truth) <= TICK_MS);
            prop_assert!(items[0].heard_ms * u64::from(format.rate()) <= fed * 1_000);
        }
    }
}
