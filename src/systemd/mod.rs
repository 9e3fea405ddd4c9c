//! What systemd wants to hear from a service of `Type=notify`.
//!
//! The path of the socket is handed in (`config::env` reads `$NOTIFY_SOCKET`); without one every call does nothing.
//!
//! # Limits
//! A manager that does not read its socket never blocks us: messages are sent without waiting, and one that cannot
//! be sent is logged and dropped.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use sd_notify::NotifyState;

/// How far ahead of the present a drain asks systemd to push its stop time-out, at each step of progress.
///
/// Longer than the pause between two steps (a slow part of an upload), shorter than a person waits for a reboot.
pub const DRAIN_EXTENSION: Duration = Duration::from_secs(30);

/// The line to the service manager (sd_notify(3)).
#[derive(Debug, Clone, Default)]
pub struct Notifier {
    socket: Option<OsString>,
}

impl Notifier {
    /// Takes the value of `$NOTIFY_SOCKET`: an absolute path, or a name in the abstract namespace that begins with `@`.
    pub const fn new(socket: Option<OsString>) -> Self {
        Self { socket }
    }

    /// Returns whether anybody listens.
    pub const fn is_active(&self) -> bool {
        self.socket.is_some()
    }

    /// The mount serves: units that come after this one may start. `status` is one line for `systemctl status`.
    pub fn ready(&self, status: &str) {
        self.tell(&[NotifyState::Ready, NotifyState::Status(&one_line(status))]);
    }

    /// Replaces the line in `systemctl status`.
    pub fn status(&self, status: &str) {
        self.tell(&[NotifyState::Status(&one_line(status))]);
    }

    /// The stop has begun. The manager may wait `drain` longer than its own time-out says, plus a margin.
    pub fn stopping(&self, drain: Duration) {
        self.tell(&[NotifyState::Stopping, extension(drain.saturating_add(DRAIN_EXTENSION))]);
    }

    /// The stop goes on: `left` drafts and deletes are still to be carried out.
    pub fn draining(&self, left: usize) {
        let status = format!("stopping: {left} left to publish");
        self.tell(&[NotifyState::Status(&status), extension(DRAIN_EXTENSION)]);
    }

    fn tell(&self, states: &[NotifyState<'_>]) {
        let Some(socket) = &self.socket else { return };
        let message: String = states.iter().map(|s| format!("{s}\n")).collect();
        if let Err(error) = send(socket, &message) {
            tracing::warn!(%error, "the service manager could not be told of the state of this mount");
        }
    }
}

fn extension(by: Duration) -> NotifyState<'static> {
    NotifyState::ExtendTimeoutUsec(u32::try_from(by.as_micros()).unwrap_or(u32::MAX))
}

/// A line break would end the value and begin another assignment.
fn one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}

fn send(socket: &OsStr, message: &str) -> io::Result<()> {
    let address = match socket.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(socket)?,
    };
    let datagram = UnixDatagram::unbound()?;
    datagram.set_nonblocking(true)?;
    datagram.send_to_addr(message.as_bytes(), &address).map(|_| ())
}
