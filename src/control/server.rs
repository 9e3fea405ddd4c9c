//! The daemon's end of the control socket.
//!
//! # Limits
//! At most [`MAX_CONNECTIONS`] clients are served at once; a client has [`REQUEST_TIMEOUT`] to say what it wants, and
//! is sent something at least every [`HEARTBEAT`], so that a silent daemon can be told from a busy one.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::place::{self, PlaceError};
use super::protocol::{
    Answer, CacheReport, ClearReport, Dealt, DraftReport, DrainReport, MAX_IDS, Progress, Request,
    StatusReport, WarmReport,
};
use crate::types::{Clock, Timestamp};

/// How many clients are served at once. A person and a monitor need two.
pub const MAX_CONNECTIONS: usize = 16;
/// How long a client may take to send its one line.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// How often a running request is shown to be alive.
pub const HEARTBEAT: Duration = Duration::from_secs(1);
/// How old a socket that nobody listens on must be to be removed.
const ABANDONED_AFTER: Duration = Duration::from_secs(60);
/// How much content is sent at a time.
const PIECE_BYTES: usize = 64 * 1024;
/// How long a client may take to make room for a piece: it writes to a disk or a network of its own.
const PIECE_TIMEOUT: Duration = Duration::from_secs(60);
/// The longest request, in bytes.
const MAX_REQUEST_BYTES: u64 = 64 * 1024;

/// Why a request failed: one line for the user.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ControlFailure(pub String);

/// Takes the progress of a request. Reports are dropped while the client is slow to read; the next one replaces them.
#[derive(Debug, Clone)]
pub struct ProgressSink(mpsc::Sender<Progress>);

impl ProgressSink {
    /// Says how far the request has come.
    pub fn report(&self, left: usize, doing: &str) {
        drop(self.0.try_send(Progress { left, doing: doing.to_owned(), ..Progress::default() }));
    }

    /// Says how many of the bytes known so far are done.
    pub fn report_bytes(&self, bytes_done: u64, bytes: u64, doing: &str) {
        let doing = doing.to_owned();
        drop(self.0.try_send(Progress { bytes_done, bytes, doing, ..Progress::default() }));
    }
}

/// What a mount can be asked. Implemented by the daemon.
#[async_trait]
pub trait ControlHandler: Send + Sync + 'static {
    /// Returns how the mount is doing. Must not wait for the store.
    async fn status(&self) -> StatusReport;

    /// Drains and unmounts (semantics 10.3). When it returns, the mount is gone and nothing more will be published by
    /// this process; the process may end right after the answer.
    ///
    /// # Errors
    /// When the mount could not be taken away: somebody still uses it, or the system refused.
    async fn drain_and_unmount(&self, progress: ProgressSink) -> Result<DrainReport, ControlFailure>;

    /// Returns the drafts that are failed or interrupted.
    ///
    /// # Errors
    /// When they cannot be read.
    async fn drafts(&self) -> Result<Vec<DraftReport>, ControlFailure>;

    /// Shows one of them again, publishes it in the background, and returns the path under which it shows.
    ///
    /// # Errors
    /// When there is none of this id, or it cannot be shown again.
    async fn retry_draft(&self, id: &str) -> Result<String, ControlFailure>;

    /// Removes one of them for good.
    ///
    /// # Errors
    /// When there is none of this id.
    async fn discard_draft(&self, id: &str) -> Result<(), ControlFailure>;

    /// Returns how the cache is doing.
    async fn cache(&self) -> CacheReport;

    /// Deletes from the cache what is not open.
    ///
    /// # Errors
    /// When it cannot be done now.
    async fn clear_cache(&self) -> Result<ClearReport, ControlFailure>;

    /// Brings the object at `path`, or all below it, onto the disk.
    ///
    /// # Errors
    /// When there is nothing at `path`, or a directory cannot be listed. Objects that cannot be brought are in the report.
    async fn warm_cache(&self, path: &str, progress: ProgressSink) -> Result<WarmReport, ControlFailure>;

    /// Opens the content of one of them.
    ///
    /// # Errors
    /// When there is none of this id, or its content cannot be opened.
    async fn draft_content(&self, id: &str) -> Result<std::fs::File, ControlFailure>;
}

/// A listening control socket. Dropping it closes every connection and removes the socket.
#[derive(Debug)]
pub struct ControlServer {
    path: PathBuf,
    task: JoinHandle<()>,
    /// One token for each request that has not been answered.
    unanswered: TaskTracker,
}

