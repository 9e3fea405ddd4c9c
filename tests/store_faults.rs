//! What the S3 store makes of servers and networks that misbehave: an error of the right kind, in bounded time, and
//! never wrong bytes or a lost object.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that panics fails, which is what it is for")]

mod support;

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use cairnfs::store::{
    Multipart, ObjectMeta, ObjectStore, S3Settings, S3Store, S3Timeouts, StoreError, UploadBody, Watched,
    retry,
};
use cairnfs::types::{ByteRange, ETag};
use support::data::{body, collect, full_meta, key, list_all, noise, read, sha256};
use support::s3server::{Fault, S3Server, When};
use support::stores::{own_settings, own_store};

/// Time-outs short enough for tests and long enough for a busy machine.
fn hasty(server: &S3Server) -> S3Settings {
    S3Settings {
        timeouts: S3Timeouts {
            connect: Duration::from_millis(500),
            answer: Duration::from_millis(1500),
            stall: Duration::from_millis(1000),
            slowest_upload: 1 << 20,
        },
        ..own_settings(server)
    }
}

fn is_unavailable<T: std::fmt::Debug>(result: &Result<T, StoreError>) -> bool {
    matches!(result, Err(StoreError::Unavailable(_)))
}

/// A file of more than one part, with its body and metadata for `k`.
fn large(k: &str) -> (Vec<u8>, UploadBody, ObjectMeta, tempfile::NamedTempFile) {
    let data = noise(11, 11 << 20);
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&data).unwrap();
    let body = UploadBody::File { path: file.path().to_owned(), size: data.len() as u64 };
    let meta = full_meta(&key(k), &data);
    (data, body, meta, file)
}

#[tokio::test]
async fn lost_answer_to_a_create_is_unavailable_and_then_our_own_object() {
    let server = S3Server::start();
    let store = S3Store::connect(hasty(&server)).await.unwrap();
    let faults = [Fault::CutAfterDoing, Fault::StatusAfterDoing(503, "SlowDown"), Fault::HangAfterDoing];
    for (i, fault) in faults.into_iter().enumerate() {
        let key = key(&format!("documents/{i}.txt"));
        let meta = full_meta(&key, b"x");
        server.faults().inject(When::method("PUT", key.as_str()), fault.clone(), 1);
        let first = store.create(&key, &body("x"), &meta).await;
        assert!(is_unavailable(&first), "{fault:?}: {first:?}");
        assert_eq!(
            server.faults().count("PUT", key.as_str()),
            usize::from(i < 2),
            "asked once and not again by itself"
        );
        let again = store.create(&key, &body("x"), &meta).await;
        assert!(matches!(again, Err(StoreError::AlreadyExists(_))), "{fault:?}: {again:?}");
        let found = store.head(&key).await.unwrap().meta.unwrap();
        assert_eq!(
            (found.draft_id, found.written_for, found.attempt),
            (meta.draft_id, Some(key), meta.attempt)
        );
    }
}

#[tokio::test]
async fn failure_before_doing_leaves_the_key_free() {
    let server = S3Server::start();
    let store = own_store(&server).await;
    for (status, code) in
        [(503, "SlowDown"), (500, "InternalError"), (400, "RequestTimeout"), (403, "RequestTimeTooSkewed")]
    {
        server.faults().inject(When::method("PUT", "a"), Fault::Status(status, code), 1);
        let failed = store.create(&key("a"), &body("x"), &ObjectMeta::default()).await;
        assert!(is_unavailable(&failed), "{code}: {failed:?}");
    }
    server.faults().inject(When::method("PUT", "a"), Fault::Cut, 1);
    assert!(is_unavailable(&store.create(&key("a"), &body("x"), &ObjectMeta::default()).await));
    server.faults().inject(When::method("PUT", "a"), Fault::Status(409, "ConditionalRequestConflict"), 1);
    let conflict = store.create(&key("a"), &body("x"), &ObjectMeta::default()).await;
    assert!(matches!(&conflict, Err(e @ StoreError::Conflict(_)) if e.is_transient()), "{conflict:?}");
    store.create(&key("a"), &body("x"), &ObjectMeta::default()).await.unwrap();
}

