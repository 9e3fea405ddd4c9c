//! `cairnfs ls`: a directory as users of the mount see it, straight from the store.

use std::collections::BTreeMap;
use std::io::Write as _;

use crate::layout::{DirKind, DirPlacement};
use crate::store::{ObjectInfo, StoreError};
use crate::types::{FileName, ObjectKey};

use super::args::CommandStoreArgs;
use super::objects::{Bucket, path_of};
use super::refused::Refused;
use super::{Context, output};

#[derive(Debug, clap::Args)]
#[command(after_help = "Names ordered bytewise, directories with a trailing slash.")]
pub struct Args {
    /// A directory or file, as users of the mount see it
    #[arg(default_value = "/", hide_default_value = true)]
    path: String,
    /// Show size in bytes and modification time
    #[arg(short = 'l', long)]
    long: bool,
    #[command(flatten)]
    store: CommandStoreArgs,
}

/// What a line shows: an object, or nothing for a directory.
type Entries = BTreeMap<String, Option<ObjectInfo>>;

/// Runs the command.
pub fn run(args: &Args, context: &Context) -> anyhow::Result<u8> {
    super::block_on(async {
        let bucket = Bucket::open(&args.store, context).await?;
        let entries = entries(&bucket, path_of(&args.path)).await?;
        let mut out = output::stdout();
        for (name, object) in &entries {
            let name = output::shown(name);
            let slash = if object.is_none() { "/" } else { "" };
            match (args.long, object) {
                (false, _) => writeln!(out, "{name}{slash}")?,
                (true, None) => writeln!(out, "{:>14}  {:<20}  {name}{slash}", "-", "-")?,
                (true, Some(o)) => writeln!(out, "{:>14}  {:<20}  {name}", o.size, o.modified_at.rfc3339())?,
            }
        }
        out.flush()?;
        Ok(0)
    })
}

/// Returns what `path` shows: its entries if it is a directory, itself if it is a file.
async fn entries(bucket: &Bucket, path: &str) -> anyhow::Result<Entries> {
    let missing = || Refused::NotFound(path.to_owned(), bucket.store.url());
    let mut entries: Entries =
        bucket.layout.fixed_children(path).into_iter().map(|name| (name.to_owned(), None)).collect();
    let kind = match bucket.layout.place_dir(path) {
        DirPlacement::Root => {
            // nothing is listed for these directories, but they are the directories of a bucket that exists
            match bucket.ask(|| bucket.store.check_bucket()).await {
                // credentials limited to some prefixes may be refused here and work everywhere below
                Ok(()) | Err(StoreError::AccessDenied(_)) => return Ok(entries),
                Err(error) => return Err(error.into()),
            }
        }
        DirPlacement::Outside => return Err(missing().into()),
        DirPlacement::Domain { kind, .. } => kind,
    };
    let prefix = format!("{path}/");
    bucket
        .list(&prefix, true, |page| {
            let dirs =
                page.prefixes.iter().filter_map(|p| Some((child(&prefix, p.strip_suffix('/')?)?, None)));
            entries.extend(dirs.filter(|(name, _)| is_shown(bucket, &prefix, name)));
            for object in page.objects {
                // where a key and keys below it both exist, the directory is shown (semantics 1.5)
                if let Some(name) = child(&prefix, object.key.as_str())
                    && is_shown(bucket, &prefix, &name)
                {
                    entries.entry(name).or_insert(Some(object));
                }
            }
        })
        .await?;
    if !entries.is_empty() || kind == DirKind::Fixed {
        return Ok(entries);
    }
    // no directory after all: directories exist in a store only by what is in them
    let key = ObjectKey::new(path)?;
    match bucket.ask(|| bucket.store.head(&key)).await {
        Ok(object) => Ok(Entries::from([(key.file_name().to_owned(), Some(object))])),
        Err(StoreError::NotFound(_)) => Err(missing().into()),
        Err(error) => Err(error.into()),
    }
}

/// Returns the name of `key` in the directory of `prefix`; none for the marker object of the directory itself.
fn child(prefix: &str, key: &str) -> Option<String> {
    key.strip_prefix(prefix).filter(|name| !name.is_empty()).map(str::to_owned)
}

/// Whether the mount shows it: keys that no path can carry are left out.
fn is_shown(bucket: &Bucket, prefix: &str, name: &str) -> bool {
    FileName::new(name).is_ok() && bucket.layout.owner(&format!("{prefix}{name}")).is_some()
}
