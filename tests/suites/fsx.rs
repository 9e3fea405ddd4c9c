//! fsx: random reads, writes, mappings and truncations of one file, each looked at.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::support::mount::{Kind, Setup, eventually};
use crate::{CONFIG, program, short_or_full};

on_both_stores! {
    fsx_on_a_draft_leaves_the_same_object_as_on_a_plain_file,
    fsx_on_a_scratch_file_that_is_closed_and_opened_leaves_the_same_bytes,
}

/// Every kind of operation but `punch_hole`, which drafts have not (9.4 names no mode of fallocate but the plain one).
const WEIGHTS: &str = "
read = 10
write = 10
mapread = 10
mapwrite = 10
truncate = 5
posix_fallocate = 2
sendfile = 5
copy_file_range = 5
posix_fadvise = 2
invalidate = 2
fsync = 0.05
fdatasync = 0.05
";

/// One draft that is open all the while; the object that its close makes has what the same run leaves elsewhere.
fn fsx_on_a_draft_leaves_the_same_object_as_on_a_plain_file(kind: Kind) {
    let mut mount = Setup::new(kind).config(CONFIG).start();
    let fsx = Fsx::new(&format!("[weights]{WEIGHTS}"));
    fsx.run(1, &mount.path("suite/draft"));
    // the close that ends a process need not be the one that publishes (3.5): a mapping may outlive it
    eventually("an object", || mount.keys() == ["suite/draft"]);
    assert!(mount.object("suite/draft") == fsx.plain(1), "the object has other bytes");
    mount.stop();
}

/// A scratch file is nobody's object: it can be closed and opened for writing again, and has what was written.
fn fsx_on_a_scratch_file_that_is_closed_and_opened_leaves_the_same_bytes(kind: Kind) {
    let mut mount = Setup::new(kind).config(CONFIG).start();
    let fsx = Fsx::new(&format!("[weights]{WEIGHTS}close_open = 3\n"));
    fsx.run(2, &mount.path("suite/scratch.part"));
    assert!(mount.read("suite/scratch.part") == fsx.plain(2), "the scratch file has other bytes");
    assert!(mount.keys().is_empty(), "{:?}", mount.keys());
    mount.stop();
}

struct Fsx {
    home: tempfile::TempDir,
}

impl Fsx {
    fn new(config: &str) -> Self {
        // in memory where that is possible: only the mount is to wait for a disk
        let memory = Path::new("/dev/shm");
        let home = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
        // in the short form not every write to a mapping waits for the disk
        let head = format!("nomsyncafterwrite = {}\n", short_or_full(true, false));
        fs::write(home.path().join("fsx.toml"), head + config).unwrap();
        Self { home }
    }

    /// Runs it on `file`. A seed gives the same operations each time.
    fn run(&self, seed: u64, file: &Path) {
        let operations = short_or_full("5000", "100000");
        let mut command = program::built("fsx");
        command.arg("-f").arg(self.home.path().join("fsx.toml")).arg("-P").arg(self.home.path());
        command.args(["-S", &seed.to_string(), "-N", operations]).arg(file);
        program::succeed(&mut command, short_or_full(Duration::from_secs(120), Duration::from_secs(1800)));
    }

    /// Returns what a run leaves on a file system of the host.
    fn plain(&self, seed: u64) -> Vec<u8> {
        let file = self.home.path().join(format!("plain{seed}"));
        self.run(seed, &file);
        fs::read(file).unwrap()
    }
}
