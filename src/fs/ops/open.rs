//! Opening what exists: objects for reading, drafts, and the redirect that makes writing an object a draft beside it.

use std::fs::File;
use std::sync::Arc;

use super::close::close_facts;
use crate::cache::Version;
use crate::catalog::{Entry, Kind, Shown};
use crate::drafts::draft::Draft;
use crate::drafts::known::Origin;
use crate::drafts::state::{CloseAction, on_release};
use crate::fs::attr::check_access;
use crate::fs::handle::Handle;
use crate::fs::locals::NewLocal;
use crate::fs::redirect::Second;
use crate::fs::{Caller, Filesystem, FsError, FsResult, Want, join, process_of};
use crate::layout::FilePlacement;
use crate::read::OpenObject;
use crate::types::{Clock, ETag, FileName, Ino, ObjectKey};

/// An open file.
#[derive(Debug)]
pub struct Opened {
    /// The handle.
    pub fh: u64,
    /// What it reads from.
    pub content: Content,
}

/// Where the content of an open file is. That of an object never changes under its inode.
#[derive(Debug)]
pub enum Content {
    /// In a staging file; it changes.
    Draft,
    /// Of an object, not all of it on this host.
    Partial,
    /// Of an object, all of it on this host, not verified yet.
    Complete,
    /// Of an object, all of it in this host file, which may be read from directly. Nobody may write to it.
    Verified(File),
}

impl Content {
    fn of(object: &OpenObject) -> Self {
        match object.complete_cache_file() {
            Some(file) => Self::Verified(file),
            None if object.is_complete() => Self::Complete,
            None => Self::Partial,
        }
    }
}

/// What the flags of an open ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::fs) struct Mode {
    pub read: bool,
    pub write: bool,
    pub truncate: bool,
}

impl Mode {
    pub(in crate::fs) const fn from_flags(flags: i32) -> Self {
        let access = flags & libc::O_ACCMODE;
        let truncate = flags & libc::O_TRUNC != 0;
        Self { read: access != libc::O_WRONLY, write: access != libc::O_RDONLY || truncate, truncate }
    }

    const fn want(self) -> Want {
        Want(if self.read { Want::READ.0 } else { 0 } | if self.write { Want::WRITE.0 } else { 0 })
    }
}

/// A handle of which the kernel does not know yet, and never will where its call is given up at the deadline: it is closed
/// then, or it would count as open until the next start.
pub(in crate::fs) struct Unanswered {
    fs: Option<Arc<Filesystem>>,
    fh: u64,
}

impl Unanswered {
    /// Ends the call with `result`; the handle stays open where that is no error.
    pub(in crate::fs) async fn answer<T>(mut self, result: FsResult<T>) -> FsResult<T> {
        if let Some(fs) = self.fs.take()
            && result.is_err()
        {
            fs.release(self.fh).await;
        }
        result
    }
}

impl Drop for Unanswered {
    fn drop(&mut self) {
        if let (Some(fs), Ok(runtime)) = (self.fs.take(), tokio::runtime::Handle::try_current()) {
            let fh = self.fh;
            runtime.spawn(async move { fs.release(fh).await });
        }
    }
}

impl Filesystem {
    /// Opens `ino` with the flags of `open(2)`.
    ///
    /// # Errors
    /// [`FsError::Stale`] sends the kernel to walk the path again; [`FsError::InUse`] for a writer of an object that has
    /// no path to walk.
    pub async fn open(&self, caller: Caller, ino: Ino, flags: i32) -> FsResult<Opened> {
        let mode = Mode::from_flags(flags);
        let mut entry = self.catalog.entry(ino)?;
        if mode.write {
            let asked = self.redirects.asked(caller.tid, ino);
            if let Some(draft) = self.local(ino)? {
                self.end_of_publish(&draft).await?;
                entry = self.catalog.entry(ino)?;
            }
            if let Some((parent, name)) = asked
                && !entry.as_ref().is_some_and(|e| e.parent == parent && e.name == name)
            {
                return self.redirect_by_name(caller, parent, &name, mode).await;
            }
        }
        let entry = entry.ok_or(FsError::Stale)?;
        if entry.kind == Kind::Dir {
            return Err(FsError::IsDirectory);
        }
        check_access(caller, &self.attr_of(&entry)?, mode.want())?;
        if mode.write {
            self.writable()?;
        }
        match self.local_of(&entry)? {
            Some(draft) => self.open_draft(caller, &entry, draft, mode).await,
            None if mode.write => self.redirect_to_draft(caller, &entry, mode).await,
            None => self.open_object(&entry).await,
        }
    }

