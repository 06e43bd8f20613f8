//! Full stops that belong to a word.

/// What the full stop behind a word may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dot {
    /// The end of a sentence.
    End,
    /// A part of the word.
    Word,
    /// Both: the end of a sentence unless a small letter follows (`etc.`, `5 p.m.`).
    MayEnd,
    /// A part of the word if a number follows (`No. 5`), otherwise the end of a sentence.
    Number,
}

// Sorted, lower case, without the full stop.
const WORDS: [&str; 61] = [
    "approx", "apr", "art", "aug", "ave", "blvd", "brig", "bzw", "ca", "capt", "cf", "cmdr", "co",
    "col", "corp", "dec", "dept", "dr", "dra", "est", "feb", "fr", "gen", "gov", "hon", "hr",
    "inc", "jan", "jr", "jul", "jun", "lt", "ltd", "maj", "mar", "messrs", "mlle", "mme", "mr",
    "mrs", "ms", "mt", "nov", "oct", "ph.d", "prof", "rd", "rep", "rev", "sen", "sep", "sept",
    "sgt", "sr", "sra", "st", "str", "tel", "univ", "vgl", "vs",
];
const MAY_END: [&str; 5] = ["a.m", "al", "etc", "p.m", "usw"];
const NUMBER: [&str; 9] = ["ch", "fig", "no", "nr", "op", "p", "pp", "sec", "vol"];
const LONGEST: usize = 6;

/// What a full stop behind `word` is.
///
/// # Arguments
/// * `word`: what stands between the last blank and the full stop, without opening quotes.
/// * `begins_line`: whether it is the first word of its line.
pub(crate) fn dot_after(word: &str, begins_line: bool) -> Dot {
    if word.is_empty() {
        return Dot::End;
    }
    if begins_line && word.len() <= 3 && word.bytes().all(|byte| byte.is_ascii_digit()) {
        return Dot::Word; // the number of a list item
    }
    let mut buffer = [0_u8; LONGEST];
    if let Some(lower) = lower_case(word, &mut buffer) {
        if NUMBER.contains(&lower) {
            return Dot::Number;
        }
        if MAY_END.contains(&lower) {
            return Dot::MayEnd;
        }
        if WORDS.binary_search(&lower).is_ok() {
            return Dot::Word;
        }
    }
    if are_initials(word) { Dot::Word } else { Dot::End }
}

/// Single letters with full stops between them: `J`, `e.g`, `U.S.A`. The word `I` is none.
fn are_initials(word: &str) -> bool {
    if word == "I" || word.len() > 32 {
        return false;
    }
    word.split('.').all(|part| {
        let mut characters = part.chars();
        characters.next().is_some_and(char::is_alphabetic) && characters.next().is_none()
    })
}

fn lower_case<'a>(word: &str, buffer: &'a mut [u8; LONGEST]) -> Option<&'a str> {
    let place = buffer.get_mut(..word.len())?;
    place.copy_from_slice(word.as_bytes());
    place.make_ascii_lowercase();
    std::str::from_utf8(place).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_within_its_length() {
        assert!(WORDS.is_sorted());
        assert!(WORDS.iter().chain(&MAY_END).chain(&NUMBER).all(|word| word.len() <= LONGEST));
    }

    #[test]
    fn words() {
        for word in ["Dr", "MR", "e.g", "U.S", "J", "Ä", "Ph.D", "z.B", "J.R.R"] {
            assert_eq!(dot_after(word, false), Dot::Word, "{word}");
        }
        for word in ["end", "I", "42", "today", "", "example.com", "Straße"] {
            assert_eq!(dot_after(word, false), Dot::End, "{word}");
        }
        assert_eq!(dot_after("12", true), Dot::Word);
        assert_eq!(dot_after("1984", true), Dot::End);
        assert_eq!(dot_after("p.m", false), Dot::MayEnd);
        assert_eq!(dot_after("No", false), Dot::Number);
    }
}
