//! Where an admitted invocation runs: in a free environment, in a new one, or nowhere.

use lambent_model::InvokeError;
use std::time::Instant;

use crate::pool::{Member, Pool};
use crate::room::{Estimate, Idle, Room};
use crate::share::Share;

/// What is free in other pools, and how to end it.
pub(crate) trait Others {
    /// All that is free, in any pool.
    fn idle(&self) -> Vec<Idle>;
    /// Has one end; false when it is not free any more.
    fn end(&self, idle: &Idle) -> bool;
}

/// Where to.
pub(crate) enum Place<M> {
    /// This one is free.
    Free(M),
    /// A new one, for which so much room is to be kept.
    New(u64),
}

/// Decides for an execution, of a tenant or of none, that the share has admitted. `available` is what the host can give, `None` where that is not
/// known.
///
/// # Errors
/// [`InvokeError::Throttled`] when the function grows too fast, or the machine's memory is full.
pub(crate) fn place<M: Member>(
    (pool, tenant): (&Pool<M>, Option<&str>),
    share: &Share,
    estimate: &Estimate,
    room: &mut Room,
    available: Option<u64>,
    others: &impl Others,
    now: Instant,
) -> Result<Place<M>, Refused> {
    if let Some(member) = pool.take(tenant) {
        return Ok(Place::Free(member));
    }
    let scale = || share.scale(now).map_err(Refused::TooFast);
    make_room(estimate, room, available, others, scale).map(Place::New)
}

/// Makes room for one more environment, if need be by ending what others have free, once `allowed` has nothing against
/// it. How much is to be kept for it.
///
/// # Errors
/// That of `allowed`, or that the machine's memory is full.
pub(crate) fn make_room(
    estimate: &Estimate,
    room: &mut Room,
    available: Option<u64>,
    others: &impl Others,
    allowed: impl FnOnce() -> Result<(), Refused>,
) -> Result<u64, Refused> {
    let need = estimate.bytes();
    let Some(available) = available else { return allowed().map(|()| need) };
    let ending = room.find(need, available, || others.idle()).ok_or(Refused::Full { available, need })?;
    allowed()?;
    for idle in ending {
        // Taken by an invocation meanwhile: it stays, and so much less comes back. The reserve stands for that.
        if others.end(&idle) {
            room.returning(&idle);
        }
    }
    Ok(need)
}

/// No environment of others is to end.
pub(crate) struct Nobody;

impl Others for Nobody {
    fn idle(&self) -> Vec<Idle> {
        Vec::new()
    }

    fn end(&self, _: &Idle) -> bool {
        false
    }
}

/// Why there is no place.
#[derive(Debug)]
pub(crate) enum Refused {
    /// The function's own limit.
    TooFast(InvokeError),
    /// The machine's memory, in bytes.
    Full { available: u64, need: u64 },
}

impl Refused {
    /// What the caller is told. AWS has no word for a machine that is full; this one is true: the concurrency that can be
    /// had is reached.
    pub(crate) fn error(self) -> InvokeError {
        match self {
            Self::TooFast(error) => error,
            Self::Full { .. } => InvokeError::Throttled { reason: "ConcurrentInvocationLimitExceeded" },
        }
    }
}
