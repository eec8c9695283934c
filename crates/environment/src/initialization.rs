//! Why an environment is initialised, which decides how long that may take, who pays and what the log says.

use std::time::Duration;

/// "The Init phase is limited to 10 seconds."
const ON_DEMAND: Duration = Duration::from_secs(10);
/// "… initialization code can run for up to 15 minutes. The time limit is 130 seconds or the configured function timeout
/// (maximum 900 seconds), whichever is higher."
const AHEAD: Duration = Duration::from_secs(130);

/// `AWS_LAMBDA_INITIALIZATION_TYPE` (Developer Guide, "Understanding the Lambda execution environment lifecycle" and
/// "Using Lambda environment variables").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Initialization {
    /// For an invocation that waits for it.
    OnDemand,
    /// Ahead of invocations, by provisioned concurrency.
    ProvisionedConcurrency,
    /// Ahead of invocations, of a version with SnapStart of which there is no snapshot: to the function that is as if
    /// an invocation had waited for it.
    Stock,
}

impl Initialization {
    /// AWS's word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OnDemand | Self::Stock => "on-demand",
            Self::ProvisionedConcurrency => "provisioned-concurrency",
        }
    }

    /// Whether nobody waits for it.
    pub(crate) fn is_ahead(self) -> bool {
        self != Self::OnDemand
    }

    /// How long it may take, for a function with this timeout.
    pub(crate) fn limit(self, timeout: Duration) -> Duration {
        if self.is_ahead() { AHEAD.max(timeout) } else { ON_DEMAND }
    }
}
