//! Each test is a story: what happens, and what the environment does about it.

use bytes::Bytes;
use lambent_model::{Failure, Outcome, Report};
use lambent_sandbox_client::Exit;

use super::*;
use crate::NoSnapshot;
use crate::record::{Phase, Verdict};

mod calls;
mod extensions;
mod random;

const MS: Duration = Duration::from_millis(1);
const FREEZE_AFTER: Duration = Duration::from_millis(5);
const LAUNCHED: Event = Event::Launched { freeze_after: Some(FREEZE_AFTER) };

struct Story {
    machine: Machine,
    now: Instant,
}

impl Story {
    fn new() -> Self {
        Self::of(Initialization::OnDemand)
    }

    fn of(initialization: Initialization) -> Self {
        let extensions = Vec::new();
        let settings = Settings {
            timeout: Duration::from_secs(3),
            memory: MemorySize(128),
            initialization,
            restores: false,
            extensions,
        };
        Self { machine: Machine::new(settings), now: Instant::now() }
    }

    fn after(&mut self, wait: Duration, event: Event) -> Told {
        self.now += wait;
        Told(self.machine.apply(event, self.now, Some(36)))
    }

    fn then(&mut self, event: Event) -> Told {
        self.after(MS, event)
    }

    /// A machine whose first invocation `n` has been delivered.
    fn running(n: u8) -> Self {
        let mut story = Self::new();
        story.then(Event::Invoke(invocation(n)));
        story.then(LAUNCHED);
        story.after(110 * MS, Event::Next).delivers(n);
        story
    }

    fn idle() -> Self {
        let mut story = Self::running(1);
        story.then(success(1)).answers_success();
        story.then(Event::Next);
        assert_eq!(story.machine.state_name(), "Ready");
        story
    }
}

/// The effects of one event, with assertions that read.
struct Told(Vec<Effect>);

impl Told {
    fn has(&self, effect: &Effect) -> &Self {
        assert!(self.0.contains(effect), "{effect:?} not in {:#?}", self.0);
        self
    }

    fn lacks(&self, effect: &Effect) -> &Self {
        assert!(!self.0.contains(effect), "{effect:?} in {:#?}", self.0);
        self
    }

    fn delivers(&self, n: u8) -> &Self {
        let delivered = self.0.iter().any(|e| matches!(e, Effect::Deliver(i, _) if **i == *invocation(n)));
        assert!(delivered, "{:#?}", self.0);
        self
    }

    fn answer(&self) -> (&Outcome, Option<Report>) {
        let answer = self.0.iter().find_map(|e| match e {
            Effect::Answer(outcome, report) => Some((outcome, *report)),
            _ => None,
        });
        answer.unwrap_or_else(|| panic!("no answer in {:#?}", self.0))
    }

    fn answers_success(&self) -> Report {
        let (outcome, report) = self.answer();
        assert!(matches!(outcome, Outcome::Success(_)), "{outcome:?}");
        self.has(&Effect::Available);
        report.expect("the function had the event")
    }

    /// The error's type and message.
    fn fails(&self) -> (String, String) {
        let (Outcome::Failed(failure), _) = self.answer() else { panic!("{:#?}", self.0) };
        let body: serde_json::Value = serde_json::from_slice(&failure.body).unwrap();
        (failure.error_type.clone(), body["errorMessage"].as_str().unwrap().to_owned())
    }

    fn silent(&self) {
        assert_eq!(self.0, []);
    }
}

fn id(n: u8) -> String {
    format!("00000000-0000-4000-8000-0000000000{n:02}")
}

fn invocation(n: u8) -> Arc<Invocation> {
    Arc::new(Invocation {
        request_id: id(n).parse().unwrap(),
        payload: Bytes::from_static(b"{}"),
        invoked_arn: "arn".into(),
        trace_id: String::new(),
        client_context: None,
        tenant_id: None,
        tail: false,
    })
}

fn success(n: u8) -> Event {
    Event::Report { request_id: id(n), reported: Reported::Success(Bytes::from_static(b"1")), sending: MS }
}

