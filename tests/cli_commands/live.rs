//! The commands beside a mount that is really up.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use cairnfs::control::place;
use rustix::process::{Pid, Signal, kill_process};

use crate::harness::{Desk, Ran, files_below};
use crate::support::mount::eventually;
use crate::support::s3server::{Fault, S3Server, When};

/// A mount in the foreground, and the service manager that it talks to: the test.
struct Live {
    desk: Desk,
    child: Child,
    manager: UnixDatagram,
    mountpoint: PathBuf,
}

impl Live {
    /// Mounts the store of a new desk at `m` and waits until it says that it serves.
    fn start() -> Self {
        let desk = Desk::without_store();
        let store = desk.store();
        Self::mount(desk, &[&store, "m"])
    }

    /// Mounts with these arguments, the last of the positional ones `m`.
    fn mount(desk: Desk, arguments: &[&str]) -> Self {
        let mountpoint = desk.path("m");
        fs::create_dir_all(&mountpoint).unwrap();
        let socket = desk.path("notify");
        drop(fs::remove_file(&socket));
        let manager = UnixDatagram::bind(&socket).unwrap();
        manager.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let child = desk
            .command(&[&["mount"], arguments].concat())
            .env("NOTIFY_SOCKET", &socket)
            .stdout(Stdio::null())
            .stderr(fs::File::create(desk.path("log")).unwrap())
            .spawn()
            .unwrap();
        let live = Self { desk, child, manager, mountpoint };
        let said = live.said();
        assert!(said.starts_with("READY=1\n"), "{said}\n{}", live.log());
        live
    }

    /// Returns the next message to the service manager.
    fn said(&self) -> String {
        let mut buffer = [0; 4096];
        let length = self.manager.recv(&mut buffer).unwrap_or_else(|e| panic!("{e}\n{}", self.log()));
        String::from_utf8_lossy(buffer.get(..length).unwrap()).into_owned()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.desk.path("log")).unwrap_or_default()
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for the end of the process and returns its exit code, -1 where a signal ended it.
    fn ended(&mut self) -> i32 {
        self.child.wait().unwrap().code().unwrap_or(-1)
    }

    fn is_mounted(&self) -> bool {
        place::is_mounted(&self.mountpoint.canonicalize().unwrap_or_else(|_| self.mountpoint.clone()))
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        clear(&self.mountpoint);
    }
}

/// Takes away whatever a failed test left mounted.
fn clear(mountpoint: &std::path::Path) {
    rustix::mount::unmount(mountpoint, rustix::mount::UnmountFlags::DETACH).unwrap_or(());
}

#[test]
fn mount_is_ready_when_it_serves_and_umount_ends_it() {
    let mut live = Live::start();
    fs::write(live.mountpoint.join("documents/a.pdf"), "through the mount").unwrap();
    assert_eq!(fs::read(live.desk.bucket().join("documents/a.pdf")).unwrap(), b"through the mount");

    let ran = live.desk.run(&["umount", "m"]);
    assert!(ran.code == 0 && ran.stdout.is_empty(), "{ran:?}\n{}", live.log());
    assert!(!live.is_mounted());
    assert_eq!(live.ended(), 0, "{}", live.log());
}

#[test]
fn s10_3_sigterm_and_sigint_drain_unmount_and_exit_with_0() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut live = Live::start();
        fs::write(live.mountpoint.join("documents/a.pdf"), "x").unwrap();
        live.signal(signal);
        let said = live.said();
        assert!(said.starts_with("STOPPING=1\nEXTEND_TIMEOUT_USEC="), "{said}");
        assert_eq!(live.ended(), 0, "{}", live.log());
        assert!(!live.is_mounted());
        assert_eq!(files_below(&live.desk.bucket()), ["documents/a.pdf"]);
    }
}

#[test]
fn status_tells_of_the_mount_for_people_and_for_programs() {
    let live = Live::start();
    let ran = live.desk.run(&["status", "m"]);
    let text = ran.ok();
    assert!(text.starts_with(&format!("mount: {}", live.mountpoint.display())), "{text}");
    assert!(text.contains("store: reachable since "), "{text}");
    let ran = live.desk.run(&["status", "m", "--json"]);
    let report: serde_json::Value = serde_json::from_str(ran.ok()).unwrap();
    assert_eq!(report["store"], live.desk.store());
    assert_eq!(report["pid"], live.child.id());
    assert_eq!(report["drafts"]["failed"], 0);
    assert_eq!(report["store_state"]["reachable"], true);
}

#[test]
fn background_mount_is_up_when_the_command_returns_and_its_directory_is_free_after_umount() {
    let desk = Desk::without_store();
    fs::create_dir(desk.path("m")).unwrap();
    for round in 0..2 {
        let ran = desk.run(&["mount", &desk.store(), "m", "--daemon", "--state-dir", "state"]);
        assert!(ran.code == 0 && ran.stdout.is_empty(), "{ran:?}");
        fs::write(desk.path(&format!("m/documents/{round}.txt")), "x").unwrap();
        let ran = desk.run(&["umount", "m"]);
        assert_eq!(ran.code, 0, "{ran:?}");
    }
    clear(&desk.path("m"));
    assert_eq!(files_below(&desk.bucket()), ["documents/0.txt", "documents/1.txt"]);
}

#[test]
fn second_mount_of_the_same_place_or_state_is_refused() {
    let live = Live::start();
    let ran = live.desk.run(&["mount", &live.desk.store(), "m"]);
    assert!(ran.error(1).contains("is mounted there already"), "{}", ran.stderr);
    fs::create_dir(live.desk.path("m2")).unwrap();
    let ran = live.desk.run(&["mount", &live.desk.store(), "m2"]);
    assert!(ran.stderr.contains("in use"), "{}", ran.stderr);
    assert_eq!(ran.code, 1);
}