    async fn open_object(&self, entry: &Entry) -> FsResult<Opened> {
        let (dir, path) = self.dir(entry.parent)?;
        if entry.shown == Shown::Listed {
            self.confirm_version(entry, &dir, &path).await?;
            self.walk_on(entry);
        } else if !self.opens.is_open(entry.row) {
            return Err(FsError::Stale); // unlinked or replaced: the path leads elsewhere now
        }
        let object = self.open_version(entry, Self::version_in(&path, entry)?)?;
        object.settle().await;
        object.fetch_if_small();
        let content = Content::of(&object);
        let handle = Handle::Object { object, dir: entry.parent, _open: self.opens.open(entry.row) };
        // Counted first, looked at again second: a swap (fs/swap.rs) does it the other way round, so one sees the other.
        if self.catalog.entry(entry.ino)?.is_none_or(|now| now.row != entry.row) {
            return Err(FsError::Stale);
        }
        Ok(Opened { fh: self.handles.add(handle), content })
    }

    /// Returns the version of the object `entry` in the directory `dir`.
    pub(in crate::fs) fn version_in(dir: &str, entry: &Entry) -> FsResult<Version> {
        let key = ObjectKey::new(join(dir, &entry.name)).map_err(|_| FsError::NameTooLong)?;
        let etag = entry.etag.clone().ok_or(FsError::Stale)?;
        Ok(Version { key, etag, size: entry.size })
    }

    /// Opens `version`, which is that of the object `entry`, for one reader, with what is known of its digest.
    pub(in crate::fs) fn open_version(&self, entry: &Entry, version: Version) -> FsResult<Arc<OpenObject>> {
        let sha256 = self.catalog.object_detail(entry.row)?.and_then(|d| d.sha256);
        Ok(self.reader.open(version, sha256))
    }

    async fn open_draft(
        &self,
        caller: Caller,
        entry: &Entry,
        draft: Arc<Draft>,
        mode: Mode,
    ) -> FsResult<Opened> {
        if self.swapped_for_another(&draft, caller) {
            if mode.write {
                self.redirects.arrived(caller.tid, draft.ino);
                return Err(FsError::InUse);
            }
            // A reader walks the path again: who meant the object finds it, and who meant the draft comes back.
            if !self.redirects.followed(caller.tid, draft.ino) {
                self.redirects.add(caller.tid, entry.parent, &entry.name, draft.ino);
                return Err(FsError::Stale);
            }
        }
        if mode.write && draft.state.lock().published {
            return self.redirect_to_draft(caller, entry, mode).await;
        }
        if mode.truncate && self.belongs_to_another(&draft, caller) {
            match self.redirects.take_unfollowed(caller.tid, entry.parent, &entry.name) {
                Second::None => return self.redirect_beside_draft(caller, entry),
                // It has no path to walk: it opens a descriptor anew (`/dev/stderr`), its own or another's.
                Second::NotFollowed(own) => {
                    self.drop_unused(own);
                    if !self.writes_itself(&draft, caller).await {
                        return Err(FsError::InUse);
                    }
                }
            }
        }
        let opened = {
            let _names = self.namespace.lock(); // a draft of which nothing came is forgotten under it
            let forgotten = {
                let known = draft.state.lock();
                known.unlinked && known.handles == 0
            };
            if forgotten {
                return Err(FsError::Stale); // what was written to it would be lost; the path leads elsewhere now
            }
            self.attach(&draft, caller, mode, false)?
        };
        // Only now: until there is a handle, the redirect is what keeps the draft.
        self.redirects.arrived(caller.tid, draft.ino);
        if !mode.truncate {
            return Ok(opened);
        }
        let unanswered = self.unanswered(&opened);
        let truncated = self.truncate_at_open(&draft, caller).await;
        unanswered.answer(truncated).await.map(|()| opened)
    }

