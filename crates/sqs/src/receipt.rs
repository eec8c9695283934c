//! Receipt handles: tokens that name one receive of one message, and that nobody can make up.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use lambent_model::Timestamp;
use lambent_store::mailbox::Receipt;
use sha2::Sha256;

/// What a handle says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Handle {
    /// The queue, for as long as it lives.
    pub(crate) queue: u64,
    /// The mailbox that the queue had then.
    pub(crate) mailbox: u64,
    pub(crate) receipt: Receipt,
    /// When the message was received.
    pub(crate) received: Timestamp,
}

/// What the numbers occupy, and how much of the authentication code follows: 128 bits.
const NUMBERS: usize = 40;
const CODE: usize = 16;

/// Writes and reads handles.
pub(crate) struct Handles {
    mac: Hmac<Sha256>,
}

impl Handles {
    /// Under the server's secret.
    pub(crate) fn new(secret: &[u8; 32]) -> Self {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("keys of any length are taken");
        // So that nothing else that is authenticated under the same secret passes for a handle.
        mac.update(b"lambent sqs receipt\0");
        Self { mac }
    }

    pub(crate) fn write(&self, handle: &Handle) -> String {
        let mut bytes = [0; NUMBERS + CODE];
        let numbers = [handle.queue, handle.mailbox, handle.receipt.number, handle.receipt.receives];
        for (place, number) in bytes.chunks_exact_mut(8).zip(numbers) {
            place.copy_from_slice(&number.to_be_bytes());
        }
        bytes[32..NUMBERS].copy_from_slice(&handle.received.micros().to_be_bytes());
        let code = self.code(&bytes[..NUMBERS]);
        bytes[NUMBERS..].copy_from_slice(&code);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// `None` for what this server has not made.
    pub(crate) fn read(&self, text: &str) -> Option<Handle> {
        let bytes: [u8; NUMBERS + CODE] = URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?;
        let (numbers, code) = bytes.split_at(NUMBERS);
        let mut mac = self.mac.clone();
        mac.update(numbers);
        mac.verify_truncated_left(code).ok()?;
        let number = |at: usize| {
            let bytes = numbers[at..at + 8].try_into().expect("eight bytes are eight bytes");
            u64::from_be_bytes(bytes)
        };
        Some(Handle {
            queue: number(0),
            mailbox: number(8),
            receipt: Receipt { number: number(16), receives: number(24) },
            received: Timestamp::from_micros(number(32).cast_signed()),
        })
    }

    fn code(&self, numbers: &[u8]) -> [u8; CODE] {
        let mut mac = self.mac.clone();
        mac.update(numbers);
        let mut code = [0; CODE];
        code.copy_from_slice(&mac.finalize().into_bytes()[..CODE]);
        code
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handles_are_read_back_and_cannot_be_made_up() {
        let handles = Handles::new(&[7; 32]);
        let handle = Handle {
            queue: 1 << 40,
            mailbox: 2,
            receipt: Receipt { number: 3, receives: 4 },
            received: Timestamp::from_millis(-5),
        };
        let text = handles.write(&handle);
        assert_eq!(handles.read(&text), Some(handle));
        assert_eq!(Handles::new(&[8; 32]).read(&text), None);
        for (index, character) in text.char_indices() {
            let other = if character == 'A' { "B" } else { "A" };
            let mut changed = text.clone();
            changed.replace_range(index..=index, other);
            assert_eq!(handles.read(&changed), None, "{changed}");
        }
        assert!(handles.read("").is_none() && handles.read(&text[1..]).is_none());
    }
}
