//! Moving names: rename and link. A draft or scratch file that gets a final name enters the bucket here.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use crate::catalog::{DraftState, Entry, Kind, NewPlace, Shown};
use crate::drafts::draft::Draft;
use crate::drafts::known::Origin;
use crate::fs::attr::check_access;
use crate::fs::locals::NewLocal;
use crate::fs::{Caller, Filesystem, FsError, FsResult, Looked, Want, join, process_of};
use crate::layout::{DirKind, DirPlacement, FilePlacement};
use crate::types::{Clock, ETag, FileName, Ino, ObjectKey};

/// Where a file goes: the name it gets, and what it is beside.
struct Target {
    name: String,
    wanted: String,
    scratch: bool,
    beside: Option<(ObjectKey, ETag)>,
}

/// What a directory holds that a rename of it would leave behind.
#[derive(PartialEq, Eq)]
enum Held {
    /// Nothing.
    Nothing,
    /// Objects that may be deleted once they are copied, or drafts.
    Removable,
    /// Objects that stay whatever happens.
    Kept,
}

impl Filesystem {
    /// Moves `name` in `parent` to `new_name` in `new_parent`. `flags` are those of `renameat2(2)`.
    ///
    /// # Errors
    /// [`FsError::CrossDevice`] for objects and directories with objects; [`FsError::Exists`] with RENAME_NOREPLACE;
    /// [`FsError::NotAllowed`] for a name that the new place does not take; why the publish failed, where that is known
    /// within `rename_wait`.
    pub async fn rename(
        self: &Arc<Self>,
        caller: Caller,
        parent: Ino,
        name: &[u8],
        new_parent: Ino,
        new_name: &[u8],
        flags: u32,
    ) -> FsResult<()> {
        if flags & !libc::RENAME_NOREPLACE != 0 {
            return Err(FsError::Invalid);
        }
        let (from_dir, from_path, name) = self.dir_for_change(caller, parent, name)?;
        let (to_dir, to_path, new_name) = self.dir_for_change(caller, new_parent, new_name)?;
        let source = self.listed_child(&from_dir, &from_path, &name).await?;
        let target = self.listed_child(&to_dir, &to_path, &new_name).await;
        if flags & libc::RENAME_NOREPLACE != 0 && target.is_ok() {
            return Err(FsError::Exists);
        }
        let target = match target {
            Ok(entry) if entry.row == source.row => return Ok(()),
            Ok(entry) => Some(entry),
            Err(FsError::NotFound) => None,
            Err(e) => return Err(e),
        };
        match source.kind {
            Kind::Dir => self.rename_dir(&source, target.as_ref(), &to_dir, &to_path, &new_name).await,
            Kind::Object => self.rename_object(caller, &source, target, &to_dir, &to_path, &new_name).await,
            Kind::Draft | Kind::Scratch => {
                if self.rename_local(caller, &source, target.clone(), &to_dir, &to_path, &new_name).await? {
                    return Ok(());
                }
                // a close that was under way has made it an object meanwhile
                let source = self.object_of(source.ino, &from_dir, &from_path, &name).await?;
                self.rename_object(caller, &source, target, &to_dir, &to_path, &new_name).await
            }
        }
    }

    /// Returns the listed entry of that name, asking the store where the catalog does not know.
    pub(in crate::fs) async fn listed_child(
        &self,
        dir: &Entry,
        path: &str,
        name: &FileName,
    ) -> FsResult<Entry> {
        let entry = match self.catalog.child(dir.ino, name.as_str())? {
            Some(entry) => Some(entry),
            None => self.find_in_store(dir, path, name).await?,
        };
        entry.filter(|e| e.shown == Shown::Listed).ok_or(FsError::NotFound)
    }

