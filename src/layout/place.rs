//! Where a path lies: the questions that the file system asks about directories, files and names.

use super::refusal::{Refusal, RefusalReason};
use super::scratch::{is_desktop_dir, is_scratch_dir};
use super::suffix::{cut_bytes, cut_chars, split_name};
use super::template::is_path;
use super::{Domain, Fields, Layout, ScratchKind};
use crate::types::{MAX_KEY_BYTES, MAX_SEGMENT_BYTES};

/// What kind of directory lies in a domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DirKind {
    /// The domain's fixed directory: always there.
    Fixed,
    /// Given by the template below the fixed one: there where objects have it or a user made it.
    Field,
    /// For files on the way (`.~tmp~`, `.rsync-partial`): on this host only.
    Scratch,
    /// Older data that does not fit the template: shown, never writable.
    Misfit,
}

/// Where a directory lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DirPlacement {
    /// The root, or a directory on the way to a domain (`orgs`): always there, never listed from the store.
    Root,
    /// In a domain. Where several domains share it, the one that gives it the strongest kind, the first of those.
    Domain {
        /// The index of the domain.
        domain: usize,
        /// The kind.
        kind: DirKind,
        /// The template's fields as far as the directory fixes them; empty for a misfit.
        fields: Fields,
    },
    /// In no domain: not shown.
    Outside,
}

/// Where a file would lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FilePlacement {
    /// An object may be created under this key.
    Document {
        /// The index of the domain.
        domain: usize,
        /// The template's fields.
        fields: Fields,
    },
    /// It is kept on this host and never published.
    Scratch {
        /// The index of the domain.
        domain: usize,
        /// The kind.
        kind: ScratchKind,
    },
    /// It cannot be made.
    Refused(Refusal),
}

/// The domain under whose prefix an existing key lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyOwner {
    /// The index of the domain.
    pub domain: usize,
    /// The template's fields; none where the key does not fit the template (older data). Extension and lengths are
    /// not looked at: whether the name could be made today, [`Layout::place_file`] tells.
    pub fields: Option<Fields>,
}

impl Layout {
    /// Returns where the directory `path` lies.
    pub fn place_dir(&self, path: &str) -> DirPlacement {
        if path.is_empty() {
            return DirPlacement::Root;
        }
        if !is_path(path) {
            return DirPlacement::Outside;
        }
        if let Some(domain) = self.domains.iter().position(|d| d.fixed_dir() == path) {
            return DirPlacement::Domain { domain, kind: DirKind::Fixed, fields: Fields::new() };
        }
        let Some(covering) = self.covering(path) else {
            return if self.leads_to_domain(path) { DirPlacement::Root } else { DirPlacement::Outside };
        };
        let (parent, name) = split_parent(path);
        if is_scratch_dir(name)
            && let DirPlacement::Domain { domain, kind: DirKind::Fixed | DirKind::Field, fields } =
                self.place_dir(parent)
        {
            return DirPlacement::Domain { domain, kind: DirKind::Scratch, fields };
        }
        let mut domains = self.domains.iter().enumerate();
        match domains.find_map(|(i, d)| Some((i, d.dir_fields(path)?))) {
            Some((domain, fields)) => DirPlacement::Domain { domain, kind: DirKind::Field, fields },
            None => DirPlacement::Domain { domain: covering, kind: DirKind::Misfit, fields: Fields::new() },
        }
    }

