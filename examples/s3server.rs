//! The S3 server of the tests as a program, for tests that are not written in Rust:
//! `cargo run --example s3server -- --bucket test`. Everything is in memory and gone when it ends.
#![allow(clippy::print_stdout, clippy::expect_used, reason = "a tool for tests")]

#[path = "../tests/support/s3server/mod.rs"]
#[allow(dead_code, clippy::unwrap_used, clippy::panic, reason = "tests use the rest of it")]
mod s3server;

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Duration;

use clap::Parser;
use s3server::{ACCESS_KEY, Certificate, Options, S3Server, SECRET_KEY};

/// Runs an S3 server in memory and prints, in one line, where it is and which keys it takes.
#[derive(Parser)]
struct Arguments {
    /// The port on 127.0.0.1; 0 finds a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// A bucket that exists from the beginning; may be given several times.
    #[arg(long, default_value = "test")]
    bucket: Vec<String>,
    /// The access key to take.
    #[arg(long, default_value = ACCESS_KEY)]
    access_key: String,
    /// The secret key to take.
    #[arg(long, default_value = SECRET_KEY)]
    secret_key: String,
    /// Overwrite in spite of `If-None-Match: *`, as weak servers do.
    #[arg(long)]
    weak: bool,
    /// Wait this long before each request.
    #[arg(long, default_value_t = 0)]
    delay_ms: u64,
    /// Speak https with a certificate signed by itself, which is written to this file.
    #[arg(long, value_name = "FILE")]
    tls: Option<PathBuf>,
    /// End when standard input ends.
    #[arg(long)]
    until_eof: bool,
}

fn main() {
    let arguments = Arguments::parse();
    let certificate = arguments.tls.map(|path| {
        let certificate = Certificate::self_signed();
        std::fs::write(path, &certificate.certificate).expect("a file for the certificate");
        certificate
    });
    let server = S3Server::start_with(Options {
        address: SocketAddr::from(([127, 0, 0, 1], arguments.port)),
        buckets: arguments.bucket,
        access_key: arguments.access_key.clone(),
        secret_key: arguments.secret_key.clone(),
        certificate,
    });
    let faults = server.faults();
    for condition in [
        &faults.ignore_put_condition,
        &faults.ignore_complete_condition,
        &faults.ignore_copy_condition,
        &faults.ignore_delete_condition,
    ] {
        condition.store(arguments.weak, Ordering::Relaxed);
    }
    faults.delay(Duration::from_millis(arguments.delay_ms));
    println!(
        "ENDPOINT={} S3_ACCESS_KEY={} S3_SECRET_KEY={}",
        server.endpoint(),
        arguments.access_key,
        arguments.secret_key
    );
    std::io::stdout().flush().expect("somebody who reads this");
    if arguments.until_eof {
        std::io::stdin().read_to_end(&mut Vec::new()).expect("standard input");
        return;
    }
    loop {
        std::thread::park();
    }
}
