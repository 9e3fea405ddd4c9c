//! The configuration file as it was written: every setting optional, each with its line.
//!
//! This is the list of what the file may hold. Meaning and defaults are in [`settings`](super::settings), the words
//! for people in `docs/configuration.md`.

use std::path::Path;
use std::time::Duration;

use serde_spanned::Spanned;
use toml::de::{DeTable, DeValue};

use super::mistake::{Mistakes, Place};
use super::reader::{self, Found, Section, Source};

/// A setting that may have been written.
pub type Given<T> = Option<Found<T>>;

/// The keys of each section, for hints about keys in the wrong place. The empty name is the top of the file.
const SECTIONS: [(&str, &[&str]); 7] = [
    ("", &["builtin_domains", "django", "service_prefix", "scratch"]),
    ("domain", &["template", "extensions", "delete", "writable", "max_key_length", "max_size"]),
    (
        "store",
        &[
            "access_key",
            "secret_key",
            "bucket_name",
            "endpoint_url",
            "region_name",
            "use_ssl",
            "verify_ssl",
            "default_acl",
            "part_size",
            "multipart",
        ],
    ),
    (
        "write",
        &[
            "close_wait",
            "rename_wait",
            "publish_after",
            "empty_after",
            "delete_after",
            "free_floor",
            "staging_budget",
            "guard",
            "same_bytes",
            "weak_store",
            "when_unreachable",
            "drain",
            "scratch_ttl",
            "trash_keep",
        ],
    ),
    ("read", &["list_ttl", "miss_ttl", "deadline"]),
    ("cache", &["memory", "disk"]),
    ("mount", &["uid", "gid", "file_mode", "dir_mode", "allow_other", "read_only"]),
];

/// The whole file.
#[derive(Debug, Default)]
pub struct RawFile {
    /// Keep the built-in domains beside the given ones.
    pub builtin_domains: Given<bool>,
    /// Which Django's suffix rule.
    pub django: Given<String>,
    /// The prefix that is for cairnfs alone.
    pub service_prefix: Given<String>,
    /// Additional patterns of scratch names.
    pub scratch: Vec<Found<String>>,
    /// Every `[[domain]]`.
    pub domains: Vec<RawDomain>,
    /// `[store]`
    pub store: RawStore,
    /// `[write]`
    pub write: RawWrite,
    /// `[read]`
    pub read: RawRead,
    /// `[cache]`
    pub cache: RawCache,
    /// `[mount]`
    pub mount: RawMount,
}

/// One `[[domain]]`.
#[derive(Debug)]
pub struct RawDomain {
    /// Where its header is.
    pub place: Place,
    #[expect(missing_docs, reason = "named as in the file")]
    pub name: Given<String>,
    #[expect(missing_docs, reason = "named as in the file")]
    pub template: Given<String>,
    /// Each extension with its own line; the outer place is the list's.
    pub extensions: Given<Vec<Found<String>>>,
    #[expect(missing_docs, reason = "named as in the file")]
    pub delete: Given<String>,
    #[expect(missing_docs, reason = "named as in the file")]
    pub writable: Given<bool>,
    #[expect(missing_docs, reason = "named as in the file")]
    pub max_key_length: Given<u32>,
    #[expect(missing_docs, reason = "named as in the file")]
    pub max_size: Given<Option<u64>>,
}

/// `[store]`, named as the environment without `S3_`.
#[derive(Default)]
#[expect(missing_docs, reason = "named as in the file")]
pub struct RawStore {
    pub access_key: Given<String>,
    pub secret_key: Given<String>,
    pub bucket_name: Given<String>,
    pub endpoint_url: Given<String>,
    pub region_name: Given<String>,
    pub use_ssl: Given<bool>,
    pub verify_ssl: Given<bool>,
    pub default_acl: Given<String>,
    pub part_size: Given<u64>,
    pub multipart: Given<String>,
}

impl std::fmt::Debug for RawStore {
    /// Nothing of it: it holds secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RawStore { .. }")
    }
}

