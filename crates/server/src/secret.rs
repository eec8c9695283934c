//! The server's own secret, made once and kept in the data folder.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use lambent_model::Entropy;

/// Reads the secret, or makes one that nobody but this user can read.
pub(crate) fn load_or_create(dir: &Path, entropy: &dyn Entropy) -> io::Result<[u8; 32]> {
    let path = dir.join("secret");
    let mut secret = [0; 32];
    match File::open(&path) {
        Ok(mut file) => {
            file.read_exact(&mut secret)?;
            return Ok(secret);
        }
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Err(_) => {}
    }
    entropy.fill(&mut secret);
    // Written aside and renamed: a crash leaves no short secret behind.
    let staged = dir.join("secret.new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&staged)?;
    file.write_all(&secret)?;
    file.sync_all()?;
    std::fs::rename(staged, path)?;
    Ok(secret)
}
