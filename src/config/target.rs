//! Which store is meant: from the merged settings to a bucket or a directory.

use std::path::{Path, PathBuf};

use crate::store::{Multipart, S3Keys, S3Settings, Secret};

use super::merge::MergedStore;
use super::mistake::Mistakes;
use super::raw::Given;
use super::reader::{self, Found};
use super::settings::StoreTarget;

/// S3 takes parts from 5 MiB to 5 GiB (S3 user guide, "Amazon S3 multipart upload limits").
const PART_SIZES: std::ops::RangeInclusive<u64> = (5 << 20)..=(5 << 30);

/// When multipart uploads are used, as the file words it.
pub const MULTIPART: [(&str, Multipart); 3] =
    [("auto", Multipart::Auto), ("always", Multipart::Always), ("never", Multipart::Never)];

/// Returns the store that `merged` names, `None` where it names none or has mistakes, which go to `m`.
pub fn resolve(merged: &MergedStore, warnings: &mut Vec<String>, m: &mut Mistakes) -> Option<StoreTarget> {
    // asked of every source, whatever the store: a setting that asks for public objects is never ignored
    for acl in merged.acls.iter().filter(|acl| acl.value != "private") {
        let message = format!(
            "default ACL '{}' would make objects public; cairnfs keeps them private: set it to private, or remove it",
            acl.value
        );
        m.push(acl.place.clone(), message);
    }
    let keys = keys(merged, m);
    let endpoint = endpoint(merged, m);
    let part_size = part_size(merged, m);
    let multipart = multipart(merged, m);
    let named = name(merged, m)?;
    let bucket = match named {
        Named::Directory(path) => return Some(StoreTarget::Dir(path)),
        Named::Bucket(bucket) => bucket,
    };
    let verify_ssl = merged.verify_ssl.as_ref().is_none_or(|f| f.value);
    if !verify_ssl {
        let whose = endpoint.as_deref().unwrap_or("Amazon S3");
        warnings.push(format!(
            "{whose}: TLS certificates are not verified, anybody on the way can read and change everything; \
             set S3_VERIFY_SSL=True"
        ));
    }
    let mut settings = S3Settings::new(bucket);
    settings.endpoint_url = endpoint;
    settings.region = merged.region_name.as_ref().map(|f| f.value.clone());
    settings.keys = keys;
    settings.verify_ssl = verify_ssl;
    settings.part_size = part_size.unwrap_or(settings.part_size);
    settings.multipart = multipart;
    Some(StoreTarget::S3(Box::new(settings)))
}

enum Named {
    Bucket(String),
    Directory(PathBuf),
}

/// The store's name alone: an URL from the command line, else a bucket from file or environment.
fn name(merged: &MergedStore, m: &mut Mistakes) -> Option<Named> {
    let (bucket, place) = match (&merged.url, &merged.bucket_name) {
        (Some(url), _) => match url.value.split_once("://") {
            Some(("s3", bucket)) => (bucket.strip_suffix('/').unwrap_or(bucket), &url.place),
            Some(("file", path)) if Path::new(path).is_absolute() => {
                return Some(Named::Directory(path.into()));
            }
            Some(("file", _)) => {
                m.push(
                    url.place.clone(),
                    format!("'{}': write the whole path, file:///directory", url.value),
                );
                return None;
            }
            _ => {
                m.push(
                    url.place.clone(),
                    format!("'{}' is no store; write s3://bucket or file:///directory", url.value),
                );
                return None;
            }
        },
        (None, Some(bucket)) => (bucket.value.as_str(), &bucket.place),
        (None, None) => return None,
    };
    if let Err(why) = check_bucket_name(bucket) {
        m.push(place.clone(), format!("'{bucket}' is no bucket name: {why}"));
        return None;
    }
    Some(Named::Bucket(bucket.to_owned()))
}