    /// Returns whether it is done; `false` where the draft is an object by now.
    async fn rename_local(
        self: &Arc<Self>,
        caller: Caller,
        source: &Entry,
        target: Option<Entry>,
        to_dir: &Entry,
        to_path: &str,
        new_name: &FileName,
    ) -> FsResult<bool> {
        let Some(draft) = self.local(source.ino)? else { return Ok(false) };
        self.end_of_publish(&draft).await?;
        if draft.state.lock().published {
            return Ok(false);
        }
        // what came of it so far is cached: who tries again goes on from there
        let copied = timeout(self.options.patience(), self.copy_origin(&draft)).await;
        copied.unwrap_or_else(|_| {
            Err(FsError::Io("the object that it begins with is still being copied".to_owned()))
        })?;
        let beside = draft.state.lock().beside.clone();
        let path = join(to_path, new_name.as_str());
        let scratch = match self.layout.place_file(&path) {
            FilePlacement::Document { .. } => false,
            FilePlacement::Scratch { .. } => true,
            FilePlacement::Refused(refusal) => return Err(self.refused(&path, &refusal)),
        };
        if !scratch {
            self.check_size_at(&path, draft.state.lock().size)?;
        }
        let target = match target {
            None if self.put_back_for(caller, &path).await? => {
                self.catalog.child(to_dir.ino, new_name.as_str())?
            }
            other => other,
        };
        let moved = {
            let _names = self.namespace.lock();
            let to = self.make_room(caller, target, to_dir, new_name, path, scratch)?;
            self.move_local(caller, &draft, source, to_dir, &to)?;
            let is_nothing = {
                let k = draft.state.lock();
                to.beside.is_some() && k.size == 0 && k.writers.is_empty()
            };
            if is_nothing {
                self.unlink_local(&draft)?; // an empty draft beside an object is dropped (3.8)
                return Ok(true);
            }
            to
        };
        let publish_now = {
            let k = draft.state.lock();
            !moved.scratch && k.size > 0 && k.writers.is_empty()
        };
        if !publish_now {
            return Ok(true);
        }
        let result = self.finish(&draft, self.options.rename_wait).await;
        if result.is_err() {
            self.move_back(&draft, source, beside);
        }
        result.map(|()| true)
    }

    /// Decides the name that a file gets where `target` holds the one it wants, and clears away a target that may go.
    fn make_room(
        &self,
        caller: Caller,
        target: Option<Entry>,
        to_dir: &Entry,
        new_name: &FileName,
        wanted: String,
        scratch: bool,
    ) -> FsResult<Target> {
        let plain =
            |beside| Target { name: new_name.as_str().to_owned(), wanted: wanted.clone(), scratch, beside };
        let Some(target) = target else { return Ok(plain(None)) };
        let suffixed = |etag: ETag| -> FsResult<Target> {
            let name =
                crate::drafts::seal::free_alternative(&self.catalog, &self.layout, to_dir.ino, &wanted)?;
            let key = ObjectKey::new(wanted.clone()).map_err(|_| FsError::NameTooLong)?;
            Ok(Target { name, wanted: wanted.clone(), scratch, beside: Some((key, etag)) })
        };
        match target.kind {
            Kind::Dir => Err(FsError::IsDirectory),
            // An object whose name is scratch is covered (semantics 6.4).
            Kind::Object if scratch => {
                let key = ObjectKey::new(wanted.clone()).map_err(|_| FsError::NameTooLong)?;
                Ok(plain(Some((key, target.etag.clone().ok_or(FsError::Stale)?))))
            }
            Kind::Object => suffixed(target.etag.clone().ok_or(FsError::Stale)?),
            Kind::Draft | Kind::Scratch => {
                let held = self.local(target.ino)?.ok_or(FsError::Stale)?;
                if !scratch && self.counts_as_object(caller, &held) {
                    return suffixed(ETag::new(""));
                }
                let covered = if scratch { self.covered_by(&target)? } else { None };
                self.unlink_local(&held)?;
                Ok(plain(covered))
            }
        }
    }

    /// Returns the object that the scratch file `entry` covers (semantics 6.4).
    pub(super) fn covered_by(&self, entry: &Entry) -> FsResult<Option<(ObjectKey, ETag)>> {
        let Some(file) = self.local(entry.ino)? else { return Ok(None) };
        let known = file.state.lock();
        Ok(known.beside.clone().filter(|_| known.scratch))
    }

