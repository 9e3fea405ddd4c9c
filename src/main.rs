//! The `cairnfs` program: parse, run, exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    cairnfs::cli::main()
}
