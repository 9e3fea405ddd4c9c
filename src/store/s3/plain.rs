//! GETs over plain HTTP/1.1 connections of our own, for bodies that go from the socket straight to where they stay: a
//! general client hands them over in buffers of its own, at the price of a copy and of a wake-up for each.
//!
//! Only what a GET of an object needs is here: no proxies, no TLS, no chunked bodies (RFC 9112). Whatever else a server
//! answers is an error, and asked for again in another way.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::http::Headers;
use bytes::{Buf, BufMut, BytesMut};
use http::Uri;
use hyper_util::client::proxy::matcher::Matcher;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::direct::Answer;

/// The head of an answer is read in steps of this size; what of the body comes with it is copied once more.
const HEAD_STEP: usize = 4 * 1024;

/// Longer heads are refused.
const HEAD_MAX: usize = 64 * 1024;

/// So many headers are understood.
const HEADERS_MAX: usize = 100;

/// Connections beyond these are closed after use.
const IDLE_MAX: usize = 16;

/// Connections that were idle for longer are not used again: a firewall may have forgotten them.
const IDLE_TIME: Duration = Duration::from_secs(60);

/// Where no connection came about, or an answer was none that is understood here, others are to ask for so long: they may
/// know a way round.
const REST: Duration = Duration::from_secs(60);

/// The connections to one server.
#[derive(Debug)]
pub(super) struct Plain {
    /// Host and port, as a URL has them.
    authority: String,
    connect_timeout: Duration,
    idle: Mutex<Vec<(TcpStream, Instant)>>,
    rests_until: Mutex<Option<Instant>>,
}

impl Plain {
    /// Returns the connections to the server of `base`, a URL; `None` where they would not be plain ones, straight to it.
    pub(super) fn to(base: &str, connect_timeout: Duration) -> Option<Arc<Self>> {
        let authority = base.strip_prefix("http://")?.split('/').next()?;
        let server = Uri::builder().scheme("http").authority(authority).path_and_query("/").build().ok()?;
        // with a user's name in it, or asked for through somebody else
        if authority.contains('@') || is_proxied(&server) {
            return None;
        }
        Some(Arc::new(Self {
            authority: authority.to_owned(),
            connect_timeout,
            idle: Mutex::default(),
            rests_until: Mutex::default(),
        }))
    }

    /// Returns whether others should ask.
    pub(super) fn rests(&self) -> bool {
        self.rests_until.lock().is_some_and(|until| Instant::now() < until)
    }

    /// Sends `request`, a GET whose URL is one of this server. `Ok(None)` is an answer that is no success.
    pub(super) async fn get(self: &Arc<Self>, request: &HttpRequest) -> io::Result<Option<Answer>> {
        let head = self.request_head(request);
        while let Some(stream) = self.take_idle() {
            match self.ask(stream, &head).await {
                // closed by the server while nobody used it, which is its right
                Err(e) => tracing::trace!("an idle connection could not be used: {e}"),
                answer => return answer,
            }
        }
        let asked = async { self.ask(self.connect().await?, &head).await };
        asked.await.inspect_err(|_| *self.rests_until.lock() = Some(Instant::now() + REST))
    }

    fn request_head(&self, request: &HttpRequest) -> Vec<u8> {
        let url = request.uri();
        let target = url.strip_prefix("http://").and_then(|rest| rest.strip_prefix(&*self.authority));
        let mut head = format!("GET {} HTTP/1.1\r\nhost: {}\r\n", target.unwrap_or(url), self.authority);
        for (name, value) in request.headers() {
            head.extend([name, ": ", value, "\r\n"]);
        }
        head.push_str("\r\n");
        head.into_bytes()
    }

    fn take_idle(&self) -> Option<TcpStream> {
        let mut idle = self.idle.lock();
        while let Some((stream, since)) = idle.pop() {
            // what says something before it was asked is of no use, be it the end
            let silent = matches!(stream.try_read(&mut [0]), Err(e) if e.kind() == io::ErrorKind::WouldBlock);
            if silent && since.elapsed() < IDLE_TIME {
                return Some(stream);
            }
        }
        None
    }

