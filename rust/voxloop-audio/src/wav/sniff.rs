//! Which container some bytes begin.

use crate::error::Container;

/// Tells a container by the first bytes (16 are enough).
///
/// MPEG and ADTS streams begin with little more than a sync word, so raw samples can pass for them;
/// the others have magic numbers.
pub fn sniff(bytes: &[u8]) -> Container {
    let at =
        |offset: usize, magic: &[u8]| bytes.get(offset..).is_some_and(|b| b.starts_with(magic));
    if bytes.is_empty() {
        return Container::Empty;
    }
    if [b"RIFF", b"RIFX", b"RF64", b"BW64"].iter().any(|magic| at(0, *magic)) {
        return if at(8, b"WAVE") { Container::Wav } else { Container::OtherRiff };
    }
    if at(0, b"FORM") && (at(8, b"AIFF") || at(8, b"AIFC")) {
        return Container::Aiff;
    }
    let magics: [(usize, &[u8], Container); 9] = [
        (0, b"OggS", Container::Ogg),
        (0, b"fLaC", Container::Flac),
        (0, b"ID3", Container::Mp3),
        (4, b"ftyp", Container::Mp4),
        (0, b"\x1A\x45\xDF\xA3", Container::WebM),
        (0, b".snd", Container::Au),
        (0, b"caff", Container::Caf),
        (0, b"riff\x2E\x91\xCF\x11", Container::Wave64),
        (0, b"#!AMR", Container::Amr),
    ];
    if let Some((.., container)) = magics.iter().find(|(offset, magic, _)| at(*offset, magic)) {
        return *container;
    }
    match bytes {
        [0xFF, second, ..] if second & 0xF6 == 0xF0 => Container::Aac,
        [0xFF, second, third, ..] if mpeg_header(*second, *third) => Container::Mp3,
        _ => Container::Unknown,
    }
}

/// An MPEG audio frame header after its first byte, with no reserved value in it.
fn mpeg_header(second: u8, third: u8) -> bool {
    let (version, layer) = (second >> 3 & 3, second >> 1 & 3);
    let (bitrate, rate) = (third >> 4, third >> 2 & 3);
    second & 0xE0 == 0xE0 && version != 1 && layer != 0 && bitrate != 15 && rate != 3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_beginnings() {
        let cases: [(&[u8], Container); 16] = [
            (b"", Container::Empty),
            (b"RIFF\x24\0\0\0WAVEfmt ", Container::Wav),
            (b"BW64\xFF\xFF\xFF\xFFWAVEds64", Container::Wav),
            (b"RIFF\x24\0\0\0AVI LIST", Container::OtherRiff),
            (b"OggS\0\x02", Container::Ogg),
            (b"fLaC\0\0\0\x22", Container::Flac),
            (b"ID3\x04\0\0\0\0\0\0", Container::Mp3),
            (b"\xFF\xFB\x90\x64", Container::Mp3),
            (b"\xFF\xF1\x50\x80", Container::Aac),
            (b"\0\0\0\x1CftypM4A ", Container::Mp4),
            (b"\x1A\x45\xDF\xA3\x9F", Container::WebM),
            (b"FORM\0\0\0\0AIFC", Container::Aiff),
            (b".snd\0\0\0\x18", Container::Au),
            (b"#!AMR\n", Container::Amr),
            (b"\xFF\xFF\xFF\xFF", Container::Unknown),
            (b"{\"error\": 1}", Container::Unknown),
        ];
        for (bytes, wanted) in cases {
            assert_eq!(sniff(bytes), wanted, "{bytes:?}");
        }
    }
}
