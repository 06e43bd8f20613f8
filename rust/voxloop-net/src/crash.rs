//! A panic in a task becomes an error of that task's connection.

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;

use crate::error::NetError;

/// Runs `task`; its result, or [`NetError::Crash`] with the panic's text.
///
/// The task's own state is dropped by the unwinding; what it shares with others is behind mutexes
/// and atomics whose critical sections cannot panic half-way.
// Not an `async fn`, which would hold the task twice: as what it was given and as what it awaits.
pub(crate) fn caught<T>(
    task: impl Future<Output = Result<T, NetError>>,
) -> impl Future<Output = Result<T, NetError>> {
    AssertUnwindSafe(task).catch_unwind().map(|done| {
        done.unwrap_or_else(|panic| {
            Err(NetError::Crash { message: text_of(panic.as_ref()).to_owned() })
        })
    })
}

fn text_of(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&'static str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without a text")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_error_with_its_text() {
        let fixed: Result<(), _> = caught(async { panic!("fixed text") }).await;
        assert_eq!(fixed, Err(NetError::Crash { message: "fixed text".into() }));
        let number = 7;
        let made: Result<(), _> = caught(async move { panic!("text {number}") }).await;
        assert_eq!(made, Err(NetError::Crash { message: "text 7".into() }));
        assert_eq!(caught(async { Ok(3) }).await, Ok(3));
    }
}
