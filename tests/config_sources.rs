//! Where settings come from: flags over file over environment, and what `cairnfs config` says of the result.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on should stop with what it saw"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cairnfs::config::{Environment, Overrides, Settings, StoreTarget, WeakStore, load, store_url};
use cairnfs::layout::{DeletePolicy, DjangoRule};
use cairnfs::store::S3Settings;

fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cairnfs.toml");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    (dir, path)
}

fn s3(settings: &Settings) -> &S3Settings {
    match settings.target().unwrap() {
        StoreTarget::S3(s3) => s3,
        StoreTarget::Dir(path) => panic!("{} is no bucket", path.display()),
    }
}

const ENV: [(&str, &str); 4] = [
    ("S3_BUCKET_NAME", "env-bucket"),
    ("S3_ENDPOINT_URL", "http://env:9000"),
    ("S3_REGION_NAME", "env-region"),
    ("S3_VERIFY_SSL", "True"),
];

#[test]
fn flag_wins_over_file_and_file_over_environment() {
    let env = Environment::from_pairs(ENV);
    let from_env = load(&Overrides::default(), &env).unwrap();
    assert_eq!(s3(&from_env).bucket, "env-bucket");
    assert_eq!(s3(&from_env).region.as_deref(), Some("env-region"));

    let (_dir, path) = file(
        "[store]\nbucket_name = \"file-bucket\"\nendpoint_url = \"http://file:9000\"\nverify_ssl = false\n",
    );
    let mut flags = Overrides { config: Some(path), ..Overrides::default() };
    let from_file = load(&flags, &env).unwrap();
    assert_eq!(s3(&from_file).bucket, "file-bucket");
    assert_eq!(s3(&from_file).endpoint_url.as_deref(), Some("http://file:9000"));
    assert_eq!(s3(&from_file).region.as_deref(), Some("env-region"));
    assert!(!s3(&from_file).verify_ssl);

    flags.store = Some(("s3://flag-bucket".into(), "STORE"));
    flags.endpoint_url = Some("http://flag:9000".into());
    flags.region_name = Some("flag-region".into());
    flags.verify_ssl = Some(true);
    let from_flags = load(&flags, &env).unwrap();
    assert_eq!(s3(&from_flags).bucket, "flag-bucket");
    assert_eq!(s3(&from_flags).endpoint_url.as_deref(), Some("http://flag:9000"));
    assert_eq!(s3(&from_flags).region.as_deref(), Some("flag-region"));
    assert!(s3(&from_flags).verify_ssl);
}

#[test]
fn scheme_of_the_endpoint_wins_over_use_ssl() {
    for (endpoint, use_ssl, expected) in [
        ("localhost:9000", "False", "http://localhost:9000"),
        ("localhost:9000", "0", "http://localhost:9000"),
        ("localhost:9000", "", "https://localhost:9000"),
        ("localhost:9000", "True", "https://localhost:9000"),
        ("http://localhost:9000", "True", "http://localhost:9000"),
        ("https://localhost:9000/", "False", "https://localhost:9000"),
        ("HTTPS://minio.example/sub/", "no", "https://minio.example/sub"),
    ] {
        let pairs = [("S3_BUCKET_NAME", "b"), ("S3_ENDPOINT_URL", endpoint), ("S3_USE_SSL", use_ssl)];
        let settings = load(&Overrides::default(), &Environment::from_pairs(pairs)).unwrap();
        assert_eq!(s3(&settings).endpoint_url.as_deref(), Some(expected), "{endpoint} {use_ssl}");
    }
}

#[test]
fn directory_store_is_taken_as_it_is_named() {
    let flags = Overrides { store: Some(("file:///srv/a b%20c".into(), "STORE")), ..Overrides::default() };
    // bucket and keys in the environment are for other programs then
    let settings = load(&flags, &Environment::from_pairs(ENV)).unwrap();
    let target = settings.target().unwrap();
    assert!(matches!(target, StoreTarget::Dir(path) if path == Path::new("/srv/a b%20c")));
    assert_eq!(store_url(target), "file:///srv/a b%20c");
}

#[test]
fn given_domain_replaces_the_built_in_ones_unless_they_are_wanted_too() {
    let domain = "[[domain]]\nname = \"contracts\"\ntemplate = \"contracts/{customer}/{filename}\"\n\
                  extensions = [\"pdf\"]\ndelete = \"allow\"\nwritable = false\nmax_key_length = 100\nmax_size = \"5MiB\"\n";
    let (_dir, path) = file(domain);
    let settings =
        load(&Overrides { config: Some(path), ..Overrides::default() }, &Environment::default()).unwrap();
    assert_eq!(settings.domains.len(), 1);
    let only = &settings.domains[0];
    assert_eq!(only.extensions, Some(vec!["pdf".to_owned()]));
    assert_eq!((only.delete, only.writable), (DeletePolicy::Allow, false));
    assert_eq!((only.max_key_length, only.max_size), (100, Some(5 << 20)));

    let (_dir, path) = file(&format!("builtin_domains = true\n{domain}"));
    let settings =
        load(&Overrides { config: Some(path), ..Overrides::default() }, &Environment::default()).unwrap();
    assert_eq!(settings.domains.len(), 8);
}

