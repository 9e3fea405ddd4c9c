//! Requests in, answers out: translate, call, translate back.
//!
//! Each call is a future that is polled once on the kernel's thread. What can be answered from memory, SQLite or the
//! local disk is answered right there; what has to wait goes on in the runtime with the reply.

use std::ffi::OsStr;
use std::future::Future;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use fuser::{
    AccessFlags, BsdFileFlags, Errno, FileHandle, FileType, Filesystem as Fuse, Generation, INodeNo,
    IoctlFlags, KernelConfig, LockOwner, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData,
    ReplyDirectory, ReplyDirectoryPlus, ReplyEmpty, ReplyEntry, ReplyIoctl, ReplyOpen, ReplyStatfs,
    ReplyWrite, ReplyXattr, Request, TimeOrNow, WriteFlags,
};
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::cached_dirs::CachedDirs;
use super::convert::{self, caller, file_attr, ino};
use super::errno::errno;
use super::features::{self, Feature};
use super::passthrough::Passthrough;
use crate::fs::{Filesystem, FsError, FsResult, Looked, SetAttr, Want};

/// The largest request: what kernels offer (`/proc/sys/fs/fuse/max_pages_limit`, 256 pages).
const MAX_WRITE: u32 = 1024 * 1024;

/// Requests that the kernel may have under way in the background (read-ahead).
const MAX_BACKGROUND: u16 = 64;

/// Inode numbers are never used again, so one generation is enough.
const GENERATION: Generation = Generation(0);

/// `.` and `..` come first; the cookies of entries follow.
const FIRST_COOKIE: u64 = 2;

pub(super) struct Adapter {
    fs: Arc<Filesystem>,
    runtime: Handle,
    deadline: Duration,
    kernel: Arc<Kernel>,
    end: watch::Sender<bool>,
}

/// What is agreed with the kernel, and what it holds of ours.
pub(super) struct Kernel {
    pub passthrough: Passthrough,
    pub dirs: CachedDirs,
    /// Where the files are that the kernel may read past this daemon.
    pub cache_dir: PathBuf,
    pub negotiated: Mutex<Vec<Feature>>,
}

impl Adapter {
    /// `end` hears `true` when the kernel has ended the connection.
    pub(super) fn new(
        fs: Arc<Filesystem>,
        runtime: Handle,
        deadline: Duration,
        kernel: Arc<Kernel>,
        end: watch::Sender<bool>,
    ) -> Self {
        Self { fs, runtime, deadline, kernel, end }
    }

    /// Runs a call to its end: here, if it need not wait, else in the runtime.
    fn run(&self, call: impl Future<Output = ()> + Send + 'static) {
        let _context = self.runtime.enter();
        let mut call = Box::pin(call);
        if call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {
            self.runtime.spawn(call);
        }
    }

    /// Runs a call that must answer within the deadline.
    fn run_bounded<T: Send + 'static>(
        &self,
        call: impl Future<Output = FsResult<T>> + Send + 'static,
        answer: impl FnOnce(FsResult<T>) + Send + 'static,
    ) {
        let deadline = self.deadline;
        self.run(async move {
            let mut call = Box::pin(call);
            let first = std::future::poll_fn(|cx| Poll::Ready(call.as_mut().poll(cx))).await;
            let result = match first {
                Poll::Ready(result) => result,
                Poll::Pending => tokio::time::timeout(deadline, call)
                    .await
                    .unwrap_or_else(|_| Err(FsError::Io(format!("no answer within {deadline:?}")))),
            };
            answer(result);
        });
    }
}

fn entry(reply: ReplyEntry, result: FsResult<Looked>) {
    match result {
        Ok(l) => reply.entry_with_ttls(&l.attr_ttl, &l.name_ttl, &file_attr(&l.attr), GENERATION),
        Err(e) => reply.error(errno(&e)),
    }
}

