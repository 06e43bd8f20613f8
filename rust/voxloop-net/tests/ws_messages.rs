//! Messages over a real WebSocket: order, batches, pressure in both directions, limits.
#![allow(clippy::unwrap_used)] // a peer in a thread fails its test by panicking

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use support::{LONG, all, error, eventually, open, opened, readable, some, texts};
use tokio::io::AsyncWriteExt;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use voxloop_net::{Drained, Header, NetError, TrySend, WsConfig, WsItem};

#[test]
fn text_and_binary_go_both_ways_and_are_counted() {
    let peer = support::ws(|mut ws| async move {
        while let Some(Ok(message)) = ws.next().await {
            if message.is_text() || message.is_binary() {
                ws.send(message).await.unwrap();
            }
        }
    });
    let client = opened(WsConfig::new(peer.ws()));
    let before = voxloop_net::monotonic_ns();
    client.try_send_text("grüße").unwrap();
    client.try_send_binary(Bytes::from_static(&[0, 1, 2])).unwrap();
    let items = some(&client, 2);
    let after = voxloop_net::monotonic_ns();
    let WsItem::Text { text, at_ns } = &items[0] else { panic!("{items:?}") };
    assert_eq!(text.as_str(), "grüße");
    assert!((before..=after).contains(at_ns));
    let WsItem::Binary { data, .. } = &items[1] else { panic!("{items:?}") };
    assert_eq!(&data[..], [0, 1, 2]);
    eventually("both are counted", || client.stats().messages_out == 2);
    let stats = client.stats();
    assert_eq!((stats.messages_in, stats.payload_bytes_in), (2, 10));
    assert_eq!((stats.payload_bytes_out, stats.outbox_bytes, stats.inbox_items), (10, 0, 0));
    assert!(stats.bytes_in > 100 && stats.bytes_out > 100, "the handshake is counted: {stats:?}");
    client.close(1000, "").unwrap();
    error(&client);
    peer.join();
}

#[test]
fn open_comes_first_with_headers_and_subprotocol() {
    let peer = support::tcp(|mut stream| async move {
        let request = support::read_request(&mut stream).await;
        let key = request.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "));
        let accept = derive_accept_key(key.unwrap().as_bytes());
        // An interim response first, and the first frame in the same write as the consent.
        let mut answer = format!(
            "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 101 Switching Protocols\r\n\
             Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\
             Sec-WebSocket-Protocol: realtime\r\nX-Request-Id: r1\r\nSet-Cookie: a=canary\r\n\r\n"
        )
        .into_bytes();
        answer.extend([0x81, 5, b'e', b'a', b'r', b'l', b'y']);
        stream.write_all(&answer).await.unwrap();
        support::until_eof(&mut stream).await;
        request
    });
    let mut config = WsConfig::new(peer.ws());
    config.headers = vec![Header::new("Authorization", "Bearer sk-test"), Header::new("X-A", "b")];
    config.subprotocols = vec!["other".into(), "realtime".into()];
    let client = open(config);
    let items = some(&client, 2);
    let WsItem::Open { status, headers, subprotocol, handshake_us } = &items[0] else {
        panic!("{items:?}")
    };
    assert_eq!((*status, subprotocol.as_deref()), (101, Some("realtime")));
    assert!(headers.contains(&Header::new("x-request-id", "r1")));
    assert!(*handshake_us > 0);
    assert!(!format!("{items:?}").contains("canary"));
    assert!(matches!(&items[1], WsItem::Text { text, .. } if text.as_str() == "early"));
    drop(client);
    let request = peer.join();
    assert!(request.starts_with("GET /v1/realtime?model=m HTTP/1.1\r\nHost: 127.0.0.1:"));
    for line in [
        "authorization: Bearer sk-test",
        "x-a: b",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Protocol: other, realtime",
    ] {
        assert!(request.lines().any(|found| found == line), "{line} in {request}");
    }
    assert!(!request.to_lowercase().contains("extensions"), "no compression is offered");
}

