//! `cairnfs mount`: mounts a store and serves it until it is asked to stop.

use std::path::PathBuf;

use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::config::{self, Settings, store_url};
use crate::control::DrainReport;
use crate::daemon::{self, MountArgs};
use crate::systemd::Notifier;

use super::args::{DirArgs, StoreArgs, warn};
use super::{Context, detach, exit, output, preflight, signals};

#[derive(Debug, clap::Args)]
#[command(allow_missing_positional = true)]
#[command(
    after_help = "SIGTERM and SIGINT publish what waits, unmount and end it. In the foreground unless \
                  --daemon is given."
)]
pub struct Args {
    /// The store: s3://bucket or file:///directory [env: S3_BUCKET_NAME]
    store: Option<String>,
    /// An empty directory
    mountpoint: PathBuf,
    /// Go to the background once the mount is up; the log then is cairnfs.log in the state directory
    #[arg(long)]
    daemon: bool,
    /// This is the process that was put in the background: the starter reads its standard output
    #[arg(long, hide = true, conflicts_with = "daemon")]
    detached: bool,
    #[command(flatten)]
    dirs: DirArgs,
    #[command(flatten)]
    reach: StoreArgs,
}

/// Runs the command.
pub fn run(args: Args, context: &Context) -> anyhow::Result<u8> {
    let daemon = args.daemon;
    if args.detached {
        detach::leave_terminal()?;
        let result = serve(args, context);
        if let Err(error) = &result {
            detach::tell_failure(error);
        }
        return result;
    }
    if daemon {
        // mistakes are told here, before anything is started
        let settings = settings(&args, context)?;
        warn(&settings);
        preflight::Host::look(context).can_mount()?;
        preflight::mountpoint(&args.mountpoint, &settings)?;
        return detach::start(&settings.dirs.state);
    }
    serve(args, context)
}

fn settings(args: &Args, context: &Context) -> anyhow::Result<Settings> {
    let store = args.store.clone().map(|store| (store, "STORE"));
    let settings = config::load(&args.dirs.apply(args.reach.overrides(store)), &context.environment)?;
    settings.target()?;
    Ok(settings)
}

fn serve(args: Args, context: &Context) -> anyhow::Result<u8> {
    let settings = settings(&args, context)?;
    preflight::Host::look(context).can_mount()?;
    let mountpoint = preflight::mountpoint(&args.mountpoint, &settings)?;
    if args.detached {
        // every path is absolute by now; the directory we were started in must not be kept busy
        std::env::set_current_dir("/")?;
    }
    let runtime = daemon::runtime()?;
    let store = store_url(settings.target()?);
    let report = runtime.block_on(async {
        let (ready, is_ready) = oneshot::channel::<PathBuf>();
        let stop = CancellationToken::new();
        let stopper = stop.clone();
        tokio::spawn(async move {
            signals::asked_to_stop().await;
            stopper.cancel();
        });
        let detached = args.detached;
        tokio::spawn(async move {
            if let Ok(mountpoint) = is_ready.await
                && detached
            {
                detach::tell_ready(&mountpoint);
            }
        });
        let notifier = Notifier::new(context.environment.notify_socket());
        daemon::run_mount(MountArgs { mountpoint, ready, stop, notifier }, settings).await
    });
    // whatever still runs has been given its time by the drain
    runtime.shutdown_background();
    Ok(tell_left(&store, report?))
}

/// Says what is left for the next mount of `store`, and returns the exit code that counts it.
pub fn tell_left(store: &str, report: DrainReport) -> u8 {
    if report.left() > 0 {
        let (drafts, deletes) = (report.drafts_left, report.deletes_left);
        output::tell(&format!(
            "{store}: unmounted, but {drafts} files are not published and {deletes} deletes not carried out yet; they \
             are kept on this host and done at the next mount of this store"
        ));
    }
    exit::left_over(report.left())
}