fn attr(reply: ReplyAttr, result: FsResult<Looked>) {
    match result {
        Ok(l) => reply.attr(&l.attr_ttl, &file_attr(&l.attr)),
        Err(e) => reply.error(errno(&e)),
    }
}

fn empty(reply: ReplyEmpty, result: FsResult<()>) {
    match result {
        Ok(()) => reply.ok(),
        Err(e) => {
            if matches!(e, FsError::Io(_)) {
                tracing::warn!("a call failed: {e}");
            }
            reply.error(errno(&e));
        }
    }
}

fn xattr(reply: ReplyXattr, size: u32, value: FsResult<Vec<u8>>) {
    match value {
        Err(e) => reply.error(errno(&e)),
        Ok(value) => match u32::try_from(value.len()) {
            Ok(len) if size == 0 => reply.size(len),
            Ok(len) if len <= size => reply.data(&value),
            _ => reply.error(Errno::ERANGE),
        },
    }
}

impl Fuse for Adapter {
    fn init(&mut self, _req: &Request, config: &mut KernelConfig) -> std::io::Result<()> {
        let mut features = features::negotiate(config)?;
        self.kernel.passthrough.ask(config, &self.kernel.cache_dir);
        let _ = config.set_max_write(MAX_WRITE);
        let _ = config.set_max_background(MAX_BACKGROUND);
        features.push(Feature::on("background requests", MAX_BACKGROUND.to_string()));
        *self.kernel.negotiated.lock() = features;
        Ok(())
    }

    fn destroy(&mut self) {
        self.end.send_replace(true);
    }

    fn lookup(&self, req: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let (fs, caller, name) = (Arc::clone(&self.fs), caller(req), name.as_bytes().to_vec());
        self.run_bounded(async move { fs.lookup(caller, ino(parent), &name).await }, move |r| {
            entry(reply, r)
        });
    }

    fn forget(&self, _req: &Request, node: INodeNo, _nlookup: u64) {
        // Inode numbers are rows of the catalog: they live whether the kernel remembers them or not. Only its pages do not.
        // It may forget some of its look-ups and not the inode; then one look again at it is slower.
        self.kernel.passthrough.forgotten(node.0);
    }

    fn getattr(&self, req: &Request, node: INodeNo, _fh: Option<FileHandle>, reply: ReplyAttr) {
        attr(reply, self.fs.getattr_for(caller(req), ino(node)));
    }

    fn setattr(
        &self,
        req: &Request,
        node: INodeNo,
        _mode: Option<u32>,
        _uid: Option<u32>,
        _gid: Option<u32>,
        size: Option<u64>,
        atime: Option<TimeOrNow>,
        mtime: Option<TimeOrNow>,
        _ctime: Option<SystemTime>,
        fh: Option<FileHandle>,
        _crtime: Option<SystemTime>,
        _chgtime: Option<SystemTime>,
        _bkuptime: Option<SystemTime>,
        _flags: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let (fs, caller) = (Arc::clone(&self.fs), caller(req));
        let change = SetAttr {
            size,
            mtime: mtime.map(convert::set_time),
            atime: atime.map(convert::set_time),
            fh: fh.map(u64::from),
        };
        self.run_bounded(async move { fs.setattr(caller, ino(node), change).await }, move |r| attr(reply, r));
    }

    fn mknod(
        &self,
        req: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        _rdev: u32,
        reply: ReplyEntry,
    ) {
        let (fs, caller, name) = (Arc::clone(&self.fs), caller(req), name.as_bytes().to_vec());
        self.run_bounded(
            async move { fs.mknod(caller, ino(parent), &name, mode & !umask).await },
            move |r| entry(reply, r),
        );
    }

    fn mkdir(
        &self,
        req: &Request,
        parent: INodeNo,
        name: &OsStr,
        _mode: u32,
        _umask: u32,
        reply: ReplyEntry,
    ) {
        let (fs, caller, name) = (Arc::clone(&self.fs), caller(req), name.as_bytes().to_vec());
        self.run_bounded(async move { fs.mkdir(caller, ino(parent), &name).await }, move |r| entry(reply, r));
    }

