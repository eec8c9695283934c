//! A certificate authority of the server's own: made once, kept in the data folder, good for this server's names alone.
//!
//! ```text
//! <data>/tls/ca.pem   for everybody: what clients are told to trust
//! <data>/tls/ca.key   the server's user's: the key, PKCS #8
//! <data>/tls/names    what the authority confines itself to; other names need another authority
//! ```
//!
//! Certificates are made for the name that a client asks for, when it does. A wildcard would not do: it stands for one
//! label, and names of function URLs have three below `localhost`. They live in memory, under one key for each start.

use std::collections::HashMap;
use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lambent_model::{Clock, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DnType, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, NameConstraints, PKCS_ECDSA_P256_SHA256, SanType,
};
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::{CertifiedKey, SigningKey};

use super::{Names, TlsError};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Who trusts it has done so by hand and does not want to again; it is confined to this server's names.
const AUTHORITY_DAYS: u32 = 3650;
/// Clients refuse much more (Apple: 825 days for a private authority).
const CERTIFICATE_DAYS: u32 = 90;
/// After which a name gets another one.
const RENEWED_AFTER: Duration = Duration::from_secs(60 * 24 * 60 * 60);
/// Names whose certificates are kept; whoever asks for more of them, below `localhost` there is no end of names, costs
/// a signature each.
const KEPT: usize = 1024;

/// See the module's text.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: Arc<str>,
    names: Names,
    clock: Arc<dyn Clock>,
    /// Of all certificates of this start.
    key: KeyPair,
    signing: Arc<dyn SigningKey>,
    made: Mutex<HashMap<String, Made>>,
}

struct Made {
    at: Timestamp,
    certificate: Arc<CertifiedKey>,
}

impl fmt::Debug for Authority {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Authority").field("names", &self.names).finish_non_exhaustive()
    }
}

/// Where the authority's certificate is, for people.
pub(crate) fn certificate_path(data_dir: &Path) -> PathBuf {
    data_dir.join("tls").join("ca.pem")
}

impl Authority {
    /// The authority of this data folder; another one when its names are others.
    pub(super) fn load_or_create(
        data_dir: &Path,
        names: Names,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, TlsError> {
        let dir = data_dir.join("tls");
        let kept = |source| TlsError::Kept { dir: dir.display().to_string(), source };
        let wanted = names.permitted().join("\n");
        let known = read(&dir).map_err(kept)?.filter(|known| known.names == wanted);
        let (key, pem) = match known {
            Some(known) => {
                let key = KeyPair::try_from(&PrivatePkcs8KeyDer::from(known.key));
                let damaged = |source| TlsError::Damaged { dir: dir.display().to_string(), source };
                (key.map_err(damaged)?, known.pem)
            }
            None => {
                let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(TlsError::Make)?;
                let certificate = root(&names, clock.now()).self_signed(&key).map_err(TlsError::Make)?;
                let pem = pem(certificate.der());
                write(&dir, &key.serialize_der(), &pem, &wanted).map_err(kept)?;
                tracing::info!(
                    certificate = %certificate_path(data_dir).display(),
                    "a certificate authority for https was made; clients that are to trust it need this file"
                );
                (key, pem)
            }
        };
        let issuer = Issuer::new(root(&names, clock.now()), key);
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(TlsError::Make)?;
        let der = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let signing =
            tokio_rustls::rustls::crypto::ring::sign::any_ecdsa_type(&der).map_err(TlsError::Pair)?;
        Ok(Self { issuer, pem: pem.into(), names, clock, key, signing, made: Mutex::default() })
    }

    pub(super) fn pem(&self) -> Arc<str> {
        Arc::clone(&self.pem)
    }

    /// The certificate for a name, or, for `""`, for addresses and `localhost`.
    fn certificate(&self, name: &str) -> Option<Arc<CertifiedKey>> {
        let now = self.clock.now();
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = made.get(name)
            && now < known.at.plus(RENEWED_AFTER)
        {
            return Some(Arc::clone(&known.certificate));
        }
        let certificate = match self.make(name, now) {
            Ok(certificate) => Arc::new(certificate),
            Err(error) => {
                tracing::warn!(name, %error, "no certificate can be made for this name");
                return None;
            }
        };
        if made.len() >= KEPT {
            made.clear();
        }
        made.insert(name.to_owned(), Made { at: now, certificate: Arc::clone(&certificate) });
        Some(certificate)
    }

    fn make(&self, name: &str, now: Timestamp) -> Result<CertifiedKey, rcgen::Error> {
        let mut of_addresses = vec![IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()];
        of_addresses.extend(self.names.addresses());
        let mut params = match name {
            "" => CertificateParams::new(vec!["localhost".to_owned()])?,
            name => CertificateParams::new(vec![name.to_owned()])?,
        };
        if name.is_empty() {
            params.subject_alt_names.extend(of_addresses.into_iter().map(SanType::IpAddress));
        }
        // A name may be longer than the 64 characters of a common name; that of the certificate is no longer looked at.
        params.distinguished_name = distinguished("Lambent");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        last(&mut params, now, CERTIFICATE_DAYS);
        let certificate = params.signed_by(&self.key, &self.issuer)?;
        Ok(CertifiedKey::new(vec![certificate.der().clone()], Arc::clone(&self.signing)))
    }
}

impl ResolvesServerCert for Authority {
    /// `None`, for a name that is not the server's, ends the handshake.
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let Some(name) = hello.server_name() else { return self.certificate("") };
        let name = name.to_ascii_lowercase();
        self.names.has(&name).then(|| self.certificate(&name)).flatten()
    }
}

