//! The connection check against real servers: what people read, and the exit code.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that panics fails, which is what it is for"
)]

mod support;

use std::process::Command;
use std::sync::atomic::Ordering;

use cairnfs::store::{
    CheckFailure, CheckOutcome, DirStore, MetadataPlace, ObjectMeta, ObjectStore, S3Keys, S3Settings,
    S3Store, Secret, check,
};
use support::data::{body, key, read};
use support::s3server::{ACCESS_KEY, Certificate, Fault, Options, S3Server, SECRET_KEY, When};
use support::seaweed::{Seaweed, seaweed};
use support::stores::{own_settings, settings};

/// Checks the store of `settings` and returns the failure and what people read of it.
async fn failure(settings: S3Settings) -> (CheckFailure, String) {
    let secrets: Vec<String> = settings.keys.iter().map(|k| k.access_key.clone()).collect();
    let store = S3Store::connect(settings).await.unwrap();
    match check(&store, "documents/").await {
        CheckOutcome::Usable => panic!("the store is usable"),
        CheckOutcome::Failed { failure, message } => {
            assert!(!message.contains('\n'), "{message}");
            // what people read, for those who judge it by eye
            eprintln!("{message}");
            assert!(
                !message.contains(SECRET_KEY) && !secrets.iter().any(|s| message.contains(s)),
                "{message}"
            );
            (failure, message)
        }
    }
}

async fn is_usable(settings: S3Settings) -> bool {
    check(&S3Store::connect(settings).await.unwrap(), "documents/").await == CheckOutcome::Usable
}

#[tokio::test]
async fn s10_1_good_stores_are_usable() {
    let server = S3Server::start();
    assert!(is_usable(own_settings(&server)).await);
    assert!(is_usable(seaweed().settings()).await);
    let home = tempfile::tempdir().unwrap();
    let store = DirStore::new(home.path(), ".cairnfs/", MetadataPlace::Attributes).unwrap();
    assert_eq!(check(&store, "documents/").await, CheckOutcome::Usable);
}

#[tokio::test]
async fn s10_1_wrong_keys_are_invalid_credentials() {
    let server = S3Server::start();
    for endpoint in [server.endpoint(), seaweed().endpoint().to_owned()] {
        for (access_key, secret_key) in [(ACCESS_KEY, "wrong"), ("unknown-key-of-nobody", SECRET_KEY)] {
            let (failure, message) = failure(settings(&endpoint, "test", access_key, secret_key)).await;
            assert_eq!((failure, failure.exit_code()), (CheckFailure::Credentials, 10));
            assert_eq!(message, "S3/MinIO credentials are invalid or permissions are insufficient.");
        }
    }
}

#[tokio::test]
async fn s10_1_missing_bucket_is_named() {
    let server = S3Server::start();
    for endpoint in [server.endpoint(), seaweed().endpoint().to_owned()] {
        let (failure, message) = failure(settings(&endpoint, "no-such-bucket", ACCESS_KEY, SECRET_KEY)).await;
        assert_eq!((failure, failure.exit_code()), (CheckFailure::BucketMissing, 11));
        assert_eq!(message, "Bucket 'no-such-bucket' does not exist.");
    }
}

#[tokio::test]
async fn s10_1_credentials_for_one_prefix_suffice() {
    let server = S3Server::start();
    server.faults().deny_head_bucket.store(true, Ordering::Relaxed);
    assert!(is_usable(own_settings(&server)).await);
    server.faults().deny("documents/");
    let (failure, _) = failure(own_settings(&server)).await;
    assert_eq!(failure, CheckFailure::Credentials);
}

#[tokio::test]
async fn s10_1_error_of_the_store_keeps_its_code() {
    let server = S3Server::start();
    server.faults().inject(When::method("HEAD", ""), Fault::Status(405, "MethodNotAllowed"), 1);
    let (failure, message) = failure(own_settings(&server)).await;
    assert_eq!((failure, failure.exit_code()), (CheckFailure::StoreError, 12));
    // the answer to a HEAD has no body, so the status is all there is
    assert!(message.starts_with("S3/MinIO error (405): "), "{message}");
}

#[tokio::test]
async fn bucket_elsewhere_says_what_to_set() {
    let server = S3Server::start();
    server.faults().inject(When::method("HEAD", ""), Fault::Status(301, "PermanentRedirect"), 1);
    let (failure, message) = failure(own_settings(&server)).await;
    assert_eq!(failure, CheckFailure::StoreError);
    assert!(message.contains("S3_REGION_NAME"), "{message}");
}

