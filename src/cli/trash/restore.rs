//! Putting copies back: under a name that the store says is free, and only then out of the trash.

use std::collections::BTreeMap;
use std::io::Write as _;

use anyhow::Context as _;
use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncWriteExt as _;

use crate::cli::objects::Bucket;
use crate::cli::refused::Refused;
use crate::cli::{exit, output};
use crate::config::WeakStore;
use crate::layout::{FilePlacement, Trashed, random_suffix};
use crate::store::{ObjectInfo, ObjectMeta, StoreError, UploadBody, probe};
use crate::types::{ObjectKey, Sha256Hex};

use super::{each_copy, newest};

/// Names that are tried before giving up.
const MAX_NAMES: u32 = 100;
/// Up to this size a copy that cannot be made inside the store goes through memory, above it through a file.
const IN_MEMORY_BYTES: u64 = 1 << 20;

/// How an object comes back to its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// The store copies it and itself refuses a taken name.
    Copy,
    /// The store refuses a taken name only for what is uploaded: the bytes go through this host.
    Upload,
    /// The store refuses neither: it is looked at just before (semantics 4.4).
    Weak(WeakStore),
}

/// Restores each of `files` and prints the keys that they got.
pub(super) async fn restore(bucket: &Bucket, files: impl Iterator<Item = &str>) -> anyhow::Result<u8> {
    let files: Vec<&str> = files.collect();
    let found = find(bucket, &files).await?;
    let way = way(bucket).await?;
    let mut code = 0;
    for file in files {
        let done = match found.get(file) {
            Some(copy) => restore_one(bucket, way, copy).await,
            None => Err(Refused::NotInTrash(file.to_owned(), bucket.store.url()).into()),
        };
        match done {
            Ok(key) => writeln!(std::io::stdout(), "{key}")?,
            Err(error) => {
                output::tell(&output::one_line(&error));
                code = exit::code_of(&error);
            }
        }
    }
    Ok(code)
}

/// Returns the copy that each of `files` means: the whole key of one, `ID/PATH`, or the newest of a path.
async fn find<'f>(
    bucket: &Bucket,
    files: &[&'f str],
) -> anyhow::Result<BTreeMap<&'f str, (Trashed, ObjectInfo)>> {
    let prefix = bucket.layout.trash_prefix();
    let mut candidates: BTreeMap<&str, Vec<(Trashed, ObjectInfo)>> = BTreeMap::new();
    each_copy(bucket, |trashed, object| {
        let place = object.key.as_str().strip_prefix(&prefix).unwrap_or_default();
        let names = [object.key.as_str(), place, trashed.key.as_str()];
        for file in files.iter().filter(|file| names.contains(file)) {
            candidates.entry(file).or_default().push((trashed.clone(), object.clone()));
        }
    })
    .await?;
    Ok(candidates.into_iter().filter_map(|(file, copies)| Some((file, newest(copies)?))).collect())
}

async fn way(bucket: &Bucket) -> anyhow::Result<Way> {
    let capabilities = match bucket.store.known_capabilities() {
        Some(known) => known,
        None => probe(&*bucket.store, bucket.layout.service_prefix()).await?,
    };
    let url = bucket.store.url();
    Ok(match (capabilities.atomic_create, capabilities.atomic_copy) {
        (true, true) => Way::Copy,
        (true, false) => Way::Upload,
        (false, _) => match bucket.settings.write.weak_store {
            WeakStore::Refuse => return Err(Refused::WeakStore(url).into()),
            WeakStore::Check => {
                tracing::warn!(
                    "{url}: lets two writers create one name, so this file could overwrite another in a race; \
                     weak_store = \"suffix\" would be safe"
                );
                Way::Weak(WeakStore::Check)
            }
            WeakStore::Suffix => Way::Weak(WeakStore::Suffix),
        },
    })
}

async fn restore_one(
    bucket: &Bucket,
    way: Way,
    (trashed, object): &(Trashed, ObjectInfo),
) -> anyhow::Result<ObjectKey> {
    let wanted = trashed.key.as_str();
    match bucket.layout.place_file(wanted) {
        FilePlacement::Document { .. } => {}
        FilePlacement::Scratch { .. } => return Err(Refused::Scratch(wanted.to_owned()).into()),
        FilePlacement::Refused(refusal) => return Err(Refused::ByRule(refusal).into()),
    }
    let info = bucket.ask(|| bucket.store.head(&object.key)).await?;
    let key = bring_back(bucket, way, &info, &trashed.key).await?;
    // from here on it is back; that its copy stays is no reason to say otherwise
    if let Err(error) = bucket.ask(|| bucket.store.delete(&info.key, &info.etag)).await
        && !matches!(error, StoreError::NotFound(_))
    {
        output::tell(&format!("{}: is back as {key}, but stays in the trash: {error}", info.key));
    }
    Ok(key)
}

