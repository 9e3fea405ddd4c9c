//! Every mistake in a configuration is reported at once, each with the place where it was made.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on should stop with what it saw"
)]

use std::fs;
use std::path::{Path, PathBuf};

use cairnfs::config::{ConfigError, Environment, Overrides, Place, Settings, load};

fn load_text(text: &str) -> Result<Settings, ConfigError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cairnfs.toml");
    fs::write(&path, text).unwrap();
    load(&Overrides { config: Some(path), ..Overrides::default() }, &Environment::default())
}

/// Returns the mistakes of a file as (line, message).
fn mistakes(text: &str) -> Vec<(usize, String)> {
    let error = load_text(text).expect_err("the file should have mistakes");
    error
        .mistakes()
        .iter()
        .map(|mistake| match &mistake.place {
            Place::File { line, .. } => (*line, mistake.message.clone()),
            other => (0, format!("{other}: {}", mistake.message)),
        })
        .collect()
}

/// Asserts that the file has exactly these mistakes: a line, and a part of the message.
fn assert_mistakes(text: &str, expected: &[(usize, &str)]) {
    let found = mistakes(text);
    let lines: Vec<usize> = found.iter().map(|(line, _)| *line).collect();
    let wanted: Vec<usize> = expected.iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, wanted, "{found:#?}");
    for ((_, message), (line, part)) in found.iter().zip(expected) {
        assert!(message.contains(part), "line {line}: '{message}' should contain '{part}'");
        assert!(!message.contains('\n'), "{message}");
    }
}

#[test]
fn file_with_mistakes_of_every_kind_reports_all_of_them_with_their_lines() {
    assert_mistakes(
        r#"djanog = "5.1"
service_prefix = "no-slash"
scratch = ["*.swp", "/"]

[store]
default_acl = "public-read"
use_ssl = "yes"
part_size = "1MiB"
multipart = "sometimes"

[write]
close_wait = "soon"
free_floor = "64M"
same_bytes = 3
weak_store = "hope"
list_ttl = "5s"

[read]
deadline = "0s"

[mount]
file_mode = 644
uid = -1
colour = "red"

[[domain]]
name = "a"
template = "a/{filename}"
extensions = ["pdf", "tar.gz"]
delete = "maybe"
writeable = true

[[domain]]
template = "a/{other}"

[[domain]]
name = "c"
template = "c/{}"
max_size = "none"
max_key_length = "long"
"#,
        &[
            (1, "unknown key 'djanog'; did you mean 'django'?"),
            (2, "service_prefix"),
            (3, "scratch"),
            (6, "default ACL 'public-read'"),
            (7, "store.use_ssl: must be true or false, without quotes, not a text"),
            (8, "store.part_size"),
            (9, "store.multipart: 'sometimes' is not one of \"auto\", \"always\", \"never\""),
            (12, "write.close_wait: 'soon' is not a duration"),
            (13, "write.free_floor: '64M' is not a size"),
            (14, "write.same_bytes: must be a text in quotes, not a whole number"),
            (15, "write.weak_store: 'hope'"),
            (16, "unknown key 'write.list_ttl'; it belongs in [read]"),
            (19, "read.deadline"),
            (22, "mount.file_mode: must be a mode like \"0644\""),
            (23, "mount.uid: -1 is out of range"),
            (24, "unknown key 'mount.colour'; known here: uid, gid"),
            (29, "tar.gz"),
            (30, "domain.delete: 'maybe'"),
            (31, "unknown key 'domain.writeable'; did you mean 'writable'?"),
            (33, "domain.name: is missing"),
            (34, "overlaps with domain 'a'"),
            (38, "template"),
            (40, "domain.max_key_length: must be a whole number, not a text"),
        ],
    );
}

#[test]
fn overlapping_domains_are_refused_at_the_later_template() {
    assert_mistakes(
        "[[domain]]\nname = \"a\"\ntemplate = \"a/{filename}\"\n\n[[domain]]\nname = \"b\"\ntemplate = \"a/{other}\"\n",
        &[(7, "overlaps with domain 'a'")],
    );
}

#[test]
fn given_domain_that_overlaps_a_built_in_one_is_refused_when_both_are_wanted() {
    let domain = "[[domain]]\nname = \"mine\"\ntemplate = \"documents/{year}\"\n";
    assert_eq!(load_text(domain).unwrap().domains.len(), 1);
    assert_mistakes(&format!("builtin_domains = true\n{domain}"), &[(4, "documents/")]);
}

#[test]
fn syntax_errors_are_reported_with_their_lines_and_the_rest_is_still_checked() {
    let found = mistakes("[write]\nclose_wait = \ndrain = \"soon\"\n[read]\nmiss_ttl = 5\n");
    let lines: Vec<usize> = found.iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, [2, 3, 5], "{found:#?}");
}

