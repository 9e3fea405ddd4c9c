//! `cairnfs put`: stores a file of this host under a name that is free, and prints the key it really got.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use crate::config::{SameBytes, WeakStore};
use crate::drafts::create::{Created, Creator, has_same_bytes};
use crate::drafts::facts::content_type;
use crate::layout::{DirKind, DirPlacement, FilePlacement, random_suffix};
use crate::store::{ObjectMeta, StoreError, UploadBody};
use crate::types::{DraftId, ObjectKey, Sha256Hex};

use super::args::CommandStoreArgs;
use super::objects::{Bucket, path_of};
use super::refused::Refused;
use super::{Context, output};

/// Names that are tried before giving up: with 62^7 suffixes a second collision is already an accident.
const MAX_NAMES: u32 = 100;
/// Up to this size the bytes are read once and sent from memory.
const IN_MEMORY_BYTES: u64 = 1 << 20;
/// The slowest upload that is waited for, in bytes a second: a poor mobile connection.
const SLOWEST_UPLOAD: u64 = 128 << 10;
/// From this size on a bar shows how far it is.
const BAR_BYTES: u64 = 32 << 20;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "The key is the only line on standard output. It differs from PATH where that is taken: \
                  nothing is overwritten."
)]
pub struct Args {
    /// The file on this host
    local: PathBuf,
    /// Where to store it, as users of the mount see it; below a directory it keeps its own name
    path: String,
    #[command(flatten)]
    store: CommandStoreArgs,
}

/// Runs the command.
pub fn run(args: &Args, context: &Context) -> anyhow::Result<u8> {
    super::block_on_until_interrupted(async {
        let bucket = Bucket::open(&args.store, context).await?;
        let source = Source::read(&args.local)?;
        let wanted = destination(&bucket, &args.path, &args.local)?;
        check_size(&bucket, &wanted, source.size)?;
        let size = source.size;
        let upload = Upload { bucket: &bucket, source, id: DraftId::random() };
        let key = if size >= BAR_BYTES {
            let bar = output::byte_bar("storing", size);
            let key = output::following_reads(&bar, upload.store_as(&wanted)).await;
            bar.finish_and_clear();
            key?
        } else {
            upload.store_as(&wanted).await?
        };
        writeln!(std::io::stdout(), "{key}")?;
        Ok(0)
    })
}

/// The file on this host, read once for its digest.
struct Source {
    size: u64,
    sha256: Sha256Hex,
    body: UploadBody,
}

impl Source {
    fn read(path: &Path) -> anyhow::Result<Self> {
        let shown = path.display();
        let mut file = File::open(path).with_context(|| format!("{shown}"))?;
        let meta = file.metadata().with_context(|| format!("{shown}"))?;
        anyhow::ensure!(meta.is_file(), "{shown}: is not a regular file; put stores one file at a time");
        let expected = meta.len();
        let bar = (expected >= BAR_BYTES).then(|| output::byte_bar("reading", expected));
        let mut digest = Sha256::new();
        let mut kept = Vec::new();
        let mut size = 0;
        let mut buffer = vec![0; 256 * 1024];
        loop {
            let length = file.read(&mut buffer).with_context(|| format!("{shown}"))?;
            let Some(piece) = buffer.get(..length).filter(|piece| !piece.is_empty()) else { break };
            digest.update(piece);
            size += piece.len() as u64;
            if expected <= IN_MEMORY_BYTES {
                kept.extend_from_slice(piece);
            }
            if let Some(bar) = &bar {
                bar.set_position(size);
            }
            // of a file in memory what was read is what is sent; another one is read again
            anyhow::ensure!(
                size <= expected.max(IN_MEMORY_BYTES),
                "{shown}: grows while it is read; try again"
            );
        }
        if let Some(bar) = bar {
            bar.finish_and_clear();
        }
        let body = if expected <= IN_MEMORY_BYTES {
            UploadBody::Bytes(Bytes::from(kept))
        } else {
            UploadBody::File { path: path.to_owned(), size }
        };
        Ok(Self { size, sha256: Sha256Hex::from_bytes(digest.finalize().into()), body })
    }
}