    /// Closes `opened` again where its call is given up before it is answered.
    pub(in crate::fs) fn unanswered(&self, opened: &Opened) -> Unanswered {
        Unanswered { fs: self.me.upgrade(), fh: opened.fh }
    }

    /// Adds a handle on a draft, which was just `made` with it or not.
    pub(in crate::fs) fn attach(
        &self,
        draft: &Arc<Draft>,
        caller: Caller,
        mode: Mode,
        made: bool,
    ) -> FsResult<Opened> {
        let opener = process_of(caller);
        let hand = draft.add_handle(|known| {
            if mode.write {
                known.writers.push(opener);
                self.queue.lock().remove(known.row); // its last close puts it there again
            }
            made || (mode.truncate && known.size > 0)
        });
        let hand = hand.map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound => FsError::Stale, // it became an object a moment ago
            _ => e.into(),
        })?;
        Self::note_use(draft);
        let handle =
            Handle::Draft { draft: Arc::clone(draft), writable: mode.write, opener, hand: hand.into() };
        Ok(Opened { fh: self.handles.add(handle), content: Content::Draft })
    }

    /// Returns whether O_TRUNC would cost another process its content: it is writing, about to, or has saved (3.4).
    fn belongs_to_another(&self, draft: &Draft, caller: Caller) -> bool {
        let me = process_of(caller);
        if self.waits_for(draft, caller) {
            return false;
        }
        // Who is sent to a draft is not sent a second time.
        let expected = self.redirects.leads_another_to(caller.tid, draft.ino);
        let known = draft.state.lock();
        if known.scratch {
            return false;
        }
        expected && known.maker != me
            || known.writers.iter().any(|w| *w != me)
            || (known.saved && known.size > 0 && known.maker != me)
    }

    /// Makes (or finds) the caller's draft beside an object, and sends its thread there.
    async fn redirect_to_draft(&self, caller: Caller, entry: &Entry, mode: Mode) -> FsResult<Opened> {
        if let Second::NotFollowed(draft) =
            self.redirects.take_unfollowed(caller.tid, entry.parent, &entry.name)
        {
            return self.swap_node(caller, entry, draft, mode).await;
        }
        if entry.shown != Shown::Listed {
            return Err(FsError::Stale);
        }
        let (_, dir) = self.dir(entry.parent)?;
        let path = join(&dir, &entry.name);
        match self.layout.place_file(&path) {
            FilePlacement::Document { .. } => {}
            FilePlacement::Scratch { .. } => return self.redirect_to_cover(caller, entry, &dir, mode),
            FilePlacement::Refused(refusal) => return Err(self.refused(&path, &refusal)),
        }
        let current = self.current_version(entry).await?;
        let _names = self.namespace.lock();
        let draft = self.beside_object(caller, &current, &dir, mode.truncate)?;
        self.redirects.add(caller.tid, entry.parent, &entry.name, draft.ino);
        Err(FsError::Stale)
    }

    /// Returns the version of `entry` that the store has now: a writer begins with that one (semantics 8.2).
    async fn current_version(&self, entry: &Entry) -> FsResult<Entry> {
        let (dir, path) = self.dir(entry.parent)?;
        match self.confirm_version(entry, &dir, &path).await {
            Ok(()) => Ok(entry.clone()),
            Err(FsError::Stale) => {
                let now = self.catalog.child(entry.parent, &entry.name)?;
                now.filter(|e| e.kind == Kind::Object && e.shown == Shown::Listed).ok_or(FsError::Stale)
            }
            Err(e) => Err(e),
        }
    }

    /// Covers an object whose name is scratch with a local file, and sends the caller's thread there (semantics 6.4).
    fn redirect_to_cover(&self, caller: Caller, entry: &Entry, dir: &str, mode: Mode) -> FsResult<Opened> {
        let _names = self.namespace.lock();
        if self.catalog.child(entry.parent, &entry.name)?.is_some_and(|now| now.row == entry.row) {
            let cover = self.cover_object(caller, entry, dir, mode.truncate)?;
            self.redirects.add(caller.tid, entry.parent, &entry.name, cover.ino);
        }
        Err(FsError::Stale)
    }

    /// Makes a scratch file that takes the name of the object `entry`, with its content or empty. Called with `namespace`
    /// locked.
    pub(in crate::fs) fn cover_object(
        &self,
        caller: Caller,
        entry: &Entry,
        dir: &str,
        empty: bool,
    ) -> FsResult<Arc<Draft>> {
        let name = entry.name.clone();
        let new = NewLocal { name, scratch: true, ..based_on(caller, entry, dir, empty)? };
        let (_, cover) = self.make_local(new)?;
        self.notices.entry_changed(entry.parent, &entry.name);
        Ok(cover)
    }

    /// Sends a writer who found a draft under `name`, which that draft has lost since, to a draft of what holds the name
    /// now. Walking the path again would only find that, and the kernel walks it once more, not twice.
    async fn redirect_by_name(
        &self,
        caller: Caller,
        parent: Ino,
        name: &str,
        mode: Mode,
    ) -> FsResult<Opened> {
        if let Second::NotFollowed(draft) = self.redirects.take_unfollowed(caller.tid, parent, name) {
            self.drop_unused(draft);
            return Err(FsError::InUse); // it came without a path, and by an inode that is another's
        }
        let (dir, path) = self.dir(parent)?;
        let file_name = FileName::from_bytes(name.as_bytes())?;
        let holder = match self.listed_child(&dir, &path, &file_name).await {
            Ok(holder) if holder.kind != Kind::Dir => holder,
            // Nobody holds it now, but another writer may in a moment: this one is not to meet him after its one walk.
            Err(FsError::NotFound) if mode.truncate => {
                let draft = self.make_for_redirect(caller, parent, name.as_bytes()).await?;
                self.redirects.add(caller.tid, parent, name, draft.ino);
                return Err(FsError::Stale);
            }
            Ok(_) | Err(FsError::NotFound) => return Err(FsError::Stale), // the walk finds no file, and goes on from there
            Err(e) => return Err(e),
        };
        check_access(caller, &self.attr_of(&holder)?, mode.want())?;
        match self.local(holder.ino)? {
            None => self.redirect_to_draft(caller, &holder, mode).await,
            Some(draft) if mode.truncate && self.belongs_to_another(&draft, caller) => {
                self.redirect_beside_draft(caller, &holder)
            }
            Some(draft) => {
                self.redirects.add(caller.tid, parent, name, draft.ino);
                Err(FsError::Stale)
            }
        }
    }

    /// Returns the caller's draft beside the object `entry`: the one its process has, or a new one.
    pub(in crate::fs) fn beside_object(
        &self,
        caller: Caller,
        entry: &Entry,
        dir: &str,
        empty: bool,
    ) -> FsResult<Arc<Draft>> {
        let key = ObjectKey::new(join(dir, &entry.name)).map_err(|_| FsError::NameTooLong)?;
        let own = self.draft_beside(&key, caller);
        // What another process writes as well is not truncated (3.4).
        if let Some(draft) = own.filter(|d| !empty || !self.belongs_to_another(d, caller)) {
            return Ok(draft);
        }
        self.new_beside_object(caller, entry, dir, empty)
    }

    /// Makes a draft beside the object `entry`, whether or not the caller has one.
    pub(in crate::fs) fn new_beside_object(
        &self,
        caller: Caller,
        entry: &Entry,
        dir: &str,
        empty: bool,
    ) -> FsResult<Arc<Draft>> {
        let (_, draft) = self.make_beside(based_on(caller, entry, dir, empty)?)?;
        draft.state.lock().beside_ino = Some(entry.ino);
        Ok(draft)
    }

    fn redirect_beside_draft(&self, caller: Caller, entry: &Entry) -> FsResult<Opened> {
        let (_, dir) = self.dir(entry.parent)?;
        let _names = self.namespace.lock();
        let draft = self.beside_draft(caller, entry, &dir)?;
        self.redirects.add(caller.tid, entry.parent, &entry.name, draft.ino);
        Err(FsError::Stale)
    }

    /// Makes an empty draft of the caller's own under a suffix of the name that another's draft holds.
    pub(in crate::fs) fn beside_draft(
        &self,
        caller: Caller,
        entry: &Entry,
        dir: &str,
    ) -> FsResult<Arc<Draft>> {
        let path = join(dir, &entry.name);
        let key = ObjectKey::new(path.clone()).map_err(|_| FsError::NameTooLong)?;
        let new = NewLocal {
            caller,
            parent: entry.parent,
            dir,
            name: String::new(),
            wanted: path,
            scratch: false,
            beside: Some((key, ETag::new(""))),
            origin: Origin::Own,
        };
        Ok(self.make_beside(new)?.1)
    }

    /// Forgets a draft beside an object that nobody opened, and that holds nothing to be published.
    pub(in crate::fs) fn drop_unused(&self, ino: Ino) {
        let Ok(Some(draft)) = self.local(ino) else { return };
        let unused = draft.state.lock().beside.is_some()
            && !self.is_deleted(&draft).unwrap_or(true) // the end of its delete decides then
            && on_release(close_facts(&draft, true, true)) == CloseAction::Nothing;
        if unused && let Err(e) = self.forget_beside(&draft) {
            tracing::warn!("an unused draft could not be forgotten: {e}");
        }
    }

    /// Forgets a draft beside an object of which nothing came, unless somebody has it open or is on the way to it:
    /// redirects are made under the same lock.
    pub(in crate::fs) fn forget_beside(&self, draft: &Draft) -> FsResult<()> {
        let _names = self.namespace.lock();
        if self.redirects.leads_to(draft.ino) {
            return Ok(());
        }
        {
            let mut known = draft.state.lock();
            if known.handles > 0 {
                return Ok(());
            }
            known.unlinked = true; // nobody finds it from here on
        }
        self.forget_local(draft)
    }

    /// Notes the moment after which an object's times are no longer its publisher's to set.
    pub(in crate::fs) fn remember_publisher(&self, row: i64, maker: crate::types::ProcessId) {
        let now = Clock.now();
        let mut recent = self.recent.lock();
        recent.retain(|_, (_, at)| now.since(*at) < super::setattr::PUBLISHER_WINDOW);
        recent.insert(row, (maker, now));
    }
}

/// Returns a draft to be made of the object `entry` in `dir`, with its content or empty, without a name yet.
fn based_on<'a>(caller: Caller, entry: &Entry, dir: &'a str, empty: bool) -> FsResult<NewLocal<'a>> {
    let wanted = join(dir, &entry.name);
    let key = ObjectKey::new(wanted.clone()).map_err(|_| FsError::NameTooLong)?;
    let etag = entry.etag.clone().ok_or(FsError::Stale)?;
    let origin = if empty || entry.size == 0 {
        Origin::Own
    } else {
        Origin::Object { key: key.clone(), etag: etag.clone(), size: entry.size }
    };
    let (parent, beside) = (entry.parent, Some((key, etag)));
    Ok(NewLocal { caller, parent, dir, name: String::new(), wanted, scratch: false, beside, origin })
}