async fn bring_back(
    bucket: &Bucket,
    way: Way,
    copy: &ObjectInfo,
    wanted: &ObjectKey,
) -> anyhow::Result<ObjectKey> {
    // every further name is drawn from the one that was asked for (Django's rule)
    let alternative = || -> anyhow::Result<ObjectKey> {
        let name = bucket.layout.alternative(wanted.as_str(), &random_suffix());
        Ok(ObjectKey::new(name.ok_or_else(|| Refused::Taken(wanted.to_string()))?)?)
    };
    let content = if way == Way::Upload { Some(Content::fetch(bucket, copy).await?) } else { None };
    let mut key = if way == Way::Weak(WeakStore::Suffix) { alternative()? } else { wanted.clone() };
    for _ in 0..MAX_NAMES {
        // a copy is not the attempt that wrote the original (semantics 4.3)
        let meta = ObjectMeta {
            written_for: Some(key.clone()),
            attempt: None,
            ..copy.meta.clone().unwrap_or_default()
        };
        let sha256 = content.as_ref().map(|content| content.sha256).or(meta.sha256);
        let meta = ObjectMeta { sha256, ..meta };
        let made = match &content {
            Some(content) => bucket.ask(|| bucket.store.create(&key, &content.body, &meta)).await,
            None => bucket.ask(|| bucket.store.copy(&copy.key, &copy.etag, &key, &meta)).await,
        };
        match made {
            Ok(_) => return Ok(key),
            Err(StoreError::AlreadyExists(_)) if is_there(bucket, &key, copy, &meta).await => return Ok(key),
            Err(StoreError::AlreadyExists(_)) => key = alternative()?,
            Err(error) => return Err(error.into()),
        }
    }
    Err(Refused::Taken(wanted.to_string()).into())
}

/// Whether what holds `key` is this very copy, made by a request whose answer was lost.
async fn is_there(bucket: &Bucket, key: &ObjectKey, copy: &ObjectInfo, meta: &ObjectMeta) -> bool {
    let known = meta.draft_id.is_some() && meta.sha256.is_some();
    let there = bucket.ask(|| bucket.store.head(key)).await;
    known && there.is_ok_and(|there| there.size == copy.size && there.meta.as_ref() == Some(meta))
}

/// The bytes of a copy on their way through this host.
struct Content {
    body: UploadBody,
    sha256: Sha256Hex,
    /// Removed with this.
    _file: Option<tempfile::TempPath>,
}

impl Content {
    async fn fetch(bucket: &Bucket, copy: &ObjectInfo) -> anyhow::Result<Self> {
        let mut bytes = bucket.ask(|| bucket.store.get(&copy.key, None, Some(&copy.etag))).await?.bytes;
        let mut digest = Sha256::new();
        if copy.size <= IN_MEMORY_BYTES {
            let mut all = Vec::new();
            while let Some(piece) = bytes.next().await {
                let piece = piece?;
                digest.update(&piece);
                all.extend_from_slice(&piece);
            }
            return Self::checked(copy, digest, UploadBody::Bytes(Bytes::from(all)), None);
        }
        let (file, path) = tempfile::NamedTempFile::new().context("a temporary file")?.into_parts();
        let shown = || path.display().to_string();
        let mut file = tokio::fs::File::from_std(file);
        while let Some(piece) = bytes.next().await {
            let piece = piece?;
            digest.update(&piece);
            file.write_all(&piece).await.with_context(shown)?;
        }
        file.flush().await.with_context(shown)?;
        let body = UploadBody::File { path: path.to_path_buf(), size: copy.size };
        Self::checked(copy, digest, body, Some(path))
    }

    fn checked(
        copy: &ObjectInfo,
        digest: Sha256,
        body: UploadBody,
        file: Option<tempfile::TempPath>,
    ) -> anyhow::Result<Self> {
        let sha256 = Sha256Hex::from_bytes(digest.finalize().into());
        if copy.meta.as_ref().and_then(|meta| meta.sha256).is_some_and(|known| known != sha256) {
            let detail = "its SHA-256 is another than the one it was stored with".to_owned();
            return Err(StoreError::Damaged { key: copy.key.clone(), detail }.into());
        }
        Ok(Self { body, sha256, _file: file })
    }
}
