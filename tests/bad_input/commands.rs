//! Command lines, environments and configuration files that make no sense: one clear line for each mistake.

use std::ffi::{OsStr, OsString};
use std::io::{Read as _, Seek as _};
use std::os::unix::ffi::OsStrExt as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A run that must fail.
struct Case {
    arguments: Vec<OsString>,
    variables: Vec<(&'static str, OsString)>,
    /// What the configuration file holds.
    config: Option<Vec<u8>>,
}

fn args(list: &[&[u8]]) -> Case {
    let arguments = list.iter().map(|a| OsStr::from_bytes(a).to_owned()).collect();
    Case { arguments, variables: Vec::new(), config: None }
}

fn with(name: &'static str, value: &[u8]) -> Case {
    let variables = vec![("S3_BUCKET_NAME", "b".into()), (name, OsStr::from_bytes(value).to_owned())];
    Case { variables, ..args(&[b"ls"]) }
}

fn config(text: impl AsRef<[u8]>) -> Case {
    Case { config: Some(text.as_ref().to_owned()), ..args(&[b"ls", b"--store", b"file:///"]) }
}

fn cases() -> Vec<Case> {
    let here: &[u8] = b"file:///";
    let long = vec![b'n'; 100_000];
    vec![
        args(&[b"\xff"]),
        args(&[b"ls", b"\xff\xfe", b"--store", here]),
        args(&[b"cat", b"documents/caf\xe9.pdf", b"--store", here]),
        args(&[b"cat", b"\x1b[31mred\n\nblue\r", b"--store", here]),
        args(&[b"ls", b"documents/\x1b]0;title\x07", b"--store", here]),
        args(&[b"cat", b"documents/a\nb\n\nc.pdf", b"--store", here]),
        args(&[b"cat", b"", b"--store", here]),
        args(&[b"cat", b"documents/../../etc/passwd", b"--store", here]),
        args(&[b"cat", &long, b"--store", here]),
        args(&[b"ls", &long, b"--store", here]),
        args(&[b"put", b"/dev/null/x", b"documents/", b"--store", here]),
        args(&[b"put", b"/etc/hostname", b"documents/\xff.pdf", b"--store", here]),
        args(&[b"put", b"/etc/hostname", b"documents/a\x1b[2J.exe", b"--store", here]),
        args(&[b"put", b"/etc/hostname", &long, b"--store", here]),
        args(&[b"put", b"/dev", b"documents/", b"--store", here]),
        args(&[b"\x1b[31m\n\nbogus"]),
        args(&[b"ls", b"--bogus\n\nline\x1b[31m"]),
        args(&[b"ls", b"--store", b""]),
        args(&[b"ls", b"--store", b"s3://"]),
        args(&[b"ls", b"--store", b"s3://a/b"]),
        args(&[b"ls", b"--store", b"file://relative"]),
        args(&[b"ls", b"--store", b"ftp://x\x1b[31m\n"]),
        args(&[b"ls", b"--store", b"file:///no/such\x1b[31m\ndirectory"]),
        args(&[b"ls", b"--store", b"file:///\xff"]),
        args(&[b"mount", b"s3://b", b"/no/such\n\x1b[31mdirectory"]),
        args(&[b"mount", b"\xff", b"\xff"]),
        args(&[b"umount", b"/no/such\n\x1b[31mdirectory"]),
        args(&[b"status", b"\xff"]),
        args(&[b"drafts", b"discard", b"\xff", b"\x1b[31m"]),
        args(&[b"trash", b"restore", b"\x1b[31m\n", b"--store", here]),
        args(&[b"ls", b"--config", b"/no/such\n\x1b[31mfile", b"--store", here]),
        args(&[b"ls", b"--config", b"/", b"--store", here]),
        args(&[b"ls", b"--config", b"/dev/zero\xff", b"--store", here]),
        with("S3_ENDPOINT_URL", b"\xff"),
        with("S3_ENDPOINT_URL", b"http://[::1"),
        with("S3_ENDPOINT_URL", b"http://host:99999"),
        with("S3_ENDPOINT_URL", b"nonsense with spaces\n"),
        with("S3_ENDPOINT_URL", b"ftp://x"),
        with("S3_USE_SSL", b"per\x1b[31mhaps\n"),
        with("S3_BUCKET_NAME", b"a/b\n\x1b[31m"),
        with("S3_BUCKET_NAME", b"\xff"),
        with("S3_DEFAULT_ACL", b"public\n\x1b[31m"),
        config(b"\xff\xfe"),
        config(b"\0"),
        config("[[["),
        config("a = [".repeat(5_000)),
        config("[".repeat(200_000)),
        config(format!("x = \"{}\"", "n".repeat(1 << 20))),
        config("\u{feff}[store]\nbogus = 1\n"),
        config("\"\u{1b}[31m\\n\" = 1\n"),
        config("[[domain]]\nname = \"\\n\\u001b[31m\"\ntemplate = \"a/{b}\"\n"),
        config("[[domain]]\nname = \"x\"\ntemplate = \"{a}{b}/../\\n\"\n"),
        config("[write]\nclose_wait = \"99999999999999999999s\"\n"),
        config("[write]\nfree_floor = \"18446744073709551616\"\n"),
        config("[write]\nfree_floor = -1\n"),
        config("[cache]\nmemory = \"1e999\"\n"),
        config("[mount]\nfile_mode = \"99999\"\nuid = -1\n"),
        config("[mount]\nuid = 99999999999999999999999\n"),
        config("[read]\nlist_ttl = \"\u{1b}[31m\"\n"),
    ]
}

#[test]
fn nonsense_is_refused_in_words_on_a_line_of_its_own() {
    let home = tempfile::tempdir().unwrap();
    let mut wrong = Vec::new();
    for case in cases() {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cairnfs"));
        command.args(&case.arguments).env_clear().env("HOME", home.path()).env("RUST_BACKTRACE", "1");
        command.env("RUNTIME_DIRECTORY", home.path()).env("AWS_EC2_METADATA_DISABLED", "true");
        command.envs(case.variables.iter().map(|(name, value)| (name, value)));
        command.env("S3_ACCESS_KEY", "k").env("S3_SECRET_KEY", "s");
        if let Some(text) = &case.config {
            std::fs::write(home.path().join("config.toml"), text).unwrap();
            command.arg("--config").arg(home.path().join("config.toml"));
        }
        let (code, said) = run(command, Duration::from_secs(60));
        let is_line = |line: &str| line.starts_with("cairnfs: ") && !line.contains(char::is_control);
        let worded = said.lines().count() > 0 && said.lines().all(is_line);
        let panicked = said.contains("panicked") || said.contains("backtrace") || code > 100;
        if !worded || panicked || code == 0 {
            let shown: String =
                format!("{:?} {:?}", case.arguments, case.variables).chars().take(200).collect();
            let config = case.config.map(|c| String::from_utf8_lossy(&c[..c.len().min(80)]).into_owned());
            wrong
                .push(format!("{shown} {config:?}: {code} {:?}", said.chars().take(300).collect::<String>()));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases().len(), wrong.join("\n"));
}

/// Runs it and returns its exit code and what it said.
///
/// # Panics
/// Where it hangs.
fn run(mut command: Command, patience: Duration) -> (i32, String) {
    // a file and not a pipe, which long words would fill
    let mut said = tempfile::tempfile().unwrap();
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(said.try_clone().unwrap());
    let mut child = command.spawn().unwrap();
    let until = Instant::now() + patience;
    let status = loop {
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None if Instant::now() > until => {
                let _ = child.kill();
                panic!("it hangs: {command:?}");
            }
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    let mut bytes = Vec::new();
    said.rewind().unwrap();
    said.read_to_end(&mut bytes).unwrap();
    (status.code().unwrap_or(255), String::from_utf8_lossy(&bytes).into_owned())
}
