//! `cairnfs abort-when-gone`: the child of a mount's daemon that ends the connection when the daemon was killed. Nobody else
//! calls it.

use crate::fuse;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The process whose death is waited for, which must be the parent
    daemon: u32,
}

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<u8> {
    fuse::abort_when_gone(args.daemon)?;
    Ok(0)
}