#[test]
fn defaults_are_those_of_the_semantics() {
    let settings = load(&Overrides::default(), &Environment::default()).unwrap();
    let (w, r) = (&settings.write, &settings.read);
    let seconds = |d: Duration| d.as_secs();
    assert_eq!(seconds(w.close_wait), 60);
    assert_eq!(seconds(w.rename_wait), 5);
    assert_eq!(seconds(w.publish_after), 0);
    assert_eq!(seconds(w.empty_after), 60);
    assert_eq!(seconds(w.delete_after), 5);
    assert_eq!(seconds(w.guard), 600);
    assert_eq!(seconds(w.drain), 60);
    assert_eq!(seconds(w.scratch_ttl), 7 * 86_400);
    assert_eq!(w.trash_keep, None);
    assert_eq!(w.free_floor, 256 << 20);
    assert_eq!((seconds(r.list_ttl), seconds(r.miss_ttl), seconds(r.deadline)), (10, 2, 30));
    assert_eq!((settings.cache.memory, settings.cache.disk), (64 << 20, 10 << 30));
    assert_eq!((settings.mount.file_mode, settings.mount.dir_mode), (0o644, 0o755));
    assert_eq!(settings.layout.django, DjangoRule::V5_1);
    assert_eq!(settings.layout.service_prefix, ".cairnfs/");
}

#[test]
fn every_setting_of_the_file_reaches_its_place() {
    let (_dir, path) = file(
        r#"
django = "4.2"
service_prefix = "system/"
scratch = ["*.swx"]
[store]
bucket_name = "b"
part_size = "16MiB"
[write]
close_wait = "1s"
rename_wait = "2s"
publish_after = "3s"
empty_after = "4s"
delete_after = "5min"
free_floor = "1GiB"
staging_budget = "2GiB"
guard = "6s"
same_bytes = "keep"
weak_store = "suffix"
when_unreachable = "fail"
drain = "7s"
scratch_ttl = "8h"
trash_keep = "30d"
[read]
list_ttl = "9s"
miss_ttl = "1s"
deadline = "10s"
[cache]
memory = 1048576
disk = "1GB"
[mount]
uid = 1000
gid = 1001
file_mode = "0640"
dir_mode = 0o750
allow_other = false
read_only = true
"#,
    );
    let s = load(&Overrides { config: Some(path), ..Overrides::default() }, &Environment::default()).unwrap();
    let seconds = Duration::from_secs;
    assert_eq!((s.layout.django, s.layout.service_prefix.as_str()), (DjangoRule::V4_2, "system/"));
    assert_eq!(s.layout.scratch, ["*.swx"]);
    assert_eq!(s3(&s).part_size, 16 << 20);
    let w = &s.write;
    assert_eq!((w.close_wait, w.rename_wait, w.publish_after), (seconds(1), seconds(2), seconds(3)));
    assert_eq!(
        (w.empty_after, w.delete_after, w.guard, w.drain),
        (seconds(4), seconds(300), seconds(6), seconds(7))
    );
    assert_eq!((w.free_floor, w.staging_budget), (1 << 30, Some(2 << 30)));
    assert_eq!((w.scratch_ttl, w.trash_keep), (seconds(8 * 3600), Some(seconds(30 * 86_400))));
    assert_eq!(w.weak_store, WeakStore::Suffix);
    assert_eq!((s.read.list_ttl, s.read.miss_ttl, s.read.deadline), (seconds(9), seconds(1), seconds(10)));
    assert_eq!((s.cache.memory, s.cache.disk), (1 << 20, 1_000_000_000));
    let m = &s.mount;
    assert_eq!((m.uid, m.gid, m.file_mode, m.dir_mode), (1000, 1001, 0o640, 0o750));
    assert_eq!((m.allow_other, m.read_only), (Some(false), true));
    let text = s.describe();
    for line in ["same_bytes = \"keep\"", "when_unreachable = \"fail\"", "allow_other = false"] {
        assert!(text.lines().any(|l| l == line), "{line} in\n{text}");
    }
}

