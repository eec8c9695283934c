//! TLS at the front door, on the same port as plain HTTP: a TLS connection begins with a byte that no HTTP request
//! begins with, so the two are told apart by the first one that comes (`listener/door.rs`).
//!
//! Without a certificate of the user's the server is its own authority, see [`authority`].

pub(crate) mod authority;
mod names;

use std::path::Path;
use std::sync::Arc;

use lambent_model::Clock;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject as _};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig, ServerConnection};

use self::authority::Authority;
pub(crate) use self::names::Names;
use crate::Config;

/// Why there is no TLS; the server does not start then.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file of the user's cannot be used.
    #[error("{path} cannot be read as {what}; it has to be PEM")]
    Pem {
        /// The file.
        path: String,
        /// What it should have been.
        what: &'static str,
        /// Why not.
        source: pem::Error,
    },
    /// Certificate and key are not a pair, or of a kind that is not known.
    #[error("the certificate and the key for TLS cannot be used together")]
    Pair(#[source] rustls::Error),
    /// The authority of the server's own cannot be kept.
    #[error("the certificate authority in {dir} cannot be read or written")]
    Kept {
        /// The folder.
        dir: String,
        /// Why.
        source: std::io::Error,
    },
    /// The authority's key is damaged.
    #[error(
        "the certificate authority in {dir} is damaged; remove that folder, and the server makes another"
    )]
    Damaged {
        /// The folder.
        dir: String,
        /// How.
        source: rcgen::Error,
    },
    /// A certificate could not be made.
    #[error("a certificate cannot be made")]
    Make(#[source] rcgen::Error),
}

/// A certificate of the user's, read while there are still the rights to.
pub(crate) struct Given {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl std::fmt::Debug for Given {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Given { .. }")
    }
}

impl Given {
    /// Reads what the configuration names; `None` where it names nothing.
    pub(crate) fn read(config: &Config) -> Result<Option<Self>, TlsError> {
        let Some(files) = &config.tls else { return Ok(None) };
        let fault =
            |path: &Path, what, source| TlsError::Pem { path: path.display().to_string(), what, source };
        let certificates = CertificateDer::pem_file_iter(&files.certificate).and_then(Iterator::collect);
        let chain: Vec<_> =
            certificates.map_err(|source| fault(&files.certificate, "certificates", source))?;
        if chain.is_empty() {
            return Err(fault(&files.certificate, "certificates", pem::Error::NoItemsFound));
        }
        let key = PrivateKeyDer::from_pem_file(&files.key)
            .map_err(|source| fault(&files.key, "a private key", source))?;
        Ok(Some(Self { chain, key }))
    }
}

/// The server's side of TLS.
#[derive(Clone)]
pub(crate) struct Tls {
    pub(crate) acceptor: TlsAcceptor,
    /// The authority's certificate, PEM, where it is the server's own.
    pub(crate) authority: Option<Arc<str>>,
}

impl Tls {
    pub(crate) fn new(
        given: Option<Given>,
        names: Names,
        dir: &Path,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, TlsError> {
        // Versions 1.2 and 1.3, as AWS's endpoints.
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring has suites for TLS 1.2 and 1.3")
            .with_no_client_auth();
        let (mut config, authority) = match given {
            Some(Given { chain, key }) => {
                (builder.with_single_cert(chain, key).map_err(TlsError::Pair)?, None)
            }
            None => {
                let authority = Authority::load_or_create(dir, names, clock)?;
                let pem = authority.pem();
                (builder.with_cert_resolver(Arc::new(authority)), Some(pem))
            }
        };
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), authority })
    }
}

/// What of a connection's TLS a function is told, in OpenSSL's words, which are AWS's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Secured {
    pub(crate) version: &'static str,
    pub(crate) suite: &'static str,
}

impl Secured {
    pub(crate) fn of(connection: &ServerConnection) -> Self {
        use rustls::{CipherSuite as Suite, ProtocolVersion};
        let version = match connection.protocol_version() {
            Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
            _ => "TLSv1.3",
        };
        let suite = match connection.negotiated_cipher_suite().map(|suite| suite.suite()) {
            Some(Suite::TLS13_AES_256_GCM_SHA384) => "TLS_AES_256_GCM_SHA384",
            Some(Suite::TLS13_CHACHA20_POLY1305_SHA256) => "TLS_CHACHA20_POLY1305_SHA256",
            Some(Suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256) => "ECDHE-ECDSA-AES128-GCM-SHA256",
            Some(Suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384) => "ECDHE-ECDSA-AES256-GCM-SHA384",
            Some(Suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256) => "ECDHE-ECDSA-CHACHA20-POLY1305",
            Some(Suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256) => "ECDHE-RSA-AES128-GCM-SHA256",
            Some(Suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384) => "ECDHE-RSA-AES256-GCM-SHA384",
            Some(Suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256) => "ECDHE-RSA-CHACHA20-POLY1305",
            _ => "TLS_AES_128_GCM_SHA256",
        };
        Self { version, suite }
    }
}