    /// Returns whether a draft is somebody's saved or growing content, which a rename must not replace (3.4).
    fn counts_as_object(&self, caller: Caller, draft: &Draft) -> bool {
        let me = process_of(caller);
        if self.waits_for(draft, caller) {
            return false;
        }
        let k = draft.state.lock();
        !k.scratch && (k.saved || k.size > 0) && (k.maker != me || k.saved)
    }

    fn move_local(
        &self,
        caller: Caller,
        draft: &Draft,
        source: &Entry,
        to_dir: &Entry,
        to: &Target,
    ) -> FsResult<()> {
        let kind = if to.scratch { Kind::Scratch } else { Kind::Draft };
        let id = draft.state.lock().id.clone();
        let place = NewPlace {
            parent: to_dir.ino,
            name: to.name.clone(),
            kind,
            wanted: to.wanted.clone(),
            base: to.beside.clone(),
        };
        self.catalog.rename_draft(&id, place, Clock.now())?;
        self.redirects.renamed(draft.ino);
        {
            let mut k = draft.state.lock();
            k.asked_by = caller.uid;
            k.scratch = to.scratch;
            k.beside.clone_from(&to.beside);
            // What was scratch becomes content that has still to be published.
            k.changed = k.changed || k.size > 0 || (to.scratch && to.beside.is_some());
            k.unsaved = k.unsaved || k.size > 0;
            k.wrote = k.wrote || k.size > 0;
            k.note_rename();
        }
        self.misses.lock().remove(&(to_dir.ino, to.name.clone()));
        self.notices.entry_changed(source.parent, &source.name);
        self.notices.entry_changed(to_dir.ino, &to.name);
        Ok(())
    }

    /// A rename whose publish failed has not happened: the file has its old name again. What was acknowledged before stays
    /// failed under it (3.11).
    fn move_back(&self, draft: &Draft, source: &Entry, beside: Option<(ObjectKey, ETag)>) {
        let id = draft.state.lock().id.clone();
        let wanted = self.dir(source.parent).map(|(_, dir)| join(&dir, &source.name)).unwrap_or_default();
        let place = NewPlace {
            parent: source.parent,
            name: source.name.clone(),
            kind: source.kind,
            wanted: wanted.clone(),
            base: beside.clone(),
        };
        let failed = source.kind == Kind::Draft && draft.state.lock().saved;
        let back = self
            .catalog
            .rename_draft(&id, place, Clock.now())
            .and_then(|()| self.catalog.set_shown(source.row, Shown::Listed, Clock.now()))
            .and_then(|()| match source.kind {
                Kind::Draft if !failed => {
                    self.catalog.set_draft_state(&id, DraftState::Open, None, false, Clock.now())
                }
                _ => Ok(()),
            });
        match back {
            Ok(()) => {
                let mut k = draft.state.lock();
                k.scratch = source.kind == Kind::Scratch;
                k.beside = beside;
                k.set_aside = failed;
                k.listed = true;
            }
            Err(e) => tracing::warn!("{wanted}: the old name could not be given back: {e}"),
        }
    }