    fn unlink(&self, req: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let (fs, caller, name) = (Arc::clone(&self.fs), caller(req), name.as_bytes().to_vec());
        self.run_bounded(async move { fs.unlink(caller, ino(parent), &name).await }, move |r| {
            empty(reply, r)
        });
    }

    fn rmdir(&self, req: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let (fs, caller, name) = (Arc::clone(&self.fs), caller(req), name.as_bytes().to_vec());
        self.run_bounded(async move { fs.rmdir(caller, ino(parent), &name).await }, move |r| empty(reply, r));
    }

    fn symlink(
        &self,
        _req: &Request,
        _parent: INodeNo,
        _name: &OsStr,
        _target: &std::path::Path,
        reply: ReplyEntry,
    ) {
        reply.error(Errno::EPERM);
    }

    fn rename(
        &self,
        req: &Request,
        parent: INodeNo,
        name: &OsStr,
        new_parent: INodeNo,
        new_name: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        let (fs, caller) = (Arc::clone(&self.fs), caller(req));
        let (name, new_name) = (name.as_bytes().to_vec(), new_name.as_bytes().to_vec());
        self.run(async move {
            let result =
                fs.rename(caller, ino(parent), &name, ino(new_parent), &new_name, flags.bits()).await;
            empty(reply, result);
        });
    }

    fn link(&self, req: &Request, node: INodeNo, new_parent: INodeNo, new_name: &OsStr, reply: ReplyEntry) {
        let (fs, caller, name) = (Arc::clone(&self.fs), caller(req), new_name.as_bytes().to_vec());
        self.run(async move { entry(reply, fs.link(caller, ino(node), ino(new_parent), &name).await) });
    }

    fn open(&self, req: &Request, node: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        let (fs, caller) = (Arc::clone(&self.fs), caller(req));
        let (kernel, opened_fs, runtime) = (Arc::clone(&self.kernel), Arc::clone(&fs), self.runtime.clone());
        self.run_bounded(async move { fs.open(caller, ino(node), flags.0).await }, move |r| match r {
            Ok(o) => {
                if !kernel.passthrough.answer(node.0, &o, reply) {
                    tracing::warn!("an open failed: the cached file that others read is damaged");
                    runtime.spawn(async move { opened_fs.release(o.fh).await });
                }
            }
            Err(e) => reply.error(errno(&e)),
        });
    }

    fn read(
        &self,
        _req: &Request,
        node: INodeNo,
        fh: FileHandle,
        offset: u64,
        size: u32,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let (fs, kernel) = (Arc::clone(&self.fs), Arc::clone(&self.kernel));
        self.run_bounded(async move { fs.read(ino(node), fh.0, offset, size).await }, move |r| match r {
            Ok(data) => {
                // before the answer, so that a close after it, and an open after that, know of it
                kernel.passthrough.was_read(node.0, data.len());
                reply.data(&data);
            }
            Err(e) => {
                tracing::warn!("a read failed: {e}");
                reply.error(errno(&e));
            }
        });
    }

    fn write(
        &self,
        _req: &Request,
        node: INodeNo,
        fh: FileHandle,
        offset: u64,
        data: &[u8],
        _write_flags: WriteFlags,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let answer = move |r: FsResult<u32>| match r {
            Ok(n) => reply.written(n),
            Err(e) => reply.error(errno(&e)),
        };
        if let Some(result) = self.fs.write_now(fh.0, offset, data) {
            return answer(result);
        }
        let (fs, data) = (Arc::clone(&self.fs), Bytes::copy_from_slice(data));
        self.run(async move { answer(fs.write(ino(node), fh.0, offset, data).await) });
    }