#[tokio::test]
async fn final_refusals_keep_their_kind_and_the_servers_code() {
    let server = S3Server::start();
    let store = own_store(&server).await;
    let fail = async |status, code| {
        server.faults().inject(When::method("PUT", "a"), Fault::Status(status, code), 1);
        store.create(&key("a"), &body("x"), &ObjectMeta::default()).await.unwrap_err()
    };
    assert!(
        matches!(fail(403, "AccessDenied").await, StoreError::AccessDenied(m) if m.contains("AccessDenied"))
    );
    assert!(matches!(fail(403, "QuotaExceeded").await, StoreError::QuotaExceeded(_)));
    assert!(matches!(fail(400, "XMinioAdminBucketQuotaExceeded").await, StoreError::QuotaExceeded(_)));
    assert!(matches!(fail(507, "XMinioStorageFull").await, StoreError::QuotaExceeded(_)));
    assert!(matches!(fail(404, "NoSuchBucket").await, StoreError::NoSuchBucket(b) if b == "test"));
    assert!(
        matches!(fail(501, "NotImplemented").await, StoreError::Refused { code, .. } if code == "NotImplemented")
    );
    assert!(
        matches!(fail(400, "EntityTooLarge").await, StoreError::Refused { code, .. } if code == "EntityTooLarge")
    );
    let text = fail(400, "InvalidArgument").await.to_string();
    assert!(
        text.contains("InvalidArgument") && text.contains("as the test wants it") && !text.contains('\n'),
        "{text}"
    );
}

#[tokio::test]
async fn broken_bodies_are_errors_and_never_short_or_wrong() {
    let server = S3Server::start();
    let store = S3Store::connect(hasty(&server)).await.unwrap();
    let data = noise(12, 400_000);
    let key = key("a.bin");
    // with a checksum, as AWS keeps one of every object
    let meta = full_meta(&key, &data);
    let aws = S3Store::connect(own_settings(&server)).await.unwrap();
    aws.create(&key, &UploadBody::Bytes(data.clone().into()), &meta).await.unwrap();
    let range = Some(ByteRange::at(100_000, 200_000));
    for range in [None, range] {
        for fault in [Fault::TruncateBody(50_000), Fault::TruncateBody(0), Fault::StallBody(50_000)] {
            server.faults().inject(When::method("GET", "a.bin"), fault.clone(), 1);
            let began = Instant::now();
            let result = match store.get(&key, range, None).await {
                Ok(body) => collect(body).await.map(|b| b.len()),
                Err(e) => Err(e),
            };
            assert!(result.as_ref().is_err_and(StoreError::is_transient), "{fault:?}: {result:?}");
            assert!(began.elapsed() < Duration::from_secs(10));
        }
    }
    // less than there is, said with confidence
    server.faults().inject(When::method("GET", "a.bin"), Fault::ShortenBody(1000), 1);
    let result = match store.get(&key, range, None).await {
        Ok(body) => collect(body).await.map(|b| b.len()),
        Err(e) => Err(e),
    };
    assert!(matches!(result, Err(StoreError::Damaged { .. })), "{result:?}");
    assert!(read(&store, &key).await.unwrap() == data);
}

#[tokio::test]
async fn corrupt_body_is_damage_where_the_store_gives_a_checksum() {
    let server = S3Server::start();
    let store = own_store(&server).await;
    let (data, body, meta, _file) = large("large.bin");
    // streamed with its SHA-256, which the server keeps and gives back
    store.create(&key("large.bin"), &body, &meta).await.unwrap();
    // the first goes through the SDK, the next one past it
    for _ in 0..2 {
        server.faults().inject(When::method("GET", "large.bin"), Fault::CorruptBody, 1);
        let result = read(&store, &key("large.bin")).await.map(|b| b.len());
        assert!(matches!(result, Err(StoreError::Damaged { .. })), "{result:?}");
    }
    assert!(read(&store, &key("large.bin")).await.unwrap() == data);
}

#[tokio::test]
async fn object_overwritten_between_two_reads_is_another_version() {
    let server = S3Server::start();
    let store = own_store(&server).await;
    let made = store.create(&key("a"), &body("ours"), &ObjectMeta::default()).await.unwrap();
    server.overwrite("test", "a", "theirs");
    let pinned = store.get(&key("a"), None, Some(&made.etag)).await.map(|b| b.info);
    assert!(matches!(pinned, Err(StoreError::VersionChanged(_))), "{pinned:?}");
    server.remove("test", "a");
    let gone = store.get(&key("a"), None, Some(&made.etag)).await.map(|b| b.info);
    assert!(matches!(gone, Err(StoreError::NotFound(_))), "{gone:?}");
}

