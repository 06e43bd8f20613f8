//! The runtime from start to end, and what is left behind. One test: it looks at the process.
#![allow(clippy::unwrap_used)] // a peer in a thread fails its test by panicking

mod support;

use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use support::{eventually, open, opened, some};
use tokio_tungstenite::tungstenite::Message;
use voxloop_net::{HttpCall, HttpRequest, NetError, WsConfig, runtime};

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("Linux").count()
}

fn network_threads() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").expect("Linux");
    let name = |path: std::path::PathBuf| std::fs::read_to_string(path.join("comm"));
    tasks
        .filter_map(|task| name(task.ok()?.path()).ok())
        .filter(|name| name.trim() == "voxloop-net")
        .count()
}

/// Echoes on every connection until the last client is gone for good.
fn echo_server() -> (String, std::thread::JoinHandle<()>, tokio::sync::oneshot::Sender<()>) {
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let peer = support::listen(|listener| async move {
        let serve = async {
            loop {
                let Ok((stream, _)) = listener.accept().await else { continue };
                tokio::spawn(async move {
                    let Ok(mut ws) = tokio_tungstenite::accept_async(stream).await else { return };
                    while let Some(Ok(message)) = ws.next().await {
                        if message.is_text() && ws.send(message).await.is_err() {
                            return;
                        }
                    }
                });
            }
        };
        tokio::select! { () = serve => {}, _ = stopped => {} }
    });
    let url = peer.ws();
    (url, std::thread::spawn(move || peer.join()), stop)
}

#[test]
fn the_runtime_is_made_once_and_leaves_nothing_behind() {
    one_runtime_made_on_first_use();
    connections_cut_at_random_moments_leave_nothing();
    shutting_down_says_goodbye();
    after_a_fork_the_parents_runtime_is_forgotten();
}

fn one_runtime_made_on_first_use() {
    assert!(!runtime::is_running());
    assert_eq!((runtime::live_tasks(), network_threads()), (0, 0));
    runtime::shutdown(Duration::from_secs(1)); // nothing to do
    assert!(runtime::configure(0).is_err());
    runtime::configure(2).unwrap();
    let peer = support::ws(|mut ws| async move { while ws.next().await.is_some() {} });
    let client = opened(WsConfig::new(peer.ws()));
    assert!(runtime::is_running());
    eventually("both workers have their name", || network_threads() >= 2);
    assert_eq!(runtime::live_tasks(), 1);
    let error = runtime::configure(1).unwrap_err();
    assert_eq!(error.code(), "invalid_config");
    drop(client);
    eventually("the task ends", || runtime::live_tasks() == 0);
    peer.join();
}

fn connections_cut_at_random_moments_leave_nothing() {
    let (url, server, stop) = echo_server();
    // Once round first, so that what is made once is there.
    drop(opened(WsConfig::new(url.clone())));
    eventually("the first task ends", || runtime::live_tasks() == 0);
    std::thread::sleep(Duration::from_millis(100));
    let before = descriptors();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    };
    let mut worst = Duration::ZERO;
    for round in 0..300 {
        let client = open(WsConfig::new(url.clone()));
        std::thread::sleep(Duration::from_micros(random(1_500)));
        let _ = client.try_send_text("hello");
        if round % 3 == 0 {
            std::thread::sleep(Duration::from_micros(random(1_000)));
        }
        let begun = Instant::now();
        match random(3) {
            0 => client.abort(),
            1 => client.close(1000, "").unwrap(),
            _ => {}
        }
        drop(client);
        worst = worst.max(begun.elapsed());
    }
    assert!(worst < Duration::from_secs(1), "dropping took {worst:?}");
    eventually("all tasks end", || runtime::live_tasks() == 0);
    // The server's sockets are in this process too.
    eventually("all descriptors are closed", || descriptors() <= before);
    stop.send(()).unwrap();
    server.join().unwrap();
}

fn shutting_down_says_goodbye() {
    let peer = support::ws(|mut ws| async move {
        ws.send(Message::text("hello")).await.unwrap();
        let frame = ws.next().await;
        while ws.next().await.is_some() {} // answers it
        frame
    });
    let (asked, was_asked) = std::sync::mpsc::channel();
    let silent = support::tcp(|mut stream| async move {
        support::read_request(&mut stream).await;
        asked.send(()).unwrap();
        support::until_eof(&mut stream).await.0
    });
    let client = open(WsConfig::new(peer.ws()));
    let call = HttpCall::start(HttpRequest::new("GET", silent.http())).unwrap();
    some(&client, 2);
    was_asked.recv().unwrap();
    let begun = Instant::now();
    runtime::shutdown(Duration::from_secs(3));
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(3), "{took:?}");
    assert!(!runtime::is_running());
    // A thread that has been joined may still stand in the process table for a moment.
    eventually("the threads are gone", || network_threads() == 0);
    let frame = peer.join().expect("a frame").expect("a whole frame");
    let Message::Close(Some(frame)) = frame else { panic!("{frame:?}") };
    assert_eq!(u16::from(frame.code), 1001);
    silent.join();
    // The handles are left, and say what happened.
    assert!(client.is_ended() && call.is_ended());
    assert!(matches!(support::error(&client), NetError::Closed { code: Some(1001), .. }));
    assert!(matches!(support::error(&call), NetError::Closed { code: None, .. }));
    drop((client, call));
}

fn after_a_fork_the_parents_runtime_is_forgotten() {
    let (url, server, stop) = echo_server();
    let parent = opened(WsConfig::new(url.clone()));
    assert_eq!(runtime::live_tasks(), 1);
    // What the hook does in a child; the rest of the child's view is tested with a real fork from
    // Python, where forking is safe to write.
    runtime::after_fork_in_child();
    assert!(!runtime::is_running());
    assert_eq!(runtime::live_tasks(), 0);
    let child = opened(WsConfig::new(url));
    child.try_send_text("from the child").unwrap();
    assert_eq!(support::texts(some(&child, 1)), ["from the child"]);
    assert_eq!(runtime::live_tasks(), 1);
    // The other runtime goes on: nothing of it was dropped.
    parent.try_send_text("from the parent").unwrap();
    assert_eq!(support::texts(some(&parent, 1)), ["from the parent"]);
    drop((parent, child));
    runtime::shutdown(Duration::from_secs(2));
    stop.send(()).unwrap();
    server.join().unwrap();
}
