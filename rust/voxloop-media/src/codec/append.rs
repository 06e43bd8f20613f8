//! `input_audio_buffer.append`, built without a tree.

use base64_simd::STANDARD;

const HEAD: &str = r#"{"type":"input_audio_buffer.append","audio":""#;
const TAIL: &str = r#""}"#;

/// The event that carries `payload`, audio as the session's input format has it.
///
/// ```
/// assert_eq!(
///     voxloop_media::codec::append(b"\0\0\x01"),
///     r#"{"type":"input_audio_buffer.append","audio":"AAAB"}"#
/// );
/// ```
pub fn append(payload: &[u8]) -> String {
    let mut out = String::with_capacity(HEAD.len() + payload.len().div_ceil(3) * 4 + TAIL.len());
    out.push_str(HEAD);
    STANDARD.encode_append(payload, &mut out);
    out.push_str(TAIL);
    out
}
