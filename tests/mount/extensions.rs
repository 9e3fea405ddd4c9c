//! Section 2: what a name may end with, and how a refusal is told.

use std::process::Command;

use crate::FRESH;
use crate::support::mount::{Kind, Setup};

on_both_stores! {
    s2_1_extension_is_what_follows_the_last_dot,
    s2_2_refused_extension_fails_at_the_call_and_is_recorded,
}

fn s2_1_extension_is_what_follows_the_last_dot(kind: Kind) {
    let config = "builtin_domains = true\n[[domain]]\nname = \"free\"\ntemplate = \"free/{filename}\"\n";
    let mut mount = Setup::new(kind).config(&format!("{config}{FRESH}")).start();
    let mut user = mount.actor();
    let allowed =
        ["a.pdf", "a.PDF", "a.PdF", "a.exe.pdf", ".a.pdf", "..pdf", "a..pdf", "a .pdf", "é.pdf", "pdf.pdf"];
    for name in allowed {
        user.run(&format!("write(p('documents/{name}'), b'x')"));
    }
    // no dot; a dot that is the first or last character; something else behind the last one
    for name in [
        "a",
        "pdf",
        ".pdf",
        "a.",
        "a.pdf.",
        "a.pdf.exe",
        "a.pdf ",
        "a.pdf.gz",
        "a.pdfx",
        "a.pd",
        "a.рdf",
        "a.pdf\u{301}",
    ] {
        assert_eq!(user.fails(&format!("write(p('documents/{name}'), b'x')")), "EACCES", "{name:?}");
    }
    // where no list is set everything goes
    for name in ["a", ".pdf", "a.", "a.exe"] {
        user.run(&format!("write(p('free/{name}'), b'x')"));
    }
    let mut wanted: Vec<String> = allowed.iter().map(|n| format!("documents/{n}")).collect();
    wanted.extend(["a", ".pdf", "a.", "a.exe"].map(|n| format!("free/{n}")));
    wanted.sort();
    assert_eq!(mount.keys(), wanted);
    mount.stop();
}

fn s2_2_refused_extension_fails_at_the_call_and_is_recorded(kind: Kind) {
    let mut mount = Setup::new(kind).config(FRESH).object("documents/object.pdf", "old").start();
    let mut user = mount.actor();
    user.run(
        "write(p('documents/scratch.part'), b'scratch'); fd = os.open(p('documents/draft.pdf'), WRITE_NEW)\n\
         write_all(fd, b'draft'); bad = p('documents/bad.exe')",
    );
    for (number, call) in [
        "os.open(bad, os.O_WRONLY | os.O_CREAT)",
        "os.mknod(bad)",
        "os.rename(p('documents/scratch.part'), bad)",
        "os.rename(p('documents/draft.pdf'), bad)",
        "os.rename(p('documents/object.pdf'), bad)",
        "os.link(p('documents/scratch.part'), bad)",
    ]
    .iter()
    .enumerate()
    {
        let call = call.replace("bad", &format!("bad.replace('bad', 'bad{number}')"));
        assert_eq!(user.fails(&call), "EACCES", "{call}");
        let name = format!("documents/bad{number}.exe");
        assert!(
            mount.has_event(&["refused", &name, "exe", "pdf", "pptx"]),
            "{call}: {}",
            mount.status()["events"]
        );
        assert!(mount.log().contains(&name), "{call}");
    }
    assert_eq!(mount.names("documents"), ["draft.pdf", "object.pdf", "scratch.part"]);
    user.run("os.close(fd)");
    mount.expect_objects(&[("documents/object.pdf", b"old"), ("documents/draft.pdf", b"draft")]);
    // as people read it
    let source = mount.host_file("bad.exe", b"x");
    let out =
        Command::new("cp").arg(source).arg(mount.path("documents")).env("LC_ALL", "C").output().unwrap();
    assert!(String::from_utf8_lossy(&out.stderr).contains("Permission denied"), "{out:?}");
    mount.stop();
}
