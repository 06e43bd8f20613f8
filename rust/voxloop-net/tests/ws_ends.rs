//! How a WebSocket begins badly and how it ends: closes, losses, deadlines, TLS, secrets.
#![allow(clippy::unwrap_used)] // a peer in a thread fails its test by panicking

mod support;

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use support::{LONG, all, authority, error, eventually, open, opened, readable, some, texts};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use voxloop_net::{ConnectKind, Drained, Header, NetError, Phase, TrySend, WsClient, WsConfig};

fn close_frame(code: u16, reason: &str) -> Message {
    Message::Close(Some(CloseFrame { code: code.into(), reason: reason.into() }))
}

#[test]
fn the_code_and_reason_of_the_server_are_kept() {
    for (frame, code, reason) in [
        (close_frame(4001, "session over"), 1000_u16 + 3001, "session over"),
        (close_frame(1001, ""), 1001, ""),
        (Message::Close(None), 1005, ""),
    ] {
        let peer = support::ws(|mut ws| async move {
            ws.send(Message::text("last words")).await.unwrap();
            ws.send(frame).await.unwrap();
            ws.next().await
        });
        let client = open(WsConfig::new(peer.ws()));
        let (items, end) = all(&client);
        assert_eq!(texts(items), ["last words"], "what came before is delivered before");
        let wanted = NetError::Closed { code: Some(code), reason: reason.into(), clean: true };
        assert_eq!(end, Err(wanted.clone()));
        assert_eq!(client.drain(), Err(wanted), "the end is there every time");
        assert!(client.is_ended() && readable(client.recv_signal(), Duration::ZERO));
        assert!(matches!(client.try_send_text("x"), Err(TrySend::Closed(_))));
        assert!(matches!(peer.join(), Some(Ok(Message::Close(_)))), "the close is answered");
    }
}

#[test]
fn a_connection_that_breaks_is_told_from_one_that_is_closed() {
    let peer = support::ws(|mut ws| async move {
        ws.send(Message::text("whole")).await.unwrap();
        // The beginning of a message that never comes whole.
        ws.get_mut().write_all(&[0x81, 100, b'h', b'a', b'l', b'f']).await.unwrap();
    });
    let client = open(WsConfig::new(peer.ws()));
    let (items, end) = all(&client);
    assert_eq!(texts(items), ["whole"]);
    let end = end.unwrap_err();
    assert!(matches!(end, NetError::Closed { code: None, clean: false, .. }), "{end:?}");
    assert!(end.retryable());
    peer.join();
}

#[test]
fn closing_sends_what_was_queued_and_waits_for_the_answer() {
    let peer = support::ws(|mut ws| async move {
        let mut seen = Vec::new();
        while let Some(Ok(message)) = ws.next().await {
            seen.push(message);
        }
        seen
    });
    let client = opened(WsConfig::new(peer.ws()));
    for number in 0..100 {
        client.try_send_text(&number.to_string()).unwrap();
    }
    client.close(4000, "bye").unwrap();
    client.close(1000, "again").unwrap();
    let refused = client.try_send_text("late");
    assert!(matches!(refused, Err(TrySend::Closed(_))), "{refused:?}");
    let wanted = NetError::Closed { code: Some(4000), reason: "bye".into(), clean: true };
    assert_eq!(error(&client), wanted);
    let mut seen = peer.join();
    assert_eq!(seen.pop(), Some(close_frame(4000, "bye")));
    assert_eq!(seen, (0..100).map(|n: u32| Message::text(n.to_string())).collect::<Vec<_>>());
    assert_eq!(client.close(1000, ""), Ok(()), "closing what is closed does nothing");
    assert!(client.close(1006, "").is_err(), "a code that may not be sent is refused");
}