impl ControlServer {
    /// Listens for the mount at the canonical path `mountpoint`, in `runtime_dir`. A socket that a dead daemon left
    /// is replaced. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`PlaceError`] when the directory or the socket cannot be made, or a live daemon already listens there.
    pub fn start(
        runtime_dir: &Path,
        mountpoint: &Path,
        handler: Arc<dyn ControlHandler>,
    ) -> Result<Self, PlaceError> {
        place::prepare_directory(runtime_dir)?;
        sweep(runtime_dir);
        let path = runtime_dir.join(place::socket_name(mountpoint));
        let at = path.as_path();
        let io = |what| move |source| PlaceError::Io { what, path: at.to_owned(), source };
        match std::os::unix::net::UnixStream::connect(&path) {
            Ok(_) => return Err(io("listening on")(std::io::ErrorKind::AddrInUse.into())),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            Err(_) => std::fs::remove_file(&path).map_err(io("removing old socket"))?,
        }
        let listener = UnixListener::bind(&path).map_err(io("listening on"))?;
        std::fs::set_permissions(&path, Permissions::from_mode(0o600)).map_err(io("closing to others"))?;
        let unanswered = TaskTracker::new();
        Ok(Self { task: tokio::spawn(accept(listener, handler, unanswered.clone())), path, unanswered })
    }

    /// Closes the socket once every request under way has been answered, at most [`REQUEST_TIMEOUT`] from now. To be
    /// called at the very end, so that `cairnfs umount` hears how the drain ended.
    pub async fn close(self) {
        self.unanswered.close();
        if tokio::time::timeout(REQUEST_TIMEOUT, self.unanswered.wait()).await.is_err() {
            tracing::warn!("a control request was still unanswered at the end");
        }
    }

    /// Returns where the socket is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for ControlServer {
    fn drop(&mut self) {
        self.task.abort();
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::debug!(%error, path = %self.path.display(), "the control socket was already gone");
        }
    }
}

/// Removes the sockets that daemons left which were killed, so that they do not pile up. Young ones are passed over:
/// their owners may be between making the socket and listening on it.
fn sweep(runtime_dir: &Path) {
    let now = Clock.now();
    let is_abandoned = |path: &Path| {
        let modified = std::fs::symlink_metadata(path).and_then(|meta| meta.modified());
        modified.is_ok_and(|at| now.since(Timestamp::from(at)) > ABANDONED_AFTER)
            && std::os::unix::net::UnixStream::connect(path)
                .is_err_and(|e| e.kind() == std::io::ErrorKind::ConnectionRefused)
    };
    for entry in std::fs::read_dir(runtime_dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|extension| extension == "sock") && is_abandoned(&path) {
            tracing::debug!(path = %path.display(), "the socket of a daemon that is gone is removed");
            drop(std::fs::remove_file(&path));
        }
    }
}

