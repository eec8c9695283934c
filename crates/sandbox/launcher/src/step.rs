//! Naming the step at which something failed.

use std::io;

use lambent_sandbox_protocol::Failure;

/// Turns an error of the operating system into a [`Failure`] that says what was being done.
pub(crate) trait Step<T> {
    /// Names the step, as in "mount /proc".
    fn step(self, name: &str) -> Result<T, Failure>;
}

impl<T, E: Into<io::Error>> Step<T> for Result<T, E> {
    fn step(self, name: &str) -> Result<T, Failure> {
        self.map_err(|error| {
            let error = error.into();
            match error.raw_os_error() {
                Some(errno) => Failure::Step { step: name.to_owned(), errno },
                None => refused(format!("{name}: {error}")),
            }
        })
    }
}

/// A request that cannot be met.
pub(crate) fn refused(reason: impl Into<String>) -> Failure {
    Failure::Refused { reason: reason.into() }
}
