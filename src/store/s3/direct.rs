//! GETs that go past the SDK's machinery: for a store that is near, preparing a request there takes longer than its
//! answer.
//!
//! The first GET goes through the SDK, and what it used is noted: the address, the connections, the credentials' source.
//! Later ones are put together and signed here, with the same credentials, whose renewal stays the SDK's. To a server that
//! is spoken to by plain HTTP they go over connections of our own (see `plain`), to others over the SDK's. What is not a
//! success is `None`: asked again through the SDK, it is explained there.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aws_runtime::auth::sigv4::SCHEME_ID;
use aws_sdk_s3::operation::get_object::GetObjectInput;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::auth::AuthScheme;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::identity::{ResolveCachedIdentity, SharedIdentityResolver};
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeSerializationInterceptorContextRef, BeforeTransmitInterceptorContextRef,
};
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::Headers;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use aws_smithy_types::config_bag::{ConfigBag, Storable, StoreReplace};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::Incoming;
use super::plain::Plain;

/// What a key looks like in a URL: everything but RFC 3986's unreserved characters and the slash is escaped (S3 API,
/// "Signature Calculations: UriEncode").
const KEY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// The answer to a GET that was a success.
pub(super) struct Answer {
    pub(super) headers: Headers,
    pub(super) body: Incoming,
}

/// See the module documentation. Clones share what was learned.
#[derive(Debug, Clone)]
pub(super) struct Direct {
    connect_timeout: Duration,
    learned: Arc<OnceLock<Learned>>,
}

/// What the first request through the SDK showed.
#[derive(Debug)]
struct Learned {
    components: RuntimeComponents,
    connector: SharedHttpConnector,
    identity: SharedIdentityResolver,
    /// All of the URL before the key.
    base: String,
    /// Where there are connections of our own.
    plain: Option<Arc<Plain>>,
    region: String,
    service: String,
    user_agent: String,
}

/// The key of the GET that the SDK is preparing.
#[derive(Debug)]
struct AskedFor(String);

impl Storable for AskedFor {
    type Storer = StoreReplace<Self>;
}

impl Direct {
    /// Knows nothing yet. `connect_timeout` must be the SDK's own: it tells apart the sets of connections.
    pub(super) fn new(connect_timeout: Duration) -> Self {
        Self { connect_timeout, learned: Arc::default() }
    }

    /// Sends a GET of `key` with these headers, and returns the answer if it is a success. Of a whole object the checksum
    /// is asked for.
    pub(super) async fn get(&self, key: &str, range: Option<&str>, if_match: Option<&str>) -> Option<Answer> {
        let learned = self.learned.get()?;
        let checksum = range.is_none().then_some("ENABLED");
        let headers = [("range", range), ("if-match", if_match), ("x-amz-checksum-mode", checksum)];
        let headers: Vec<_> = headers.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        learned.get(key, &headers).await.unwrap_or_else(|e| {
            tracing::debug!("a direct GET failed: {e}");
            None
        })
    }

    fn learn(
        &self,
        key: &str,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        components: &RuntimeComponents,
    ) -> Option<Learned> {
        let request = context.request();
        let url = request.uri().split('?').next().unwrap_or_default();
        let base = url.strip_suffix(&utf8_percent_encode(key, KEY).to_string())?.to_owned();
        // directory buckets have sessions of their own, and multi-region ones another signature
        if request.headers().contains_key("x-amz-s3session-token") {
            return None;
        }
        let (region, service) = scope(request.headers().get("authorization")?)?;
        let settings = HttpConnectorSettings::builder().connect_timeout(self.connect_timeout).build();
        Some(Learned {
            connector: components.http_client()?.http_connector(&settings, components),
            identity: components.auth_scheme(SCHEME_ID)?.identity_resolver(components)?,
            components: components.clone(),
            plain: Plain::to(&base, self.connect_timeout),
            base,
            region,
            service,
            user_agent: request.headers().get("user-agent").unwrap_or_default().to_owned(),
        })
    }
}