    async fn rename_dir(
        &self,
        source: &Entry,
        target: Option<&Entry>,
        to_dir: &Entry,
        to_path: &str,
        new_name: &FileName,
    ) -> FsResult<()> {
        let old = source.path.clone().unwrap_or_default();
        let path = join(to_path, new_name.as_str());
        if path.starts_with(&format!("{old}/")) {
            return Err(FsError::Invalid);
        }
        let DirPlacement::Domain { kind: DirKind::Field | DirKind::Scratch, .. } =
            self.layout.place_dir(&old)
        else {
            return Err(FsError::NotAllowed);
        };
        if let Err(refusal) = self.layout.may_mkdir(&path) {
            return Err(self.refused(&path, &refusal));
        }
        if target.is_some_and(|t| t.kind != Kind::Dir) {
            return Err(FsError::NotDirectory);
        }
        self.list_below(source).await?;
        if !self.carry_out_deletes_below(&old).await? || !self.carry_out_deletes_below(&path).await? {
            return Err(FsError::CrossDevice);
        }
        if let Some(target) = target {
            self.ensure_listed(target).await?; // what nobody has looked at yet is in it as well
        }
        let _names = self.namespace.lock();
        match self.held_below(source)? {
            Held::Nothing => {}
            Held::Removable => return Err(FsError::CrossDevice),
            Held::Kept => {
                let why = "objects in it are not deleted, so it cannot be moved";
                self.catalog.event(Clock.now(), "refused", &old, why);
                return Err(FsError::NotAllowed);
            }
        }
        if let Some(target) = target {
            if self.catalog.has_children(target.ino)? {
                return Err(FsError::NotEmpty);
            }
            self.catalog.remove_dir(target.row, target.ino, Clock.now())?;
        }
        self.catalog.rename_dir(source, to_dir.ino, new_name.as_str(), &path, Clock.now())?;
        self.catalog.set_made(source.row, Clock.now())?;
        self.notices.entry_changed(source.parent, &source.name);
        self.notices.entry_changed(to_dir.ino, new_name.as_str());
        Ok(())
    }

    /// Lists a directory and every one below it until an object shows up: a directory that only the store knows of holds
    /// some, somewhere.
    async fn list_below(&self, dir: &Entry) -> FsResult<()> {
        let mut queue = vec![dir.clone()];
        while let Some(dir) = queue.pop() {
            self.ensure_listed(&dir).await?;
            for child in self.all_children(dir.ino)? {
                match child.kind {
                    Kind::Object => return Ok(()),
                    Kind::Dir => queue.push(child),
                    Kind::Draft | Kind::Scratch => {}
                }
            }
        }
        Ok(())
    }

    /// Returns what has a key of its own below a directory: objects, covered ones too, and drafts that will have one.
    fn held_below(&self, dir: &Entry) -> FsResult<Held> {
        let mut queue = vec![dir.clone()];
        let mut held = Held::Nothing;
        while let Some(dir) = queue.pop() {
            let path = dir.path.clone().unwrap_or_default();
            for child in self.all_children(dir.ino)? {
                let object = match child.kind {
                    Kind::Object => true,
                    Kind::Scratch => self.catalog.draft_of(child.row)?.is_some_and(|d| d.base.is_some()),
                    Kind::Draft | Kind::Dir => false,
                };
                if object && !self.may_delete(&join(&path, &child.name)) {
                    return Ok(Held::Kept);
                }
                if object || child.kind == Kind::Draft {
                    held = Held::Removable;
                } else if child.kind == Kind::Dir {
                    queue.push(child);
                }
            }
        }
        Ok(held)
    }

    fn all_children(&self, dir: Ino) -> FsResult<Vec<Entry>> {
        let (mut all, mut after) = (Vec::new(), 0);
        loop {
            let mut some = self.catalog.children(dir, after, 256)?;
            let Some(last) = some.last() else { return Ok(all) };
            after = last.row;
            all.append(&mut some);
        }
    }

