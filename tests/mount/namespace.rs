//! Section 1: which names there are, and which can be made.

use std::sync::atomic::Ordering;

use crate::FRESH;
use crate::support::mount::{Kind, Setup, TestMount, content, eventually};

on_both_stores! {
    s1_1_built_in_domains_take_their_files_and_no_others,
    s1_1_policies_of_the_built_in_domains,
    s1_2_fixed_directories_are_shown_always,
    s1_2_field_directories_are_shown_where_something_is_in_them_or_somebody_made_them,
    s1_2_names_must_fit_the_template,
    s1_3_mkdir_is_remembered_and_writes_nothing,
    s1_3_mkdir_elsewhere_is_refused,
    s1_3_rmdir_removes_what_is_empty,
    s1_4_older_data_is_shown_and_never_changed,
    s1_6_names_are_kept_byte_for_byte,
    s1_6_names_that_are_no_utf_8_or_too_long_are_refused,
}

/// The table of 1.1: a directory of the domain, a root for names in it, what may end them, and the policy.
const BUILT_IN: &[(&str, &str, &str, &str)] = &[
    ("documents", "a", "pdf doc docx txt md html htm rtf odt xls xlsx csv ppt pptx", "trash"),
    ("scraped/7", "a", "md html htm txt json", "refuse"),
    ("chunks/12", "chunk_3", "txt", "refuse"),
    ("rfp_info_documents/7", "a", "pdf doc docx txt md", "trash"),
    ("rfp_question_documents/7", "a", "xlsx xls csv", "trash"),
    ("rfp_exports/7", "a", "xlsx xls csv pdf docx", "trash"),
    ("orgs/logos", "a", "png jpg jpeg gif svg webp", "trash"),
];

/// Everything that any of the lists has, and a few that none has.
const EXTENSIONS: &str =
    "pdf doc docx txt md html htm rtf odt xls xlsx csv ppt pptx json png jpg jpeg gif svg webp exe zip bmp";

fn s1_1_built_in_domains_take_their_files_and_no_others(kind: Kind) {
    let mut mount = Setup::new(kind).start();
    let mut user = mount.actor();
    let mut wanted = Vec::new();
    for (dir, root, allowed, _) in BUILT_IN {
        user.run(&format!("os.makedirs(p('{dir}'), exist_ok=True)"));
        let allowed: Vec<&str> = allowed.split(' ').collect();
        for extension in EXTENSIONS.split(' ') {
            let path = format!("{dir}/{root}.{extension}");
            if allowed.contains(&extension) {
                user.run(&format!("write(p('{path}'), b'{path}')"));
                wanted.push(path);
            } else {
                assert_eq!(user.fails(&format!("write(p('{path}'), b'x')")), "EACCES", "{path}");
            }
        }
    }
    wanted.sort();
    assert_eq!(mount.keys(), wanted);
    assert!(mount.objects().iter().all(|(key, data)| key.as_bytes() == data));
    mount.stop();
}

fn s1_1_policies_of_the_built_in_domains(kind: Kind) {
    let file = |(dir, root, allowed, policy): &(&str, &str, &str, &str)| {
        (format!("{dir}/{root}.{}", allowed.split(' ').next().unwrap()), *policy == "refuse")
    };
    let files: Vec<(String, bool)> = BUILT_IN.iter().map(file).collect();
    let setup = files.iter().fold(Setup::new(kind).config(FRESH), |s, (key, _)| s.object(key, key));
    let mut mount = setup.start();
    let mut user = mount.actor();
    for (key, refused) in &files {
        if *refused {
            assert_eq!(user.fails(&format!("os.unlink(p('{key}'))")), "EACCES", "{key}");
        } else {
            user.run(&format!("os.unlink(p('{key}'))"));
        }
    }
    mount.stop(); // carries the deletes out
    let (kept, deleted): (Vec<_>, Vec<_>) = files.into_iter().partition(|(_, refused)| *refused);
    let mut kept: Vec<String> = kept.into_iter().map(|(key, _)| key).collect();
    kept.sort();
    assert_eq!(mount.keys(), kept);
    let mut trash: Vec<String> = mount.trash().into_iter().map(|(key, _)| key).collect();
    trash.sort();
    let mut deleted: Vec<String> = deleted.into_iter().map(|(key, _)| key).collect();
    deleted.sort();
    assert_eq!(trash, deleted);
}

