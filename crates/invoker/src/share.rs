//! Who may run how much at once, and how fast that may grow (AWS Lambda Developer Guide, "Understanding Lambda function
//! scaling", "Configuring reserved concurrency", "Lambda scaling behavior"; "Lambda quotas").
//!
//! An account has so many concurrent executions in a region. What a function reserves is its own, and all it has; the
//! functions without a reservation share what is left. Both kinds of concurrency carry ten requests a second each: "the
//! total invocation limit is 10 times your concurrency limit".

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use lambent_model::{FunctionMetrics, InvokeError, Level, Levels};

use crate::rate::Bucket;

/// Requests a second for each concurrent execution.
const REQUESTS: u32 = 10;
/// "Your concurrency scaling rate is 1,000 execution environment instances every 10 seconds", for each function,
/// refilled continuously.
const STARTS: (u32, Duration) = (1_000, Duration::from_secs(10));

/// An account's executions in one region.
pub(crate) struct Account {
    /// How many there may be.
    limit: u32,
    counts: Mutex<Counts>,
    metrics: Arc<dyn Levels>,
}

/// Which concurrency an execution has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Concurrency {
    /// What is left.
    OnDemand,
    /// That of an environment which is kept initialised. It is set aside, used or not, so there is nothing to count it
    /// against ("provisioned concurrency counts towards a function's reserved concurrency and Regional quotas").
    Provisioned,
}

#[derive(Default)]
struct Counts {
    /// Running now on demand, of functions without a reservation.
    unreserved: u32,
    /// Running now, of all functions.
    running: u32,
    /// The sum of what is set aside for functions: reservations, and provisioned concurrency without one.
    reserved: u32,
    /// The requests of all functions together.
    requests: Option<Bucket>,
}

/// One function's part: all its versions count together.
pub(crate) struct Share {
    account: Arc<Account>,
    /// Never held without the account's lock, and taken after it.
    own: Mutex<Own>,
    /// The function's series.
    pub(crate) metrics: Arc<dyn FunctionMetrics>,
}

#[derive(Default)]
struct Own {
    running: u32,
    /// Of these, those on provisioned concurrency.
    on_provisioned: u32,
    reserved: Option<u32>,
    provisioned: u32,
    /// The function's requests, where it has a reservation.
    requests: Option<Bucket>,
    /// New environments.
    starts: Option<Bucket>,
}

impl Own {
    fn on_demand(&self) -> u32 {
        self.running - self.on_provisioned
    }

    fn set_aside(&self) -> u32 {
        self.reserved.unwrap_or(self.provisioned)
    }
}

impl Account {
    pub(crate) fn new(limit: u32, metrics: Arc<dyn Levels>) -> Self {
        Self { limit, counts: Mutex::default(), metrics }
    }

    fn show(&self, counts: &Counts) {
        self.metrics.set(Level::ConcurrentExecutions, counts.running.into());
        self.metrics.set(Level::UnreservedConcurrentExecutions, counts.unreserved.into());
    }
}

impl Share {
    pub(crate) fn of(account: Arc<Account>, metrics: Arc<dyn FunctionMetrics>) -> Self {
        Self { account, own: Mutex::default(), metrics }
    }

    /// Under the locks, so that what is shown last is what is.
    fn show(&self, counts: &Counts, own: &Own) {
        self.account.show(counts);
        self.metrics.set(Level::ConcurrentExecutions, own.running.into());
    }

