//! `Code.Location`: a link to the package that works for ten minutes and for nothing else.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use lambent_lambda::Code;
use lambent_model::{AccountId, Sha256, Timestamp};

/// "The presigned URL … valid for 10 minutes" (API Reference, `FunctionCodeLocation`).
const LIFETIME_S: i64 = 600;
/// Where the gateway serves packages.
const PATH: &str = "/_lambent/code/";

/// Signs and checks links with a secret that never leaves the server.
#[derive(Clone)]
pub struct LocationSigner {
    secret: [u8; 32],
}

impl LocationSigner {
    /// A signer with the server's secret.
    #[must_use]
    pub fn new(secret: [u8; 32]) -> Self {
        Self { secret }
    }

    fn mac(&self, account: &str, digest: &str, expires: &str) -> Hmac<sha2::Sha256> {
        let mut mac = Hmac::new_from_slice(&self.secret).expect("HMAC takes keys of any length");
        mac.update(format!("code\n{account}\n{digest}\n{expires}").as_bytes());
        mac
    }

    /// A link to the package `digest` of `account`.
    #[must_use]
    pub fn url(&self, base_url: &str, account: &AccountId, digest: &Sha256, now: Timestamp) -> String {
        let expires = (now.seconds() + LIFETIME_S).to_string();
        let signature = self.mac(account.as_str(), &digest.to_string(), &expires).finalize().into_bytes();
        let signature = URL_SAFE_NO_PAD.encode(signature);
        format!("{base_url}{PATH}{digest}.zip?account={account}&expires={expires}&signature={signature}")
    }

    /// Where code is: a link to its package, or the folder that it is.
    #[must_use]
    pub fn of(&self, base_url: &str, account: &AccountId, code: &Code, now: Timestamp) -> String {
        match &code.folder {
            Some(folder) => format!("file://{folder}"),
            None => self.url(base_url, account, &code.sha256, now),
        }
    }

    /// The package that a link of ours names; `None` for a link that is not ours or has expired.
    #[must_use]
    pub fn check(&self, path: &str, query: &str, now: Timestamp) -> Option<Sha256> {
        let digest = path.strip_prefix(PATH)?.strip_suffix(".zip")?;
        let part = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        let (account, expires) = (part("account")?, part("expires")?);
        let signature = URL_SAFE_NO_PAD.decode(part("signature")?).ok()?;
        self.mac(account, digest, expires).verify_slice(&signature).ok()?;
        (now.seconds() <= expires.parse().ok()?).then(|| digest.parse().ok())?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_works_until_it_expires_and_unchanged_only() {
        let signer = LocationSigner::new([7; 32]);
        let (digest, now) = (Sha256([1; 32]), Timestamp::from_millis(1_000_000));
        let url = signer.url("http://h", &AccountId::default_account(), &digest, now);
        let (path, query) = url.strip_prefix("http://h").unwrap().split_once('?').unwrap();
        assert_eq!(signer.check(path, query, now), Some(digest));
        let later = Timestamp::from_millis(now.millis() + 601_000);
        assert_eq!(signer.check(path, query, later), None);
        assert_eq!(signer.check(&path.replace("01", "02"), query, now), None);
        assert_eq!(signer.check(path, &query.replace("expires=1600", "expires=9600"), later), None);
        assert_eq!(LocationSigner::new([8; 32]).check(path, query, now), None);
    }
}
