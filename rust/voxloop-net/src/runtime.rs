//! The one tokio runtime of the process, and what becomes of it at fork and at exit.
//!
//! The slot holds a leaked reference together with the pid that made it, in one atomic cell: a
//! forked child empties it with a single store. The parent's runtime is never dropped in the
//! child, as that would join threads which do not exist there.

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_utils::atomic::AtomicCell;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::error::NetError;
use crate::http::Clients;
use crate::tls::TlsCache;

/// Blocking threads, for name lookup and for reading certificate stores; idle ones end.
const BLOCKING_THREADS: usize = 4;

static SLOT: AtomicCell<Slot> = AtomicCell::new(Slot(None));
static WORKER_THREADS: AtomicUsize = AtomicUsize::new(1);

#[derive(Clone, Copy)]
struct Slot(Option<&'static Host>);

impl PartialEq for Slot {
    fn eq(&self, other: &Self) -> bool {
        match (self.0, other.0) {
            (Some(a), Some(b)) => std::ptr::eq(a, b),
            (None, None) => true,
            _ => false,
        }
    }
}

impl Eq for Slot {}

/// A runtime and what its tasks share.
pub(crate) struct Host {
    pid: u32,
    handle: Handle,
    /// Taken out at shutdown, by the process that made it.
    runtime: Mutex<Option<Runtime>>,
    /// Each task holds a receiver: the value asks it to end, the count says how many there are.
    going_down: watch::Sender<bool>,
    pub(crate) tls: TlsCache,
    pub(crate) clients: Clients,
}

/// Sets how many threads do network work, before the first connection is made.
///
/// # Errors
/// [`NetError::InvalidConfig`] for none, or once the runtime runs.
pub fn configure(worker_threads: usize) -> Result<(), NetError> {
    if worker_threads == 0 {
        return Err(invalid("worker_threads is 0; wanted 1 or more"));
    }
    if is_running() {
        return Err(invalid(
            "the network threads run already; set worker_threads before first use",
        ));
    }
    WORKER_THREADS.store(worker_threads, Ordering::SeqCst);
    Ok(())
}

/// To be called in a forked child: forgets the parent's runtime. One atomic store, no lock.
pub fn after_fork_in_child() {
    SLOT.store(Slot(None));
}

/// Whether this process has a runtime.
pub fn is_running() -> bool {
    current().is_some()
}

/// A task of the caller's own on the runtime; it ends with this handle.
pub struct Task(TaskHandle);

impl Task {
    /// Drops the task at its next step. On the wrong side of a fork this does nothing.
    pub fn abort(&self) {
        self.0.abort();
    }

    /// Whether this is the process that made the task.
    pub fn is_ours(&self) -> bool {
        self.0.is_ours()
    }
}

/// Runs `work` until it is done, its handle is dropped, or the process ends.
///
/// # Errors
/// [`NetError::Crash`] when the network threads cannot be started.
pub fn spawn(work: impl Future<Output = ()> + Send + 'static) -> Result<Task, NetError> {
    // On its own, or the task would have room for it twice.
    let work = Box::pin(work);
    let task = host()?.spawn(|mut going_down| async move {
        tokio::select! {
            () = work => {}
            () = going_down.asked() => {}
        }
    });
    Ok(Task(task))
}

/// Connections and requests of this process that have not ended.
pub fn live_tasks() -> usize {
    current().map_or(0, |host| host.going_down.receiver_count())
}

/// Ends the connections that are kept for a next request.
///
/// One that carries a request ends behind it. Without a runtime there are none.
pub fn drop_idle() {
    if let Some(host) = current() {
        host.clients.forget();
    }
}

/// Ends all connections and the network threads; waits up to `timeout` for both.
///
/// Each open WebSocket sends Close 1001 first. A later connection starts a new runtime. In a forked
/// child, and where no runtime was started, this does nothing.
pub fn shutdown(timeout: Duration) {
    let deadline = Instant::now() + timeout;
    let Slot(Some(host)) = SLOT.swap(Slot(None)) else { return };
    if host.pid != std::process::id() {
        return;
    }
    let runtime = host.runtime.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(runtime) = runtime {
        host.going_down.send_replace(true);
        runtime.block_on(async {
            let _ = tokio::time::timeout(timeout, host.going_down.closed()).await;
        });
        runtime.shutdown_timeout(deadline.saturating_duration_since(Instant::now()));
    }
}

fn current() -> Option<&'static Host> {
    SLOT.load().0.filter(|host| host.pid == std::process::id())
}