#[dyn_dispatch_hint]
impl Intercept for Direct {
    fn name(&self) -> &'static str {
        "direct GETs"
    }

    fn read_before_serialization(
        &self,
        context: &BeforeSerializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if self.learned.get().is_none()
            && let Some(key) = context.input().downcast_ref::<GetObjectInput>().and_then(|get| get.key())
        {
            config.interceptor_state().store_put(AskedFor(key.to_owned()));
        }
        Ok(())
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if self.learned.get().is_none()
            && let Some(AskedFor(key)) = config.load::<AskedFor>()
            && let Some(learned) = self.learn(key, context, components)
        {
            // another request may have been first
            let _ = self.learned.set(learned);
        }
        Ok(())
    }
}

impl Learned {
    async fn get(&self, key: &str, headers: &[(&'static str, &str)]) -> Result<Option<Answer>, BoxError> {
        let url = format!("{}{}", self.base, utf8_percent_encode(key, KEY));
        let mut request = HttpRequest::new(SdkBody::empty());
        request.set_uri(url.as_str())?;
        for (name, value) in headers {
            request.headers_mut().try_insert(*name, (*value).to_owned())?;
        }
        self.sign(&url, headers, &mut request).await?;
        request.headers_mut().try_insert("user-agent", self.user_agent.clone())?;
        if let Some(plain) = self.plain.as_ref().filter(|plain| !plain.rests()) {
            return Ok(plain.get(&request).await?);
        }
        let mut response = self.connector.call(request).await?;
        let body = Box::pin(ByteStream::new(response.take_body()).into_async_read());
        let headers = response.headers().clone();
        Ok(response.status().is_success().then_some(Answer { headers, body }))
    }

    /// Adds the signature (AWS Signature Version 4) of `headers`.
    async fn sign(
        &self,
        url: &str,
        headers: &[(&'static str, &str)],
        request: &mut HttpRequest,
    ) -> Result<(), BoxError> {
        let cache = self.components.identity_cache();
        let nothing = ConfigBag::base();
        let identity =
            cache.resolve_cached_identity(self.identity.clone(), &self.components, &nothing).await?;
        let clock = self.components.time_source().ok_or("the SDK has no clock")?;
        let mut settings = SigningSettings::default();
        // as S3 wants it, and no other service
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(&self.service)
            .time(clock.now())
            .settings(settings)
            .build()?
            .into();
        let signable = SignableRequest::new("GET", url, headers.iter().copied(), SignableBody::Bytes(&[]))?;
        let (instructions, _) = sign(signable, &params)?.into_parts();
        for (name, value) in instructions.headers() {
            request.headers_mut().try_insert(name.to_owned(), value.to_owned())?;
        }
        Ok(())
    }
}

/// Reads region and service out of `AWS4-HMAC-SHA256 Credential=KEY/DATE/REGION/SERVICE/aws4_request, …`.
fn scope(authorization: &str) -> Option<(String, String)> {
    let credential = authorization.strip_prefix("AWS4-HMAC-SHA256 Credential=")?.split(',').next()?;
    // an access key may have slashes in it, on servers other than AWS
    let mut parts = credential.rsplit('/');
    let (Some("aws4_request"), Some(service), Some(region)) = (parts.next(), parts.next(), parts.next())
    else {
        return None;
    };
    Some((region.to_owned(), service.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scope_of_an_authorization_is_region_and_service() {
        let header =
            "AWS4-HMAC-SHA256 Credential=AK/ID/20260101/eu-west-1/s3/aws4_request, SignedHeaders=host";
        assert_eq!(scope(header), Some(("eu-west-1".to_owned(), "s3".to_owned())));
        assert_eq!(scope("AWS4-ECDSA-P256-SHA256 Credential=AK/20260101/s3/aws4_request"), None);
        assert_eq!(scope("Bearer x"), None);
    }

    #[test]
    fn key_in_a_url_keeps_what_s3_keeps() {
        let escaped = utf8_percent_encode("a b/ü+(1)~-_.pdf%2F", KEY).to_string();
        assert_eq!(escaped, "a%20b/%C3%BC%2B%281%29~-_.pdf%252F");
    }
}