#[test]
fn a_close_that_is_not_answered_has_a_deadline() {
    let peer = support::ws(|mut ws| async move {
        // Takes everything from the socket, answers nothing.
        support::until_eof(ws.get_mut()).await.0
    });
    let mut config = WsConfig::new(peer.ws());
    config.close_timeout = Duration::from_millis(300);
    let client = opened(config);
    let begun = Instant::now();
    client.close(1000, "").unwrap();
    let end = error(&client);
    let took = begun.elapsed();
    assert!(matches!(end, NetError::Timeout { phase: Phase::Close, .. }), "{end:?}");
    assert!(took >= Duration::from_millis(300) && took < Duration::from_secs(3), "{took:?}");
    peer.join();
}

#[test]
fn a_close_gets_through_although_nobody_takes_what_arrives() {
    let peer = support::ws(|ws| async move {
        let (mut sink, mut stream) = ws.split();
        let flood = async { while sink.feed(Message::binary(vec![0; 9_000])).await.is_ok() {} };
        let read = async { while let Some(Ok(_)) = stream.next().await {} };
        tokio::join!(flood, read);
    });
    let mut config = WsConfig::new(peer.ws());
    config.inbox_bytes = 20_000;
    let client = open(config);
    eventually("the inbox is full", || client.stats().inbox_bytes > 10_000);
    std::thread::sleep(Duration::from_millis(50));
    let begun = Instant::now();
    client.close(1000, "").unwrap();
    eventually("it ends", || client.is_ended());
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert!(client.stats().dropped_messages > 0, "{:?}", client.stats());
    assert!(client.stats().inbox_bytes <= 20_000);
    drop(client);
    peer.join();
}

#[test]
fn a_peer_that_is_silent_is_noticed_and_one_that_answers_is_not() {
    let silent = support::ws(|mut ws| async move {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let begun = Instant::now();
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        support::until_eof(ws.get_mut()).await;
        begun.elapsed()
    });
    let lively = support::ws(|mut ws| async move { while let Some(Ok(_)) = ws.next().await {} });
    let config = |url: String| {
        let mut config = WsConfig::new(url);
        config.ping_interval = Some(Duration::from_millis(100));
        config.ping_timeout = Some(Duration::from_millis(400));
        config
    };
    let other = opened(config(lively.ws()));
    let client = opened(config(silent.ws()));
    let begun = Instant::now();
    let end = error(&client);
    let took = begun.elapsed();
    assert!(matches!(end, NetError::Timeout { phase: Phase::Ping, .. }), "{end:?}");
    assert!(end.retryable());
    assert!(took >= Duration::from_millis(450) && took < Duration::from_secs(4), "{took:?}");
    silent.join();
    std::thread::sleep(Duration::from_millis(300));
    let stats = other.stats();
    assert!(!other.is_ended(), "{stats:?}");
    assert!(stats.pings_sent >= 3 && stats.pongs_received >= 3, "{stats:?}");
    assert!(stats.last_rtt_us.is_some_and(|rtt| rtt < 400_000), "{stats:?}");
    drop(other);
    lively.join();
}

#[test]
fn a_peer_that_takes_its_time_with_a_long_upload_is_not_judged_gone() {
    const SIZE: usize = 12 << 20;
    const TIMEOUT: Duration = Duration::from_millis(400);
    // It reads a little at a time and answers no ping until it has read what is before it.
    let peer = support::tcp(|stream| async move {
        rustix::net::sockopt::set_socket_recv_buffer_size(&stream, 128 * 1024).unwrap();
        let mut ws = tokio_tungstenite::accept_async(stream).await.unwrap();
        let mut buffer = vec![0; 64 * 1024];
        let (begun, mut taken) = (Instant::now(), 0);
        while taken < SIZE {
            match ws.get_mut().read(&mut buffer).await.unwrap_or(0) {
                0 => break,
                more => taken += more,
            }
            tokio::time::sleep(Duration::from_millis(8)).await;
        }
        (taken, begun.elapsed())
    });
    let mut config = WsConfig::new(peer.ws());
    config.ping_interval = Some(Duration::from_millis(50));
    config.ping_timeout = Some(TIMEOUT);
    let client = opened(config);
    client.try_send_binary(Bytes::from(vec![1; SIZE])).unwrap();
    let (taken, took) = peer.join();
    assert!(taken >= SIZE, "it was cut off after {taken} bytes");
    assert!(took > TIMEOUT * 2, "it took only {took:?}, so nothing was tested");
    drop(client);
}

