//! fio: blocks that carry their own checksums, written to a draft and read back, there and from the object.

use std::process::Command;
use std::time::Duration;

use crate::support::mount::{Kind, Setup, TestMount};
use crate::{CONFIG, program, short_or_full};

on_both_stores! {
    fio_finds_every_block_of_drafts_and_of_their_objects_right,
}

/// What writes: the engine, how many files at once, and how.
const WRITERS: [(&str, &str, &str); 3] =
    [("psync", "1", "randwrite"), ("psync", "4", "write"), ("pvsync", "2", "randwrite")];

fn fio_finds_every_block_of_drafts_and_of_their_objects_right(kind: Kind) {
    let mut writer = Setup::new(kind).config(CONFIG).start();
    for (engine, files, pattern) in WRITERS {
        let mut command = fio(&writer, engine, files, pattern);
        command.args(["--rw", pattern, "--do_verify=1", "--fallocate=none"]);
        program::succeed(&mut command, Duration::from_secs(300));
    }
    writer.stop();
    assert_eq!(writer.keys().len(), 7, "{:?}", writer.keys());

    let mut reader = Setup::new(kind).config(CONFIG).bucket_of(&writer).start();
    for (engine, files, pattern) in WRITERS {
        let mut command = fio(&reader, engine, files, pattern);
        command.args(["--rw=read", "--readonly"]);
        program::succeed(&mut command, Duration::from_secs(300));
    }
    reader.stop();
}

/// Returns the part of the command that writing and reading share.
fn fio(mount: &TestMount, engine: &str, files: &str, pattern: &str) -> Command {
    let mut command = Command::new("fio");
    command.arg("--directory").arg(mount.path("suite"));
    command.args(["--name", &format!("{engine}-{pattern}"), "--ioengine", engine, "--numjobs", files]);
    command.args(["--size", short_or_full("8m", "256m"), "--bs=4k", "--verify=crc32c", "--verify_fatal=1"]);
    command.args(["--verify_state_save=0", "--group_reporting"]);
    command
}