    /// Returns the names of the directories that are always shown in `dir`, each once, in the order of the domains.
    pub fn fixed_children(&self, dir: &str) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for domain in &self.domains {
            let below = match dir {
                "" => Some(domain.fixed_prefix()),
                _ => domain.fixed_prefix().strip_prefix(dir).and_then(|rest| rest.strip_prefix('/')),
            };
            if let Some((name, _)) = below.and_then(|rest| rest.split_once('/'))
                && !names.contains(&name)
            {
                names.push(name);
            }
        }
        names
    }

    /// Returns where a new file `path` would lie; for what already exists see [`Layout::owner`].
    pub fn place_file(&self, path: &str) -> FilePlacement {
        self.try_place_file(path).unwrap_or_else(FilePlacement::Refused)
    }

    /// Returns the domain under whose prefix the key `path` lies, whether it may be written or not; none where the
    /// key is not shown.
    pub fn owner(&self, path: &str) -> Option<KeyOwner> {
        let covering = self.covering(path).filter(|_| is_path(path))?;
        let mut domains = self.domains.iter().enumerate();
        let fit =
            domains.find_map(|(domain, d)| Some(KeyOwner { domain, fields: Some(d.file_fields(path)?) }));
        Some(fit.unwrap_or(KeyOwner { domain: covering, fields: None }))
    }

    /// Returns whether the directory `path` may be made: where the template has a directory that is not always there,
    /// and scratch directories in every directory of a domain (semantics 1.3).
    ///
    /// # Errors
    /// The refusal; none for directories that are always there: they exist already.
    pub fn may_mkdir(&self, path: &str) -> Result<(), Refusal> {
        check_segments(path)?;
        let (domain, kind) = match self.place_dir(path) {
            DirPlacement::Root => return Ok(()),
            DirPlacement::Outside => return Err(refusal(path, None, RefusalReason::Outside)),
            DirPlacement::Domain { domain, kind, .. } => (self.domains.get(domain), kind),
        };
        self.check_writable(path, domain)?;
        let template = || domain.map(|d| d.template().to_string()).unwrap_or_default();
        match kind {
            DirKind::Fixed | DirKind::Scratch => Ok(()),
            // one more character makes the shortest file in it
            DirKind::Field => check_key(path, 2, domain),
            DirKind::Misfit if is_desktop_dir(split_parent(path).1) => {
                Err(refusal(path, domain, RefusalReason::DesktopDirectory))
            }
            DirKind::Misfit => Err(refusal(path, domain, RefusalReason::Misfit { template: template() })),
        }
    }

    /// Returns the alternative of a document's path with the suffix `random`, its root cut so that segment, key and
    /// the domain's `max_key_length` hold (semantics 4.1).
    ///
    /// None where `path` is no document, where nothing of the root is left, or where the name with a suffix is no
    /// document of the same domain: a template such as `{index:int}` can take none, and Django's place for the suffix
    /// changes what counts as the extension of a few names such as `..pdf`. Another `random` does not help then.
    pub fn alternative(&self, path: &str, random: &str) -> Option<String> {
        let FilePlacement::Document { domain, .. } = self.place_file(path) else { return None };
        let rules = self.domains.get(domain)?;
        let (parent, name) = split_parent(path);
        let (root, ext) = split_name(name, self.options.django);
        // the parent's `/`, then `_`, random and ext
        let rest = 1 + random.len() + ext.len();
        let bytes = MAX_SEGMENT_BYTES.min(MAX_KEY_BYTES.checked_sub(parent.len() + 1)?).checked_sub(rest)?;
        let around = [parent, "/", "_", random, ext].iter().map(|s| s.chars().count()).sum::<usize>();
        let chars = limit_of(rules).checked_sub(around)?;
        let root = cut_bytes(cut_chars(root, chars), bytes);
        if root.is_empty() {
            return None;
        }
        let with = |random: &str| format!("{parent}/{root}_{random}{ext}");
        let is_ours =
            |p: &FilePlacement| matches!(p, FilePlacement::Document { domain: d, .. } if *d == domain);
        let candidate = with(random);
        match self.place_file(&candidate) {
            p if is_ours(&p) => Some(candidate),
            // `tmp` with a lower-case suffix reads like a name of Python's tempfile: a capital tells them apart
            FilePlacement::Scratch { .. } => {
                let candidate = with(&format!("Z{}", random.get(1..)?));
                is_ours(&self.place_file(&candidate)).then_some(candidate)
            }
            _ => None,
        }
    }

    fn try_place_file(&self, path: &str) -> Result<FilePlacement, Refusal> {
        let outside = || refusal(path, None, RefusalReason::Outside);
        check_segments(path)?;
        let covering = self.covering(path).filter(|_| is_path(path)).ok_or_else(outside)?;
        let (parent, name) = split_parent(path);
        let misfit = |index: usize| {
            let domain = self.domains.get(index);
            let template = domain.map(|d| d.template().to_string()).unwrap_or_default();
            self.check_writable(path, domain)
                .err()
                .unwrap_or_else(|| refusal(path, domain, RefusalReason::Misfit { template }))
        };
        if self.leads_to_domain(path) || self.domains.iter().any(|d| d.fixed_dir() == path) {
            return Err(misfit(covering)); // a directory is always there
        }
        match self.place_dir(parent) {
            DirPlacement::Domain { domain, kind: DirKind::Scratch, .. } => {
                self.check_writable(path, self.domains.get(domain))?;
                let kind = self.is_scratch_name(name, domain).unwrap_or(ScratchKind::Work);
                return Ok(FilePlacement::Scratch { domain, kind });
            }
            DirPlacement::Domain { kind: DirKind::Fixed | DirKind::Field, .. } => {}
            DirPlacement::Domain { domain, kind: DirKind::Misfit, .. } => return Err(misfit(domain)),
            DirPlacement::Root | DirPlacement::Outside => return Err(outside()),
        }
        // A file may be in this directory if a template has its files here; the one that the name fits comes first.
        let mut here = self.domains.iter().enumerate().filter(|(_, d)| d.template().holds_files(parent));
        let fit = self.domains.iter().enumerate().find_map(|(i, d)| Some((i, d, d.file_fields(path)?)));
        let Some((index, domain)) = fit.as_ref().map(|(i, d, _)| (*i, *d)).or_else(|| here.next()) else {
            return Err(misfit(covering));
        };
        self.check_writable(path, Some(domain))?;
        if let Some(kind) = self.is_scratch_name(name, index) {
            return Ok(FilePlacement::Scratch { domain: index, kind });
        }
        let Some((_, _, fields)) = fit else { return Err(misfit(index)) };
        if !domain.allows_extension(name) {
            let reason = RefusalReason::Extension {
                found: super::extension(name),
                allowed: domain.spec().extensions.clone().unwrap_or_default(),
            };
            return Err(refusal(path, Some(domain), reason));
        }
        check_key(path, 0, Some(domain))?;
        Ok(FilePlacement::Document { domain: index, fields })
    }

    /// The domain with the longest fixed prefix that `path` lies under.
    fn covering(&self, path: &str) -> Option<usize> {
        let covering = self.domains.iter().enumerate().filter(|(_, d)| d.covers(path));
        // of equal ones, the first
        covering.rev().max_by_key(|(_, d)| d.fixed_prefix().len()).map(|(i, _)| i)
    }

    /// Whether `path` is a true ancestor of a fixed directory.
    fn leads_to_domain(&self, path: &str) -> bool {
        let leads = |d: &Domain| d.fixed_dir().strip_prefix(path).is_some_and(|rest| rest.starts_with('/'));
        self.domains.iter().any(leads)
    }

    fn check_writable(&self, path: &str, domain: Option<&Domain>) -> Result<(), Refusal> {
        match domain {
            Some(d) if !d.spec().writable => Err(refusal(path, domain, RefusalReason::ReadOnlyDomain)),
            _ => Ok(()),
        }
    }
}

