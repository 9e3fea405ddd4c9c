//! Ending the connection of a daemon that was killed and cannot end.
//!
//! A thread that tells the kernel of a changed name waits, in the kernel, for the lock of its directory. Who looks something
//! up there holds that lock, and waits for an answer of this daemon. Killed between the two, the daemon does not end: its
//! thread has `/dev/fuse` open for as long as it waits, so the kernel does not end the connection, so the look-up never ends,
//! so the thread waits. Only an abort from outside ends it (`filesystems/fuse.rst` of the kernel, "Aborting a filesystem
//! connection"). So the daemon has a child that waits for its death, and aborts.
//!
//! The child has the connection's `abort` file as its standard output, and nothing else of the daemon: opened while the
//! mount stands, that file is of this connection for ever, whoever gets its number afterwards.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsmount, fsopen};
use rustix::process::{Signal, set_parent_process_death_signal};
use tokio::signal::unix::{SignalKind, signal};

/// The subcommand that is the child: it takes the number of the daemon's process.
pub const ABORT_SUBCOMMAND: &str = "abort-when-gone";

/// Where the kernel shows its connections, if anybody has mounted that.
const CONNECTIONS: &str = "/sys/fs/fuse/connections";

/// The signal comes a little before the thread that it tells of counts as dead.
const MOMENT: Duration = Duration::from_millis(50);

/// Starts the child for the mount with the number `device` (`major:minor`). It ends with the daemon, however that ends.
///
/// # Errors
/// The connection's `abort` cannot be opened (only by who mounted it, and where nobody has mounted fusectl only by root), or no
/// process started.
pub(super) fn start_aborter(device: &str) -> io::Result<()> {
    let abort = open_abort(device)?;
    Command::new("/proc/self/exe")
        .arg0("cairnfs")
        .arg(ABORT_SUBCOMMAND)
        .arg(std::process::id().to_string())
        // no secrets, no directory kept busy, no Ctrl-C of the daemon's terminal
        .env_clear()
        .current_dir("/")
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(abort)
        .stderr(Stdio::null())
        .spawn()
        .map(drop)
}

fn open_abort(device: &str) -> io::Result<File> {
    let number = device.rsplit(':').next().filter(|n| n.parse::<u32>().is_ok());
    let number = number.ok_or(io::ErrorKind::NotFound)?;
    match File::options().write(true).open(format!("{CONNECTIONS}/{number}/abort")) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            let connections = unmounted_connections()?;
            let flags = OFlags::WRONLY | OFlags::CLOEXEC;
            let abort = rustix::fs::openat(connections, format!("{number}/abort"), flags, Mode::empty())?;
            Ok(abort.into())
        }
        other => other,
    }
}

/// Returns the directory that [`CONNECTIONS`] would be, of a mount that has no place.
fn unmounted_connections() -> io::Result<rustix::fd::OwnedFd> {
    let fusectl = fsopen("fusectl", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_create(&fusectl)?;
    Ok(fsmount(&fusectl, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())?)
}

/// The child: waits for the death of the process `daemon`, its parent, and aborts the connection whose `abort` file its
/// standard output is. That of a daemon which could end has been aborted by then, or is gone; both take no notice.
///
/// # Errors
/// What the system says.
pub fn abort_when_gone(daemon: u32) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut death = signal(SignalKind::user_defined1())?;
        // These are for the daemon, which may take its time over them.
        let _outlived = [
            signal(SignalKind::terminate())?,
            signal(SignalKind::interrupt())?,
            signal(SignalKind::hangup())?,
        ];
        // Sent when the thread dies that started this process, and when another one does that has become its parent
        // (prctl(2)): also where a third cannot die.
        set_parent_process_death_signal(Some(Signal::USR1))?;
        while !is_dead(daemon) {
            death.recv().await;
            if !is_dead(daemon) {
                tokio::time::sleep(MOMENT).await;
            }
        }
        io::Result::Ok(())
    })?;
    io::stdout().write_all(b"1\n")
}

/// Returns whether the main thread of `process`, of which this is a child, is dead: nothing but a kill ends it while others
/// of its threads live.
fn is_dead(process: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let state = status.lines().find_map(|line| line.strip_prefix("State:")).map(str::trim_start);
    state.is_none_or(|state| state.starts_with(['Z', 'X']))
}
