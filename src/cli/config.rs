//! `cairnfs config`: the effective settings as TOML, secrets as `***`, or every mistake in them.

use std::io::Write as _;

use crate::config;

use super::args::{CommandStoreArgs, DirArgs};
use super::{Context, output};

#[derive(Debug, clap::Args)]
#[command(after_help = "What it prints can be used as a configuration file.")]
pub struct Args {
    #[command(flatten)]
    store: CommandStoreArgs,
    #[command(flatten)]
    dirs: DirArgs,
}

/// Runs the command. A store need not be named.
pub fn run(args: &Args, context: &Context) -> anyhow::Result<u8> {
    let overrides = args.dirs.apply(args.store.overrides());
    let settings = config::load(&overrides, &context.environment)?;
    let mut out = output::stdout();
    out.write_all(settings.describe().as_bytes())?;
    out.flush()?;
    Ok(0)
}
