//! One pass over the members of a JSON object, as strict as a parser and without its tree.
//!
//! Whatever is unusual (an escape in a name, nesting beyond [`MAX_DEPTH`], anything that is not
//! JSON) is refused: the caller then takes the long way.

use memchr::memchr2;

/// Nesting that is skipped over.
const MAX_DEPTH: usize = 32;

/// A value of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value<'a> {
    /// What stands between the quotes; `escaped` if there is a backslash in it.
    Text {
        raw: &'a str,
        escaped: bool,
    },
    /// A number that is a natural one, written plainly.
    Natural(u32),
    Null,
    /// Anything else that is JSON.
    Other,
}

/// It is not JSON, or not the usual kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unusual;

type Scanned<T> = Result<T, Unusual>;

/// Reads the members of an object one by one.
pub(super) struct Members<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Members<'a> {
    pub(super) fn of(text: &'a str) -> Scanned<Self> {
        let mut members = Self { text, at: 0 };
        members.blanks();
        members.expect(b'{')?;
        Ok(members)
    }

    /// The next name and its value; `None` at the end of the object, which must be the end of all.
    pub(super) fn next(&mut self) -> Scanned<Option<(&'a str, Value<'a>)>> {
        self.blanks();
        if self.peek() == Some(b'}') {
            self.at += 1;
            self.blanks();
            return if self.at == self.text.len() { Ok(None) } else { Err(Unusual) };
        }
        let (name, escaped) = self.string()?;
        if escaped {
            return Err(Unusual);
        }
        self.blanks();
        self.expect(b':')?;
        self.blanks();
        let value = self.value(0)?;
        self.blanks();
        // What comes next is a comma with a member behind it, or the end.
        match self.peek() {
            Some(b',') => {
                self.at += 1;
                self.blanks();
                if self.peek() != Some(b'"') {
                    return Err(Unusual);
                }
            }
            Some(b'}') => {}
            _ => return Err(Unusual),
        }
        Ok(Some((name, value)))
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn expect(&mut self, byte: u8) -> Scanned<()> {
        if self.peek() != Some(byte) {
            return Err(Unusual);
        }
        self.at += 1;
        Ok(())
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn value(&mut self, depth: usize) -> Scanned<Value<'a>> {
        match self.peek().ok_or(Unusual)? {
            b'"' => self.string().map(|(raw, escaped)| Value::Text { raw, escaped }),
            b'{' => self.nested(depth, b'}', true),
            b'[' => self.nested(depth, b']', false),
            b't' => self.word("true", Value::Other),
            b'f' => self.word("false", Value::Other),
            b'n' => self.word("null", Value::Null),
            _ => self.number(),
        }
    }

    fn word(&mut self, word: &str, value: Value<'a>) -> Scanned<Value<'a>> {
        if !self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            return Err(Unusual);
        }
        self.at += word.len();
        Ok(value)
    }

    /// A string without its quotes, and whether there is a backslash in it.
    fn string(&mut self) -> Scanned<(&'a str, bool)> {
        self.expect(b'"')?;
        let bytes = self.text.as_bytes();
        let start = self.at;
        let mut escaped = false;
        loop {
            let stop = self.at + plain(&bytes[self.at..]).ok_or(Unusual)?;
            self.at = stop + 1;
            match bytes[stop] {
                b'"' => return Ok((&self.text[start..stop], escaped)),
                b'\\' => {}
                _ => return Err(Unusual),
            }
            // Only the one-letter escapes are usual; the others may stand for half a character.
            escaped = true;
            match self.peek() {
                Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
                _ => return Err(Unusual),
            }
        }
    }

    fn nested(&mut self, depth: usize, close: u8, named: bool) -> Scanned<Value<'a>> {
        if depth == MAX_DEPTH {
            return Err(Unusual);
        }
        self.at += 1;
        self.blanks();
        if self.peek() == Some(close) {
            self.at += 1;
            return Ok(Value::Other);
        }
        loop {
            if named {
                self.string()?;
                self.blanks();
                self.expect(b':')?;
                self.blanks();
            }
            self.value(depth + 1)?;
            self.blanks();
            if self.peek() == Some(close) {
                self.at += 1;
                return Ok(Value::Other);
            }
            self.expect(b',')?;
            self.blanks();
        }
    }

    fn digits(&mut self) -> Scanned<()> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start { Err(Unusual) } else { Ok(()) }
    }

    fn number(&mut self) -> Scanned<Value<'a>> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        let mut plain = true;
        if self.peek() == Some(b'.') {
            plain = false;
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            plain = false;
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        let number = self.text[start..self.at].parse().ok().filter(|_| plain);
        Ok(number.map_or(Value::Other, Value::Natural))
    }
}

