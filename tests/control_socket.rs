//! The control socket end to end: a server with a handler of the test's own, and the client that the commands use.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop with what it saw")]

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use cairnfs::control::client::{Client, ClientError};
use cairnfs::control::place::{MountEntry, socket_name};
use cairnfs::control::protocol::{CacheReport, ClearReport, Dealt, Request, WarmReport};
use cairnfs::control::{
    ControlFailure, ControlHandler, ControlServer, DraftReport, DrainReport, ProgressSink, StatusReport,
};
use tokio::sync::Notify;

/// A mount that exists for the control socket only.
struct FakeMount {
    drain: Result<DrainReport, ControlFailure>,
    /// Told when a drain has begun.
    begun: Arc<Notify>,
    /// Awaited before a drain ends.
    go_on: Arc<Notify>,
}

#[async_trait]
impl ControlHandler for FakeMount {
    async fn status(&self) -> StatusReport {
        StatusReport { mountpoint: "/mnt/x".into(), pid: 7, ..StatusReport::default() }
    }

    async fn drain_and_unmount(&self, progress: ProgressSink) -> Result<DrainReport, ControlFailure> {
        self.begun.notify_one();
        progress.report(2, "publishing a.pdf");
        self.go_on.notified().await;
        self.drain.clone()
    }

    /// More than fit into one line.
    async fn drafts(&self) -> Result<Vec<DraftReport>, ControlFailure> {
        let report = |n: u32| DraftReport { id: n.to_string(), path: "p".repeat(1000), ..Default::default() };
        Ok((0..2000).map(report).collect())
    }

    async fn retry_draft(&self, id: &str) -> Result<String, ControlFailure> {
        if id == "none" { Err(ControlFailure("none: unknown".into())) } else { Ok(format!("documents/{id}")) }
    }

    async fn discard_draft(&self, _: &str) -> Result<(), ControlFailure> {
        Ok(())
    }

    async fn cache(&self) -> CacheReport {
        CacheReport { files: 3, ..CacheReport::default() }
    }

    async fn clear_cache(&self) -> Result<ClearReport, ControlFailure> {
        Ok(ClearReport { files: 2, bytes: 100, open_bytes: 10 })
    }

    async fn warm_cache(&self, path: &str, progress: ProgressSink) -> Result<WarmReport, ControlFailure> {
        progress.report_bytes(5, 10, path);
        Ok(WarmReport { files: 1, bytes: 10, fetched_bytes: 10, ..WarmReport::default() })
    }

    async fn draft_content(&self, id: &str) -> Result<std::fs::File, ControlFailure> {
        std::fs::File::open(id).map_err(|e| ControlFailure(e.to_string()))
    }
}

struct Fixture {
    server: ControlServer,
    runtime_dir: tempfile::TempDir,
    mount: MountEntry,
    begun: Arc<Notify>,
    go_on: Arc<Notify>,
}

fn start(drain: Result<DrainReport, ControlFailure>) -> Fixture {
    let runtime_dir = tempfile::tempdir().unwrap();
    let mountpoint = PathBuf::from("/mnt/x");
    let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let handler = FakeMount { drain, begun: Arc::clone(&begun), go_on: Arc::clone(&go_on) };
    let server = ControlServer::start(runtime_dir.path(), &mountpoint, Arc::new(handler)).unwrap();
    let uid = rustix::process::geteuid().as_raw();
    let mount = MountEntry { mountpoint, source: "s3://b".into(), uid };
    Fixture { server, runtime_dir, mount, begun, go_on }
}

fn connect(fixture: &Fixture) -> Result<Client, ClientError> {
    Client::connect(&fixture.mount, fixture.runtime_dir.path())
}

#[tokio::test(flavor = "multi_thread")]
async fn status_request_is_answered_by_the_handler() {
    let fixture = start(Ok(DrainReport::default()));
    let client = connect(&fixture).unwrap();
    let report = tokio::task::spawn_blocking(|| client.status()).await.unwrap().unwrap();
    assert_eq!((report.mountpoint.as_str(), report.pid), ("/mnt/x", 7));
}

