//! Sentences 1.4 and 1.5: keys of every kind that other clients put into the bucket.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use md5::{Digest as _, Md5};

use crate::CONFIG;
use crate::random;
use crate::support::mount::{Kind, Setup, TestMount};

/// The fixed prefixes of the domains.
const DOMAINS: [&str; 8] = [
    "any/",
    "chunks/",
    "documents/",
    "orgs/logos/",
    "rfp_exports/",
    "rfp_info_documents/",
    "rfp_question_documents/",
    "scraped/",
];

/// Where no random key lies.
const EXTRA: &str = "rfp_info_documents/";

#[test]
fn ten_thousand_random_keys_on_our_own_server_are_shown_or_counted() {
    let objects = random::objects(1, 10_000, true);
    let mount = objects.iter().fold(Setup::new(Kind::S3).config(CONFIG), |s, (k, d)| s.object(k, d)).start();
    expect(mount, &objects, 0);
}

#[test]
fn ten_thousand_random_keys_in_a_directory_are_shown_or_counted() {
    let mount = Setup::new(Kind::Dir).config(CONFIG).start();
    let root = mount.store_file("");
    let mut objects = random::objects(2, 60_000, true);
    // what the host takes: no file beside a directory of its name, no names that are none
    objects.retain(|key, data| {
        let path = root.join(key);
        let plain = key.split('/').all(|s| !matches!(s, "" | "." | "..")) && !key.contains('\0');
        plain && fs::create_dir_all(path.parent().unwrap()).is_ok() && fs::write(path, data).is_ok()
    });
    assert!(objects.len() > 10_000, "{}", objects.len());
    let extra = put_what_only_a_host_can_have(&root);
    expect(mount, &objects, extra);
}

/// SeaweedFS keeps keys as paths: it says itself what became of them.
#[test]
fn random_keys_that_boto3_puts_into_seaweedfs_are_shown_or_counted() {
    let mount = Setup::new(Kind::Seaweed).config(CONFIG).start();
    let objects = random::objects(3, 3000, false);
    let stored = put_with_boto3(&mount, &objects);
    assert!(stored.len() > 1000, "{}", stored.len());
    expect(mount, &stored, 0);
}

/// Puts files that no key can name: not UTF-8, longer than a key, and what is neither file nor directory. Returns how
/// many.
fn put_what_only_a_host_can_have(root: &Path) -> u64 {
    use std::os::unix::ffi::OsStrExt as _;
    let dir = root.join(EXTRA);
    fs::create_dir(&dir).unwrap();
    let name = |bytes: &[u8]| dir.join(std::ffi::OsStr::from_bytes(bytes));
    fs::write(name(b"\xff.pdf"), "not UTF-8").unwrap();
    fs::create_dir(name(b"\xed\xa0\x80")).unwrap();
    fs::write(name(b"\xed\xa0\x80/in it.pdf"), "below what is not UTF-8").unwrap();
    let deep = (0..5).fold(dir.clone(), |dir, _| dir.join("d".repeat(250)));
    fs::create_dir_all(&deep).unwrap();
    fs::write(deep.join("too-long.pdf"), "over 1024 bytes").unwrap();
    std::os::unix::fs::symlink("/etc/passwd", name(b"link.pdf")).unwrap();
    std::os::unix::net::UnixListener::bind(name(b"socket.pdf")).unwrap();
    5
}

/// Holds `check`, the mount, `ls` and `cat` against what the bucket holds; `extra` more files have no key at all.
fn expect(mut mount: TestMount, objects: &BTreeMap<String, Vec<u8>>, extra: u64) {
    let model = Model::of(objects);
    assert_eq!(checked(&mount), model.counts(extra));

    let mut seen = Seen::default();
    let tops: BTreeSet<_> = DOMAINS.iter().map(|d| d.split('/').next().unwrap()).collect();
    for top in tops {
        seen.look(&mount.path(""), top);
    }
    seen.expect(&model.shown);

    for key in model.hidden.iter().step_by(10).chain(model.shown.keys().step_by(200)) {
        let out = mount.cli(&["cat", "--store", &mount.url(), "--config", &config(&mount), "--", key]);
        assert!(out.status.success() && out.stdout == objects[key], "{key:?}: {out:?}");
    }
    for dir in model.directories().iter().step_by(50) {
        let out = mount.cli(&["ls", "--store", &mount.url(), "--config", &config(&mount), "--", dir]);
        assert!(out.status.success(), "{dir:?}: {out:?}");
        let lines = |text: String| text.split('\n').map(str::to_owned).collect::<BTreeSet<_>>();
        assert_eq!(lines(String::from_utf8(out.stdout).unwrap()), lines(model.listing(dir)), "{dir:?}");
    }
    mount.stop();
}