#[test]
fn a_refused_upgrade_comes_with_status_headers_and_the_head_of_the_body() {
    let long = format!("{{\"error\":\"{}\"}}", "x".repeat(9_000));
    let short = "{\"error\":{\"code\":\"invalid_api_key\",\"message\":\"bad sk-canary-123\"}}";
    let chunked = "1a\r\nabcdefghijklmnopqrstuvwxyz\r\n3\r\n123\r\n0\r\n\r\n";
    let cases = [
        (format!("Content-Length: {}\r\n\r\n", short.len()), short.to_owned(), 401),
        (format!("Content-Length: {}\r\n\r\n", long.len()), long.clone(), 429),
        ("Connection: close\r\n\r\n".to_owned(), "gone".to_owned(), 503),
        ("Transfer-Encoding: chunked\r\n\r\n".to_owned(), chunked.to_owned(), 500),
        (
            "Location: wss://elsewhere.example/\r\nContent-Length: 0\r\n\r\n".into(),
            String::new(),
            302,
        ),
        ("Content-Length: 2\r\n\r\n".to_owned(), "ok".to_owned(), 200),
    ];
    for (fields, body, status) in cases {
        let sent = body.clone();
        let peer = support::tcp(move |mut stream| async move {
            support::read_request(&mut stream).await;
            let head = format!("HTTP/1.1 {status} Said So\r\nRetry-After: 3\r\n{fields}");
            support::write(&mut stream, &head).await;
            // The body comes later than the head.
            tokio::time::sleep(Duration::from_millis(30)).await;
            support::write(&mut stream, &sent).await;
        });
        let mut config = WsConfig::new(peer.ws());
        config.headers = vec![Header::new("Authorization", "Bearer sk-canary-123")];
        let client = open(config);
        let (items, end) = all(&client);
        assert_eq!(items, []);
        let end = end.unwrap_err();
        let NetError::HandshakeRejected { status: got, headers, body_head } = &end else {
            panic!("{end:?}")
        };
        assert_eq!(*got, status);
        assert!(headers.contains(&Header::new("retry-after", "3")));
        let text = String::from_utf8_lossy(body_head);
        match status {
            401 => assert_eq!(text, short.replace("sk-canary-123", "[redacted]")),
            429 => assert_eq!(text, long[..4096]),
            500 => assert_eq!(text, "abcdefghijklmnopqrstuvwxyz123"),
            _ => assert_eq!(text, body),
        }
        assert_eq!(end.retryable(), matches!(status, 429 | 500 | 503));
        assert!(!format!("{end:?} {end}").contains("canary"));
        peer.join();
    }
}

#[test]
fn a_server_that_does_not_answer_the_upgrade_has_a_deadline() {
    let peer = support::tcp(|mut stream| async move {
        support::read_request(&mut stream).await;
        for byte in b"HTTP/1.1 101 Slow" {
            if stream.write_all(&[*byte]).await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(40)).await;
        }
        support::until_eof(&mut stream).await;
    });
    let mut config = WsConfig::new(peer.ws());
    config.open_timeout = Duration::from_millis(250);
    let begun = Instant::now();
    let end = error(&open(config));
    assert!(matches!(end, NetError::Timeout { phase: Phase::Handshake, .. }), "{end:?}");
    assert!(begun.elapsed() < Duration::from_secs(3));
    peer.join();
}