/// `[write]`
#[derive(Debug, Default)]
#[expect(missing_docs, reason = "named as in the file")]
pub struct RawWrite {
    pub close_wait: Given<Duration>,
    pub rename_wait: Given<Duration>,
    pub publish_after: Given<Duration>,
    pub empty_after: Given<Duration>,
    pub delete_after: Given<Duration>,
    pub free_floor: Given<u64>,
    pub staging_budget: Given<Option<u64>>,
    pub guard: Given<Duration>,
    pub same_bytes: Given<String>,
    pub weak_store: Given<String>,
    pub when_unreachable: Given<String>,
    pub drain: Given<Duration>,
    pub scratch_ttl: Given<Duration>,
    pub trash_keep: Given<Option<Duration>>,
}

/// `[read]`
#[derive(Debug, Default)]
#[expect(missing_docs, reason = "named as in the file")]
pub struct RawRead {
    pub list_ttl: Given<Duration>,
    pub miss_ttl: Given<Duration>,
    pub deadline: Given<Duration>,
}

/// `[cache]`
#[derive(Debug, Default)]
#[expect(missing_docs, reason = "named as in the file")]
pub struct RawCache {
    pub memory: Given<u64>,
    pub disk: Given<u64>,
}

/// `[mount]`
#[derive(Debug, Default)]
#[expect(missing_docs, reason = "named as in the file")]
pub struct RawMount {
    pub uid: Given<u32>,
    pub gid: Given<u32>,
    pub file_mode: Given<u32>,
    pub dir_mode: Given<u32>,
    pub allow_other: Given<Option<bool>>,
    pub read_only: Given<bool>,
}

impl RawFile {
    /// Reads `text`, the content of the file at `path`. What is wrong goes to `mistakes`, the rest comes back.
    pub fn parse(path: &Path, text: &str, mistakes: &mut Mistakes) -> Self {
        let source = Source::new(path, text);
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in errors {
            // the message alone: the long form of the error quotes the line, which may hold a secret
            let place = source.place(&error.span().unwrap_or(0..0));
            let message = error.message().lines().collect::<Vec<_>>().join(", ");
            mistakes.push_unreadable(place, format!("not TOML: {message}"));
        }
        let top = table.get_ref();
        let m = mistakes;
        let mut s = Section::new("", Some(top), source);
        let file = Self {
            builtin_domains: s.take("builtin_domains", reader::switch, m),
            django: s.take("django", reader::text, m),
            service_prefix: s.take("service_prefix", reader::text, m),
            scratch: s.take_texts("scratch", m).map(|found| found.value).unwrap_or_default(),
            domains: domains(s.raw("domain"), source, m),
            store: store(s.table("store", m), m),
            write: write(s.table("write", m), m),
            read: read(s.table("read", m), m),
            cache: cache(s.table("cache", m), m),
            mount: mount(s.table("mount", m), m),
        };
        s.finish(section_of, m);
        file
    }
}

/// Returns the section that knows `key`, if one does.
fn section_of(key: &str) -> Option<&'static str> {
    SECTIONS.iter().find(|(_, keys)| keys.contains(&key)).map(|(section, _)| *section)
}

fn domains<'a>(
    value: Option<&'a Spanned<DeValue<'a>>>,
    source: Source<'a>,
    m: &mut Mistakes,
) -> Vec<RawDomain> {
    let Some(value) = value else { return Vec::new() };
    let Some(list) = value.get_ref().as_array() else {
        m.push(
            source.place(&value.span()),
            "domain: write [[domain]], in double brackets, above each domain",
        );
        return Vec::new();
    };
    let mut out = Vec::new();
    for item in list.iter() {
        let place = source.place(&item.span());
        let Some(table) = item.get_ref().as_table() else {
            m.push(place, "domain: must be a table");
            continue;
        };
        let mut s = Section::new("domain", Some(table), source);
        out.push(RawDomain {
            place,
            name: s.take("name", reader::text, m),
            template: s.take("template", reader::text, m),
            extensions: s.take_texts("extensions", m),
            delete: s.take("delete", reader::text, m),
            writable: s.take("writable", reader::switch, m),
            max_key_length: s.take("max_key_length", reader::number, m),
            max_size: s.take("max_size", reader::optional_size, m),
        });
        s.finish(section_of, m);
    }
    out
}

