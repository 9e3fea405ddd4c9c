//! `cairnfs umount`: lets a mount publish what waits, then takes it away.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use rustix::mount::{UnmountFlags, unmount};

use crate::control::client::{Client, ClientError};
use crate::control::place;

use super::{Context, mount, output};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "The kernel's own umount cannot wait for what is not published yet. What does not get done \
                  within `drain` stays on this host and is published at the next mount; the exit code is \
                  then 20 plus its number."
)]
pub struct Args {
    /// Where it is mounted
    mountpoint: PathBuf,
}

/// Runs the command.
pub fn run(args: &Args, context: &Context) -> anyhow::Result<u8> {
    let mount = place::find_mount(&args.mountpoint)?;
    let mount_source = mount.source.clone();
    let runtime_dir = context.environment.runtime_directory();
    let client = match Client::connect(&mount, &runtime_dir) {
        Ok(client) => client,
        Err(ClientError::NoDaemon(path)) => {
            detach_dead(&path, context)?;
            output::tell(&format!(
                "{}: its cairnfs was gone; unmounted, and what was not published is published at the next mount",
                path.display()
            ));
            return Ok(0);
        }
        Err(error) => return Err(error.into()),
    };
    let bar = output::count_bar("left to publish:", None);
    let result = client.drain_and_unmount(|progress| {
        bar.set_position(u64::try_from(progress.left).unwrap_or(u64::MAX));
        bar.set_message(progress.doing.clone());
    });
    bar.finish_and_clear();
    let report = result?;
    anyhow::ensure!(
        !place::is_mounted(&mount.mountpoint),
        "{}: is still mounted; something uses it, see 'fuser -vm {}'",
        mount.mountpoint.display(),
        mount.mountpoint.display()
    );
    Ok(mount::tell_left(&mount_source, report))
}

/// Takes away a mount that nobody serves.
fn detach_dead(mountpoint: &Path, context: &Context) -> anyhow::Result<()> {
    let shown = mountpoint.display();
    let by_ourselves = unmount(mountpoint, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW);
    let Err(error) = by_ourselves else { return Ok(()) };
    let helper = context.environment.find_program("fusermount3");
    let helper = helper
        .with_context(|| format!("{shown}: cannot be unmounted: {error}; install fuse3, or be root"))?;
    let done = Command::new(helper).args(["-u", "-z", "--"]).arg(mountpoint).output()?;
    let message = String::from_utf8_lossy(&done.stderr);
    anyhow::ensure!(done.status.success(), "{shown}: cannot be unmounted: {}", message.trim());
    Ok(())
}