/// What the law makes of a bucket.
struct Model {
    /// What the mount shows, by path.
    shown: BTreeMap<String, Vec<u8>>,
    /// Keys `a` where keys `a/…` exist.
    hidden: BTreeSet<String>,
    /// Keys that no path can carry.
    unshowable: BTreeSet<String>,
}

impl Model {
    fn of(objects: &BTreeMap<String, Vec<u8>>) -> Self {
        let mut model = Self { shown: BTreeMap::new(), hidden: BTreeSet::new(), unshowable: BTreeSet::new() };
        for (key, data) in objects.iter().filter(|(key, _)| domain(key).is_some()) {
            let is_name = |s: &str| !matches!(s, "" | "." | "..") && s.len() <= 255 && !s.contains('\0');
            let below = format!("{key}/");
            // SeaweedFS takes keys that S3 would not
            if key.len() > 1024 || !key.split('/').all(is_name) {
                model.unshowable.insert(key.clone());
            } else if objects.range(below.clone()..).next().is_some_and(|(k, _)| k.starts_with(&below)) {
                model.hidden.insert(key.clone());
            } else {
                model.shown.insert(key.clone(), data.clone());
            }
        }
        model
    }

    /// Objects, hidden and unshowable ones, of each domain.
    fn counts(&self, extra: u64) -> BTreeMap<String, [u64; 3]> {
        let mut counts: BTreeMap<_, _> = DOMAINS.iter().map(|d| ((*d).to_owned(), [0; 3])).collect();
        let mut add = |key: &str, what: &[usize]| {
            let count = counts.get_mut(domain(key).unwrap()).unwrap();
            what.iter().for_each(|i| count[*i] += 1);
        };
        self.shown.keys().for_each(|key| add(key, &[0]));
        self.hidden.iter().for_each(|key| add(key, &[0, 1]));
        self.unshowable.iter().for_each(|key| add(key, &[0, 2]));
        *counts.get_mut(EXTRA).unwrap() = [extra, 0, extra];
        counts
    }

    /// Every directory that holds a file that is shown.
    fn directories(&self) -> Vec<&str> {
        let dirs: BTreeSet<&str> = self.shown.keys().filter_map(|k| Some(k.rsplit_once('/')?.0)).collect();
        // an argument that begins or ends with a slash, or names a line break, is another question
        dirs.into_iter().filter(|d| !d.contains('\n')).collect()
    }

    /// What `ls` says of a directory.
    fn listing(&self, dir: &str) -> String {
        let prefix = format!("{dir}/");
        let mut names = BTreeSet::new();
        let all = self.shown.keys().chain(&self.hidden).chain(&self.unshowable);
        for rest in all.filter_map(|key| key.strip_prefix(&prefix)) {
            match rest.split_once('/') {
                Some((name, _))
                    if !matches!(name, "" | "." | "..") && name.len() <= 255 && !name.contains('\0') =>
                {
                    names.insert(format!("{name}/"));
                }
                None if self.shown.contains_key(&format!("{prefix}{rest}")) => {
                    names.insert(rest.to_owned());
                }
                _ => {}
            }
        }
        names.into_iter().map(|name| name + "\n").collect()
    }
}

fn domain(key: &str) -> Option<&'static str> {
    DOMAINS.into_iter().find(|prefix| key.starts_with(prefix))
}

fn config(mount: &TestMount) -> String {
    mount.host("../config.toml").display().to_string()
}

