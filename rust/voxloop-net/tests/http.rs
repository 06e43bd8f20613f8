//! HTTP over real sockets: bodies both ways, pressure, deadlines, cuts, events, TLS, secrets.
#![allow(clippy::unwrap_used)] // a peer in a thread fails its test by panicking

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use support::{all, authority, error, some};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use voxloop_net::{
    ConnectKind, Header, HttpBody, HttpCall, HttpItem, HttpRequest, NetError, Part, PartData,
    Phase, SseParser,
};

fn start(request: HttpRequest) -> HttpCall {
    HttpCall::start(request).expect("a valid request")
}

/// The status, the headers and the body of a whole response.
fn whole(call: &HttpCall) -> (u16, Vec<Header>, Vec<u8>) {
    let (items, end) = all(call);
    assert_eq!(end, Ok(()));
    let mut items = items.into_iter();
    let Some(HttpItem::Head { status, headers, .. }) = items.next() else { panic!("no head") };
    let mut body = Vec::new();
    for item in items {
        let HttpItem::Chunk { data, .. } = item else { panic!("{item:?}") };
        body.extend_from_slice(&data);
    }
    (status, headers, body)
}

/// Reads a request with a body of known length.
async fn read_body(stream: &mut (impl AsyncRead + Unpin)) -> (String, Vec<u8>) {
    let head = support::read_request(stream).await;
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |text| text.parse().unwrap())];
    stream.read_exact(&mut body).await.unwrap();
    (head, body)
}