    fn flush(&self, req: &Request, node: INodeNo, fh: FileHandle, _lock_owner: LockOwner, reply: ReplyEmpty) {
        let (fs, caller) = (Arc::clone(&self.fs), caller(req));
        self.run(async move { empty(reply, fs.flush(caller, ino(node), fh.0).await) });
    }

    fn release(
        &self,
        _req: &Request,
        node: INodeNo,
        fh: FileHandle,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        _flush: bool,
        reply: ReplyEmpty,
    ) {
        // First: as soon as the file system knows of the close, a writer may be given the inode (fs/swap.rs).
        self.kernel.passthrough.closed(node.0);
        let fs = Arc::clone(&self.fs);
        self.run(async move {
            fs.release(fh.0).await;
            reply.ok();
        });
    }

    fn fsync(&self, _req: &Request, node: INodeNo, fh: FileHandle, _datasync: bool, reply: ReplyEmpty) {
        let fs = Arc::clone(&self.fs);
        self.run(async move { empty(reply, fs.fsync(ino(node), fh.0).await) });
    }

    fn opendir(&self, req: &Request, node: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        let (fs, caller) = (Arc::clone(&self.fs), caller(req));
        let kernel = Arc::clone(&self.kernel);
        self.run_bounded(async move { fs.opendir(caller, ino(node)).await }, move |r| match r {
            Ok(version) => reply.opened(FileHandle(0), kernel.dirs.opened(ino(node), version)),
            Err(e) => reply.error(errno(&e)),
        });
    }

    fn releasedir(
        &self,
        _req: &Request,
        node: INodeNo,
        _fh: FileHandle,
        _flags: OpenFlags,
        reply: ReplyEmpty,
    ) {
        self.kernel.dirs.closed(ino(node), self.fs.listing_version(ino(node)));
        reply.ok();
    }

    fn readdir(
        &self,
        _req: &Request,
        node: INodeNo,
        _fh: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        let filled = self.list(ino(node), offset, |node, cookie, looked, name| {
            let kind = looked.map_or(FileType::Directory, |l| convert::kind(&l.attr));
            reply.add(node, cookie, kind, name)
        });
        match filled {
            Ok(()) => reply.ok(),
            Err(e) => reply.error(errno(&e)),
        }
    }

    fn readdirplus(
        &self,
        _req: &Request,
        node: INodeNo,
        _fh: FileHandle,
        offset: u64,
        mut reply: ReplyDirectoryPlus,
    ) {
        let fs = Arc::clone(&self.fs);
        let filled = self.list(ino(node), offset, |node, cookie, looked, name| {
            let looked = match looked {
                Some(l) => *l,
                // The kernel makes nothing of the attributes of `.` and `..`.
                None => match fs.getattr(ino(node)) {
                    Ok(l) => l,
                    Err(_) => return true,
                },
            };
            reply.add(node, cookie, name, &looked.name_ttl, &file_attr(&looked.attr), GENERATION)
        });
        match filled {
            Ok(()) => reply.ok(),
            Err(e) => reply.error(errno(&e)),
        }
    }

    fn fsyncdir(&self, _req: &Request, _ino: INodeNo, _fh: FileHandle, _datasync: bool, reply: ReplyEmpty) {
        reply.ok(); // names are in the catalog when a call returns
    }

    fn statfs(&self, _req: &Request, _ino: INodeNo, reply: ReplyStatfs) {
        let s = self.fs.statfs();
        let blocks = |bytes: u64| bytes / u64::from(convert::IO_SIZE);
        let (total, free) = (blocks(s.total), blocks(s.free));
        reply.statfs(
            total,
            free,
            free,
            u64::from(u32::MAX),
            u64::from(u32::MAX),
            convert::IO_SIZE,
            255,
            convert::IO_SIZE,
        );
    }

    fn setxattr(
        &self,
        _req: &Request,
        node: INodeNo,
        name: &OsStr,
        value: &[u8],
        _flags: i32,
        _pos: u32,
        reply: ReplyEmpty,
    ) {
        empty(reply, self.fs.setxattr(ino(node), &name.to_string_lossy(), value));
    }

