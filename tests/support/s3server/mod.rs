//! A small S3 server for tests: in memory, in this process, with AWS's rules for conditional writes, and with
//! switches for what bad servers and bad networks do.
//!
//! One mutex guards all objects and every operation decides under it, so the server is linearizable: of two
//! racing creates exactly one wins. The S3 protocol itself, signatures included, is the work of the `s3s` crate.
//! Buckets are not versioned.

mod api;
mod checksums;
mod conditions;
mod faults;
mod http;
mod listing;
mod objects;
mod state;
mod tls;
mod uploads;

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;

#[allow(unused_imports, reason = "not every test program misbehaves")]
pub use faults::{Fault, Faults, Request, When};
use state::State;
pub use tls::Certificate;

/// The keys that every server of ours takes unless told otherwise.
pub const ACCESS_KEY: &str = "cairnfs-test-key";
/// Goes with [`ACCESS_KEY`].
pub const SECRET_KEY: &str = "cairnfs-test-secret";

/// How a server is started.
pub struct Options {
    /// `127.0.0.1:0` finds a free port.
    pub address: SocketAddr,
    /// Buckets that exist from the beginning.
    pub buckets: Vec<String>,
    /// What clients must sign with.
    pub access_key: String,
    /// See `access_key`.
    pub secret_key: String,
    /// Speaks https with this certificate.
    pub certificate: Option<Certificate>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            buckets: vec!["test".to_owned()],
            access_key: ACCESS_KEY.to_owned(),
            secret_key: SECRET_KEY.to_owned(),
            certificate: None,
        }
    }
}

/// A running server. It ends when this is dropped.
pub struct S3Server {
    address: SocketAddr,
    is_tls: bool,
    state: Arc<Mutex<State>>,
    faults: Arc<Faults>,
    runtime: Option<tokio::runtime::Runtime>,
}

impl S3Server {
    /// Starts a server with one bucket `test`.
    pub fn start() -> Self {
        Self::start_with(Options::default())
    }

    /// Starts a server on threads of its own, so that it serves whatever runtime the test has.
    pub fn start_with(options: Options) -> Self {
        let state = Arc::new(Mutex::new(State::with_buckets(&options.buckets)));
        let faults = Arc::new(Faults::default());
        let mut service = S3ServiceBuilder::new(api::Api { state: state.clone(), faults: faults.clone() });
        service.set_auth(SimpleAuth::from_single(&options.access_key, options.secret_key.as_str()));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("s3server")
            .enable_all()
            .build()
            .expect("a runtime for the test server");
        let listener = std::net::TcpListener::bind(options.address).expect("a port for the test server");
        let address = listener.local_addr().expect("the address of the test server");
        let is_tls = options.certificate.is_some();
        let acceptor = options.certificate.map(|c| c.acceptor());
        runtime.spawn(http::serve(listener, acceptor, service.build(), faults.clone()));
        Self { address, is_tls, state, faults, runtime: Some(runtime) }
    }

    /// Returns the URL of the server.
    pub fn endpoint(&self) -> String {
        format!("{}://{}", if self.is_tls { "https" } else { "http" }, self.address)
    }

    /// Returns where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the switches and the log.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Writes an object as a client without conditions does, past all switches.
    pub fn overwrite(&self, bucket: &str, key: &str, data: impl Into<Bytes>) {
        let object =
            state::Object::new(data.into(), state::Attributes::default(), checksums::Checksums::default());
        let mut state = self.state.lock();
        state.bucket(bucket).expect("the bucket exists").insert(key.to_owned(), object);
    }

    /// Copies an object with its metadata, past all switches.
    pub fn copy_for_test(&self, bucket: &str, from: &str, to: &str) {
        let mut state = self.state.lock();
        let objects = state.bucket(bucket).expect("the bucket exists");
        let object = objects.get(from).expect("the object exists").clone();
        objects.insert(to.to_owned(), object);
    }

    /// Removes an object as a client without conditions does, past all switches.
    pub fn remove(&self, bucket: &str, key: &str) {
        self.state.lock().bucket(bucket).expect("the bucket exists").remove(key);
    }

    /// Returns the keys of a bucket and their bytes.
    pub fn objects(&self, bucket: &str) -> Vec<(String, Bytes)> {
        self.objects_below(bucket, "")
    }

    /// Returns the keys that begin with `prefix`, and their bytes.
    pub fn objects_below(&self, bucket: &str, prefix: &str) -> Vec<(String, Bytes)> {
        let mut state = self.state.lock();
        let objects = state.bucket(bucket).expect("the bucket exists");
        let found = objects.range(prefix.to_owned()..).take_while(|(key, _)| key.starts_with(prefix));
        found.map(|(key, object)| (key.clone(), object.data.clone())).collect()
    }

    /// Returns how many multipart uploads are neither completed nor aborted.
    pub fn unfinished_uploads(&self) -> usize {
        self.state.lock().uploads.len()
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
