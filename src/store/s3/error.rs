//! What the SDK reports, in kinds that a caller can act on.
//!
//! The code that a server sends decides; where it sends none (answers to HEAD have no body), the status does.

use std::error::Error;
use std::time::Duration;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

use crate::store::StoreError;
use crate::types::ObjectKey;

/// Longer messages are cut: a server's page of HTML is no message.
const MAX_MESSAGE_CHARS: usize = 300;

/// Shorter texts are no secrets, and would take ordinary words with them.
const MIN_HIDDEN: usize = 4;

/// What a failed condition (412) says in the request at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Condition {
    /// The key had to be free.
    KeyIsFree,
    /// The object had to be a certain version.
    SameVersion,
    /// There was none.
    None,
}

/// Knows the words that must not be shown, and what to call things.
#[derive(Debug)]
pub(super) struct Reporter {
    bucket: String,
    /// Where the server is.
    endpoint: String,
    /// Texts that never leave: keys and tokens that were given to us.
    hidden: Vec<super::Secret>,
}

impl Reporter {
    /// `endpoint` is the URL of the server, `None` for AWS.
    pub(super) fn new(bucket: String, endpoint: Option<&str>, hidden: Vec<super::Secret>) -> Self {
        let endpoint = match endpoint.map(|url| url.split_once("://").unwrap_or(("", url))) {
            None => "AWS".to_owned(),
            // without a user's name and password, should somebody have put them there
            Some((scheme, rest)) => {
                format!("{scheme}://{}", rest.rsplit_once('@').map_or(rest, |(_, host)| host))
            }
        };
        Self { bucket, endpoint, hidden }
    }

    /// Says that a request of ours found no answer in time.
    pub(super) fn no_answer(&self, limit: Duration) -> StoreError {
        StoreError::Unavailable(format!("{}: no answer within {} s", self.endpoint, limit.as_secs()))
    }

    /// Puts an error of the SDK into our words. `key` is the object that the request was about.
    pub(super) fn explain<E>(
        &self,
        key: Option<&ObjectKey>,
        condition: Condition,
        e: &SdkError<E, HttpResponse>,
    ) -> StoreError
    where
        E: Error + ProvideErrorMetadata + 'static,
    {
        match e {
            SdkError::ServiceError(service) => {
                let status = service.raw().status().as_u16();
                let meta = service.err().meta();
                if status < 300 && meta.code().is_none() {
                    return StoreError::Unavailable(self.line(&format!("unreadable answer: {}", causes(e))));
                }
                self.judge(key, condition, status, meta.code(), meta.message())
            }
            // an answer that makes no sense: not from an S3 server, or cut in the middle
            SdkError::ResponseError(response) => match response.raw().status().as_u16() {
                status @ (300..=499) => self.judge(key, condition, status, None, None),
                _ => StoreError::Unavailable(self.line(&format!("unreadable answer: {}", causes(e)))),
            },
            SdkError::TimeoutError(_) => {
                StoreError::Unavailable(self.line(&format!("no answer: {}", causes(e))))
            }
            e => self.explain_no_answer(e, matches!(e, SdkError::ConstructionFailure(_))),
        }
    }