#[test]
fn a_chunked_response_comes_in_parts_and_in_order() {
    let peer = support::tcp(|mut stream| async move {
        let head = support::read_request(&mut stream).await;
        support::write(
            &mut stream,
            "HTTP/1.1 200 OK\r\nX-Request-Id: r1\r\nSet-Cookie: canary\r\n\
            Transfer-Encoding: chunked\r\n\r\n",
        )
        .await;
        for part in ["one", "two", "three"] {
            support::write(&mut stream, &format!("{:x}\r\n{part}\r\n", part.len())).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        support::write(&mut stream, "0\r\n\r\n").await;
        head
    });
    let mut request = HttpRequest::new("GET", peer.http());
    request.headers = vec![Header::new("Authorization", "Bearer sk-test")];
    let call = start(request);
    let mut items = some(&call, 1);
    let HttpItem::Head { status: 200, headers, first_byte_us, version: "1.1" } = &items[0] else {
        panic!("{items:?}")
    };
    assert!(headers.contains(&Header::new("x-request-id", "r1")) && *first_byte_us > 0);
    assert!(!format!("{items:?}").contains("canary"));
    let (rest, end) = all(&call);
    assert_eq!(end, Ok(()));
    items.extend(rest);
    let parts: Vec<_> = items[1..]
        .iter()
        .map(|item| match item {
            HttpItem::Chunk { data, .. } => std::str::from_utf8(data).unwrap(),
            other @ HttpItem::Head { .. } => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(parts.concat(), "onetwothree");
    assert_eq!(parts.len(), 3, "they come as they are sent: {parts:?}");
    assert!(call.is_ended());
    let head = peer.join();
    assert!(head.starts_with("GET /v1/speech HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("authorization: Bearer sk-test\r\n"), "{head}");
}

#[test]
fn a_body_of_bytes_is_sent_as_it_is_and_a_form_as_a_form() {
    let serve = |mut stream: tokio::net::TcpStream| async move {
        let request = read_body(&mut stream).await;
        support::write(&mut stream, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
        request
    };
    let peer = support::tcp(serve);
    let mut request = HttpRequest::new("POST", peer.http());
    request.headers = vec![Header::new("Content-Type", "application/json")];
    request.body = HttpBody::Bytes("{\"a\":1}".into());
    assert_eq!(whole(&start(request)).2, b"ok");
    let (head, body) = peer.join();
    assert!(head.contains("content-type: application/json\r\n"), "{head}");
    assert_eq!(body, b"{\"a\":1}");

    let peer = support::tcp(serve);
    let mut request = HttpRequest::new("POST", peer.http());
    let part = |name: &str, filename: Option<&str>, content_type: Option<&str>, data: &[u8]| Part {
        name: name.into(),
        filename: filename.map(str::to_owned),
        content_type: content_type.map(str::to_owned),
        data: PartData::Bytes(Bytes::copy_from_slice(data)),
    };
    request.body = HttpBody::Multipart(vec![
        part("model", None, None, b"m"),
        part("file", Some("turn.wav"), Some("audio/wav"), &[0, 255, 13, 10]),
    ]);
    assert_eq!(whole(&start(request)).0, 200);
    let (head, body) = peer.join();
    let boundary = head.split("multipart/form-data; boundary=").nth(1).expect("a form");
    let boundary = boundary.lines().next().unwrap();
    let mut wanted = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nm\r\n--{boundary}\r\n\
         Content-Disposition: form-data; name=\"file\"; filename=\"turn.wav\"\r\n\
         Content-Type: audio/wav\r\n\r\n"
    )
    .into_bytes();
    wanted.extend([0, 255, 13, 10]);
    wanted.extend(format!("\r\n--{boundary}--\r\n").into_bytes());
    assert_eq!(String::from_utf8_lossy(&body), String::from_utf8_lossy(&wanted));
}

#[test]
fn any_status_is_a_response_and_a_redirect_is_not_followed() {
    let away = "Location: http://elsewhere.example/\r\n";
    for (status, fields) in [(401, ""), (302, away), (307, away), (500, "")] {
        let peer = support::tcp(move |mut stream| async move {
            support::read_request(&mut stream).await;
            let head = format!("HTTP/1.1 {status} X\r\n{fields}Content-Length: 4\r\n\r\nbody");
            support::write(&mut stream, &head).await;
        });
        let (got, headers, body) = whole(&start(HttpRequest::new("GET", peer.http())));
        assert_eq!((got, &body[..]), (status, &b"body"[..]));
        let location = headers.iter().any(|header| header.name == "location");
        assert_eq!(location, !fields.is_empty());
        peer.join();
    }
}

#[test]
fn a_key_that_the_server_repeats_in_a_header_is_cleaned() {
    let peer = support::tcp(|mut stream| async move {
        support::read_request(&mut stream).await;
        let head = "HTTP/1.1 401 X\r\nX-Echo: sk-canary-1\r\nContent-Length: 0\r\n\r\n";
        support::write(&mut stream, head).await;
    });
    let mut request = HttpRequest::new("GET", peer.http());
    request.headers = vec![Header::new("Authorization", "Bearer sk-canary-1")];
    let (_, headers, _) = whole(&start(request));
    assert!(headers.contains(&Header::new("x-echo", "[redacted]")), "{headers:?}");
    peer.join();
}

#[test]
fn a_connection_is_used_again() {
    let peer = support::listen(|listener| async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        for _ in 0..3 {
            support::read_request(&mut stream).await;
            support::write(&mut stream, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx").await;
        }
        tokio::time::timeout(Duration::from_millis(20), listener.accept()).await.is_err()
    });
    for _ in 0..3 {
        assert_eq!(whole(&start(HttpRequest::new("GET", peer.http()))).2, b"x");
    }
    assert!(peer.join(), "a second connection was made");
}

#[test]
fn a_reader_that_does_not_take_holds_the_server_back() {
    const CHUNK: usize = 64 * 1024;
    const COUNT: usize = 600;
    let sent = Arc::new(AtomicUsize::new(0));
    let progress = Arc::clone(&sent);
    let peer = support::tcp(move |mut stream| async move {
        support::read_request(&mut stream).await;
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", CHUNK * COUNT);
        support::write(&mut stream, &head).await;
        for number in 0..COUNT {
            stream.write_all(&vec![number as u8; CHUNK]).await.unwrap();
            progress.fetch_add(1, Ordering::SeqCst);
        }
    });
    let mut request = HttpRequest::new("GET", peer.http());
    request.idle_timeout = Some(Duration::from_millis(150)); // shorter than the standstill
    let call = start(request);
    std::thread::sleep(Duration::from_millis(500));
    let stuck_at = sent.load(Ordering::SeqCst);
    assert!(stuck_at < COUNT, "the server sent all of it into nothing");
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(sent.load(Ordering::SeqCst), stuck_at, "the server is not held back");
    let (_, _, body) = whole(&call);
    assert_eq!(body.len(), CHUNK * COUNT);
    let right = body.chunks(CHUNK).enumerate();
    assert!(right.into_iter().all(|(n, chunk)| chunk.iter().all(|byte| *byte == n as u8)));
    peer.join();
}

#[test]
fn each_deadline_is_told_apart() {
    type Set = fn(&mut HttpRequest, Duration);
    let cases: [(&str, Phase, Set); 3] = [
        ("", Phase::FirstByte, |r, d| r.first_byte_timeout = Some(d)),
        ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", Phase::Idle, |r, d| {
            r.idle_timeout = Some(d);
        }),
        ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", Phase::Total, |r, d| {
            r.total_timeout = Some(d);
        }),
    ];
    for (answer, wanted, set) in cases {
        let peer = support::tcp(move |mut stream| async move {
            support::read_request(&mut stream).await;
            support::write(&mut stream, answer).await;
            support::until_eof(&mut stream).await.0
        });
        let mut request = HttpRequest::new("GET", peer.http());
        set(&mut request, Duration::from_millis(200));
        let begun = Instant::now();
        let call = start(request);
        let (items, end) = all(&call);
        let took = begun.elapsed();
        let end = end.unwrap_err();
        assert!(matches!(&end, NetError::Timeout { phase, .. } if *phase == wanted), "{end:?}");
        assert!(took >= Duration::from_millis(200) && took < Duration::from_secs(3), "{took:?}");
        assert_eq!(items.len(), if answer.is_empty() { 0 } else { 2 }, "{wanted:?}: {items:?}");
        assert!(peer.join() < Duration::from_secs(3), "the socket is dropped");
    }
}

#[test]
fn aborting_and_dropping_drop_the_socket() {
    for abort in [true, false] {
        let peer = support::tcp(|mut stream| async move {
            support::read_request(&mut stream).await;
            support::write(&mut stream, "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nx").await;
            support::until_eof(&mut stream).await.0
        });
        let call = start(HttpRequest::new("GET", peer.http()));
        some(&call, 2);
        if abort {
            call.abort();
            assert!(call.is_ended());
            assert!(matches!(error(&call), NetError::Closed { clean: false, .. }));
        } else {
            drop(call);
        }
        assert!(peer.join() < Duration::from_secs(2));
    }
}

#[test]
fn a_body_that_is_cut_short_is_an_error_after_what_came() {
    for head in
        ["Content-Length: 10\r\n\r\nhalf", "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"]
    {
        let peer = support::tcp(move |mut stream| async move {
            support::read_request(&mut stream).await;
            support::write(&mut stream, &format!("HTTP/1.1 200 OK\r\n{head}")).await;
        });
        let (items, end) = all(&start(HttpRequest::new("GET", peer.http())));
        assert!(matches!(&items[1], HttpItem::Chunk { data, .. } if &data[..] == b"half"));
        let end = end.unwrap_err();
        assert!(matches!(end, NetError::Closed { clean: false, .. }), "{end:?}");
        assert!(end.retryable());
        peer.join();
    }
}

#[test]
fn what_is_not_http_and_who_is_not_there() {
    let peer = support::tcp(|mut stream| async move {
        support::read_request(&mut stream).await;
        support::write(&mut stream, "SSH-2.0-OpenSSH_9.2\r\n\r\n").await;
    });
    assert_eq!(error(&start(HttpRequest::new("GET", peer.http()))).code(), "protocol_error");
    peer.join();
    let peer = support::tcp(|mut stream| async move {
        support::read_request(&mut stream).await;
    });
    assert_eq!(error(&start(HttpRequest::new("GET", peer.http()))).code(), "connection_closed");
    peer.join();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let end = error(&start(HttpRequest::new("GET", format!("http://127.0.0.1:{port}/?k=canary"))));
    let NetError::ConnectFailed { host, port: got, kind, message } = &end else {
        panic!("{end:?}")
    };
    assert_eq!((host.as_str(), *got, *kind), ("127.0.0.1", port, ConnectKind::Refused));
    assert!(message.contains("refused") && !format!("{end:?}").contains("canary"), "{end:?}");
    let end =
        error(&start(HttpRequest::new("GET", format!("http://{}.localhost/", "a".repeat(64)))));
    assert!(matches!(end, NetError::ConnectFailed { kind: ConnectKind::Dns, .. }), "{end:?}");
}

#[test]
fn a_body_above_the_limit_is_given_up() {
    let peer = support::tcp(|mut stream| async move {
        support::read_request(&mut stream).await;
        support::write(&mut stream, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await;
        while stream.write_all(b"3\r\nabc\r\n").await.is_ok() {}
    });
    let mut request = HttpRequest::new("GET", peer.http());
    request.max_body_bytes = Some(10_000);
    let (items, end) = all(&start(request));
    assert!(matches!(end, Err(NetError::TooBig { limit: 10_000, .. })), "{end:?}");
    let came: usize = items
        .iter()
        .map(|item| match item {
            HttpItem::Chunk { data, .. } => data.len(),
            HttpItem::Head { .. } => 0,
        })
        .sum();
    assert!(came <= 10_000);
    peer.join();
}

#[test]
fn events_come_whole_however_they_are_cut() {
    let peer = support::tcp(|mut stream| async move {
        support::read_request(&mut stream).await;
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n\r\n";
        support::write(&mut stream, head).await;
        let body = "event: delta\r\nid: 1\r\ndata: {\"a\":\"gr\u{fc}\u{df}e\"}\r\n\r\n: note\n\n\
                    data: [DONE]\n\ndata: never whole\n";
        for piece in body.as_bytes().chunks(3) {
            stream.write_all(piece).await.unwrap();
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    let (items, end) = all(&start(HttpRequest::new("POST", peer.http())));
    assert_eq!(end, Ok(()));
    let mut parser = SseParser::new();
    let events: Vec<_> = items[1..]
        .iter()
        .flat_map(|item| match item {
            HttpItem::Chunk { data, .. } => parser.feed(data).unwrap(),
            HttpItem::Head { .. } => panic!("two heads"),
        })
        .map(|event| (event.event, event.data, event.id))
        .collect();
    let event = |name: &str, data: &str| (name.to_owned(), data.to_owned(), "1".to_owned());
    assert_eq!(events, [event("delta", "{\"a\":\"grüße\"}"), event("message", "[DONE]")]);
    peer.join();
}

#[test]
fn tls_shares_the_rules_of_the_websocket() {
    let ca = authority("http-good", "localhost");
    let other = authority("http-other", "other.example");
    for (server, trusted, fine) in [(&ca, &ca, true), (&other, &other, false), (&ca, &other, false)]
    {
        let acceptor = server.acceptor.clone();
        let peer = support::tcp(|stream| async move {
            let Ok(mut tls) = acceptor.accept(stream).await else { return None };
            let head = support::read_request(&mut tls).await;
            support::write(&mut tls, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
            let _ = tls.shutdown().await;
            Some(head)
        });
        let url = format!("https://localhost:{}/", peer.address.port());
        let mut request = HttpRequest::new("GET", url);
        request.tls.ca_file = Some(trusted.ca_file.clone());
        request.headers = vec![Header::new("Authorization", "Bearer sk-canary-1")];
        let call = start(request);
        if fine {
            assert_eq!(whole(&call).2, b"ok");
            assert!(peer.join().is_some_and(|head| head.contains("Bearer sk-canary-1")));
        } else {
            let end = error(&call);
            assert!(
                matches!(&end, NetError::TlsFailed { host, .. } if host == "localhost"),
                "{end:?}"
            );
            assert_eq!(peer.join(), None, "the request was sent");
        }
    }
}

#[test]
fn a_secret_is_not_sent_in_the_clear_to_another_machine() {
    let mut request = HttpRequest::new("GET", "http://192.0.2.1/");
    request.headers = vec![Header::secret("X-Mine", "sk-canary-1")];
    let error = HttpCall::start(request).err().expect("a refusal");
    assert!(matches!(&error, NetError::InsecureKey { header, .. } if header == "X-Mine"));
    assert!(!format!("{error:?} {error}").contains("canary"));
}
