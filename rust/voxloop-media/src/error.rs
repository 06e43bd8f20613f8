//! What can be wrong with media.

/// Why media cannot be opened or used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MediaError {
    /// A setting that makes no sense.
    #[error("{0}")]
    Config(String),
    /// An audio format or rate that cannot be used.
    #[error(transparent)]
    Audio(#[from] voxloop_audio::AudioError),
    /// What one at a time can use is in use.
    #[error("{0}")]
    Busy(&'static str),
    /// A file or a descriptor.
    #[error("{0}")]
    Io(String),
    /// A microphone or a speaker.
    #[error("{message}")]
    Device {
        /// What kind of failure.
        fault: DeviceFault,
        /// The text for people.
        message: String,
    },
    /// The network threads.
    #[error(transparent)]
    Net(#[from] voxloop_net::NetError),
}

/// What is wrong with a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceFault {
    /// No backend for this system.
    Unsupported,
    /// The sound server cannot be reached, or does not answer.
    NoServer,
    /// There is no device of that name, or none at all.
    NotFound,
    /// The sound server refused.
    Refused,
    /// The device or the server went away.
    Lost,
}

impl DeviceFault {
    /// Stable text for programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unsupported => "unsupported",
            Self::NoServer => "no_server",
            Self::NotFound => "not_found",
            Self::Refused => "refused",
            Self::Lost => "lost",
        }
    }

    /// The error of this kind.
    pub(crate) fn error(self, message: impl Into<String>) -> MediaError {
        MediaError::Device { fault: self, message: message.into() }
    }
}

impl From<std::io::Error> for MediaError {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error.to_string())
    }
}

/// A result of this crate.
pub type Result<T> = std::result::Result<T, MediaError>;
