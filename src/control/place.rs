//! Where the control socket of a mount is, found from the mount point alone.
//!
//! The socket is `<runtime directory>/<hash of the mount point>.sock`. It does not lie in the state directory: a unix
//! socket's path may have 107 bytes only (unix(7)), and a client knows no state directory.
//!
//! Mount points are taken from `/proc/self/mountinfo`, never by asking the mount itself: one whose daemon is dead
//! answers `ENOTCONN`, one whose daemon hangs does not answer at all.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

/// How the type of our mounts begins in `/proc/self/mountinfo`: `fuse.cairnfs` where the mount helper made them, plain
/// `fuse` where root mounted directly.
const FS_TYPE: &str = "fuse";

/// How their source begins; the store follows.
pub const SOURCE_PREFIX: &str = "cairnfs:";

/// One of our mounts, as the kernel knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountEntry {
    /// Where it is mounted, canonical.
    pub mountpoint: PathBuf,
    /// The source it was mounted with: the store.
    pub source: String,
    /// The user who mounted it.
    pub uid: u32,
}

/// Why the mount or its directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// There is no mount of ours there.
    #[error("'{}': no cairnfs is mounted there; 'cairnfs mount STORE {}' mounts one", .0.display(), .0.display())]
    NotMounted(PathBuf),
    /// The runtime directory belongs to somebody else, so a socket in it proves nothing.
    #[error("runtime directory '{}': belongs to user {owner}; remove it or set XDG_RUNTIME_DIR", .path.display())]
    ForeignDirectory {
        /// The directory.
        path: PathBuf,
        /// Who owns it.
        owner: u32,
    },
    /// The system refused.
    #[error("{what} '{}': {source}", .path.display())]
    Io {
        /// What was being done.
        what: &'static str,
        /// With what.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
}

/// Finds the mount that `asked` names: a path as the user typed it.
///
/// # Errors
/// [`PlaceError::NotMounted`]; [`PlaceError::Io`] where mountinfo cannot be read.
pub fn find_mount(asked: &Path) -> Result<MountEntry, PlaceError> {
    let path = Path::new("/proc/self/mountinfo");
    let table = std::fs::read(path).map_err(|source| PlaceError::Io {
        what: "reading",
        path: path.into(),
        source,
    })?;
    let mounts = our_mounts(&table);
    // the last line with a mount point is the mount on top
    let at = |wanted: PathBuf| mounts.iter().rev().find(|m| m.mountpoint == wanted).cloned();
    let plain = std::path::absolute(asked).ok();
    // as typed; then with the links on the way resolved; then as a link to a mount point
    plain
        .clone()
        .and_then(at)
        .or_else(|| at(resolve(plain.as_deref()?)?))
        .or_else(|| {
            let asked = plain.as_deref()?;
            let target = std::fs::read_link(asked).ok()?;
            at(resolve(&asked.parent()?.join(target))?)
        })
        .ok_or_else(|| PlaceError::NotMounted(asked.to_owned()))
}

/// Finds the mount that holds `asked`, a path as the user typed it, and the path from the root of that mount.
///
/// # Errors
/// [`PlaceError::NotMounted`]; [`PlaceError::Io`] where mountinfo cannot be read, or `asked` not be looked up.
pub fn find_mount_of(asked: &Path) -> Result<(MountEntry, PathBuf), PlaceError> {
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| PlaceError::Io { what: "looking up", path, source }
    };
    let table = Path::new("/proc/self/mountinfo");
    let mounts = our_mounts(&std::fs::read(table).map_err(io(table))?);
    // links are resolved: what is looked for is in the mount where the path ends
    let path = asked.canonicalize().map_err(io(asked))?;
    let inside = mounts.into_iter().filter(|m| path.starts_with(&m.mountpoint));
    let mount = inside.max_by_key(|m| m.mountpoint.as_os_str().len());
    let mount = mount.ok_or_else(|| PlaceError::NotMounted(asked.to_owned()))?;
    let below = path.strip_prefix(&mount.mountpoint).unwrap_or(Path::new("")).to_owned();
    Ok((mount, below))
}

/// Resolves links without touching the last component, which may be a dead mount.
fn resolve(path: &Path) -> Option<PathBuf> {
    match path.file_name() {
        Some(name) => Some(path.parent()?.canonicalize().ok()?.join(name)),
        None => path.canonicalize().ok(),
    }
}

/// Returns whether one of our mounts is at exactly this canonical path.
pub fn is_mounted(mountpoint: &Path) -> bool {
    std::fs::read("/proc/self/mountinfo")
        .is_ok_and(|table| our_mounts(&table).iter().any(|m| m.mountpoint == mountpoint))
}

/// Reads the lines of `/proc/self/mountinfo` (proc(5)) that are mounts of ours, in the order of the table.
pub fn our_mounts(table: &[u8]) -> Vec<MountEntry> {
    table.split(|b| *b == b'\n').filter_map(mount_of_line).collect()
}

