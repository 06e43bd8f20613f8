//! One rustls configuration for WebSocket and HTTP. Nothing here turns verification off.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;

use crate::error::NetError;

/// Distinct sets of roots kept; beyond this the cache starts again.
const CACHE_LIMIT: usize = 16;

/// Where trust comes from: the platform's store, or a file as it was when first read.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Roots {
    /// Nothing is trusted: for connections without TLS, which need no store to be there.
    Nothing,
    Platform,
    File {
        path: PathBuf,
        changed: Option<SystemTime>,
    },
}

impl Roots {
    /// The file asked for, else the one `SSL_CERT_FILE` names, else the platform's store.
    pub(crate) fn choose(ca_file: Option<&Path>) -> Self {
        let from_environment = || {
            std::env::var_os("SSL_CERT_FILE")
                .filter(|value| !value.to_string_lossy().trim().is_empty())
                .map(PathBuf::from)
        };
        match ca_file.map(Path::to_owned).or_else(from_environment) {
            None => Self::Platform,
            Some(path) => {
                let changed = std::fs::metadata(&path).and_then(|file| file.modified()).ok();
                Self::File { path, changed }
            }
        }
    }

    /// Reads the roots and makes the configuration. Reads files: not for a network thread.
    fn load(&self) -> Result<ClientConfig, NetError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| failed(&error))?;
        Ok(match self {
            Self::Nothing => {
                builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth()
            }
            Self::Platform => builder
                .with_platform_verifier()
                .map_err(|error| failed(&error))?
                .with_no_client_auth(),
            Self::File { path, .. } => {
                builder.with_root_certificates(read_roots(path)?).with_no_client_auth()
            }
        })
    }
}

fn read_roots(path: &Path) -> Result<RootCertStore, NetError> {
    let invalid = |why: String| NetError::InvalidConfig {
        message: format!("CA file {}: {why}; wanted PEM certificates", path.display()),
    };
    let certificates: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| invalid(error.to_string()))?;
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(certificates);
    if added == 0 {
        return Err(invalid("no usable certificate in it".to_owned()));
    }
    Ok(roots)
}

fn failed(error: &rustls::Error) -> NetError {
    NetError::TlsFailed { host: "any host".to_owned(), message: error.to_string() }
}

/// Configurations by their roots. The session cache for resumption is shared with them.
#[derive(Default)]
pub(crate) struct TlsCache(Mutex<HashMap<Roots, Arc<ClientConfig>>>);

impl TlsCache {
    /// The configuration for `roots`, without ALPN. Reads files on first use.
    pub(crate) fn config(&self, roots: &Roots) -> Result<Arc<ClientConfig>, NetError> {
        if let Some(config) = self.lock().get(roots) {
            return Ok(Arc::clone(config));
        }
        // Not under the mutex: two callers may both read, and either result will do.
        let config = Arc::new(roots.load()?);
        let mut cache = self.lock();
        if cache.len() >= CACHE_LIMIT {
            cache.clear();
        }
        Ok(Arc::clone(cache.entry(roots.clone()).or_insert(config)))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Roots, Arc<ClientConfig>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `base` with the protocols to offer, most wanted first.
pub(crate) fn with_alpn(base: &ClientConfig, protocols: &[&str]) -> ClientConfig {
    let mut config = base.clone();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ca_file_that_will_not_do_is_named() {
        let folder = std::env::temp_dir();
        let missing = folder.join("voxloop-no-such-file.pem");
        let empty = folder.join(format!("voxloop-empty-{}.pem", std::process::id()));
        std::fs::write(&empty, "not a certificate").unwrap();
        for path in [&missing, &empty] {
            let error = Roots::choose(Some(path)).load().unwrap_err();
            assert_eq!(error.code(), "invalid_config");
            assert!(error.to_string().contains(&path.display().to_string()), "{error}");
        }
        std::fs::remove_file(&empty).unwrap();
    }
}