#[test]
fn mount_of_a_killed_daemon_is_named_and_cleared_away() {
    let mut live = Live::start();
    fs::write(live.mountpoint.join("documents/a.pdf"), "x").unwrap();
    live.signal(Signal::KILL);
    assert_eq!(live.ended(), -1);
    assert!(live.is_mounted());
    let ran = live.desk.run(&["status", "m"]);
    assert!(ran.error(1).contains("is gone; 'cairnfs umount "), "{}", ran.stderr);
    let ran = live.desk.run(&["umount", "m"]);
    assert!(ran.code == 0 && ran.stderr.contains("its cairnfs was gone"), "{ran:?}");
    assert!(!live.is_mounted());
}

#[test]
fn commands_work_beside_a_mount_and_leave_its_state_alone() {
    let live = Live::start();
    let desk = &live.desk;
    fs::write(live.mountpoint.join("documents/mounted.txt"), "from the mount").unwrap();
    assert_eq!(desk.run_here(&["cat", "documents/mounted.txt"]).ok(), "from the mount");
    let local = desk.lay("put.txt", "from put");
    assert_eq!(desk.run_here(&["put", &local, "documents/"]).ok(), "documents/put.txt\n");
    // another client's: the mount may have listed the directory a moment before (8.2)
    let put = live.mountpoint.join("documents/put.txt");
    eventually("what put has put", || fs::read(&put).is_ok_and(|data| data == b"from put"));
    assert_eq!(desk.run_here(&["ls", "documents"]).ok(), "mounted.txt\nput.txt\n");
    let ran = desk.run_here(&["catalog", "rebuild"]);
    assert!(ran.error(1).contains("in use"), "{}", ran.stderr);
}

#[test]
fn s9_3_catalog_is_rebuilt_from_the_bucket_while_nothing_is_mounted() {
    let desk = Desk::without_store();
    let local = desk.lay("a.txt", "x");
    desk.run_here(&["put", &local, "documents/"]).ok();
    desk.run_here(&["put", &local, "rfp_exports/1/x.csv"]).ok();
    let ran = desk.run_here(&["catalog", "rebuild", "--state-dir", "state"]);
    assert!(ran.ok().ends_with("/state: 2 objects, 0 drafts kept\n"), "{ran:?}");
}

#[test]
fn demo_shows_everything_stays_up_until_interrupted_and_cleans_up() {
    use std::io::BufRead as _;
    let desk = Desk::without_store();
    let mut child: Child =
        desk.command(&["demo"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = std::io::BufReader::new(child.stdout.take().unwrap()).lines();
    let mut shown = Vec::new();
    let home = loop {
        let line = lines.next().expect("the demo ended early").unwrap();
        shown.push(line.clone());
        if let Some(rest) = line.strip_prefix("# mounted at ") {
            break PathBuf::from(rest.split_once("/mount;").unwrap().0);
        }
    };
    let all = shown.join("\n");
    for part in [
        "setup.exe': Permission denied",
        "  documents/overview.pdf  1017 bytes",
        "  rfp_info_documents/2026-014/statement.docx  999 bytes",
        "  rfp_question_documents/2026-014/questions.xlsx  1702 bytes",
        "  orgs/logos/logo.png  340 bytes",
        "sha256 74116af89749",
        "image/png",
    ] {
        assert!(all.contains(part), "{part} in\n{all}");
    }
    let suffixed = shown.iter().filter(|l| l.starts_with("  documents/overview_")).count();
    assert_eq!(suffixed, 2, "once in the tree and once in the catalog:\n{all}");
    // it is really there, for any program
    let ran = Command::new("sha256sum").arg(home.join("mount/documents/overview.pdf")).output().unwrap();
    assert!(Ran::of(ran).text().starts_with("74116af89749"));

    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let last: Vec<String> = lines.map(|line| line.unwrap()).collect();
    assert_eq!(last, [format!("# unmounted; {} is removed", home.display())]);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(!home.exists());
}

#[test]
fn s10_3_what_a_drain_leaves_is_counted_by_message_and_exit_code_and_done_at_the_next_mount() {
    let server = S3Server::start();
    server.overwrite("test", "docs/a.pdf", "old");
    let desk = Desk::on_server(&server);
    let config = desk.lay(
        "short.toml",
        "[write]\ndrain = \"1s\"\n[[domain]]\nname = \"docs\"\ntemplate = \"docs/{filename}\"\ndelete = \"allow\"\n",
    );
    let mut live = Live::mount(desk, &["m", "--config", &config]);
    server.faults().inject(When::method("DELETE", "docs/"), Fault::Hang, usize::MAX);
    fs::remove_file(live.mountpoint.join("docs/a.pdf")).unwrap();
    let ran = live.desk.run(&["umount", "m"]);
    let line = ran.error(21);
    assert!(line.starts_with("s3://test: unmounted, but 0 files are not published and 1 deletes"), "{line}");
    assert_eq!(live.ended(), 21, "{}", live.log());
    assert_eq!(server.objects("test").len(), 1);

    server.faults().clear();
    let desk = std::mem::replace(&mut live.desk, Desk::without_store());
    let mut again = Live::mount(desk, &["m", "--config", &config]);
    let ran = again.desk.run(&["umount", "m"]);
    assert_eq!((ran.code, again.ended()), (0, 0), "{ran:?}\n{}", again.log());
    assert_eq!(server.objects("test"), []);
}
