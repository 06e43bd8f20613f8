//! Name lookup and TCP, with a head start for the first address (RFC 8305).

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use rustix::net::sockopt::set_socket_send_buffer_size;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::sleep;

use crate::error::{ConnectKind, NetError};

/// How long one address is tried alone before the next is tried beside it.
const HEAD_START: Duration = Duration::from_millis(250);
/// Bytes the kernel may hold for the peer. Its own choice is up to 4 MiB, which on a slow line is
/// half a minute in which nothing newer, a ping or an interruption, gets through.
const SEND_BUFFER: usize = 256 * 1024;

/// A connected stream without Nagle's delay, or why there is none.
pub(crate) async fn dial(host: &str, port: u16) -> Result<TcpStream, NetError> {
    let failed = |kind, message: String| NetError::ConnectFailed {
        host: host.to_owned(),
        port,
        kind,
        message,
    };
    let found = lookup_host((host, port))
        .await
        .map_err(|error| failed(ConnectKind::Dns, error.to_string()))?;
    let addresses = interleave(found.collect());
    if addresses.is_empty() {
        return Err(failed(ConnectKind::Dns, "the name has no address".to_owned()));
    }
    let stream = race(addresses)
        .await
        .map_err(|error| failed(ConnectKind::of(&error), error.to_string()))?;
    // Hints to the kernel: without them frames may be late, not lost.
    let _ = stream.set_nodelay(true);
    let _ = set_socket_send_buffer_size(&stream, SEND_BUFFER);
    Ok(stream)
}

/// Alternates between the two families, beginning with the one the resolver put first.
fn interleave(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == first_is_v6);
    let mut second = second.into_iter();
    let mut mixed = Vec::new();
    for address in first {
        mixed.push(address);
        mixed.extend(second.next());
    }
    mixed.extend(second);
    mixed
}

/// The first address to answer wins; the others are dropped.
async fn race(addresses: Vec<SocketAddr>) -> io::Result<TcpStream> {
    let mut waiting = addresses.into_iter();
    let mut tries = FuturesUnordered::new();
    tries.extend(waiting.next().map(TcpStream::connect));
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    loop {
        tokio::select! {
            result = tries.next() => match result {
                Some(Ok(stream)) => return Ok(stream),
                Some(Err(error)) => {
                    last = error;
                    tries.extend(waiting.next().map(TcpStream::connect));
                }
                None => return Err(last),
            },
            () = sleep(HEAD_START), if waiting.len() > 0 => {
                tries.extend(waiting.next().map(TcpStream::connect));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    #[test]
    fn families_take_turns() {
        let parse = |list: &[&str]| -> Vec<SocketAddr> {
            list.iter().map(|text| text.parse().unwrap()).collect()
        };
        let given = parse(&["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1", "2.2.2.2:1"]);
        let wanted = parse(&["[::1]:1", "1.1.1.1:1", "[::2]:1", "2.2.2.2:1", "[::3]:1"]);
        assert_eq!(interleave(given), wanted);
        assert_eq!(interleave(vec![]), vec![]);
    }

    #[tokio::test]
    async fn an_address_that_refuses_gives_way_to_the_next() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let good = listener.local_addr().unwrap();
        let dead = {
            let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
            gone.local_addr().unwrap()
        };
        let stream = race(vec![dead, good]).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), good);
        let refused = race(vec![dead, dead]).await.unwrap_err();
        assert_eq!(ConnectKind::of(&refused), ConnectKind::Refused);
    }

    #[tokio::test]
    async fn an_address_that_is_silent_is_overtaken() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let good = listener.local_addr().unwrap();
        // A listener whose queue is full does not answer: fill one.
        let deaf = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let silent = deaf.local_addr().unwrap();
        rustix::net::listen(&deaf, 0).unwrap();
        let mut fill = Vec::new();
        while let Ok(Ok(stream)) =
            tokio::time::timeout(Duration::from_millis(100), TcpStream::connect(silent)).await
        {
            fill.push(stream);
        }
        let begun = std::time::Instant::now();
        let stream = race(vec![silent, good]).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), good);
        assert!(begun.elapsed() >= HEAD_START && begun.elapsed() < HEAD_START * 4);
    }
}