/// The authority's own certificate. Its subject is the same at each start, by which those that it signs know it.
fn root(names: &Names, now: Timestamp) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = distinguished("Lambent's certificate authority of this machine");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let mut permitted: Vec<_> = names.permitted().into_iter().map(GeneralSubtree::DnsName).collect();
    permitted.push(GeneralSubtree::IpAddress(CidrSubnet::from_v4_prefix([127, 0, 0, 0], 8)));
    permitted.push(GeneralSubtree::IpAddress(CidrSubnet::from_v6_prefix(Ipv6Addr::LOCALHOST.octets(), 128)));
    permitted.extend(names.addresses().map(|address| {
        GeneralSubtree::IpAddress(match address {
            IpAddr::V4(address) => CidrSubnet::from_v4_prefix(address.octets(), 32),
            IpAddr::V6(address) => CidrSubnet::from_v6_prefix(address.octets(), 128),
        })
    }));
    params.name_constraints =
        Some(NameConstraints { permitted_subtrees: permitted, excluded_subtrees: Vec::new() });
    last(&mut params, now, AUTHORITY_DAYS);
    params
}

fn distinguished(common_name: &str) -> rcgen::DistinguishedName {
    let mut name = rcgen::DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}

/// From yesterday on, for clients whose clock is behind.
fn last(params: &mut CertificateParams, now: Timestamp, days: u32) {
    let (year, month, day, ..) = now.civil();
    let year = i32::try_from(year).expect("the clock is within the next two billion years");
    let month = u8::try_from(month).expect("there are twelve");
    let today = rcgen::date_time_ymd(year, month, u8::try_from(day).expect("there are thirty-one"));
    params.not_before = today - DAY;
    params.not_after = today + DAY * days;
}

struct Known {
    key: Vec<u8>,
    pem: String,
    names: String,
}

/// What is kept; `None` where something is missing, as after a crash in the midst of making it.
fn read(dir: &Path) -> io::Result<Option<Known>> {
    let present = |read: io::Result<Vec<u8>>| match read {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    };
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let [key, pem, names] = ["ca.key", "ca.pem", "names"].map(|name| present(std::fs::read(dir.join(name))));
    let (key, pem, names) = (key?, pem?.map(text), names?.map(text));
    Ok(key.zip(pem).zip(names).map(|((key, pem), names)| Known { key, pem, names }))
}

fn write(dir: &Path, key: &[u8], pem: &str, names: &str) -> io::Result<()> {
    // Others may pass and read what is for them.
    std::fs::DirBuilder::new().recursive(true).mode(0o755).create(dir)?;
    // The names first away and last written: without them the rest counts for nothing.
    match std::fs::remove_file(dir.join("names")) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    for (name, mode, bytes) in
        [("ca.key", 0o600, key), ("ca.pem", 0o644, pem.as_bytes()), ("names", 0o644, names.as_bytes())]
    {
        let staged = dir.join(format!("{name}.new"));
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&staged)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(staged, dir.join(name))?;
    }
    Ok(())
}

/// RFC 7468.
fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).expect("base64 is ASCII")).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

#[cfg(test)]
mod tests;
