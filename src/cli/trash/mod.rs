//! `cairnfs trash`: the copies of deleted objects, straight from the store (semantics 5.3). Works beside a mount.

mod restore;

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use indicatif::BinaryBytes;

use crate::config::quantity;
use crate::layout::Trashed;
use crate::store::{ObjectInfo, StoreError};
use crate::types::{Clock, Timestamp};

use super::args::CommandStoreArgs;
use super::objects::{Bucket, path_of};
use super::{Context, exit, output};

/// How many copies are deleted at the same time.
const AT_ONCE: usize = 8;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "A mount copies what is deleted to the trash first, in domains with delete = \"trash\". Without \
                  trash_keep in the configuration it stays there until somebody empties it."
)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// List what was deleted: when, size in bytes, id of the copy, path
    List {
        /// Only paths that begin with this
        #[arg(default_value = "", hide_default_value = true)]
        path_prefix: String,
        /// Print everything as a JSON array
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        store: CommandStoreArgs,
    },
    /// Put files back under their names, or beside what has taken them; prints the key of each
    Restore {
        /// What is put back: the newest copy of a PATH, or ID/PATH as listed, or the whole key of a copy
        #[arg(required = true, value_name = "PATH")]
        files: Vec<String>,
        #[command(flatten)]
        store: CommandStoreArgs,
    },
    /// Delete the copies for good
    Empty {
        /// Only what was deleted longer ago than this, such as 30d
        #[arg(long, value_name = "AGE", value_parser = quantity::parse_duration)]
        older_than: Option<Duration>,
        /// Do not ask
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        store: CommandStoreArgs,
    },
}

/// Runs the command.
pub fn run(args: &Args, context: &Context) -> anyhow::Result<u8> {
    match &args.action {
        Action::List { path_prefix, json, store } => super::block_on(async {
            let bucket = Bucket::open(store, context).await?;
            list(&bucket, path_prefix.trim_start_matches('/'), *json).await
        }),
        Action::Restore { files, store } => super::block_on_until_interrupted(async {
            let bucket = Bucket::open(store, context).await?;
            restore::restore(&bucket, files.iter().map(|file| path_of(file))).await
        }),
        Action::Empty { older_than, yes, store } => super::block_on(async {
            let bucket = Bucket::open(store, context).await?;
            empty(&bucket, *older_than, *yes).await
        }),
    }
}

/// Hands every copy in the trash to `each`, in the order of the listing.
async fn each_copy(bucket: &Bucket, mut each: impl FnMut(Trashed, ObjectInfo)) -> anyhow::Result<()> {
    let take = |object: ObjectInfo| {
        if let Some(trashed) = bucket.layout.trashed(object.key.as_str()) {
            each(trashed, object);
        }
    };
    let mut take = take;
    bucket
        .list(&bucket.layout.trash_prefix(), false, |page| page.objects.into_iter().for_each(&mut take))
        .await?;
    Ok(())
}

/// What `list --json` tells of a copy.
#[derive(serde::Serialize)]
struct Listed {
    deleted_at: String,
    size: u64,
    id: String,
    path: String,
    trash_key: String,
}

async fn list(bucket: &Bucket, prefix: &str, json: bool) -> anyhow::Result<u8> {
    let mut found = Vec::new();
    each_copy(bucket, |trashed, object| {
        if trashed.key.as_str().starts_with(prefix) {
            found.push((trashed, object));
        }
    })
    .await?;
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    let mut out = output::stdout();
    if json {
        let listed: Vec<Listed> = found
            .into_iter()
            .map(|(trashed, object)| Listed {
                deleted_at: trashed.at.rfc3339(),
                size: object.size,
                id: trashed.id,
                path: trashed.key.to_string(),
                trash_key: object.key.to_string(),
            })
            .collect();
        serde_json::to_writer_pretty(&mut out, &listed)?;
        writeln!(out)?;
    } else {
        for (trashed, object) in &found {
            let path = output::shown(trashed.key.as_str());
            writeln!(out, "{}  {:>14}  {}  {path}", trashed.at.rfc3339(), object.size, trashed.id)?;
        }
    }
    out.flush()?;
    Ok(0)
}

async fn empty(bucket: &Bucket, older_than: Option<Duration>, yes: bool) -> anyhow::Result<u8> {
    // what is deleted while somebody thinks about the question stays
    let now = Clock.now();
    let is_old = |trashed: &Trashed| match older_than {
        Some(age) => now.since(trashed.at) > age,
        None => trashed.at <= now,
    };
    let (mut count, mut bytes) = (0_u64, 0_u64);
    each_copy(bucket, |trashed, object| {
        if is_old(&trashed) {
            count += 1;
            bytes = bytes.saturating_add(object.size);
        }
    })
    .await?;
    if count > 0 && !yes {
        let what = format!("{}: delete {count} files ({}) for good", bucket.store.url(), BinaryBytes(bytes));
        if !io::stdin().is_terminal() {
            output::tell(&format!("{what}? Nobody can be asked; give --yes"));
            return Ok(exit::USAGE);
        }
        if !confirm(&format!("{what}? [y/N] "))? {
            return Ok(exit::FAILURE);
        }
    }
    let removed = delete(bucket, count, is_old).await?;
    writeln!(io::stdout(), "{removed} files removed")?;
    Ok(if removed < count { exit::FAILURE } else { 0 })
}

/// Asks on the terminal; anything but yes is no.
fn confirm(question: &str) -> io::Result<bool> {
    let mut terminal = io::stderr();
    write!(terminal, "{question}")?;
    terminal.flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

/// Deletes page by page, so that a trash of any size fits into memory. Returns how many are gone.
async fn delete(bucket: &Bucket, total: u64, is_old: impl Fn(&Trashed) -> bool) -> anyhow::Result<u64> {
    let bar = output::count_bar("deleting", Some(total));
    let (prefix, mut next, mut removed) = (bucket.layout.trash_prefix(), None, 0);
    loop {
        let page = bucket.ask(|| bucket.store.list(&prefix, false, next.as_deref(), None)).await?;
        let old = page
            .objects
            .iter()
            .filter(|o| bucket.layout.trashed(o.key.as_str()).as_ref().is_some_and(&is_old));
        let mut deletes = stream::iter(old)
            .map(|o| async move { (o, bucket.ask(|| bucket.store.delete(&o.key, &o.etag)).await) })
            .buffer_unordered(AT_ONCE);
        while let Some((object, done)) = deletes.next().await {
            bar.inc(1);
            match done {
                Ok(()) | Err(StoreError::NotFound(_)) => removed += 1,
                Err(error) if error.is_transient() => return Err(error.into()),
                Err(error) => bar.suspend(|| output::tell(&format!("{}: {error}", object.key))),
            }
        }
        next = page.next;
        if next.is_none() {
            bar.finish_and_clear();
            return Ok(removed);
        }
    }
}

/// Sorts the newest copy last.
fn newest(copies: Vec<(Trashed, ObjectInfo)>) -> Option<(Trashed, ObjectInfo)> {
    let age = |(trashed, object): &(Trashed, ObjectInfo)| -> (Timestamp, Timestamp) {
        (trashed.at, object.modified_at)
    };
    copies.into_iter().max_by_key(age)
}