fn domain(name: &str, template: &str) -> String {
    format!("[[domain]]\nname = \"{name}\"\ntemplate = \"{template}\"\n")
}

/// 1.1: what is configured takes the place of the built-in domains, or stands beside them.
#[test]
fn s1_1_all_of_it_is_configuration() {
    let own = domain("contracts", "contracts/{customer}/{filename}");
    let floor = "[write]\nfree_floor = \"1MiB\"\n";
    let mut mount = Setup::new(Kind::Dir).config(&format!("{own}{floor}")).start();
    assert_eq!(mount.names(""), ["contracts"]);
    mount.stop();
    mount.configure(&format!("builtin_domains = true\n{own}{floor}"));
    mount.start();
    assert_eq!(mount.names("").len(), 8);
    mount.actor().run("os.mkdir(p('contracts/x')); write(p('contracts/x/any.name'), b'x')");
    mount.expect_objects(&[("contracts/x/any.name", b"x")]);
    mount.stop();
}

/// 1.1: two templates that one path could match, and a template that lies within the service prefix or around it.
#[test]
fn s1_1_overlapping_templates_are_refused_at_start_with_a_path_that_both_take() {
    let both = domain("one", "d/{a}/{filename}") + &domain("two", "d/{rest:path}");
    let literal = domain("one", "d/{a}/x.txt") + &domain("two", "d/7/{filename}");
    for (config, path) in [(&both, "d/"), (&literal, "d/7/x.txt")] {
        let (status, said) = Setup::new(Kind::Dir).config(config).start_fails();
        assert_eq!(status.code(), Some(2), "{said}");
        assert!(said.contains("'one'") && said.contains("both would take") && said.contains(path), "{said}");
    }
    for (template, prefix) in [
        (".cairnfs/{filename}", ".cairnfs/"),
        (".cairnfs/in/{filename}", ".cairnfs/"),
        ("own/{rest:path}", "own/cairnfs/"),
        ("own/{x}/{filename}", "own/"),
    ] {
        let config = format!("service_prefix = \"{prefix}\"\n{}", domain("one", template));
        let (status, said) = Setup::new(Kind::Dir).config(&config).start_fails();
        assert_eq!(status.code(), Some(2), "{said}");
        assert!(said.contains("service_prefix") && said.contains(prefix), "{said}");
    }
    // neighbours are no overlap
    let config = domain("one", "d/{a:int}/{filename}") + &domain("two", "d/{a}_x/{filename}");
    Setup::new(Kind::Dir).config(&format!("{config}[write]\nfree_floor = \"1MiB\"\n")).start().stop();
}

const ROOT: [&str; 7] =
    ["chunks", "documents", "orgs", "rfp_exports", "rfp_info_documents", "rfp_question_documents", "scraped"];

fn s1_2_fixed_directories_are_shown_always(kind: Kind) {
    let mut mount = Setup::new(kind).config(FRESH).object("orgs/logos/a.png", "x").start();
    for round in 0..2 {
        assert_eq!(mount.names(""), ROOT, "round {round}");
        assert_eq!(mount.names("orgs"), ["logos"]);
        for dir in ["documents", "scraped", "chunks", "rfp_exports"] {
            assert!(mount.names(dir).is_empty(), "{dir}");
        }
    }
    // what is in them goes, they stay
    mount.remove_object("orgs/logos/a.png");
    assert!(mount.names("orgs/logos").is_empty());
    assert_eq!(mount.names("orgs"), ["logos"]);
    let mut user = mount.actor();
    for dir in ["documents", "orgs/logos", "orgs", "scraped"] {
        assert_eq!(user.fails(&format!("os.rmdir(p('{dir}'))")), "EACCES", "{dir}");
        assert_eq!(user.fails(&format!("os.rename(p('{dir}'), p('{dir}2'))")), "EACCES", "{dir}");
    }
    mount.kill();
    mount.start();
    assert_eq!(mount.names(""), ROOT);
    assert_eq!(mount.names("orgs"), ["logos"]);
    mount.stop();
}

