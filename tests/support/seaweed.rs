//! A real S3 server for tests: SeaweedFS, installed by `tests/setup/seaweed.sh`.

use std::io::{BufRead, BufReader, Read, Seek};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use cairnfs::store::S3Settings;

use super::s3server::{ACCESS_KEY, Certificate, SECRET_KEY};
use super::stores::settings;

/// S3 itself and the seven ports after it (see `tests/servers/start-seaweed.sh`).
const PORTS: u16 = 8;

/// A running SeaweedFS with a bucket `test`. The script that keeps it ends it, and clears up, when this is dropped or
/// the test program dies: either closes the pipe that the script reads.
pub struct Seaweed {
    endpoint: String,
    keeper: Child,
}

/// Returns the server that the tests of this program share; started by whoever asks first.
pub fn seaweed() -> &'static Seaweed {
    static SHARED: OnceLock<Seaweed> = OnceLock::new();
    SHARED.get_or_init(|| Seaweed::start(None))
}

impl Seaweed {
    /// Starts a server of its own, over https where there is a certificate.
    ///
    /// # Panics
    /// With a line that says what to do, where it is not installed or does not start.
    pub fn start(certificate: Option<&Certificate>) -> Self {
        let project = Path::new(env!("CARGO_MANIFEST_DIR"));
        let home =
            std::env::var_os("CAIRNFS_TEST_ENV").map_or_else(|| project.join(".test-env"), PathBuf::from);
        let program = home.join("seaweed/bin/weed");
        assert!(program.exists(), "{} is missing: run tests/setup/seaweed.sh", program.display());
        // somebody else may take a port between our look and the server's bind
        for _ in 0..5 {
            // the script removes it
            let dir = tempfile::Builder::new().prefix("cairnfs-seaweed-").tempdir().unwrap().keep();
            let mut command = Command::new(project.join("tests/servers/start-seaweed.sh"));
            command.arg(&dir).arg(free_ports().to_string()).args(["--bucket", "test", "--until-eof"]);
            if let Some(certificate) = certificate {
                std::fs::write(dir.join("cert.pem"), &certificate.certificate).unwrap();
                std::fs::write(dir.join("key.pem"), &certificate.key).unwrap();
                command.arg("--tls").arg(dir.join("cert.pem")).arg(dir.join("key.pem"));
            }
            command.env("S3_ACCESS_KEY", ACCESS_KEY).env("S3_SECRET_KEY", SECRET_KEY);
            // not the test's own stderr, which the script would hold a moment longer than the test runs
            let mut errors = tempfile::tempfile().unwrap();
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(errors.try_clone().unwrap());
            let mut keeper = command.spawn().unwrap();
            let mut line = String::new();
            BufReader::new(keeper.stdout.take().unwrap()).read_line(&mut line).unwrap();
            if let Some(endpoint) = line.split_whitespace().find_map(|word| word.strip_prefix("ENDPOINT=")) {
                return Self { endpoint: endpoint.to_owned(), keeper };
            }
            let _ = keeper.wait();
            let mut text = String::new();
            errors.rewind().unwrap();
            errors.read_to_string(&mut text).unwrap();
            eprintln!("{text}");
        }
        panic!("SeaweedFS does not start; try tests/servers/start-seaweed.sh by hand");
    }

    /// Returns settings for the bucket `test`.
    pub fn settings(&self) -> S3Settings {
        settings(&self.endpoint, "test", ACCESS_KEY, SECRET_KEY)
    }

    /// Returns the URL of the server.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }
}

impl Drop for Seaweed {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

/// Finds a port with free ones after it, below those that the kernel hands out by itself.
fn free_ports() -> u16 {
    for _ in 0..1000 {
        let first: u16 = rand::random_range(15_000..32_000);
        let held: Vec<_> = (first..first + PORTS)
            .map_while(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok())
            .collect();
        if held.len() == usize::from(PORTS) {
            return first;
        }
    }
    panic!("no {PORTS} free ports in a row");
}