#[test]
fn one_wake_and_one_drain_carry_what_came_meanwhile() {
    const COUNT: usize = 2_000;
    let peer = support::ws(|mut ws| async move {
        for number in 0..COUNT {
            ws.feed(Message::text(number.to_string())).await.unwrap();
        }
        ws.flush().await.unwrap();
        while ws.next().await.is_some() {}
    });
    let client = open(WsConfig::new(peer.ws()));
    eventually("all have arrived", || client.stats().messages_in == COUNT as u64);
    assert_eq!(client.stats().wakes, 1, "nobody looked, so nobody was woken twice");
    let Ok(Drained::Items(items)) = client.drain() else { panic!("no items") };
    assert_eq!(items.len(), COUNT + 1);
    assert_eq!(texts(items), (0..COUNT).map(|n| n.to_string()).collect::<Vec<_>>());
    assert!(!readable(client.recv_signal(), Duration::ZERO));
    assert_eq!(client.drain(), Ok(Drained::Items(vec![])));
    drop(client);
    peer.join();
}

#[test]
fn a_reader_that_does_not_take_holds_the_server_back() {
    const COUNT: usize = 600;
    const SIZE: usize = 64 * 1024;
    let sent = Arc::new(AtomicUsize::new(0));
    let progress = Arc::clone(&sent);
    let peer = support::ws(move |mut ws| async move {
        for number in 0..COUNT {
            let mut data = vec![0; SIZE];
            data[..8].copy_from_slice(&(number as u64).to_be_bytes());
            ws.send(Message::binary(data)).await.unwrap();
            progress.fetch_add(1, Ordering::SeqCst);
        }
        while ws.next().await.is_some() {}
    });
    let mut config = WsConfig::new(peer.ws());
    config.inbox_bytes = 4 * SIZE;
    // Much shorter than the standstill: a peer that cannot be heard is not judged.
    config.ping_interval = Some(Duration::from_millis(50));
    config.ping_timeout = Some(Duration::from_millis(50));
    let client = open(config);
    std::thread::sleep(Duration::from_millis(600));
    let stats = client.stats();
    assert!(stats.inbox_bytes <= 4 * SIZE, "{stats:?}");
    let stuck_at = sent.load(Ordering::SeqCst);
    assert!(stuck_at < COUNT, "the server sent all of it into nothing");
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(sent.load(Ordering::SeqCst), stuck_at, "the server is not held back");
    for (number, item) in some(&client, COUNT + 1).into_iter().skip(1).enumerate() {
        let WsItem::Binary { data, .. } = item else { panic!("{item:?}") };
        assert_eq!(data[..8], (number as u64).to_be_bytes());
    }
    eventually("the standstill is counted", || client.stats().blocked_us > 100_000);
    drop(client);
    peer.join();
}

