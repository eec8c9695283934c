//! What of an invocation is counted: decided here and nowhere else (Lambda Developer Guide, "Types of metrics for
//! Lambda functions"). And its span, for those who trace.

use std::time::Duration;

use lambent_model::{Completed, Count, Invocation, InvokeError, Measure, Outcome, Series, Target};
use tracing::Span;
use tracing::field::Empty;

/// On which concurrency an invocation ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ran {
    OnDemand,
    Provisioned,
    /// On demand, because all that is provisioned for what was invoked was in use.
    SpilledOver,
}

/// Counts an invocation that came to an end. `waited` is the time from the request to the answer when the invocation
/// had an environment made for it.
pub(crate) fn ended(series: &dyn Series, completed: &Completed, ran: Ran, waited: Option<Duration>) {
    match &completed.outcome {
        // "Invocations aren't recorded if the invocation request … results in an invocation error."
        Outcome::Platform(_) | Outcome::NotRestored(_) => return series.count(Count::Faults, 1),
        Outcome::Failed(_) => series.count(Count::Errors, 1),
        Outcome::Success(_) => {}
    }
    series.count(Count::Invocations, 1);
    match ran {
        Ran::OnDemand => {}
        Ran::Provisioned => series.count(Count::ProvisionedConcurrencyInvocations, 1),
        Ran::SpilledOver => series.count(Count::ProvisionedConcurrencySpilloverInvocations, 1),
    }
    let Some(report) = completed.report else { return };
    series.measure(Measure::Duration, report.duration);
    if let Some(init) = report.init {
        series.measure(Measure::InitDuration, init);
    }
    if let Some(waited) = waited {
        series.measure(Measure::ColdStart, waited.saturating_sub(report.duration));
    }
}

/// Counts an invocation that did not reach the function. What was refused for the function's state, or because the
/// server is going down, is neither an invocation nor a throttle.
pub(crate) fn refused(series: &dyn Series, error: &InvokeError) {
    if let InvokeError::Throttled { .. } = error {
        series.count(Count::Throttles, 1);
    }
}

/// The span of an invocation (OpenTelemetry semantic conventions, "FaaS spans", "AWS Lambda"). It is not made unless
/// somebody takes spans.
pub(crate) fn span(target: &Target, invocation: &Invocation) -> Span {
    tracing::info_span!(
        target: "lambent::request",
        "invoke",
        otel.status_code = Empty,
        faas.invoked_name = &*target.function.name,
        faas.invoked_region = %target.function.scope.region,
        faas.version = Empty,
        faas.coldstart = Empty,
        aws.lambda.invoked_arn = %invocation.invoked_arn,
        error.type = Empty,
        lambent.duration_ms = Empty,
        lambent.init_duration_ms = Empty,
    )
}

/// Completes the current span, which is that of an invocation.
pub(crate) fn complete_span(version: &str, completed: &Completed, is_cold: bool) {
    let span = Span::current();
    if span.is_disabled() {
        return;
    }
    span.record("faas.version", version).record("faas.coldstart", is_cold);
    if let Outcome::Failed(failure) = &completed.outcome {
        span.record("otel.status_code", "ERROR").record("error.type", &*failure.error_type);
    }
    if let Some(report) = completed.report {
        span.record("lambent.duration_ms", report.duration.as_secs_f64() * 1e3);
        if let Some(init) = report.init {
            span.record("lambent.init_duration_ms", init.as_secs_f64() * 1e3);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use lambent_model::{Failure, MemorySize, Report};

    use super::*;

    #[derive(Default)]
    struct Noted(Mutex<Vec<String>>);

    impl Series for Noted {
        fn count(&self, count: Count, by: u64) {
            self.0.lock().unwrap().push(format!("{count:?} {by}"));
        }

        fn measure(&self, measure: Measure, took: Duration) {
            self.0.lock().unwrap().push(format!("{measure:?} {took:?}"));
        }
    }

    fn noted(outcome: Outcome, init: Option<Duration>, waited: Option<Duration>) -> Vec<String> {
        noted_of(Ran::OnDemand, outcome, init, waited)
    }

    fn noted_of(ran: Ran, outcome: Outcome, init: Option<Duration>, waited: Option<Duration>) -> Vec<String> {
        let duration = Duration::from_millis(5);
        let report =
            Report { duration, init, restore: None, memory: MemorySize(128), max_memory_used_mb: None };
        let series = Noted::default();
        let report = (!matches!(outcome, Outcome::Platform(_))).then_some(report);
        ended(&series, &Completed { outcome, report, log_tail: None }, ran, waited);
        series.0.into_inner().unwrap()
    }

    #[test]
    fn an_invocation_counts_once_by_what_came_of_it() {
        let failed =
            || Outcome::Failed(Failure { error_type: "Sandbox.Timedout".into(), body: Default::default() });
        assert_eq!(
            noted(Outcome::Success(Default::default()), None, None),
            ["Invocations 1", "Duration 5ms"]
        );
        assert_eq!(noted(failed(), None, None), ["Errors 1", "Invocations 1", "Duration 5ms"]);
        assert_eq!(noted(Outcome::Platform("no disk".into()), None, None), ["Faults 1"]);
        let (init, waited) = (Duration::from_millis(40), Duration::from_millis(65));
        assert_eq!(
            noted(Outcome::Success(Default::default()), Some(init), Some(waited)),
            ["Invocations 1", "Duration 5ms", "InitDuration 40ms", "ColdStart 60ms"]
        );
    }

    #[test]
    fn provisioned_concurrency_and_what_it_does_not_suffice_for_are_counted_too() {
        for (ran, count) in [
            (Ran::Provisioned, "ProvisionedConcurrencyInvocations 1"),
            (Ran::SpilledOver, "ProvisionedConcurrencySpilloverInvocations 1"),
        ] {
            let noted = noted_of(ran, Outcome::Success(Default::default()), None, None);
            assert_eq!(noted, ["Invocations 1", count, "Duration 5ms"]);
        }
    }

    #[test]
    fn a_throttle_is_no_invocation_and_a_missing_function_nothing() {
        let series = Noted::default();
        refused(&series, &InvokeError::NotFound);
        refused(&series, &InvokeError::ShuttingDown);
        refused(&series, &InvokeError::Throttled { reason: "ConcurrentInvocationLimitExceeded" });
        assert_eq!(*series.0.lock().unwrap(), ["Throttles 1"]);
    }
}
