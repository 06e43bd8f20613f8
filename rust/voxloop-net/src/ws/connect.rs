//! From a checked configuration to an open WebSocket, within one deadline.

use std::sync::Arc;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::config::{Plan, WsConfig};
use super::handshake::{self, Upgraded};
use super::tunnel::reach;
use crate::error::{NetError, Phase, TlsKind};
use crate::runtime::Host;
use crate::socket::{Meter, Socket, Stream};
use crate::tls::{TlsConfig, Trust, with_alpn};
use crate::tls_fault;

pub(crate) type Ws = WebSocketStream<Socket>;

/// Connects and upgrades. The error of a passed deadline says which step it was.
pub(crate) async fn connect(
    host: &'static Host,
    config: &WsConfig,
    plan: &Plan,
    meter: &Arc<Meter>,
) -> Result<(Ws, Upgraded), NetError> {
    let mut phase = Phase::Connect;
    let opening = async {
        let target = &plan.target;
        let line = reach(host, &config.tls, target, plan.proxy.as_ref(), &mut phase).await?;
        let stream = if target.secure {
            phase = Phase::Tls;
            Stream::Tls(Box::new(secure(host, &config.tls, &target.host, line).await?))
        } else {
            Stream::Plain(line)
        };
        phase = Phase::Handshake;
        let mut socket = Socket::new(stream, Arc::clone(meter));
        let upgraded = handshake::upgrade(&mut socket, config, plan).await?;
        Ok((socket, upgraded))
    };
    let opened = timeout(config.open_timeout, opening).await;
    let (socket, mut upgraded) = match opened {
        Ok(opened) => opened?,
        Err(_) => return Err(NetError::Timeout { phase, after: config.open_timeout }),
    };
    let early = std::mem::take(&mut upgraded.early_bytes);
    let limits = Some(config.protocol_limits());
    let ws = WebSocketStream::from_partially_read(socket, early, Role::Client, limits).await;
    Ok((ws, upgraded))
}

/// TLS with `name` over `line`.
pub(crate) async fn secure<S>(
    host: &'static Host,
    tls: &TlsConfig,
    name: &str,
    line: S,
) -> Result<TlsStream<S>, NetError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let tls = tls.clone();
    let base = host.blocking(move || host.tls.config(&Trust::choose(&tls))).await?;
    let server = ServerName::try_from(name.to_owned()).map_err(|_| NetError::TlsFailed {
        host: name.to_owned(),
        kind: TlsKind::WrongHost,
        message: "the host name cannot be in a certificate".to_owned(),
    })?;
    let connector = TlsConnector::from(Arc::new(with_alpn(&base, &["http/1.1"])));
    connector.connect(server, line).await.map_err(|error| {
        tls_fault::of_io(&error, name).unwrap_or_else(|| {
            NetError::unclean(format!("during the TLS handshake with {name}: {error}"))
        })
    })
}
