//! What can go wrong, as one type with a stable code for programs and a message for people.

use thiserror::Error;

/// Shorthand for a result with [`AudioError`].
pub type Result<T> = std::result::Result<T, AudioError>;

/// An error of the audio core.
///
/// The message says what came and what was wanted; [`AudioError::code`] is the stable name to match
/// on outside Rust.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AudioError {
    /// A rate, channel count, encoding, length or setting that the call cannot work with.
    #[error("{what}: got {came}, wanted {wanted}")]
    Format {
        /// The quantity in question, such as `sample rate`.
        what: &'static str,
        /// What the caller gave.
        came: String,
        /// What would have been accepted.
        wanted: String,
    },
    /// Bytes that claim to be WAV and break its rules.
    #[error("invalid WAV at byte {offset}: {reason}")]
    Wav {
        /// Offset of the offending bytes from the start of the file.
        offset: u64,
        /// What is wrong there.
        reason: String,
    },
    /// A sound WAV file whose samples are coded in a way that is not decoded here.
    #[error(
        "unsupported WAV encoding at byte {offset}: format tag {tag:#06x} ({name}), {bits} bits; \
         wanted PCM of 8 to 32 bits, float of 32 or 64 bits, A-law or u-law"
    )]
    WavEncoding {
        /// Offset of the `fmt ` chunk's body from the start of the file.
        offset: u64,
        /// The format tag; for an extensible header the tag inside the subformat.
        tag: u16,
        /// The registered name of the tag, or `unknown`.
        name: &'static str,
        /// Bits per sample, as the file states them.
        bits: u16,
    },
    /// The bytes are not WAV at all.
    #[error("not a WAV file: {container}; wanted RIFF, RIFX, RF64 or BW64 with form WAVE")]
    Container {
        /// What the bytes look like.
        container: Container,
    },
}

impl AudioError {
    /// The stable name of the kind: `audio_format`, `wav_invalid`, `wav_encoding` or
    /// `audio_container`.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Format { .. } => "audio_format",
            Self::Wav { .. } => "wav_invalid",
            Self::WavEncoding { .. } => "wav_encoding",
            Self::Container { .. } => "audio_container",
        }
    }

    pub(crate) fn format(
        what: &'static str,
        came: impl std::fmt::Display,
        wanted: impl Into<String>,
    ) -> Self {
        Self::Format { what, came: came.to_string(), wanted: wanted.into() }
    }

    pub(crate) fn wav(offset: u64, reason: impl Into<String>) -> Self {
        Self::Wav { offset, reason: reason.into() }
    }
}

/// A file format told by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Container {
    /// WAV: RIFF, RIFX, RF64 or BW64 with form WAVE.
    Wav,
    /// Ogg (Vorbis, Opus, FLAC in Ogg).
    Ogg,
    /// Native FLAC.
    Flac,
    /// MPEG audio, with or without an ID3 tag.
    Mp3,
    /// ADTS AAC.
    Aac,
    /// ISO base media: MP4, M4A, MOV.
    Mp4,
    /// Matroska or `WebM`.
    WebM,
    /// AIFF or AIFF-C.
    Aiff,
    /// Sun/NeXT audio (`.au`, `.snd`).
    Au,
    /// Apple Core Audio Format.
    Caf,
    /// Sony Wave64.
    Wave64,
    /// Adaptive multi-rate speech.
    Amr,
    /// RIFF with another form, such as AVI.
    OtherRiff,
    /// No bytes at all.
    Empty,
    /// None of the known ones.
    Unknown,
}

impl Container {
    /// A short lower-case name: `ogg`, `flac`, `mp3`, …; `empty` and `unknown` for the last two.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Wav => "wav",
            Self::Ogg => "ogg",
            Self::Flac => "flac",
            Self::Mp3 => "mp3",
            Self::Aac => "aac",
            Self::Mp4 => "mp4",
            Self::WebM => "webm",
            Self::Aiff => "aiff",
            Self::Au => "au",
            Self::Caf => "caf",
            Self::Wave64 => "w64",
            Self::Amr => "amr",
            Self::OtherRiff => "riff",
            Self::Empty => "empty",
            Self::Unknown => "unknown",
        }
    }

    /// The MIME type to upload such a file under, where there is one.
    pub const fn mime(self) -> Option<&'static str> {
        Some(match self {
            Self::Wav => "audio/wav",
            Self::Ogg => "audio/ogg",
            Self::Flac => "audio/flac",
            Self::Mp3 => "audio/mpeg",
            Self::Aac => "audio/aac",
            Self::Mp4 => "audio/mp4",
            Self::WebM => "audio/webm",
            Self::Aiff => "audio/aiff",
            Self::Au => "audio/basic",
            Self::Caf => "audio/x-caf",
            Self::Amr => "audio/amr",
            Self::Wave64 | Self::OtherRiff | Self::Empty | Self::Unknown => return None,
        })
    }
}

impl std::fmt::Display for Container {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Wav => "the bytes are WAV",
            Self::Ogg => "the bytes are Ogg (Vorbis, Opus or FLAC)",
            Self::Flac => "the bytes are FLAC",
            Self::Mp3 => "the bytes are MP3",
            Self::Aac => "the bytes are AAC (ADTS)",
            Self::Mp4 => "the bytes are MP4/M4A",
            Self::WebM => "the bytes are WebM/Matroska",
            Self::Aiff => "the bytes are AIFF",
            Self::Au => "the bytes are Sun AU",
            Self::Caf => "the bytes are Core Audio (CAF)",
            Self::Wave64 => "the bytes are Sony Wave64",
            Self::Amr => "the bytes are AMR",
            Self::OtherRiff => "the bytes are RIFF with another form",
            Self::Empty => "there are no bytes",
            Self::Unknown => "the first bytes match no known audio container",
        })
    }
}
