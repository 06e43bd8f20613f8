//! WebSocket and HTTP clients on tokio for a caller that waits on a file descriptor.
//!
//! A handle ([`WsClient`], [`HttpCall`]) is made at once and owns one task on the runtime of
//! [`runtime`]. What the task brings is taken with `drain`, after `recv_fileno` became readable;
//! failures come the same way, as data. No call on a handle waits, and dropping a handle drops its
//! task and closes its socket.
//!
//! Nothing here knows of Python: no thread of this crate can be held up by an interpreter.
#![forbid(unsafe_code)]

mod ahead;
mod apart;
mod clock;
mod crash;
mod error;
mod header;
mod http;
mod proxy;
mod retry;
pub mod runtime;
mod shared;
mod socket;
mod sse;
mod target;
mod tls;
mod tls_fault;
mod ws;

pub use bytes::Bytes;
pub use tokio_tungstenite::tungstenite::Utf8Bytes;
pub use voxloop_queue::{Drained, Inbox, Outbox};

pub use crate::clock::monotonic_ns;
pub use crate::error::{ConnectKind, NetError, Phase, TlsKind};
pub use crate::header::Header;
pub use crate::http::{HttpBody, HttpCall, HttpItem, HttpRequest, Part, PartData};
pub use crate::proxy::ProxyChoice;
pub use crate::retry::{
    Attempt, Decision, Failure, QUOTA_CODES, RetryPolicy, StopReason, is_quota_code, retry_after,
};
pub use crate::sse::{SseEvent, SseParser};
pub use crate::tls::TlsConfig;
pub use crate::ws::{
    Interpret, Reading, TrySend, Wake, WsClient, WsConfig, WsItem, WsSender, WsStats,
};

/// The descriptor a consumer waits on.
pub type WakeSignal = voxloop_queue::Signal;
