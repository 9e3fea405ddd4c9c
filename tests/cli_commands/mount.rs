//! What `mount`, `umount` and `status` say before and without a mount.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::harness::Desk;

#[test]
fn mount_on_a_missing_mount_point_says_how_to_make_it() {
    let desk = Desk::without_store();
    let ran = desk.run(&["mount", &desk.store(), "nowhere"]);
    assert!(ran.error(1).contains("mkdir -p nowhere"), "{}", ran.stderr);
}

#[test]
fn mount_over_its_own_store_or_state_is_refused() {
    let desk = Desk::without_store();
    let bucket = desk.bucket().display().to_string();
    let ran = desk.run(&["mount", &desk.store(), &bucket]);
    assert!(ran.stderr.contains("the store must not lie in the mount point"), "{}", ran.stderr);
    fs::create_dir(desk.path("m")).unwrap();
    let ran = desk.run(&["mount", &desk.store(), "m", "--state-dir", "m/state"]);
    assert!(ran.error(1).contains("the state directory must not lie in the mount point"), "{}", ran.stderr);
}

#[test]
fn mount_of_a_missing_bucket_fails_with_its_exit_code_in_the_foreground_and_behind() {
    let desk = Desk::without_store();
    fs::remove_dir(desk.bucket()).unwrap();
    fs::create_dir(desk.path("m")).unwrap();
    for arguments in [&["mount", &desk.store(), "m"] as &[&str], &["mount", &desk.store(), "m", "--daemon"]] {
        let ran = desk.run(arguments);
        assert!(ran.error(11).contains("does not exist"), "{arguments:?}: {}", ran.stderr);
    }
}

#[test]
fn log_of_the_background_process_is_for_its_owner_only() {
    let desk = Desk::without_store();
    fs::remove_dir(desk.bucket()).unwrap();
    fs::create_dir(desk.path("m")).unwrap();
    desk.run(&["mount", &desk.store(), "m", "--daemon", "--state-dir", "state"]).error(11);
    let mode = |name: &str| fs::metadata(desk.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("state"), mode("state/cairnfs.log")), (0o700, 0o600));
    let log = fs::read_to_string(desk.path("state/cairnfs.log")).unwrap();
    assert!(log.contains("does not exist") && !log.contains('\u{1b}'), "{log}");
}

#[test]
fn store_may_be_left_out_where_the_environment_names_a_bucket() {
    let mut desk = Desk::without_store();
    desk.set("S3_BUCKET_NAME", "b");
    desk.set("S3_ENDPOINT_URL", "http://127.0.0.1:1");
    desk.set("S3_ACCESS_KEY", "a");
    desk.set("S3_SECRET_KEY", "hunter2");
    // the one argument is the mount point
    let ran = desk.run(&["mount", "nowhere"]);
    assert!(ran.error(1).contains("mkdir -p nowhere"), "{}", ran.stderr);
}

#[test]
fn umount_and_status_of_what_is_not_mounted_say_so() {
    let desk = Desk::without_store();
    fs::create_dir(desk.path("m")).unwrap();
    for command in ["umount", "status"] {
        let ran = desk.run(&[command, "m"]);
        assert!(ran.error(1).contains("no cairnfs is mounted there"), "{}", ran.stderr);
    }
}