#[tokio::test]
async fn server_that_never_answers_is_given_up_in_time() {
    let server = S3Server::start();
    let store = S3Store::connect(hasty(&server)).await.unwrap();
    server.faults().inject(When::key(""), Fault::Hang, usize::MAX);
    let began = Instant::now();
    let (k, etag, meta) = (key("a"), ETag::new("x"), ObjectMeta::default());
    let x = body("x");
    let results = tokio::join!(
        store.check_bucket(),
        async { store.head(&k).await.map(drop) },
        async { store.get(&k, None, None).await.map(drop) },
        async { store.create(&k, &x, &meta).await.map(drop) },
        async { store.copy(&k, &etag, &k, &meta).await.map(drop) },
        store.delete(&k, &etag),
        async { store.list("", true, None, None).await.map(drop) },
    );
    let results = [results.0, results.1, results.2, results.3, results.4, results.5, results.6];
    assert!(results.iter().all(is_unavailable), "{results:?}");
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

#[tokio::test]
async fn large_upload_to_a_server_that_never_answers_is_given_up_in_time() {
    let server = S3Server::start();
    let (_data, body, meta, _file) = large("large.bin");
    for multipart in [Multipart::Never, Multipart::Always] {
        let store = S3Store::connect(S3Settings { multipart, ..hasty(&server) }).await.unwrap();
        server.faults().clear();
        // the abort that follows is let through
        server.faults().inject(When::method("PUT", "large.bin"), Fault::Hang, 10);
        let began = Instant::now();
        let result = store.create(&key("large.bin"), &body, &meta).await;
        assert!(is_unavailable(&result), "{multipart:?}: {result:?}");
        // 11 MiB at 1 MiB/s, four of them at once where it goes in parts
        assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
        assert_eq!(server.unfinished_uploads(), 0);
    }
}

#[tokio::test]
async fn nobody_listening_is_unavailable_at_once() {
    let server = S3Server::start();
    let settings = hasty(&server);
    drop(server);
    let store = S3Store::connect(settings).await.unwrap();
    let began = Instant::now();
    assert!(is_unavailable(&store.head(&key("a")).await));
    assert!(is_unavailable(&store.create(&key("a"), &body("x"), &ObjectMeta::default()).await));
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn large_file_goes_up_in_one_plain_request_with_its_digest() {
    let server = S3Server::start();
    let store = own_store(&server).await;
    let (data, body, meta, _file) = large("large.bin");
    store.create(&key("large.bin"), &body, &meta).await.unwrap();
    let puts: Vec<_> = server.faults().requests().into_iter().filter(|r| r.method == "PUT").collect();
    assert_eq!(puts.len(), 1);
    let header = |name: &str| puts[0].headers.get(name).map(|v| v.to_str().unwrap().to_owned());
    assert_eq!(header("x-amz-content-sha256"), Some(sha256(&data).to_string()));
    assert_eq!(header("content-length"), Some(data.len().to_string()));
    assert_eq!(header("if-none-match").as_deref(), Some("*"));
    for absent in ["content-encoding", "transfer-encoding", "x-amz-trailer", "x-amz-decoded-content-length"] {
        assert_eq!(header(absent), None, "{absent}");
    }
    // a file that is not what its digest says is refused by the server
    let other = ObjectMeta { sha256: Some(sha256(b"another")), ..meta };
    let refused = store.create(&key("other.bin"), &body, &other).await;
    assert!(refused.is_err(), "{refused:?}");
    assert!(matches!(store.head(&key("other.bin")).await, Err(StoreError::NotFound(_))));
}

#[tokio::test]
async fn file_over_five_gib_is_refused_where_parts_are_not_safe() {
    let server = S3Server::start();
    let store = own_store(&server).await;
    let file = tempfile::NamedTempFile::new().unwrap();
    let size = (5 << 30) + 1;
    // sparse: it is not read
    file.as_file().set_len(size).unwrap();
    let body = UploadBody::File { path: file.path().to_owned(), size };
    let refused = store.create(&key("huge.bin"), &body, &full_meta(&key("huge.bin"), b"")).await;
    assert!(
        matches!(&refused, Err(StoreError::Refused { code, .. }) if code == "EntityTooLarge"),
        "{refused:?}"
    );
    assert_eq!(server.faults().requests().len(), 0);
}

#[tokio::test]
async fn no_request_ever_carries_an_acl_or_overwrites() {
    let server = S3Server::start();
    let (_data, large_body, meta, _file) = large("large.bin");
    for (prefix, multipart) in [("one/", Multipart::Never), ("parts/", Multipart::Always)] {
        let store = S3Store::connect(S3Settings { multipart, ..own_settings(&server) }).await.unwrap();
        let small = key(&format!("{prefix}a"));
        let made = store.create(&small, &body("x"), &ObjectMeta::default()).await.unwrap();
        store.copy(&small, &made.etag, &key(&format!("{prefix}b")), &ObjectMeta::default()).await.unwrap();
        store.create(&key(&format!("{prefix}large.bin")), &large_body, &meta).await.unwrap();
    }
    let requests = server.faults().requests();
    assert!(requests.iter().any(|r| r.query.contains("uploadId")), "parts were used");
    for request in requests {
        assert!(!request.headers.keys().any(|h| h.as_str().contains("acl") || h.as_str().contains("grant")));
        let creates = (request.method == "PUT" && !request.query.contains("uploadId"))
            || (request.method == "POST" && request.query.contains("uploadId"));
        if creates {
            assert_eq!(
                request.headers.get("if-none-match").map(|v| v.as_bytes()),
                Some(&b"*"[..]),
                "{request:?}"
            );
        }
    }
}

#[tokio::test]
async fn failed_upload_in_parts_is_aborted() {
    let server = S3Server::start();
    let store =
        S3Store::connect(S3Settings { multipart: Multipart::Always, ..hasty(&server) }).await.unwrap();
    let (_data, body, meta, _file) = large("large.bin");
    let part = When { method: Some("PUT"), key: "large.bin".to_owned(), query: "partNumber=2" };
    server.faults().inject(part, Fault::Status(500, "InternalError"), 1);
    assert!(is_unavailable(&store.create(&key("large.bin"), &body, &meta).await));
    assert_eq!(server.unfinished_uploads(), 0);
    // two writers at once: the store asks to begin anew, and nothing of the first try is left
    let complete = || When { method: Some("POST"), key: "large.bin".to_owned(), query: "uploadId=" };
    server.faults().inject(complete(), Fault::Status(409, "ConditionalRequestConflict"), 1);
    let conflict = store.create(&key("large.bin"), &body, &meta).await;
    assert!(matches!(conflict, Err(StoreError::Conflict(_))), "{conflict:?}");
    assert_eq!(server.unfinished_uploads(), 0);
    // the upload id is lost: perhaps it was completed, so the caller has to look
    server.faults().inject(complete(), Fault::Status(404, "NoSuchUpload"), 1);
    assert!(is_unavailable(&store.create(&key("large.bin"), &body, &meta).await));
    // and the answer to a completion
    server.faults().inject(complete(), Fault::CutAfterDoing, 1);
    assert!(is_unavailable(&store.create(&key("large.bin"), &body, &meta).await));
    assert_eq!(store.head(&key("large.bin")).await.unwrap().meta.unwrap().draft_id, meta.draft_id);
    assert_eq!(server.unfinished_uploads(), 0);
}

#[tokio::test]
async fn name_taken_while_parts_go_up_is_refused() {
    let server = Arc::new(S3Server::start());
    let store =
        S3Store::connect(S3Settings { multipart: Multipart::Always, ..own_settings(&server) }).await.unwrap();
    let (_data, body, meta, _file) = large("large.bin");
    let other = server.clone();
    let complete = When { method: Some("POST"), key: "large.bin".to_owned(), query: "uploadId=" };
    server.faults().meanwhile(complete, move || other.overwrite("test", "large.bin", "theirs"));
    let result = store.create(&key("large.bin"), &body, &meta).await;
    assert!(matches!(result, Err(StoreError::AlreadyExists(_))), "{result:?}");
    assert_eq!(read(&store, &key("large.bin")).await.unwrap(), b"theirs");
    assert_eq!(server.unfinished_uploads(), 0);
}

#[tokio::test]
async fn large_object_that_arrived_short_is_taken_back() {
    let server = Arc::new(S3Server::start());
    let store = own_store(&server).await;
    let (data, body, meta, _file) = large("large.bin");
    // between the upload and the look at it the store loses the end of the object
    server.faults().inject(When::method("HEAD", "large.bin"), Fault::ShortenBody(1), 1);
    let result = store.create(&key("large.bin"), &body, &meta).await;
    assert!(matches!(result, Err(StoreError::Damaged { .. })), "{result:?}");
    assert!(matches!(store.head(&key("large.bin")).await, Err(StoreError::NotFound(_))));
    store.create(&key("large.bin"), &body, &meta).await.unwrap();
    assert!(read(&store, &key("large.bin")).await.unwrap() == data);
}

#[tokio::test]
async fn object_changed_between_look_and_delete_stays_where_the_store_heeds_the_condition() {
    let server = Arc::new(S3Server::start());
    let store = own_store(&server).await;
    let made = store.create(&key("a"), &body("ours"), &ObjectMeta::default()).await.unwrap();
    let other = server.clone();
    server.faults().meanwhile(When::method("DELETE", "a"), move || other.overwrite("test", "a", "theirs"));
    let result = store.delete(&key("a"), &made.etag).await;
    assert!(matches!(result, Err(StoreError::VersionChanged(_))), "{result:?}");
    assert_eq!(read(&store, &key("a")).await.unwrap(), b"theirs");
    // gone by itself in the meantime
    let now = store.head(&key("a")).await.unwrap();
    let other = server.clone();
    server.faults().meanwhile(When::method("DELETE", "a"), move || other.remove("test", "a"));
    store.delete(&key("a"), &now.etag).await.unwrap();
}

#[tokio::test]
async fn store_without_conditional_delete_is_looked_at_before() {
    let server = S3Server::start();
    let store = own_store(&server).await;
    server.faults().ignore_delete_condition.store(true, Ordering::Relaxed);
    let made = store.create(&key("a"), &body("ours"), &ObjectMeta::default()).await.unwrap();
    server.overwrite("test", "a", "theirs");
    let result = store.delete(&key("a"), &made.etag).await;
    assert!(matches!(result, Err(StoreError::VersionChanged(_))), "{result:?}");
    // one that says so
    let now = store.head(&key("a")).await.unwrap();
    server.faults().inject(When::method("DELETE", "a"), Fault::Status(501, "NotImplemented"), 1);
    store.delete(&key("a"), &now.etag).await.unwrap();
    assert!(matches!(store.head(&key("a")).await, Err(StoreError::NotFound(_))));
}

#[tokio::test]
async fn copy_that_loses_its_source_or_its_destination_says_which() {
    let server = Arc::new(S3Server::start());
    let store = own_store(&server).await;
    let made = store.create(&key("from"), &body("one"), &ObjectMeta::default()).await.unwrap();
    let (from, to) = (key("from"), key("to"));
    let other = server.clone();
    server.faults().meanwhile(When::method("PUT", "to"), move || other.overwrite("test", "to", "theirs"));
    let result = store.copy(&from, &made.etag, &to, &ObjectMeta::default()).await;
    assert!(matches!(&result, Err(StoreError::AlreadyExists(k)) if *k == to), "{result:?}");
    server.remove("test", "to");
    let other = server.clone();
    server.faults().meanwhile(When::method("PUT", "to"), move || other.overwrite("test", "from", "two"));
    let result = store.copy(&from, &made.etag, &to, &ObjectMeta::default()).await;
    assert!(matches!(&result, Err(StoreError::VersionChanged(k)) if *k == from), "{result:?}");
    let now = store.head(&from).await.unwrap();
    let other = server.clone();
    server.faults().meanwhile(When::method("PUT", "to"), move || other.remove("test", "from"));
    let result = store.copy(&from, &now.etag, &to, &ObjectMeta::default()).await;
    assert!(matches!(&result, Err(StoreError::NotFound(k)) if *k == from), "{result:?}");
}

#[tokio::test]
async fn copy_keeps_what_browsers_need_to_read_the_object() {
    let server = S3Server::start();
    let store = own_store(&server).await;
    // as another client wrote it
    let client = {
        let config = aws_sdk_s3::config::Builder::new()
            .behavior_version(aws_sdk_s3::config::BehaviorVersion::latest())
            .endpoint_url(server.endpoint())
            .region(aws_sdk_s3::config::Region::new("us-east-1"))
            .force_path_style(true)
            .credentials_provider(aws_sdk_s3::config::Credentials::new(
                support::s3server::ACCESS_KEY,
                support::s3server::SECRET_KEY,
                None,
                None,
                "test",
            ));
        aws_sdk_s3::Client::from_conf(config.build())
    };
    client
        .put_object()
        .bucket("test")
        .key("a")
        .content_type("text/html")
        .content_encoding("gzip")
        .cache_control("max-age=60")
        .content_disposition("attachment")
        .metadata("Colour", "green")
        .body(Bytes::from_static(b"zipped").into())
        .send()
        .await
        .unwrap();
    let found = store.head(&key("a")).await.unwrap();
    let meta = found.meta.unwrap();
    assert_eq!(meta.other.get("colour").map(String::as_str), Some("green"));
    store.copy(&key("a"), &found.etag, &key("b"), &meta).await.unwrap();
    let copied = client.head_object().bucket("test").key("b").send().await.unwrap();
    assert_eq!(copied.content_encoding(), Some("gzip"));
    assert_eq!(copied.cache_control(), Some("max-age=60"));
    assert_eq!(copied.content_disposition(), Some("attachment"));
    assert_eq!(copied.content_type(), Some("text/html"));
    assert_eq!(copied.metadata().and_then(|m| m.get("colour")).map(String::as_str), Some("green"));
}

#[tokio::test]
async fn failed_page_is_an_error_and_no_short_listing() {
    let server = S3Server::start();
    let store = own_store(&server).await;
    for i in 0..5 {
        server.overwrite("test", &format!("documents/{i}"), "x");
    }
    let second_page = When { query: "continuation-token", ..When::default() };
    server.faults().inject(second_page, Fault::Status(500, "InternalError"), 1);
    let result = list_all(&store, "documents/", true, Some(2)).await;
    assert!(result.is_err());
    server.faults().inject(When { query: "list-type", ..When::default() }, Fault::TruncateBody(100), 1);
    assert!(is_unavailable(&store.list("documents/", true, None, None).await));
    assert_eq!(list_all(&store, "documents/", true, Some(2)).await.unwrap().0.objects.len(), 5);
}

#[tokio::test]
async fn forbidden_prefix_is_refused_and_others_are_not() {
    let server = S3Server::start();
    let store = own_store(&server).await;
    server.faults().deny("secret/");
    let denied = |e: StoreError| assert!(matches!(e, StoreError::AccessDenied(_)), "{e}");
    denied(store.head(&key("secret/a")).await.unwrap_err());
    denied(store.create(&key("secret/a"), &body("x"), &ObjectMeta::default()).await.unwrap_err());
    denied(store.list("secret/", true, None, None).await.unwrap_err());
    store.create(&key("documents/a"), &body("x"), &ObjectMeta::default()).await.unwrap();
    store.list("documents/", true, None, None).await.unwrap();
}

#[tokio::test]
async fn request_by_which_an_outage_becomes_known_is_not_sent_again() {
    let server = S3Server::start();
    let store = Watched::new(Arc::new(own_store(&server).await), Duration::ZERO);
    server.faults().inject(When::default(), Fault::Cut, 100);
    server.faults().forget();
    let k = key("a");
    let found = retry::retry(Duration::from_secs(20), || store.head(&k)).await;
    assert!(matches!(found, Err(StoreError::Down(_))), "{found:?}");
    assert_eq!(server.faults().requests().len(), 1);
}

#[tokio::test]
async fn retry_carries_a_read_over_a_bad_moment() {
    let server = S3Server::start();
    let store = own_store(&server).await;
    store.create(&key("a"), &body("x"), &ObjectMeta::default()).await.unwrap();
    server.faults().inject(When::method("HEAD", "a"), Fault::Status(503, "SlowDown"), 2);
    server.faults().inject(When::method("HEAD", "a"), Fault::Cut, 1);
    let tries = AtomicUsize::new(0);
    let k = key("a");
    let found = retry::retry(Duration::from_secs(20), || {
        tries.fetch_add(1, Ordering::Relaxed);
        store.head(&k)
    })
    .await
    .unwrap();
    assert_eq!((found.size, tries.into_inner()), (1, 4));
}

#[tokio::test]
async fn secrets_appear_in_no_error_and_no_debug_text() {
    let server = S3Server::start();
    let mut settings = hasty(&server);
    settings.keys.as_mut().unwrap().secret_key = cairnfs::store::Secret::new("wrong-hunter2");
    settings.keys.as_mut().unwrap().session_token = Some(cairnfs::store::Secret::new("token-hunter3"));
    let store = S3Store::connect(settings.clone()).await.unwrap();
    let mut texts = vec![format!("{settings:?}"), format!("{store:?}")];
    let mut add = |e: StoreError| texts.extend([e.to_string(), format!("{e:?}")]);
    add(store.head(&key("a")).await.unwrap_err());
    add(store.list("", true, None, None).await.unwrap_err());
    add(store.create(&key("a"), &body("x"), &ObjectMeta::default()).await.unwrap_err());
    drop(server);
    add(store.head(&key("a")).await.unwrap_err());
    for text in texts {
        assert!(!text.contains("hunter"), "{text}");
        assert!(!text.contains("Signature="), "{text}");
    }
}
