//! The task of one exchange: send, then pass the response on as fast as it is taken.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Response, Version};
use tokio::time::timeout;

use super::client::client_for;
use super::faults;
use super::request::{HttpRequest, Plan};
use super::upload::{Progress, Upload, body_of};
use super::{HttpItem, Responses};
use crate::clock::monotonic_ns;
use crate::error::{NetError, Phase};
use crate::header;
use crate::runtime::Host;

/// Runs the whole exchange under its total deadline.
pub(crate) async fn run(
    host: &'static Host,
    inbox: &Responses,
    upload: Option<Arc<Upload>>,
    request: HttpRequest,
    plan: Plan,
) -> Result<(), NetError> {
    let work = exchange(host, inbox, upload, &request, &plan);
    within(request.total_timeout, Phase::Total, work).await
}

async fn exchange(
    host: &'static Host,
    inbox: &Responses,
    upload: Option<Arc<Upload>>,
    request: &HttpRequest,
    plan: &Plan,
) -> Result<(), NetError> {
    let begun = monotonic_ns();
    let progress = Arc::new(Progress::default());
    let sending = send(host, upload, request, plan, &progress);
    let response = first_byte(request.first_byte_timeout, &progress, sending).await?;
    let head = HttpItem::Head {
        status: response.status().as_u16(),
        version: version_name(response.version()),
        headers: header::from_map(response.headers(), &plan.secrets),
        first_byte_us: (monotonic_ns() - begun) / 1_000,
    };
    if !push(inbox, head).await {
        return Ok(());
    }
    pass_on(inbox, request, plan, response).await
}

/// Waits for the head, `limit` from the last part of the request that was taken for sending.
async fn first_byte<T>(
    limit: Option<Duration>,
    progress: &Progress,
    work: impl Future<Output = Result<T, NetError>>,
) -> Result<T, NetError> {
    let Some(after) = limit else { return work.await };
    let begun = monotonic_ns();
    let mut work = std::pin::pin!(work);
    loop {
        let since = progress.last_ns().max(begun);
        let gone = Duration::from_nanos(monotonic_ns().saturating_sub(since));
        let Some(left) = after.checked_sub(gone).filter(|left| !left.is_zero()) else {
            return Err(NetError::Timeout { phase: Phase::FirstByte, after });
        };
        if let Ok(result) = timeout(left, &mut work).await {
            return result;
        }
    }
}

fn version_name(version: Version) -> &'static str {
    match version {
        Version::HTTP_2 => "2",
        Version::HTTP_10 => "1.0",
        _ => "1.1",
    }
}

async fn send(
    host: &'static Host,
    upload: Option<Arc<Upload>>,
    request: &HttpRequest,
    plan: &Plan,
    progress: &Arc<Progress>,
) -> Result<Response, NetError> {
    let client = client_for(host, request, plan).await?;
    let mut builder = client.request(plan.method.clone(), plan.target.url.clone());
    builder = builder.headers(plan.headers.clone());
    builder = body_of(builder, &request.body, upload.as_ref(), progress).await?;
    builder.send().await.map_err(|error| {
        let own = upload.and_then(|upload| upload.fault());
        own.unwrap_or_else(|| faults::of(error, plan, request.connect_timeout))
    })
}

async fn pass_on(
    inbox: &Responses,
    request: &HttpRequest,
    plan: &Plan,
    mut response: Response,
) -> Result<(), NetError> {
    let mut total: u64 = 0;
    loop {
        let next = async {
            let chunk = response.chunk().await;
            chunk.map_err(|error| faults::of(error, plan, request.connect_timeout))
        };
        let Some(data) = within(request.idle_timeout, Phase::Idle, next).await? else {
            return Ok(());
        };
        let at_ns = monotonic_ns();
        total += data.len() as u64;
        check_total(total, request.max_body_bytes)?;
        if !push(inbox, HttpItem::Chunk { data, at_ns }).await {
            return Ok(());
        }
    }
}

fn check_total(total: u64, limit: Option<u64>) -> Result<(), NetError> {
    match limit {
        Some(limit) if total > limit => {
            let limit = usize::try_from(limit).unwrap_or(usize::MAX);
            Err(NetError::TooBig { what: "the response body", limit, size: None })
        }
        _ => Ok(()),
    }
}

/// Queues an item, waiting for room; `false` if nobody wants it any more.
async fn push(inbox: &Responses, item: HttpItem) -> bool {
    let bytes = item.payload_bytes();
    inbox.push(item, bytes).await.is_ok()
}

async fn within<T>(
    limit: Option<Duration>,
    phase: Phase,
    work: impl Future<Output = Result<T, NetError>>,
) -> Result<T, NetError> {
    let Some(after) = limit else { return work.await };
    timeout(after, work).await.unwrap_or(Err(NetError::Timeout { phase, after }))
}