async fn accept(listener: UnixListener, handler: Arc<dyn ControlHandler>, unanswered: TaskTracker) {
    let free = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    // aborts its tasks, and thereby closes their connections, when this task is aborted
    let mut connections = JoinSet::new();
    loop {
        let Ok(permit) = Arc::clone(&free).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let handler = Arc::clone(&handler);
                let token = unanswered.token();
                connections.spawn(async move {
                    if let Err(error) = serve(stream, &*handler, token).await {
                        tracing::debug!(%error, "a control connection ended early");
                    }
                    drop(permit);
                });
            }
            Err(error) => {
                // out of descriptors: the ones in use will be freed
                tracing::warn!(%error, "the control socket cannot accept");
                tokio::time::sleep(HEARTBEAT).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(
    stream: UnixStream,
    handler: &dyn ControlHandler,
    unanswered: TaskTrackerToken,
) -> std::io::Result<()> {
    let peer = stream.peer_cred()?.uid();
    let (reader, mut writer) = stream.into_split();
    if peer != 0 && peer != rustix::process::geteuid().as_raw() {
        let message =
            format!("user {peer} may not control this mount; run it as the user who mounted it, or as root");
        return send(&mut writer, &Answer::Failed { message }).await;
    }
    let mut line = Vec::new();
    let mut reader = BufReader::new(reader.take(MAX_REQUEST_BYTES));
    tokio::time::timeout(REQUEST_TIMEOUT, reader.read_until(b'\n', &mut line)).await??;
    let request = match serde_json::from_slice(&line) {
        Ok(request) => request,
        Err(error) => {
            let version = env!("CARGO_PKG_VERSION");
            let message =
                format!("the running cairnfs ({version}) does not understand this request: {error}");
            return send(&mut writer, &Answer::Failed { message }).await;
        }
    };
    let (sink, mut progress) = mpsc::channel(8);
    let Reply { lines, content } = {
        let work = perform(request, handler, ProgressSink(sink));
        tokio::pin!(work);
        let mut latest = Progress::default();
        let mut heartbeat = tokio::time::interval(HEARTBEAT);
        loop {
            tokio::select! {
                reply = &mut work => break reply,
                Some(step) = progress.recv() => latest = step,
                _ = heartbeat.tick() => {
                    // a client that went away does not stop the work it asked for
                    drop(send(&mut writer, &Answer::Progress(latest.clone())).await);
                    continue;
                }
            }
            drop(send(&mut writer, &Answer::Progress(latest.clone())).await);
        }
    };
    let ending = matches!(lines.as_slice(), [Answer::Drained(_)]);
    for line in &lines {
        send(&mut writer, line).await?;
    }
    if let Some((file, size)) = content {
        send_bytes(&mut writer, file, size).await?;
    }
    drop(unanswered);
    if ending {
        // the connection stays open until the process is done with the state directory: its end tells the client
        std::future::pending::<()>().await;
    }
    Ok(())
}

/// What a request is answered with: lines, and bytes behind the last of them.
struct Reply {
    lines: Vec<Answer>,
    content: Option<(std::fs::File, u64)>,
}

impl From<Answer> for Reply {
    fn from(answer: Answer) -> Self {
        Self { lines: vec![answer], content: None }
    }
}

impl From<ControlFailure> for Reply {
    fn from(ControlFailure(message): ControlFailure) -> Self {
        Answer::Failed { message }.into()
    }
}

async fn perform(request: Request, handler: &dyn ControlHandler, progress: ProgressSink) -> Reply {
    let done = match request {
        Request::Status => Ok(Answer::Status(Box::new(handler.status().await)).into()),
        Request::DrainAndUnmount => {
            handler.drain_and_unmount(progress).await.map(|report| Answer::Drained(report).into())
        }
        Request::Drafts => handler.drafts().await.map(|drafts| {
            let lines = drafts.into_iter().map(|draft| Answer::Draft(Box::new(draft)));
            Reply { lines: lines.chain([Answer::End]).collect(), content: None }
        }),
        Request::RetryDrafts { ids } => {
            deal(&ids, &progress, |id| async move { handler.retry_draft(id).await.map(Some) }).await
        }
        Request::DiscardDrafts { ids } => {
            deal(&ids, &progress, |id| async move { handler.discard_draft(id).await.map(|()| None) }).await
        }
        Request::CacheStat => Ok(Answer::Cache(Box::new(handler.cache().await)).into()),
        Request::ClearCache => handler.clear_cache().await.map(|report| Answer::Cleared(report).into()),
        Request::WarmCache { path } => {
            handler.warm_cache(&path, progress).await.map(|report| Answer::Warmed(report).into())
        }
        Request::DraftContent { id } => handler.draft_content(&id).await.and_then(|file| {
            let size = file.metadata().map_err(|e| ControlFailure(format!("{id}: {e}")))?.len();
            Ok(Reply { lines: vec![Answer::Content { size }], content: Some((file, size)) })
        }),
    };
    done.unwrap_or_else(Reply::from)
}

/// Deals with one draft after the other.
async fn deal<'a, F>(
    ids: &'a [String],
    progress: &ProgressSink,
    act: impl Fn(&'a str) -> F,
) -> Result<Reply, ControlFailure>
where
    F: Future<Output = Result<Option<String>, ControlFailure>>,
{
    if ids.len() > MAX_IDS {
        return Err(ControlFailure(format!("at most {MAX_IDS} drafts can be named at once")));
    }
    let mut lines = Vec::with_capacity(ids.len() + 1);
    for (done, id) in ids.iter().enumerate() {
        progress.report(ids.len() - done, id);
        let (path, error) = match act(id).await {
            Ok(path) => (path, None),
            Err(ControlFailure(message)) => (None, Some(message)),
        };
        lines.push(Answer::Dealt(Dealt { id: id.clone(), path, error }));
    }
    lines.push(Answer::End);
    Ok(Reply { lines, content: None })
}

/// Sends `size` bytes of `file`; a file that has become shorter ends the connection early, which the client notices.
async fn send_bytes(
    writer: &mut (impl tokio::io::AsyncWrite + Unpin),
    file: std::fs::File,
    size: u64,
) -> std::io::Result<()> {
    let mut left = tokio::fs::File::from_std(file).take(size);
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let length = left.read(&mut piece).await?;
        let Some(bytes) = piece.get(..length).filter(|bytes| !bytes.is_empty()) else { return Ok(()) };
        tokio::time::timeout(PIECE_TIMEOUT, writer.write_all(bytes)).await??;
    }
}

async fn send(writer: &mut (impl tokio::io::AsyncWrite + Unpin), answer: &Answer) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(answer)?;
    line.push(b'\n');
    tokio::time::timeout(REQUEST_TIMEOUT, writer.write_all(&line)).await?
}
