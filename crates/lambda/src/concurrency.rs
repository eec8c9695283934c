//! Reserved concurrency (AWS Lambda Developer Guide, "Configuring reserved concurrency for a function").

use crate::{Refusal, limits};

/// Checks a reservation of `wanted` beside those of the account's `other` functions.
///
/// # Errors
/// When less than the minimum would be left to the functions without one.
pub fn check_reservation(wanted: u32, other: impl Iterator<Item = u32>) -> Result<(), Refusal> {
    let reserved = other.fold(wanted, u32::saturating_add);
    if reserved > limits::CONCURRENT_EXECUTIONS - limits::UNRESERVED_MINIMUM {
        return Err(Refusal::InvalidParameter(format!(
            "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution \
             below its minimum value of [{}].",
            limits::UNRESERVED_MINIMUM
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_stay_unreserved() {
        assert_eq!(check_reservation(900, std::iter::empty()), Ok(()));
        assert_eq!(check_reservation(400, [300, 200].into_iter()), Ok(()));
        assert!(check_reservation(401, [300, 200].into_iter()).is_err());
        assert!(check_reservation(u32::MAX, [900].into_iter()).is_err());
    }
}
