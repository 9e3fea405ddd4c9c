//! What is seen, held against the worlds that the law allows.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use crate::model::{Files, State};
use crate::support::mount::{TestMount, is_alternative, sha};

/// What is to be seen of one directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// On each mount.
    pub views: Vec<Files>,
    /// In the bucket, from behind.
    pub bucket: Files,
    /// When the look began.
    pub began: Duration,
}

/// What was read of each file of a mount, and how it looked then.
pub type Known = BTreeMap<String, (Stamp, Vec<u8>)>;

/// What changes whenever the bytes of a file do: inode, size, times.
type Stamp = (u64, u64, i64, i64);

impl Seen {
    /// Looks at a directory as it is on `mounts`, which share a bucket. Bytes are read where a file looks other than in
    /// `known`.
    ///
    /// # Errors
    /// What is wrong whatever the model says: a name that is listed and cannot be read, a size that is not that of the
    /// bytes.
    pub fn look(
        mounts: &[TestMount],
        dir: &str,
        known: &mut [Known],
        began: Duration,
    ) -> Result<Self, String> {
        let mut views = Vec::new();
        for (mount, known) in mounts.iter().zip(known) {
            let mut files = Files::new();
            look_at(&mount.path(dir), "", known, &mut files)?;
            known.retain(|name, _| files.contains_key(name));
            views.push(files);
        }
        Ok(Self { views, bucket: bucket(&mounts[0], dir), began })
    }
}

/// Returns the objects of a directory, from behind.
pub fn bucket(mount: &TestMount, dir: &str) -> Files {
    let below = format!("{dir}/");
    let objects = mount.objects_below(dir).into_iter();
    objects.filter_map(|(key, data)| Some((key.strip_prefix(&below)?.to_owned(), data))).collect()
}

fn look_at(dir: &Path, below: &str, known: &mut Known, files: &mut Files) -> Result<(), String> {
    for entry in std::fs::read_dir(dir).map_err(|e| format!("readdir: {e}"))? {
        let entry = entry.map_err(|e| format!("readdir: {e}"))?;
        let name = entry.file_name().into_string().map_err(|name| format!("{name:?} is not UTF-8"))?;
        let name = format!("{below}{name}");
        let failed = |what: &str, e: std::io::Error| format!("'{name}' is listed, and yet {what}: {e}");
        let stat = std::fs::symlink_metadata(entry.path()).map_err(|e| failed("stat", e))?;
        let (name, data) = if stat.is_dir() {
            let name = format!("{name}/");
            look_at(&entry.path(), &name, known, files)?;
            (name, Vec::new())
        } else {
            let stamp = (stat.ino(), stat.len(), stat.mtime(), stat.mtime_nsec());
            let data = match known.get(&name) {
                Some((before, data)) if *before == stamp => data.clone(),
                _ => std::fs::read(entry.path()).map_err(|e| failed("read", e))?,
            };
            if stat.len() != data.len() as u64 {
                return Err(format!("'{name}' has {} bytes, and stat says {}", data.len(), stat.len()));
            }
            known.insert(name.clone(), (stamp, data.clone()));
            (name, data)
        };
        if files.insert(name.clone(), data).is_some() {
            return Err(format!("'{name}' is listed twice"));
        }
    }
    Ok(())
}

/// Returns the world as it is after what has been seen, with the alternative names that came about; `None` where it is
/// not this one.
pub fn agree(world: &State, seen: &Seen) -> Option<State> {
    let mut world = world.clone();
    bind(&mut world, State::objects, &seen.bucket);
    for (mount, files) in seen.views.iter().enumerate() {
        world.learn(mount, files, seen.began);
        bind(&mut world, |w| w.visible(mount), files);
        if world.visible(mount) != *files {
            return None;
        }
    }
    (world.objects() == seen.bucket).then_some(world)
}

/// Gives each alternative name that has not been seen yet to a file of the right bytes that nothing else stands for.
fn bind(world: &mut State, part: impl Fn(&State) -> Files, files: &Files) {
    let wanted = part(world);
    for (unseen, data) in &wanted {
        let Some(of) = State::drawn_from(unseen) else { continue };
        let known = part(world);
        let fits = |(name, seen): &(&String, &Vec<u8>)| {
            !known.contains_key(*name) && *seen == data && is_alternative(name, of)
        };
        if let Some((name, _)) = files.iter().find(fits) {
            world.bind(unseen, name);
        }
    }
}

/// Says in a few words which bytes these are.
pub fn short(data: &[u8]) -> String {
    if data.is_empty() { "empty".to_owned() } else { format!("{} bytes {}", data.len(), &sha(data)[..6]) }
}

/// Says how what is seen differs from each of the worlds.
pub fn difference(worlds: &[State], seen: &Seen) -> String {
    let mut text = String::new();
    for (mount, files) in seen.views.iter().enumerate() {
        let _ = writeln!(text, "  seen on mount {}: {}", mount + 1, list(files));
    }
    let _ = writeln!(text, "  seen in the bucket: {}", list(&seen.bucket));
    for (at, world) in worlds.iter().enumerate() {
        let _ = writeln!(text, "  allowed ({} of {}):", at + 1, worlds.len());
        for mount in 0..seen.views.len() {
            let _ = writeln!(text, "    on mount {}: {}", mount + 1, list(&world.visible(mount)));
        }
        let _ = writeln!(text, "    in the bucket: {}", list(&world.objects()));
    }
    text
}

fn list(files: &Files) -> String {
    let all: Vec<_> = files.iter().map(|(name, data)| format!("{name} [{}]", short(data))).collect();
    if all.is_empty() { "nothing".to_owned() } else { all.join(", ") }
}
