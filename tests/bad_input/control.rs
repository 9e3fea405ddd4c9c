//! The control socket of a real mount, to which somebody sends what is no request.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use crate::support::mount::{Kind, Setup, TestMount};

#[test]
fn nonsense_on_the_control_socket_is_answered_with_a_failure_and_harms_nothing() {
    let mut mount = Setup::new(Kind::Dir).start();
    let deep = "[".repeat(60_000);
    let long = "x".repeat(1 << 20);
    let ids = format!("{{\"op\":\"retry_drafts\",\"ids\":[{}\"x\"]}}", "\"x\",".repeat(10_000));
    for line in [
        b"\n".as_slice(),
        b"{}\n",
        b"null\n",
        b"status\n",
        b"{\"op\":\"bogus\"}\n",
        b"{\"op\":7}\n",
        b"{\"op\":\"status\"\n",
        b"{\"op\":\"discard_drafts\"}\n",
        b"{\"op\":\"discard_drafts\",\"ids\":\"all\"}\n",
        b"{\"op\":\"discard_drafts\",\"ids\":[\"\"]}\n",
        b"{\"op\":\"discard_drafts\",\"ids\":[\"../../etc/passwd\"]}\n",
        b"{\"op\":\"draft_content\",\"id\":\"../catalog.sqlite\"}\n",
        b"{\"op\":\"draft_content\",\"id\":\"\\u0000\"}\n",
        b"\xff\xfe\x00\x01\n",
        b"GET / HTTP/1.1\r\n\r\n",
        deep.as_bytes(),
        long.as_bytes(),
        ids.as_bytes(),
    ] {
        let answer = ask(&mount, line);
        let shown = String::from_utf8_lossy(&line[..line.len().min(60)]);
        // one that refuses each id ends well; all others fail in one line, or are hung up on
        let is_refusal = |l: &str| {
            ["failed", "dealt", "end", "progress"].iter().any(|a| l.contains(&format!("\"answer\":\"{a}\"")))
        };
        assert!(answer.lines().all(is_refusal), "{shown:?}: {answer}");
        assert!(!answer.contains("\"content\""), "{shown:?}: {answer}");
        assert_eq!(mount.drafts("failed"), 0, "{shown:?}");
    }
    mount.stop();
}

/// Sends `line` and returns what comes back. What is not read to its end is no error of the sender.
fn ask(mount: &TestMount, line: &[u8]) -> String {
    let mut stream = UnixStream::connect(socket(mount)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let _ = stream.write_all(line);
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8(answer).unwrap()
}

fn socket(mount: &TestMount) -> PathBuf {
    let mut dirs = vec![mount.runtime().to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            match path.extension() {
                Some(e) if e == "sock" => return path,
                _ if path.is_dir() => dirs.push(path),
                _ => {}
            }
        }
    }
    panic!("no socket below {}", mount.runtime().display());
}
