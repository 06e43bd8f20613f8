//! The splitter: one pass over the text, whatever pieces it comes in.

use std::fmt;

use unicode_segmentation::GraphemeCursor;

use crate::abbreviation::{Dot, dot_after};
use crate::class::{Class, ascii_class, class, is_opening, pauses_at_blanks, weight};

/// The most characters in one segment: what the speech endpoint takes in one request.
pub const HARD_CAP: u64 = 4096;

/// From which weight a segment may end, and at which it must.
///
/// A weight is a number of characters, where a wide one (ideographs, kana, hangul, emoji) counts as
/// three.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Weight from which a sentence may be the first segment.
    pub first_sentence: u64,
    /// Weight from which a clause may be the first segment.
    pub first_clause: u64,
    /// Greatest weight of the first segment.
    pub first_most: u64,
    /// Weight from which sentences may be a later segment.
    pub sentence: u64,
    /// Greatest weight of a later segment.
    pub most: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { first_sentence: 12, first_clause: 24, first_most: 100, sentence: 80, most: 200 }
    }
}

/// Limits that cannot be met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitsError {
    /// The limit at fault.
    pub name: &'static str,
    /// Its value.
    pub value: u64,
    /// The greatest value it may have; the least is 1.
    pub most: u64,
}

impl fmt::Display for LimitsError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} must be 1 to {}, not {}", self.name, self.most, self.value)
    }
}

impl std::error::Error for LimitsError {}

impl Limits {
    /// Checks that each segment can be within its bounds.
    ///
    /// # Errors
    /// A limit is zero, or above the one that bounds it.
    pub fn check(&self) -> Result<(), LimitsError> {
        let each = [
            ("first_most", self.first_most, HARD_CAP),
            ("most", self.most, HARD_CAP),
            ("first_sentence", self.first_sentence, self.first_most),
            ("first_clause", self.first_clause, self.first_most),
            ("sentence", self.sentence, self.most),
        ];
        each.into_iter()
            .find(|(_, value, most)| !(1..=*most).contains(value))
            .map_or(Ok(()), |(name, value, most)| Err(LimitsError { name, value, most }))
    }
}

/// A place between two characters where a segment may end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    /// Byte offset in `text`.
    at: usize,
    /// Weight of all text before it, since the last reset.
    weight: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Sentence,
    Clause,
}

