//! Certificates that nobody vouches for.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

/// A certificate with its key, both in PEM.
pub struct Certificate {
    /// The certificate.
    pub certificate: String,
    /// Its private key.
    pub key: String,
}

impl Certificate {
    /// Makes one for this host that is signed by itself.
    pub fn self_signed() -> Self {
        let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).expect("a certificate for the test server");
        Self { certificate: made.cert.pem(), key: made.signing_key.serialize_pem() }
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        let chain =
            vec![CertificateDer::from_pem_slice(self.certificate.as_bytes()).expect("a certificate in PEM")];
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).expect("a private key in PEM");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("TLS versions")
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .expect("a certificate that fits its key");
        TlsAcceptor::from(Arc::new(config))
    }
}