fn s1_2_field_directories_are_shown_where_something_is_in_them_or_somebody_made_them(kind: Kind) {
    let mut mount = Setup::new(kind)
        .config(FRESH)
        .object("rfp_exports/7/a.csv", "x")
        .object("scraped/src/deep/er/a.md", "x")
        .start();
    assert_eq!(mount.names("rfp_exports"), ["7"]);
    assert!(!mount.exists("rfp_exports/8"));
    mount.actor().run("os.mkdir(p('rfp_exports/8'))");
    assert_eq!(mount.names("rfp_exports"), ["7", "8"]);
    mount.put_object("rfp_exports/9/a.csv", b"x");
    assert!(mount.exists("rfp_exports/9"), "asked for by its name");
    assert_eq!(mount.names("rfp_exports"), ["7", "8", "9"]);
    assert_eq!(mount.names("scraped/src"), ["deep"]);
    assert_eq!(mount.names("scraped/src/deep"), ["er"]);
    mount.remove_object("rfp_exports/7/a.csv");
    mount.remove_object("rfp_exports/9/a.csv");
    mount.remove_object("scraped/src/deep/er/a.md");
    assert_eq!(mount.names("rfp_exports"), ["8"]);
    assert!(mount.names("scraped").is_empty());
    mount.stop();
}

fn s1_2_names_must_fit_the_template(kind: Kind) {
    let config = [
        domain("numbered", "numbered/{id:int}/{filename}"),
        domain("chunks", "chunks/{document_id}/chunk_{index:int}.txt"),
        domain("deep", "deep/{source}/{rest:path}"),
        domain("flat", "flat/{filename}"),
    ];
    let mut mount =
        Setup::new(kind).config(&format!("{}[write]\nfree_floor = \"1MiB\"\n", config.concat())).start();
    let mut user = mount.actor();
    user.run(
        "os.makedirs(p('numbered/0012')); os.mkdir(p('chunks/any thing')); os.makedirs(p('deep/s/a/b'))\n\
         write(p('numbered/0012/x'), b'x'); write(p('chunks/any thing/chunk_07.txt'), b'x'); write(p('flat/x'), b'x')\n\
         write(p('deep/s/one'), b'x'); write(p('deep/s/a/b/three'), b'x')",
    );
    for dir in ["x", "12a", "-1", "+1", "1.5", " 1", "٣", "１２", "²"] {
        assert_eq!(user.fails(&format!("os.mkdir(p('numbered/{dir}'))")), "EACCES", "{dir}");
    }
    for file in
        ["3.txt", "chunk_.txt", "chunk_a.txt", "chunk_3.md", "chunk_3.txt.txt", "xchunk_3.txt", "Chunk_3.txt"]
    {
        assert_eq!(user.fails(&format!("write(p('chunks/any thing/{file}'), b'x')")), "EACCES", "{file}");
    }
    for file in ["x", "numbered/x", "chunks/x", "deep/x", "numbered", "elsewhere.txt"] {
        let errno = user.fails(&format!("fd = os.open(p('{file}'), os.O_WRONLY | os.O_CREAT)"));
        assert!(errno == "EACCES" || (file == "numbered" && errno == "EISDIR"), "{file}: {errno}");
    }
    // one segment is one segment
    for dir in ["flat/dir", "numbered/0012/dir", "chunks/any thing/chunk_1.txt"] {
        assert_eq!(user.fails(&format!("os.mkdir(p('{dir}'))")), "EACCES", "{dir}");
    }
    mount.expect_objects(&[
        ("numbered/0012/x", b"x"),
        ("chunks/any thing/chunk_07.txt", b"x"),
        ("flat/x", b"x"),
        ("deep/s/one", b"x"),
        ("deep/s/a/b/three", b"x"),
    ]);
    mount.stop();
}

