//! Programs of others: where they are, and how long they may take.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// What a program came to.
pub struct Ran {
    pub status: ExitStatus,
    /// What it said on both streams.
    pub said: String,
}

/// Returns a program that `tests/setup/suites.sh` has built.
///
/// # Panics
/// Where it has not.
pub fn built(name: &str) -> Command {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let home = std::env::var_os("CAIRNFS_TEST_ENV").map_or_else(|| project.join(".test-env"), PathBuf::from);
    let program = home.join("suites/bin").join(name);
    assert!(program.exists(), "{} is missing: run tests/setup/suites.sh", program.display());
    Command::new(program)
}

/// Runs `command` to its end.
///
/// # Panics
/// Where it takes longer than `patience`: it hangs.
#[track_caller]
pub fn run(command: &mut Command, patience: Duration) -> Ran {
    // a file and not a pipe: what the program leaves running must not hold the test
    let mut said = tempfile::tempfile().unwrap();
    command.stdin(Stdio::null()).stdout(said.try_clone().unwrap()).stderr(said.try_clone().unwrap());
    let mut child = command.spawn().unwrap_or_else(|e| {
        panic!("{}: {e}; tests/setup/packages.sh installs it", command.get_program().display())
    });
    let until = Instant::now() + patience;
    let mut text = || {
        use std::io::{Read as _, Seek as _};
        let mut bytes = Vec::new();
        said.rewind().unwrap();
        said.read_to_end(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return Ran { status, said: text() };
        }
        if Instant::now() > until {
            let _ = child.kill();
            panic!("{} hangs:\n{}", command.get_program().display(), text());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// As [`run`], of a program that must succeed; returns what it said.
#[track_caller]
pub fn succeed(command: &mut Command, patience: Duration) -> String {
    let ran = run(command, patience);
    assert!(ran.status.success(), "{command:?}: {}\n{}", ran.status, ran.said);
    ran.said
}