    fn give_back(&self, stream: TcpStream) {
        let mut idle = self.idle.lock();
        if idle.len() < IDLE_MAX {
            idle.push((stream, Instant::now()));
        }
    }

    async fn connect(&self) -> io::Result<TcpStream> {
        let has_port = self.authority.rsplit_once(':').is_some_and(|(_, port)| !port.ends_with(']'));
        let address = if has_port { self.authority.clone() } else { format!("{}:80", self.authority) };
        let stream = timeout(self.connect_timeout, TcpStream::connect(address)).await??;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    async fn ask(self: &Arc<Self>, mut stream: TcpStream, head: &[u8]) -> io::Result<Option<Answer>> {
        stream.write_all(head).await?;
        let mut read = BytesMut::with_capacity(HEAD_STEP);
        loop {
            if stream.read_buf(&mut (&mut read).limit(HEAD_STEP)).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let Some(parsed) = parse(&read)? else { continue };
            read.advance(parsed.len);
            if !matches!(parsed.status, 200 | 206) {
                return Ok(None);
            }
            let left = parsed.body_len;
            let body = Box::pin(Body {
                early: read,
                left: left.ok_or_else(|| io::Error::other("the answer does not say how long it is"))?,
                connection: Some((stream, parsed.keep.then(|| Arc::clone(self)))),
            });
            return Ok(Some(Answer { headers: parsed.headers, body }));
        }
    }
}

/// The head of an answer.
struct Head {
    /// Its own length in bytes.
    len: usize,
    status: u16,
    headers: Headers,
    /// `None` where it does not say.
    body_len: Option<u64>,
    /// Whether the connection can be used again.
    keep: bool,
}

/// Reads the head of an answer; `None` while it is not all there.
fn parse(read: &[u8]) -> io::Result<Option<Head>> {
    let mut fields = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut fields);
    let len = match response.parse(read).map_err(io::Error::other)? {
        httparse::Status::Complete(len) => len,
        httparse::Status::Partial if read.len() < HEAD_MAX => return Ok(None),
        httparse::Status::Partial => return Err(io::Error::other("the head of the answer has no end")),
    };
    let mut headers = Headers::new();
    for field in &*response.headers {
        // none of those that matter is anything but ASCII
        if let Ok(value) = std::str::from_utf8(field.value) {
            let name = field.name.to_ascii_lowercase();
            headers.try_append(name, value.to_owned()).map_err(io::Error::other)?;
        }
    }
    let status = response.code.unwrap_or_default();
    let says = headers.get("content-length").filter(|_| !headers.contains_key("transfer-encoding"));
    let body_len = says.and_then(|n| n.parse().ok());
    let close = headers.get_all("connection").any(|value| value.to_ascii_lowercase().contains("close"));
    let keep = response.version == Some(1) && !close;
    Ok(Some(Head { len, status, headers, body_len, keep }))
}

/// The bytes of an answer. Read to their end, they leave the connection to the next request.
struct Body {
    /// What came with the head.
    early: BytesMut,
    /// How many bytes are to come, those of `early` too.
    left: u64,
    connection: Option<(TcpStream, Option<Arc<Plain>>)>,
}

impl Body {
    fn took(&mut self, bytes: usize) -> io::Result<()> {
        let left = self.left.checked_sub(bytes as u64);
        self.left = left.ok_or_else(|| io::Error::other("more came than the head of the answer says"))?;
        if self.left == 0
            && self.early.is_empty()
            && let Some((stream, Some(plain))) = self.connection.take()
        {
            plain.give_back(stream);
        }
        Ok(())
    }
}

impl AsyncRead for Body {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        if !self.early.is_empty() {
            let now = self.early.len().min(buffer.remaining());
            buffer.put_slice(&self.early.split_to(now));
        } else if self.left > 0
            && let Some((stream, _)) = &mut self.connection
        {
            // nothing but this answer was asked for, so nothing else can come
            ready!(Pin::new(stream).poll_read(cx, buffer))?;
            if buffer.filled().len() == before && buffer.remaining() > 0 {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
        }
        let now = buffer.filled().len() - before;
        // with an error, nothing was read
        Poll::Ready(self.took(now).inspect_err(|_| buffer.set_filled(before)))
    }
}