    fn getxattr(&self, req: &Request, node: INodeNo, name: &OsStr, size: u32, reply: ReplyXattr) {
        let (fs, caller, name) = (Arc::clone(&self.fs), caller(req), name.to_string_lossy().into_owned());
        self.run_bounded(async move { fs.getxattr(caller, ino(node), &name).await }, move |value| {
            xattr(reply, size, value)
        });
    }

    fn listxattr(&self, _req: &Request, _ino: INodeNo, size: u32, reply: ReplyXattr) {
        xattr(reply, size, Ok(Vec::new())); // read by name, not listed: `cp -a` must not copy them
    }

    fn removexattr(&self, _req: &Request, _ino: INodeNo, _name: &OsStr, reply: ReplyEmpty) {
        reply.error(Errno::ENOTSUP);
    }

    fn access(&self, req: &Request, node: INodeNo, mask: AccessFlags, reply: ReplyEmpty) {
        let want = Want(u32::try_from(mask.bits()).unwrap_or(0) & 7);
        empty(reply, self.fs.access(caller(req), ino(node), want));
    }

    fn create(
        &self,
        req: &Request,
        parent: INodeNo,
        name: &OsStr,
        _mode: u32,
        _umask: u32,
        flags: i32,
        reply: ReplyCreate,
    ) {
        let (fs, caller, name) = (Arc::clone(&self.fs), caller(req), name.as_bytes().to_vec());
        let kernel = Arc::clone(&self.kernel);
        let call = async move { fs.create(caller, ino(parent), &name, flags).await };
        self.run_bounded(call, move |r| match r {
            Ok((l, o)) => {
                kernel.passthrough.created(l.attr.ino.0, &o);
                reply.created(
                    &l.name_ttl,
                    &file_attr(&l.attr),
                    GENERATION,
                    FileHandle(o.fh),
                    convert::open_flags(&o.content),
                );
            }
            Err(e) => reply.error(errno(&e)),
        });
    }

    fn fallocate(
        &self,
        _req: &Request,
        node: INodeNo,
        fh: FileHandle,
        offset: u64,
        length: u64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        let fs = Arc::clone(&self.fs);
        self.run(async move { empty(reply, fs.fallocate(ino(node), fh.0, offset, length, mode).await) });
    }

    // Programs ask every file whether it is a terminal; what fuser does by itself writes a warning each time.
    fn ioctl(
        &self,
        _req: &Request,
        _node: INodeNo,
        _fh: FileHandle,
        _flags: IoctlFlags,
        _command: u32,
        _in_data: &[u8],
        _out_size: u32,
        reply: ReplyIoctl,
    ) {
        reply.error(Errno::ENOTTY);
    }
}

impl Adapter {
    /// Hands the names behind `offset` to `add` until it says that the answer is full.
    fn list(
        &self,
        dir: crate::types::Ino,
        offset: u64,
        mut add: impl FnMut(INodeNo, u64, Option<&Looked>, &str) -> bool,
    ) -> FsResult<()> {
        let mut full = false;
        if offset == 0 {
            full = add(INodeNo(dir.0), 1, None, ".");
        }
        if offset <= 1 && !full {
            full = add(INodeNo(self.fs.parent_of(dir)?.0), FIRST_COOKIE, None, "..");
        }
        let mut cookie = offset.saturating_sub(FIRST_COOKIE);
        while !full {
            let names = self.fs.readdir(dir, cookie)?;
            let Some(last) = names.last().map(|n| n.cookie) else { break };
            for n in &names {
                let node = INodeNo(n.looked.attr.ino.0);
                full = add(node, n.cookie.saturating_add(FIRST_COOKIE), Some(&n.looked), &n.name);
                if full {
                    break;
                }
            }
            cookie = last;
        }
        Ok(())
    }
}
