//! pjdfstest: what POSIX wants of a file system, system call by system call.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::mount::{UnmountFlags, mount_bind, unmount};

use crate::support::mount::{Kind, Setup};
use crate::{CONFIG, excluded, program};

on_both_stores! {
    pjdfstest_fails_only_where_the_law_wants_it,
}

/// As root, who may become somebody else, every test runs; as another user those that need no rights.
fn pjdfstest_fails_only_where_the_law_wants_it(kind: Kind) {
    let mut mount = Setup::new(kind).config(CONFIG).start();
    let excluded = excluded::read(include_str!("pjdfstest.exclude"));
    let config = config_with(&excluded.keys().copied().collect::<Vec<_>>());
    let place = Place::of(&mount.path("suite"));
    let mut command = program::built("pjdfstest");
    command.arg("-c").arg(config.path()).arg("-p").arg(&place.path).env("RUST_BACKTRACE", "0");
    let ran = program::run(&mut command, Duration::from_secs(300));
    drop(place);
    mount.stop();

    let results = results(&ran.said);
    let count = |result| results.values().filter(|r| **r == result).count();
    println!(
        "{} passed, {} failed as the law wants it, {} skipped",
        count("ok"),
        count("failed as expected"),
        count("skipped")
    );
    assert!(ran.status.success(), "{}", ran.said);
    assert!(count("ok") > 50, "most of it was not run:\n{}", ran.said);
    let unknown: Vec<_> = excluded.keys().filter(|name| !results.contains_key(*name)).collect();
    assert!(unknown.is_empty(), "there are no such tests: {unknown:?}");
}

/// The configuration: ours, and which failures are expected. A test of those that passes is an error of its own.
fn config_with(excluded: &[&str]) -> tempfile::NamedTempFile {
    let expected = format!("[settings]\nexpected_failures = {excluded:?}\n");
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), include_str!("pjdfstest.toml").replacen("[settings]\n", &expected, 1)).unwrap();
    file
}

/// Returns what became of each test.
fn results(said: &str) -> BTreeMap<&str, &str> {
    let is_test = |(name, _): &(&str, &str)| name.contains("::");
    said.lines().filter_map(|line| line.split_once(' ')).filter(is_test).map(|(n, r)| (n, r.trim())).collect()
}

/// The directory where it works. Its users must get there, which below a home directory they do not: root makes another
/// way.
struct Place {
    path: PathBuf,
    bound: Option<tempfile::TempDir>,
}

impl Place {
    fn of(dir: &Path) -> Self {
        if !rustix::process::geteuid().is_root() {
            return Self { path: dir.to_owned(), bound: None };
        }
        let way = tempfile::Builder::new().prefix("cairnfs-suite-").tempdir().unwrap();
        fs::set_permissions(way.path(), fs::Permissions::from_mode(0o755)).unwrap();
        mount_bind(dir, way.path()).unwrap();
        Self { path: way.path().to_owned(), bound: Some(way) }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.bound.is_some() {
            let _ = unmount(&self.path, UnmountFlags::DETACH);
        }
    }
}