fn init_error() -> Event {
    let body = Bytes::from_static(br#"{"errorType":"Runtime.ImportModuleError","errorMessage":"no module"}"#);
    Event::InitError { failure: Failure { error_type: "Runtime.ImportModuleError".into(), body } }
}

fn crash() -> Event {
    Event::Exited { exit: Exit::Code(1), out_of_memory: false }
}

#[test]
fn cold_invocation_reports_its_init_and_the_next_does_not() {
    let mut story = Story::new();
    story.then(Event::Invoke(invocation(1))).silent();
    story.then(LAUNCHED).has(&Effect::StartRuntime);
    let told = story.after(110 * MS, Event::Next);
    told.delivers(1).has(&Effect::Throttle(true));
    let report = story.after(7 * MS, success(1)).answers_success();
    assert_eq!((report.duration, report.init), (7 * MS, Some(110 * MS)));
    assert_eq!(report.billed_ms(), 117);

    story.then(Event::Next);
    story.then(Event::Invoke(invocation(2))).delivers(2);
    assert_eq!(story.after(5 * MS, success(2)).answers_success().init, None);
}

#[test]
fn next_is_idempotent_while_an_invocation_runs() {
    let mut story = Story::running(1);
    story.then(Event::Next).delivers(1);
    story.then(Event::Next).delivers(1);
    story.then(success(1)).has(&Effect::Reply(Verdicted::Accepted));
}

#[test]
fn only_the_running_invocation_can_be_answered() {
    let mut story = Story::running(1);
    story.then(success(2)).has(&Effect::Reply(Verdicted::InvalidRequestId));
    story.then(success(1)).has(&Effect::Reply(Verdicted::Accepted));
    story.then(success(1)).has(&Effect::Reply(Verdicted::InvalidRequestId));
    let mut fresh = Story::new();
    fresh.then(LAUNCHED);
    fresh.then(success(1)).has(&Effect::Reply(Verdicted::InvalidState("Started")));
}

#[test]
fn timeout_answers_then_resets_and_the_next_invocation_initialises_inside() {
    let mut story = Story::running(1);
    let told = story.after(Duration::from_millis(3004), Event::Deadline);
    let (kind, message) = told.fails();
    assert_eq!(kind, "Sandbox.Timedout");
    assert_eq!(message, format!("RequestId: {} Error: Task timed out after 3.00 seconds", id(1)));
    assert_eq!(told.answer().1.unwrap().duration, Duration::from_secs(3));
    told.has(&Effect::Throttle(false)).has(&Effect::Reset).has(&Effect::Available);

    // Given at once, it waits for the reset; its initialisation is part of its duration.
    story.then(Event::Invoke(invocation(2))).silent();
    story.then(Event::Exited { exit: Exit::Signal(9), out_of_memory: false }).silent();
    story.then(Event::Reset).has(&Effect::StartRuntime);
    story.after(40 * MS, Event::Next).delivers(2);
    let report = story.after(2 * MS, success(2)).answers_success();
    assert_eq!((report.duration, report.init), (42 * MS, None));
}

#[test]
fn init_that_takes_ten_seconds_is_repeated_under_the_functions_timeout() {
    let mut story = Story::new();
    story.then(Event::Invoke(invocation(1)));
    story.then(LAUNCHED);
    let told = story.after(Duration::from_secs(10), Event::Deadline);
    told.has(&Effect::Reset).lacks(&Effect::Available);
    story.then(Event::Reset).has(&Effect::StartRuntime);
    let told = story.after(Duration::from_secs(3), Event::Deadline);
    assert_eq!(told.fails().0, "Sandbox.Timedout");
}

#[test]
fn crash_in_init_is_repeated_once_then_belongs_to_the_invocation() {
    let mut story = Story::new();
    story.then(Event::Invoke(invocation(1)));
    story.then(LAUNCHED);
    story.then(crash()).has(&Effect::Reset);
    story.then(Event::Reset).has(&Effect::StartRuntime);
    let (kind, message) = story.then(crash()).fails();
    assert_eq!(kind, "Runtime.ExitError");
    assert_eq!(message, format!("RequestId: {} Error: Runtime exited with error: exit status 1", id(1)));
}

#[test]
fn what_fails_in_init_is_tried_again_within_the_invocation_ahead_of_its_start() {
    let start = || Effect::Log(Record::Start { invocation: invocation(1) });
    for (event, kind) in
        [(crash as fn() -> Event, "Runtime.ExitError"), (init_error, "Runtime.ImportModuleError")]
    {
        let mut story = Story::new();
        story.then(Event::Invoke(invocation(1)));
        story.then(LAUNCHED);
        story.then(event()).has(&Effect::Reset).lacks(&start());
        story.then(Event::Reset).has(&Effect::StartRuntime).lacks(&start());
        // Whichever way the second goes, what it writes comes before START.
        let told = story.then(event());
        assert_eq!(told.has(&start()).has(&Effect::Reset).fails().0, kind);
        story.then(Event::Reset);
        story.then(Event::Invoke(invocation(2))).has(&Effect::StartRuntime);
        story.then(Event::Next).delivers(2);
        story.then(success(2)).answers_success();
    }
}

#[test]
fn an_init_that_succeeds_at_the_second_try_is_an_invocation_like_others() {
    let mut story = Story::new();
    story.then(Event::Invoke(invocation(1)));
    story.then(LAUNCHED);
    story.then(init_error()).has(&Effect::Reply(Verdicted::Accepted)).has(&Effect::Reset);
    story.then(crash()).silent();
    story.then(Event::Reset).has(&Effect::StartRuntime);
    story.then(Event::Next).delivers(1);
    story.then(success(1)).answers_success();
}

#[test]
fn ends_of_a_runtime_are_worded_as_on_aws() {
    for (exit, out_of_memory, kind, text) in [
        (Exit::Code(0), false, "Runtime.ExitError", "Runtime exited without providing a reason"),
        (Exit::Code(3), false, "Runtime.ExitError", "Runtime exited with error: exit status 3"),
        (
            Exit::Signal(11),
            false,
            "Runtime.ExitError",
            "Runtime exited with error: signal: segmentation fault",
        ),
        (Exit::Signal(9), true, "Runtime.OutOfMemory", "Runtime exited with error: signal: killed"),
    ] {
        let mut story = Story::running(1);
        let told = story.then(Event::Exited { exit, out_of_memory });
        assert_eq!(told.fails(), (kind.into(), format!("RequestId: {} Error: {text}", id(1))));
        told.has(&Effect::Reset);
    }
}

#[test]
fn oversized_result_is_refused_and_the_environment_lives_on() {
    let mut story = Story::running(1);
    let told = story.then(Event::Report {
        request_id: id(1),
        reported: Reported::TooLarge(RESPONSE_LIMIT),
        sending: MS,
    });
    told.has(&Effect::Reply(Verdicted::TooLarge(RESPONSE_LIMIT))).has(&Effect::Available);
    assert_eq!(told.fails().0, "Function.ResponseSizeTooLarge");
    story.then(Event::Next);
    story.then(Event::Invoke(invocation(2))).delivers(2);
}

#[test]
fn what_was_streamed_counts_as_produced() {
    let mut story = Story::running(1);
    let told = story.then(Event::Report { request_id: id(1), reported: Reported::Streamed(7), sending: MS });
    let produced = told.records().into_iter().find_map(|record| match record {
        Record::RuntimeDone { produced_bytes, .. } => Some(*produced_bytes),
        _ => None,
    });
    assert_eq!(produced, Some(Some(7)));
}

#[test]
fn invocation_waits_a_moment_for_a_runtime_on_its_way_back() {
    let mut story = Story::running(1);
    story.then(success(1)).answers_success();
    story.then(Event::Invoke(invocation(2)));
    story.then(Event::Next).delivers(2);
}

#[test]
fn lingering_runtime_gives_the_invocation_back() {
    let mut story = Story::running(1);
    story.then(success(1)).answers_success();
    story.then(Event::Invoke(invocation(2)));
    story.after(SETTLE_GRACE, Event::Deadline).has(&Effect::Decline(invocation(2)));
    story.then(Event::Next).has(&Effect::Available);
    story.then(Event::Invoke(invocation(3))).delivers(3);
}

#[test]
fn runtime_that_never_comes_back_is_reset_at_its_deadline() {
    let mut story = Story::running(1);
    story.then(success(1)).answers_success();
    story.after(Duration::from_secs(3), Event::Deadline).has(&Effect::Reset);
}

#[test]
fn retiring_waits_for_the_running_invocation() {
    let mut story = Story::running(1);
    story.then(Event::Retire).silent();
    let told = story.then(success(1));
    told.has(&Effect::Kill).lacks(&Effect::Available);
    assert!(matches!(told.answer().0, Outcome::Success(_)));
    Story::idle().then(Event::Retire).has(&Effect::Kill);
    // What is killed is not reset as well.
    let mut story = Story::running(1);
    story.then(Event::Retire);
    story.after(Duration::from_secs(3), Event::Deadline).has(&Effect::Kill).lacks(&Effect::Reset);
}

#[test]
fn sandbox_lost_in_mid_invocation_is_the_functions_error() {
    let told = Story::running(1).then(Event::Gone { reason: "killed".into() });
    assert_eq!(told.fails().0, "Runtime.ExitError");
    let mut idle = Story::idle();
    idle.then(Event::Gone { reason: "killed".into() });
    idle.then(Event::Invoke(invocation(2))).has(&Effect::Decline(invocation(2)));
}

#[test]
fn sandbox_that_comes_too_late_is_ended() {
    let mut story = Story::new();
    story.then(Event::Retire).has(&Effect::Kill);
    let told = story.then(LAUNCHED);
    told.has(&Effect::Kill).lacks(&Effect::StartRuntime);
}

#[test]
fn what_does_not_die_ends_the_environment_and_not_its_next_invocation() {
    let mut story = Story::running(1);
    story.after(Duration::from_secs(3), Event::Deadline).has(&Effect::Reset).has(&Effect::Available);
    story.then(Event::Invoke(invocation(2)));
    story.after(RESET_TIMEOUT, Event::Deadline).has(&Effect::Decline(invocation(2))).has(&Effect::Kill);
    assert!(story.machine.has_ended());
}

#[test]
fn idle_environment_freezes_and_the_next_invocation_thaws_it_first() {
    let mut story = Story::running(1);
    story.then(success(1)).lacks(&Effect::Freeze);
    let due = story.now + MS + FREEZE_AFTER;
    story.then(Event::Next).has(&Effect::FreezeAt(due)).lacks(&Effect::Freeze);
    story.after(FREEZE_AFTER, Event::FreezeDue).has(&Effect::Freeze);
    story.then(Event::FreezeDue).silent();
    let told = story.then(Event::Invoke(invocation(2)));
    told.delivers(2);
    assert_eq!(told.0[0], Effect::Thaw, "before anything else");
    // Nothing of its frozen time is charged to anybody.
    assert_eq!(story.after(5 * MS, success(2)).answers_success().duration, 5 * MS);
}

#[test]
fn invocation_overtakes_the_freezing() {
    let mut story = Story::idle();
    story.then(Event::Invoke(invocation(2))).delivers(2).lacks(&Effect::Thaw);
    story.after(FREEZE_AFTER, Event::FreezeDue).silent();
    story.then(success(2));
    story.then(Event::FreezeDue).silent();
    story.then(Event::Next);
    // What was asked for by the last idle time comes in the middle of this one.
    let due = story.now + FREEZE_AFTER;
    assert_eq!(story.then(Event::FreezeDue).0, [Effect::FreezeAt(due)]);
    story.after(FREEZE_AFTER, Event::FreezeDue).has(&Effect::Freeze);
}

#[test]
fn host_that_cannot_freeze_is_never_asked_to() {
    let mut story = Story::new();
    story.then(Event::Invoke(invocation(1)));
    story.then(Event::Launched { freeze_after: None });
    story.then(Event::Next);
    story.then(success(1));
    assert_eq!(story.then(Event::Next).0, [Effect::Deadline(None)]);
    story.after(FREEZE_AFTER, Event::FreezeDue).silent();
}

#[test]
fn frozen_environment_ends_and_recovers() {
    fn frozen() -> Story {
        let mut story = Story::idle();
        story.after(FREEZE_AFTER, Event::FreezeDue).has(&Effect::Freeze);
        story
    }
    frozen().then(Event::Retire).has(&Effect::Kill);
    let mut story = frozen();
    story.then(Event::Gone { reason: "killed".into() });
    story.then(Event::Invoke(invocation(2))).has(&Effect::Decline(invocation(2)));
    // Killed from outside: init has to run to tell, and does not reset what it is frozen with.
    let mut story = frozen();
    assert_eq!(story.then(Event::Disconnected).0, [Effect::Thaw]);
    story.then(crash()).has(&Effect::Reset).lacks(&Effect::Thaw);
    let mut story = frozen();
    let told = story.then(crash());
    told.has(&Effect::Reset);
    assert_eq!(told.0[0], Effect::Thaw);
    story.then(Event::Reset);
    story.then(Event::Invoke(invocation(2))).has(&Effect::StartRuntime);
    // An answer that comes too late changes nothing.
    frozen().then(success(1)).has(&Effect::Reply(Verdicted::InvalidRequestId));
    Story::running(1).then(Event::Disconnected).silent();
}

#[test]
fn initialisations_that_fail_again_and_again_are_not_tried_at_every_invocation() {
    let mut story = Story::new();
    story.then(Event::Invoke(invocation(1)));
    story.then(LAUNCHED);
    story.then(crash());
    story.then(Event::Reset).has(&Effect::StartRuntime);
    story.then(crash()).fails();
    story.then(Event::Reset);
    story.then(Event::Invoke(invocation(2))).has(&Effect::StartRuntime);
    story.then(crash()).fails();
    story.then(Event::Reset);
    // From here on in pauses, in which each caller has the error and its own request's id in it.
    let told = story.then(Event::Invoke(invocation(3)));
    told.lacks(&Effect::StartRuntime).has(&Effect::Available);
    let (kind, message) = told.fails();
    assert_eq!(kind, "Runtime.ExitError");
    assert_eq!(message, format!("RequestId: {} Error: Runtime exited with error: exit status 1", id(3)));
    assert_eq!(told.answer().1.unwrap().billed_ms(), 0);
    assert_eq!(story.machine.state_name(), "Cold");
    story.after(100 * MS, Event::Invoke(invocation(4))).has(&Effect::StartRuntime);
    // Success forgives.
    story.then(Event::Next).delivers(4).has(&Effect::Initialised);
    story.then(crash());
    story.then(Event::Reset);
    story.then(Event::Invoke(invocation(5))).has(&Effect::StartRuntime);
}

#[test]
fn an_environment_initialised_ahead_bills_its_first_invocation_for_nothing_but_itself() {
    let mut story = Story::of(Initialization::ProvisionedConcurrency);
    story.then(LAUNCHED).has(&Effect::StartRuntime);
    story.after(20_000 * MS, Event::Next).has(&Effect::Initialised).has(&Effect::Available);
    story.then(Event::Invoke(invocation(1))).delivers(1);
    let report = story.then(success(1)).answers_success();
    assert_eq!((report.init, report.billed_ms()), (None, 1));
}

#[test]
fn an_environment_initialised_ahead_has_130_seconds_and_ends_when_they_are_over() {
    let mut story = Story::of(Initialization::ProvisionedConcurrency);
    let until = story.now + MS + Duration::from_secs(130);
    story.then(LAUNCHED).has(&Effect::Deadline(Some(until)));
    story.after(130_000 * MS, Event::Deadline).has(&Effect::Kill);
    assert!(story.machine.has_ended());
}

#[test]
fn an_environment_initialised_ahead_ends_where_another_would_be_reset() {
    let mut story = Story::of(Initialization::ProvisionedConcurrency);
    story.then(LAUNCHED);
    story.then(Event::Next);
    story.then(Event::Invoke(invocation(1)));
    let told = story.after(3000 * MS, Event::Deadline);
    assert_eq!(told.fails().0, "Sandbox.Timedout");
    told.has(&Effect::Kill).lacks(&Effect::Reset);
    // The pool may have given it another before it heard of the end.
    story.then(Event::Invoke(invocation(2))).has(&Effect::Decline(invocation(2)));
}

#[test]
fn a_snapshot_is_due_once_the_runtime_asks_and_ends_the_machine() {
    let mut story = Story::of(Initialization::Snapshot);
    story.then(LAUNCHED);
    let told = story.after(110 * MS, Event::SnapshotDue { asking: None });
    told.has(&Effect::TakeSnapshot { asking: None }).has(&Effect::Deadline(None));
    let (duration, phase, verdict) = (110 * MS, Phase::Init, Verdict::Success);
    told.has(&Effect::Log(Record::InitReport { duration, phase, verdict }));
    assert!(story.machine.has_ended());
    story.then(Event::SnapshotDue { asking: None }).silent();
}

#[test]
fn a_restore_that_fails_gives_the_invocation_back_or_says_why() {
    let restoring = || {
        let mut story = Story::of(Initialization::SnapStart);
        story.machine.settings.restores = true;
        story.then(Event::Invoke(invocation(1)));
        story.then(LAUNCHED);
        story
    };
    let mut story = restoring();
    story.then(Event::NotRestored).has(&Effect::Decline(invocation(1))).has(&Effect::Kill);
    assert!(story.machine.has_ended(), "another environment has it");
    let mut story = restoring();
    let failure = Failure { error_type: "ValueError".into(), body: Bytes::new() };
    let told = story.then(Event::RestoreError { failure });
    assert_eq!(told.answer().0, &Outcome::NotRestored(RestoreFault::Hook));
    let mut story = restoring();
    let told = story.after(10_000 * MS, Event::Deadline);
    assert_eq!(told.answer().0, &Outcome::NotRestored(RestoreFault::TimedOut));
}

#[test]
fn a_function_that_cannot_be_photographed_says_why() {
    let none = |story: &mut Story, event, why| {
        story.then(LAUNCHED);
        story.then(event).has(&Effect::NoSnapshot(why));
    };
    let mut story = Story::of(Initialization::Snapshot);
    let failure = Failure { error_type: "ValueError".into(), body: Bytes::new() };
    none(&mut story, Event::InitError { failure }, NoSnapshot::Function("ValueError".into()));
    let mut story = Story::of(Initialization::Snapshot);
    none(&mut story, Event::Deadline, NoSnapshot::Function("it took too long".into()));
    let mut story = Story::of(Initialization::Snapshot);
    none(&mut story, Event::Next, NoSnapshot::NotAsked);
    let mut story = Story::of(Initialization::OnDemand);
    story.then(LAUNCHED);
    story.then(Event::Next).lacks(&Effect::NoSnapshot(NoSnapshot::NotAsked));
}

#[test]
fn nothing_but_an_environment_for_it_has_its_snapshot_taken() {
    let mut story = Story::of(Initialization::SnapStart);
    story.then(LAUNCHED);
    story.then(Event::SnapshotDue { asking: None }).silent();
    assert_eq!(story.machine.state_name(), "Started");
}

#[test]
fn what_comes_from_a_snapshot_reports_its_restore_and_no_initialisation() {
    let mut story = Story::of(Initialization::SnapStart);
    story.machine.settings.restores = true;
    story.then(Event::Invoke(invocation(1)));
    story.then(LAUNCHED).has(&Effect::Log(Record::InitStart { phase: Phase::Restore }));
    story.after(40 * MS, Event::Next).delivers(1);
    let report = story.then(success(1)).answers_success();
    assert_eq!((report.init, report.restore), (None, Some(40 * MS)));
    assert_eq!(report.billed_ms(), 41);
}
