//! `cairnfs check`: whether the store can be used, what it can do, and what in it a mount cannot show.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};
use std::io::Write as _;

use crate::config::WeakStore;
use crate::layout::Layout;
use crate::store::ListPage;
use crate::types::ObjectKey;

use super::args::CommandStoreArgs;
use super::objects::Bucket;
use super::{Context, output};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "The exit code says what is wrong: 10 credentials, 11 no such bucket, 12 another error of \
                  the store, 13 no credentials, 14 no answer, 15 no TLS."
)]
pub struct Args {
    #[command(flatten)]
    store: CommandStoreArgs,
}

/// Runs the command.
pub fn run(args: &Args, context: &Context) -> anyhow::Result<u8> {
    super::block_on(async {
        let bucket = Bucket::open(&args.store, context).await?;
        bucket.check().await?;
        let url = bucket.store.url();
        let mut out = std::io::stdout();
        writeln!(out, "{url}: can be used")?;
        let atomic = bucket.probe().await?;
        writeln!(out, "{url}: {}", words_of(atomic, bucket.settings.write.weak_store))?;
        let census = census(&bucket).await?;
        for (domain, count) in bucket.layout.domains().iter().zip(&census) {
            writeln!(out, "{}: {}", domain.name(), count.words())?;
        }
        Ok(0)
    })
}

const fn words_of(atomic: bool, weak_store: WeakStore) -> &'static str {
    match (atomic, weak_store) {
        (true, _) => "of two writers of one name it refuses the second",
        (false, WeakStore::Check) => {
            "WEAK: two writers can create one name, the later overwrites; weak_store = \"check\" looks before and after"
        }
        (false, WeakStore::Suffix) => {
            "WEAK: two writers can create one name; weak_store = \"suffix\" gives every file a name of its own"
        }
        (false, WeakStore::Refuse) => {
            "WEAK: two writers can create one name; weak_store = \"refuse\" writes nothing"
        }
    }
}

/// What lies under the fixed prefix of a domain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Count {
    /// Everything.
    objects: u64,
    /// Older data: shown and readable, never writable (semantics 1.4).
    misfits: u64,
    /// A key `a` where keys `a/…` exist, too (semantics 1.5).
    hidden: u64,
    /// Keys that no path can carry (semantics 1.5).
    unshowable: u64,
}

impl Count {
    fn words(&self) -> String {
        let mut words = format!("{} objects", self.objects);
        for (number, what) in [
            (self.misfits, "not by the domain's rules (shown, read-only)"),
            (self.hidden, "hidden by a directory of the same name ('cairnfs cat' reads it)"),
            (self.unshowable, "that no path can carry (not shown)"),
        ] {
            if number > 0 {
                words.push_str(&format!(", {number} {what}"));
            }
        }
        words
    }
}

/// Counts what is under each domain.
async fn census(bucket: &Bucket) -> anyhow::Result<Vec<Count>> {
    let bar = output::count_bar("objects", None);
    let mut census = Census::new(&bucket.layout);
    for prefix in outermost(&bucket.layout) {
        bucket
            .list(&prefix, false, |page| {
                bar.inc(u64::try_from(page.objects.len()).unwrap_or(u64::MAX));
                census.take_in(&prefix, &page);
            })
            .await?;
    }
    bar.finish_and_clear();
    Ok(census.finish())
}

/// Returns the prefixes to be listed so that every domain is covered once.
fn outermost(layout: &Layout) -> Vec<String> {
    let all: Vec<&str> = layout.domains().iter().map(|d| d.fixed_prefix()).collect();
    let mut chosen: Vec<String> = Vec::new();
    for prefix in &all {
        let inside_another = all.iter().any(|other| other != prefix && prefix.starts_with(other));
        if !inside_another && !chosen.iter().any(|c| c == prefix) {
            chosen.push((*prefix).to_owned());
        }
    }
    chosen
}

/// The count while it goes on. Keys and directories are kept as hashes, so that a million objects take some tens of
/// megabytes; two that meet by accident would be one miscounted object in ages.
struct Census<'a> {
    layout: &'a Layout,
    counts: Vec<Count>,
    hasher: RandomState,
    keys: Vec<(u64, usize)>,
    directories: HashSet<u64>,
}