/// 1.2: what a template may not be.
#[test]
fn s1_2_templates_that_cannot_be_listed_or_told_apart_are_refused_at_start() {
    for template in ["{a}/{filename}", "x{a}/{filename}", "d/{a}-{b}/{filename}", "d/{rest:path}/x.txt"] {
        let (status, said) = Setup::new(Kind::Dir).config(&domain("d", template)).start_fails();
        assert_eq!(status.code(), Some(2), "{template}: {said}");
        assert!(said.contains("template"), "{template}: {said}");
    }
}

fn s1_3_mkdir_is_remembered_and_writes_nothing(kind: Kind) {
    let config = domain("cases", "cases/{id}/in/{filename}");
    let config = format!("builtin_domains = true\n{config}{FRESH}");
    let mut mount = Setup::new(kind).config(&config).object("rfp_exports/there/a.csv", "x").start();
    let mut user = mount.actor();
    user.run("os.mkdir(p('rfp_exports/7')); os.makedirs(p('scraped/src/a/b')); os.makedirs(p('cases/5/in'))");
    // also one that nobody has looked at
    for dir in ["rfp_exports/7", "rfp_exports/there", "documents", "cases/5/in"] {
        assert_eq!(user.fails(&format!("os.mkdir(p('{dir}'))")), "EEXIST", "{dir}");
    }
    assert_eq!(user.fails("os.mkdir(p('cases/5/out'))"), "EACCES");
    assert_eq!(user.fails("os.mkdir(p('rfp_exports/missing/x'))"), "ENOENT");
    mount.expect_objects(&[("rfp_exports/there/a.csv", b"x")]);
    mount.kill();
    mount.start();
    assert_eq!(mount.names("rfp_exports"), ["7", "there"]);
    assert_eq!(mount.names("scraped/src/a"), ["b"]);
    assert_eq!(mount.names("cases/5"), ["in"]);
    mount.actor().run("write(p('rfp_exports/7/a.csv'), b'x')");
    mount.stop();
    mount.expect_objects(&[("rfp_exports/there/a.csv", b"x"), ("rfp_exports/7/a.csv", b"x")]);
    assert!(mount.objects_below("rfp_exports").keys().all(|key| !key.ends_with('/')));
}

fn s1_3_mkdir_elsewhere_is_refused(kind: Kind) {
    let mut mount = Setup::new(kind).config(FRESH).object("documents/2019/a.pdf", "older data").start();
    let mut user = mount.actor();
    user.run("os.makedirs(p('scraped/src')); os.mkdir(p('rfp_exports/7')); os.mkdir(p('chunks/7'))");
    for dir in ["new", "documents/new", "orgs/new", "orgs/logos/new", "rfp_exports/7/new", "chunks/7/new"] {
        assert_eq!(user.fails(&format!("os.mkdir(p('{dir}'))")), "EACCES", "{dir}");
    }
    assert!(mount.has_event(&["refused", "documents/new"]));
    // a bin or an index is refused also where any directory could be made
    for parent in ["", "documents/", "rfp_exports/", "scraped/", "scraped/src/", "rfp_exports/7/"] {
        for name in [".Trash", ".Trash-1000", ".Trash-0", ".Trashes", ".Spotlight-V100", ".fseventsd"] {
            let dir = format!("{parent}{name}");
            assert_eq!(user.fails(&format!("os.mkdir(p('{dir}'))")), "EACCES", "{dir}");
        }
    }
    // rsync's own, in every directory of a domain
    for parent in ["documents", "scraped/src", "rfp_exports/7", "orgs/logos", "chunks/7", "rfp_exports"] {
        for name in [".~tmp~", ".rsync-partial"] {
            user.run(&format!("os.mkdir(p('{parent}/{name}'))"));
            assert_eq!(
                user.fails(&format!("os.mkdir(p('{parent}/{name}/dir'))")),
                "EACCES",
                "{parent}/{name}"
            );
        }
    }
    // but not among older data, and not outside of the domains
    assert_eq!(mount.names("documents/2019"), ["a.pdf"]);
    for dir in ["documents/2019/.~tmp~", ".~tmp~", "documents/2019/new"] {
        assert_eq!(user.fails(&format!("os.mkdir(p('{dir}'))")), "EACCES", "{dir}");
    }
    mount.stop();
    mount.expect_objects(&[("documents/2019/a.pdf", b"older data")]);
}

