//! The lines that go over the control socket.
//!
//! Both ends may be of different versions while a host is being upgraded: unknown fields are ignored, missing ones get
//! their defaults, and an unknown request is answered with a failure instead of a broken connection.

use serde::{Deserialize, Serialize};

/// The longest line either end reads, in bytes. The largest one is a status report, some kilobytes.
pub const MAX_LINE_BYTES: usize = 1 << 20;

/// What a client asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum Request {
    /// How is this mount doing?
    Status,
    /// Take no new writes, publish what waits, carry out deletes, unmount (semantics 10.3).
    DrainAndUnmount,
    /// Which drafts are failed or interrupted (semantics 3.14)? Answered by one [`Answer::Draft`] each.
    Drafts,
    /// Show these again and publish them. Answered by one [`Answer::Dealt`] each.
    RetryDrafts {
        /// Ids, or beginnings of them; at most [`MAX_IDS`].
        ids: Vec<String>,
    },
    /// Remove these for good. Answered by one [`Answer::Dealt`] each.
    DiscardDrafts {
        /// As in [`Request::RetryDrafts`].
        ids: Vec<String>,
    },
    /// How is the cache doing?
    CacheStat,
    /// Delete from the cache what is not open.
    ClearCache,
    /// Bring the object at this path, or all below it, onto this host's disk. Says how far it is as it goes.
    WarmCache {
        /// A path from the root of the mount; empty for all of it.
        path: String,
    },
    /// Send the content of this one. Answered by [`Answer::Content`], and the bytes behind it.
    DraftContent {
        /// An id, or a beginning of one.
        id: String,
    },
}

/// How many ids a request may name: with 35 bytes each they fit into the longest request.
pub const MAX_IDS: usize = 1000;

/// One line of an answer: any number of `Progress`, then one of the others, or any number of `Draft` or `Dealt` and
/// then `End`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    /// The answer to [`Request::Status`].
    Status(Box<StatusReport>),
    /// The answer to [`Request::DrainAndUnmount`]: the mount is gone.
    Drained(DrainReport),
    /// One of the drafts asked for.
    Draft(Box<DraftReport>),
    /// What became of one of the drafts that the request named.
    Dealt(Dealt),
    /// The answer to [`Request::CacheStat`].
    Cache(Box<CacheReport>),
    /// The answer to [`Request::ClearCache`].
    Cleared(ClearReport),
    /// The answer to [`Request::WarmCache`].
    Warmed(WarmReport),
    /// So many bytes follow, behind the end of this line.
    Content {
        /// Bytes.
        size: u64,
    },
    /// There is nothing more.
    End,
    /// The request goes on.
    Progress(Progress),
    /// The request failed.
    Failed {
        /// One line: what, where, what to do.
        message: String,
    },
}

/// How far a request has come.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Progress {
    /// Publishes and deletes still to be carried out.
    pub left: usize,
    /// What is being done, one line; may be empty.
    #[serde(default)]
    pub doing: String,
    /// Bytes done, where bytes are what counts.
    #[serde(default)]
    pub bytes_done: u64,
    /// Bytes to do, as far as is known by now.
    #[serde(default)]
    pub bytes: u64,
}

/// How a drain ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DrainReport {
    /// Drafts that stay in the state directory and are published at its next mount.
    pub drafts_left: usize,
    /// Deletes that are carried out at its next mount.
    #[serde(default)]
    pub deletes_left: usize,
}

impl DrainReport {
    /// Returns the number of things left undone.
    pub const fn left(self) -> usize {
        self.drafts_left.saturating_add(self.deletes_left)
    }
}

/// What `cairnfs status` tells. `--json` prints it as it is; times are RFC 3339 in UTC, sizes bytes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct StatusReport {
    /// The mount point, canonical.
    pub mountpoint: String,
    /// The store, `s3://bucket` or `file:///dir`.
    pub store: String,
    /// The version of the running daemon.
    pub version: String,
    /// Its process id.
    pub pid: u32,
    /// Since when it serves.
    pub mounted_at: String,
    /// Where its drafts and catalog are, on this host.
    pub state_dir: String,
    /// Why the whole mount is read-only; absent where it is not.
    pub read_only: Option<String>,
    /// Whether the store answers.
    pub store_state: StoreState,
    /// Drafts and scratch files by state.
    pub drafts: DraftCounts,
    /// Deletes not carried out yet.
    pub deletes_pending: u64,
    /// The staging directory.
    pub staging: Usage,
    /// The cache in memory.
    pub cache_memory: Usage,
    /// The cache on disk.
    pub cache_disk: Usage,
    /// What the kernel does to spare requests, and what it does not.
    pub kernel: Vec<KernelFeature>,
    /// Standing warnings, one line each (weak store, TLS not verified, …).
    pub warnings: Vec<String>,
    /// The latest refusals, failures and other events, newest first, one line each.
    pub events: Vec<String>,
}

