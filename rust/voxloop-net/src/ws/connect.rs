//! From a checked configuration to an open WebSocket, within one deadline.

use std::sync::Arc;

use rustls::pki_types::ServerName;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::config::{Plan, WsConfig};
use super::dial::dial;
use super::handshake::{self, Upgraded};
use crate::error::{NetError, Phase};
use crate::runtime::Host;
use crate::socket::{Meter, Socket, Stream};
use crate::target::Target;
use crate::tls::{Roots, with_alpn};

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
        let tcp = dial(&plan.target.host, plan.target.port).await?;
        let stream = if plan.target.secure {
            phase = Phase::Tls;
            secure(host, config, &plan.target, tcp).await?
        } else {
            Stream::Plain(tcp)
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

async fn secure(
    host: &'static Host,
    config: &WsConfig,
    target: &Target,
    tcp: tokio::net::TcpStream,
) -> Result<Stream, NetError> {
    let ca_file = config.ca_file.clone();
    let base = host.blocking(move || host.tls.config(&Roots::choose(ca_file.as_deref()))).await?;
    let failed = |message: String| NetError::TlsFailed { host: target.host.clone(), message };
    let name = ServerName::try_from(target.host.clone())
        .map_err(|_| failed("the host name cannot be in a certificate".to_owned()))?;
    let connector = TlsConnector::from(Arc::new(with_alpn(&base, &["http/1.1"])));
    let stream = connector.connect(name, tcp).await.map_err(|error| failed(error.to_string()))?;
    Ok(Stream::Tls(Box::new(stream)))
}