    /// Explains a request that never got as far as an answer; `unbuilt` says that it could not even be put together.
    fn explain_no_answer(&self, e: &(dyn Error + 'static), unbuilt: bool) -> StoreError {
        if let Some(missing) = find::<CredentialsError>(e) {
            return match missing {
                CredentialsError::CredentialsNotLoaded(_) => StoreError::NoCredentials,
                CredentialsError::InvalidConfiguration(_) => StoreError::Refused {
                    code: "InvalidConfiguration".to_owned(),
                    message: self
                        .line(&format!("the AWS configuration has no usable credentials: {}", causes(e))),
                },
                _ => StoreError::Unavailable(self.line(&format!("no credentials to be had: {}", causes(e)))),
            };
        }
        if let Some(tls) = find::<rustls::Error>(e) {
            return StoreError::Tls(self.line(&format!("{}: {}", self.endpoint, tls_words(tls))));
        }
        let mut text = causes(e);
        if text.contains("invalid HTTP version") {
            // TLS alerts look like this to a client that speaks plain HTTP
            text.push_str("; does the server expect https at that port?");
        }
        let text = self.line(&text);
        if unbuilt {
            return StoreError::Refused { code: "InvalidRequest".to_owned(), message: text };
        }
        StoreError::Unavailable(self.line(&format!("{}: {text}", self.endpoint)))
    }

    /// Judges an answer by code and status.
    fn judge(
        &self,
        key: Option<&ObjectKey>,
        condition: Condition,
        status: u16,
        code: Option<&str>,
        message: Option<&str>,
    ) -> StoreError {
        let code = code.filter(|c| !c.is_empty());
        let shown_code = code.map_or_else(|| status.to_string(), |c| self.line(c));
        let shown = match (code, message.filter(|m| !m.is_empty())) {
            (_, Some(message)) => self.line(&format!("{shown_code}: {message}")),
            (_, None) => shown_code.clone(),
        };
        let refused = || StoreError::Refused {
            code: shown_code.clone(),
            message: message
                .filter(|m| !m.is_empty())
                .map_or_else(|| format!("HTTP status {status}"), |m| self.line(m)),
        };
        // S3 error responses: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
        match (code.unwrap_or_default(), status) {
            ("NoSuchBucket", _) => StoreError::NoSuchBucket(self.bucket.clone()),
            ("NoSuchUpload", _) => StoreError::Unavailable(format!("the upload was lost ({shown})")),
            ("RequestTimeTooSkewed" | "RequestExpired" | "ExpiredToken" | "ExpiredTokenException", _) => {
                StoreError::Unavailable(shown)
            }
            ("RequestTimeout" | "SlowDown" | "InternalError" | "ServiceUnavailable", _) => {
                StoreError::Unavailable(shown)
            }
            ("BadDigest" | "InvalidDigest" | "IncompleteBody" | "XAmzContentSHA256Mismatch", _)
            | ("XAmzContentChecksumMismatch", _) => match key {
                Some(key) => StoreError::Damaged { key: key.clone(), detail: shown },
                None => refused(),
            },
            (code, _) if code.contains("Quota") || code.contains("StorageFull") => StoreError::QuotaExceeded(shown),
            (_, 507) => StoreError::QuotaExceeded(shown),
            ("PreconditionFailed", _) | (_, 412) => match (condition, key) {
                (Condition::KeyIsFree, Some(key)) => StoreError::AlreadyExists(key.clone()),
                (Condition::SameVersion, Some(key)) => StoreError::VersionChanged(key.clone()),
                _ => refused(),
            },
            ("ConditionalRequestConflict" | "OperationAborted", _) | (_, 409) => match key {
                Some(key) => StoreError::Conflict(key.clone()),
                None => refused(),
            },
            ("NoSuchKey" | "NotFound", _) | (_, 404) => match key {
                Some(key) => StoreError::NotFound(key.clone()),
                None => StoreError::NoSuchBucket(self.bucket.clone()),
            },
            (_, 401 | 403) | ("AccessDenied" | "InvalidAccessKeyId" | "SignatureDoesNotMatch", _) => {
                StoreError::AccessDenied(shown)
            }
            (_, 301 | 307 | 308) | ("AuthorizationHeaderMalformed", _) => StoreError::Refused {
                code: shown_code.clone(),
                message: self.line(&format!(
                    "{}; the bucket is in another region or behind another endpoint, set S3_REGION_NAME or S3_ENDPOINT_URL",
                    message.unwrap_or("redirected")
                )),
            },
            // a function that the server does not have, for good
            ("NotImplemented", _) | (_, 501) => refused(),
            (_, 429 | 500..) => StoreError::Unavailable(shown),
            _ => refused(),
        }
    }

    /// Explains a body that broke off or did not fit its checksum.
    pub(super) fn explain_body(&self, key: &ObjectKey, e: &(dyn Error + 'static)) -> StoreError {
        let text = causes(e);
        // the type of this error is private to the SDK
        if text.to_lowercase().contains("checksum") {
            return StoreError::Damaged { key: key.clone(), detail: self.line(&text) };
        }
        StoreError::Unavailable(self.line(&format!("the transfer of '{key}' broke off: {text}")))
    }

    /// Makes one presentable line of a text that came from elsewhere.
    pub(super) fn line(&self, text: &str) -> String {
        let mut text: String = text
            .split(|c: char| c.is_control() || c == ' ')
            .filter(|w| !w.is_empty())
            .fold(String::new(), |mut line, word| {
                if !line.is_empty() {
                    line.push(' ');
                }
                line.push_str(word);
                line
            });
        for secret in self.hidden.iter().map(super::Secret::reveal).filter(|s| s.len() >= MIN_HIDDEN) {
            text = text.replace(secret, "***");
        }
        match text.char_indices().nth(MAX_MESSAGE_CHARS) {
            Some((cut, _)) => format!("{}…", text.get(..cut).unwrap_or_default()),
            None => text,
        }
    }
}

/// Says what is wrong with the encryption and, where they can do something, what users can do about it.
fn tls_words(e: &rustls::Error) -> String {
    match e {
        rustls::Error::InvalidCertificate(_) => {
            format!("{e}; trust its issuer on this host, or set S3_VERIFY_SSL=False for a test server")
        }
        rustls::Error::InvalidMessage(_) => format!("{e}; does the server speak https at that port?"),
        e => e.to_string(),
    }
}

/// Returns the texts of an error and its causes, the telling ones, from the outside in.
pub(super) fn causes(e: &(dyn Error + 'static)) -> String {
    let mut texts: Vec<String> = Vec::new();
    let mut next = Some(e);
    while let Some(e) = next {
        let text = e.to_string();
        // some errors repeat what is inside them, others say only that there is something inside
        if NO_NEWS.contains(&&*text) || texts.last().is_some_and(|outer| outer.contains(&text)) {
            next = e.source();
            continue;
        }
        texts.retain(|outer| !text.contains(outer.as_str()));
        texts.push(text);
        next = e.source();
    }
    if texts.is_empty() { e.to_string() } else { texts.join(": ") }
}

/// What errors are called that only wrap another one.
const NO_NEWS: [&str; 7] = [
    "dispatch failure",
    "io error",
    "other",
    "timeout",
    "client error (Connect)",
    "client error (SendRequest)",
    "tcp connect error",
];

/// Finds a kind of error among the causes, also inside of I/O errors, which hide what they carry.
fn find<'a, T: Error + 'static>(e: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut next = Some(e);
    while let Some(e) = next {
        if let Some(found) = e.downcast_ref::<T>() {
            return Some(found);
        }
        let inner = e.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        if let Some(inner) = inner
            && let Some(found) = find::<T>(inner)
        {
            return Some(found);
        }
        next = e.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Secret;

    fn judge(condition: Condition, status: u16, code: &str) -> StoreError {
        let key = ObjectKey::new("k").unwrap();
        Reporter::new("b".to_owned(), None, Vec::new()).judge(
            Some(&key),
            condition,
            status,
            Some(code),
            Some("words"),
        )
    }

    #[test]
    fn transient_failures_are_transient_whatever_their_status() {
        for (status, code) in [
            (403, "RequestTimeTooSkewed"),
            (400, "ExpiredToken"),
            (400, "RequestTimeout"),
            (503, "SlowDown"),
            (500, ""),
            (502, ""),
            (429, "TooManyRequests"),
            (404, "NoSuchUpload"),
            (409, "ConditionalRequestConflict"),
            (400, "BadDigest"),
        ] {
            assert!(judge(Condition::KeyIsFree, status, code).is_transient(), "{status} {code}");
        }
    }

    #[test]
    fn final_failures_are_final() {
        for (status, code) in [
            (403, "AccessDenied"),
            (403, "QuotaExceeded"),
            (507, "XMinioStorageFull"),
            (501, "NotImplemented"),
            (400, "EntityTooLarge"),
            (404, "NoSuchBucket"),
            (301, "PermanentRedirect"),
        ] {
            assert!(!judge(Condition::KeyIsFree, status, code).is_transient(), "{status} {code}");
        }
    }

    #[test]
    fn failed_condition_means_what_was_asked_for() {
        assert!(matches!(judge(Condition::KeyIsFree, 412, ""), StoreError::AlreadyExists(_)));
        assert!(matches!(
            judge(Condition::SameVersion, 412, "PreconditionFailed"),
            StoreError::VersionChanged(_)
        ));
        assert!(matches!(judge(Condition::None, 412, ""), StoreError::Refused { .. }));
    }

    #[test]
    fn endpoint_is_named_without_a_password() {
        let reporter = Reporter::new("b".to_owned(), Some("http://me:hunter2@minio:9000"), Vec::new());
        assert_eq!(
            reporter.no_answer(Duration::from_secs(3)).to_string(),
            "the store cannot be reached: http://minio:9000: no answer within 3 s"
        );
    }

    #[test]
    fn messages_are_one_short_line_without_secrets() {
        let reporter = Reporter::new("b".to_owned(), None, vec![Secret::new("hunter2")]);
        let line = reporter.line(&format!("a\r\n\tb hunter2 {}", "x".repeat(1000)));
        assert!(
            line.starts_with("a b *** x") && line.ends_with('…') && line.chars().count() == 301,
            "{line}"
        );
    }
}
