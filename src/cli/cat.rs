//! `cairnfs cat`: the bytes of a file, straight from the store.

use std::io::Write as _;

use crate::layout::{DirKind, DirPlacement};
use crate::store::{ObjectInfo, StoreError, StoreResult};
use crate::types::{ByteRange, ObjectKey};

use super::args::CommandStoreArgs;
use super::objects::{Bucket, path_of};
use super::refused::Refused;
use super::{Context, output};

#[derive(Debug, clap::Args)]
#[command(after_help = "Also reaches a file that the mount hides behind a directory of the same name.")]
pub struct Args {
    /// The file, as users of the mount see it
    path: String,
    #[command(flatten)]
    store: CommandStoreArgs,
}

/// Runs the command.
pub fn run(args: &Args, context: &Context) -> anyhow::Result<u8> {
    super::block_on(async {
        let bucket = Bucket::open(&args.store, context).await?;
        let path = path_of(&args.path);
        // only keys under a domain are for users, as in the mount
        let Some(key) = bucket.layout.owner(path).and_then(|_| ObjectKey::new(path).ok()) else {
            return Err(absence(&bucket, path).await.into());
        };
        match copy(&bucket, &key).await {
            Err(error) if matches!(error.downcast_ref(), Some(StoreError::NotFound(_))) => {
                Err(absence(&bucket, path).await.into())
            }
            other => other.map(|()| 0),
        }
    })
}

/// Writes the object to standard output. A transfer that breaks is taken up where it broke, of the same version.
async fn copy(bucket: &Bucket, key: &ObjectKey) -> anyhow::Result<()> {
    let mut out = output::stdout();
    let mut written = 0;
    let mut version: Option<ObjectInfo> = None;
    loop {
        let range = version.as_ref().map(|v| ByteRange { start: written, end: v.size });
        let etag = version.as_ref().map(|v| &v.etag);
        let mut body = bucket.ask(|| bucket.store.get(key, range, etag)).await?;
        let before = written;
        let broken = loop {
            match body.bytes.next().await {
                Some(Ok(bytes)) => {
                    out.write_all(&bytes)?;
                    written += bytes.len() as u64;
                }
                Some(Err(error)) => break resumable(error, written > before)?,
                None => {
                    out.flush()?;
                    return Ok(());
                }
            }
        };
        tracing::info!(%key, written, "the transfer broke and is taken up again: {broken}");
        version.get_or_insert(body.info);
    }
}

/// Returns the error that the transfer can go on after: one that may pass, after some progress.
fn resumable(error: StoreError, progress: bool) -> StoreResult<StoreError> {
    if matches!(error, StoreError::Unavailable(_)) && progress { Ok(error) } else { Err(error) }
}

/// Returns why there is nothing to read at `path`.
async fn absence(bucket: &Bucket, path: &str) -> Refused {
    let is_directory = match bucket.layout.place_dir(path) {
        DirPlacement::Root | DirPlacement::Domain { kind: DirKind::Fixed, .. } => true,
        DirPlacement::Outside => false,
        DirPlacement::Domain { .. } => {
            let below = bucket.store.list(&format!("{path}/"), true, None, Some(1)).await;
            below.is_ok_and(|page| !page.objects.is_empty() || !page.prefixes.is_empty())
        }
    };
    if is_directory {
        Refused::IsDirectory(path.to_owned())
    } else {
        Refused::NotFound(path.to_owned(), bucket.store.url())
    }
}
