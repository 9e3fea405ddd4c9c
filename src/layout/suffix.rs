//! The name that a file gets when its own is taken: `get_alternative_name` and `get_available_name` of Django's
//! storages, as pure functions in both of their variants.

use std::fmt;
use std::str::FromStr;

use rand::distr::{Alphanumeric, SampleString};

/// The number of random characters in a suffix (Django, `Storage.get_alternative_name`).
pub const SUFFIX_CHARS: usize = 7;

/// Tries after which a free name is given up: with 62^7 suffixes, so many taken ones mean that the question is wrong.
const MAX_TRIES: usize = 1000;

/// Where the suffix stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum DjangoRule {
    /// Before all suffixes, as Django since 5.1: `a_XXXXXXX.tar.gz`.
    #[default]
    V5_1,
    /// Before the last suffix, as Django up to 5.0: `a.tar_XXXXXXX.gz`.
    V4_2,
}

impl fmt::Display for DjangoRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V5_1 => "5.1",
            Self::V4_2 => "4.2",
        })
    }
}

/// A version of Django whose rule is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no known rule; use \"5.1\" (Django 5.1 and later) or \"4.2\" (up to 5.0)")]
pub struct UnknownRule(String);

impl FromStr for DjangoRule {
    type Err = UnknownRule;

    fn from_str(text: &str) -> Result<Self, UnknownRule> {
        match text {
            "5.1" => Ok(Self::V5_1),
            "4.2" => Ok(Self::V4_2),
            _ => Err(UnknownRule(text.to_owned())),
        }
    }
}

/// Why Django would refuse to find a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AvailableNameError {
    /// The last segment is empty, `.` or `..`.
    #[error("no file name can be read from it")]
    NoFileName,
    /// A `..` before the last segment.
    #[error("it leads out of its directory")]
    Traversal,
    /// The directory and the extension fill the allowed length: nothing of the root is left.
    #[error("the length limit leaves nothing of the name before its suffix")]
    NoRootLeft,
    /// Name after name was taken; the question is answered wrongly.
    #[error("{MAX_TRIES} names in a row were taken")]
    AllTaken,
}

/// Returns seven random characters of [a-zA-Z0-9].
pub fn random_suffix() -> String {
    Alphanumeric.sample_string(&mut rand::rng(), SUFFIX_CHARS)
}

/// Splits a file name into its root and what the suffix is put before; the root of a name is never empty.
///
/// The second part begins with a dot, or is empty.
pub fn split_name(name: &str, rule: DjangoRule) -> (&str, &str) {
    let leading_dots = name.len() - name.trim_start_matches('.').len();
    let body = name.get(leading_dots..).unwrap_or_default();
    let dot = match rule {
        // pathlib: a name that ends in a dot has no suffixes (Python up to 3.13).
        DjangoRule::V5_1 if name.ends_with('.') => None,
        DjangoRule::V5_1 => body.find('.'),
        // os.path.splitext: dots at the start belong to the root.
        DjangoRule::V4_2 => body.rfind('.'),
    };
    name.split_at(dot.map_or(name.len(), |at| leading_dots + at))
}

/// Returns the alternative of `name`: `root_RANDOM.ext`. Of a path, the last segment is changed.
pub fn alternative_name(name: &str, rule: DjangoRule, random: &str) -> String {
    let (dir, file) = name.rfind('/').map_or(("", name), |at| name.split_at(at + 1));
    let (root, ext) = split_name(file, rule);
    format!("{dir}{root}_{random}{ext}")
}

/// Returns how the last segment of every alternative of `of` begins.
pub fn alternative_start(of: &str, rule: DjangoRule) -> String {
    let file = of.rsplit_once('/').map_or(of, |(_, file)| file);
    format!("{}_", split_name(file, rule).0)
}

/// Returns whether `name` is an alternative of `of`, whose root was not cut.
pub fn is_alternative(name: &str, of: &str, rule: DjangoRule) -> bool {
    let (dir, file) = of.rfind('/').map_or(("", of), |at| of.split_at(at + 1));
    let (root, ext) = split_name(file, rule);
    let rest = name.strip_prefix(dir).and_then(|n| n.strip_prefix(root)).and_then(|n| n.strip_prefix('_'));
    let random = rest.and_then(|n| n.strip_suffix(ext));
    random.is_some_and(|r| r.len() == SUFFIX_CHARS && r.bytes().all(|b| b.is_ascii_alphanumeric()))
}

/// Returns a free name for `name`, as Django's `get_available_name` finds it: `name` itself if it is free and no
/// longer than `max_length`, else alternatives, each drawn anew from the original root.
///
/// `max_length` counts characters of the whole path; as in Django, 0 makes no name too long. Unlike Django, `\` is
/// left as it is (Django folds it into `/` first). `random` is called once a try.
///
/// # Errors
/// [`AvailableNameError`]: the first three where Django raises `SuspiciousFileOperation`.
pub fn available_name(
    name: &str,
    max_length: Option<usize>,
    rule: DjangoRule,
    mut exists: impl FnMut(&str) -> bool,
    mut random: impl FnMut() -> String,
) -> Result<String, AvailableNameError> {
    let (dir, file) = split_path(name);
    if dir.split('/').any(|s| s == "..") {
        return Err(AvailableNameError::Traversal);
    }
    if matches!(file, "" | "." | "..") {
        return Err(AvailableNameError::NoFileName);
    }
    let (root, ext) = split_name(file, rule);
    let separator = if dir.is_empty() || dir.ends_with('/') { "" } else { "/" };
    let mut candidate = name.to_owned();
    for _ in 0..MAX_TRIES {
        let taken = exists(&candidate);
        if !taken && max_length.is_none_or(|max| max == 0 || candidate.chars().count() <= max) {
            return Ok(candidate);
        }
        let random = random();
        let rest = [dir, separator, "_", &random, ext].iter().map(|s| s.chars().count()).sum::<usize>();
        let keep = match max_length {
            None => root.chars().count(),
            Some(max) => max.saturating_sub(rest),
        };
        let cut = cut_chars(root, keep);
        if cut.is_empty() {
            return Err(AvailableNameError::NoRootLeft);
        }
        candidate = format!("{dir}{separator}{cut}_{random}{ext}");
    }
    Err(AvailableNameError::AllTaken)
}

/// Returns the longest start of `text` with at most `chars` characters.
pub(super) fn cut_chars(text: &str, chars: usize) -> &str {
    text.char_indices().nth(chars).map_or(text, |(at, _)| text.get(..at).unwrap_or_default())
}

/// Returns the longest start of `text` with at most `bytes` bytes that ends between two characters.
pub(super) fn cut_bytes(text: &str, bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes)).unwrap_or_default()
}

/// Splits as `os.path.split`: the directory loses its trailing slashes, unless it consists of nothing else.
fn split_path(path: &str) -> (&str, &str) {
    let Some(at) = path.rfind('/') else { return ("", path) };
    let (head, file) = path.split_at(at + 1);
    let dir = head.trim_end_matches('/');
    (if dir.is_empty() { head } else { dir }, file)
}