/// How many bytes stand before the first that ends a string or must not be in one; `None` if there is
/// no such byte.
fn plain(bytes: &[u8]) -> Option<usize> {
    let (words, _) = bytes.as_chunks::<8>();
    // Names, types and ids end soon: for them the setting out of a search would be most of its time.
    for (index, word) in words.iter().take(SHORT).enumerate() {
        let found = ends(u64::from_le_bytes(*word));
        if found != 0 {
            return Some(index * 8 + found.trailing_zeros() as usize / 8);
        }
    }
    let far = words.len().min(SHORT) * 8;
    let stop = far + memchr2(b'"', b'\\', &bytes[far..])?;
    if !has_control(&bytes[far..stop]) {
        return Some(stop);
    }
    bytes.iter().position(|&byte| byte < 0x20)
}

/// Words that are looked at one by one.
const SHORT: usize = 6;

/// The highest bit of each byte that is `"`, `\` or a control character; beyond the first of them
/// there may be others.
///
/// That a byte is less than another, or zero, is told by the borrow of a subtraction: "Determine if a
/// word has a byte less than n", S. E. Anderson, Bit Twiddling Hacks.
const fn ends(word: u64) -> u64 {
    const ONES: u64 = u64::MAX / 255;
    let quote = word ^ (ONES * b'"' as u64);
    let slash = word ^ (ONES * b'\\' as u64);
    let control = word.wrapping_sub(ONES * 0x20) & !word;
    let either = (quote.wrapping_sub(ONES) & !quote) | (slash.wrapping_sub(ONES) & !slash);
    (control | either) & (ONES * 0x80)
}

/// Whether there is a byte that JSON wants escaped. A search that may stop at each byte would not be
/// vectorised.
fn has_control(bytes: &[u8]) -> bool {
    // The least byte of a block, without a branch within it: the compiler takes it by vectors.
    let least = |block: &[u8]| block.iter().fold(u8::MAX, |least, &byte| least.min(byte));
    let (blocks, rest) = bytes.as_chunks::<128>();
    blocks.iter().any(|block| least(block) < 0x20) || least(rest) < 0x20
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn members(text: &str) -> Scanned<Vec<(&str, Value<'_>)>> {
        let mut members = Members::of(text)?;
        let mut found = Vec::new();
        while let Some(member) = members.next()? {
            found.push(member);
        }
        Ok(found)
    }

    proptest! {
        /// Each byte at each place, among all others.
        #[test]
        fn a_string_ends_at_the_first_byte_that_is_special(
            bytes in proptest::collection::vec(
                prop_oneof![
                    20 => 0x20_u8..,
                    1 => any::<u8>(),
                    1 => prop_oneof![Just(b'"'), Just(b'\\'), Just(0x1f_u8), Just(0x7f), Just(0x80)],
                ],
                0..300,
            ),
        ) {
            let special = |&byte: &u8| byte < 0x20 || byte == b'"' || byte == b'\\';
            let ends = bytes.iter().any(|byte| *byte == b'"' || *byte == b'\\');
            match plain(&bytes) {
                Some(stop) => prop_assert_eq!(Some(stop), bytes.iter().position(special)),
                // A string that does not end is no string, whatever is in it.
                None => prop_assert!(!ends),
            }
        }
    }

    #[test]
    fn members_are_read_in_order() {
        let text = " {\"a\" : 1,\"b\":\"x\\/\", \"c\":null,\n\"d\":[1,{\"e\":[]}],\"f\":-1.5e3 } ";
        let wanted = vec![
            ("a", Value::Natural(1)),
            ("b", Value::Text { raw: "x\\/", escaped: true }),
            ("c", Value::Null),
            ("d", Value::Other),
            ("f", Value::Other),
        ];
        assert_eq!(members(text), Ok(wanted));
        assert_eq!(members("{}"), Ok(vec![]));
    }

    #[test]
    fn what_is_not_json_is_refused() {
        for text in [
            "",
            "[]",
            "{",
            "{]",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{,}",
            "{\"a\":1}}",
            "{\"a\":1} x",
            "{\"a\":01}",
            "{\"a\":+1}",
            "{\"a\":1.}",
            "{\"a\":.5}",
            "{\"a\":1e}",
            "{\"a\":nul}",
            "{\"a\":tru}",
            "{\"a\":\"\u{1}\"}",
            "{\"a\":\"\\x\"}",
            "{\"a\":[1,]}",
            "{\"a\":{\"b\"}}",
            "{\"a\":\"",
            "{\"a\":\"\\",
            "{a:1}",
            "{\"a\":1 \"b\":2}",
            "{\"a\":-}",
            "{\"a\":[}",
        ] {
            assert_eq!(members(text), Err(Unusual), "{text}");
        }
    }

    #[test]
    fn deep_nesting_is_left_to_others() {
        let deep = |n: usize| format!("{{\"a\":{}{}}}", "[".repeat(n), "]".repeat(n));
        assert!(members(&deep(MAX_DEPTH)).is_ok());
        assert_eq!(members(&deep(MAX_DEPTH + 1)), Err(Unusual));
        assert_eq!(members(&"[".repeat(1_000_000)), Err(Unusual));
    }
}
