//! The commands against an S3 server, with the environment of the storage pattern.

use std::sync::atomic::Ordering;

use crate::harness::Desk;
use crate::support::s3server::{Certificate, Fault, Options, S3Server, When};

#[test]
fn put_ls_and_cat_work_with_the_environment_of_the_storage_pattern() {
    let server = S3Server::start();
    let desk = Desk::on_server(&server);
    let local = desk.lay("a b.pdf", "content");
    assert_eq!(desk.run(&["put", &local, "rfp_exports/7/"]).ok(), "rfp_exports/7/a b.pdf\n");
    assert_eq!(desk.run(&["ls", "rfp_exports"]).ok(), "7/\n");
    assert_eq!(desk.run(&["ls", "rfp_exports/7"]).ok(), "a b.pdf\n");
    assert_eq!(desk.run(&["cat", "rfp_exports/7/a b.pdf"]).ok(), "content");
}

#[test]
fn bare_host_with_use_ssl_false_is_spoken_to_without_tls() {
    let server = S3Server::start();
    let mut desk = Desk::on_server(&server);
    desk.set("S3_ENDPOINT_URL", server.endpoint().strip_prefix("http://").unwrap());
    desk.set("S3_USE_SSL", "False");
    assert_eq!(desk.run(&["ls", "documents"]).ok(), "");
}

#[test]
fn answer_lost_after_the_create_is_recognised_as_our_own_success() {
    let server = S3Server::start();
    let desk = Desk::on_server(&server);
    let local = desk.lay("a.pdf", "mine");
    server.faults().inject(When::method("PUT", "documents/"), Fault::CutAfterDoing, 1);
    assert_eq!(desk.run(&["put", &local, "documents/"]).ok(), "documents/a.pdf\n");
    let stored: Vec<String> = server.objects("test").into_iter().map(|(key, _)| key).collect();
    assert_eq!(stored.iter().filter(|key| key.starts_with("documents/")).count(), 1, "{stored:?}");
}

#[test]
fn name_taken_by_another_client_in_the_same_moment_is_not_overwritten() {
    let server = std::sync::Arc::new(S3Server::start());
    let desk = Desk::on_server(&server);
    let local = desk.lay("a.pdf", "mine");
    let other = std::sync::Arc::downgrade(&server);
    server.faults().meanwhile(When::method("PUT", "documents/a.pdf"), move || {
        other.upgrade().unwrap().overwrite("test", "documents/a.pdf", "theirs");
    });
    let ran = desk.run(&["put", &local, "documents/"]);
    let key = ran.ok().trim_end().to_owned();
    assert_ne!(key, "documents/a.pdf");
    let stored = server.objects("test");
    for (name, content) in [("documents/a.pdf", "theirs"), (key.as_str(), "mine")] {
        assert!(stored.iter().any(|(k, data)| k == name && data == content), "{name}");
    }
}

#[test]
fn store_that_ignores_conditions_is_looked_at_first_and_warned_of() {
    let server = S3Server::start();
    server.faults().ignore_put_condition.store(true, Ordering::Relaxed);
    server.overwrite("test", "documents/a.pdf", "theirs");
    let desk = Desk::on_server(&server);
    let local = desk.lay("a.pdf", "mine");
    let ran = desk.run(&["put", &local, "documents/"]);
    assert!(ran.code == 0 && ran.stderr.contains("weak_store"), "{ran:?}");
    assert_ne!(ran.text(), "documents/a.pdf\n");
    let stored = server.objects("test");
    assert!(stored.iter().any(|(key, data)| key == "documents/a.pdf" && data == "theirs"));

    let suffix = desk.lay("suffix.toml", "[write]\nweak_store = \"suffix\"\n");
    let fresh = desk.lay("fresh.pdf", "fresh");
    let ran = desk.run(&["put", &fresh, "documents/", "--config", &suffix]);
    assert!(ran.text().starts_with("documents/fresh_"), "{ran:?}");

    let refuse = desk.lay("refuse.toml", "[write]\nweak_store = \"refuse\"\n");
    let ran = desk.run(&["put", &fresh, "documents/", "--config", &refuse]);
    assert!(ran.error(3).contains("nothing may be written"), "{}", ran.stderr);
}

#[test]
fn transfer_that_breaks_is_taken_up_where_it_broke() {
    let server = S3Server::start();
    let desk = Desk::on_server(&server);
    let content: Vec<u8> = (0..300_000_u32).map(|i| u8::try_from(i % 251).unwrap()).collect();
    server.overwrite("test", "documents/a.pdf", content.clone());
    server.faults().inject(When::method("GET", "documents/a.pdf"), Fault::TruncateBody(100_000), 2);
    let ran = desk.run(&["cat", "documents/a.pdf"]);
    assert!(ran.code == 0 && ran.stdout == content, "{}", ran.stderr);
}