#[tokio::test]
async fn s10_2_refused_connection_is_unreachable() {
    let server = S3Server::start();
    let settings = own_settings(&server);
    let address = server.address();
    drop(server);
    // until the port is really free
    while std::net::TcpStream::connect(address).is_ok() {
        tokio::task::yield_now().await;
    }
    let (failure, message) = failure(settings).await;
    assert_eq!((failure, failure.exit_code()), (CheckFailure::Unreachable, 14));
    assert!(message.starts_with("S3/MinIO error (Unreachable): s3://test does not answer: "), "{message}");
    assert!(message.contains(&format!("http://{address}: ")), "{message}");
    assert!(message.to_lowercase().contains("refused"), "{message}");
}

#[tokio::test]
async fn name_that_does_not_resolve_is_unreachable() {
    let (failure, message) =
        failure(settings("http://no-such-host.invalid:9000", "test", ACCESS_KEY, SECRET_KEY)).await;
    assert_eq!(failure, CheckFailure::Unreachable, "{message}");
}

#[tokio::test]
async fn certificate_that_nobody_vouches_for_is_a_tls_failure() {
    let certificate = Certificate::self_signed();
    let server = S3Server::start_with(Options { certificate: Some(certificate), ..Options::default() });
    let (failure, message) = failure(own_settings(&server)).await;
    assert_eq!((failure, failure.exit_code()), (CheckFailure::Tls, 15), "{message}");
    assert!(message.starts_with("S3/MinIO error (TLS): ") && message.contains("S3_VERIFY_SSL"), "{message}");
}

#[tokio::test]
async fn https_to_a_plain_server_is_a_tls_failure() {
    let server = S3Server::start();
    for verify_ssl in [true, false] {
        let endpoint = server.endpoint().replace("http://", "https://");
        let settings = S3Settings { verify_ssl, ..settings(&endpoint, "test", ACCESS_KEY, SECRET_KEY) };
        let (failure, message) = failure(settings).await;
        assert_eq!(failure, CheckFailure::Tls, "{message}");
    }
}

#[tokio::test]
async fn plain_http_to_a_tls_server_fails_with_one_line() {
    let certificate = Certificate::self_signed();
    let server = S3Server::start_with(Options { certificate: Some(certificate), ..Options::default() });
    let endpoint = server.endpoint().replace("https://", "http://");
    let (failure, message) = failure(settings(&endpoint, "test", ACCESS_KEY, SECRET_KEY)).await;
    assert!(matches!(failure, CheckFailure::Unreachable | CheckFailure::StoreError), "{message}");
}

#[tokio::test]
async fn verification_turned_off_really_is_off() {
    let certificate = Certificate::self_signed();
    let weed = Seaweed::start(Some(&certificate));
    let (failure, _) = failure(weed.settings()).await;
    assert_eq!(failure, CheckFailure::Tls);
    let server = S3Server::start_with(Options { certificate: Some(certificate), ..Options::default() });
    for settings in [own_settings(&server), weed.settings()] {
        let settings = S3Settings { verify_ssl: false, ..settings };
        assert!(is_usable(settings.clone()).await);
        let store = S3Store::connect(settings).await.unwrap();
        let large = support::data::noise(1, 6 << 20);
        let mut file = tempfile::NamedTempFile::new().unwrap();
        std::io::Write::write_all(&mut file, &large).unwrap();
        let upload =
            cairnfs::store::UploadBody::File { path: file.path().to_owned(), size: large.len() as u64 };
        let meta = support::data::full_meta(&key("documents/large.bin"), &large);
        store.create(&key("documents/a"), &body("x"), &ObjectMeta::default()).await.unwrap();
        store.create(&key("documents/large.bin"), &upload, &meta).await.unwrap();
        assert!(read(&store, &key("documents/large.bin")).await.unwrap() == large);
    }
}

#[tokio::test]
async fn certificate_in_the_hosts_trust_is_verified() {
    // the process's own setting for trusted certificates, so in a process of its own
    let certificate = Certificate::self_signed();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    std::io::Write::write_all(&mut file, certificate.certificate.as_bytes()).unwrap();
    let server = S3Server::start_with(Options { certificate: Some(certificate), ..Options::default() });
    let output = in_a_child(
        "child_checks_a_trusted_certificate",
        &[("SSL_CERT_FILE", file.path().to_str().unwrap()), ("TEST_ENDPOINT", &server.endpoint())],
    );
    assert!(output.contains("outcome: Usable"), "{output}");
}