/// The runtime of this process, made on first use.
pub(crate) fn host() -> Result<&'static Host, NetError> {
    if let Some(host) = current() {
        return Ok(host);
    }
    // Left by a fork that did not run the hook, or empty.
    let before = SLOT.load();
    let made = Host::start()?;
    if SLOT.compare_exchange(before, Slot(Some(made))).is_ok() {
        return Ok(made);
    }
    // Another thread was first; this one has no tasks yet.
    made.stop_unused();
    host()
}

impl Host {
    fn start() -> Result<&'static Self, NetError> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(WORKER_THREADS.load(Ordering::SeqCst))
            .max_blocking_threads(BLOCKING_THREADS)
            .thread_name("voxloop-net")
            .enable_io()
            .enable_time()
            .build()
            .map_err(|error| NetError::Crash {
                message: format!("cannot start the network threads: {error}"),
            })?;
        Ok(Box::leak(Box::new(Self {
            pid: std::process::id(),
            handle: runtime.handle().clone(),
            runtime: Mutex::new(Some(runtime)),
            going_down: watch::Sender::new(false),
            tls: TlsCache::default(),
            clients: Clients::default(),
        })))
    }

    fn stop_unused(&self) {
        if let Some(runtime) = self.runtime.lock().unwrap_or_else(PoisonError::into_inner).take() {
            runtime.shutdown_background();
        }
    }

    /// Starts a task; `make` gets the receiver that asks it to end.
    pub(crate) fn spawn<F>(&self, make: impl FnOnce(GoingDown) -> F) -> TaskHandle
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let task = self.handle.spawn(make(GoingDown(self.going_down.subscribe())));
        TaskHandle { pid: self.pid, abort: Some(task.abort_handle()) }
    }

    /// Runs `work`, which reads files, away from the network threads.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, NetError> + Send + 'static,
    ) -> Result<T, NetError> {
        match self.handle.spawn_blocking(work).await {
            Ok(result) => result,
            Err(error) if error.is_panic() => Err(NetError::Crash { message: error.to_string() }),
            Err(_) => Err(NetError::unclean("the network threads are ending")),
        }
    }
}

/// Held by every task while it lives.
pub(crate) struct GoingDown(watch::Receiver<bool>);

impl GoingDown {
    /// Waits until the runtime is asked to end.
    pub(crate) async fn asked(&mut self) {
        // The sender lives in a leaked host and is never dropped.
        let _ = self.0.wait_for(|down| *down).await;
    }
}

/// A task that ends with its handle, and knows the process it belongs to.
pub(crate) struct TaskHandle {
    pid: u32,
    abort: Option<AbortHandle>,
}

impl TaskHandle {
    /// # Errors
    /// [`NetError::Forked`] in a process other than the one that made the task.
    pub(crate) fn check(&self, what: &'static str) -> Result<(), NetError> {
        if self.is_ours() { Ok(()) } else { Err(NetError::Forked { what }) }
    }

    pub(crate) fn is_ours(&self) -> bool {
        self.pid == std::process::id()
    }

    /// Drops the task, and with it its socket, at its next step.
    pub(crate) fn abort(&self) {
        if let Some(abort) = self.abort.as_ref().filter(|_| self.is_ours()) {
            abort.abort();
        }
    }
}

impl Drop for TaskHandle {
    fn drop(&mut self) {
        self.abort();
        if !self.is_ours() {
            // The task lives in the parent's runtime: nothing of it may be touched here.
            std::mem::forget(self.abort.take());
        }
    }
}

fn invalid(message: &str) -> NetError {
    NetError::InvalidConfig { message: message.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slot_needs_no_lock() {
        assert!(AtomicCell::<Slot>::is_lock_free());
    }

    #[test]
    fn a_handle_from_before_a_fork_says_so_and_touches_nothing() {
        let ours = host().unwrap().spawn(|mut down| async move { down.asked().await });
        assert_eq!(ours.check("it"), Ok(()));
        // As a child sees it: another pid than the one that made the task.
        let theirs = TaskHandle { pid: ours.pid + 1, abort: ours.abort.clone() };
        assert_eq!(theirs.check("it"), Err(NetError::Forked { what: "it" }));
        theirs.abort();
        drop(theirs);
        std::thread::sleep(Duration::from_millis(20));
        let alive = |handle: &TaskHandle| handle.abort.as_ref().is_some_and(|a| !a.is_finished());
        assert!(alive(&ours), "the parent's task was ended from the child");
        ours.abort();
        while alive(&ours) {
            std::thread::yield_now();
        }
    }
}
