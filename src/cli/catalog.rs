//! `cairnfs catalog`: work on the catalog of a store while it is not mounted.

use std::io::Write as _;

use crate::config;
use crate::daemon::{self, RebuildProgress};

use super::args::{CommandStoreArgs, DirArgs, warn};
use super::{Context, output};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Make the catalog anew from the bucket
    Rebuild(RebuildArgs),
}

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Drafts that are not published yet are kept. Refused while the store is mounted with this \
                  state directory."
)]
struct RebuildArgs {
    #[command(flatten)]
    store: CommandStoreArgs,
    #[command(flatten)]
    dirs: DirArgs,
}

/// Runs the command.
pub fn run(args: &Args, context: &Context) -> anyhow::Result<u8> {
    let Action::Rebuild(args) = &args.action;
    let overrides = args.dirs.apply(args.store.overrides());
    let settings = config::load(&overrides, &context.environment)?;
    settings.target()?;
    warn(&settings);
    super::block_on(async {
        let bar = output::count_bar("objects", None);
        let report = daemon::rebuild_catalog(&settings, &|progress: RebuildProgress| {
            if let Some(total) = progress.total {
                bar.set_length(total);
            }
            bar.set_position(progress.objects);
        })
        .await;
        bar.finish_and_clear();
        let report = report?;
        writeln!(
            std::io::stdout(),
            "{}: {} objects, {} drafts kept",
            settings.dirs.state.display(),
            report.objects,
            report.drafts
        )?;
        Ok(0)
    })
}