#[tokio::test]
#[ignore = "run by certificate_in_the_hosts_trust_is_verified"]
async fn child_checks_a_trusted_certificate() {
    let endpoint = std::env::var("TEST_ENDPOINT").unwrap();
    let store = S3Store::connect(settings(&endpoint, "test", ACCESS_KEY, SECRET_KEY)).await.unwrap();
    println!("outcome: {:?}", check(&store, "documents/").await);
}

#[tokio::test]
async fn s10_1_no_credentials_anywhere_says_so() {
    let server = S3Server::start();
    for endpoint in [server.endpoint(), seaweed().endpoint().to_owned()] {
        let output = in_a_child("child_checks_without_keys", &[("TEST_ENDPOINT", &endpoint)]);
        assert!(output.contains("NoCredentials") && output.contains("exit code 13"), "{output}");
        assert!(output.contains("S3/MinIO credentials are not configured."), "{output}");
    }
}

#[tokio::test]
async fn keys_of_the_aws_chain_are_used() {
    let server = S3Server::start();
    let output = in_a_child(
        "child_checks_without_keys",
        &[
            ("TEST_ENDPOINT", &server.endpoint()),
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY),
            ("AWS_SECRET_ACCESS_KEY", SECRET_KEY),
        ],
    );
    assert!(output.contains("outcome: Usable"), "{output}");
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("credentials");
    let text =
        format!("[default]\n[other]\naws_access_key_id={ACCESS_KEY}\naws_secret_access_key={SECRET_KEY}\n");
    std::fs::write(&file, text).unwrap();
    let output = in_a_child(
        "child_checks_without_keys",
        &[
            ("TEST_ENDPOINT", &server.endpoint()),
            ("TEST_PROFILE", "other"),
            ("AWS_SHARED_CREDENTIALS_FILE", file.to_str().unwrap()),
        ],
    );
    assert!(output.contains("outcome: Usable"), "{output}");
}

#[tokio::test]
#[ignore = "run by no_credentials_anywhere_says_so and keys_of_the_aws_chain_are_used"]
async fn child_checks_without_keys() {
    let endpoint = std::env::var("TEST_ENDPOINT").unwrap();
    let settings = S3Settings {
        endpoint_url: Some(endpoint),
        profile: std::env::var("TEST_PROFILE").ok(),
        ..S3Settings::new("test")
    };
    let outcome = check(&S3Store::connect(settings).await.unwrap(), "documents/").await;
    println!("outcome: {outcome:?}");
    if let CheckOutcome::Failed { failure, message } = outcome {
        println!("exit code {}: {message}", failure.exit_code());
    }
}

/// Runs an ignored test of this program in a process whose environment has nothing but `variables`.
fn in_a_child(test: &str, variables: &[(&str, &str)]) -> String {
    let empty = tempfile::tempdir().unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--ignored", "--nocapture"])
        .env_clear()
        .env("HOME", empty.path())
        // there is no cloud around a test machine to ask
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    text
}

#[tokio::test]
async fn temporary_keys_travel_with_their_token() {
    let server = S3Server::start();
    let keys = S3Keys {
        access_key: ACCESS_KEY.to_owned(),
        secret_key: Secret::new(SECRET_KEY),
        session_token: Some(Secret::new("the-token")),
    };
    let store = S3Store::connect(S3Settings { keys: Some(keys), ..own_settings(&server) }).await.unwrap();
    store.check_bucket().await.unwrap();
    let sent = server.faults().requests();
    assert_eq!(sent[0].headers.get("x-amz-security-token").unwrap(), "the-token");
}

#[tokio::test]
async fn bare_host_is_spoken_to_as_use_ssl_says() {
    let server = S3Server::start();
    let bare = server.address().to_string();
    let plain = S3Settings { use_ssl: false, ..settings(&bare, "test", ACCESS_KEY, SECRET_KEY) };
    assert!(is_usable(plain.clone()).await);
    let (failure, _) = failure(S3Settings { use_ssl: true, ..plain }).await;
    assert_eq!(failure, CheckFailure::Tls);
}

#[tokio::test]
async fn s10_1_missing_directory_is_named() {
    let store = DirStore::new("/nonexistent/store".as_ref(), ".cairnfs/", MetadataPlace::Attributes).unwrap();
    let outcome = check(&store, "documents/").await;
    let message = "The directory '/nonexistent/store' does not exist.".to_owned();
    assert_eq!(outcome, CheckOutcome::Failed { failure: CheckFailure::BucketMissing, message });
}