    /// Gives a scratch file a final name besides its own: its content is copied and published (semantics 3.10, 6.2).
    ///
    /// # Errors
    /// [`FsError::NotPermitted`] for everything but scratch → final name; [`FsError::NotAllowed`] for a name that its
    /// domain does not take.
    pub async fn link(
        self: &Arc<Self>,
        caller: Caller,
        ino: Ino,
        new_parent: Ino,
        new_name: &[u8],
    ) -> FsResult<Looked> {
        let (to_dir, to_path, new_name) = self.dir_for_change(caller, new_parent, new_name)?;
        let source = self.catalog.entry(ino)?.ok_or(FsError::Stale)?;
        let Some(scratch) = self.local(ino)?.filter(|_| source.kind == Kind::Scratch) else {
            return Err(FsError::NotPermitted);
        };
        let path = join(&to_path, new_name.as_str());
        match self.layout.place_file(&path) {
            FilePlacement::Document { .. } => {}
            FilePlacement::Scratch { .. } => return Err(FsError::NotPermitted),
            FilePlacement::Refused(refusal) => return Err(self.refused(&path, &refusal)),
        }
        check_access(caller, &self.attr_of(&source)?, Want::READ)?;
        self.check_size_at(&path, scratch.state.lock().size)?;
        if self.listed_child(&to_dir, &to_path, &new_name).await.is_ok() {
            return Err(FsError::Exists);
        }
        let beside = self.put_back_beside(caller, to_dir.ino, &new_name, &path).await?;
        let new = NewLocal {
            caller,
            parent: to_dir.ino,
            dir: &to_path,
            name: new_name.as_str().to_owned(),
            wanted: path,
            scratch: false,
            beside,
            origin: Origin::Own,
        };
        let (entry, draft) = match &new.beside {
            None => self.make_local(new)?,
            Some(_) => self.make_beside(new)?,
        };
        // opened for this copy: one that is shared has one position, and a link that was given up may still be copying
        let source_id = scratch.state.lock().id.clone();
        let filled = match self.staging.reopen(&source_id) {
            Ok(from) => self.fill(&draft, from).await,
            Err(e) => Err(e.into()),
        };
        let size = match filled {
            Ok(size) => size,
            Err(e) => {
                self.forget_local(&draft)?;
                return Err(e);
            }
        };
        if size > 0 {
            if let Err(e) = self.finish(&draft, self.options.rename_wait).await {
                self.drop_refused_link(&draft)?;
                return Err(e);
            }
        } else if draft.state.lock().beside.is_some() {
            let looked = self.getattr(entry.ino)?;
            self.forget_beside(&draft)?; // an empty draft beside an object is dropped (3.8)
            return Ok(looked);
        }
        // The kernel takes the answer for the new name, which another file holds where this one got a suffix, or was not
        // stored again since its bytes are there already (4.7).
        let made = match self.catalog.entry(entry.ino)? {
            Some(made) => made,
            None => self.listed_child(&to_dir, &to_path, &new_name).await?,
        };
        let mut looked = self.looked(&made)?;
        if made.ino != entry.ino || made.name != new_name.as_str() {
            looked.name_ttl = Duration::ZERO;
        }
        Ok(looked)
    }

    /// A link whose publish failed has not happened: the scratch file has the content, so nothing is kept of the copy,
    /// unless another process has made it its own by writing to it.
    fn drop_refused_link(&self, copy: &Draft) -> FsResult<()> {
        let _names = self.namespace.lock();
        let (id, row) = {
            let known = copy.state.lock();
            if known.saved || !known.writers.is_empty() {
                return Ok(());
            }
            (known.id.clone(), known.row)
        };
        let Some(entry) = self.catalog.entry_by_row(row)? else { return Ok(()) };
        self.unlink_local(copy)?;
        let path = self.path_of(entry.parent, &entry.name);
        let told = format!(
            "draft {id} was dropped: its link was refused, and the file that was linked has the content"
        );
        self.catalog.event(Clock.now(), "discarded", &path, &told);
        self.notices.entry_changed(entry.parent, &entry.name);
        Ok(())
    }

    /// Puts back what held `path` if the caller took it away a moment ago, and returns it (semantics 5.2).
    async fn put_back_beside(
        &self,
        caller: Caller,
        dir: Ino,
        name: &FileName,
        path: &str,
    ) -> FsResult<Option<(ObjectKey, ETag)>> {
        if !self.put_back_for(caller, path).await? {
            return Ok(None);
        }
        let key = ObjectKey::new(path).map_err(|_| FsError::NameTooLong)?;
        let back = self.catalog.child(dir, name.as_str())?;
        Ok(back.map(|entry| (key, entry.etag.unwrap_or_else(|| ETag::new("")))))
    }
}