/// Returns the path that is asked for: `asked`, or the file's own name in the directory `asked`.
fn destination(bucket: &Bucket, asked: &str, local: &Path) -> anyhow::Result<String> {
    let layout = &bucket.layout;
    let path = path_of(asked);
    let refusal = if asked.ends_with('/') {
        None
    } else {
        match layout.place_file(path) {
            FilePlacement::Document { .. } => return Ok(path.to_owned()),
            placement => Some(placement),
        }
    };
    let is_directory = match layout.place_dir(path) {
        DirPlacement::Root => true,
        DirPlacement::Domain { kind, .. } => matches!(kind, DirKind::Fixed | DirKind::Field),
        DirPlacement::Outside => false,
    };
    let placement = match refusal {
        Some(placement) if !is_directory => (path.to_owned(), placement),
        _ => {
            let name = local.file_name().and_then(|name| name.to_str());
            let name = name.with_context(|| {
                format!("{}: the name is not valid UTF-8; name the file in PATH", local.display())
            })?;
            let path = if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
            let placement = layout.place_file(&path);
            (path, placement)
        }
    };
    match placement {
        (path, FilePlacement::Document { .. }) => Ok(path),
        (_, FilePlacement::Refused(refusal)) => Err(Refused::ByRule(refusal).into()),
        (path, FilePlacement::Scratch { .. }) => Err(Refused::Scratch(path).into()),
    }
}

fn check_size(bucket: &Bucket, path: &str, size: u64) -> Result<(), Refused> {
    let FilePlacement::Document { domain, .. } = bucket.layout.place_file(path) else { return Ok(()) };
    let limit = bucket.layout.domains().get(domain).and_then(|d| d.spec().max_size);
    match limit {
        Some(limit) if size > limit => Err(Refused::TooLarge { path: path.to_owned(), size, limit }),
        _ => Ok(()),
    }
}

/// One file on its way to a free name.
struct Upload<'a> {
    bucket: &'a Bucket,
    source: Source,
    id: DraftId,
}

impl Upload<'_> {
    /// Stores the file as `wanted` or under an alternative of that name, and returns the key it got.
    async fn store_as(&self, wanted: &str) -> anyhow::Result<ObjectKey> {
        let asked = ObjectKey::new(wanted)?;
        let atomic = self.bucket.creates_are_atomic().await?;
        let weak = if atomic { None } else { Some(self.bucket.settings.write.weak_store) };
        let url = self.bucket.store.url();
        match weak {
            Some(WeakStore::Refuse) => return Err(Refused::WeakStore(url).into()),
            Some(WeakStore::Check) => tracing::warn!(
                "{url}: lets two writers create one name, so this file could overwrite another in a race; \
                 weak_store = \"suffix\" would be safe"
            ),
            Some(WeakStore::Suffix) | None => {}
        }
        let patience = self.bucket.patience() + Duration::from_secs(self.source.size / SLOWEST_UPLOAD);
        let creator = Creator { store: &*self.bucket.store, patience, look: weak.is_some() };
        let mut key = if weak == Some(WeakStore::Suffix) { self.alternative(wanted)? } else { asked.clone() };
        for attempt in 1..=MAX_NAMES {
            match self.create(&creator, &key, &asked, attempt).await? {
                Created::Ours(_) => return Ok(key),
                Created::Taken if key == asked && self.has_same_bytes(&asked).await? => return Ok(asked),
                Created::Taken => key = self.alternative(wanted)?,
            }
        }
        Err(Refused::Taken(wanted.to_owned()).into())
    }

    /// Every further name is drawn from the one that was asked for (Django's rule).
    fn alternative(&self, wanted: &str) -> anyhow::Result<ObjectKey> {
        let name = self.bucket.layout.alternative(wanted, &random_suffix());
        Ok(ObjectKey::new(name.ok_or_else(|| Refused::Taken(wanted.to_owned()))?)?)
    }

    async fn create(
        &self,
        creator: &Creator<'_>,
        key: &ObjectKey,
        asked: &ObjectKey,
        attempt: u32,
    ) -> Result<Created, StoreError> {
        let meta = ObjectMeta {
            draft_id: Some(self.id.clone()),
            written_for: Some(key.clone()),
            attempt: Some(attempt),
            sha256: Some(self.source.sha256),
            content_type: Some(content_type(key.file_name())),
            supersedes: (key != asked).then(|| asked.clone()),
            ..ObjectMeta::default()
        };
        creator.create(key, &self.source.body, &meta).await
    }

    /// Whether the object of that name has these bytes already and need not be stored again (semantics 4.7).
    async fn has_same_bytes(&self, key: &ObjectKey) -> Result<bool, StoreError> {
        if self.bucket.settings.write.same_bytes == SameBytes::Keep {
            return Ok(false);
        }
        let Source { size, sha256, .. } = self.source;
        has_same_bytes(&*self.bucket.store, self.bucket.patience(), key, size, sha256).await
    }
}
