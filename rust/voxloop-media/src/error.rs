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
    /// A file or a descriptor.
    #[error("{0}")]
    Io(String),
    /// The network threads.
    #[error(transparent)]
    Net(#[from] voxloop_net::NetError),
}

impl From<std::io::Error> for MediaError {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error.to_string())
    }
}

/// A result of this crate.
pub type Result<T> = std::result::Result<T, MediaError>;
