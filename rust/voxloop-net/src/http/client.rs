//! Pooled clients, one for each TLS configuration and way of connecting.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use reqwest::Client;
use reqwest::redirect::Policy;

use super::request::{HttpRequest, Plan};
use crate::error::{NetError, TlsKind};
use crate::proxy::{Proxy, Scheme};
use crate::runtime::Host;
use crate::tls::{Trust, with_alpn};

/// Distinct clients kept; beyond this the pool starts again.
const CACHE_LIMIT: usize = 16;
const IDLE_CONNECTIONS: usize = 8;
const IDLE_FOR: Duration = Duration::from_secs(30);

#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    trust: Trust,
    connect_timeout: Duration,
    proxy: Option<Proxy>,
}

/// The clients of one runtime.
#[derive(Default)]
pub(crate) struct Clients(Mutex<HashMap<Key, Client>>);

impl Clients {
    fn find(&self, key: &Key) -> Option<Client> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    /// Lets go of all clients: connections that wait for a request end now, others behind theirs.
    pub(crate) fn forget(&self) {
        let cache = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        drop(std::mem::take(cache));
    }

    fn keep(&self, key: Key, client: Client) -> Client {
        let mut cache = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if cache.len() >= CACHE_LIMIT {
            cache.clear();
        }
        cache.entry(key).or_insert(client).clone()
    }
}

/// The client for `request`, made on first use.
pub(crate) async fn client_for(
    host: &'static Host,
    request: &HttpRequest,
    plan: &Plan,
) -> Result<Client, NetError> {
    let tls = request.tls.clone();
    let proxy = plan.proxy.clone();
    let connect_timeout = request.connect_timeout;
    let encrypted =
        plan.target.secure || proxy.as_ref().is_some_and(|proxy| proxy.scheme == Scheme::Https);
    // Looks at files, so not on a network thread.
    host.blocking(move || {
        let trust = if encrypted { Trust::choose(&tls) } else { Trust::nothing() };
        let key = Key { trust, connect_timeout, proxy };
        if let Some(client) = host.clients.find(&key) {
            return Ok(client);
        }
        let client = make(host, &key)?;
        Ok(host.clients.keep(key, client))
    })
    .await
}

fn make(host: &Host, key: &Key) -> Result<Client, NetError> {
    let tls = with_alpn(&*host.tls.config(&key.trust)?, &["h2", "http/1.1"]);
    let mut builder = Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(Policy::none())
        .connect_timeout(key.connect_timeout)
        .tcp_nodelay(true)
        .pool_idle_timeout(IDLE_FOR)
        .pool_max_idle_per_host(IDLE_CONNECTIONS);
    builder = match &key.proxy {
        // The environment was asked already, by the same rules as for a WebSocket.
        None => builder.no_proxy(),
        Some(proxy) => builder.proxy(reqwest::Proxy::all(proxy.url()?).map_err(|_| {
            let message = "the HTTP library cannot use this proxy".to_owned();
            NetError::InvalidConfig { message }
        })?),
    };
    builder.build().map_err(|error| NetError::TlsFailed {
        host: "any host".to_owned(),
        kind: TlsKind::Other,
        message: error.without_url().to_string(),
    })
}
