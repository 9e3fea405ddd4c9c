//! How the demo shows commands, trees and catalog rows.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::catalog::FileRow;

use super::say;

/// Runs a program in `dir` and shows it with what it says; its failure is part of the show.
pub async fn command(dir: &Path, program: &str, arguments: &[&str]) -> anyhow::Result<()> {
    say(&format!("$ {program} {}", arguments.join(" ")))?;
    let output = tokio::process::Command::new(program)
        .args(arguments)
        .current_dir(dir)
        .kill_on_drop(true)
        .output()
        .await
        .with_context(|| format!("{program}: cannot be run"))?;
    for text in [output.stdout, output.stderr] {
        for line in String::from_utf8_lossy(&text).lines() {
            say(&format!("  {line}"))?;
        }
    }
    Ok(())
}

/// Shows every directory and file below `root`, each with its path.
pub async fn tree(root: &Path) -> anyhow::Result<()> {
    let root = root.to_owned();
    // the daemon of this tree is in this very process: its threads must not be the ones that wait
    let lines = tokio::task::spawn_blocking(move || {
        let mut lines = Vec::new();
        walk(&root, &root, &mut lines).map(|()| lines)
    });
    for line in lines.await?? {
        say(&line)?;
    }
    Ok(())
}

fn walk(root: &Path, dir: &Path, lines: &mut Vec<String>) -> anyhow::Result<()> {
    let reading = || format!("reading {}", dir.display());
    let mut entries: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(dir).with_context(reading)? {
        entries.push(entry.with_context(reading)?.path());
    }
    entries.sort();
    for path in entries {
        let meta = std::fs::symlink_metadata(&path).with_context(|| path.display().to_string())?;
        let name = path.strip_prefix(root).unwrap_or(&path).display();
        if meta.is_dir() {
            lines.push(format!("  {name}/"));
            walk(root, &path, lines)?;
        } else {
            lines.push(format!("  {name}  {} bytes", meta.len()));
        }
    }
    Ok(())
}

/// Shows catalog rows.
pub fn rows(rows: &[FileRow]) -> anyhow::Result<()> {
    let width = rows.iter().map(|row| row.s3_key.chars().count()).max().unwrap_or(0);
    for row in rows {
        let hash = row.content_hash.as_str();
        let hash: String = hash.chars().take(12).collect();
        let content_type = row.content_type.as_str();
        let FileRow { s3_key, domain, file_type, file_size, .. } = row;
        say(&format!(
            "  {s3_key:width$}  {file_type:5} {file_size:>6}  sha256 {hash}…  {domain}, {content_type}"
        ))?;
    }
    Ok(())
}
