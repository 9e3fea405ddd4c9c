//! Processes that make real system calls at the word of a test: who does what decides most rules of writing.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// The Python that actors run on. The system's own is preferred: wrappers of version managers take long to start.
pub fn python() -> &'static str {
    if Path::new("/usr/bin/python3").exists() { "/usr/bin/python3" } else { "python3" }
}

/// Returns `text` as a Python literal.
pub fn py(text: impl AsRef<OsStr>) -> String {
    serde_json::to_string(text.as_ref().to_str().expect("test paths are UTF-8")).unwrap()
}

/// A process of its own. See `actor.py` for what its code can use; it ends when this is dropped.
pub struct Actor {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

impl Actor {
    /// Starts one. `p("…")` is a path below `mount` for it, `h("…")` one below `host`.
    pub fn new(mount: &Path, host: &Path) -> Self {
        let mut child = Command::new(python())
            .args(["-S", "-u", "-c", include_str!("actor.py")])
            .args([mount, host])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 is needed: tests/setup/packages.sh installs it");
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Self { child, stdin, stdout }
    }

    /// Lets it begin with `code`; [`Actor::end`] takes the answer.
    pub fn begin(&mut self, code: &str) {
        let stdin = self.stdin.as_mut().unwrap();
        writeln!(stdin, "{}", serde_json::to_string(code).unwrap()).unwrap();
        stdin.flush().unwrap();
    }

    /// Waits for the answer: the value, or the name of the errno.
    ///
    /// # Panics
    /// Where the code failed otherwise.
    pub fn end(&mut self) -> Result<Value, String> {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        assert!(!line.is_empty(), "the actor is gone");
        let mut answer: Value = serde_json::from_str(&line).unwrap();
        if let Some(errno) = answer.get("errno") {
            return Err(errno.as_str().unwrap().to_owned());
        }
        assert!(answer.get("error").is_none(), "{}", answer["error"].as_str().unwrap_or_default());
        Ok(answer["ok"].take())
    }

    /// Does `code` and returns its value.
    ///
    /// # Panics
    /// Where it fails.
    #[track_caller]
    pub fn run(&mut self, code: &str) -> Value {
        self.begin(code);
        self.end().unwrap_or_else(|errno| panic!("{code}: {errno}"))
    }

    /// Evaluates `code`, which is a string.
    #[track_caller]
    pub fn text(&mut self, code: &str) -> String {
        self.run(code).as_str().unwrap().to_owned()
    }

    /// Does `code`, which must fail, and returns the name of the errno.
    #[track_caller]
    pub fn fails(&mut self, code: &str) -> String {
        self.begin(code);
        match self.end() {
            Ok(value) => panic!("{code}: succeeded with {value}"),
            Err(errno) => errno,
        }
    }

    /// Returns its process id.
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Returns whether it waits in a system call, other than for its next line.
    pub fn is_in_a_call(&self) -> bool {
        let call = std::fs::read_to_string(format!("/proc/{}/syscall", self.child.id())).unwrap();
        call.split(' ').next().unwrap().parse().is_ok_and(|number: libc::c_long| number != libc::SYS_read)
    }

    /// Sends a signal and waits until it has ended by it.
    #[track_caller]
    pub fn die_of(mut self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
        let status = self.child.wait().unwrap();
        assert_eq!(status.signal(), Some(signal.as_raw()), "it ended otherwise");
    }

    /// Lets it end by itself, as a program does at the end of main, and waits for that.
    pub fn leave(mut self) -> ExitStatus {
        drop(self.stdin.take());
        self.child.wait().unwrap()
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        drop(self.stdin.take());
        // One that hangs in a system call must not hang the test as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a shell script with `args` as `$1`, `$2`, …; returns what it printed on both streams.
///
/// # Panics
/// Where it fails.
#[track_caller]
pub fn sh(script: &str, args: &[&Path]) -> String {
    let out = Command::new("sh").args(["-ec", script, "sh"]).args(args).output().unwrap();
    let text = String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{script}: {}: {text}", out.status);
    text
}
