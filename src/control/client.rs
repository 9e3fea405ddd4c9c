//! The commands' end of the control socket. Blocking: a command has nothing else to do.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::place::{self, MountEntry};
use super::protocol::{
    Answer, CacheReport, ClearReport, Dealt, DraftReport, DrainReport, MAX_LINE_BYTES, Progress, Request,
    StatusReport, WarmReport,
};

/// How long the daemon may be silent. It says something every second while a request runs.
const SILENCE: Duration = Duration::from_secs(30);
/// How long the process may take to end after it has unmounted.
const ENDING: Duration = Duration::from_secs(10);

/// Why a running mount could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The mount is there, but nobody listens: its daemon has died, or is being started.
    #[error("'{}': the cairnfs that mounted it is gone; 'cairnfs umount {}' cleans up", .0.display(), .0.display())]
    NoDaemon(PathBuf),
    /// The socket is not for this user.
    #[error("'{}': mounted by user {uid}; run this as that user or as root", .mountpoint.display())]
    NotAllowed {
        /// The mount point.
        mountpoint: PathBuf,
        /// Who mounted it.
        uid: u32,
    },
    /// The daemon said no, in its words.
    #[error("{0}")]
    Failed(String),
    /// The connection ended or fell silent before an answer came.
    #[error("'{}': the running cairnfs stopped answering ({reason}); see its log", .mountpoint.display())]
    Lost {
        /// The mount point.
        mountpoint: PathBuf,
        /// What happened to the connection.
        reason: String,
    },
}

/// A connection to the daemon of one mount, good for one request.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<UnixStream>,
    mountpoint: PathBuf,
}

impl Client {
    /// Connects to the daemon of `mount`. `runtime_dir` is where this process would put a socket of its own.
    ///
    /// # Errors
    /// [`ClientError::NoDaemon`], [`ClientError::NotAllowed`].
    pub fn connect(mount: &MountEntry, runtime_dir: &Path) -> Result<Self, ClientError> {
        let mut denied = false;
        for path in place::socket_candidates(mount, runtime_dir) {
            match UnixStream::connect(&path) {
                Ok(stream) if is_trusted(&stream, mount.uid) => {
                    let client =
                        Self { stream: BufReader::new(stream), mountpoint: mount.mountpoint.clone() };
                    client.stream.get_ref().set_read_timeout(Some(SILENCE)).map_err(|e| client.lost(&e))?;
                    return Ok(client);
                }
                Ok(_) => tracing::warn!(path = %path.display(), "a stranger listens there; passed over"),
                Err(e) => denied |= e.kind() == io::ErrorKind::PermissionDenied,
            }
        }
        if denied {
            return Err(ClientError::NotAllowed { mountpoint: mount.mountpoint.clone(), uid: mount.uid });
        }
        Err(ClientError::NoDaemon(mount.mountpoint.clone()))
    }

    /// Asks how the mount is doing.
    ///
    /// # Errors
    /// [`ClientError::Failed`], [`ClientError::Lost`].
    pub fn status(mut self) -> Result<StatusReport, ClientError> {
        self.send(&Request::Status)?;
        loop {
            match self.receive()? {
                Answer::Status(report) => return Ok(*report),
                Answer::Progress(_) => {}
                other => return Err(self.unexpected(other)),
            }
        }
    }

    /// Drains and unmounts; `on_progress` hears at least once a second how much is left. Returns when the daemon's
    /// process has let go of its state directory, or [`ENDING`] later.
    ///
    /// # Errors
    /// [`ClientError::Failed`], [`ClientError::Lost`].
    pub fn drain_and_unmount(
        mut self,
        mut on_progress: impl FnMut(&Progress),
    ) -> Result<DrainReport, ClientError> {
        self.send(&Request::DrainAndUnmount)?;
        let report = loop {
            match self.receive()? {
                Answer::Drained(report) => break report,
                Answer::Progress(progress) => on_progress(&progress),
                other => return Err(self.unexpected(other)),
            }
        };
        // the daemon closes the connection by ending; an error or a time-out here changes nothing about the result
        if self.stream.get_ref().set_read_timeout(Some(ENDING)).is_ok() {
            drop(self.stream.read(&mut [0]));
        }
        Ok(report)
    }

    /// Returns the drafts that are failed or interrupted.
    ///
    /// # Errors
    /// [`ClientError::Failed`], [`ClientError::Lost`].
    pub fn drafts(mut self) -> Result<Vec<DraftReport>, ClientError> {
        self.send(&Request::Drafts)?;
        let mut drafts = Vec::new();
        loop {
            match self.receive()? {
                Answer::Draft(draft) => drafts.push(*draft),
                Answer::End => return Ok(drafts),
                Answer::Progress(_) => {}
                other => return Err(self.unexpected(other)),
            }
        }
    }

