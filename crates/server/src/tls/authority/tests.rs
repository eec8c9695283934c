use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::{AtomicI64, Ordering};

use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::ServerCertVerifier as _;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};

use super::*;

struct Stopped(AtomicI64);

impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::Relaxed))
    }
}

const NOW: i64 = 1_767_225_600_000;

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn authority(dir: &Path, hosts: &[String], clock: &Arc<Stopped>) -> Authority {
    let names = Names::new(hosts, &["fn.example".into()], Ipv4Addr::LOCALHOST.into());
    Authority::load_or_create(dir, names, Arc::clone(clock) as _).unwrap()
}

/// Whether a client that trusts `pem` takes this certificate for `name`.
fn is_trusted(pem: &str, certified: &CertifiedKey, name: &str, at: i64) -> bool {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()).unwrap();
    let verifier =
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::new(ring::default_provider()))
            .build()
            .unwrap();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let now = UnixTime::since_unix_epoch(Duration::from_millis(at.cast_unsigned()));
    verifier.verify_server_cert(&certified.cert[0], &certified.cert[1..], &name, &[], now).is_ok()
}

#[test]
fn clients_that_trust_the_authority_trust_each_of_its_names_and_no_other() {
    let (dir, clock) = (folder(), Arc::new(Stopped(NOW.into())));
    let authority = authority(dir.path(), &[], &clock);
    let pem = authority.pem();
    for name in ["localhost", "id.lambda-url.us-east-1.localhost", "id.lambda-url.us-east-1.fn.example"] {
        let made = authority.certificate(name).unwrap();
        assert!(is_trusted(&pem, &made, name, NOW), "{name}");
        assert!(!is_trusted(&pem, &made, "other.localhost", NOW), "{name}");
    }
    let unnamed = authority.certificate("").unwrap();
    for name in ["127.0.0.1", "::1", "localhost"] {
        assert!(is_trusted(&pem, &unnamed, name, NOW), "{name}");
    }
    // Somebody who has stolen the key can still pretend to be nobody else.
    let stolen = authority.certificate("bank.example").unwrap();
    assert!(!is_trusted(&pem, &stolen, "bank.example", NOW), "the authority is confined to its names");
}

#[test]
fn the_authority_is_kept_and_others_names_need_another() {
    let (dir, clock) = (folder(), Arc::new(Stopped(NOW.into())));
    let first = authority(dir.path(), &[], &clock);
    let again = authority(dir.path(), &[], &clock);
    assert_eq!(first.pem(), again.pem());
    let made = again.certificate("localhost").unwrap();
    assert!(
        is_trusted(&first.pem(), &made, "localhost", NOW),
        "who trusted it at the first start still does"
    );
    let mode =
        |name: &str| std::fs::metadata(dir.path().join("tls").join(name)).unwrap().permissions().mode();
    assert_eq!((mode("ca.key") & 0o777, mode("ca.pem") & 0o777), (0o600, 0o644));
    // A crash before the last file leaves no authority.
    std::fs::remove_file(dir.path().join("tls/names")).unwrap();
    assert_ne!(authority(dir.path(), &[], &clock).pem(), first.pem());
    let kept = authority(dir.path(), &[], &clock).pem();
    assert_ne!(authority(dir.path(), &["lambda.test".into()], &clock).pem(), kept);
}

#[test]
fn certificates_are_renewed_before_they_end() {
    let (dir, clock) = (folder(), Arc::new(Stopped(NOW.into())));
    let authority = authority(dir.path(), &[], &clock);
    let first = authority.certificate("localhost").unwrap();
    assert!(Arc::ptr_eq(&first, &authority.certificate("localhost").unwrap()));
    let later = NOW + i64::try_from(RENEWED_AFTER.as_millis()).unwrap();
    clock.0.store(later, Ordering::Relaxed);
    let next = authority.certificate("localhost").unwrap();
    assert!(is_trusted(&authority.pem(), &first, "localhost", later), "not yet over");
    assert!(is_trusted(&authority.pem(), &next, "localhost", later));
    assert!(!Arc::ptr_eq(&first, &next));
}