/// What the characters just read may turn out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pending {
    Nothing,
    /// A mark and what closes with it, up to here.
    Mark {
        kind: Kind,
        wide: bool,
        doubt: Doubt,
    },
    /// A mark and a blank: the next word decides what it was.
    Held {
        place: Place,
        doubt: Doubt,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doubt {
    None,
    /// A clause if a small letter follows, otherwise a sentence.
    Ellipsis,
    /// Nothing if a small letter follows, otherwise a sentence.
    MayEnd,
    /// Nothing if a digit follows, otherwise a sentence.
    Number,
}

/// Cuts streamed text into segments: the first one short, the later ones longer.
///
/// Segments join to exactly the text that went in, and where they are cut depends on the text
/// alone, not on the pieces that it came in. A segment ends after a sentence or a line of enough
/// weight; the first one may also end after a clause, so that speech can begin early. Where neither
/// comes in time it ends at the last clause or word, and at worst between two graphemes. Only a
/// grapheme of more than [`HARD_CAP`] characters is torn, and a combining mark loses a blank that
/// it stands on.
///
/// No segment but the last of a message, or one full of marks alone, is without a letter or digit:
/// marks and blanks go with the words next to them.
///
/// Time is linear in the text; memory is bounded by the limits and the longest piece.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools)] // each is a fact of its own about the current segment
pub struct Splitter {
    limits: Limits,
    text: String,
    /// Offset of the first byte that has not been looked at.
    scanned: usize,
    /// Where the current segment starts.
    start: Place,
    weight: u64,
    characters: u64,
    first: bool,
    /// The current segment holds something to say.
    spoken: bool,
    pending: Pending,
    sentence: Option<Place>,
    clause: Option<Place>,
    word: Option<Place>,
    /// Offset behind the last blank.
    word_start: usize,
    begins_line: bool,
    last: char,
    /// There is no grapheme boundary in the current segment so far.
    one_grapheme: bool,
}

impl Splitter {
    /// A splitter at the begin of a message.
    ///
    /// # Errors
    /// The limits cannot be met.
    pub fn new(limits: Limits) -> Result<Self, LimitsError> {
        limits.check()?;
        Ok(Self::fresh(limits))
    }

    fn fresh(limits: Limits) -> Self {
        let zero = Place { at: 0, weight: 0 };
        Self {
            limits,
            text: String::new(),
            scanned: 0,
            start: zero,
            weight: 0,
            characters: 0,
            first: true,
            spoken: false,
            pending: Pending::Nothing,
            sentence: None,
            clause: None,
            word: None,
            word_start: 0,
            begins_line: true,
            last: '\n',
            one_grapheme: false,
        }
    }

    /// Takes the next piece; hands each segment that is complete by now to `ready`.
    pub fn push(&mut self, delta: &str, mut ready: impl FnMut(&str)) {
        self.text.push_str(delta);
        while self.scanned < self.text.len() {
            if self.pending == Pending::Nothing && self.plain_run() {
                continue;
            }
            let Some(character) = self.text[self.scanned..].chars().next() else { break };
            self.take(character, &mut ready);
        }
        self.forget();
    }

    /// Hands what is left to `ready`; what follows is a new message, whose first segment is short.
    pub fn flush(&mut self, ready: impl FnOnce(&str)) {
        if self.start.at < self.text.len() {
            ready(&self.text[self.start.at..]);
        }
        *self = Self::fresh(self.limits);
    }

    /// Characters that wait in an unfinished segment, in bytes of UTF-8.
    pub fn pending_bytes(&self) -> usize {
        self.text.len() - self.start.at
    }

    /// Skips plain text in one go; false if there is none, or the limit is near.
    fn plain_run(&mut self) -> bool {
        self.ascii_run() || self.wide_run()
    }

    /// ASCII letters and digits, and the blanks between words.
    fn ascii_run(&mut self) -> bool {
        let room = self.most().saturating_sub(self.weight - self.start.weight) as usize;
        let ahead = &self.text.as_bytes()[self.scanned..];
        let ahead = &ahead[..ahead.len().min(room)];
        let (mut run, mut word) = (0, 0);
        while let Some(&byte) = ahead.get(run) {
            if byte == b' ' && !self.begins_line && (run > 0 || self.last.is_ascii()) {
                word = run + 1;
            } else if !byte.is_ascii() || ascii_class(byte) != Class::Plain {
                break;
            }
            run += 1;
        }
        if run == 0 {
            return false;
        }
        if !self.spoken {
            self.spoken = ahead[..run].iter().any(u8::is_ascii_alphanumeric);
        }
        self.last = char::from(ahead[run - 1]);
        if word > 0 {
            self.word_start = self.scanned + word;
            self.word = Some(Place { at: self.word_start, weight: self.weight + word as u64 });
        }
        self.one_grapheme = false;
        self.scanned += run;
        self.weight += run as u64;
        self.characters += run as u64;
        true
    }

    /// Kana, ideographs and hangul: three bytes each, and three of weight.
    fn wide_run(&mut self) -> bool {
        let room = self.most().saturating_sub(self.weight - self.start.weight) / 3;
        let ahead = &self.text[self.scanned..];
        let plain = |character: &char| matches!(character, 'ぁ'..='ゖ' | 'ァ'..='ヺ' | '一'..='鿿' | '가'..='힣');
        let run = ahead.chars().take(room as usize).take_while(plain).count();
        let Some(last) = ahead[..3 * run].chars().next_back() else { return false };
        self.last = last;
        self.spoken = true;
        self.one_grapheme = false;
        self.scanned += 3 * run;
        self.weight += 3 * run as u64;
        self.characters += run as u64;
        true
    }

    fn take(&mut self, character: char, ready: &mut impl FnMut(&str)) {
        let before = Place { at: self.scanned, weight: self.weight };
        let kind = class(character);
        let after = Place {
            at: before.at + character.len_utf8(),
            weight: before.weight + weight(character),
        };
        let blank = matches!(kind, Class::Blank | Class::Line);
        self.settle(character, kind, before, after, ready);
        self.scanned = after.at;
        self.weight = after.weight;
        self.characters += 1;
        self.spoken = self.spoken || character.is_alphanumeric();
        if blank {
            self.word = Some(after);
            if kind == Class::Blank && pauses_at_blanks(self.last) {
                self.boundary(Kind::Clause, after, ready);
            }
            self.begins_line = kind == Class::Line
                || (self.begins_line
                    && !self.text[self.word_start.min(before.at)..before.at]
                        .contains(char::is_alphanumeric));
            self.word_start = after.at;
        }
        if kind == Class::Line {
            self.boundary(Kind::Sentence, after, ready);
        } else {
            self.mark(character, kind, before);
        }
        self.last = character;
        self.overflow(before, ready);
    }

    /// Decides what was pending, now that the character behind it is known.
    fn settle(
        &mut self,
        character: char,
        kind: Class,
        before: Place,
        after: Place,
        ready: &mut impl FnMut(&str),
    ) {
        let blank = matches!(kind, Class::Blank | Class::Line);
        match self.pending {
            Pending::Nothing => {}
            Pending::Mark { kind: of, wide, doubt } => {
                let more = matches!(kind, Class::Stop | Class::WideStop | Class::Ellipsis);
                let at_once = wide || (doubt == Doubt::Ellipsis && weight(character) > 1);
                if at_once && !blank && !self.is_grapheme_boundary(before.at, after.at) {
                    return; // a variation selector behind the mark
                }
                if kind == Class::Closing || (more && of == Kind::Sentence) {
                    return; // `."`, `?!`: the mark goes on
                }
                self.pending = Pending::Nothing;
                if kind == Class::Line {
                    return; // the line ends the segment
                }
                if blank && doubt != Doubt::None {
                    self.pending = Pending::Held { place: after, doubt };
                } else if blank {
                    self.boundary(of, after, ready);
                } else if at_once {
                    self.boundary(if wide { of } else { Kind::Clause }, before, ready);
                }
            }
            Pending::Held { place, doubt } => {
                if kind == Class::Line {
                    self.pending = Pending::Nothing;
                } else if !blank && !is_opening(character) {
                    self.pending = Pending::Nothing;
                    match doubt {
                        Doubt::Ellipsis if character.is_lowercase() => {
                            self.boundary(Kind::Clause, place, ready);
                        }
                        Doubt::MayEnd if character.is_lowercase() => {}
                        Doubt::Number if character.is_numeric() => {}
                        _ => self.boundary(Kind::Sentence, place, ready),
                    }
                }
            }
        }
    }

    /// Notes the mark that begins or goes on with `character`.
    fn mark(&mut self, character: char, kind: Class, before: Place) {
        let (of, wide, doubt) = match kind {
            Class::Stop | Class::WideStop => {
                let doubt = match self.pending {
                    // `...` is an ellipsis, `?.` and `.)` are what they are.
                    Pending::Mark { doubt: Doubt::Ellipsis, .. } if character == '.' => {
                        Doubt::Ellipsis
                    }
                    Pending::Mark { .. } if character == '.' && self.last == '.' => Doubt::Ellipsis,
                    _ if character == '.' => match self.dot(before.at) {
                        Dot::End => Doubt::None,
                        Dot::MayEnd => Doubt::MayEnd,
                        Dot::Number => Doubt::Number,
                        Dot::Word => {
                            self.pending = Pending::Nothing;
                            return;
                        }
                    },
                    _ => Doubt::None,
                };
                (Kind::Sentence, kind == Class::WideStop, doubt)
            }
            Class::Ellipsis => (Kind::Sentence, false, Doubt::Ellipsis),
            Class::Clause | Class::WideClause if self.pending == Pending::Nothing => {
                (Kind::Clause, kind == Class::WideClause, Doubt::None)
            }
            _ => return,
        };
        self.pending = Pending::Mark { kind: of, wide, doubt };
    }

    fn dot(&self, at: usize) -> Dot {
        let word = &self.text[self.word_start.max(self.start.at).min(at)..at];
        dot_after(word.trim_start_matches(is_opening), self.begins_line)
    }

    /// A segment may end at `place`: cut if it is long enough, otherwise remember the place.
    fn boundary(&mut self, kind: Kind, place: Place, ready: &mut impl FnMut(&str)) {
        let enough = match (kind, self.first) {
            (Kind::Sentence, true) => self.limits.first_sentence,
            (Kind::Clause, true) => self.limits.first_clause,
            (Kind::Sentence, false) => self.limits.sentence,
            (Kind::Clause, false) => u64::MAX,
        };
        if self.spoken && place.weight - self.start.weight >= enough {
            self.cut(place, ready);
        } else {
            match kind {
                Kind::Sentence => self.sentence = Some(place),
                Kind::Clause => self.clause = Some(place),
            }
        }
    }

    fn most(&self) -> u64 {
        if self.first { self.limits.first_most } else { self.limits.most }
    }

    /// Cuts what has become too long; `before` is the place before the last character.
    fn overflow(&mut self, before: Place, ready: &mut impl FnMut(&str)) {
        while self.weight - self.start.weight > self.most() {
            let Some(place) = self.best_place().or_else(|| self.between_graphemes(before)) else {
                return;
            };
            self.cut(place, ready);
        }
    }

    /// The best of the places that were remembered; one near the begin only if there is no other.
    fn best_place(&self) -> Option<Place> {
        let places = [self.sentence, self.clause, self.word];
        let mut inside = places.into_iter().flatten().filter(|place| place.at > self.start.at);
        let far = self.most() / 4;
        inside
            .clone()
            .find(|place| place.weight - self.start.weight >= far)
            .or_else(|| inside.next())
    }

    fn is_grapheme_boundary(&self, at: usize, end: usize) -> bool {
        let segment = &self.text[self.start.at..end];
        GraphemeCursor::new(at - self.start.at, segment.len(), true).is_boundary(segment, 0)
            == Ok(true)
    }

    fn between_graphemes(&mut self, before: Place) -> Option<Place> {
        if before.at <= self.start.at {
            return None;
        }
        if self.is_grapheme_boundary(before.at, self.scanned) {
            return Some(before);
        }
        if !self.one_grapheme {
            let segment = &self.text[self.start.at..self.scanned];
            let mut cursor = GraphemeCursor::new(before.at - self.start.at, segment.len(), true);
            if let Ok(Some(at)) = cursor.prev_boundary(segment, 0)
                && at > 0
            {
                let behind = segment[at..].chars().map(weight).sum::<u64>();
                let place = Place { at: self.start.at + at, weight: self.weight - behind };
                return Some(place);
            }
            self.one_grapheme = true;
        }
        (self.characters > HARD_CAP).then_some(before)
    }

    fn cut(&mut self, place: Place, ready: &mut impl FnMut(&str)) {
        let segment = &self.text[self.start.at..place.at];
        ready(segment);
        if self.spoken {
            // What lies behind a place that was remembered is short.
            self.first = self.first && !segment.contains(char::is_alphanumeric);
        }
        self.start = place;
        self.one_grapheme = false;
        let rest = &self.text[place.at.min(self.scanned)..self.scanned];
        self.spoken = rest.contains(char::is_alphanumeric);
        self.characters = rest.chars().count() as u64;
        for remembered in [&mut self.sentence, &mut self.clause, &mut self.word] {
            if remembered.is_some_and(|other| other.at <= place.at) {
                *remembered = None;
            }
        }
        if matches!(self.pending, Pending::Held { place: held, .. } if held.at <= place.at) {
            self.pending = Pending::Nothing;
        }
    }

    /// Lets go of what was handed out.
    fn forget(&mut self) {
        let gone = self.start.at;
        if gone == 0 {
            return;
        }
        self.text.drain(..gone);
        self.scanned -= gone;
        self.start.at = 0;
        self.word_start = self.word_start.saturating_sub(gone);
        let held = match &mut self.pending {
            Pending::Held { place, .. } => Some(place),
            _ => None,
        };
        let remembered = [&mut self.sentence, &mut self.clause, &mut self.word];
        for place in remembered.into_iter().flatten().chain(held) {
            place.at -= gone;
        }
    }
}
