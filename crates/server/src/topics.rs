//! SNS on this server: where its key is kept, and the task that removes what is over.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;

use lambent_fabric::Dispatcher;
use lambent_model::{AwsCall, Clock, Entropy};
use lambent_services::sns::{Expirer, LoadSigner, Parts, Signer, SignerError, Sns};
use lambent_store::Store;

/// The file of the key, PKCS #8 in DER.
const KEY: &str = "sns-key";

/// More than a key takes.
const KEY_BYTES: u64 = 16 * 1024;

/// The service.
pub(crate) fn service(
    store: &Store,
    clock: &Arc<dyn Clock>,
    entropy: &Arc<dyn Entropy>,
    calls: &Arc<dyn AwsCall>,
    dir: &Path,
    address: SocketAddr,
) -> Sns {
    Sns::new(Parts {
        store: store.clone(),
        clock: Arc::clone(clock),
        entropy: Arc::clone(entropy),
        calls: Arc::clone(calls),
        signer: signer(dir, entropy),
        base_url: format!("http://{address}"),
    })
}

/// What removes what is over.
pub(crate) fn expiry(store: &Store, clock: &Arc<dyn Clock>, sns: &Sns) -> Dispatcher {
    Dispatcher::new(store.clone(), Arc::clone(clock), Arc::new(Expirer(sns.clone())))
}

fn signer(dir: &Path, entropy: &Arc<dyn Entropy>) -> LoadSigner {
    let (dir, entropy) = (dir.to_owned(), Arc::clone(entropy));
    Box::new(move || load_or_create(&dir, &*entropy))
}

/// Reads the key, or makes one that nobody but this user can read.
fn load_or_create(dir: &Path, entropy: &dyn Entropy) -> Result<Signer, SignerError> {
    let path = dir.join(KEY);
    match File::open(&path) {
        Ok(file) => {
            let mut kept = Vec::new();
            file.take(KEY_BYTES).read_to_end(&mut kept)?;
            return Signer::read(&kept, entropy);
        }
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        Err(_) => {}
    }
    let (signer, kept) = Signer::generate(entropy)?;
    // Written aside and renamed: a crash leaves no half of a key behind.
    let staged = dir.join(format!("{KEY}.new"));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&staged)?;
    file.write_all(&kept)?;
    file.sync_all()?;
    std::fs::rename(staged, path)?;
    Ok(signer)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::world::SystemEntropy;

    #[test]
    fn the_key_is_made_once_and_is_its_users_alone() {
        let dir = tempfile::tempdir().unwrap();
        let first = load_or_create(dir.path(), &SystemEntropy).unwrap();
        let again = load_or_create(dir.path(), &SystemEntropy).unwrap();
        assert_eq!(first.certificate(), again.certificate());
        let mode = std::fs::metadata(dir.path().join(KEY)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        std::fs::write(dir.path().join(KEY), "x").unwrap();
        assert!(matches!(load_or_create(dir.path(), &SystemEntropy), Err(SignerError::Read(_))));
    }
}
