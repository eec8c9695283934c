//! Why an environment is initialised, which decides how long that may take, who pays and what the log says.

use std::time::Duration;

/// "The Init phase is limited to 10 seconds."
pub(crate) const ON_DEMAND: Duration = Duration::from_secs(10);
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
    /// For an invocation that waits for it, of a version with SnapStart: from its snapshot, or anew where there is none.
    SnapStart,
    /// Ahead of invocations, of a version with SnapStart of which there is no snapshot.
    Stock,
    /// Of a version with SnapStart, for its snapshot: see [`crate::take_snapshot`].
    Snapshot,
}

impl Initialization {
    /// AWS's word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OnDemand => "on-demand",
            Self::ProvisionedConcurrency => "provisioned-concurrency",
            Self::SnapStart | Self::Stock | Self::Snapshot => "snap-start",
        }
    }

    /// Whether it is one of a version with SnapStart.
    pub(crate) fn is_snap_start(self) -> bool {
        matches!(self, Self::SnapStart | Self::Stock | Self::Snapshot)
    }

    /// Whether nobody waits for it.
    pub(crate) fn is_ahead(self) -> bool {
        !matches!(self, Self::OnDemand | Self::SnapStart)
    }

    /// How long it may take, for a function with this timeout. A restore with its hooks has as long as an initialisation on
    /// demand ("Lambda SnapStart runtime hooks": 10 seconds).
    pub(crate) fn limit(self, timeout: Duration) -> Duration {
        if self.is_ahead() { AHEAD.max(timeout) } else { ON_DEMAND }
    }
}