fn s1_3_rmdir_removes_what_is_empty(kind: Kind) {
    let mut mount = Setup::new(kind)
        .config(FRESH)
        .object("rfp_exports/full/a.csv", "x")
        .object("scraped/deep/a/b/c.md", "x")
        .start();
    let mut user = mount.actor();
    user.run(
        "os.mkdir(p('rfp_exports/7')); os.mkdir(p('rfp_exports/draft')); os.mkdir(p('documents/.~tmp~'))",
    );
    user.run("fd = os.open(p('rfp_exports/draft/a.csv'), WRITE_NEW)");
    assert_eq!(user.fails("os.rmdir(p('rfp_exports/draft'))"), "ENOTEMPTY");
    // nobody has looked into these yet
    assert_eq!(user.fails("os.rmdir(p('rfp_exports/full'))"), "ENOTEMPTY");
    assert_eq!(user.fails("os.rmdir(p('scraped/deep'))"), "ENOTEMPTY");
    assert_eq!(user.fails("os.rmdir(p('rfp_exports/full/a.csv'))"), "ENOTDIR");
    assert_eq!(user.fails("os.rmdir(p('rfp_exports/none'))"), "ENOENT");
    assert_eq!(user.fails("os.unlink(p('rfp_exports/7'))"), "EISDIR");
    user.run("os.rmdir(p('rfp_exports/7')); os.rmdir(p('documents/.~tmp~'))");
    assert_eq!(mount.names("rfp_exports"), ["draft", "full"]);
    user.run("write_all(fd, b'x'); os.close(fd)");
    // its last file goes, the directory stays until somebody removes it
    user.run("os.unlink(p('rfp_exports/draft/a.csv'))");
    assert_eq!(mount.names("rfp_exports"), ["draft", "full"]);
    user.run("os.rmdir(p('rfp_exports/draft'))");
    mount.kill();
    mount.start();
    assert_eq!(mount.names("rfp_exports"), ["full"]);
    mount.stop();
    mount.expect_objects(&[("rfp_exports/full/a.csv", b"x"), ("scraped/deep/a/b/c.md", b"x")]);
}

/// What does not fit its domain: by its extension, by its depth, by its name.
const OLDER: [&str; 4] =
    ["documents/setup.exe", "documents/2019/jan/a.pdf", "chunks/7/notes.txt", "orgs/logos/noextension"];

fn s1_4_older_data_is_shown_and_never_changed(kind: Kind) {
    let setup = OLDER.iter().fold(Setup::new(kind).config(FRESH), |s, key| s.object(key, key));
    let outside = ["secret/a.pdf", "top.pdf", "orgs/other/a.png", ".cairnfs/x", "documents2/a.pdf"];
    let setup = outside.iter().fold(setup, |s, key| s.object(key, b"outside"));
    let mut mount = setup.start();
    let mut user = mount.actor();
    assert_eq!(mount.names(""), ROOT);
    assert_eq!(mount.names("orgs"), ["logos"]);
    assert_eq!(mount.names("documents"), ["2019", "setup.exe"]);
    assert_eq!(mount.names("documents/2019"), ["jan"]);
    for path in outside {
        assert!(!mount.exists(path), "{path} is shown");
        assert!(!mount.exists(path.split('/').next().unwrap()) || path.starts_with("orgs"), "{path}");
    }
    for path in OLDER {
        assert_eq!(mount.read(path), path.as_bytes());
        user.run(&format!("f = p('{path}')"));
        for flags in ["os.O_WRONLY", "os.O_RDWR", "os.O_WRONLY | os.O_TRUNC", "os.O_WRONLY | os.O_APPEND"] {
            assert_eq!(user.fails(&format!("os.open(f, {flags})")), "EACCES", "{path} {flags}");
        }
        assert_eq!(user.fails("os.unlink(f)"), "EACCES", "{path}");
        assert_eq!(user.fails("os.truncate(f, 0)"), "EPERM", "{path}");
        assert_eq!(user.fails("os.rename(f, p('documents/renamed.pdf'))"), "EACCES", "{path}");
    }
    // nothing new among it, and nothing over it
    user.run("write(p('documents/b.pdf'), b'new')");
    assert_eq!(user.fails("os.rename(p('documents/b.pdf'), p('documents/setup.exe'))"), "EACCES");
    assert_eq!(user.fails("write(p('documents/2019/jan/b.pdf'), b'x')"), "EACCES");
    assert_eq!(user.fails("os.rmdir(p('documents/2019/jan'))"), "EACCES");
    // others may change it
    mount.put_object("documents/setup.exe", b"changed");
    assert_eq!(mount.read("documents/setup.exe"), b"changed");
    let kept = mount.objects();
    assert_eq!(kept.len(), OLDER.len() + outside.len() - 1 + 1, "{:?}", kept.keys());
    mount.stop();
}

