//! From what was written to what is meant: [`load`] reads all sources and returns settings that hold together, or
//! every mistake at once.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::layout::{self, DomainSpec, Layout, LayoutField, LayoutOptions};

use super::env::Environment;
use super::merge::{self, Overrides};
use super::mistake::{ConfigError, Mistakes, Place};
use super::raw::{Given, RawCache, RawDomain, RawFile, RawMount, RawRead, RawWrite};
use super::reader::{self, Found};
use super::settings::{
    CacheSettings, Dirs, MountSettings, ReadSettings, SameBytes, Settings, StoreTarget, WeakStore,
    WhenUnreachable, WriteSettings,
};
use super::target;

/// Reads the flags, the file they name and the environment, in that order of strength.
///
/// # Errors
/// [`ConfigError`] with every mistake in any of them.
pub fn load(flags: &Overrides, env: &Environment) -> Result<Settings, ConfigError> {
    let mut mistakes = Mistakes::default();
    let m = &mut mistakes;
    let mut warnings = Vec::new();
    let file = match &flags.config {
        Some(path) => read_file(path, m),
        None => RawFile::default(),
    };
    if let (Some(path), Some(_)) = (&flags.config, &file.store.secret_key) {
        warnings.extend(exposed_secret(path));
    }
    let store = merge::store(flags, file.store, env, m);
    let store = target::resolve(&store, &mut warnings, m);
    let (domains, layout) =
        layout(file.builtin_domains, file.domains, file.django, file.service_prefix, file.scratch, m);
    let settings = Settings {
        dirs: dirs(flags, env, store.as_ref()),
        store,
        domains,
        layout,
        write: write(file.write, m),
        read: read(file.read, m),
        cache: cache(file.cache),
        mount: mount(file.mount),
        warnings,
    };
    mistakes.into_result()?;
    Ok(settings)
}

fn read_file(path: &Path, m: &mut Mistakes) -> RawFile {
    match fs::read_to_string(path) {
        Ok(text) => RawFile::parse(path, &text, m),
        Err(e) => {
            m.push(Place::File { path: path.to_owned(), line: 0 }, format!("cannot be read: {e}"));
            RawFile::default()
        }
    }
}

/// Returns a warning where others may read the secret in the file.
fn exposed_secret(path: &Path) -> Option<String> {
    let mode = fs::metadata(path).ok()?.permissions().mode() & 0o777;
    (mode & 0o077 != 0).then(|| {
        let path = path.display();
        format!(
            "{path}: holds secret_key and may be read by others (mode {mode:04o}); run 'chmod 600 {path}'"
        )
    })
}

/// The built-in domains, the given ones, or both, tried out as a layout.
fn layout(
    builtin: Given<bool>,
    given: Vec<RawDomain>,
    django: Given<String>,
    service_prefix: Given<String>,
    scratch: Vec<Found<String>>,
    m: &mut Mistakes,
) -> (Vec<DomainSpec>, LayoutOptions) {
    let with_builtin = builtin.as_ref().map_or(given.is_empty(), |found| found.value);
    let mut domains = if with_builtin { layout::builtin_domains() } else { Vec::new() };
    let first_given = domains.len();
    domains.extend(given.iter().map(|raw| domain(raw, m)));

    let mut options = LayoutOptions { scratch: values(&scratch), ..LayoutOptions::default() };
    parse_into(&mut options.django, django.as_ref(), "django", m);
    if let Some(prefix) = &service_prefix {
        options.service_prefix.clone_from(&prefix.value);
    }

    for error in Layout::new(domains.clone(), options.clone()).err().unwrap_or_default() {
        let raw = error.domain.and_then(|index| given.get(index.checked_sub(first_given)?));
        let place = match (raw, error.field) {
            // what is missing has been said, with its reason, where the domain was read
            (Some(raw), LayoutField::Name) if raw.name.is_none() => continue,
            (Some(raw), LayoutField::Template) if raw.template.is_none() => continue,
            (Some(raw), field) => place_in_domain(raw, field, error.item),
            (None, LayoutField::ServicePrefix) => service_prefix.as_ref().map(|f| f.place.clone()),
            (None, LayoutField::Scratch) => error.item.and_then(|i| scratch.get(i)).map(|f| f.place.clone()),
            (None, LayoutField::Domains) => builtin.as_ref().map(|f| f.place.clone()),
            (None, _) => None,
        };
        m.push(place.unwrap_or(Place::Nowhere), error.to_string());
    }
    (domains, options)
}

/// Returns the line of `field`, or of the domain's header where the field was left out.
fn place_in_domain(raw: &RawDomain, field: LayoutField, item: Option<usize>) -> Option<Place> {
    let place = match field {
        LayoutField::Name => raw.name.as_ref().map(|f| &f.place),
        LayoutField::Template => raw.template.as_ref().map(|f| &f.place),
        LayoutField::Extensions => raw.extensions.as_ref().map(|list| {
            let item = item.and_then(|i| list.value.get(i));
            item.map_or(&list.place, |f| &f.place)
        }),
        LayoutField::MaxKeyLength => raw.max_key_length.as_ref().map(|f| &f.place),
        LayoutField::MaxSize => raw.max_size.as_ref().map(|f| &f.place),
        _ => None,
    };
    Some(place.unwrap_or(&raw.place).clone())
}