impl<'a> Census<'a> {
    fn new(layout: &'a Layout) -> Self {
        let counts = vec![Count::default(); layout.domains().len()];
        Self { layout, counts, hasher: RandomState::new(), keys: Vec::new(), directories: HashSet::new() }
    }

    fn take_in(&mut self, prefix: &str, page: &ListPage) {
        for object in &page.objects {
            self.count(&object.key);
        }
        // entries that are not even keys
        if let Some(count) = self.domain_of(prefix).and_then(|domain| self.counts.get_mut(domain)) {
            count.objects += page.skipped;
            count.unshowable += page.skipped;
        }
    }

    fn count(&mut self, key: &ObjectKey) {
        let text = key.as_str();
        let owner = self.layout.owner(text);
        let Some(domain) = owner.as_ref().map(|o| o.domain).or_else(|| self.domain_of(text)) else { return };
        let Some(count) = self.counts.get_mut(domain) else { return };
        count.objects += 1;
        // a directory is shown for what is below it, be that shown or not
        for (slash, _) in text.match_indices('/') {
            self.directories.insert(self.hasher.hash_one(text.get(..slash).unwrap_or_default()));
        }
        let Some(owner) = owner.filter(|_| key.is_path()) else {
            count.unshowable += 1;
            return;
        };
        let allowed = self.layout.domains().get(domain).is_some_and(|d| d.allows_extension(key.file_name()));
        if owner.fields.is_none() || !allowed {
            count.misfits += 1;
        }
        self.keys.push((self.hasher.hash_one(text), domain));
    }

    /// Returns the domain with the longest fixed prefix of `text`.
    fn domain_of(&self, text: &str) -> Option<usize> {
        let fixed = self.layout.domains().iter().map(|d| d.fixed_prefix()).enumerate();
        fixed
            .filter(|(_, prefix)| text.starts_with(prefix))
            .max_by_key(|(_, prefix)| prefix.len())
            .map(|(i, _)| i)
    }

    fn finish(mut self) -> Vec<Count> {
        for (key, domain) in &self.keys {
            if self.directories.contains(key)
                && let Some(count) = self.counts.get_mut(*domain)
            {
                count.hidden += 1;
            }
        }
        self.counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::{LayoutOptions, builtin_domains};

    fn counted(keys: &[&str]) -> Vec<(String, Count)> {
        let layout = Layout::new(builtin_domains(), LayoutOptions::default()).unwrap();
        let mut census = Census::new(&layout);
        for key in keys {
            census.count(&ObjectKey::new(*key).unwrap());
        }
        let names = layout.domains().iter().map(|d| d.name().to_owned());
        names.zip(census.finish()).filter(|(_, count)| count.objects > 0).collect()
    }

    #[test]
    fn keys_are_counted_under_their_domain_by_what_a_mount_does_with_them() {
        let counts = counted(&[
            "documents/a.pdf",
            "documents/b.exe",
            "documents//c.pdf",
            "documents/d",
            "documents/d/e.pdf",
            "chunks/7/chunk_0.txt",
            "elsewhere/x",
        ]);
        let documents = Count { objects: 5, misfits: 3, hidden: 1, unshowable: 1 };
        let chunks = Count { objects: 1, ..Count::default() };
        let found: Vec<Count> = counts.into_iter().map(|(_, count)| count).collect();
        assert_eq!(found, [documents, chunks]);
    }

    #[test]
    fn prefixes_within_others_are_not_listed_twice() {
        let domain = |template: &str| crate::layout::DomainSpec {
            name: template.to_owned(),
            template: template.to_owned(),
            ..builtin_domains().swap_remove(0)
        };
        let domains = vec![domain("a/b/x_{n:int}.pdf"), domain("a/{filename}"), domain("c/{filename}")];
        let layout = Layout::new(domains, LayoutOptions::default()).unwrap();
        assert_eq!(outermost(&layout), ["a/", "c/"]);
    }
}
