//! Sentence 9.1, the address by which a file can be given to somebody without credentials.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::support::mount::{Kind, Setup, content};

/// GETs `url` as any program does that knows nothing of S3: plain HTTP/1.1. Returns status and body.
fn get(url: &str) -> (u16, Vec<u8>) {
    let rest = url.strip_prefix("http://").unwrap();
    let (host, path) = rest.split_once('/').unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    write!(stream, "GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
    let (head, body) = answer.split_at(end + 4);
    let head = String::from_utf8_lossy(head);
    assert!(!head.to_lowercase().contains("transfer-encoding"), "{head}");
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_vec())
}

#[test]
fn s9_1_20_url_gives_the_bytes_to_whoever_has_it_for_an_hour() {
    let key = "documents/Größe & 100%_+.pdf";
    let mut mount = Setup::new(Kind::S3).object(key, content(1, 5000)).start();
    let mut user = mount.actor();
    let ask = format!("os.getxattr(p('{key}'), 'user.cairn.url').decode()");
    let url = user.run(&ask).as_str().unwrap().to_owned();
    assert!(get(&url) == (200, content(1, 5000)), "{url}");
    assert!(url.contains("X-Amz-Expires=3600&"), "{url}");
    // it is good for this file and for reading only
    assert_eq!(get(&url.replace("100%25", "200%25")).0, 403);
    assert_eq!(get(&url.replace("X-Amz-Expires=3600", "X-Amz-Expires=7200")).0, 403);
    // as all of ours: read by name, not listed
    assert_eq!(user.run(&format!("os.listxattr(p('{key}'))")), serde_json::json!([]));
    user.run(&format!("os.setxattr(p('{key}'), 'user.cairn.url', b'x')"));
    assert!(user.run(&ask).as_str().unwrap().starts_with("http://"));
    mount.stop();
    // also not with CAIRNFS_TEST_LOG=trace, which lets the SDK tell what it signs
    assert!(!mount.log().contains("X-Amz-Signature"), "the log has a signature");
}

#[test]
fn s9_1_21_only_objects_have_a_url_and_only_where_the_store_has_addresses() {
    for kind in [Kind::Dir, Kind::S3] {
        let mut mount = Setup::new(kind).object("documents/a.pdf", "x").start();
        let mut user = mount.actor();
        user.run("fd = os.open(p('documents/draft.pdf'), WRITE_NEW); write_all(fd, b'half')");
        user.run("write(p('documents/b.pdf.part'), b'x')");
        for path in ["documents/draft.pdf", "documents/b.pdf.part", "documents"] {
            assert_eq!(
                user.fails(&format!("os.getxattr(p('{path}'), 'user.cairn.url')")),
                "ENODATA",
                "{path}"
            );
        }
        user.run("os.close(fd)");
        for path in ["documents/a.pdf", "documents/draft.pdf"] {
            let ask = format!("os.getxattr(p('{path}'), 'user.cairn.url').decode()");
            match kind {
                Kind::S3 => assert_eq!(get(user.run(&ask).as_str().unwrap()).0, 200, "{path}"),
                _ => assert_eq!(user.fails(&ask), "ENODATA", "{path}"),
            }
        }
        mount.stop();
    }
}

/// The kernel lets everybody read attributes; this one is as good as the bytes.
#[test]
fn s9_1_22_who_may_not_read_a_file_gets_no_url() {
    if !rustix::process::geteuid().is_root() {
        return; // only root can be somebody else
    }
    let config = "[write]\nfree_floor = \"1MiB\"\n[mount]\nfile_mode = \"0600\"\nallow_other = true\n";
    let mut mount = Setup::new(Kind::S3).config(config).object("documents/a.pdf", "x").start();
    // the directory of the test is closed to others, a descriptor below it is not
    let mut user = mount.actor();
    user.run("d = os.open(p('documents'), os.O_RDONLY); os.fchdir(d); os.setgroups([]); os.setgid(1234); os.setuid(1234)");
    assert_eq!(user.fails("os.open('a.pdf', os.O_RDONLY)"), "EACCES");
    assert_eq!(user.run("os.getxattr('a.pdf', 'user.cairn.key').decode()"), "documents/a.pdf");
    assert_eq!(user.fails("os.getxattr('a.pdf', 'user.cairn.url')"), "EACCES");
    drop(user);
    mount.stop();
}
