//! `cairnfs cache`: what a running mount keeps of the bucket on this host.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use indicatif::BinaryBytes;

use crate::control::client::Client;
use crate::control::place::{self, MountEntry};
use crate::control::protocol::{CacheReport, WarmReport};

use super::{Context, exit, output};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Say how full the cache is and what it has done since the mount
    Stat {
        /// Where it is mounted
        mountpoint: PathBuf,
        /// Print everything as one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Delete what is not open
    Clear {
        /// Where it is mounted
        mountpoint: PathBuf,
    },
    /// Fetch files, and all below directories, so that they are read from this host's disk
    Warm {
        /// Files and directories in a mount
        #[arg(required = true)]
        paths: Vec<PathBuf>,
    },
}

/// Runs the command.
pub fn run(args: &Args, context: &Context) -> anyhow::Result<u8> {
    match &args.action {
        Action::Stat { mountpoint, json } => {
            let report = connect(&place::find_mount(mountpoint)?, context)?.cache()?;
            stat(&report, *json)
        }
        Action::Clear { mountpoint } => {
            let report = connect(&place::find_mount(mountpoint)?, context)?.clear_cache()?;
            let mut out = output::stdout();
            write!(out, "{} files deleted, {}", report.files, BinaryBytes(report.bytes))?;
            if report.open_bytes > 0 {
                write!(out, "; {} stay: they are open", BinaryBytes(report.open_bytes))?;
            }
            writeln!(out)?;
            out.flush()?;
            Ok(0)
        }
        Action::Warm { paths } => {
            let mut code = 0;
            for path in paths {
                code = code.max(warm(path, context)?);
            }
            Ok(code)
        }
    }
}

fn connect(mount: &MountEntry, context: &Context) -> anyhow::Result<Client> {
    Ok(Client::connect(mount, &context.environment.runtime_directory())?)
}

fn stat(report: &CacheReport, json: bool) -> anyhow::Result<u8> {
    let mut out = output::stdout();
    if json {
        serde_json::to_writer_pretty(&mut out, report)?;
        writeln!(out)?;
    } else {
        for line in lines(report) {
            writeln!(out, "{line}")?;
        }
    }
    out.flush()?;
    Ok(0)
}

/// Returns the report in lines of `label: words`.
fn lines(r: &CacheReport) -> Vec<String> {
    let b = BinaryBytes;
    let mut lines = vec![
        format!("memory: {} of {}", b(r.memory_used), b(r.memory_budget)),
        format!(
            "disk: {} of {} in {} files, {} open",
            b(r.disk_used),
            b(r.disk_budget),
            r.files,
            b(r.disk_open)
        ),
        format!("read: {} from memory, {} from disk", b(r.memory_hit_bytes), b(r.disk_hit_bytes)),
        format!("fetched: {} in {} requests, {} failed", b(r.fetched_bytes), r.requests, r.failed_requests),
        format!("evicted: {} files", r.evicted_files),
    ];
    if !r.disk_usable {
        lines.push(format!("disk errors: {}; nothing is written at present", r.disk_errors));
    }
    if r.damaged_chunks > 0 || r.rejected_files > 0 {
        let (chunks, files) = (r.damaged_chunks, r.rejected_files);
        lines.push(format!("damaged: {chunks} pieces, {files} files; dropped and fetched again"));
    }
    lines
}

/// Brings one path and says what that took.
fn warm(path: &Path, context: &Context) -> anyhow::Result<u8> {
    let (mount, below) = place::find_mount_of(path)?;
    let below = below.to_str().ok_or_else(|| anyhow::anyhow!("{}: not UTF-8", path.display()))?.to_owned();
    let bar = output::byte_bar("warming", 0);
    let warmed = connect(&mount, context)?.warm_cache(&below, |progress| {
        bar.set_length(progress.bytes);
        bar.set_position(progress.bytes_done);
        bar.set_message(output::shown(&progress.doing));
    });
    bar.finish_and_clear();
    let report = warmed?;
    let mut out = output::stdout();
    writeln!(out, "{}", output::shown(&summary(path, &report)))?;
    out.flush()?;
    for error in &report.errors {
        output::tell(error);
    }
    let untold = report.failed.saturating_sub(report.errors.len() as u64);
    if untold > 0 {
        output::tell(&format!("{untold} more could not be brought"));
    }
    Ok(if report.failed > 0 { exit::FAILURE } else { 0 })
}

fn summary(path: &Path, report: &WarmReport) -> String {
    let files = if report.files == 1 { "1 file".to_owned() } else { format!("{} files", report.files) };
    let (bytes, fetched) = (BinaryBytes(report.bytes), BinaryBytes(report.fetched_bytes));
    format!("{}: {files}, {bytes}, of which {fetched} were fetched", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summary_tells_what_is_there_and_what_was_fetched() {
        let report = WarmReport { files: 2, bytes: 2048, fetched_bytes: 1024, ..WarmReport::default() };
        let said = summary(Path::new("/m/documents"), &report);
        assert_eq!(said, "/m/documents: 2 files, 2.00 KiB, of which 1.00 KiB were fetched");
    }

    #[test]
    fn stat_tells_of_trouble_only_where_there_is_some() {
        let well = CacheReport { disk_usable: true, files: 3, ..CacheReport::default() };
        assert!(
            lines(&well).contains(&"disk: 0 B of 0 B in 3 files, 0 B open".to_owned()),
            "{:?}",
            lines(&well)
        );
        assert!(!lines(&well).iter().any(|l| l.starts_with("d") && l.contains("amaged")));
        let ill = CacheReport { damaged_chunks: 1, disk_errors: 2, ..CacheReport::default() };
        let lines = lines(&ill);
        assert!(
            lines.contains(&"damaged: 1 pieces, 0 files; dropped and fetched again".to_owned()),
            "{lines:?}"
        );
        assert!(lines.contains(&"disk errors: 2; nothing is written at present".to_owned()), "{lines:?}");
    }
}
