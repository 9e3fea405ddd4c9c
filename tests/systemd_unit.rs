//! The unit file: systemd accepts it, and it does what mounts need.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop with what it saw")]

use std::fs;
use std::path::Path;
use std::process::Command;

use cairnfs::config::{WriteSettings, quantity};

const UNIT: &str = "systemd/cairnfs@.service";

fn unit() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(UNIT)).unwrap()
}

/// Returns the values of a directive, in order.
fn values<'u>(unit: &'u str, directive: &str) -> Vec<&'u str> {
    unit.lines().filter_map(|line| line.strip_prefix(directive)?.strip_prefix('=')).collect()
}

#[test]
fn unit_verified_by_systemd_raises_no_complaint() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("cairnfs@.service");
    // programs must exist where a unit names them
    let program = env!("CARGO_BIN_EXE_cairnfs");
    let text = unit().replace("/usr/bin/cairnfs", program).replace("/usr/bin/fusermount3", program);
    fs::write(&file, text).unwrap();
    let run = Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&file).output();
    let run = run.unwrap_or_else(|e| panic!("systemd-analyze: {e}; install the package 'systemd'"));
    let words = String::from_utf8_lossy(&run.stderr);
    // other units of this host may have troubles of their own
    let ours: Vec<&str> = words.lines().filter(|line| line.contains("cairnfs")).collect();
    assert!(run.status.success() && ours.is_empty(), "{words}");
}

#[test]
fn unit_keeps_out_of_directives_that_hide_the_mount() {
    let unit = unit();
    for directive in [
        "PrivateTmp",
        "PrivateDevices",
        "PrivateMounts",
        "PrivateUsers",
        "ProtectSystem",
        "ProtectHome",
        "ProtectKernelTunables",
        "ProtectKernelModules",
        "ProtectKernelLogs",
        "ProtectControlGroups",
        "ProtectProc",
        "DynamicUser",
        "MountFlags",
        "ReadOnlyPaths",
        "ReadWritePaths",
        "InaccessiblePaths",
        "TemporaryFileSystem",
        "BindPaths",
        "RootDirectory",
    ] {
        assert_eq!(values(&unit, directive), [] as [&str; 0], "{directive}");
    }
}

#[test]
fn s10_3_unit_waits_for_readiness_and_stops_by_draining() {
    let unit = unit();
    assert_eq!(values(&unit, "Type"), ["notify"]);
    assert_eq!(values(&unit, "ExecStop"), ["/usr/bin/cairnfs umount ${MOUNTPOINT}"]);
    // the child that aborts the connection of a killed daemon must outlive it
    assert_eq!(values(&unit, "KillMode"), ["process"]);
    let stop = values(&unit, "TimeoutStopSec");
    let stop = quantity::parse_duration(&format!("{}s", stop.first().unwrap())).unwrap();
    assert!(stop > WriteSettings::default().drain, "{stop:?}");
    assert_eq!(values(&unit, "EnvironmentFile"), ["/etc/cairnfs/%i.env"]);
    assert_eq!(values(&unit, "StateDirectory"), ["cairnfs/%i"]);
    assert_eq!(values(&unit, "CacheDirectory"), ["cairnfs/%i"]);
}