#[test]
fn a_server_that_does_not_read_has_sending_refused_until_it_does() {
    const SIZE: usize = 32 * 1024;
    const LIMIT: usize = 8 * SIZE;
    let (go, wait) = tokio::sync::oneshot::channel::<()>();
    let peer = support::ws(|mut ws| async move {
        wait.await.unwrap();
        let mut seen = Vec::new();
        while let Some(Ok(message)) = ws.next().await {
            if let Message::Binary(data) = message {
                seen.push(u64::from_be_bytes(data[..8].try_into().unwrap()));
            }
        }
        seen
    });
    let mut config = WsConfig::new(peer.ws());
    config.outbox_bytes = LIMIT;
    config.close_timeout = LONG;
    let client = opened(config);
    let message = |number: u64| {
        let mut data = vec![0; SIZE];
        data[..8].copy_from_slice(&number.to_be_bytes());
        Bytes::from(data)
    };
    let mut number = 0;
    let refused_at = loop {
        match client.try_send_binary(message(number)) {
            Ok(()) => number += 1,
            // Full for a moment, or for good?
            Err(TrySend::Full) if !readable(client.send_signal(), Duration::from_millis(400)) => {
                break number;
            }
            Err(TrySend::Full) => {}
            Err(TrySend::Closed(error)) => panic!("{error}"),
        }
        assert!(client.stats().outbox_bytes <= LIMIT, "{:?}", client.stats());
    };
    go.send(()).unwrap();
    assert!(readable(client.send_signal(), LONG), "room was made and nobody was told");
    while number < refused_at + 50 {
        match client.try_send_binary(message(number)) {
            Ok(()) => number += 1,
            Err(TrySend::Full) => assert!(readable(client.send_signal(), LONG)),
            Err(TrySend::Closed(error)) => panic!("{error}"),
        }
    }
    client.close(1000, "done").unwrap();
    assert!(matches!(error(&client), NetError::Closed { code: Some(1000), clean: true, .. }));
    assert_eq!(peer.join(), (0..number).collect::<Vec<_>>());
}

#[test]
fn fragments_are_one_message_and_pings_between_them_are_answered() {
    let peer = support::ws(|mut ws| async move {
        let raw = ws.get_mut();
        raw.write_all(&[0x01, 2, b'a', b'b']).await.unwrap();
        raw.write_all(&[0x89, 2, b'h', b'i']).await.unwrap();
        raw.write_all(&[0x00, 1, b'c']).await.unwrap();
        raw.write_all(&[0x80, 1, b'd']).await.unwrap();
        ws.next().await.unwrap().unwrap()
    });
    let client = open(WsConfig::new(peer.ws()));
    assert_eq!(texts(some(&client, 2)), ["abcd"]);
    assert_eq!(peer.join(), Message::Pong("hi".into()));
}

#[test]
fn a_flood_of_pings_and_tiny_fragments_brings_nothing_down() {
    let peer = support::ws(|mut ws| async move {
        let raw = ws.get_mut();
        let mut flood = Vec::new();
        for _ in 0..20_000 {
            flood.extend([0x89, 1, b'p']);
        }
        flood.extend([0x01, 0]);
        for _ in 0..20_000 {
            flood.extend([0x00, 1, b'x']);
        }
        flood.extend([0x80, 0]);
        raw.write_all(&flood).await.unwrap();
        loop {
            if let Message::Text(text) = ws.next().await.unwrap().unwrap() {
                return text.to_string();
            }
        }
    });
    let client = open(WsConfig::new(peer.ws()));
    assert_eq!(texts(some(&client, 2)), ["x".repeat(20_000)]);
    client.try_send_text("still here").unwrap();
    assert_eq!(peer.join(), "still here");
}

#[test]
fn a_message_above_the_limit_is_refused_with_1009() {
    for fragmented in [false, true] {
        let peer = support::ws(move |mut ws| async move {
            if fragmented {
                for first in [0x02, 0x00, 0x00] {
                    let mut frame = vec![first, 126, 0x01, 0xf4];
                    frame.extend([0; 500]);
                    ws.get_mut().write_all(&frame).await.unwrap();
                }
            } else {
                // The claim alone, without the bytes: it must not be waited for or allocated.
                let claim = [0x82, 127, 0, 0, 0, 0xff, 0, 0, 0, 0];
                ws.get_mut().write_all(&claim).await.unwrap();
            }
            loop {
                match ws.next().await {
                    Some(Ok(Message::Close(frame))) => return frame,
                    Some(Ok(_)) => {}
                    other => panic!("{other:?}"),
                }
            }
        });
        let mut config = WsConfig::new(peer.ws());
        config.max_message_bytes = 1_000;
        let client = open(config);
        let error = error(&client);
        assert!(matches!(error, NetError::TooBig { limit: 1_000, .. }), "{error:?}");
        assert_eq!(u16::from(peer.join().unwrap().code), 1009);
    }
}

