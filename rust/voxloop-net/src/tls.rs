//! One rustls configuration for WebSocket and HTTP. Nothing here turns verification off.

use std::collections::HashMap;
use std::env;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;

use crate::error::{NetError, TlsKind};

/// Distinct configurations kept; beyond this the cache starts again.
const CACHE_LIMIT: usize = 16;

/// Whom to trust and who we are. The default trusts what the platform trusts and is nobody.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsConfig {
    /// A PEM file of the only roots to trust, instead of those of `SSL_CERT_FILE` and
    /// `SSL_CERT_DIR` or the platform's.
    pub ca_file: Option<PathBuf>,
    /// A PEM file with our certificate and those between it and the server's authority.
    pub client_cert: Option<PathBuf>,
    /// A PEM file with its key; `None` if the key is in the same file.
    pub client_key: Option<PathBuf>,
}

impl TlsConfig {
    pub(crate) fn check(&self) -> Result<(), NetError> {
        if self.client_key.is_some() && self.client_cert.is_none() {
            let message = "client_key without client_cert; a key proves nothing by itself";
            return Err(NetError::InvalidConfig { message: message.to_owned() });
        }
        Ok(())
    }
}

/// A file as it was when it was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Stamped {
    path: PathBuf,
    changed: Option<SystemTime>,
}

impl Stamped {
    fn of(path: &Path) -> Self {
        let changed = std::fs::metadata(path).and_then(|file| file.modified()).ok();
        Self { path: path.to_owned(), changed }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Roots {
    Nothing,
    Platform,
    /// A file, and folders of files named by the hash of their subject, as OpenSSL has them.
    Given {
        file: Option<Stamped>,
        folders: Vec<Stamped>,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Identity {
    chain: Stamped,
    key: Stamped,
}

/// What a configuration is made from: the same files, unchanged, give the same one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Trust {
    roots: Roots,
    identity: Option<Identity>,
}

impl Trust {
    /// For connections without TLS, which need no store to be there.
    pub(crate) fn nothing() -> Self {
        Self { roots: Roots::Nothing, identity: None }
    }

    /// The file asked for, else what the environment names, else the platform's store. Looks at
    /// files: not for a network thread.
    pub(crate) fn choose(config: &TlsConfig) -> Self {
        let roots = match &config.ca_file {
            Some(path) => Roots::Given { file: Some(Stamped::of(path)), folders: Vec::new() },
            None => Roots::of_environment(),
        };
        let identity = config.client_cert.as_deref().map(|chain| Identity {
            chain: Stamped::of(chain),
            key: Stamped::of(config.client_key.as_deref().unwrap_or(chain)),
        });
        Self { roots, identity }
    }

    /// Reads the files and makes the configuration. Not for a network thread.
    fn load(&self) -> Result<ClientConfig, NetError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| failed(&error))?;
        let builder = match &self.roots {
            Roots::Nothing => builder.with_root_certificates(RootCertStore::empty()),
            Roots::Platform => builder.with_platform_verifier().map_err(|error| failed(&error))?,
            Roots::Given { file, folders } => {
                builder.with_root_certificates(read_roots(file.as_ref(), folders)?)
            }
        };
        let Some(identity) = &self.identity else { return Ok(builder.with_no_client_auth()) };
        let (chain, key) = identity.read()?;
        builder.with_client_auth_cert(chain, key).map_err(|error| {
            unusable("client certificate", &identity.chain.path, &error.to_string())
        })
    }
}

impl Roots {
    fn of_environment() -> Self {
        let named = |name| env::var_os(name).filter(|value| !value.is_empty());
        let file = named("SSL_CERT_FILE").map(|path| Stamped::of(Path::new(&path)));
        let folders: Vec<_> = named("SSL_CERT_DIR")
            .map(|list| env::split_paths(&list).map(|path| Stamped::of(&path)).collect())
            .unwrap_or_default();
        if file.is_none() && folders.is_empty() {
            return Self::Platform;
        }
        Self::Given { file, folders }
    }
}

impl Identity {
    fn read(&self) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), NetError> {
        let chain = read_certificates(&self.chain.path)
            .map_err(|why| unusable("client certificate", &self.chain.path, &why))?;
        let key = PrivateKeyDer::from_pem_file(&self.key.path)
            // Its text is about the file, never of its content.
            .map_err(|error| unusable("client key", &self.key.path, &error.to_string()))?;
        Ok((chain, key))
    }
}

fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| error.to_string())?;
    if certificates.is_empty() { Err("no certificate in it".to_owned()) } else { Ok(certificates) }
}

