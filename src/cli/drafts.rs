//! `cairnfs drafts`: what a running mount keeps because it could not be published, and what to do with it.

use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use indicatif::BinaryBytes;

use crate::control::client::Client;
use crate::control::place;
use crate::control::protocol::{Dealt, DraftReport, MAX_IDS, Request};

use super::{Context, exit, output};

/// From this size on a bar shows how far a copy is.
const BAR_BYTES: u64 = 32 << 20;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "A draft is failed when the store refused it, interrupted when its writer was killed or met an \
                  error. It stays on this host until it is retried or discarded. A beginning of an id that no other \
                  has will do."
)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// List what was not published
    List {
        /// Where it is mounted
        mountpoint: PathBuf,
        /// Print everything as a JSON array
        #[arg(long)]
        json: bool,
    },
    /// Show drafts in their directories again and publish them; prints the path of each
    Retry {
        /// Where it is mounted
        mountpoint: PathBuf,
        /// The drafts
        #[arg(required_unless_present = "all")]
        ids: Vec<String>,
        /// Every one that is listed
        #[arg(long, conflicts_with = "ids")]
        all: bool,
    },
    /// Copy the content of a draft to a new file; the draft stays
    Save {
        /// Where it is mounted
        mountpoint: PathBuf,
        /// The draft
        id: String,
        /// A file that does not exist yet
        file: PathBuf,
    },
    /// Remove drafts and their content for good
    Discard {
        /// Where it is mounted
        mountpoint: PathBuf,
        /// The drafts
        #[arg(required = true)]
        ids: Vec<String>,
    },
}

/// Runs the command.
pub fn run(args: &Args, context: &Context) -> anyhow::Result<u8> {
    match &args.action {
        Action::List { mountpoint, json } => list(&connect(mountpoint, context)?.drafts()?, *json),
        Action::Retry { mountpoint, ids, all } => {
            let ids = match all {
                true => connect(mountpoint, context)?.drafts()?.into_iter().map(|draft| draft.id).collect(),
                false => ids.clone(),
            };
            deal(mountpoint, &ids, |ids| Request::RetryDrafts { ids }, context)
        }
        Action::Save { mountpoint, id, file } => {
            let (size, content) = connect(mountpoint, context)?.draft_content(id)?;
            save(size, content, file)
        }
        Action::Discard { mountpoint, ids } => {
            deal(mountpoint, ids, |ids| Request::DiscardDrafts { ids }, context)
        }
    }
}

fn connect(mountpoint: &Path, context: &Context) -> anyhow::Result<Client> {
    let mount = place::find_mount(mountpoint)?;
    Ok(Client::connect(&mount, &context.environment.runtime_directory())?)
}

fn list(drafts: &[DraftReport], json: bool) -> anyhow::Result<u8> {
    let mut out = output::stdout();
    if json {
        serde_json::to_writer_pretty(&mut out, drafts)?;
        writeln!(out)?;
    } else {
        for draft in drafts {
            writeln!(out, "{}", output::shown(&line(draft)))?;
        }
    }
    out.flush()?;
    Ok(0)
}

fn line(draft: &DraftReport) -> String {
    let size = BinaryBytes(draft.size).to_string();
    let DraftReport { id, state, path, written_at, reason, .. } = draft;
    let shows = match &draft.shown_as {
        Some(shown) if shown == path => " (shows)".to_owned(),
        Some(shown) => format!(" (shows as {shown})"),
        None => String::new(),
    };
    format!("{id}  {state:<11}  {size:>10}  {written_at}  {path}{shows}: {reason}")
}

/// Sends the ids in requests that are short enough; prints what was done and tells what was not.
fn deal(
    mountpoint: &Path,
    ids: &[String],
    request: impl Fn(Vec<String>) -> Request,
    context: &Context,
) -> anyhow::Result<u8> {
    let mut code = 0;
    let mut out = output::stdout();
    for some in ids.chunks(MAX_IDS) {
        for Dealt { path, error, .. } in connect(mountpoint, context)?.deal(&request(some.to_vec()))? {
            if let Some(path) = path {
                writeln!(out, "{}", output::shown(&path))?;
            }
            if let Some(error) = error {
                out.flush()?;
                output::tell(&error);
                code = exit::FAILURE;
            }
        }
    }
    out.flush()?;
    Ok(code)
}

/// Writes the content to a new file. What cannot be written whole is removed again.
fn save(size: u64, mut content: impl Read, path: &Path) -> anyhow::Result<u8> {
    let shown = path.display();
    let mut file = OpenOptions::new().write(true).create_new(true).open(path).map_err(|e| {
        let taken = e.kind() == io::ErrorKind::AlreadyExists;
        anyhow::anyhow!(
            "{shown}: {}",
            if taken { "exists already; choose another name".to_owned() } else { e.to_string() }
        )
    })?;
    let bar = (size >= BAR_BYTES).then(|| output::byte_bar("copying", size));
    let written = match &bar {
        Some(bar) => io::copy(&mut content, &mut bar.wrap_write(&mut file)),
        None => io::copy(&mut content, &mut file),
    };
    let done = written.context("copying").and_then(|written| {
        anyhow::ensure!(written == size, "the mount sent {written} of {size} bytes; see its log");
        file.sync_all().context("making it durable")
    });
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    if let Err(error) = done {
        drop(file);
        drop(std::fs::remove_file(path));
        return Err(error.context(format!("{shown}")));
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_tells_id_state_size_path_and_reason() {
        let draft = DraftReport {
            id: "0123".into(),
            state: "failed".into(),
            path: "documents/a.pdf".into(),
            size: 2048,
            written_at: "2026-01-01T00:00:00Z".into(),
            reason: "access denied".into(),
            shown_as: None,
        };
        assert_eq!(
            line(&draft),
            "0123  failed         2.00 KiB  2026-01-01T00:00:00Z  documents/a.pdf: access denied"
        );
        let shown = DraftReport { shown_as: Some("documents/a_x.pdf".into()), ..draft };
        assert!(line(&shown).contains("documents/a.pdf (shows as documents/a_x.pdf): "), "{}", line(&shown));
    }

    #[test]
    fn save_never_overwrites_and_leaves_nothing_half() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        assert!(save(5, &b"short"[..4], &path).is_err());
        assert!(!path.exists());
        assert_eq!(save(5, &b"whole"[..], &path).unwrap(), 0);
        let error = save(5, &b"other"[..], &path).unwrap_err().to_string();
        assert!(error.contains("exists already"), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), b"whole");
    }
}
