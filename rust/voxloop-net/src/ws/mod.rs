//! A WebSocket client whose task connects, reads, writes and keeps alive on its own.

mod config;
mod connect;
mod dial;
mod ends;
mod handshake;
mod head;
mod interpret;
mod keepalive;
mod reader;
mod sender;
mod session;
mod stats;
mod tunnel;
mod writer;

use std::convert::Infallible;
use std::os::fd::RawFd;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::Notify;
use tokio_tungstenite::tungstenite::Utf8Bytes;
use voxloop_queue::{Drained, Inbox, Outbox, Unsent};

pub use self::config::WsConfig;
pub use self::interpret::{Interpret, Reading, Wake};
pub use self::sender::WsSender;
use self::stats::Counters;
pub use self::stats::WsStats;
use self::writer::Outgoing;
use crate::WakeSignal;
use crate::crash::caught;
use crate::error::NetError;
use crate::header::Header;
use crate::runtime::{self, TaskHandle};
use crate::shared;
use crate::target::Target;

const WHAT: &str = "this WebSocket";

/// What a WebSocket brings. `M` is what an [`Interpret`] makes of text messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WsItem<M = Infallible> {
    /// What the interpreter made of a text message, or put in front of one.
    Made(M),
    /// The upgrade is done. Always the first item.
    Open {
        /// The HTTP status: 101.
        status: u16,
        /// The response headers.
        headers: Vec<Header>,
        /// The subprotocol the server chose.
        subprotocol: Option<String>,
        /// From the call of [`WsClient::open`] to the end of the upgrade, in microseconds.
        handshake_us: u64,
    },
    /// A text message.
    Text {
        /// The text.
        text: Utf8Bytes,
        /// When its last byte was read, by [`crate::monotonic_ns`].
        at_ns: u64,
    },
    /// A binary message.
    Binary {
        /// The bytes.
        data: Bytes,
        /// When its last byte was read, by [`crate::monotonic_ns`].
        at_ns: u64,
    },
}

/// Why a message was not taken for sending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrySend {
    /// The byte budget is spent: wait until `send_fileno` is readable and try again.
    Full,
    /// It will not go at all: the socket is closed or closing, or the message is too large.
    Closed(NetError),
}

/// What the handle and its task share.
pub(crate) struct Link<M> {
    pub(crate) inbox: Inbox<WsItem<M>, NetError>,
    pub(crate) outbox: Arc<Outbox<Outgoing, NetError>>,
    pub(crate) interpreter: Option<Arc<dyn Interpret<M>>>,
    pub(crate) counters: Counters,
    /// Notified once by [`WsClient::close`].
    pub(crate) close_asked: Notify,
}

impl<M> Link<M> {
    fn new(
        config: &WsConfig,
        target: &Target,
        interpreter: Option<Arc<dyn Interpret<M>>>,
    ) -> Result<Self, NetError> {
        let inbox = Inbox::new(config.inbox_bytes);
        let outbox = Outbox::new(config.outbox_bytes);
        Ok(Self {
            inbox: inbox.map_err(|error| shared::out_of_descriptors(&error, target))?,
            outbox: Arc::new(outbox.map_err(|error| shared::out_of_descriptors(&error, target))?),
            interpreter,
            counters: Counters::default(),
            close_asked: Notify::new(),
        })
    }

    /// Ends both directions; the first end stands.
    pub(crate) fn finish(&self, error: NetError) {
        self.outbox.finish(error.clone());
        self.inbox.finish(Err(error));
    }

    /// From now on nothing more goes out after `last`, and arrivals may be dropped.
    fn wind_up(&self, last: Outgoing) -> Result<(), NetError> {
        self.outbox.push_last(last, NetError::UseAfterClose { what: WHAT })?;
        self.inbox.drop_when_full();
        self.close_asked.notify_one();
        Ok(())
    }
}

/// Ends the queues when the task is dropped, however that came about.
struct EndGuard<M>(Arc<Link<M>>);

impl<M> Drop for EndGuard<M> {
    fn drop(&mut self) {
        self.0.finish(NetError::unclean("the connection was dropped"));
    }
}

/// A WebSocket connection, from before it is open until after it is closed.
///
/// Dropping it drops its task and its socket.
///
/// ```no_run
/// use voxloop_net::{Drained, WsClient, WsConfig, WsItem};
///
/// let client = WsClient::open(WsConfig::new("ws://127.0.0.1:8765/"))?;
/// client.try_send_text("hello").expect("the queue is empty");
/// // Wait until `client.recv_fileno()` is readable, then:
/// if let Drained::Items(items) = client.drain()? {
///     assert!(matches!(items.first(), None | Some(WsItem::Open { .. })));
/// }
/// # Ok::<(), voxloop_net::NetError>(())
/// ```
pub struct WsClient<M = Infallible> {
    link: Arc<Link<M>>,
    task: TaskHandle,
    max_message_bytes: usize,
}

impl WsClient {
    /// Starts to connect and returns at once.
    ///
    /// # Errors
    /// [`NetError::InvalidUrl`], [`NetError::InvalidConfig`] and [`NetError::InsecureKey`]. Failures
    /// of the network come from [`WsClient::drain`].
    pub fn open(config: WsConfig) -> Result<Self, NetError> {
        Self::start(config, None)
    }
}