/// What every S3 server agrees on. The finer rules differ between servers and their versions; they answer themselves.
fn check_bucket_name(name: &str) -> Result<(), &'static str> {
    if name.is_empty() {
        Err("it is empty")
    } else if name.contains('/') {
        Err("a store is a whole bucket, without a prefix in it")
    } else if !name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')) {
        Err("it has letters, digits, dots and hyphens only")
    } else {
        Ok(())
    }
}

/// A scheme in the endpoint wins; without one `use_ssl` decides.
fn endpoint(merged: &MergedStore, m: &mut Mistakes) -> Option<String> {
    let Found { value, place } = merged.endpoint_url.as_ref()?;
    let tls = merged.use_ssl.as_ref().is_none_or(|f| f.value);
    let (scheme, rest) = match value.split_once("://") {
        Some((scheme, rest)) => (scheme.to_ascii_lowercase(), rest),
        None => (if tls { "https" } else { "http" }.to_owned(), value.as_str()),
    };
    let host = rest.split('/').next().unwrap_or_default();
    let message = if scheme != "http" && scheme != "https" {
        format!("endpoint: '{scheme}://' is not spoken here; write http:// or https://")
    } else if host.contains('@') {
        // not repeated: it may hold a password
        "endpoint: must hold no user and password; set S3_ACCESS_KEY and S3_SECRET_KEY".to_owned()
    } else if host.is_empty() || rest.contains(char::is_whitespace) || rest.contains(['?', '#']) {
        format!("endpoint: '{value}' is no address; write it like http://localhost:9000")
    } else {
        return Some(format!("{scheme}://{}", rest.trim_end_matches('/')));
    };
    m.push(place.clone(), message);
    None
}

/// Both keys, or neither: half a pair would silently be somebody else's.
fn keys(merged: &MergedStore, m: &mut Mistakes) -> Option<S3Keys> {
    let half = |found: &Found<String>, m: &mut Mistakes, given: &str, missing: &str| {
        m.push(found.place.clone(), format!("{given} is set, but {missing} is not; set both, or neither"));
        None
    };
    match (&merged.access_key, &merged.secret_key) {
        (Some(access), Some(secret)) => {
            let secret_key = Secret::new(secret.value.clone());
            Some(S3Keys { access_key: access.value.clone(), secret_key, session_token: None })
        }
        (Some(access), None) => half(access, m, "the access key", "S3_SECRET_KEY"),
        (None, Some(secret)) => half(secret, m, "the secret key", "S3_ACCESS_KEY"),
        (None, None) => None,
    }
}

fn part_size(merged: &MergedStore, m: &mut Mistakes) -> Option<u64> {
    let found = merged.part_size.as_ref()?;
    if !PART_SIZES.contains(&found.value) {
        m.push(found.place.clone(), "store.part_size: S3 takes parts from \"5MiB\" to \"5GiB\"");
    }
    Some(found.value)
}

fn multipart(merged: &MergedStore, m: &mut Mistakes) -> Multipart {
    let given: &Given<String> = &merged.multipart;
    let Some(found) = given else { return Multipart::Auto };
    reader::pick(&MULTIPART, &found.value).unwrap_or_else(|why| {
        m.push(found.place.clone(), format!("store.multipart: {why}"));
        Multipart::Auto
    })
}

/// Returns a short name of a store for people, and the bytes that tell it from every other store.
pub fn identity(store: &StoreTarget) -> (String, Vec<u8>) {
    use std::os::unix::ffi::OsStrExt as _;
    match store {
        StoreTarget::S3(s3) => {
            let endpoint = s3.endpoint_url.as_deref().unwrap_or_default();
            (s3.bucket.clone(), format!("s3\0{endpoint}\0{}", s3.bucket).into_bytes())
        }
        StoreTarget::Dir(path) => {
            let label = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
            (label, [b"file\0", path.as_os_str().as_bytes()].concat())
        }
    }
}

/// Returns the store as users name it.
pub fn url(store: &StoreTarget) -> String {
    match store {
        StoreTarget::S3(s3) => format!("s3://{}", s3.bucket),
        StoreTarget::Dir(path) => format!("file://{}", path.display()),
    }
}