#[test]
fn an_answer_that_is_no_consent_is_refused() {
    let upgrade = "HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";
    let cases = [
        ("SSH-2.0-OpenSSH_9.2\r\n".to_owned(), "protocol_error"),
        (format!("{upgrade}Sec-WebSocket-Accept: AAAA\r\n\r\n"), "protocol_error"),
        ("HTTP/1.1 101 X\r\n\r\n".to_owned(), "protocol_error"),
        (String::new(), "connection_closed"),
        (format!("HTTP/1.1 101 X\r\nA: {}", "b".repeat(40_000)), "too_big"),
    ];
    for (answer, code) in cases {
        let shown = answer.chars().take(40).collect::<String>();
        let peer = support::tcp(move |mut stream| async move {
            support::read_request(&mut stream).await;
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.shutdown().await;
            support::until_eof(&mut stream).await;
        });
        assert_eq!(error(&open(WsConfig::new(peer.ws()))).code(), code, "{shown}");
        peer.join();
    }
}

#[test]
fn nobody_there_and_no_such_name_are_told_apart() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let end = error(&open(WsConfig::new(format!("ws://127.0.0.1:{port}/"))));
    let NetError::ConnectFailed { host, port: got, kind, .. } = end else { panic!("{end:?}") };
    assert_eq!((host.as_str(), got, kind), ("127.0.0.1", port, ConnectKind::Refused));
    // A label of 64 characters is no name in any DNS.
    let end = error(&open(WsConfig::new(format!("ws://{}.test/", "a".repeat(64)))));
    let NetError::ConnectFailed { kind, .. } = end else { panic!("{end:?}") };
    assert_eq!(kind, ConnectKind::Dns);
}

#[test]
fn aborting_dropping_and_closing_early_close_the_socket() {
    type End = fn(WsClient);
    let ends: [(&str, End); 3] = [
        ("abort", |client| {
            client.abort();
            assert!(client.is_ended());
            assert!(matches!(error(&client), NetError::Closed { clean: false, .. }));
            assert!(matches!(client.try_send_text("x"), Err(TrySend::Closed(_))));
            client.abort();
        }),
        ("drop", drop),
        ("close and drop", |client| client.close(1000, "").unwrap()),
    ];
    for (name, end) in ends {
        let peer = support::ws(|mut ws| async move {
            ws.send(Message::text("go")).await.unwrap();
            support::until_eof(ws.get_mut()).await.0
        });
        let client = open(WsConfig::new(peer.ws()));
        some(&client, 2);
        end(client);
        let took = peer.join();
        assert!(took < Duration::from_secs(2), "{name}: the server saw the end after {took:?}");
    }
    // The same before it is open.
    for (name, end) in ends {
        let peer = support::tcp(|mut stream| async move {
            support::read_request(&mut stream).await;
            support::until_eof(&mut stream).await.0
        });
        let client = open(WsConfig::new(peer.ws()));
        std::thread::sleep(Duration::from_millis(50));
        end(client);
        let took = peer.join();
        assert!(took < Duration::from_secs(2), "{name}: the server saw the end after {took:?}");
    }
}

#[test]
fn tls_is_used_with_the_authority_that_was_given() {
    let ca = authority("ws-good", "localhost");
    let acceptor = ca.acceptor.clone();
    let peer = support::tcp(|stream| async move {
        let tls = acceptor.accept(stream).await.unwrap();
        let alpn = tls.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
        let mut ws = tokio_tungstenite::accept_async(tls).await.unwrap();
        let message = ws.next().await.unwrap().unwrap();
        ws.send(message).await.unwrap();
        while ws.next().await.is_some() {}
        alpn
    });
    let mut config = WsConfig::new(format!("wss://localhost:{}/", peer.address.port()));
    config.tls.ca_file = Some(ca.ca_file.clone());
    config.headers = vec![Header::new("Authorization", "Bearer sk-canary-1")];
    let client = opened(config);
    client.try_send_text("secret").unwrap();
    assert_eq!(texts(some(&client, 1)), ["secret"]);
    client.close(1000, "").unwrap();
    assert!(matches!(error(&client), NetError::Closed { code: Some(1000), clean: true, .. }));
    assert_eq!(peer.join(), None, "this server speaks no ALPN");
}