impl<M: Send + 'static> WsClient<M> {
    /// As [`WsClient::open`], with `interpreter` at the reader's side: it sees every text message
    /// first, on the network thread.
    ///
    /// # Errors
    /// As [`WsClient::open`].
    pub fn open_with(
        config: WsConfig,
        interpreter: Option<Arc<dyn Interpret<M>>>,
    ) -> Result<Self, NetError> {
        Self::start(config, interpreter)
    }

    fn start(
        config: WsConfig,
        interpreter: Option<Arc<dyn Interpret<M>>>,
    ) -> Result<Self, NetError> {
        let plan = config.check()?;
        let host = runtime::host()?;
        let link = Arc::new(Link::new(&config, &plan.target, interpreter)?);
        let max_message_bytes = config.max_message_bytes;
        // What a task is given lies in it twice: as what it was given, and as what it has.
        let (config, plan) = (Box::new(config), Box::new(plan));
        let guard = EndGuard(Arc::clone(&link));
        let task = host.spawn(|going_down| async move {
            let link = Arc::clone(&guard.0);
            let end = caught(session::run(host, &link, config, plan, going_down)).await;
            if let Err(error) = end {
                link.finish(error);
            }
            drop(guard);
        });
        Ok(Self { link, task, max_message_bytes })
    }

    /// Readable when [`WsClient::drain`] has something to give. Stays open as long as `self`.
    pub fn recv_fileno(&self) -> RawFd {
        self.recv_signal().fileno()
    }

    /// The signal behind [`WsClient::recv_fileno`].
    pub fn recv_signal(&self) -> &WakeSignal {
        self.link.inbox.signal()
    }

    /// Readable when a message that was refused as [`TrySend::Full`] may be tried again.
    pub fn send_fileno(&self) -> RawFd {
        self.send_signal().fileno()
    }

    /// The signal behind [`WsClient::send_fileno`].
    pub fn send_signal(&self) -> &WakeSignal {
        self.link.outbox.signal()
    }

    /// Takes all that has come. An empty batch means a wake-up for nothing.
    ///
    /// # Errors
    /// How the connection ended, once everything before that was taken, and every time from then
    /// on. A WebSocket never ends with [`Drained::End`]: a clean end is a [`NetError::Closed`] too.
    pub fn drain(&self) -> Result<Drained<WsItem<M>>, NetError> {
        shared::drain(&self.task, &self.link.inbox, WHAT)
    }

    /// A handle by which a task can send beside the owner of this one.
    pub fn sender(&self) -> WsSender {
        WsSender::new(Arc::clone(&self.link.outbox), self.max_message_bytes)
    }

    /// Queues a text message. It may be called before the connection is open.
    ///
    /// # Errors
    /// [`TrySend`].
    pub fn try_send_text(&self, text: &str) -> Result<(), TrySend> {
        self.check_size(text.len())?;
        self.try_send(Outgoing::Text(text.into()), text.len())
    }

    /// As [`WsClient::try_send_text`], without a copy of the text.
    ///
    /// # Errors
    /// [`TrySend`].
    pub fn try_send_string(&self, text: String) -> Result<(), TrySend> {
        let bytes = text.len();
        self.check_size(bytes)?;
        self.try_send(Outgoing::Text(text.into()), bytes)
    }

    /// Queues a binary message. It may be called before the connection is open.
    ///
    /// # Errors
    /// [`TrySend`].
    pub fn try_send_binary(&self, data: Bytes) -> Result<(), TrySend> {
        self.check_size(data.len())?;
        let bytes = data.len();
        self.try_send(Outgoing::Binary(data), bytes)
    }

    fn check_size(&self, size: usize) -> Result<(), TrySend> {
        self.task.check(WHAT).map_err(TrySend::Closed)?;
        if size > self.max_message_bytes {
            let limit = self.max_message_bytes;
            let size = Some(size);
            return Err(TrySend::Closed(NetError::TooBig { what: "message", limit, size }));
        }
        Ok(())
    }

    fn try_send(&self, item: Outgoing, bytes: usize) -> Result<(), TrySend> {
        self.link.outbox.try_push(item, bytes).map_err(|unsent| match unsent {
            Unsent::Full(_) => TrySend::Full,
            Unsent::Closed(error) => TrySend::Closed(error),
        })
    }

    /// Sends Close after what was queued, then waits for the peer's, up to `close_timeout` from
    /// now. What still arrives is delivered if there is room for it. A second call does nothing.
    ///
    /// # Errors
    /// [`NetError::InvalidConfig`] for a code that may not be sent, or a reason over 123 bytes.
    pub fn close(&self, code: u16, reason: &str) -> Result<(), NetError> {
        self.task.check(WHAT)?;
        let last = Outgoing::close(code, reason)?;
        // Closed or closing already: there is nothing left to do.
        let _ = self.link.wind_up(last);
        Ok(())
    }

    /// Drops the task and its socket now, without a closing handshake.
    pub fn abort(&self) {
        if self.task.is_ours() {
            self.link.finish(NetError::unclean("aborted by the caller"));
            self.task.abort();
        }
    }

    /// Whether the connection has ended; items from before may still be waiting.
    pub fn is_ended(&self) -> bool {
        !self.task.is_ours() || self.link.inbox.is_ended()
    }

    /// What has gone through so far. All zero on the wrong side of a fork.
    pub fn stats(&self) -> WsStats {
        if self.task.is_ours() { self.link.counters.report(&self.link) } else { WsStats::default() }
    }
}