fn store(mut s: Section<'_>, m: &mut Mistakes) -> RawStore {
    let raw = RawStore {
        access_key: s.take("access_key", reader::text, m),
        secret_key: s.take("secret_key", reader::text, m),
        bucket_name: s.take("bucket_name", reader::text, m),
        endpoint_url: s.take("endpoint_url", reader::text, m),
        region_name: s.take("region_name", reader::text, m),
        use_ssl: s.take("use_ssl", reader::switch, m),
        verify_ssl: s.take("verify_ssl", reader::switch, m),
        default_acl: s.take("default_acl", reader::text, m),
        part_size: s.take("part_size", reader::size, m),
        multipart: s.take("multipart", reader::text, m),
    };
    s.finish(section_of, m);
    raw
}

fn write(mut s: Section<'_>, m: &mut Mistakes) -> RawWrite {
    let raw = RawWrite {
        close_wait: s.take("close_wait", reader::duration, m),
        rename_wait: s.take("rename_wait", reader::duration, m),
        publish_after: s.take("publish_after", reader::duration, m),
        empty_after: s.take("empty_after", reader::duration, m),
        delete_after: s.take("delete_after", reader::duration, m),
        free_floor: s.take("free_floor", reader::size, m),
        staging_budget: s.take("staging_budget", reader::optional_size, m),
        guard: s.take("guard", reader::duration, m),
        same_bytes: s.take("same_bytes", reader::text, m),
        weak_store: s.take("weak_store", reader::text, m),
        when_unreachable: s.take("when_unreachable", reader::text, m),
        drain: s.take("drain", reader::duration, m),
        scratch_ttl: s.take("scratch_ttl", reader::duration, m),
        trash_keep: s.take("trash_keep", reader::optional_duration, m),
    };
    s.finish(section_of, m);
    raw
}

fn read(mut s: Section<'_>, m: &mut Mistakes) -> RawRead {
    let raw = RawRead {
        list_ttl: s.take("list_ttl", reader::duration, m),
        miss_ttl: s.take("miss_ttl", reader::duration, m),
        deadline: s.take("deadline", reader::duration, m),
    };
    s.finish(section_of, m);
    raw
}

fn cache(mut s: Section<'_>, m: &mut Mistakes) -> RawCache {
    let raw = RawCache { memory: s.take("memory", reader::size, m), disk: s.take("disk", reader::size, m) };
    s.finish(section_of, m);
    raw
}

fn mount(mut s: Section<'_>, m: &mut Mistakes) -> RawMount {
    let raw = RawMount {
        uid: s.take("uid", reader::number, m),
        gid: s.take("gid", reader::number, m),
        file_mode: s.take("file_mode", reader::mode, m),
        dir_mode: s.take("dir_mode", reader::mode, m),
        allow_other: s.take("allow_other", reader::switch_or_auto, m),
        read_only: s.take("read_only", reader::switch, m),
    };
    s.finish(section_of, m);
    raw
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every key that is listed for hints must be read by its section, or the hint would lead astray.
    #[test]
    fn every_key_in_the_hints_is_known_to_its_section() {
        for (section, keys) in SECTIONS {
            for key in keys {
                let header = match section {
                    "" => String::new(),
                    "domain" => "[[domain]]\n".to_owned(),
                    other => format!("[{other}]\n"),
                };
                // a date fits no setting: known keys complain of the type, unknown ones of the name
                let mut mistakes = Mistakes::default();
                RawFile::parse(Path::new("f"), &format!("{header}{key} = 2026-01-01\n"), &mut mistakes);
                let error = mistakes.into_result().unwrap_err().to_string();
                assert!(!error.contains("unknown key") && error.contains(key), "{section}.{key}: {error}");
            }
        }
    }
}