    fn lock(&self) -> (MutexGuard<'_, Counts>, MutexGuard<'_, Own>) {
        // Nothing panics between two statements that belong together.
        let counts = self.account.counts.lock().unwrap_or_else(PoisonError::into_inner);
        (counts, self.own.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Counts one more execution, or refuses.
    pub(crate) fn admit(&self, concurrency: Concurrency, now: Instant) -> Result<(), InvokeError> {
        let (mut guard, mut own) = self.lock();
        let (counts, own) = (&mut *guard, &mut *own);
        match own.reserved {
            _ if concurrency == Concurrency::Provisioned => {}
            Some(reserved) if own.on_demand() >= reserved.saturating_sub(own.provisioned) => {
                return Err(InvokeError::Throttled {
                    reason: "ReservedFunctionConcurrentInvocationLimitExceeded",
                });
            }
            Some(_) => {}
            None if counts.unreserved >= self.account.limit.saturating_sub(counts.reserved) => {
                return Err(InvokeError::Throttled { reason: "ConcurrentInvocationLimitExceeded" });
            }
            None => {}
        }
        let limit = self.account.limit;
        let all = counts.requests.get_or_insert_with(|| per_second(limit, now));
        let reserved =
            own.reserved.map(|reserved| own.requests.get_or_insert_with(|| per_second(reserved, now)));
        if !all.has(now) {
            return Err(InvokeError::Throttled { reason: "FunctionInvocationRateLimitExceeded" });
        }
        match reserved {
            Some(reserved) => {
                if !reserved.has(now) {
                    return Err(InvokeError::Throttled {
                        reason: "ReservedFunctionInvocationRateLimitExceeded",
                    });
                }
                reserved.take();
            }
            None => counts.unreserved += u32::from(concurrency == Concurrency::OnDemand),
        }
        all.take();
        own.running += 1;
        own.on_provisioned += u32::from(concurrency == Concurrency::Provisioned);
        counts.running += 1;
        self.show(counts, own);
        Ok(())
    }

    /// Counts one more environment for an admitted execution, or refuses it: the function grows too fast.
    pub(crate) fn scale(&self, now: Instant) -> Result<(), InvokeError> {
        let (_account, mut own) = self.lock();
        let (size, period) = STARTS;
        let starts = own.starts.get_or_insert_with(|| Bucket::new(size, period, now));
        if !starts.has(now) {
            return Err(InvokeError::Throttled { reason: "FunctionInvocationRateLimitExceeded" });
        }
        starts.take();
        Ok(())
    }

    /// What runs of the function.
    #[cfg(test)]
    pub(crate) fn running(&self) -> u32 {
        self.lock().1.running
    }

    /// Counts one execution off.
    pub(crate) fn release(&self, concurrency: Concurrency) {
        let (mut counts, mut own) = self.lock();
        own.running -= 1;
        counts.running -= 1;
        match concurrency {
            Concurrency::Provisioned => own.on_provisioned -= 1,
            Concurrency::OnDemand if own.reserved.is_none() => counts.unreserved -= 1,
            Concurrency::OnDemand => {}
        }
        self.show(&counts, &own);
    }

    /// Sets or ends the function's reservation, and how much of its concurrency is provisioned. What runs goes on, and
    /// counts where it would count now.
    pub(crate) fn reserve(&self, reserved: Option<u32>, provisioned: u32) {
        let (mut counts, mut own) = self.lock();
        counts.reserved -= own.set_aside();
        if own.reserved.is_none() {
            counts.unreserved -= own.on_demand();
        }
        if own.reserved != reserved {
            own.requests = None;
        }
        (own.reserved, own.provisioned) = (reserved, provisioned);
        counts.reserved += own.set_aside();
        if own.reserved.is_none() {
            counts.unreserved += own.on_demand();
        }
        self.show(&counts, &own);
    }
}

fn per_second(concurrency: u32, now: Instant) -> Bucket {
    Bucket::new(concurrency.saturating_mul(REQUESTS), Duration::from_secs(1), now)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use lambent_model::{Qualifier, Series};

    use super::*;

    /// What a gauge shows.
    #[derive(Default)]
    struct Shown(AtomicU64);

    impl Levels for Shown {
        fn set(&self, level: Level, value: u64) {
            if level == Level::ConcurrentExecutions {
                self.0.store(value, Ordering::Relaxed);
            }
        }
    }

    impl FunctionMetrics for Shown {
        fn resource(&self, _: Option<&Qualifier>, _: &str) -> Arc<dyn Series> {
            unreachable!("shares count nothing")
        }
    }

    /// An account whose levels nobody looks at.
    pub(crate) fn account(limit: u32) -> Arc<Account> {
        Arc::new(Account::new(limit, Arc::<Shown>::default()))
    }

    /// A function's share of it, as little looked at.
    pub(crate) fn share(account: &Arc<Account>) -> Share {
        Share::of(Arc::clone(account), Arc::<Shown>::default())
    }

    #[test]
    fn what_runs_is_shown_for_the_function_and_its_account() {
        let (of_all, of_one) = (Arc::<Shown>::default(), Arc::<Shown>::default());
        let account = Arc::new(Account::new(5, Arc::clone(&of_all) as Arc<dyn Levels>));
        let one = Share::of(Arc::clone(&account), Arc::clone(&of_one) as Arc<dyn FunctionMetrics>);
        let reserved = share(&account);
        reserved.reserve(Some(1), 0);
        for share in [&one, &one, &reserved] {
            share.admit(Concurrency::OnDemand, Instant::now()).unwrap();
        }
        one.release(Concurrency::OnDemand);
        let shown = |shown: &Shown| shown.0.load(Ordering::Relaxed);
        assert_eq!((shown(&of_one), shown(&of_all)), (1, 2));
    }

    #[test]
    fn requests_are_ten_a_second_for_each_execution_and_starts_a_hundred() {
        let (account, start) = (account(100), Instant::now());
        let (reserved, other) = (share(&account), share(&account));
        reserved.reserve(Some(2), 0);
        let run = |share: &Share, at| {
            let admitted = reason(share.admit(Concurrency::OnDemand, at));
            if admitted.is_none() {
                share.release(Concurrency::OnDemand);
            }
            admitted
        };
        assert!((0..20).all(|_| run(&reserved, start).is_none()));
        assert_eq!(run(&reserved, start), Some("ReservedFunctionInvocationRateLimitExceeded"));
        assert!((0..980).all(|_| run(&other, start).is_none()), "all requests of the account count together");
        assert_eq!(run(&other, start), Some("FunctionInvocationRateLimitExceeded"));
        let later = start + Duration::from_millis(100);
        assert!((0..100).all(|_| run(&other, later).is_none()));
        assert_eq!(run(&other, later), Some("FunctionInvocationRateLimitExceeded"));
        assert!((0..1000).all(|_| other.scale(start).is_ok()));
        assert_eq!(reason(other.scale(start)), Some("FunctionInvocationRateLimitExceeded"));
        assert!(reserved.scale(start).is_ok(), "each function scales by itself");
        assert!((0..10).all(|_| other.scale(later).is_ok()));
        assert!(other.scale(later).is_err());
    }

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
        let (account, now) = (account(5), Instant::now());
        let (reserved, other) = (share(&account), share(&account));
        reserved.reserve(Some(2), 0);
        for expected in [None, None, OWN] {
            assert_eq!(reason(reserved.admit(Concurrency::OnDemand, now)), expected);
        }
        for expected in [None, None, None, ALL] {
            assert_eq!(reason(other.admit(Concurrency::OnDemand, now)), expected);
        }
        reserved.release(Concurrency::OnDemand);
        assert_eq!(reason(other.admit(Concurrency::OnDemand, now)), ALL, "what is reserved is nobody else's");
        assert_eq!(reason(reserved.admit(Concurrency::OnDemand, now)), None);
    }

    #[test]
    fn what_runs_while_a_reservation_changes_is_counted_once() {
        let (account, now) = (account(3), Instant::now());
        let (changing, other) = (share(&account), share(&account));
        changing.admit(Concurrency::OnDemand, now).unwrap();
        changing.reserve(Some(0), 0);
        assert_eq!(reason(changing.admit(Concurrency::OnDemand, now)), OWN, "0 switches the function off");
        for expected in [None, None, None, ALL] {
            assert_eq!(reason(other.admit(Concurrency::OnDemand, now)), expected);
        }
        other.release(Concurrency::OnDemand);
        changing.reserve(None, 0);
        assert_eq!(reason(other.admit(Concurrency::OnDemand, now)), ALL, "what went on running counts again");
        changing.release(Concurrency::OnDemand);
        assert_eq!(reason(other.admit(Concurrency::OnDemand, now)), None);
        (0..3).for_each(|_| other.release(Concurrency::OnDemand));
        assert_eq!(reason(changing.admit(Concurrency::OnDemand, now)), None);
    }

    #[test]
    fn provisioned_concurrency_is_set_aside_used_or_not() {
        use Concurrency::{OnDemand, Provisioned};
        let (account, now) = (account(5), Instant::now());
        let (provisioned, other) = (share(&account), share(&account));
        provisioned.reserve(None, 2);
        let admit = |share: &Share, concurrency| reason(share.admit(concurrency, now));
        for expected in [None, None, None, ALL] {
            assert_eq!(admit(&other, OnDemand), expected);
        }
        assert_eq!(admit(&provisioned, OnDemand), ALL, "it has no more than the others beyond it");
        assert_eq!(admit(&provisioned, Provisioned), None);
        assert_eq!(admit(&provisioned, Provisioned), None);
        other.release(OnDemand);
        assert_eq!(admit(&provisioned, OnDemand), None, "spill-over");
        provisioned.reserve(Some(3), 2);
        assert_eq!(admit(&provisioned, OnDemand), OWN, "the reservation holds both");
        assert_eq!(admit(&other, OnDemand), ALL);
        provisioned.release(Provisioned);
        assert_eq!(
            admit(&provisioned, OnDemand),
            OWN,
            "what is provisioned is not for others of the function"
        );
        provisioned.release(OnDemand);
        provisioned.release(Provisioned);
        provisioned.reserve(None, 0);
        for expected in [None, None, None, ALL] {
            assert_eq!(admit(&provisioned, OnDemand), expected);
        }
    }
}