fn read_roots(file: Option<&Stamped>, folders: &[Stamped]) -> Result<RootCertStore, NetError> {
    let mut roots = RootCertStore::empty();
    if let Some(Stamped { path, .. }) = file {
        let certificates =
            read_certificates(path).map_err(|why| unusable("CA file", path, &why))?;
        let (added, _) = roots.add_parsable_certificates(certificates);
        if added == 0 {
            return Err(unusable("CA file", path, "no usable certificate in it"));
        }
    }
    for folder in folders {
        // A folder that is not there, and a file that is none of ours, is what OpenSSL passes over.
        for path in hashed_files(&folder.path) {
            roots.add_parsable_certificates(read_certificates(&path).unwrap_or_default());
        }
    }
    match folders.first() {
        Some(folder) if roots.is_empty() => {
            let why = "no certificate in it under a name that c_rehash gives";
            Err(unusable("folder of SSL_CERT_DIR", &folder.path, why))
        }
        _ => Ok(roots),
    }
}

/// The files whose name is eight hexadecimal digits, a dot and a number.
fn hashed_files(folder: &Path) -> Vec<PathBuf> {
    let is_hashed = |name: &str| {
        name.split_once('.').is_some_and(|(hash, number)| {
            hash.len() == 8
                && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
                && !number.is_empty()
                && number.bytes().all(|byte| byte.is_ascii_digit())
        })
    };
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_name().to_str().is_some_and(is_hashed))
        .map(|entry| entry.path())
        .collect()
}

fn unusable(what: &str, path: &Path, why: &str) -> NetError {
    let message = format!("{what} {}: {why}; wanted PEM", path.display());
    NetError::InvalidConfig { message }
}

fn failed(error: &rustls::Error) -> NetError {
    NetError::TlsFailed {
        host: "any host".to_owned(),
        kind: TlsKind::Other,
        message: error.to_string(),
    }
}

/// Configurations by what they are made from. The session cache for resumption is shared with them.
#[derive(Default)]
pub(crate) struct TlsCache(Mutex<HashMap<Trust, Arc<ClientConfig>>>);

impl TlsCache {
    /// The configuration for `trust`, without ALPN. Reads files on first use.
    pub(crate) fn config(&self, trust: &Trust) -> Result<Arc<ClientConfig>, NetError> {
        if let Some(config) = self.lock().get(trust) {
            return Ok(Arc::clone(config));
        }
        // Not under the mutex: two callers may both read, and either result will do.
        let config = Arc::new(trust.load()?);
        let mut cache = self.lock();
        if cache.len() >= CACHE_LIMIT {
            cache.clear();
        }
        Ok(Arc::clone(cache.entry(trust.clone()).or_insert(config)))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Trust, Arc<ClientConfig>>> {
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

    fn refused(config: &TlsConfig, path: &Path) {
        let error = Trust::choose(config).load().unwrap_err();
        assert_eq!(error.code(), "invalid_config");
        assert!(error.to_string().contains(&path.display().to_string()), "{error}");
    }

    #[test]
    fn a_file_that_will_not_do_is_named() {
        let folder = env::temp_dir();
        let missing = folder.join("voxloop-no-such-file.pem");
        let empty = folder.join(format!("voxloop-empty-{}.pem", std::process::id()));
        std::fs::write(&empty, "not a certificate").unwrap();
        for path in [&missing, &empty] {
            refused(&TlsConfig { ca_file: Some(path.clone()), ..TlsConfig::default() }, path);
            refused(&TlsConfig { client_cert: Some(path.clone()), ..TlsConfig::default() }, path);
        }
        std::fs::remove_file(&empty).unwrap();
        let alone = TlsConfig { client_key: Some(missing), ..TlsConfig::default() };
        assert_eq!(alone.check().unwrap_err().code(), "invalid_config");
    }

    #[test]
    fn a_folder_of_roots_is_read_by_the_names_of_its_files() {
        let folder = env::temp_dir().join(format!("voxloop-roots-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let key = rcgen::KeyPair::generate().unwrap();
        let authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
        let pem = authority.self_signed(&key).unwrap().pem();
        std::fs::write(folder.join("named-otherwise.pem"), &pem).unwrap();
        let folders = [Stamped::of(&folder)];
        assert_eq!(read_roots(None, &folders).unwrap_err().code(), "invalid_config");
        std::fs::write(folder.join("0123abcd.0"), &pem).unwrap();
        assert_eq!(read_roots(None, &folders).unwrap().len(), 1);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