impl Domain {
    /// The template's fields of the directory, unless it lies below a directory that is never a field.
    fn dir_fields(&self, path: &str) -> Option<Fields> {
        let below = path.strip_prefix(self.fixed_prefix())?;
        let own = below.split('/').any(|name| is_scratch_dir(name) || is_desktop_dir(name));
        if own { None } else { self.template().match_dir(path) }
    }

    /// The template's fields of the file, unless its directory is never a field.
    fn file_fields(&self, path: &str) -> Option<Fields> {
        let (parent, _) = split_parent(path);
        if parent != self.fixed_dir() {
            self.dir_fields(parent)?;
        }
        self.fields_of(path)
    }
}

/// Splits `path` at its last `/`.
fn split_parent(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

fn limit_of(domain: &Domain) -> usize {
    usize::try_from(domain.spec().max_key_length).unwrap_or(usize::MAX)
}

fn refusal(path: &str, domain: Option<&Domain>, reason: RefusalReason) -> Refusal {
    Refusal { path: path.to_owned(), domain: domain.map(|d| d.name().to_owned()), reason }
}

fn check_segments(path: &str) -> Result<(), Refusal> {
    match path.split('/').map(str::len).find(|bytes| *bytes > MAX_SEGMENT_BYTES) {
        Some(bytes) => Err(refusal(path, None, RefusalReason::SegmentTooLong { bytes })),
        None => Ok(()),
    }
}

/// Checks the lengths of the key `path`, or of the shortest key that is `more` characters longer.
fn check_key(path: &str, more: usize, domain: Option<&Domain>) -> Result<(), Refusal> {
    let bytes = path.len() + more;
    if bytes > MAX_KEY_BYTES {
        return Err(refusal(path, domain, RefusalReason::KeyTooLong { bytes }));
    }
    let chars = path.chars().count() + more;
    match domain {
        Some(d) if chars > limit_of(d) => {
            let limit = d.spec().max_key_length;
            Err(refusal(path, domain, RefusalReason::KeyOverDomainLimit { chars, limit }))
        }
        _ => Ok(()),
    }
}
