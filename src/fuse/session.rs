//! Mounting, serving, unmounting.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use fuser::{Config, MountOption, Session, SessionACL};
use parking_lot::Mutex;
use rustix::mount::UnmountFlags;
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::abort::start_aborter;
use super::adapter::{Adapter, Kernel};
use super::cached_dirs::CachedDirs;
use super::features::Feature;
use super::invalidate::Invalidator;
use super::passthrough::Passthrough;
use crate::fs::Filesystem;

/// Where the kernel's side is opened.
const DEVICE: &str = "/dev/fuse";

/// Threads that take requests from the kernel. Calls that wait leave them at once.
const THREADS: usize = 4;

/// How far the kernel reads ahead, in KiB, which is also its largest request. It offers 128: four requests for one of these.
/// It reads as much around each page fault in a mapping, too, and of an object that is not here all of that is fetched.
const READ_AHEAD_KIB: u32 = 512;

/// How a mount is made.
#[derive(Debug, Clone)]
pub struct MountOptions {
    /// What `/proc/mounts` shows as the source.
    pub source: String,
    /// Other users may use the mount.
    pub allow_other: bool,
    /// Nothing may be written.
    pub read_only: bool,
    /// How long a call may take that waits for the store.
    pub deadline: Duration,
    /// How long names count as fresh.
    pub list_ttl: Duration,
    /// Where the cache keeps its files.
    pub cache_dir: PathBuf,
}

/// Why a mount could not be made. `Display` says what to do.
#[derive(Debug, thiserror::Error)]
pub enum MountError {
    /// There is no `/dev/fuse`.
    #[error(
        "/dev/fuse is missing: load the module ('modprobe fuse') or give the container the device (--device /dev/fuse)"
    )]
    NoDevice,
    /// `fusermount3` is needed and missing.
    #[error("fusermount3 is missing: install it ('apt-get install fuse3') or mount as root")]
    NoHelper,
    /// The mountpoint cannot be used.
    #[error("{path}: {message}")]
    Mountpoint {
        /// The mountpoint.
        path: PathBuf,
        /// What is wrong, and what to do.
        message: String,
    },
    /// The kernel or the helper refused.
    #[error("cannot mount on {path}: {source}")]
    Refused {
        /// The mountpoint.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
}

/// A mount that is being served.
pub struct Mounted {
    mountpoint: PathBuf,
    device: String,
    invalidator: Arc<Invalidator>,
    kernel: Arc<Kernel>,
    /// Why the kernel reads ahead as far as it likes.
    read_ahead: Result<(), String>,
    ended: watch::Receiver<bool>,
}

/// Mounts `fs` on `mountpoint` and serves it.
///
/// # Errors
/// [`MountError`].
pub fn mount(
    fs: &Arc<Filesystem>,
    invalidator: &Arc<Invalidator>,
    mountpoint: &Path,
    options: &MountOptions,
    runtime: &Handle,
) -> Result<Mounted, MountError> {
    if !Path::new(DEVICE).exists() {
        return Err(MountError::NoDevice);
    }
    let mountpoint = usable(mountpoint)?;
    let (end, ended) = watch::channel(false);
    let kernel = Arc::new(Kernel {
        passthrough: Passthrough::default(),
        dirs: CachedDirs::new(options.list_ttl),
        cache_dir: options.cache_dir.clone(),
        negotiated: Mutex::new(Vec::new()),
    });
    let adapter = Adapter::new(Arc::clone(fs), runtime.clone(), options.deadline, Arc::clone(&kernel), end);
    let mut config = Config::default();
    // A comma would be read as the next option.
    config.mount_options =
        vec![MountOption::FSName(options.source.replace(',', "_")), MountOption::Subtype("cairnfs".into())];
    if options.read_only {
        config.mount_options.push(MountOption::RO);
    }
    config.acl = if options.allow_other { SessionACL::All } else { SessionACL::Owner };
    config.n_threads = Some(THREADS);
    // Each has requests of its own in the kernel then, and none waits for another's lock. It is opened once more for that,
    // which the helper may do for those who may not themselves.
    config.clone_fd = File::options().read(true).write(true).open(DEVICE).is_ok();
    let refused = |source| MountError::Refused { path: mountpoint.clone(), source };
    let session = Session::new(adapter, &mountpoint, &config).map_err(|source| match source.kind() {
        // Only who is not root needs the helper, and only it can be missing now: the mountpoint has been looked at.
        io::ErrorKind::NotFound if !rustix::process::geteuid().is_root() => MountError::NoHelper,
        _ => refused(source),
    })?;
    kernel.passthrough.probe(&session, &options.cache_dir);
    let background = session.spawn().map_err(refused)?;
    invalidator.start(background.notifier()).map_err(refused)?;
    kernel.passthrough.start_page_in(Arc::clone(invalidator)).map_err(refused)?;
    let device = device_of(&mountpoint).unwrap_or_default();
    let read_ahead = widen_read_ahead(&device).map_err(|e| match e.kind() {
        io::ErrorKind::PermissionDenied => "needs root".to_owned(),
        _ => e.to_string(),
    });
    invalidator.announcer.start(&mountpoint, &device).map_err(refused)?;
    if let Err(e) = start_aborter(&device) {
        tracing::info!("a daemon that is killed may leave a mount that hangs ('umount -f' ends it): {e}");
    }
    fs.mounted_as(device.clone());
    // Dropped, it would unmount whatever is on that path then, which may be another mount by now. The end of the
    // session is told by the adapter; unmounting is done here, by name and device.
    std::mem::forget(background);
    Ok(Mounted { mountpoint, device, invalidator: Arc::clone(invalidator), kernel, read_ahead, ended })
}