#[tokio::test(flavor = "multi_thread")]
async fn drain_request_reports_progress_then_what_is_left_and_ends_with_the_server() {
    let fixture = start(Ok(DrainReport { drafts_left: 3, deletes_left: 1 }));
    let client = connect(&fixture).unwrap();
    let go_on = Arc::clone(&fixture.go_on);
    let waiting = tokio::task::spawn_blocking(move || {
        // the drain can only end once its progress was heard
        client.drain_and_unmount(|p| {
            if (p.left, p.doing.as_str()) == (2, "publishing a.pdf") {
                go_on.notify_one();
            }
        })
    });
    fixture.begun.notified().await;
    // what the daemon does at its end: waits for the answer to be out, then closes
    fixture.server.close().await;
    assert_eq!(waiting.await.unwrap().unwrap().left(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn drain_refused_by_the_daemon_fails_with_its_words() {
    let fixture = start(Err(ControlFailure("/mnt/x: in use by process 42".into())));
    let client = connect(&fixture).unwrap();
    fixture.go_on.notify_one();
    let error = tokio::task::spawn_blocking(|| client.drain_and_unmount(|_| ())).await.unwrap().unwrap_err();
    assert_eq!(error.to_string(), "/mnt/x: in use by process 42");
}

#[tokio::test(flavor = "multi_thread")]
async fn drafts_are_listed_whole_however_many_they_are() {
    let fixture = start(Ok(DrainReport::default()));
    let client = connect(&fixture).unwrap();
    let drafts = tokio::task::spawn_blocking(|| client.drafts()).await.unwrap().unwrap();
    assert_eq!(drafts.len(), 2000);
    assert_eq!(drafts.last().map(|d| (d.id.as_str(), d.path.len())), Some(("1999", 1000)));
}

#[tokio::test(flavor = "multi_thread")]
async fn retry_tells_of_each_draft_what_became_of_it() {
    let fixture = start(Ok(DrainReport::default()));
    let client = connect(&fixture).unwrap();
    let request = Request::RetryDrafts { ids: vec!["a".into(), "none".into(), "b".into()] };
    let dealt = tokio::task::spawn_blocking(move || client.deal(&request)).await.unwrap().unwrap();
    let one = |id: &str, path: Option<&str>, error: Option<&str>| Dealt {
        id: id.into(),
        path: path.map(str::to_owned),
        error: error.map(str::to_owned),
    };
    assert_eq!(
        dealt,
        [
            one("a", Some("documents/a"), None),
            one("none", None, Some("none: unknown")),
            one("b", Some("documents/b"), None)
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn content_of_a_draft_comes_byte_for_byte() {
    let fixture = start(Ok(DrainReport::default()));
    let content: Vec<u8> = (0..1_000_003_u32).flat_map(|n| n.to_le_bytes()).collect();
    let path = fixture.runtime_dir.path().join("content");
    std::fs::write(&path, &content).unwrap();
    let client = connect(&fixture).unwrap();
    let got = tokio::task::spawn_blocking(move || {
        let (size, mut reader) = client.draft_content(path.to_str().unwrap()).unwrap();
        let mut got = Vec::new();
        std::io::Read::read_to_end(&mut reader, &mut got).unwrap();
        (size, got)
    });
    let (size, got) = got.await.unwrap();
    assert!(size == content.len() as u64 && got == content);
    let error = connect(&fixture).unwrap();
    let error = tokio::task::spawn_blocking(move || error.draft_content("/nowhere").map(drop)).await.unwrap();
    assert!(matches!(error, Err(ClientError::Failed(_))), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn warm_tells_how_many_bytes_are_done_and_what_came_of_it() {
    let fixture = start(Ok(DrainReport::default()));
    let client = connect(&fixture).unwrap();
    let warmed = tokio::task::spawn_blocking(move || {
        let mut seen = Vec::new();
        let report = client.warm_cache("documents", |p| seen.push((p.bytes_done, p.bytes, p.doing.clone())));
        (report.unwrap(), seen)
    });
    let (report, seen) = warmed.await.unwrap();
    assert_eq!((report.files, report.fetched_bytes), (1, 10));
    // a request that ends at once may tell nothing of its way
    assert!(
        seen.iter().all(|s| *s == (5, 10, "documents".to_owned()) || *s == (0, 0, String::new())),
        "{seen:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn request_of_a_later_version_is_refused_by_name_not_by_silence() {
    let fixture = start(Ok(DrainReport::default()));
    let path = fixture.server.path().to_owned();
    let answer = tokio::task::spawn_blocking(move || {
        use std::io::{BufRead as _, Write as _};
        let mut stream = UnixStream::connect(path).unwrap();
        stream.write_all(b"{\"op\":\"make_coffee\"}\n").unwrap();
        let mut line = String::new();
        std::io::BufReader::new(stream).read_line(&mut line).unwrap();
        line
    });
    let answer = answer.await.unwrap();
    assert!(answer.contains("\"failed\"") && answer.contains("make_coffee"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn socket_is_closed_to_others_and_gone_after_the_server() {
    let fixture = start(Ok(DrainReport::default()));
    let path = fixture.server.path().to_owned();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    drop(fixture.server);
    assert!(!path.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn second_server_for_a_served_mount_is_refused_and_a_dead_socket_replaced() {
    let fixture = start(Ok(DrainReport::default()));
    let again = |dir: &Path| {
        let drain = Ok(DrainReport::default());
        let handler = FakeMount { drain, begun: Arc::default(), go_on: Arc::default() };
        ControlServer::start(dir, Path::new("/mnt/x"), Arc::new(handler))
    };
    let error = again(fixture.runtime_dir.path()).unwrap_err().to_string();
    assert!(error.contains("listening on"), "{error}");

    let other = tempfile::tempdir().unwrap();
    // bound and dropped without unlinking: what a killed daemon leaves
    drop(
        std::os::unix::net::UnixListener::bind(other.path().join(socket_name(Path::new("/mnt/x")))).unwrap(),
    );
    let server = again(other.path()).unwrap();
    assert!(UnixStream::connect(server.path()).is_ok());
}

#[test]
fn mount_without_a_daemon_is_told_from_one_that_is_not_ours() {
    let runtime_dir = tempfile::tempdir().unwrap();
    let uid = rustix::process::geteuid().as_raw();
    let mount = MountEntry { mountpoint: "/mnt/dead".into(), source: "s3://b".into(), uid };
    let error = Client::connect(&mount, runtime_dir.path()).unwrap_err();
    assert!(matches!(error, ClientError::NoDaemon(_)), "{error}");
    assert!(error.to_string().contains("cairnfs umount /mnt/dead"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn old_sockets_of_killed_daemons_are_removed_and_young_or_served_ones_are_not() {
    let served = start(Ok(DrainReport::default()));
    let dir = served.runtime_dir.path();
    let age = |path: &Path| {
        let (past, path) = (std::time::UNIX_EPOCH, path.to_owned());
        let times = rustix::fs::Timestamps {
            last_access: rustix::fs::Timespec { tv_sec: 0, tv_nsec: 0 },
            last_modification: rustix::fs::Timespec { tv_sec: 0, tv_nsec: 0 },
        };
        rustix::fs::utimensat(rustix::fs::CWD, &path, &times, rustix::fs::AtFlags::empty()).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().modified().unwrap(), past);
    };
    let abandoned = |name: &str| {
        let path = dir.join(name);
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        path
    };
    let (old, young) = (abandoned("old.sock"), abandoned("young.sock"));
    age(&old);
    age(served.server.path());
    let drain = Ok(DrainReport::default());
    let handler = FakeMount { drain, begun: Arc::default(), go_on: Arc::default() };
    let other = ControlServer::start(dir, Path::new("/mnt/other"), Arc::new(handler)).unwrap();
    assert!(!old.exists() && young.exists() && served.server.path().exists() && other.path().exists());
}