/// One way in which the kernel spares requests.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct KernelFeature {
    /// What it is.
    pub name: String,
    /// Whether the kernel does it.
    pub on: bool,
    /// How much of it, or why not; may be empty.
    pub detail: String,
}

/// Whether the store answers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct StoreState {
    /// The last request was answered.
    pub reachable: bool,
    /// Since when that is so.
    pub since: String,
    /// What the last failed request met; absent while all is well.
    pub error: Option<String>,
}

/// How many drafts are in which state (semantics 9.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct DraftCounts {
    /// Being written.
    pub draft: u64,
    /// Closed, not due yet.
    pub waiting: u64,
    /// On their way to the store.
    pub publishing: u64,
    /// The store cannot be reached.
    pub queued: u64,
    /// The store refused for good.
    pub failed: u64,
    /// Their writer was killed.
    pub interrupted: u64,
    /// Scratch files.
    pub scratch: u64,
}

/// A draft that was not published and is kept. `cairnfs drafts list --json` prints it as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct DraftReport {
    /// Its id.
    pub id: String,
    /// `failed` or `interrupted`.
    pub state: String,
    /// The path that was asked for, as users of the mount see it.
    pub path: String,
    /// The path under which it shows; absent where it is kept out of the directory.
    pub shown_as: Option<String>,
    /// Bytes.
    pub size: u64,
    /// When its content was last written.
    pub written_at: String,
    /// Why it was not published.
    pub reason: String,
}

/// What became of one draft that a request named.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Dealt {
    /// Its id, as it was asked for.
    pub id: String,
    /// The path under which it shows now, where it was retried.
    pub path: Option<String>,
    /// Why nothing was done, one line.
    pub error: Option<String>,
}

/// What `cairnfs cache stat` tells; `--json` prints it as it is. Sizes in bytes; what is counted is counted since the mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct CacheReport {
    /// Taken of the memory budget.
    pub memory_used: u64,
    /// The memory budget.
    pub memory_budget: u64,
    /// Taken of the disk budget.
    pub disk_used: u64,
    /// Of that, what is open.
    pub disk_open: u64,
    /// The disk budget.
    pub disk_budget: u64,
    /// Whether new bytes go to disk at present: not while it is full or broken.
    pub disk_usable: bool,
    /// Versions of objects with bytes on disk.
    pub files: u64,
    /// Read from memory.
    pub memory_hit_bytes: u64,
    /// Read from disk through the daemon; what the kernel reads past it is not counted.
    pub disk_hit_bytes: u64,
    /// Fetched from the store.
    pub fetched_bytes: u64,
    /// Requests that this took.
    pub requests: u64,
    /// Requests that failed for good.
    pub failed_requests: u64,
    /// Came in, but were not kept on disk: no room, or the disk could not follow.
    pub unwritten_bytes: u64,
    /// On their way to disk.
    pub waiting_bytes: u64,
    /// Versions deleted to make room.
    pub evicted_files: u64,
    /// Pieces of 64 KiB that were not what had arrived; they are fetched again.
    pub damaged_chunks: u64,
    /// Whole versions that had not the SHA-256 that they should have.
    pub rejected_files: u64,
    /// Writes that the disk refused.
    pub disk_errors: u64,
}

/// What was deleted from the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ClearReport {
    /// Versions of objects.
    pub files: u64,
    /// Bytes on disk.
    pub bytes: u64,
    /// Bytes that stay, since they are open.
    pub open_bytes: u64,
}

/// What was brought into the cache.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct WarmReport {
    /// Objects that are on disk now.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Of these, what had to be fetched.
    pub fetched_bytes: u64,
    /// Objects that could not be brought.
    pub failed: u64,
    /// Why, one line for each of the first ones.
    pub errors: Vec<String>,
}

/// How much of a budget is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Bytes in use.
    pub used: u64,
    /// Bytes allowed; absent where only the disk is the limit.
    pub budget: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_unknown_to_this_version_is_not_read() {
        assert!(serde_json::from_str::<Request>(r#"{"op":"make_coffee"}"#).is_err());
        assert_eq!(
            serde_json::from_str::<Request>(r#"{"op":"status","later":1}"#).ok(),
            Some(Request::Status)
        );
    }

    #[test]
    fn status_report_of_an_older_daemon_gets_defaults() {
        let report: StatusReport =
            serde_json::from_str(r#"{"mountpoint":"/m","drafts":{"queued":3}}"#).unwrap();
        assert_eq!((report.mountpoint.as_str(), report.drafts.queued, report.drafts.failed), ("/m", 3, 0));
    }
}