#[test]
fn a_message_too_large_to_send_is_refused_and_the_connection_lives() {
    let peer = support::ws(|mut ws| async move { ws.next().await.unwrap().unwrap() });
    let mut config = WsConfig::new(peer.ws());
    config.max_message_bytes = 1_000;
    let client = opened(config);
    let refused = client.try_send_text(&"x".repeat(1_001));
    assert!(matches!(refused, Err(TrySend::Closed(NetError::TooBig { .. }))), "{refused:?}");
    client.try_send_text(&"y".repeat(1_000)).unwrap();
    assert_eq!(peer.join(), Message::text("y".repeat(1_000)));
}

#[test]
fn a_message_larger_than_every_buffer_goes_through() {
    const SIZE: usize = 9 << 20;
    let peer = support::ws(|mut ws| async move {
        let message = ws.next().await.unwrap().unwrap();
        ws.send(message).await.unwrap();
        while ws.next().await.is_some() {}
    });
    let mut config = WsConfig::new(peer.ws());
    config.inbox_bytes = 1 << 10;
    config.outbox_bytes = 1 << 10;
    let client = opened(config);
    let begun = Instant::now();
    client.try_send_binary(vec![7; SIZE].into()).unwrap();
    assert_eq!(client.try_send_text("x"), Err(TrySend::Full));
    let WsItem::Binary { data, .. } = some(&client, 1).remove(0) else { panic!() };
    assert!(data.len() == SIZE && data.iter().all(|byte| *byte == 7));
    assert!(begun.elapsed() < LONG / 2);
    drop(client);
    peer.join();
}

#[test]
fn what_breaks_the_protocol_ends_it_and_the_server_is_told_why() {
    let cases: [(&[u8], u16); 5] = [
        (&[0xc1, 1, b'x'], 1002),             // a reserved bit
        (&[0x83, 1, b'x'], 1002),             // a reserved opcode
        (&[0x81, 0x81, 1, 2, 3, 4, 9], 1002), // a masked frame from a server
        (&[0x80, 1, b'x'], 1002),             // a continuation of nothing
        (&[0x81, 2, 0xc3, 0x28], 1007),       // text that is not UTF-8
    ];
    for (frame, code) in cases {
        let peer = support::ws(move |mut ws| async move {
            ws.send(Message::text("before")).await.unwrap();
            ws.get_mut().write_all(frame).await.unwrap();
            loop {
                match ws.next().await {
                    Some(Ok(Message::Close(Some(frame)))) => return u16::from(frame.code),
                    Some(Ok(_)) => {}
                    other => panic!("{other:?}"),
                }
            }
        });
        let client = open(WsConfig::new(peer.ws()));
        let (items, end) = all(&client);
        assert_eq!(texts(items), ["before"]);
        assert_eq!(end.unwrap_err().code(), "protocol_error", "{frame:x?}");
        assert_eq!(peer.join(), code, "{frame:x?}");
    }
}

#[test]
fn what_came_before_a_violation_is_answered_before_the_close() {
    let peer = support::ws(|mut ws| async move {
        ws.send(Message::text("before")).await.unwrap();
        ws.get_mut().write_all(&[0xc1, 1, b'x', 0x81, 1, b'y']).await.unwrap();
        let mut seen = Vec::new();
        while let Some(Ok(message)) = ws.next().await {
            seen.push(message);
        }
        seen
    });
    let client = open(WsConfig::new(peer.ws()));
    let items = some(&client, 2);
    client.try_send_text("answer").unwrap();
    assert_eq!(texts(items), ["before"]);
    assert_eq!(error(&client).code(), "protocol_error");
    let seen = peer.join();
    assert!(
        matches!(&seen[..], [Message::Text(text), Message::Close(Some(frame))]
        if text.as_str() == "answer" && u16::from(frame.code) == 1002),
        "{seen:?}"
    );
}
