//! Runs the program in an environment of the test's own.

use std::ffi::OsStr;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::support::s3server::{ACCESS_KEY, S3Server, SECRET_KEY};

/// A directory with a `file://` store in it, and a home for everything else.
pub struct Desk {
    home: tempfile::TempDir,
    environment: Vec<(String, String)>,
}

/// What a run of the program came to.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

impl Desk {
    /// A desk whose environment names no store.
    pub fn without_store() -> Self {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join("bucket")).unwrap();
        Self { home, environment: Vec::new() }
    }

    /// A desk whose environment names the bucket `test` on `server`, as the storage pattern does.
    pub fn on_server(server: &S3Server) -> Self {
        let mut desk = Self::without_store();
        desk.set("S3_BUCKET_NAME", "test");
        desk.set("S3_ENDPOINT_URL", &server.endpoint());
        desk.set("S3_ACCESS_KEY", ACCESS_KEY);
        desk.set("S3_SECRET_KEY", SECRET_KEY);
        desk.set("S3_REGION_NAME", "us-east-1");
        desk
    }

    /// Sets a variable for every run.
    pub fn set(&mut self, name: &str, value: &str) {
        self.environment.retain(|(n, _)| n != name);
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// Returns the directory of the `file://` store.
    pub fn bucket(&self) -> PathBuf {
        self.home.path().join("bucket")
    }

    /// Returns the store as an argument.
    pub fn store(&self) -> String {
        format!("file://{}", self.bucket().display())
    }

    /// Returns a path on the desk.
    pub fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Lays a file on the desk and returns its path.
    pub fn lay(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path.display().to_string()
    }

    /// Prepares a run of the program. Nothing of the surrounding environment reaches it but `PATH`.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cairnfs"));
        command
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.home.path())
            .env("XDG_RUNTIME_DIR", self.home.path())
            // the AWS chain must find nothing, and must not ask a machine of the cloud
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .envs(self.environment.iter().map(|(n, v)| (n.as_str(), v.as_str())))
            .current_dir(self.home.path())
            .stdin(Stdio::null());
        command
    }

    /// Runs the program to its end.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.command(arguments).output().unwrap())
    }

    /// As [`Self::run`], with `--store` set to the desk's own.
    pub fn run_here(&self, arguments: &[&str]) -> Ran {
        let store = self.store();
        self.run(&[arguments, &["--store", &store]].concat())
    }
}

impl Ran {
    /// Takes what a finished process left.
    pub fn of(output: Output) -> Self {
        let stderr = String::from_utf8(output.stderr).unwrap();
        // a signal is told as shells do
        let code = output.status.code().or(output.status.signal().map(|signal| 128 + signal)).unwrap();
        Self { code, stdout: output.stdout, stderr }
    }

    /// Returns standard output as text, after a success that said nothing on standard error.
    #[track_caller]
    pub fn ok(&self) -> &str {
        assert!(self.code == 0 && self.stderr.is_empty(), "{self:?}");
        self.text()
    }

    /// Returns the one line of an error with this exit code, without `cairnfs: `; nothing may be on standard output.
    #[track_caller]
    pub fn error(&self, code: i32) -> &str {
        assert!(self.code == code && self.stdout.is_empty(), "{self:?}");
        assert_eq!(self.stderr.lines().count(), 1, "{}", self.stderr);
        self.stderr.trim_end().strip_prefix("cairnfs: ").expect("errors begin with the program's name")
    }

    /// Returns standard output as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).unwrap()
    }
}

/// Returns the names of all files below `dir` that are not cairnfs's own, relative, sorted.
pub fn files_below(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut left = vec![dir.to_owned()];
    while let Some(next) = left.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                if entry.file_name() != OsStr::new(".cairnfs") {
                    left.push(entry.path());
                }
            } else {
                found.push(entry.path().strip_prefix(dir).unwrap().display().to_string());
            }
        }
    }
    found.sort();
    found
}
