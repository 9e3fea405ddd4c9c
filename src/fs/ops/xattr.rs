//! Extended attributes: what a file tells of itself (semantics 9.1). Read by name, never listed.

use std::time::Duration;

use crate::catalog::{Entry, Kind, ObjectDetail, Shown};
use crate::fs::attr::check_access;
use crate::fs::{Caller, Filesystem, FsError, FsResult, Want};
use crate::types::Ino;

const PREFIX: &str = "user.cairn.";

/// The names that can be read.
const NAMES: [&str; 12] = [
    "key",
    "etag",
    "sha256",
    "file_type",
    "file_size",
    "content_type",
    "domain",
    "title",
    "state",
    "supersedes",
    "url",
    "saved_as",
];

/// Those that a listing of the store does not tell.
const UNLISTED: [&str; 3] = ["sha256", "content_type", "supersedes"];

/// How long a signed URL is good for (semantics 9.1).
const URL_VALID: Duration = Duration::from_secs(3600);

impl Filesystem {
    /// Returns the value of `name`.
    ///
    /// # Errors
    /// [`FsError::NoAttribute`] for names that are unknown or have no value here; [`FsError::NotAllowed`] for the URL of a
    /// file that the caller may not read.
    pub async fn getxattr(&self, caller: Caller, ino: Ino, name: &str) -> FsResult<Vec<u8>> {
        let Some(name) = name.strip_prefix(PREFIX).filter(|n| NAMES.contains(n)) else {
            return Err(FsError::NoAttribute);
        };
        let entry = self.catalog.entry(ino)?.ok_or(FsError::Stale)?;
        if entry.kind == Kind::Dir {
            return Err(FsError::NoAttribute);
        }
        if name == "url" {
            return self.signed_url(caller, &entry).await.map(String::into_bytes);
        }
        if name == "saved_as" {
            let path = self.path_of(entry.parent, &entry.name);
            let key = self.saved_as.key(caller.uid, &path);
            return key.map(|k| k.to_string().into_bytes()).ok_or(FsError::NoAttribute);
        }
        let mut detail = self.catalog.object_detail(entry.row)?.unwrap_or_default();
        let only_listed =
            entry.kind == Kind::Object && entry.shown == Shown::Listed && detail.content_type.is_none();
        if only_listed && UNLISTED.contains(&name) {
            let (dir, path) = self.dir(entry.parent)?;
            self.ask_for_object(&entry, &dir, &path).await?;
            detail = self.catalog.object_detail(entry.row)?.unwrap_or_default();
        }
        self.attribute(&entry, detail, name)?.map(String::into_bytes).ok_or(FsError::NoAttribute)
    }

    /// Returns a URL that gives the object's bytes to whoever has it. Who may not read the file gets none: the kernel asks
    /// for no right to read an attribute.
    async fn signed_url(&self, caller: Caller, entry: &Entry) -> FsResult<String> {
        if entry.kind != Kind::Object || entry.shown != Shown::Listed {
            return Err(FsError::NoAttribute);
        }
        check_access(caller, &self.attr_of(entry)?, Want::READ)?;
        self.store.signed_url(&self.key_of(entry)?, URL_VALID).await?.ok_or(FsError::NoAttribute)
    }

    fn attribute(&self, entry: &Entry, d: ObjectDetail, name: &str) -> FsResult<Option<String>> {
        Ok(match name {
            "key" => Some(self.key_of(entry)?.to_string()),
            "etag" => entry.etag.as_ref().map(ToString::to_string),
            "sha256" => d.sha256.map(|h| h.to_string()),
            "file_type" => Some(crate::layout::file_type(&entry.name)),
            "file_size" => Some(self.attr_of(entry)?.size.to_string()),
            "content_type" => d.content_type,
            "domain" => Some(d.domain).filter(|d| !d.is_empty()),
            "title" => d.title,
            "supersedes" => d.supersedes.map(|k| k.to_string()),
            "state" => Some(self.state_word(entry)?.to_owned()),
            _ => None,
        })
    }

    /// The state in the words of semantics 9.2.
    fn state_word(&self, entry: &Entry) -> FsResult<&'static str> {
        if entry.kind == Kind::Object {
            return Ok("object");
        }
        let Some(draft) = self.local(entry.ino)? else { return Ok("object") };
        let k = draft.state.lock();
        Ok(match () {
            // A cover that nobody has changed is not there: it goes with its RELEASE, which comes some time after the close.
            () if k.scratch && k.beside.is_some() && !k.changed => "object",
            () if k.scratch => "scratch",
            () if k.set_aside => "failed",
            () if k.publishing && !k.queued => "publishing",
            () if k.queued => "queued",
            () if k.saved => "waiting",
            () => "draft",
        })
    }

    /// Accepts attributes of ours without effect, but keeps a title.
    ///
    /// # Errors
    /// [`FsError::NotSupported`] for every other name.
    pub fn setxattr(&self, ino: Ino, name: &str, value: &[u8]) -> FsResult<()> {
        let Some(name) = name.strip_prefix(PREFIX).filter(|n| NAMES.contains(n)) else {
            return Err(FsError::NotSupported);
        };
        if name == "title"
            && let Some(entry) = self.catalog.entry(ino)?
        {
            let title = std::str::from_utf8(value).map_err(|_| FsError::BadEncoding)?;
            self.catalog.set_title(entry.row, title)?;
        }
        Ok(())
    }
}
