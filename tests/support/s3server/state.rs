//! What the server holds.

use std::collections::{BTreeMap, HashMap};
use std::time::SystemTime;

use bytes::Bytes;
use cairnfs::types::Clock;
use md5::{Digest, Md5};
use s3s::dto::{ETag, Metadata};
use s3s::{S3Result, s3_error};

use super::checksums::Checksums;

/// The objects of a bucket in the order of their keys' bytes.
pub type Bucket = BTreeMap<String, Object>;

/// All buckets, and uploads on their way.
#[derive(Default)]
pub struct State {
    pub buckets: BTreeMap<String, Bucket>,
    pub uploads: BTreeMap<String, Upload>,
    /// ETags of completed uploads: completing twice is answered alike.
    pub completed: HashMap<String, String>,
    pub next_upload: u64,
}

impl State {
    pub fn with_buckets(names: &[String]) -> Self {
        Self { buckets: names.iter().map(|n| (n.clone(), Bucket::new())).collect(), ..Self::default() }
    }

    pub fn bucket(&mut self, name: &str) -> S3Result<&mut Bucket> {
        self.buckets
            .get_mut(name)
            .ok_or_else(|| s3_error!(NoSuchBucket, "The specified bucket does not exist"))
    }

    pub fn object(&mut self, bucket: &str, key: &str) -> S3Result<Object> {
        let found = self.bucket(bucket)?.get(key).cloned();
        found.ok_or_else(|| s3_error!(NoSuchKey, "The specified key does not exist."))
    }

    pub fn upload(&mut self, bucket: &str, key: &str, id: &str) -> S3Result<&mut Upload> {
        self.uploads
            .get_mut(id)
            .filter(|u| u.bucket == bucket && u.key == key)
            .ok_or_else(|| s3_error!(NoSuchUpload, "The specified upload does not exist."))
    }
}

/// Headers that are kept with an object.
#[derive(Clone, Default)]
pub struct Attributes {
    pub content_type: Option<String>,
    pub cache_control: Option<String>,
    pub content_disposition: Option<String>,
    pub content_encoding: Option<String>,
    pub content_language: Option<String>,
    pub metadata: Option<Metadata>,
}

impl Attributes {
    /// Refuses more user metadata than AWS takes.
    pub fn check(&self) -> S3Result<()> {
        let total: usize = self.metadata.iter().flatten().map(|(name, value)| name.len() + value.len()).sum();
        if total > 2048 {
            return Err(s3_error!(
                MetadataTooLarge,
                "Your metadata headers exceed the maximum allowed metadata size"
            ));
        }
        Ok(())
    }
}

#[derive(Clone)]
pub struct Object {
    pub data: Bytes,
    pub etag: String,
    pub attributes: Attributes,
    pub checksums: Checksums,
    pub modified_at: SystemTime,
}

impl Object {
    /// An object that came in one request: its ETag is the MD5 of its bytes.
    pub fn new(data: Bytes, attributes: Attributes, checksums: Checksums) -> Self {
        let etag = hex::encode(Md5::digest(&data));
        Self { data, etag, attributes, checksums, modified_at: now() }
    }

    pub fn e_tag(&self) -> Option<ETag> {
        Some(ETag::Strong(self.etag.clone()))
    }
}

pub struct Upload {
    pub bucket: String,
    pub key: String,
    pub attributes: Attributes,
    pub parts: BTreeMap<i32, Part>,
    pub begun_at: SystemTime,
}

pub struct Part {
    pub data: Bytes,
    pub md5: [u8; 16],
    pub modified_at: SystemTime,
}

impl Part {
    pub fn new(data: Bytes) -> Self {
        let md5 = Md5::digest(&data).into();
        Self { data, md5, modified_at: now() }
    }

    pub fn e_tag(&self) -> Option<ETag> {
        Some(ETag::Strong(hex::encode(self.md5)))
    }
}

pub fn now() -> SystemTime {
    Clock.now().into()
}