fn domain(raw: &RawDomain, m: &mut Mistakes) -> DomainSpec {
    let mut required = |given: &Given<String>, key: &str, example: &str| match given {
        Some(found) => found.value.clone(),
        None => {
            m.push(raw.place.clone(), format!("domain.{key}: is missing; write {key} = \"{example}\""));
            String::new()
        }
    };
    let name = required(&raw.name, "name", "contracts");
    let template = required(&raw.template, "template", "contracts/{customer}/{filename}");
    let mut spec = DomainSpec {
        name,
        template,
        extensions: raw.extensions.as_ref().map(|list| values(&list.value)),
        delete: layout::DeletePolicy::default(),
        writable: raw.writable.as_ref().is_none_or(|f| f.value),
        max_key_length: raw.max_key_length.as_ref().map_or(layout::DEFAULT_MAX_KEY_LENGTH, |f| f.value),
        max_size: raw.max_size.as_ref().and_then(|f| f.value),
    };
    parse_into(&mut spec.delete, raw.delete.as_ref(), "domain.delete", m);
    spec
}

fn write(raw: RawWrite, m: &mut Mistakes) -> WriteSettings {
    let default = WriteSettings::default();
    let same_bytes = [("skip", SameBytes::Skip), ("keep", SameBytes::Keep)];
    let weak_store =
        [("check", WeakStore::Check), ("suffix", WeakStore::Suffix), ("refuse", WeakStore::Refuse)];
    let unreachable = [("queue", WhenUnreachable::Queue), ("fail", WhenUnreachable::Fail)];
    WriteSettings {
        close_wait: or(raw.close_wait, default.close_wait),
        rename_wait: or(raw.rename_wait, default.rename_wait),
        publish_after: or(raw.publish_after, default.publish_after),
        empty_after: or(raw.empty_after, default.empty_after),
        delete_after: or(raw.delete_after, default.delete_after),
        free_floor: or(raw.free_floor, default.free_floor),
        staging_budget: or(raw.staging_budget, default.staging_budget),
        guard: or(raw.guard, default.guard),
        same_bytes: word(raw.same_bytes, "write.same_bytes", &same_bytes, m),
        weak_store: word(raw.weak_store, "write.weak_store", &weak_store, m),
        when_unreachable: word(raw.when_unreachable, "write.when_unreachable", &unreachable, m),
        drain: or(raw.drain, default.drain),
        scratch_ttl: or(raw.scratch_ttl, default.scratch_ttl),
        trash_keep: or(raw.trash_keep, default.trash_keep),
    }
}

fn read(raw: RawRead, m: &mut Mistakes) -> ReadSettings {
    let default = ReadSettings::default();
    if let Some(found) = raw.deadline.as_ref().filter(|found| found.value.is_zero()) {
        m.push(found.place.clone(), "read.deadline: must be longer than 0s, or no request could be answered");
    }
    ReadSettings {
        list_ttl: or(raw.list_ttl, default.list_ttl),
        miss_ttl: or(raw.miss_ttl, default.miss_ttl),
        deadline: or(raw.deadline, default.deadline),
    }
}

fn cache(raw: RawCache) -> CacheSettings {
    let default = CacheSettings::default();
    CacheSettings { memory: or(raw.memory, default.memory), disk: or(raw.disk, default.disk) }
}

fn mount(raw: RawMount) -> MountSettings {
    let default = MountSettings::default();
    MountSettings {
        uid: or(raw.uid, default.uid),
        gid: or(raw.gid, default.gid),
        file_mode: or(raw.file_mode, default.file_mode),
        dir_mode: or(raw.dir_mode, default.dir_mode),
        allow_other: or(raw.allow_other, default.allow_other),
        read_only: or(raw.read_only, default.read_only),
    }
}

/// Flags over the unit's directories over the user's. Only the last are shared by stores, so they get one directory
/// for each.
fn dirs(flags: &Overrides, env: &Environment, store: Option<&StoreTarget>) -> Dirs {
    let own = store.map_or_else(|| PathBuf::from("unnamed"), store_directory);
    let absolute = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone());
    let state = flags.state_dir.as_ref().map(absolute).or_else(|| env.unit_state());
    let cache = flags.cache_dir.as_ref().map(absolute).or_else(|| env.unit_cache());
    Dirs {
        state: state.unwrap_or_else(|| env.state_base().join(&own)),
        cache: cache.unwrap_or_else(|| env.cache_base().join(&own)),
        runtime: env.runtime_directory(),
        probed: env.cache_base().join("probed").join(&own),
    }
}

/// Returns a name for the directory of a store: one that a person recognises, and a hash that keeps buckets of the
/// same name on different servers apart.
fn store_directory(store: &StoreTarget) -> PathBuf {
    let (label, identity) = target::identity(store);
    let label: String =
        label.chars().map(|c| if c.is_ascii_alphanumeric() || "-._".contains(c) { c } else { '_' }).collect();
    let mut hash = hex::encode(Sha256::digest(identity));
    hash.truncate(8);
    PathBuf::from(format!("{}-{hash}", label.chars().take(64).collect::<String>()))
}

fn or<T>(given: Given<T>, default: T) -> T {
    given.map_or(default, |found| found.value)
}

fn values(list: &[Found<String>]) -> Vec<String> {
    list.iter().map(|found| found.value.clone()).collect()
}

fn word<T: Copy + Default>(given: Given<String>, label: &str, words: &[(&str, T)], m: &mut Mistakes) -> T {
    let Some(found) = given else { return T::default() };
    reader::pick(words, &found.value).unwrap_or_else(|why| {
        m.push(found.place, format!("{label}: {why}"));
        T::default()
    })
}

/// Reads `given` into `slot`, which keeps its default where there is nothing, or nothing that fits.
fn parse_into<T>(slot: &mut T, given: Option<&Found<String>>, label: &str, m: &mut Mistakes)
where
    T: std::str::FromStr<Err: std::fmt::Display>,
{
    match given.map(|found| (found, found.value.parse())) {
        Some((_, Ok(value))) => *slot = value,
        Some((found, Err(why))) => m.push(found.place.clone(), format!("{label}: {why}")),
        None => {}
    }
}
