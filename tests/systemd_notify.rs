//! The notify protocol against a socket of the test's own.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on should stop with what it saw"
)]

use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use cairnfs::systemd::Notifier;

fn received(socket: &UnixDatagram) -> Vec<String> {
    let mut buffer = [0; 4096];
    let length = socket.recv(&mut buffer).unwrap();
    String::from_utf8(buffer[..length].to_vec()).unwrap().lines().map(str::to_owned).collect()
}

fn listening() -> (tempfile::TempDir, UnixDatagram, Notifier) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    (dir, socket, Notifier::new(Some(path.into())))
}

#[test]
fn ready_is_one_message_with_its_status() {
    let (_dir, socket, notifier) = listening();
    notifier.ready("serving s3://b at /mnt/b");
    assert_eq!(received(&socket), ["READY=1", "STATUS=serving s3://b at /mnt/b"]);
}

#[test]
fn stop_asks_for_the_whole_drain_and_more_at_every_step() {
    let (_dir, socket, notifier) = listening();
    notifier.stopping(Duration::from_secs(60));
    assert_eq!(received(&socket), ["STOPPING=1", "EXTEND_TIMEOUT_USEC=90000000"]);
    notifier.draining(3);
    assert_eq!(received(&socket), ["STATUS=stopping: 3 left to publish", "EXTEND_TIMEOUT_USEC=30000000"]);
}

#[test]
fn status_with_a_line_break_stays_one_assignment() {
    let (_dir, socket, notifier) = listening();
    notifier.status("all well\nREADY=1");
    assert_eq!(received(&socket), ["STATUS=all well READY=1"]);
}

#[test]
fn abstract_socket_is_reached_by_its_at_name() {
    let name = format!("cairnfs-test-{}", std::process::id());
    let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    Notifier::new(Some(format!("@{name}").into())).status("here");
    assert_eq!(received(&socket), ["STATUS=here"]);
}

#[test]
fn manager_that_is_absent_or_does_not_read_never_blocks() {
    Notifier::new(None).ready("nobody listens");
    let (dir, socket, notifier) = listening();
    // far more than the receive queue of an unread datagram socket holds
    for _ in 0..2_000 {
        notifier.status("still here");
    }
    drop((dir, socket));
    notifier.status("nobody any more");
}
