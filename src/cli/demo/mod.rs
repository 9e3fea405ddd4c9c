//! `cairnfs demo`: the whole thing in one command, on a directory as the store: real documents go in through a real
//! mount, and what comes of them is shown.
//!
//! The output is lines: `$` before what is run, `#` before what is explained.

mod show;

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Context as _;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::config::{self, Environment, Overrides, Settings};
use crate::control::DrainReport;
use crate::daemon::{self, MountArgs};
use crate::systemd::Notifier;

use super::{Context, mount, output, preflight, signals};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Everything happens in a temporary directory, which is removed at the end. Ctrl-C ends it."
)]
pub struct Args {}

/// A document that the demo brings along: its name on the host, where it goes, its bytes.
type Document = (&'static str, &'static str, &'static [u8]);

/// One of each kind that people store.
const DOCUMENTS: [Document; 4] = [
    ("overview.pdf", "documents", include_bytes!("documents/overview.pdf")),
    ("statement.docx", "rfp_info_documents/2026-014", include_bytes!("documents/statement.docx")),
    ("questions.xlsx", "rfp_question_documents/2026-014", include_bytes!("documents/questions.xlsx")),
    ("logo.png", "orgs/logos", include_bytes!("documents/logo.png")),
];

/// Runs the command.
pub fn run(_args: &Args, context: &Context) -> anyhow::Result<u8> {
    preflight::Host::look(context).can_mount()?;
    let stage = Stage::set(&context.environment)?;
    let runtime = daemon::runtime()?;
    let report = runtime.block_on(perform(&stage));
    runtime.shutdown_background();
    let code = mount::tell_left("demo", report?);
    let home = stage.home;
    let shown = home.path().display().to_string();
    home.close().with_context(|| format!("removing {shown}"))?;
    say(&format!("# unmounted; {shown} is removed"))?;
    Ok(code)
}

/// The temporary directory and what lies in it.
struct Stage {
    home: tempfile::TempDir,
    mountpoint: PathBuf,
    settings: Settings,
}

impl Stage {
    /// Makes the directories and lays the documents out.
    fn set(environment: &Environment) -> anyhow::Result<Self> {
        let home =
            tempfile::Builder::new().prefix("cairnfs-demo-").tempdir().context("a temporary directory")?;
        let dir = |name: &str| -> anyhow::Result<PathBuf> {
            let path = home.path().join(name);
            fs::create_dir(&path).with_context(|| path.display().to_string())?;
            Ok(path)
        };
        let (bucket, desk) = (dir("bucket")?, dir("desk")?);
        let (mountpoint, state, cache) = (dir("mount")?, dir("state")?, dir("cache")?);
        for (name, _, bytes) in DOCUMENTS {
            fs::write(desk.join(name), bytes)?;
        }
        fs::write(desk.join("overview-2.pdf"), [DOCUMENTS[0].2, b"% a second edition\n"].concat())?;
        fs::write(desk.join("setup.exe"), b"MZ")?;
        let overrides = Overrides {
            store: Some((format!("file://{}", bucket.display()), "demo")),
            state_dir: Some(state),
            cache_dir: Some(cache),
            ..Overrides::default()
        };
        let settings = config::load(&overrides, &environment.without_store())?;
        let mountpoint = preflight::mountpoint(&mountpoint, &settings)?;
        Ok(Self { home, mountpoint, settings })
    }
}

/// Mounts, plays the scenes, waits for the end, unmounts.
async fn perform(stage: &Stage) -> anyhow::Result<DrainReport> {
    let (ready, is_ready) = oneshot::channel::<PathBuf>();
    let stop = CancellationToken::new();
    let args = MountArgs {
        mountpoint: stage.mountpoint.clone(),
        ready,
        stop: stop.clone(),
        notifier: Notifier::default(),
    };
    let mut served = tokio::spawn(daemon::run_mount(args, stage.settings.clone()));
    let mut linger = true;
    let played = tokio::select! {
        // it could not be mounted, or was unmounted in the middle
        early = &mut served => return early?,
        played = async {
            match is_ready.await {
                Ok(_) => scenes(stage).await,
                // the start has failed, and says why in a moment
                Err(_) => std::future::pending().await,
            }
        } => played,
        () = signals::asked_to_stop() => {
            linger = false;
            Ok(())
        }
    };
    let until_end = async {
        if linger && played.is_ok() {
            signals::asked_to_stop().await;
        }
    };
    let report = tokio::select! {
        // 'cairnfs umount' may have ended it
        report = &mut served => report?,
        () = until_end => {
            stop.cancel();
            served.await?
        }
    };
    // a reader of our output that has gone away ends the demo, too, and is no failure
    match played {
        Err(error) if !output::is_broken_pipe(&error) => Err(error),
        _ => report,
    }
}

async fn scenes(stage: &Stage) -> anyhow::Result<()> {
    let home = stage.home.path();
    say("# a directory serves as the bucket; it is mounted, and documents go in with ordinary programs:")?;
    say(&format!("$ cd {}", home.display()))?;
    for (name, folder, _) in DOCUMENTS {
        let folder = format!("mount/{folder}");
        if !home.join(&folder).is_dir() {
            show::command(home, "mkdir", &["-p", &folder]).await?;
        }
        show::command(home, "cp", &[&format!("desk/{name}"), &format!("{folder}/{name}")]).await?;
    }
    say("# each folder takes its own kinds of files only:")?;
    show::command(home, "cp", &["desk/setup.exe", "mount/documents/setup.exe"]).await?;
    say("# a file of a taken name overwrites nothing; it gets a name of its own:")?;
    show::command(home, "cp", &["desk/overview-2.pdf", "mount/documents/overview.pdf"]).await?;
    say("# the tree, as everybody sees it:")?;
    show::tree(&stage.mountpoint).await?;
    say("# the catalog (SQLite view 'files'):")?;
    show::rows(&daemon::catalog_files(&stage.settings.dirs.state).await?)?;
    say(&format!("# mounted at {}; look around, Ctrl-C unmounts", stage.mountpoint.display()))
}

/// Prints one line at once: somebody, or a test, is waiting for it.
fn say(line: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}
