//! The log: to standard error, readable in a terminal and in the journal.

use std::io::{self, IsTerminal as _};

use tracing_subscriber::EnvFilter;

use super::{Context, output};

/// Standard error, a line for each event: what a file is called does not break it. Each event comes in one write.
struct Lines;

impl io::Write for Lines {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let line = text.strip_suffix('\n').unwrap_or(&text);
        // the formatter has taken escapes out of names, and puts its colours in with them
        let escape = |c: char| match c {
            '\u{1b}' => c.to_string(),
            c if output::breaks_lines(c) => c.escape_default().to_string(),
            c => c.to_string(),
        };
        let safe: String = line.chars().map(escape).chain(["\n".to_owned()]).collect();
        io::stderr().write_all(safe.as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// Starts the log. `RUST_LOG` decides what is told; without it `-v` does. A mount tells its comings and goings, a
/// command warnings only.
pub fn start(context: &Context, long_running: bool) {
    let level = match (context.verbose, long_running) {
        (0, false) => "warn,aws=error",
        (0, true) => "warn,cairnfs=info,aws=error",
        (1, false) => "warn,cairnfs=info",
        (1, true) => "warn,cairnfs=debug",
        _ => "info,cairnfs=trace",
    };
    let filter = match context.environment.log_filter() {
        // a filter that cannot be read says so on standard error and leaves out what it does not understand
        Some(directives) => EnvFilter::builder().parse_lossy(directives),
        None => EnvFilter::new(format!("{level},{}", crate::fuse::QUIET)),
    };
    let terminal = std::io::stderr().is_terminal();
    let format = tracing_subscriber::fmt().with_env_filter(filter).with_writer(|| Lines).with_target(false);
    // the journal and a log file's reader have times of their own, and no colours
    if terminal {
        format.with_ansi(true).compact().init();
    } else {
        format.with_ansi(false).without_time().compact().init();
    }
}