/// 1.4: only the prefixes of the domains are listed, and outside of them only the service prefix is touched.
#[test]
fn s1_4_nothing_outside_of_the_domains_is_asked_for() {
    let mut mount = Setup::new(Kind::S3)
        .config(FRESH)
        .object("documents/2019/a.pdf", "x")
        .object("secret/a.pdf", "x")
        .server(|s| {
            s.faults().deny_head_bucket.store(true, Ordering::Relaxed);
            s.faults().deny("secret/");
        })
        .start();
    let mut user = mount.actor();
    user.run("write(p('documents/a.pdf'), b'x'); os.unlink(p('documents/a.pdf'))");
    user.run("for d, ds, fs in os.walk(mount): [os.stat(os.path.join(d, n)) for n in ds + fs]");
    assert_eq!(user.fails("os.stat(p('secret'))"), "ENOENT");
    assert_eq!(user.fails("os.stat(p('secret/a.pdf'))"), "ENOENT");
    mount.stop();
    let ours: Vec<String> = ROOT.iter().map(|d| format!("{d}/")).chain([".cairnfs/".to_owned()]).collect();
    for request in mount.server().faults().requests() {
        if request.method == "HEAD" && request.key.is_empty() {
            continue; // HeadBucket
        }
        let decoded = request.query.replace("%2F", "/");
        let prefix = decoded.split('&').find_map(|p| p.strip_prefix("prefix="));
        let about = if request.key.is_empty() { prefix.unwrap_or_default() } else { &request.key };
        assert!(ours.iter().any(|p| about.starts_with(p.as_str())), "{} '{about}'", request.method);
    }
}

/// 1.4: without rights in the service prefix the probe counts as failed and `trash` as `refuse`.
#[test]
fn s1_4_without_rights_in_the_service_prefix_nothing_is_deleted() {
    let mut mount = Setup::new(Kind::S3)
        .config(FRESH)
        .object("documents/a.pdf", "old")
        .server(|s| s.faults().deny(".cairnfs/"))
        .start();
    assert!(mount.status()["warnings"].to_string().contains("weak_store"), "{}", mount.status()["warnings"]);
    let mut user = mount.actor();
    assert_eq!(user.fails("os.unlink(p('documents/a.pdf'))"), "EACCES");
    user.run("write(p('documents/b.pdf'), b'new'); write(p('documents/a.pdf'), b'newer')");
    mount.expect_objects(&[
        ("documents/a.pdf", b"old"),
        ("documents/b.pdf", b"new"),
        ("documents/a_*.pdf", b"newer"),
    ]);
    mount.stop();
}

