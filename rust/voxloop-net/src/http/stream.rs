//! The task of one exchange: send, then pass the response on as fast as it is taken.

use std::future::Future;
use std::time::Duration;

use reqwest::Response;
use tokio::time::timeout;

use super::client::client_for;
use super::faults;
use super::request::{HttpBody, HttpRequest, Plan};
use super::{HttpItem, Responses};
use crate::clock::monotonic_ns;
use crate::error::{NetError, Phase};
use crate::header;
use crate::runtime::Host;

/// Runs the whole exchange under its total deadline.
pub(crate) async fn run(
    host: &'static Host,
    inbox: &Responses,
    request: HttpRequest,
    plan: Plan,
) -> Result<(), NetError> {
    within(request.total_timeout, Phase::Total, exchange(host, inbox, &request, &plan)).await
}

async fn exchange(
    host: &'static Host,
    inbox: &Responses,
    request: &HttpRequest,
    plan: &Plan,
) -> Result<(), NetError> {
    let begun = monotonic_ns();
    let head = within(request.first_byte_timeout, Phase::FirstByte, send(host, request, plan));
    let response = head.await?;
    let status = response.status().as_u16();
    let head = HttpItem::Head {
        status,
        headers: header::from_map(response.headers(), &plan.secrets),
        first_byte_us: (monotonic_ns() - begun) / 1_000,
    };
    if !push(inbox, head).await {
        return Ok(());
    }
    pass_on(inbox, request, plan, response).await
}

async fn send(
    host: &'static Host,
    request: &HttpRequest,
    plan: &Plan,
) -> Result<Response, NetError> {
    let client = client_for(host, request, plan).await?;
    let mut builder = client.request(plan.method.clone(), plan.target.url.clone());
    builder = builder.headers(plan.headers.clone());
    builder = match &request.body {
        HttpBody::Empty => builder,
        HttpBody::Bytes(data) => builder.body(data.clone()),
        HttpBody::Multipart(_) => match request.body.form()? {
            Some(form) => builder.multipart(form),
            None => builder,
        },
    };
    let sent = builder.send().await;
    sent.map_err(|error| faults::of(error, &plan.target, request.connect_timeout))
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
            chunk.map_err(|error| faults::of(error, &plan.target, request.connect_timeout))
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