#[test]
fn a_certificate_that_does_not_fit_is_refused_before_anything_is_sent() {
    let other_name = authority("ws-name", "other.example");
    let good = authority("ws-unknown", "localhost");
    let cases = [
        (&other_name, Some(&other_name), "NotValidForName"),
        (&good, Some(&other_name), "UnknownIssuer"),
        (&good, None, "UnknownIssuer"),
    ];
    for (server, trusted, why) in cases {
        let acceptor = server.acceptor.clone();
        let peer = support::tcp(|stream| async move { acceptor.accept(stream).await.is_ok() });
        let mut config = WsConfig::new(format!("wss://localhost:{}/", peer.address.port()));
        config.tls.ca_file = trusted.map(|authority| authority.ca_file.clone());
        config.headers = vec![Header::new("Authorization", "Bearer sk-canary-1")];
        let end = error(&open(config));
        let NetError::TlsFailed { host, message, .. } = &end else { panic!("{why}: {end:?}") };
        assert_eq!(host, "localhost");
        let said = message.to_lowercase();
        let wanted = if why == "UnknownIssuer" { "issuer" } else { "not valid for name" };
        assert!(said.contains(wanted) || said.contains(&why.to_lowercase()), "{why}: {message}");
        assert!(!end.retryable());
        assert!(!peer.join(), "the handshake went through");
    }
}

#[test]
fn a_plain_server_behind_a_wss_url_is_an_error_of_tls() {
    let peer = support::tcp(|mut stream| async move {
        support::write(&mut stream, "HTTP/1.1 400 Bad Request\r\n\r\n").await;
        support::until_eof(&mut stream).await;
    });
    let ca = authority("ws-plain", "localhost");
    let mut config = WsConfig::new(format!("wss://localhost:{}/", peer.address.port()));
    config.tls.ca_file = Some(ca.ca_file.clone());
    assert_eq!(error(&open(config)).code(), "tls_failed");
    peer.join();
}

#[test]
fn a_secret_is_not_sent_in_the_clear_to_another_machine() {
    let mut config = WsConfig::new("ws://192.0.2.1/");
    config.headers = vec![Header::new("Authorization", "Bearer sk-canary-1")];
    let error = WsClient::open(config).err().expect("a refusal");
    assert!(matches!(&error, NetError::InsecureKey { host, .. } if host == "192.0.2.1"));
    assert!(!format!("{error:?} {error}").contains("canary"));
}

#[test]
fn a_close_reason_that_repeats_the_key_is_cleaned() {
    let peer = support::ws(|mut ws| async move {
        ws.send(close_frame(4001, "key sk-canary-1 is bad")).await.unwrap();
        ws.next().await;
    });
    let mut config = WsConfig::new(peer.ws());
    config.headers = vec![Header::new("Authorization", "Bearer sk-canary-1")];
    let NetError::Closed { reason, .. } = error(&open(config)) else { panic!() };
    assert_eq!(reason, "key [redacted] is bad");
    peer.join();
}

#[test]
fn the_write_that_fails_does_not_hide_the_reason_of_the_close() {
    let peer = support::ws(|mut ws| async move {
        ws.next().await;
        ws.send(close_frame(4008, "rate limited")).await.unwrap();
        // Gone at once: what the client still writes is answered by a reset.
        drop(ws);
        LONG
    });
    let client = opened(WsConfig::new(peer.ws()));
    client.try_send_text("one").unwrap();
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(300) {
        if client.try_send_text("more").is_err() {
            break;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    let end = error(&client);
    assert!(
        matches!(&end, NetError::Closed { code: Some(4008), reason, .. } if reason == "rate limited"),
        "{end:?}"
    );
    assert!(matches!(client.drain(), Err(NetError::Closed { .. })));
    assert!(!matches!(client.drain(), Ok(Drained::End)));
    peer.join();
}
