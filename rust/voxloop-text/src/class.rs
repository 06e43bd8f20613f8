//! What a character means to the splitter.

/// The part that a character plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// Letters, digits, everything without a part of its own.
    Plain,
    /// A blank that does not end a line.
    Blank,
    /// The end of a line.
    Line,
    /// Ends a sentence where a blank follows.
    Stop,
    /// Ends a sentence, whatever follows.
    WideStop,
    /// Words are left out, or a pause: what follows decides.
    Ellipsis,
    /// Ends a clause where a blank follows.
    Clause,
    /// Ends a clause, whatever follows.
    WideClause,
    /// Belongs to the mark before it: quotes, brackets, emphasis.
    Closing,
}

const ASCII: [Class; 128] = ascii();

const fn ascii() -> [Class; 128] {
    let mut table = [Class::Plain; 128];
    let mut at = 0;
    while at < 128 {
        table[at] = match at as u8 {
            b'\n' => Class::Line,
            b'\t' | 0x0b | 0x0c | 0x1c..=0x20 => Class::Blank,
            b'.' | b'!' | b'?' => Class::Stop,
            b',' | b';' | b':' => Class::Clause,
            // A carriage return belongs to the end of the line behind it.
            b'\r' | b'"' | b'\'' | b')' | b']' | b'}' | b'*' | b'_' | b'`' => Class::Closing,
            _ => Class::Plain,
        };
        at += 1;
    }
    table
}

pub(crate) fn ascii_class(byte: u8) -> Class {
    ASCII[usize::from(byte & 0x7f)]
}

pub(crate) fn class(character: char) -> Class {
    if character.is_ascii() {
        return ascii_class(character as u8);
    }
    match character {
        '\u{2028}' | '\u{2029}' | '\u{85}' => Class::Line,
        '。' | '！' | '？' | '｡' | '।' | '॥' | '។' | '။' | '།' => Class::WideStop,
        // Arabic, Urdu, Armenian, Ethiopic, and the double marks.
        '؟' | '۔' | '։' | '።' | '‼' | '⁇' | '⁈' | '⁉' => Class::Stop,
        '…' => Class::Ellipsis,
        '–' | '،' | '؛' | '፣' => Class::Clause,
        '—' | '、' | '，' | '；' | '：' => Class::WideClause,
        '»' | '”' | '’' | '›' | '」' | '』' | '）' | '】' | '》' | '〉' | '］' | '｝' => {
            Class::Closing
        }
        _ if character.is_whitespace() => Class::Blank,
        _ => Class::Plain,
    }
}

/// Quotes, brackets and emphasis that may stand before the first letter of a word.
pub(crate) fn is_opening(character: char) -> bool {
    "\"'([{*_`«“‘„‹「『（【《¿¡".contains(character)
}

/// Scripts that write no blanks between words: one between clauses is a pause.
pub(crate) fn pauses_at_blanks(character: char) -> bool {
    // Thai, Lao; Myanmar; Khmer.
    matches!(character, '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}')
}

/// How long a character is spoken, roughly, in Latin letters.
///
/// Characters that are wide by UAX #11 (ideographs, kana, hangul, most emoji) count as three.
pub(crate) fn weight(character: char) -> u64 {
    match character {
        '\u{1100}'..='\u{115f}'
        | '\u{2e80}'..='\u{303e}'
        | '\u{3041}'..='\u{a4cf}'
        | '\u{a960}'..='\u{a97f}'
        | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe6f}'
        | '\u{ff00}'..='\u{ff60}'
        | '\u{ffe0}'..='\u{ffe6}'
        | '\u{1f300}'..='\u{1f64f}'
        | '\u{1f680}'..='\u{1f6ff}'
        | '\u{1f900}'..='\u{1faff}'
        | '\u{20000}'..='\u{3fffd}' => 3,
        _ => 1,
    }
}

/// Whether there is anything to say: a letter or a digit of any script.
pub fn is_speakable(text: &str) -> bool {
    text.chars().any(char::is_alphanumeric)
}
