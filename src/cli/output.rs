//! What a person or a script sees: results, errors in one line, progress bars.

use std::io::{self, IsTerminal as _, Write};
use std::process::ExitCode;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::config::ConfigError;

use super::exit;

/// Returns standard output for results. A reader that has had enough (`| head`) is no error; see [`is_broken_pipe`].
pub fn stdout() -> io::BufWriter<io::Stdout> {
    io::BufWriter::new(io::stdout())
}

/// Says what went wrong, one line for each thing, and returns the exit code.
pub fn failure(error: &anyhow::Error) -> ExitCode {
    if is_broken_pipe(error) {
        return ExitCode::SUCCESS;
    }
    match error.downcast_ref::<ConfigError>() {
        Some(config) => config.mistakes().iter().for_each(|mistake| tell(&mistake.to_string())),
        None => tell(&one_line(error)),
    }
    exit::with(exit::code_of(error))
}

/// Writes one line to standard error, after the program's name. What it quotes does not break it, nor steer a terminal.
pub fn tell(line: &str) {
    // when standard error is gone, nobody is left to be told
    drop(writeln!(io::stderr(), "cairnfs: {}", harmless(line)));
}

/// Returns the chain of causes as one line: outermost first, none said twice.
pub fn one_line(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text.split(['\n', '\r']).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Says how the command line is wrong in one line, or prints the help that was asked for.
pub fn usage(error: &clap::Error) -> ExitCode {
    use clap::error::ErrorKind;
    let help = matches!(
        error.kind(),
        ErrorKind::DisplayHelp
            | ErrorKind::DisplayVersion
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    );
    if help {
        drop(error.print());
        let asked = error.kind() != ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
        return exit::with(if asked { 0 } else { exit::USAGE });
    }
    let text = error.to_string();
    // up to the blank line it says what is wrong; usage and hints follow
    let what: Vec<&str> = text.lines().map(str::trim).take_while(|line| !line.is_empty()).collect();
    let what = what.join(" ");
    let what = what.strip_prefix("error: ").unwrap_or(&what);
    tell(&format!("{what}; see 'cairnfs --help'"));
    exit::with(exit::USAGE)
}

/// Returns whether the reader of our output has gone away.
pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .any(|cause| cause.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe))
}

/// Returns `name` as it can be shown: a terminal must not be steered by a file's name, a script gets it as it is.
pub fn shown(name: &str) -> String {
    if io::stdout().is_terminal() { harmless(name) } else { name.to_owned() }
}

/// Returns `text` with its control characters written out.
fn harmless(text: &str) -> String {
    text.chars().flat_map(|c| if breaks_lines(c) { c.escape_default().collect() } else { vec![c] }).collect()
}

/// Returns whether `c` steers a terminal or ends a line somewhere.
pub fn breaks_lines(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

/// Returns a progress bar over `total` bytes; invisible unless standard error is a terminal.
pub fn byte_bar(what: &str, total: u64) -> ProgressBar {
    bar(
        what,
        Some(total),
        "{prefix} {bar:30} {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec} {msg}",
    )
}

/// Returns a progress bar over things that are counted; without a total it only counts. Invisible unless standard
/// error is a terminal.
pub fn count_bar(what: &str, total: Option<u64>) -> ProgressBar {
    bar(
        what,
        total,
        if total.is_some() {
            "{prefix} {bar:30} {pos}/{len} {msg}"
        } else {
            "{prefix} {spinner} {pos} {msg}"
        },
    )
}

/// Lets a bar follow what this process reads while `work` runs: an upload reads its file as it goes. No more is known
/// of a request that the store's client carries out, and some buffers of it are ahead of what has arrived.
pub async fn following_reads<T>(bar: &ProgressBar, work: impl Future<Output = T>) -> T {
    let before = bytes_read().unwrap_or(0);
    let mut tick = tokio::time::interval(Duration::from_millis(200));
    tokio::pin!(work);
    loop {
        tokio::select! {
            result = &mut work => return result,
            _ = tick.tick() => {
                let read = bytes_read().unwrap_or(before).saturating_sub(before);
                bar.set_position(read.min(bar.length().unwrap_or(u64::MAX)));
            }
        }
    }
}

/// Returns how many bytes this process has read so far (proc(5), `/proc/self/io`).
fn bytes_read() -> Option<u64> {
    let io = std::fs::read_to_string("/proc/self/io").ok()?;
    io.lines().find_map(|line| line.strip_prefix("rchar: "))?.parse().ok()
}

fn bar(what: &str, total: Option<u64>, template: &str) -> ProgressBar {
    // the default target of indicatif draws at most 20 times a second, and nothing where there is no terminal
    let target =
        if io::stderr().is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(total, target);
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.set_prefix(what.to_owned());
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_joined_into_one_line_without_repetition() {
        let error = anyhow::anyhow!("connection refused\n(os error 111)")
            .context("the store cannot be reached: connection refused\n(os error 111)")
            .context("put");
        assert_eq!(one_line(&error), "put: the store cannot be reached: connection refused (os error 111)");
    }
}
