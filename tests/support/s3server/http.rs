//! Connections, and the faults that happen on them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::CONTENT_LENGTH;
use hyper::service::service_fn;
use hyper::{Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use percent_encoding::percent_decode_str;
use s3s::service::S3Service;
use s3s::{Body, HttpResponse};
use tokio_rustls::TlsAcceptor;

use super::faults::{Fault, Faults, Request};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Accepts connections for as long as the server runs.
pub async fn serve(
    listener: std::net::TcpListener,
    tls: Option<TlsAcceptor>,
    service: S3Service,
    faults: Arc<Faults>,
) {
    listener.set_nonblocking(true).expect("a socket that does not block");
    let listener = tokio::net::TcpListener::from_std(listener).expect("a socket of the runtime");
    loop {
        let Ok((socket, _)) = listener.accept().await else { continue };
        let _ = socket.set_nodelay(true);
        let (tls, service, faults) = (tls.clone(), service.clone(), faults.clone());
        tokio::spawn(async move {
            let answer = service_fn(move |request| answer(request, service.clone(), faults.clone()));
            let http = auto::Builder::new(TokioExecutor::new());
            // how a connection ends is the client's affair
            match tls {
                None => drop(http.serve_connection(TokioIo::new(socket), answer).await),
                Some(tls) => {
                    if let Ok(socket) = tls.accept(socket).await {
                        drop(http.serve_connection(TokioIo::new(socket), answer).await);
                    }
                }
            }
        });
    }
}

/// Answers one request, badly if so told. An error cuts the connection.
async fn answer(
    request: hyper::Request<Incoming>,
    service: S3Service,
    faults: Arc<Faults>,
) -> Result<HttpResponse, Failure> {
    let mut seen = describe(&request);
    tokio::time::sleep(faults.current_delay()).await;
    let fault = faults.next(&seen);
    let result = act(fault, &seen, request, &service, &faults).await;
    seen.status = result.as_ref().map_or(0, |r| r.status().as_u16());
    faults.record(seen);
    result
}

async fn act(
    fault: Option<Fault>,
    seen: &Request,
    request: hyper::Request<Incoming>,
    service: &S3Service,
    faults: &Faults,
) -> Result<HttpResponse, Failure> {
    let instead = match &fault {
        _ if faults.denies(seen, list_prefix(&seen.query).as_deref()) => Some((403, "AccessDenied")),
        Some(Fault::Status(status, code)) => Some((*status, *code)),
        Some(Fault::Cut) => return Err("cut".into()),
        Some(Fault::Hang) => std::future::pending().await,
        _ => None,
    };
    if let Some((status, code)) = instead {
        // read what was sent, or the client may see a broken connection in place of the answer
        let _ = BodyExt::collect(request.into_body()).await;
        return Ok(error(seen, status, code));
    }
    if let Some(Fault::Meanwhile(act)) = &fault {
        tokio::task::block_in_place(|| (act.0)()); // it may wait for other requests
    }
    let response =
        service.call(request.map(Body::from)).await.map_err(|e| Failure::from(format!("{e:?}")))?;
    match fault {
        Some(Fault::StatusAfterDoing(status, code)) => Ok(error(seen, status, code)),
        Some(Fault::CutAfterDoing) => Err("cut after doing".into()),
        Some(Fault::HangAfterDoing) => std::future::pending().await,
        Some(Fault::TruncateBody(keep)) => {
            let cut = stream::iter([Err(Failure::from("cut in the body"))]);
            spoil(response, move |data| (data.slice(..keep.min(data.len())), cut.boxed())).await
        }
        Some(Fault::StallBody(keep)) => {
            let stall = stream::pending();
            spoil(response, move |data| (data.slice(..keep.min(data.len())), stall.boxed())).await
        }
        Some(Fault::ShortenBody(less)) => {
            let (mut parts, body) = response.into_parts();
            let data = collect(body).await?;
            let data = data.slice(..data.len().saturating_sub(less));
            parts.headers.insert(CONTENT_LENGTH, data.len().into());
            Ok(Response::from_parts(parts, Body::from(data)))
        }
        Some(Fault::CorruptBody) => {
            spoil(response, |data| {
                let mut data = data.to_vec();
                let middle = data.len() / 2;
                if let Some(byte) = data.get_mut(middle) {
                    *byte ^= 1;
                }
                (data.into(), stream::empty().boxed())
            })
            .await
        }
        _ => Ok(response),
    }
}

async fn collect(body: Body) -> Result<Bytes, Failure> {
    Ok(BodyExt::collect(body).await.map_err(|e| Failure::from(e.to_string()))?.to_bytes())
}

/// Replaces the body of an answer, but not the length that its head promises.
async fn spoil(
    response: HttpResponse,
    with: impl FnOnce(Bytes) -> (Bytes, stream::BoxStream<'static, Result<Bytes, Failure>>),
) -> Result<HttpResponse, Failure> {
    let (parts, body) = response.into_parts();
    let (data, then) = with(collect(body).await?);
    // in two steps, so that the first bytes are on their way before the rest goes wrong
    let pause = stream::once(async {
        tokio::time::sleep(Duration::from_millis(5)).await;
        Ok(Bytes::new())
    });
    let frames =
        stream::once(async { Ok(data) }).chain(pause).chain(then).map(|chunk| chunk.map(Frame::data));
    Ok(Response::from_parts(parts, Body::http_body_unsync(StreamBody::new(frames))))
}

fn describe(request: &hyper::Request<Incoming>) -> Request {
    let path = request.uri().path().trim_start_matches('/');
    let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
    Request {
        method: request.method().to_string(),
        bucket: bucket.to_owned(),
        key: percent_decode_str(key).decode_utf8_lossy().into_owned(),
        query: request.uri().query().unwrap_or_default().to_owned(),
        headers: request.headers().clone(),
        status: 0,
    }
}

/// Returns the prefix that a listing asks for; `None` for other requests.
fn list_prefix(query: &str) -> Option<String> {
    let mut prefix = None;
    for pair in query.split('&') {
        match pair.split_once('=') {
            Some(("prefix", value)) => {
                let spaced = value.replace('+', " ");
                prefix = Some(percent_decode_str(&spaced).decode_utf8_lossy().into_owned());
            }
            Some(("list-type", _)) => prefix = prefix.or_else(|| Some(String::new())),
            _ => {}
        }
    }
    prefix
}

fn error(seen: &Request, status: u16, code: &str) -> HttpResponse {
    let text = format!(
        "<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>as the test wants it</Message></Error>"
    );
    let body = if seen.method == "HEAD" { Body::empty() } else { Body::from(text) };
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).expect("a status");
    response
}