#[test]
fn no_domain_at_all_is_refused_where_the_built_in_ones_were_switched_off() {
    assert_mistakes("builtin_domains = false\n", &[(1, "no domain")]);
}

#[test]
fn missing_file_is_one_line_with_its_name() {
    let config = Some(PathBuf::from("/nowhere/cairnfs.toml"));
    let error = load(&Overrides { config, ..Overrides::default() }, &Environment::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "/nowhere/cairnfs.toml: cannot be read: No such file or directory (os error 2)"
    );
}

#[test]
fn mistakes_in_flags_and_environment_come_with_those_of_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c.toml");
    fs::write(&path, "[read]\nlist_ttl = 10\n").unwrap();
    let flags =
        Overrides { store: Some(("ftp://x".into(), "STORE")), config: Some(path), ..Overrides::default() };
    let env = Environment::from_pairs([("S3_USE_SSL", "maybe"), ("S3_SECRET_KEY", "hunter2")]);
    let text = load(&flags, &env).unwrap_err().to_string();
    for part in [
        "c.toml:2: read.list_ttl",
        "STORE: 'ftp://x' is no store",
        "S3_USE_SSL: 'maybe'",
        "S3_ACCESS_KEY is not",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert_eq!(text.lines().count(), 4, "{text}");
    assert!(!text.contains("hunter2"));
}

#[test]
fn public_acl_is_refused_from_every_source_also_where_a_stronger_one_is_private() {
    let env = |acl| Environment::from_pairs([("S3_DEFAULT_ACL", acl), ("S3_BUCKET_NAME", "b")]);
    for acl in ["public-read", "public-read-write", "authenticated-read", "Private "] {
        let error = load(&Overrides::default(), &env(acl)).unwrap_err();
        assert_eq!(error.mistakes().len(), 1);
        assert!(error.to_string().starts_with(&format!("S3_DEFAULT_ACL: default ACL '{acl}'")), "{error}");
    }
    for acl in ["private", ""] {
        load(&Overrides::default(), &env(acl)).unwrap();
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c.toml");
    fs::write(&path, "[store]\ndefault_acl = \"private\"\n").unwrap();
    let flags = Overrides { config: Some(path), ..Overrides::default() };
    assert!(load(&flags, &env("public-read")).is_err());
}

#[test]
fn store_that_cannot_be_named_is_refused_in_one_line() {
    for (store, part) in [
        ("s3://", "it is empty"),
        ("s3://bucket/prefix", "without a prefix"),
        ("s3://sp ace", "letters, digits"),
        ("file://relative/dir", "write the whole path"),
        ("bucket", "write s3://bucket or file:///directory"),
        ("http://host/bucket", "write s3://bucket"),
    ] {
        let flags = Overrides { store: Some((store.into(), "STORE")), ..Overrides::default() };
        let error = load(&flags, &Environment::default()).unwrap_err().to_string();
        assert!(error.starts_with("STORE: ") && error.contains(part), "{store}: {error}");
    }
}

#[test]
fn endpoint_that_is_no_address_is_refused_without_repeating_a_password() {
    let load_endpoint = |endpoint: &str| {
        let pairs = [("S3_BUCKET_NAME", "b"), ("S3_ENDPOINT_URL", endpoint)];
        load(&Overrides::default(), &Environment::from_pairs(pairs))
    };
    for endpoint in ["ftp://host", "http://", "http://ho st", "https://h/?x=1"] {
        assert!(load_endpoint(endpoint).is_err(), "{endpoint}");
    }
    let error = load_endpoint("http://user:hunter2@host").unwrap_err().to_string();
    assert!(error.contains("S3_ENDPOINT_URL") && !error.contains("hunter2"), "{error}");
}

#[test]
fn wrong_value_of_a_secret_is_not_repeated() {
    let found = mistakes("[store]\nsecret_key = hunter2\naccess_key = [\"AKIAHUNTER\"]\n");
    let text = format!("{found:?}");
    assert!(!text.contains("hunter2") && !text.contains("AKIAHUNTER"), "{text}");
    assert_eq!(found.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [2, 3], "{text}");
}

#[test]
fn settings_outside_a_file_need_none() {
    let settings = load(&Overrides::default(), &Environment::default()).unwrap();
    assert_eq!(settings.domains.len(), 7);
    let error = settings.target().unwrap_err().to_string();
    assert_eq!(error.lines().count(), 1);
    assert!(error.contains("S3_BUCKET_NAME"), "{error}");
    assert!(settings.dirs.state.starts_with(Path::new("/var/lib/cairnfs")));
}