#[test]
fn check_of_a_good_store_says_what_is_in_it() {
    let server = S3Server::start();
    let desk = Desk::on_server(&server);
    for key in
        ["documents/a.pdf", "documents/b.exe", "documents//c.pdf", "documents/d", "documents/d/e.pdf", "x/y"]
    {
        server.overwrite("test", key, "x");
    }
    let ran = desk.run(&["check"]);
    let text = ran.ok();
    assert!(text.starts_with("s3://test: can be used\n"), "{text}");
    for line in [
        "documents: 5 objects, 3 not by the domain's rules (shown, read-only), 1 hidden by a directory of the same name ('cairnfs cat' reads it), \
         1 that no path can carry (not shown)",
        "chunks: 0 objects",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} in\n{text}");
    }
    // the probe leaves nothing behind, and nothing outside the domains and the service prefix was looked at
    assert!(!server.objects("test").iter().any(|(key, _)| key.starts_with(".cairnfs/")));
    assert_eq!(server.faults().count("", "x/"), 0);
}

#[test]
fn every_way_to_be_unusable_has_its_message_and_exit_code() {
    let server = S3Server::start();
    let with = |name: &str, value: &str| {
        let mut desk = Desk::on_server(&server);
        desk.set(name, value);
        desk
    };
    let refused = with("S3_SECRET_KEY", "wrong");
    let missing = with("S3_BUCKET_NAME", "nonesuch");
    let down = with("S3_ENDPOINT_URL", "http://127.0.0.1:9");
    let plain = server.endpoint().replace("http://", "https://");
    let no_tls = with("S3_ENDPOINT_URL", &plain);
    let mut nobody = with("S3_ACCESS_KEY", "");
    nobody.set("S3_SECRET_KEY", "");
    for (desk, code, message) in [
        (&refused, 10, "S3/MinIO credentials are invalid or permissions are insufficient."),
        (&missing, 11, "Bucket 'nonesuch' does not exist."),
        (&nobody, 13, "S3/MinIO credentials are not configured."),
        (&down, 14, "S3/MinIO error (Unreachable)"),
        (&no_tls, 15, "S3/MinIO error (TLS)"),
    ] {
        let ran = desk.run(&["check"]);
        let line = ran.error(code);
        assert!(line.contains(message), "{line}");
        assert!(!line.contains("cairnfs-test-secret") && !line.contains("wrong"), "{line}");
    }
    server.faults().inject(When::method("HEAD", ""), Fault::Status(400, "InvalidRequest"), 1);
    let ran = Desk::on_server(&server).run(&["check"]);
    assert!(ran.error(12).contains("S3/MinIO error ("), "{}", ran.stderr);
}

#[test]
fn credentials_limited_to_domain_prefixes_pass_the_check() {
    let server = S3Server::start();
    server.faults().deny_head_bucket.store(true, Ordering::Relaxed);
    let desk = Desk::on_server(&server);
    assert!(desk.run(&["check"]).ok().starts_with("s3://test: can be used\n"));
    assert!(desk.run(&["ls"]).ok().contains("documents/\n"));
    server.faults().deny("");
    desk.run(&["check"]).error(10);
}

#[test]
fn self_signed_certificate_is_refused_unless_verification_is_off_which_is_warned_of_each_time() {
    let server =
        S3Server::start_with(Options { certificate: Some(Certificate::self_signed()), ..Options::default() });
    let mut desk = Desk::on_server(&server);
    desk.run(&["check"]).error(15);
    desk.set("S3_VERIFY_SSL", "False");
    for _ in 0..2 {
        let ran = desk.run(&["ls", "documents"]);
        assert_eq!((ran.code, ran.text()), (0, ""));
        assert!(ran.stderr.contains("certificates are not verified"), "{}", ran.stderr);
    }
}

#[test]
fn verbose_log_shows_no_secret() {
    let server = S3Server::start();
    let desk = Desk::on_server(&server);
    let local = desk.lay("a.pdf", "x");
    let ran = desk.run(&["-vv", "put", &local, "documents/"]);
    assert_eq!(ran.code, 0);
    assert!(!ran.stderr.contains("cairnfs-test-secret"), "{}", ran.stderr);
    let mut loud = Desk::on_server(&server);
    loud.set("RUST_LOG", "trace");
    let ran = loud.run(&["ls", "documents"]);
    assert!(ran.code == 0 && ran.stderr.len() > 1_000, "{ran:?}");
    assert!(!ran.stderr.contains("cairnfs-test-secret"));
}

#[test]
fn sound_store_is_probed_once_and_not_for_every_put() {
    let server = S3Server::start();
    let desk = Desk::on_server(&server);
    for name in ["a.pdf", "b.pdf"] {
        let local = desk.lay(name, name);
        desk.run(&["put", &local, "documents/"]).ok();
    }
    let probed = server.faults().count("PUT", ".cairnfs/probe/");
    server.faults().forget();
    let local = desk.lay("c.pdf", "c");
    desk.run(&["put", &local, "documents/"]).ok();
    assert!(probed > 0);
    assert_eq!(server.faults().requests().len(), 1, "one PutObject and nothing else");
}