/// 1.5: only S3 can hold such keys.
#[test]
fn s1_5_keys_that_no_path_can_carry_are_left_out_and_counted() {
    let long = format!("documents/{}.pdf", "x".repeat(252));
    let carried = ["documents/a.pdf/b.pdf", "documents/fine.pdf"];
    let none = ["documents//c.pdf", "documents/./d.pdf", "documents/../e.pdf", &long, "documents/f\0g.pdf"];
    let setup =
        carried.iter().chain(&none).fold(Setup::new(Kind::S3).config(FRESH), |s, key| s.object(key, b"x"));
    let mut mount = setup.object("documents/a.pdf", "hidden by the directory").start();
    assert_eq!(mount.names("documents"), ["a.pdf", "fine.pdf"]);
    assert!(mount.path("documents/a.pdf").is_dir());
    assert_eq!(mount.names("documents/a.pdf"), ["b.pdf"]);
    assert_eq!(mount.read("documents/a.pdf/b.pdf"), b"x");
    let out = mount.cli(&["cat", "documents/a.pdf", "--store", &mount.url()]);
    assert_eq!(out.stdout, b"hidden by the directory", "{}", String::from_utf8_lossy(&out.stderr));
    let out = mount.cli(&["check", "--store", &mount.url()]);
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(said.contains("1 hidden by a directory of the same name"), "{said}");
    assert!(said.contains(&format!("{} that no path can carry", none.len())), "{said}");
    mount.stop();
    assert_eq!(mount.keys().len(), carried.len() + none.len() + 1);
}

/// Look alike, and are different names; and names that need care somewhere on the way.
const NAMES: [&str; 8] = [
    "\u{c4}rger.pdf",
    "A\u{308}rger.pdf",
    "%2F+&=?#;,'\"`$(x)[y]{z}!~^|<>:\\.pdf",
    " leading and trailing .pdf",
    "报告 ملف 🗂.pdf",
    "a\u{202e}fdp.exe.pdf",
    "line\nbreak\ttab\u{7f}.pdf",
    "-rf.pdf",
];

fn s1_6_names_are_kept_byte_for_byte(kind: Kind) {
    let mut mount = Setup::new(kind).config(FRESH).start();
    for name in NAMES {
        std::fs::write(mount.path("documents").join(name), name).unwrap();
    }
    let mut wanted: Vec<String> = NAMES.iter().map(|n| (*n).to_owned()).collect();
    wanted.sort();
    assert_eq!(mount.names("documents"), wanted);
    let keys: Vec<String> = wanted.iter().map(|n| format!("documents/{n}")).collect();
    assert_eq!(mount.keys(), keys);
    for (key, data) in mount.objects() {
        assert_eq!(mount.read(&key), data);
        assert_eq!(key.strip_prefix("documents/").unwrap().as_bytes(), data);
    }
    mount.stop();
    // and as another client puts them
    for name in NAMES {
        mount.remove_object(&format!("documents/{name}"));
        mount.put_object(&format!("documents/other {name}"), b"x");
    }
    mount.start();
    let mut wanted: Vec<String> = NAMES.iter().map(|n| format!("other {n}")).collect();
    wanted.sort();
    assert_eq!(mount.names("documents"), wanted);
    mount.stop();
}