    /// Retries or discards drafts ([`Request::RetryDrafts`], [`Request::DiscardDrafts`]); returns what became of each.
    ///
    /// # Errors
    /// [`ClientError::Failed`], [`ClientError::Lost`].
    pub fn deal(mut self, request: &Request) -> Result<Vec<Dealt>, ClientError> {
        self.send(request)?;
        let mut all = Vec::new();
        loop {
            match self.receive()? {
                Answer::Dealt(one) => all.push(one),
                Answer::End => return Ok(all),
                Answer::Progress(_) => {}
                other => return Err(self.unexpected(other)),
            }
        }
    }

    /// Asks how the cache is doing.
    ///
    /// # Errors
    /// [`ClientError::Failed`], [`ClientError::Lost`].
    pub fn cache(mut self) -> Result<CacheReport, ClientError> {
        self.send(&Request::CacheStat)?;
        match self.receive_last(|_| {})? {
            Answer::Cache(report) => Ok(*report),
            other => Err(self.unexpected(other)),
        }
    }

    /// Deletes from the cache what is not open.
    ///
    /// # Errors
    /// [`ClientError::Failed`], [`ClientError::Lost`].
    pub fn clear_cache(mut self) -> Result<ClearReport, ClientError> {
        self.send(&Request::ClearCache)?;
        match self.receive_last(|_| {})? {
            Answer::Cleared(report) => Ok(report),
            other => Err(self.unexpected(other)),
        }
    }

    /// Brings the object at `path`, or all below it, into the cache; `on_progress` hears at least once a second how far
    /// that is.
    ///
    /// # Errors
    /// [`ClientError::Failed`], [`ClientError::Lost`].
    pub fn warm_cache(
        mut self,
        path: &str,
        on_progress: impl FnMut(&Progress),
    ) -> Result<WarmReport, ClientError> {
        self.send(&Request::WarmCache { path: path.to_owned() })?;
        match self.receive_last(on_progress)? {
            Answer::Warmed(report) => Ok(report),
            other => Err(self.unexpected(other)),
        }
    }

    /// Returns the first line that is no progress.
    fn receive_last(&mut self, mut on_progress: impl FnMut(&Progress)) -> Result<Answer, ClientError> {
        loop {
            match self.receive()? {
                Answer::Progress(progress) => on_progress(&progress),
                answer => return Ok(answer),
            }
        }
    }

    /// Asks for the content of a draft. Returns its size, and where to read exactly so many bytes from.
    ///
    /// # Errors
    /// [`ClientError::Failed`], [`ClientError::Lost`].
    pub fn draft_content(mut self, id: &str) -> Result<(u64, impl io::Read), ClientError> {
        self.send(&Request::DraftContent { id: id.to_owned() })?;
        loop {
            match self.receive()? {
                Answer::Content { size } => return Ok((size, self.stream.take(size))),
                Answer::Progress(_) => {}
                other => return Err(self.unexpected(other)),
            }
        }
    }

    fn send(&mut self, request: &Request) -> Result<(), ClientError> {
        let mut line = serde_json::to_vec(request).map_err(|e| self.lost(&e))?;
        line.push(b'\n');
        let sent = self.stream.get_mut().write_all(&line);
        sent.map_err(|e| self.lost(&e))
    }

    fn receive(&mut self) -> Result<Answer, ClientError> {
        let mut line = Vec::new();
        let limit = u64::try_from(MAX_LINE_BYTES).unwrap_or(u64::MAX);
        let read = (&mut self.stream).take(limit).read_until(b'\n', &mut line);
        match read {
            Ok(0) => Err(self.lost(&"it closed the connection")),
            Ok(_) => serde_json::from_slice(&line).map_err(|e| self.lost(&e)),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Err(self.lost(&"no word for 30 s")),
            Err(e) => Err(self.lost(&e)),
        }
    }

    fn unexpected(&self, answer: Answer) -> ClientError {
        match answer {
            Answer::Failed { message } => ClientError::Failed(message),
            _ => self.lost(&"it answered another question"),
        }
    }

    fn lost(&self, reason: &dyn std::fmt::Display) -> ClientError {
        ClientError::Lost { mountpoint: self.mountpoint.clone(), reason: reason.to_string() }
    }
}

/// Whether the process behind the socket is the mounting user's, or root's: anybody may have made a directory in /tmp.
fn is_trusted(stream: &UnixStream, uid: u32) -> bool {
    rustix::net::sockopt::socket_peercred(stream).is_ok_and(|peer| {
        let peer = peer.uid.as_raw();
        peer == uid || peer == 0
    })
}
