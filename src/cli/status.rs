//! `cairnfs status`: how a mount is doing, for people or as JSON.

use std::io::Write as _;
use std::path::PathBuf;

use indicatif::BinaryBytes;

use crate::control::StatusReport;
use crate::control::client::Client;
use crate::control::place;
use crate::control::protocol::{KernelFeature, Usage};

use super::{Context, output};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where it is mounted
    mountpoint: PathBuf,
    /// Print everything as one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(args: &Args, context: &Context) -> anyhow::Result<u8> {
    let mount = place::find_mount(&args.mountpoint)?;
    let report = Client::connect(&mount, &context.environment.runtime_directory())?.status()?;
    let mut out = output::stdout();
    if args.json {
        serde_json::to_writer_pretty(&mut out, &report)?;
        writeln!(out)?;
    } else {
        for line in lines(&report) {
            writeln!(out, "{}", output::shown(&line))?;
        }
    }
    out.flush()?;
    Ok(0)
}

/// Returns the report in lines of `label: words`.
fn lines(report: &StatusReport) -> Vec<String> {
    let mut lines = vec![
        format!("mount: {} of {}, since {}", report.mountpoint, report.store, report.mounted_at),
        format!("daemon: cairnfs {}, process {}, state in {}", report.version, report.pid, report.state_dir),
    ];
    if let Some(why) = &report.read_only {
        lines.push(format!("read-only: {why}"));
    }
    let store = &report.store_state;
    lines.push(match (&store.error, store.reachable) {
        (None, true) => format!("store: reachable since {}", store.since),
        (error, true) => {
            format!("store: reachable; the last failure was {}", error.as_deref().unwrap_or_default())
        }
        (error, false) => {
            format!("store: unreachable since {}: {}", store.since, error.as_deref().unwrap_or("no answer"))
        }
    });
    lines.push(format!("drafts: {}", drafts(report)));
    if report.deletes_pending > 0 {
        lines.push(format!("deletes: {} pending", report.deletes_pending));
    }
    lines.push(format!("staging: {}", usage(report.staging)));
    lines.push(format!("cache: memory {}, disk {}", usage(report.cache_memory), usage(report.cache_disk)));
    lines.extend(kernel(report));
    lines.extend(report.warnings.iter().map(|warning| format!("warning: {warning}")));
    lines.extend(report.events.iter().map(|event| format!("event: {event}")));
    lines
}

/// Returns a line of what the kernel does, and one for each thing that it does not.
fn kernel(report: &StatusReport) -> Vec<String> {
    let word = |f: &KernelFeature| match f.detail.as_str() {
        "" => f.name.clone(),
        detail => format!("{} {detail}", f.name),
    };
    let on: Vec<String> = report.kernel.iter().filter(|f| f.on).map(word).collect();
    let first = (!on.is_empty()).then(|| format!("kernel: {}", on.join(", ")));
    let off = report.kernel.iter().filter(|f| !f.on).map(|f| format!("{}: off: {}", f.name, f.detail));
    first.into_iter().chain(off).collect()
}

fn drafts(report: &StatusReport) -> String {
    let d = report.drafts;
    let counts = [
        (d.draft, "being written"),
        (d.waiting, "waiting"),
        (d.publishing, "publishing"),
        (d.queued, "queued until the store answers"),
        (d.failed, "failed"),
        (d.interrupted, "interrupted"),
        (d.scratch, "scratch"),
    ];
    let words: Vec<String> =
        counts.iter().filter(|(n, _)| *n > 0).map(|(n, words)| format!("{n} {words}")).collect();
    if words.is_empty() { "none".to_owned() } else { words.join(", ") }
}

fn usage(usage: Usage) -> String {
    let used = BinaryBytes(usage.used);
    usage.budget.map_or_else(|| format!("{used}"), |budget| format!("{used} of {}", BinaryBytes(budget)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::protocol::{DraftCounts, StoreState};

    #[test]
    fn idle_mount_is_told_in_a_few_lines() {
        let report = StatusReport {
            mountpoint: "/mnt/b".into(),
            store: "s3://b".into(),
            mounted_at: "2026-01-01T00:00:00Z".into(),
            store_state: StoreState { reachable: true, since: "2026-01-01T00:00:00Z".into(), error: None },
            cache_memory: Usage { used: 1 << 20, budget: Some(64 << 20) },
            ..StatusReport::default()
        };
        let lines = lines(&report);
        assert_eq!(
            lines.first().map(String::as_str),
            Some("mount: /mnt/b of s3://b, since 2026-01-01T00:00:00Z")
        );
        assert!(lines.contains(&"drafts: none".to_owned()), "{lines:?}");
        assert!(lines.contains(&"cache: memory 1.00 MiB of 64.00 MiB, disk 0 B".to_owned()), "{lines:?}");
    }

    #[test]
    fn kernel_features_are_told_in_one_line_but_for_those_that_are_off() {
        let feature =
            |name: &str, on, detail: &str| KernelFeature { name: name.into(), on, detail: detail.into() };
        let kernel = vec![
            feature("passthrough", false, "needs root or CAP_SYS_ADMIN"),
            feature("page cache", true, ""),
            feature("threads", true, "4"),
        ];
        let lines = lines(&StatusReport { kernel, ..StatusReport::default() });
        for line in ["kernel: page cache, threads 4", "passthrough: off: needs root or CAP_SYS_ADMIN"] {
            assert!(lines.iter().any(|l| l == line), "{line} in {lines:?}");
        }
    }

    #[test]
    fn trouble_is_told_in_words() {
        let report = StatusReport {
            read_only: Some("the store failed the probe".into()),
            store_state: StoreState { reachable: false, since: "t".into(), error: Some("refused".into()) },
            drafts: DraftCounts { queued: 2, failed: 1, ..DraftCounts::default() },
            warnings: vec!["w".into()],
            ..StatusReport::default()
        };
        let lines = lines(&report);
        for line in [
            "read-only: the store failed the probe",
            "store: unreachable since t: refused",
            "drafts: 2 queued until the store answers, 1 failed",
            "warning: w",
        ] {
            assert!(lines.iter().any(|l| l == line), "{line} in {lines:?}");
        }
    }
}
