//! The command line itself.

use crate::harness::Desk;

#[test]
fn version_and_help_are_results_and_not_errors() {
    let desk = Desk::without_store();
    assert_eq!(desk.run(&["--version"]).ok(), format!("cairnfs {}\n", env!("CARGO_PKG_VERSION")));
    let help = desk.run(&["--help"]);
    for command in ["mount", "umount", "status", "check", "config", "ls", "cat", "put", "catalog", "demo"] {
        assert!(help.ok().contains(&format!("\n  {command} ")), "{command}");
    }
}

#[test]
fn wrong_command_line_is_one_line_with_exit_code_2() {
    let desk = Desk::without_store();
    for (arguments, part) in [
        (&["bogus"] as &[&str], "unrecognized subcommand 'bogus'"),
        (&["put", "only-one"], "<PATH>"),
        (&["ls", "--verify-ssl", "maybe"], "'maybe' is neither yes nor no"),
        (&["ls", "--secret-key", "x"], "--secret-key"),
        (&["mount"], "<MOUNTPOINT>"),
    ] {
        let ran = desk.run(arguments);
        assert!(ran.error(2).contains(part), "{arguments:?}: {}", ran.stderr);
    }
}

#[test]
fn command_without_a_store_says_how_to_name_one() {
    let desk = Desk::without_store();
    for arguments in [&["ls"] as &[&str], &["cat", "documents/a.pdf"], &["check"], &["catalog", "rebuild"]] {
        let ran = desk.run(arguments);
        assert!(ran.error(2).contains("S3_BUCKET_NAME"), "{arguments:?}: {}", ran.stderr);
    }
}

#[test]
fn public_acl_in_the_environment_refuses_every_command() {
    let mut desk = Desk::without_store();
    desk.set("S3_DEFAULT_ACL", "public-read");
    for arguments in [&["ls"] as &[&str], &["check"], &["config"]] {
        let ran = desk.run_here(arguments);
        assert!(ran.error(2).starts_with("S3_DEFAULT_ACL: default ACL 'public-read'"), "{}", ran.stderr);
    }
}

#[test]
fn reader_that_has_had_enough_is_no_failure() {
    let desk = Desk::without_store();
    let big = desk.lay("big.txt", vec![b'x'; 4 << 20]);
    desk.run_here(&["put", &big, "documents/"]).ok();
    let store = desk.store();
    let mut child = desk
        .command(&["cat", "documents/big.txt", "--store", &store])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), b"".as_slice()));
}
