//! Going to the background, only once the mount is really up.
//!
//! The starter runs this program again as `mount --detached …` with a pipe as its standard output, and waits for one
//! line: `ready MOUNTPOINT`, or `failed MESSAGE`. A process that forks after it has threads would be a different, and
//! broken, process; one that is started anew is whole.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Context as _;

use super::{exit, output};

const READY: &str = "ready ";
const FAILED: &str = "failed ";
/// A log larger than this is set aside at the next start, so that logs stay bounded: one of them, and its predecessor.
const LOG_LIMIT: u64 = 16 << 20;

/// Starts this program again in the background, waits until its mount is up, and returns the exit code: its own where
/// it failed.
pub fn start(state_dir: &Path) -> anyhow::Result<u8> {
    let log_path = state_dir.join("cairnfs.log");
    let log = open_log(state_dir, &log_path).with_context(|| log_path.display().to_string())?;
    let program = std::env::current_exe().context("the program that was started")?;
    let arguments =
        std::env::args_os().skip(1).map(|a| if a == "--daemon" { "--detached".into() } else { a });
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .context("starting the background process")?;
    let mut line = String::new();
    if let Some(pipe) = child.stdout.take() {
        BufReader::new(pipe).read_line(&mut line)?;
    }
    if let Some(mountpoint) = line.trim_end().strip_prefix(READY) {
        tracing::info!("{mountpoint}: mounted in the background by process {}", child.id());
        return Ok(0);
    }
    let status = child.wait()?;
    let code = status.code().and_then(|code| u8::try_from(code).ok()).filter(|code| *code != 0);
    let message = match line.trim_end().strip_prefix(FAILED) {
        Some(message) => message.to_owned(),
        None => format!(
            "the background process ended before the mount was up ({status}); see {}",
            log_path.display()
        ),
    };
    output::tell(&message);
    Ok(code.unwrap_or(exit::FAILURE))
}

fn open_log(state_dir: &Path, path: &Path) -> std::io::Result<File> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(state_dir)?;
    if fs::metadata(path).is_ok_and(|meta| meta.len() > LOG_LIMIT) {
        fs::rename(path, path.with_extension("log.1"))?;
    }
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}

/// In the background process: leaves the terminal and its signals behind.
pub fn leave_terminal() -> anyhow::Result<()> {
    rustix::process::setsid().context("leaving the terminal")?;
    Ok(())
}

/// In the background process: tells the starter that the mount is up.
pub fn tell_ready(mountpoint: &Path) {
    tell(&format!("{READY}{}", mountpoint.display()));
}

/// In the background process: tells the starter why there is no mount.
pub fn tell_failure(error: &anyhow::Error) {
    let mistakes = error.downcast_ref().map(|config: &crate::config::ConfigError| config.to_string());
    let message = mistakes.map_or_else(|| output::one_line(error), |text| text.replace('\n', "; "));
    tell(&format!("{FAILED}{message}"));
}

fn tell(line: &str) {
    if let Err(error) = writeln!(std::io::stdout(), "{}", line.replace('\n', " ")) {
        // the starter was killed; the mount is not to blame
        tracing::debug!(%error, "nobody waits for this mount to be up");
    }
}