#[test]
fn description_used_as_a_file_describes_itself() {
    let (_dir, path) = file(
        "builtin_domains = true\nscratch = [\"a\\\"b*\"]\n[store]\nbucket_name = \"b\"\nmultipart = \"never\"\n\
         [write]\ntrash_keep = \"30d\"\nstaging_budget = \"3GB\"\n[mount]\nallow_other = true\n\
         [[domain]]\nname = \"any\"\ntemplate = \"any/{filename}\"\n",
    );
    let flags = Overrides { config: Some(path), ..Overrides::default() };
    let first = load(&flags, &Environment::default()).unwrap().describe();
    assert!(
        first.contains("name = \"any\"") && first.contains("template = \"orgs/logos/{filename}\""),
        "{first}"
    );
    let (_dir, path) = file(&first);
    let second = load(&Overrides { config: Some(path), ..Overrides::default() }, &Environment::default());
    assert_eq!(second.unwrap().describe(), first);
}

#[test]
fn secrets_appear_neither_in_the_description_nor_in_debug_output() {
    let (_dir, path) =
        file("[store]\nbucket_name = \"b\"\naccess_key = \"AKIAHUNTER\"\nsecret_key = \"hunter2\"\n");
    let env = Environment::from_pairs([("S3_SECRET_KEY", "hunter3")]);
    let settings = load(&Overrides { config: Some(path), ..Overrides::default() }, &env).unwrap();
    let keys = s3(&settings).keys.as_ref().expect("keys were given");
    let shown = format!("{}\n{settings:?}\n{env:?}\n{keys:?}", settings.describe());
    assert!(!shown.contains("hunter"), "{shown}");
    assert!(shown.contains("secret_key = \"***\""), "{shown}");
    assert!(!settings.describe().contains("AKIAHUNTER"));
}

#[test]
fn readable_file_with_a_secret_and_unverified_tls_are_warned_of() {
    let (_dir, path) =
        file("[store]\nbucket_name = \"b\"\naccess_key = \"a\"\nsecret_key = \"s\"\nverify_ssl = false\n");
    let flags = Overrides { config: Some(path.clone()), ..Overrides::default() };
    let closed = load(&flags, &Environment::default()).unwrap();
    assert_eq!(closed.warnings.len(), 1);
    assert!(closed.warnings[0].contains("certificates are not verified"), "{:?}", closed.warnings);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let open = load(&flags, &Environment::default()).unwrap();
    assert_eq!(open.warnings.len(), 2);
    assert!(open.warnings[0].contains("chmod 600"), "{:?}", open.warnings);
}

#[test]
fn credentials_of_the_unit_are_found() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("S3_ACCESS_KEY"), "unit-access\n").unwrap();
    fs::write(dir.path().join("S3_SECRET_KEY"), "unit-secret\n").unwrap();
    let env = Environment::from_pairs([
        ("CREDENTIALS_DIRECTORY", dir.path().as_os_str()),
        ("S3_BUCKET_NAME", "b".as_ref()),
    ]);
    let settings = load(&Overrides::default(), &env).unwrap();
    assert_eq!(s3(&settings).keys.as_ref().unwrap().access_key, "unit-access");
}

#[test]
fn state_of_two_stores_of_one_name_is_kept_apart() {
    let state = |endpoint: &str| {
        let pairs = [("S3_BUCKET_NAME", "docs"), ("S3_ENDPOINT_URL", endpoint), ("HOME", "/home/u")];
        load(&Overrides::default(), &Environment::from_pairs(pairs)).unwrap().dirs
    };
    let (here, there) = (state("http://a:1"), state("http://b:1"));
    assert_ne!(here.state, there.state);
    assert_eq!(here, state("http://a:1"));
    assert!(here.state.display().to_string().starts_with("/home/u/.local/state/cairnfs/docs-"), "{here:?}");
    assert!(here.cache.display().to_string().starts_with("/home/u/.cache/cairnfs/docs-"), "{here:?}");
}

#[test]
fn directories_of_flags_win_over_those_of_the_unit() {
    let pairs = [
        ("S3_BUCKET_NAME", "b"),
        ("STATE_DIRECTORY", "/var/lib/cairnfs/x"),
        ("CACHE_DIRECTORY", "/var/cache/cairnfs/x"),
        ("RUNTIME_DIRECTORY", "/run/cairnfs-x"),
    ];
    let env = Environment::from_pairs(pairs);
    let dirs = load(&Overrides::default(), &env).unwrap().dirs;
    assert_eq!(dirs.state, Path::new("/var/lib/cairnfs/x"));
    assert_eq!(dirs.cache, Path::new("/var/cache/cairnfs/x"));
    assert_eq!(dirs.runtime, Path::new("/run/cairnfs-x"));
    let flags =
        Overrides { state_dir: Some("/s".into()), cache_dir: Some("/c".into()), ..Overrides::default() };
    let dirs = load(&flags, &env).unwrap().dirs;
    assert_eq!((dirs.state.as_path(), dirs.cache.as_path()), (Path::new("/s"), Path::new("/c")));
}