/// Returns whether the environment names a proxy for `server`.
pub(super) fn is_proxied(server: &Uri) -> bool {
    Matcher::from_env().intercept(server).is_some()
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// Answers each connection's requests with `answers`, one after the other, and then closes it.
    async fn server(answers: &'static [&'static [&'static [u8]]]) -> (Arc<Plain>, HttpRequest) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}/bucket/", listener.local_addr().unwrap());
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                for answer in answers {
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        stream.read_buf(&mut head).await.unwrap();
                    }
                    for piece in *answer {
                        stream.write_all(piece).await.unwrap();
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                }
            }
        });
        let mut request = HttpRequest::new(aws_smithy_types::body::SdkBody::empty());
        request.set_uri(format!("{base}a")).unwrap();
        (Plain::to(&base, Duration::from_secs(5)).unwrap(), request)
    }

    async fn read(answer: Answer) -> io::Result<Vec<u8>> {
        let (mut body, mut all) = (answer.body, Vec::new());
        body.read_to_end(&mut all).await.map(|_| all)
    }

    #[tokio::test]
    async fn connection_is_used_again_and_made_anew_where_the_server_has_closed_it() {
        const A: &[&[u8]] = &[b"HTTP/1.1 200 OK\r\nContent-Le", b"ngth: 5\r\nETag: \"e\"\r\n\r\nab", b"cde"];
        let (plain, request) = server(&[A, A]).await;
        for idle in [1, 1, 1, 1, 1] {
            let answer = plain.get(&request).await.unwrap().unwrap();
            assert_eq!(answer.headers.get("etag"), Some("\"e\""));
            assert_eq!(read(answer).await.unwrap(), b"abcde");
            assert_eq!(plain.idle.lock().len(), idle);
        }
    }

    #[tokio::test]
    async fn body_that_ends_early_or_was_not_read_to_its_end_takes_its_connection_with_it() {
        let (plain, request) = server(&[&[b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc"]]).await;
        let answer = plain.get(&request).await.unwrap().unwrap();
        assert_eq!(read(answer).await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        drop(plain.get(&request).await.unwrap().unwrap());
        assert!(plain.idle.lock().is_empty());
    }

    #[tokio::test]
    async fn more_than_was_said_is_an_error() {
        let (plain, request) = server(&[&[b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n", b"abcd"]]).await;
        assert!(read(plain.get(&request).await.unwrap().unwrap()).await.is_err());
        assert!(plain.idle.lock().is_empty());
    }

    #[tokio::test]
    async fn what_is_no_success_is_none_and_what_has_no_length_an_error() {
        // S3 sends its refusals in chunks
        const REFUSALS: [&[&[&[u8]]]; 2] = [
            &[&[b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"]],
            &[&[b"HTTP/1.1 412 Precondition Failed\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"]],
        ];
        for answers in REFUSALS {
            let (plain, request) = server(answers).await;
            assert!(plain.get(&request).await.unwrap().is_none());
            assert!(!plain.rests());
        }
        const WRONG: [&[&[&[u8]]]; 3] = [
            &[&[b"HTTP/1.1 200 OK\r\n\r\n"]],
            &[&[b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"]],
            &[&[b"SSH-2.0-OpenSSH\r\n"]],
        ];
        for answers in WRONG {
            let (plain, request) = server(answers).await;
            assert!(!plain.rests());
            assert!(plain.get(&request).await.is_err());
            assert!(plain.rests());
        }
    }

    #[test]
    fn only_plain_addresses_are_connected_to() {
        let wait = Duration::from_secs(1);
        assert!(Plain::to("https://store/bucket/", wait).is_none());
        assert!(Plain::to("http://user@store/bucket/", wait).is_none());
        assert_eq!(Plain::to("http://store:9000/bucket/", wait).unwrap().authority, "store:9000");
    }
}
