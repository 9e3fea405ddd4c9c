//! What must be there before anything can be mounted, each lack with what to do about it.

use std::fs;
use std::path::{Path, PathBuf};

use crate::config::{Settings, StoreTarget};
use crate::control::client::{Client, ClientError};
use crate::control::place;

use super::Context;

/// The kernel's side of FUSE.
const DEVICE: &str = "/dev/fuse";

/// What this host has for mounting.
#[derive(Debug)]
pub struct Host {
    /// `/dev/fuse` exists.
    pub device: bool,
    /// Where `fusermount3` is.
    pub helper: Option<PathBuf>,
    /// The process may mount by itself.
    pub root: bool,
}

impl Host {
    /// Looks at this host.
    pub fn look(context: &Context) -> Self {
        Self {
            device: Path::new(DEVICE).exists(),
            helper: context.environment.find_program("fusermount3"),
            root: rustix::process::geteuid().is_root(),
        }
    }

    /// # Errors
    /// What is missing and how to get it, in one line.
    pub fn can_mount(&self) -> anyhow::Result<()> {
        anyhow::ensure!(
            self.device,
            "{DEVICE}: is missing; run 'modprobe fuse', or start the container with '--device /dev/fuse \
             --cap-add SYS_ADMIN'"
        );
        // root mounts with mount(2); everybody else needs the helper that is root for a moment
        anyhow::ensure!(
            self.root || self.helper.is_some(),
            "fusermount3: is not installed; run 'apt install fuse3' (Debian, Ubuntu) or 'dnf install fuse3' (Fedora)"
        );
        Ok(())
    }
}

/// Returns the canonical mount point.
///
/// # Errors
/// When it is no directory, something of ours is served there, or what the mount needs would lie inside of it. A mount
/// that nobody serves any more is passed: the daemon clears it away before it mounts.
pub fn mountpoint(asked: &Path, settings: &Settings) -> anyhow::Result<PathBuf> {
    let shown = asked.display();
    // first of all: looking at a mount whose daemon is gone would fail, at one whose daemon hangs never end
    if let Ok(mount) = place::find_mount(asked) {
        let where_ = mount.mountpoint.display();
        return match Client::connect(&mount, &settings.dirs.runtime) {
            Err(ClientError::NoDaemon(_)) => Ok(mount.mountpoint),
            _ => Err(anyhow::anyhow!(
                "{where_}: {} is mounted there already; 'cairnfs umount {where_}' unmounts it",
                mount.source
            )),
        };
    }
    let path = match fs::canonicalize(asked) {
        Ok(path) => path,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            anyhow::bail!("{shown}: the mount point does not exist; run 'mkdir -p {shown}'")
        }
        Err(e) => anyhow::bail!("{shown}: the mount point cannot be used: {e}"),
    };
    let entries = fs::read_dir(&path);
    let mut entries = entries.map_err(|e| anyhow::anyhow!("{shown}: the mount point cannot be used: {e}"))?;
    if entries.next().is_some() {
        tracing::warn!("{shown}: is not empty; what is in it is hidden while the store is mounted");
    }
    let mut needed =
        vec![("state directory", &settings.dirs.state), ("cache directory", &settings.dirs.cache)];
    if let Some(StoreTarget::Dir(dir)) = &settings.store {
        needed.push(("store", dir));
    }
    for (what, dir) in needed {
        let inside = fs::canonicalize(dir).unwrap_or_else(|_| dir.clone()).starts_with(&path);
        anyhow::ensure!(!inside, "{}: the {what} must not lie in the mount point {shown}", dir.display());
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(host: &Host) -> String {
        host.can_mount().unwrap_err().to_string()
    }

    #[test]
    fn missing_device_names_the_module_and_the_container_option() {
        let text = message(&Host { device: false, helper: None, root: true });
        assert!(text.contains("modprobe fuse") && text.contains("--device /dev/fuse"), "{text}");
        assert!(!text.contains('\n'));
    }

    #[test]
    fn missing_helper_names_the_package_unless_root_mounts() {
        let text = message(&Host { device: true, helper: None, root: false });
        assert!(text.contains("apt install fuse3"), "{text}");
        assert!(Host { device: true, helper: None, root: true }.can_mount().is_ok());
        assert!(
            Host { device: true, helper: Some("/bin/fusermount3".into()), root: false }.can_mount().is_ok()
        );
    }
}