/// `36 35 98:0 /root /mount/point options optional… - type source super-options`
fn mount_of_line(line: &[u8]) -> Option<MountEntry> {
    let mut fields = line.split(|b| *b == b' ');
    let mountpoint = unescape(fields.nth(4)?);
    let mut tail = fields.skip_while(|f| *f != b"-").skip(1);
    if !tail.next()?.starts_with(FS_TYPE.as_bytes()) {
        return None;
    }
    let source = String::from_utf8_lossy(&unescape(tail.next()?)).into_owned();
    let source = source.strip_prefix(SOURCE_PREFIX)?.to_owned();
    let options = std::str::from_utf8(tail.next()?).ok()?;
    let uid = options.split(',').find_map(|o| o.strip_prefix("user_id="))?.parse().ok()?;
    Some(MountEntry { mountpoint: PathBuf::from(OsString::from_vec(mountpoint)), source, uid })
}

/// The kernel writes space, tab, line break and backslash as `\` and three octal digits.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field;
    loop {
        match rest {
            [] => return out,
            [b'\\', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', tail @ ..] => {
                out.push(((a - b'0') << 6) | ((b - b'0') << 3) | (c - b'0'));
                rest = tail;
            }
            [byte, tail @ ..] => {
                out.push(*byte);
                rest = tail;
            }
        }
    }
}

/// Returns the name of the socket for a canonical mount point: 16 hex digits are plenty for one host.
pub fn socket_name(mountpoint: &Path) -> String {
    let digest = Sha256::digest(mountpoint.as_os_str().as_bytes());
    let mut name = hex::encode(digest);
    name.truncate(16);
    name + ".sock"
}

/// Makes the directory for sockets, closed to others, and checks that it is ours. A directory that systemd made with
/// wider rights is taken as it is: the socket itself is closed, too.
///
/// # Errors
/// [`PlaceError::ForeignDirectory`], [`PlaceError::Io`].
pub fn prepare_directory(dir: &Path) -> Result<(), PlaceError> {
    let io = |what| move |source| PlaceError::Io { what, path: dir.to_owned(), source };
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(io("making directory"))?;
    let owner = std::fs::symlink_metadata(dir).map_err(io("looking at"))?.uid();
    let me = rustix::process::geteuid().as_raw();
    if owner == me || owner == 0 {
        Ok(())
    } else {
        Err(PlaceError::ForeignDirectory { path: dir.to_owned(), owner })
    }
}

/// Returns where the socket of a mount may be, likeliest first. `own` is the runtime directory that this process
/// would use itself; root also looks where the user of the mount would have put it.
pub fn socket_candidates(mount: &MountEntry, own: &Path) -> Vec<PathBuf> {
    let name = socket_name(&mount.mountpoint);
    let mut dirs = vec![own.to_owned(), PathBuf::from("/run/cairnfs")];
    dirs.push(PathBuf::from(format!("/run/user/{}/cairnfs", mount.uid)));
    dirs.push(fallback_directory(mount.uid));
    dirs.dedup();
    dirs.into_iter().map(|dir| dir.join(&name)).collect()
}

/// Returns the runtime directory of a user without `$XDG_RUNTIME_DIR` (cron, `su`, containers).
pub fn fallback_directory(uid: u32) -> PathBuf {
    PathBuf::from(format!("/tmp/cairnfs-{uid}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[u8] = b"22 1 0:21 / /proc rw - proc proc rw\n\
        90 25 0:55 / /mnt/my\\040bucket rw,nosuid shared:1 master:2 - fuse.cairnfs cairnfs:s3://b rw,user_id=1000,group_id=1000\n\
        91 25 0:56 / /mnt/other rw - fuse.rclone r: rw,user_id=0,group_id=0\n\
        92 25 0:57 / /srv/d rw - fuse cairnfs:file:///x\\134y rw,user_id=0,group_id=0,allow_other\n\
        garbage\n";

    #[test]
    fn mountinfo_with_escapes_and_strangers_gives_our_mounts() {
        let mounts = our_mounts(TABLE);
        assert_eq!(
            mounts,
            [
                MountEntry { mountpoint: "/mnt/my bucket".into(), source: "s3://b".into(), uid: 1000 },
                MountEntry { mountpoint: "/srv/d".into(), source: "file:///x\\y".into(), uid: 0 },
            ]
        );
    }

    #[test]
    fn unmounted_path_is_named_in_the_error() {
        let dir = tempfile::tempdir().unwrap();
        let error = find_mount(dir.path()).unwrap_err().to_string();
        assert!(error.contains(&dir.path().display().to_string()), "{error}");
        assert!(!error.contains('\n'));
    }

    #[test]
    fn socket_path_fits_into_a_socket_address_whatever_the_mount_point() {
        let deep = PathBuf::from("/".to_owned() + &"directory/".repeat(300));
        let mount = MountEntry { mountpoint: deep, source: String::new(), uid: u32::MAX };
        for path in socket_candidates(&mount, Path::new("/run/user/4294967295/cairnfs")) {
            assert!(path.as_os_str().len() < 108, "{}", path.display());
        }
    }

    #[test]
    fn runtime_directory_is_made_closed_to_others() {
        let dir = tempfile::tempdir().unwrap();
        let made = dir.path().join("a/b");
        prepare_directory(&made).unwrap();
        assert_eq!(std::fs::metadata(&made).unwrap().mode() & 0o777, 0o700);
        prepare_directory(&made).unwrap();
    }
}
