//! S3 stores on the servers that tests start.

use std::time::Duration;

use cairnfs::store::{S3Keys, S3Settings, S3Store, S3Timeouts, Secret};

use super::s3server::{ACCESS_KEY, S3Server, SECRET_KEY};

/// Returns settings for `bucket` on a server, with short time-outs.
pub fn settings(endpoint: &str, bucket: &str, access_key: &str, secret_key: &str) -> S3Settings {
    S3Settings {
        endpoint_url: Some(endpoint.to_owned()),
        keys: Some(S3Keys {
            access_key: access_key.to_owned(),
            secret_key: Secret::new(secret_key),
            session_token: None,
        }),
        part_size: 5 << 20,
        timeouts: S3Timeouts { connect: Duration::from_secs(3), ..S3Timeouts::default() },
        ..S3Settings::new(bucket)
    }
}

/// Returns settings for the bucket `test` on our own server.
pub fn own_settings(server: &S3Server) -> S3Settings {
    settings(&server.endpoint(), "test", ACCESS_KEY, SECRET_KEY)
}

/// Connects to the bucket `test` on our own server.
pub async fn own_store(server: &S3Server) -> S3Store {
    S3Store::connect(own_settings(server)).await.unwrap()
}
