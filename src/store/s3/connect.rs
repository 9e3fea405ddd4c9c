//! Building the SDK's client from our settings.

use aws_config::{BehaviorVersion, Region};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    Credentials, RequestChecksumCalculation, ResponseChecksumValidation, StalledStreamProtectionConfig,
};

use super::direct::Direct;
use super::plain::is_proxied;
use super::settings::{S3Settings, is_aws};
use super::tls;
use crate::store::StoreResult;

/// Where neither settings nor the AWS configuration name a region. Servers other than AWS rarely care.
const DEFAULT_REGION: &str = "us-east-1";

/// A client, and what was found out while it was built.
pub(super) struct Connection {
    pub(super) client: Client,
    pub(super) direct: Direct,
    pub(super) is_aws: bool,
    /// `None` for the SDK's own choice.
    pub(super) endpoint: Option<String>,
}

/// Builds the client. Sends nothing to the store; without explicit keys it reads the AWS configuration files and
/// environment.
pub(super) async fn connect(settings: &S3Settings) -> StoreResult<Connection> {
    let mut endpoint = settings.endpoint();
    let mut builder = match &settings.keys {
        Some(keys) => {
            let token = keys.session_token.as_ref().map(|t| t.reveal().to_owned());
            let credentials =
                Credentials::new(&keys.access_key, keys.secret_key.reveal(), token, None, "cairnfs settings");
            let region = settings.region.clone().unwrap_or_else(|| DEFAULT_REGION.to_owned());
            aws_sdk_s3::config::Builder::new()
                .behavior_version(BehaviorVersion::latest())
                .credentials_provider(credentials)
                .region(Region::new(region))
        }
        None => {
            let mut loader = aws_config::defaults(BehaviorVersion::latest());
            if let Some(profile) = &settings.profile {
                loader = loader.profile_name(profile);
            }
            if let Some(region) = &settings.region {
                loader = loader.region(Region::new(region.clone()));
            }
            let shared = loader.load().await;
            endpoint = endpoint.or_else(|| shared.endpoint_url().map(str::to_owned));
            let builder = aws_sdk_s3::config::Builder::from(&shared);
            if shared.region().is_none() { builder.region(Region::new(DEFAULT_REGION)) } else { builder }
        }
    };
    let is_aws = is_aws(endpoint.as_deref());
    builder = builder
        // an answer that was lost and asked for again turns our own create into a refusal; and there is one retry loop
        .retry_config(RetryConfig::disabled())
        // every call sets a limit of its own around the whole request
        .timeout_config(TimeoutConfig::builder().connect_timeout(settings.timeouts.connect).build())
        .stalled_stream_protection(
            StalledStreamProtectionConfig::enabled()
                .upload_enabled(true)
                .download_enabled(false)
                .grace_period(settings.timeouts.stall)
                .build(),
        )
        // a checksum is asked for where it can be checked: with whole objects
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
    if let Some(url) = &endpoint {
        builder = builder.endpoint_url(url);
    }
    if !is_aws {
        builder = builder
            .force_path_style(true)
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired);
    }
    let encrypts = endpoint.as_deref().is_none_or(|url| url.starts_with("https:"));
    let server = endpoint.as_deref().unwrap_or("https://s3.amazonaws.com").parse();
    // what goes through somebody else is left to the SDK's own client
    if encrypts && !server.is_ok_and(|server| is_proxied(&server)) || !settings.verify_ssl {
        builder = builder.http_client(tls::client(settings.verify_ssl, settings.timeouts.connect)?);
    }
    let direct = Direct::new(settings.timeouts.connect);
    let client = Client::from_conf(builder.interceptor(direct.clone()).build());
    Ok(Connection { client, direct, is_aws, endpoint })
}
