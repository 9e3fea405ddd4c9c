//! Flags over file over environment: for each setting that has several sources, the strongest one that was given.

use std::path::PathBuf;

use super::env::Environment;
use super::mistake::{Mistakes, Place};
use super::raw::{Given, RawStore};
use super::reader::Found;

/// What the command line says. Secrets have no flags: arguments are seen by every user of the host.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// The store as an argument or `--store`, with the name of that argument.
    pub store: Option<(String, &'static str)>,
    /// `--config`
    pub config: Option<PathBuf>,
    /// `--state-dir`
    pub state_dir: Option<PathBuf>,
    /// `--cache-dir`
    pub cache_dir: Option<PathBuf>,
    /// `--endpoint-url`
    pub endpoint_url: Option<String>,
    /// `--region-name`
    pub region_name: Option<String>,
    /// `--use-ssl`
    pub use_ssl: Option<bool>,
    /// `--verify-ssl`
    pub verify_ssl: Option<bool>,
}

/// The settings of the store, merged, each with the place it came from.
pub struct MergedStore {
    /// `s3://bucket` or `file:///dir`.
    pub url: Given<String>,
    /// The bucket of `url` where only its name was given.
    pub bucket_name: Given<String>,
    /// An address other than Amazon's.
    pub endpoint_url: Given<String>,
    /// The region.
    pub region_name: Given<String>,
    /// Whether an endpoint without a scheme is spoken to over TLS.
    pub use_ssl: Given<bool>,
    /// Whether certificates are verified.
    pub verify_ssl: Given<bool>,
    /// The access key id.
    pub access_key: Given<String>,
    /// The secret key.
    pub secret_key: Given<String>,
    /// Every ACL that was asked for, wherever: each must be private.
    pub acls: Vec<Found<String>>,
    /// The size of the parts of a multipart upload.
    pub part_size: Given<u64>,
    /// When multipart uploads are used.
    pub multipart: Given<String>,
}

/// Merges the store settings of all sources.
pub fn store(flags: &Overrides, file: RawStore, env: &Environment, m: &mut Mistakes) -> MergedStore {
    MergedStore {
        url: flags.store.clone().map(|(value, name)| Found { value, place: Place::Flag(name) }),
        bucket_name: text(None, file.bucket_name, env.text("S3_BUCKET_NAME", m)),
        endpoint_url: text(
            flag(&flags.endpoint_url, "--endpoint-url"),
            file.endpoint_url,
            env.text("S3_ENDPOINT_URL", m),
        ),
        region_name: text(
            flag(&flags.region_name, "--region-name"),
            file.region_name,
            env.text("S3_REGION_NAME", m),
        ),
        use_ssl: strongest(flag(&flags.use_ssl, "--use-ssl"), file.use_ssl, env.switch("S3_USE_SSL", m)),
        verify_ssl: strongest(
            flag(&flags.verify_ssl, "--verify-ssl"),
            file.verify_ssl,
            env.switch("S3_VERIFY_SSL", m),
        ),
        access_key: text(None, file.access_key, env.secret("S3_ACCESS_KEY", m)),
        secret_key: text(None, file.secret_key, env.secret("S3_SECRET_KEY", m)),
        acls: [filled(file.default_acl), env.text("S3_DEFAULT_ACL", m)].into_iter().flatten().collect(),
        part_size: file.part_size,
        multipart: file.multipart,
    }
}

fn flag<T: Clone>(value: &Option<T>, name: &'static str) -> Given<T> {
    value.clone().map(|value| Found { value, place: Place::Flag(name) })
}

fn strongest<T>(flag: Given<T>, file: Given<T>, env: Given<T>) -> Given<T> {
    flag.or(file).or(env)
}

/// As [`strongest`], with empty texts counted as not given.
fn text(flag: Given<String>, file: Given<String>, env: Given<String>) -> Given<String> {
    strongest(filled(flag), filled(file), filled(env))
}

fn filled(given: Given<String>) -> Given<String> {
    given.filter(|found| !found.value.is_empty())
}
