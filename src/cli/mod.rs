//! The command line: one file for each subcommand.
//!
//! Results go to standard output, everything else to standard error. An error is one line: what, where, what to do.
//! Exit codes are in [`exit`]. Others script against all of it.

mod abort_when_gone;
mod args;
mod cache;
mod cat;
mod catalog;
mod check;
mod config;
mod demo;
mod detach;
mod drafts;
pub mod exit;
mod log;
mod ls;
mod mount;
mod objects;
mod output;
mod preflight;
mod probed;
mod put;
mod refused;
mod signals;
mod status;
mod trash;
mod umount;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::Environment;
use crate::fuse;

/// Mount an S3 or MinIO bucket as plain folders, under rules that never overwrite an object.
#[derive(Debug, Parser)]
#[command(name = "cairnfs", version, max_term_width = 100)]
struct Cli {
    /// Say more about what is being done; twice for even more (RUST_LOG chooses in detail)
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    verbose: u8,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Mount a store as folders
    Mount(mount::Args),
    /// Publish what waits, then unmount
    Umount(umount::Args),
    /// Say how a mount is doing
    Status(status::Args),
    /// Deal with what could not be published
    Drafts(drafts::Args),
    /// Look at, empty or fill what a mount keeps of the bucket on this host
    Cache(cache::Args),
    /// Say whether the store can be used, and what in it cannot be shown
    Check(check::Args),
    /// Print the effective settings as TOML
    Config(config::Args),
    /// List a directory of the store
    Ls(ls::Args),
    /// Write a file of the store to standard output
    Cat(cat::Args),
    /// Store a file of this host and print the key it got
    Put(put::Args),
    /// List, put back or delete for good what was deleted
    Trash(trash::Args),
    /// Work on the catalog of a store
    Catalog(catalog::Args),
    /// Try it all out, without an account or a server
    Demo(demo::Args),
    /// Abort the connection that standard output leads to when this process, the parent, is gone
    #[command(name = fuse::ABORT_SUBCOMMAND, hide = true)]
    AbortWhenGone(abort_when_gone::Args),
}

/// What every subcommand is given beside its own arguments.
struct Context {
    environment: Environment,
    verbose: u8,
}

/// Runs the program: parses the arguments of this process, does it, and returns its exit code.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return output::usage(&error),
    };
    let context = Context { environment: Environment::of_process(), verbose: cli.verbose };
    let long_running = matches!(cli.command, Command::Mount(_));
    log::start(&context, long_running);
    let result = match cli.command {
        Command::Mount(args) => mount::run(args, &context),
        Command::Umount(args) => umount::run(&args, &context),
        Command::Status(args) => status::run(&args, &context),
        Command::Drafts(args) => drafts::run(&args, &context),
        Command::Cache(args) => cache::run(&args, &context),
        Command::Check(args) => check::run(&args, &context),
        Command::Config(args) => config::run(&args, &context),
        Command::Ls(args) => ls::run(&args, &context),
        Command::Cat(args) => cat::run(&args, &context),
        Command::Put(args) => put::run(&args, &context),
        Command::Trash(args) => trash::run(&args, &context),
        Command::Catalog(args) => catalog::run(&args, &context),
        Command::Demo(args) => demo::run(&args, &context),
        Command::AbortWhenGone(args) => abort_when_gone::run(&args),
    };
    match result {
        Ok(code) => exit::with(code),
        Err(error) => output::failure(&error),
    }
}

/// Runs `work` on a runtime of its own. Ctrl-C ends the process as it ends any other.
fn block_on(work: impl Future<Output = anyhow::Result<u8>>) -> anyhow::Result<u8> {
    let runtime = tokio::runtime::Runtime::new()?;
    let result = runtime.block_on(work);
    // a blocked thread of a hung disk or server must not keep a finished command
    runtime.shutdown_background();
    result
}

/// As [`block_on`], but Ctrl-C drops `work`, so that it can clean up, before the command ends with
/// [`exit::INTERRUPTED`]. Not for work that blocks on its output.
fn block_on_until_interrupted(work: impl Future<Output = anyhow::Result<u8>>) -> anyhow::Result<u8> {
    block_on(async {
        tokio::select! {
            result = work => result,
            () = signals::interrupted() => Ok(exit::INTERRUPTED),
        }
    })
}
