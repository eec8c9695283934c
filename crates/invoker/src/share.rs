//! Who may run how much at once (AWS Lambda Developer Guide, "Understanding Lambda function scaling", "Configuring
//! reserved concurrency").
//!
//! An account has so many concurrent executions in a region. What a function reserves is its own, and all it has; the
//! functions without a reservation share what is left.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lambent_model::InvokeError;

/// An account's executions in one region.
pub(crate) struct Account {
    /// How many there may be.
    limit: u32,
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    /// Running now, of functions without a reservation.
    unreserved: u32,
    /// The sum of the reservations.
    reserved: u32,
}

/// One function's part: all its versions count together.
pub(crate) struct Share {
    account: Arc<Account>,
    /// Never held without the account's lock, and taken after it.
    own: Mutex<Own>,
}

#[derive(Default)]
struct Own {
    running: u32,
    reserved: Option<u32>,
}

impl Account {
    pub(crate) fn new(limit: u32) -> Self {
        Self { limit, counts: Mutex::default() }
    }
}

impl Share {
    pub(crate) fn of(account: Arc<Account>) -> Self {
        Self { account, own: Mutex::default() }
    }

    fn lock(&self) -> (MutexGuard<'_, Counts>, MutexGuard<'_, Own>) {
        // Nothing panics between two statements that belong together.
        let counts = self.account.counts.lock().unwrap_or_else(PoisonError::into_inner);
        (counts, self.own.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Counts one more execution, or refuses.
    pub(crate) fn admit(&self) -> Result<(), InvokeError> {
        let (mut counts, mut own) = self.lock();
        match own.reserved {
            Some(reserved) if own.running >= reserved => {
                return Err(InvokeError::Throttled {
                    reason: "ReservedFunctionConcurrentInvocationLimitExceeded",
                });
            }
            Some(_) => {}
            None if counts.unreserved >= self.account.limit.saturating_sub(counts.reserved) => {
                return Err(InvokeError::Throttled { reason: "ConcurrentInvocationLimitExceeded" });
            }
            None => counts.unreserved += 1,
        }
        own.running += 1;
        Ok(())
    }

    /// Counts one execution off.
    pub(crate) fn release(&self) {
        let (mut counts, mut own) = self.lock();
        own.running -= 1;
        if own.reserved.is_none() {
            counts.unreserved -= 1;
        }
    }

    /// Sets or ends the function's reservation. What runs goes on, and counts where it would count now.
    pub(crate) fn reserve(&self, reserved: Option<u32>) {
        let (mut counts, mut own) = self.lock();
        match own.reserved {
            Some(before) => counts.reserved -= before,
            None => counts.unreserved -= own.running,
        }
        own.reserved = reserved;
        match reserved {
            Some(now) => counts.reserved += now,
            None => counts.unreserved += own.running,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(admitted: Result<(), InvokeError>) -> Option<&'static str> {
        match admitted {
            Ok(()) => None,
            Err(InvokeError::Throttled { reason }) => Some(reason),
            Err(other) => panic!("{other}"),
        }
    }

    const OWN: Option<&str> = Some("ReservedFunctionConcurrentInvocationLimitExceeded");
    const ALL: Option<&str> = Some("ConcurrentInvocationLimitExceeded");

    #[test]
    fn a_reservation_is_the_functions_own_and_all_it_has() {
        let account = Arc::new(Account::new(5));
        let (reserved, other) = (Share::of(Arc::clone(&account)), Share::of(Arc::clone(&account)));
        reserved.reserve(Some(2));
        for expected in [None, None, OWN] {
            assert_eq!(reason(reserved.admit()), expected);
        }
        for expected in [None, None, None, ALL] {
            assert_eq!(reason(other.admit()), expected);
        }
        reserved.release();
        assert_eq!(reason(other.admit()), ALL, "what is reserved is nobody else's");
        assert_eq!(reason(reserved.admit()), None);
    }

    #[test]
    fn what_runs_while_a_reservation_changes_is_counted_once() {
        let account = Arc::new(Account::new(3));
        let (changing, other) = (Share::of(Arc::clone(&account)), Share::of(Arc::clone(&account)));
        changing.admit().unwrap();
        changing.reserve(Some(0));
        assert_eq!(reason(changing.admit()), OWN, "0 switches the function off");
        for expected in [None, None, None, ALL] {
            assert_eq!(reason(other.admit()), expected);
        }
        other.release();
        changing.reserve(None);
        assert_eq!(reason(other.admit()), ALL, "what went on running counts again");
        changing.release();
        assert_eq!(reason(other.admit()), None);
        (0..3).for_each(|_| other.release());
        assert_eq!(reason(changing.admit()), None);
    }
}