fn s1_6_names_that_are_no_utf_8_or_too_long_are_refused(kind: Kind) {
    let config = [
        "[[domain]]\nname = \"short\"\ntemplate = \"short/{filename}\"\nmax_key_length = 30\n",
        "[[domain]]\nname = \"long\"\ntemplate = \"long/{rest:path}\"\nmax_key_length = 5000\n",
        "[[domain]]\nname = \"usual\"\ntemplate = \"usual/{rest:path}\"\n",
        "[write]\nfree_floor = \"1MiB\"\n",
    ];
    let mut mount = Setup::new(kind).config(&config.concat()).start();
    let mut user = mount.actor();
    user.run("d = os.fsencode(p('short/')); x = 'x' * 200; ü = 'ü' * 100");
    for name in ["b'\\xff.pdf'", "b'a\\xc3'", "b'\\xed\\xa0\\x80'", "b'\\xc0\\x80'"] {
        for call in [
            "os.close(os.open({}, os.O_WRONLY | os.O_CREAT))",
            "os.stat({})",
            "os.mkdir({})",
            "os.unlink({})",
        ] {
            let code = call.replace("{}", &format!("d + {name}"));
            assert_eq!(user.fails(&code), "EILSEQ", "{code}");
        }
    }
    // the segment, in bytes; also of a scratch name and of a directory
    user.run("write(p('usual/' + 'x' * 255), b'x'); write(p('short/' + 'x' * 250 + '.part'), b'x')");
    for path in ["'usual/' + 'x' * 256", "'usual/' + 'ü' * 128", "'short/' + 'x' * 251 + '.part'"] {
        assert_eq!(user.fails(&format!("write(p({path}), b'x')")), "ENAMETOOLONG", "{path}");
    }
    assert_eq!(user.fails("os.mkdir(p('long/' + 'x' * 256))"), "ENAMETOOLONG");
    assert_eq!(user.fails("os.stat(p('usual/' + 'x' * 256))"), "ENAMETOOLONG");
    // the domain's limit, in characters
    user.run("write(p('short/' + 'ü' * 24), b'x')");
    assert_eq!(user.fails("write(p('short/' + 'ü' * 25), b'x')"), "ENAMETOOLONG");
    user.run("os.makedirs(p(f'usual/{x}/{x}')); write(p(f'usual/{x}/{x}/' + 'x' * 92), b'x')");
    assert_eq!(user.fails("write(p(f'usual/{x}/{x}/' + 'x' * 93), b'x')"), "ENAMETOOLONG");
    // the key, in bytes: 5 + 5 * 201 + 14 = 1024
    user.run("deep = f'long/{ü}/{ü}/{ü}/{ü}/{ü}/'; os.makedirs(p(deep)); write(p(deep + 'x' * 14), b'x')");
    assert_eq!(user.fails("write(p(deep + 'x' * 15), b'x')"), "ENAMETOOLONG");
    // at a rename and a link, too; the file keeps its name
    user.run("write(p('short/a.part'), b'x')");
    assert_eq!(user.fails("os.rename(p('short/a.part'), p('short/' + 'ü' * 25))"), "ENAMETOOLONG");
    assert_eq!(user.fails("os.link(p('short/a.part'), p('short/' + 'ü' * 25))"), "ENAMETOOLONG");
    assert_eq!(mount.read("short/a.part"), b"x");
    // scratch names have the limit of the segment only
    user.run("write(p(deep + 'x' * 100 + '.part'), b'x')");
    assert_eq!(mount.keys().len(), 4);
    mount.stop();
}

/// 1.6: the limit holds for what a write would make, at that write.
#[test]
fn s1_6_size_limit_of_a_domain_holds_for_drafts_of_every_origin() {
    let config = "[[domain]]\nname = \"d\"\ntemplate = \"d/{filename}\"\nmax_size = \"100kB\"\n[write]\nfree_floor = \"1MiB\"\n";
    let mut mount = Setup::new(Kind::Dir).config(config).object("d/large", content(1, 200_000)).start();
    // what is there is read; a changed copy of it would be too large
    assert_eq!(mount.read("d/large"), content(1, 200_000));
    let mut user = mount.actor();
    user.run("fd = os.open(p('d/large'), os.O_WRONLY | os.O_APPEND)");
    assert_eq!(user.fails("os.write(fd, b'more')"), "EFBIG");
    user.run("os.close(fd)"); // nothing was changed
    // a scratch file may be of any size, but not enter the bucket
    user.run("write(p('d/x.part'), content(2, 150_000))");
    assert_eq!(user.fails("os.rename(p('d/x.part'), p('d/x'))"), "EFBIG");
    assert_eq!(user.fails("os.link(p('d/x.part'), p('d/x'))"), "EFBIG");
    assert_eq!(mount.read("d/x.part"), content(2, 150_000));
    eventually("nothing came of it", || leftovers(&mount) == 0);
    assert_eq!(mount.keys(), ["d/large"]);
    mount.stop();
}

fn leftovers(mount: &TestMount) -> u64 {
    ["draft", "waiting", "publishing", "queued"]
        .iter()
        .filter_map(|s| mount.status()["drafts"][s].as_u64())
        .sum()
}