/// Returns what `cairnfs check` counts: objects, hidden and unshowable ones, of each domain.
fn checked(mount: &TestMount) -> BTreeMap<String, [u64; 3]> {
    let out = mount.cli(&["check", "--store", &mount.url(), "--config", &config(mount)]);
    assert!(out.status.success(), "{out:?}");
    let text = String::from_utf8(out.stdout).unwrap();
    let number = |words: &str| words.trim().split(' ').next().unwrap().parse::<u64>().unwrap();
    let of = |line: &str, what: &str| line.split([',', ':']).find(|w| w.contains(what)).map_or(0, number);
    let is_domain = |prefix: &&str| text.contains(&format!("\n{}: ", name_of(prefix)));
    assert!(DOMAINS.iter().all(is_domain), "{text}");
    let line =
        |prefix: &str| text.lines().find(|l| l.starts_with(&format!("{}: ", name_of(prefix)))).unwrap();
    let counts = |prefix: &&str| {
        let line = line(prefix);
        ((*prefix).to_owned(), [of(line, "objects"), of(line, "hidden"), of(line, "no path")])
    };
    DOMAINS.iter().map(counts).collect()
}

fn name_of(prefix: &str) -> &str {
    if prefix == "orgs/logos/" { "logos" } else { prefix.trim_end_matches('/') }
}

/// What the mount shows: sizes, and the bytes of every file or, in the short form, of some.
#[derive(Default)]
struct Seen {
    sizes: BTreeMap<String, u64>,
    read: BTreeMap<String, Vec<u8>>,
}

impl Seen {
    /// Looks at every file below `dir`.
    fn look(&mut self, root: &Path, dir: &str) {
        let every =
            if std::env::var_os("CAIRNFS_SUITES").is_some_and(|form| form == "full") { 1 } else { 10 };
        for entry in fs::read_dir(root.join(dir)).unwrap_or_else(|e| panic!("{dir:?}: {e}")) {
            let entry = entry.unwrap();
            let path = format!("{dir}/{}", entry.file_name().to_str().unwrap());
            if entry.file_type().unwrap().is_dir() {
                self.look(root, &path);
                continue;
            }
            if self.sizes.len().is_multiple_of(every) {
                let data = fs::read(entry.path()).unwrap_or_else(|e| panic!("{path:?}: {e}"));
                self.read.insert(path.clone(), data);
            }
            let size = entry.metadata().unwrap_or_else(|e| panic!("{path:?}: {e}")).len();
            assert!(self.sizes.insert(path.clone(), size).is_none(), "{path:?} is listed twice");
        }
    }

    fn expect(&self, wanted: &BTreeMap<String, Vec<u8>>) {
        let missing: Vec<_> = wanted.keys().filter(|k| !self.sizes.contains_key(*k)).take(10).collect();
        let extra: Vec<_> = self.sizes.keys().filter(|k| !wanted.contains_key(*k)).take(10).collect();
        assert!(
            missing.is_empty() && extra.is_empty(),
            "missing: {missing:?}\nmore than there is: {extra:?}"
        );
        for (path, size) in &self.sizes {
            assert_eq!(*size, wanted[path].len() as u64, "{path:?}");
        }
        for (path, data) in &self.read {
            assert!(*data == wanted[path], "{path:?} has other bytes: {data:?}");
        }
    }
}

/// Puts the objects with boto3 and returns what is there then, by the server's own listing.
fn put_with_boto3(mount: &TestMount, objects: &BTreeMap<String, Vec<u8>>) -> BTreeMap<String, Vec<u8>> {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let home = std::env::var_os("CAIRNFS_TEST_ENV").map_or_else(|| project.join(".test-env"), Into::into);
    let mut child = Command::new(home.join("django52/bin/python"))
        .arg(project.join("tests/bad_input/put.py"))
        .envs(mount.store_environment())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("tests/setup/django.sh installs boto3");
    let pairs: Vec<_> = objects.iter().map(|(k, d)| (k, String::from_utf8(d.clone()).unwrap())).collect();
    serde_json::to_writer(child.stdin.take().unwrap(), &pairs).unwrap();
    let out = child.wait_with_output().unwrap();
    assert!(out.status.success());
    let by_md5: BTreeMap<String, &Vec<u8>> =
        objects.values().map(|data| (hex::encode(Md5::digest(data)), data)).collect();
    let listed: Vec<(String, String)> = serde_json::from_slice(&out.stdout).unwrap();
    listed.into_iter().map(|(key, md5)| (key, by_md5[&md5].clone())).collect()
}
