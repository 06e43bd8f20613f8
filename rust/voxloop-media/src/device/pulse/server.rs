//! Where the sound server listens, and what it wants to see.

use std::path::PathBuf;

use crate::error::{DeviceFault, Result};

fn folder(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// The server's socket: ``PULSE_SERVER`` if it is set, otherwise where sessions have it.
pub(super) fn socket() -> Result<PathBuf> {
    if let Ok(given) = std::env::var("PULSE_SERVER")
        && let Some(first) = given.split_whitespace().next()
    {
        return local(first).ok_or_else(|| {
            DeviceFault::NoServer.error(format!(
                "PULSE_SERVER is {given:?}: only the socket of a server on this machine can be \
                 used, as in unix:/run/user/1000/pulse/native"
            ))
        });
    }
    let places = [
        folder("PULSE_RUNTIME_PATH").map(|folder| folder.join("native")),
        folder("XDG_RUNTIME_DIR").map(|folder| folder.join("pulse/native")),
        Some(PathBuf::from("/var/run/pulse/native")),
    ];
    places.into_iter().flatten().find(|path| path.exists()).ok_or_else(|| {
        DeviceFault::NoServer.error(
            "no sound server was found: start PulseAudio or PipeWire (with pipewire-pulse), or \
             name its socket in PULSE_SERVER",
        )
    })
}

/// One entry of ``PULSE_SERVER``: ``[{machine}][unix:]/path``.
fn local(entry: &str) -> Option<PathBuf> {
    let entry = match entry.strip_prefix('{') {
        Some(rest) => rest.split_once('}')?.1,
        None => entry,
    };
    let path = entry.strip_prefix("unix:").unwrap_or(entry);
    path.starts_with('/').then(|| PathBuf::from(path))
}

/// The server's cookie; empty where there is none, which servers of one's own session accept.
pub(super) fn cookie() -> Vec<u8> {
    let config = folder("XDG_CONFIG_HOME").map(|folder| folder.join("pulse/cookie"));
    let home = folder("HOME");
    let places = [
        folder("PULSE_COOKIE"),
        config,
        home.as_ref().map(|home| home.join(".config/pulse/cookie")),
        home.as_ref().map(|home| home.join(".pulse-cookie")),
    ];
    places.into_iter().flatten().find_map(|path| std::fs::read(path).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_for_this_machine_are_understood() {
        for entry in ["unix:/a/b", "/a/b", "{0123}unix:/a/b", "{0123}/a/b"] {
            assert_eq!(local(entry), Some(PathBuf::from("/a/b")), "{entry}");
        }
        for entry in ["tcp:host:4713", "host", "{broken/a", ""] {
            assert_eq!(local(entry), None, "{entry}");
        }
    }
}
