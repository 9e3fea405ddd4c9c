//! Switches for what bad servers do, and a log of what clients asked.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use hyper::HeaderMap;
use parking_lot::Mutex;

/// What goes wrong with a request.
#[derive(Debug, Clone)]
pub enum Fault {
    /// It is answered with this status and error code, and not done.
    Status(u16, &'static str),
    /// It is done, and then answered with this status and error code.
    StatusAfterDoing(u16, &'static str),
    /// The connection is cut, and it is not done.
    Cut,
    /// It is done, and then the connection is cut instead of an answer.
    CutAfterDoing,
    /// It is never answered, and not done.
    Hang,
    /// It is done and never answered.
    HangAfterDoing,
    /// The connection is cut after so many bytes of the body of the answer.
    TruncateBody(usize),
    /// The answer says that its body has this many bytes fewer, and has.
    ShortenBody(usize),
    /// One bit in the middle of the body of the answer is another.
    CorruptBody,
    /// The body of the answer stops after so many bytes and the connection stays.
    StallBody(usize),
    /// Something else happens at this moment, just before the request is done: the closure.
    Meanwhile(Meanwhile),
}

/// Something that a test wants done between two steps of a client.
#[derive(Clone)]
pub struct Meanwhile(pub std::sync::Arc<dyn Fn() + Send + Sync>);

impl std::fmt::Debug for Meanwhile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Meanwhile")
    }
}

/// Which requests are meant. All that is set must fit.
#[derive(Debug, Clone, Default)]
pub struct When {
    /// The method.
    pub method: Option<&'static str>,
    /// What the key begins with.
    pub key: String,
    /// What the query string contains, such as `uploadId=` or `list-type=2`.
    pub query: &'static str,
}

impl When {
    /// Any request to a key that begins with `key`.
    pub fn key(key: &str) -> Self {
        Self { key: key.to_owned(), ..Self::default() }
    }

    /// Requests with `method` to a key that begins with `key`.
    pub fn method(method: &'static str, key: &str) -> Self {
        Self { method: Some(method), key: key.to_owned(), query: "" }
    }

    fn fits(&self, request: &Request) -> bool {
        self.method.is_none_or(|m| m == request.method)
            && request.key.starts_with(&self.key)
            && request.query.contains(self.query)
    }
}

/// A request as it came in.
#[derive(Debug, Clone)]
pub struct Request {
    /// `GET`, …
    pub method: String,
    /// The first segment of the path.
    pub bucket: String,
    /// The rest of the path, decoded; empty for requests to the bucket.
    pub key: String,
    /// The query string as it came.
    pub query: String,
    /// All headers.
    pub headers: HeaderMap,
    /// The status of the answer; 0 where none was sent.
    pub status: u16,
}

/// The switches of one server. All of them may be set while it runs.
#[derive(Default)]
pub struct Faults {
    /// PutObject overwrites in spite of `If-None-Match: *`.
    pub ignore_put_condition: AtomicBool,
    /// CompleteMultipartUpload overwrites in spite of `If-None-Match: *`.
    pub ignore_complete_condition: AtomicBool,
    /// CopyObject overwrites in spite of `If-None-Match: *`.
    pub ignore_copy_condition: AtomicBool,
    /// DeleteObject deletes in spite of `If-Match`.
    pub ignore_delete_condition: AtomicBool,
    /// Listings are sorted by path segments: `a/b` before `a-`.
    pub list_by_segment: AtomicBool,
    /// HeadBucket is forbidden, whatever else is allowed.
    pub deny_head_bucket: AtomicBool,
    delay_ms: AtomicU64,
    denied: Mutex<Vec<String>>,
    rules: Mutex<VecDeque<(When, Fault, usize)>>,
    log: Mutex<Vec<Request>>,
}

impl Faults {
    /// Lets `fault` happen to the next `times` requests that fit. Rules are tried in the order of their making.
    pub fn inject(&self, when: When, fault: Fault, times: usize) {
        self.rules.lock().push_back((when, fault, times));
    }

    /// Does something else just before the next request that fits is done.
    pub fn meanwhile(&self, when: When, act: impl Fn() + Send + Sync + 'static) {
        self.inject(when, Fault::Meanwhile(Meanwhile(std::sync::Arc::new(act))), 1);
    }

    /// Does something else just before every request that fits is done.
    pub fn always_meanwhile(&self, when: When, act: impl Fn() + Send + Sync + 'static) {
        self.inject(when, Fault::Meanwhile(Meanwhile(std::sync::Arc::new(act))), usize::MAX);
    }

    /// Takes all rules back.
    pub fn clear(&self) {
        self.rules.lock().clear();
    }

    /// Lets every request wait this long before it is looked at.
    pub fn delay(&self, delay: Duration) {
        self.delay_ms.store(u64::try_from(delay.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Forbids keys and listings below `prefix`; the empty prefix forbids everything.
    pub fn deny(&self, prefix: &str) {
        self.denied.lock().push(prefix.to_owned());
    }

    /// Allows everything again.
    pub fn allow_all(&self) {
        self.denied.lock().clear();
        self.deny_head_bucket.store(false, Ordering::Relaxed);
    }

    /// Returns the requests so far.
    pub fn requests(&self) -> Vec<Request> {
        self.log.lock().clone()
    }

    /// Forgets the requests so far.
    pub fn forget(&self) {
        self.log.lock().clear();
    }

    /// Counts the requests so far with `method` (any if empty) to keys that begin with `key`.
    pub fn count(&self, method: &str, key: &str) -> usize {
        let fits = |r: &&Request| (method.is_empty() || r.method == method) && r.key.starts_with(key);
        self.log.lock().iter().filter(fits).count()
    }

    pub(super) fn current_delay(&self) -> Duration {
        Duration::from_millis(self.delay_ms.load(Ordering::Relaxed))
    }

    /// Returns what happens to `request`.
    pub(super) fn next(&self, request: &Request) -> Option<Fault> {
        let mut rules = self.rules.lock();
        let index = rules.iter().position(|(when, _, times)| *times > 0 && when.fits(request))?;
        let (_, fault, times) = rules.get_mut(index)?;
        let fault = fault.clone();
        *times -= 1;
        if *times == 0 {
            rules.remove(index);
        }
        Some(fault)
    }

    /// Returns whether `request` is forbidden.
    pub(super) fn denies(&self, request: &Request, list_prefix: Option<&str>) -> bool {
        if request.key.is_empty() && request.method == "HEAD" && self.deny_head_bucket.load(Ordering::Relaxed)
        {
            return true;
        }
        let target = if request.key.is_empty() { list_prefix.unwrap_or_default() } else { &request.key };
        self.denied.lock().iter().any(|prefix| target.starts_with(prefix.as_str()))
    }

    pub(super) fn record(&self, request: Request) {
        self.log.lock().push(request);
    }

    pub(super) fn is_on(switch: &AtomicBool) -> bool {
        switch.load(Ordering::Relaxed)
    }
}