impl Mounted {
    /// Returns the mountpoint without symbolic links.
    pub fn mountpoint(&self) -> &Path {
        &self.mountpoint
    }

    /// Returns what the kernel does to spare requests, and what it does not.
    pub fn features(&self) -> Vec<Feature> {
        let passthrough = match self.kernel.passthrough.off() {
            None => Feature::on("passthrough", ""),
            Some(why) => Feature::off("passthrough", why),
        };
        let mut features = vec![
            passthrough,
            Feature::on("page cache", ""),
            Feature::on("cached directories", ""),
            Feature::on("threads", THREADS.to_string()),
        ];
        features.push(match &self.read_ahead {
            Ok(()) => Feature::on("read-ahead", format!("{READ_AHEAD_KIB} KiB")),
            Err(why) => Feature::off("read-ahead", format!("the kernel's 128 KiB stay: {why}")),
        });
        features.extend(self.kernel.negotiated.lock().iter().cloned());
        features
    }

    /// Waits until the mount is gone, whoever unmounted it.
    pub async fn ended(&self) {
        let mut ended = self.ended.clone();
        // An error means that the sender is gone, which is an end as well.
        let _ = ended.wait_for(|e| *e).await;
    }

    /// Unmounts. With `lazy` the name vanishes at once, also while files are open.
    ///
    /// # Errors
    /// `ResourceBusy` where files are open and `lazy` is not wanted.
    pub fn unmount(&self, lazy: bool) -> io::Result<()> {
        if *self.ended.borrow() || device_of(&self.mountpoint).as_deref() != Some(self.device.as_str()) {
            return Ok(()); // somebody has unmounted it already
        }
        if lazy {
            self.invalidator.disarm();
        }
        let _nobody_looks = self.invalidator.announcer.stand_still();
        let flags = if lazy { UnmountFlags::DETACH } else { UnmountFlags::empty() };
        match rustix::mount::unmount(&self.mountpoint, flags) {
            Err(rustix::io::Errno::PERM) => unmount_by_helper(&self.mountpoint, lazy),
            other => Ok(other?),
        }
    }
}

/// Unmounts what a daemon that died left on `mountpoint`: every access to it answers ENOTCONN.
///
/// # Errors
/// What the kernel or the helper says.
pub fn clear_dead_mount(mountpoint: &Path) -> io::Result<()> {
    let dead =
        matches!(std::fs::symlink_metadata(mountpoint), Err(e) if e.raw_os_error() == Some(libc::ENOTCONN));
    if !dead {
        return Ok(());
    }
    tracing::warn!("{}: a mount whose daemon is gone is cleared away", mountpoint.display());
    match rustix::mount::unmount(mountpoint, UnmountFlags::DETACH) {
        Err(rustix::io::Errno::PERM) => unmount_by_helper(mountpoint, true),
        other => Ok(other?),
    }
}

/// Sets how far the kernel reads ahead on the mount. The protocol can only lower it (`max_readahead` of FUSE_INIT).
fn widen_read_ahead(device: &str) -> io::Result<()> {
    std::fs::write(format!("/sys/class/bdi/{device}/read_ahead_kb"), READ_AHEAD_KIB.to_string())
}

fn unmount_by_helper(mountpoint: &Path, lazy: bool) -> io::Result<()> {
    let mut helper = std::process::Command::new("fusermount3");
    helper.arg("-u").args(lazy.then_some("-z")).arg("--").arg(mountpoint);
    let out = helper.output()?;
    if out.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&out.stderr).trim().to_owned();
    let kind = if said.contains("busy") { io::ErrorKind::ResourceBusy } else { io::ErrorKind::Other };
    Err(io::Error::new(kind, said))
}

fn usable(mountpoint: &Path) -> Result<PathBuf, MountError> {
    let wrong = |message: String| MountError::Mountpoint { path: mountpoint.to_owned(), message };
    let canonical = mountpoint.canonicalize().map_err(|e| match e.kind() {
        io::ErrorKind::NotFound => wrong("the mountpoint does not exist: make the directory first".into()),
        _ => wrong(e.to_string()),
    })?;
    let meta = canonical.metadata().map_err(|e| wrong(e.to_string()))?;
    if !meta.is_dir() {
        return Err(wrong("the mountpoint is not a directory".into()));
    }
    let mut entries = std::fs::read_dir(&canonical).map_err(|e| wrong(e.to_string()))?;
    if entries.next().is_some() {
        return Err(wrong(
            "the mountpoint is not empty: its files would be hidden; give an empty directory".into(),
        ));
    }
    Ok(canonical)
}

/// Returns `major:minor` of the topmost mount on `mountpoint`, from mountinfo (proc(5)): nothing is asked of the mount.
fn device_of(mountpoint: &Path) -> Option<String> {
    let info = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
    let wanted = mountpoint.to_str()?;
    info.lines().rev().find_map(|line| {
        let mut fields = line.split(' ');
        let device = fields.nth(2)?;
        (unescape(fields.nth(1)?) == wanted).then(|| device.to_owned())
    })
}

/// mountinfo writes space, tab, newline and backslash as three octal digits.
fn unescape(field: &str) -> String {
    ["\\040", "\\011", "\\012", "\\134"]
        .iter()
        .zip([" ", "\t", "\n", "\\"])
        .fold(field.to_owned(), |s, (from, to)| s.replace(from, to))
}
