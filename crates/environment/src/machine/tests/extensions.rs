//! Stories with extensions.

use lambent_model::{Entropy, ExtensionId};

use super::*;
use crate::machine::shutdown::Reason;

struct Repeat(u8);

impl Entropy for Repeat {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.fill(self.0);
    }
}

fn extension(n: u8) -> ExtensionId {
    ExtensionId::random(&Repeat(n))
}

const BOTH: Events = Events { invoke: true, shutdown: true };

fn register(name: &str, n: u8, events: Events) -> Event {
    Event::Register { name: name.into(), events, identifier: extension(n) }
}

fn next(n: u8) -> Event {
    Event::ExtensionNext { identifier: extension(n) }
}

impl Story {
    /// A launched machine with external extensions of these names.
    fn with(names: &[&str]) -> Self {
        let extensions = names.iter().map(ToString::to_string).collect();
        let settings = Settings {
            timeout: Duration::from_secs(3),
            memory: MemorySize(128),
            initialization: Initialization::OnDemand,
            restores: false,
            extensions,
        };
        let mut story = Self { machine: Machine::new(settings), now: Instant::now() };
        story.then(Event::Invoke(invocation(1)));
        story.then(LAUNCHED).has(&Effect::StartExtensions).lacks(&Effect::StartRuntime);
        story
    }

    /// One whose extension `a` is 1 and whose first invocation runs.
    fn extended() -> Self {
        let mut story = Self::with(&["a"]);
        story
            .then(register("a", 1, BOTH))
            .has(&Effect::StartRuntime)
            .has(&Effect::Reply(Verdicted::Accepted));
        story.then(Event::Next).lacks(&Effect::Initialised);
        let told = story.then(next(1));
        told.delivers(1).has(&Effect::Initialised).tells(1);
        story
    }

    fn state(&self) -> &'static str {
        self.machine.state_name()
    }
}

impl Told {
    fn tells(&self, n: u8) -> &Self {
        let told = self.0.iter().any(|e| matches!(e, Effect::InvokeExtension(id, ..) if *id == extension(n)));
        assert!(told, "{:#?}", self.0);
        self
    }

    fn shuts_down(&self, n: u8, reason: Reason) -> &Self {
        let told = |e: &Effect| matches!(e, Effect::ShutDownExtension(id, why, _) if *id == extension(n) && *why == reason);
        assert!(self.0.iter().any(told), "{:#?}", self.0);
        self
    }

    pub(super) fn records(&self) -> Vec<&Record> {
        let records = self.0.iter().filter_map(|effect| match effect {
            Effect::Log(record) => Some(record),
            _ => None,
        });
        records.collect()
    }

    fn refuses(&self, refusal: Refusal) {
        assert_eq!(self.0, [Effect::Reply(Verdicted::Refused(refusal))]);
    }

    fn no_answer(&self) -> &Self {
        assert!(!self.0.iter().any(|e| matches!(e, Effect::Answer(..))), "{:#?}", self.0);
        self
    }
}

fn died(slot: u8) -> Event {
    Event::ExtensionExited { slot, exit: Exit::Code(1) }
}

#[test]
fn runtime_starts_when_all_have_registered_and_init_ends_when_all_are_waiting() {
    let mut story = Story::with(&["a", "b"]);
    story.then(register("a", 1, BOTH)).lacks(&Effect::StartRuntime);
    story.then(next(1)).lacks(&Effect::StartRuntime);
    story.then(register("b", 2, Events::default())).has(&Effect::StartRuntime);
    // An internal one, from within the runtime.
    story
        .then(register("c", 3, Events { invoke: true, shutdown: false }))
        .has(&Effect::Reply(Verdicted::Accepted));
    story.then(Event::Next).lacks(&Effect::Initialised);
    story.then(next(3)).lacks(&Effect::Initialised);
    let told = story.after(100 * MS, next(2));
    told.delivers(1).tells(1).tells(3).has(&Effect::Initialised);
    let named: Vec<_> = told
        .records()
        .into_iter()
        .filter_map(|record| match record {
            Record::Extension(standing) => {
                Some((standing.name.as_str(), standing.state, standing.events.clone()))
            }
            _ => None,
        })
        .collect();
    let both = vec!["INVOKE", "SHUTDOWN"];
    assert_eq!(named, [("a", "Ready", both), ("b", "Ready", vec![]), ("c", "Ready", vec!["INVOKE"])]);
    assert!(!told.0.iter().any(|e| matches!(e, Effect::InvokeExtension(id, ..) if *id == extension(2))));
    // All of it is the initialisation.
    story.then(next(1));
    story.then(next(3));
    assert!(story.then(success(1)).answers_success().init.unwrap() >= 100 * MS);
}

#[test]
fn registrations_are_refused_by_the_rules() {
    let mut story = Story::with(&["a"]);
    story.then(next(9)).refuses(Refusal::Unknown);
    story.then(register("a", 1, BOTH));
    let twice = Refusal::State { from: "Registered", to: "Registered" };
    story.then(register("a", 2, BOTH)).refuses(twice);
    story.then(register("i", 2, BOTH)).refuses(Refusal::ShutdownOfInternal);
    story.then(register("i", 2, Events::default()));
    story.then(register("i", 3, Events::default())).refuses(Refusal::NameTaken);
    for n in 3..11 {
        story.then(register(&n.to_string(), n, Events::default())).has(&Effect::Reply(Verdicted::Accepted));
    }
    story.then(register("more", 11, Events::default())).refuses(Refusal::TooMany);
    story.then(Event::Next);
    story.then(register("late", 12, Events::default())).refuses(Refusal::RegistrationClosed);
    assert_eq!(Story::idle().machine.subscriber(extension(1)), Err(NoSubscriber::Unknown));
    assert_eq!(story.machine.subscriber(extension(1)), Ok("a"));
    let mut story = Story::extended();
    assert_eq!(story.machine.subscriber(extension(1)), Err(NoSubscriber::Closed));
    story.then(register("late", 12, Events::default())).refuses(Refusal::RegistrationClosed);
}

#[test]
fn caller_is_answered_at_once_and_the_report_waits_for_extensions() {
    let mut story = Story::extended();
    let told = story.after(10 * MS, success(1));
    assert_eq!(told.answers_success().duration, 10 * MS);
    assert!(told.records().is_empty(), "of the runtime is told when it is back");
    let told = story.after(2 * MS, Event::Next);
    let [Record::RuntimeDone { duration, sending, overhead, .. }] = told.records()[..] else {
        panic!("{:#?}", told.0);
    };
    assert_eq!((*duration, *sending, *overhead), (10 * MS, MS, Some(2 * MS)));
    // "Freezes when each process has completed and there are no pending events."
    story.after(FREEZE_AFTER, Event::FreezeDue).silent();
    let told = story.after(100 * MS, next(1));
    let [Record::End { .. }, Record::Report { report, extensions, .. }] = told.records()[..] else {
        panic!("{:#?}", told.0);
    };
    assert!(report.duration >= 110 * MS && extensions.unwrap() >= 100 * MS);
    assert_eq!(story.state(), "Ready");
    story.after(FREEZE_AFTER, Event::FreezeDue).has(&Effect::Freeze);
    let told = story.then(Event::Invoke(invocation(2)));
    told.delivers(2).tells(1);
    // One who is done before the runtime is not waited for: all is said when that is back.
    story.then(next(1)).has(&Effect::Reply(Verdicted::Accepted));
    story.then(success(2)).answers_success();
    let told = story.then(Event::Next);
    let [Record::RuntimeDone { overhead, .. }, Record::End { .. }, Record::Report { extensions, .. }] =
        told.records()[..]
    else {
        panic!("{:#?}", told.0);
    };
    assert!(overhead.is_some() && extensions.is_none());
    // One who does not come back is told of without it.
    story.then(Event::Invoke(invocation(3)));
    story.then(success(3));
    let told = story.then(crash());
    let [Record::Fault { request_id, .. }, Record::RuntimeDone { overhead: None, verdict, .. }, ..] =
        told.records()[..]
    else {
        panic!("{:#?}", told.0);
    };
    assert_eq!((request_id.is_some(), verdict.status()), (true, "error"));
}

#[test]
fn caller_who_wants_the_log_waits_for_its_end() {
    let mut story = Story::extended();
    story.then(success(1));
    story.then(Event::Next);
    story.then(next(1));
    let wanting = Arc::new(Invocation { tail: true, ..(*invocation(2)).clone() });
    story.then(Event::Invoke(wanting));
    story.then(success(2)).no_answer().lacks(&Effect::Available);
    story.then(Event::Next).no_answer();
    assert!(story.after(50 * MS, next(1)).answers_success().duration >= 50 * MS);
}

#[test]
fn environment_whose_extensions_linger_declines_the_next_invocation() {
    let mut story = Story::extended();
    story.then(success(1)).answers_success();
    story.then(Event::Next);
    story.then(Event::Invoke(invocation(2)));
    story.after(SETTLE_GRACE, Event::Deadline).has(&Effect::Decline(invocation(2)));
    story.then(next(1)).has(&Effect::Available);
    story.then(Event::Invoke(invocation(3))).delivers(3).tells(1);
}

#[test]
fn extension_that_is_never_done_is_a_timeout_after_the_answer() {
    let mut story = Story::extended();
    story.then(success(1)).answers_success();
    story.then(Event::Next);
    let told = story.after(Duration::from_secs(3), Event::Deadline);
    let [Record::End { .. }, Record::Report { report, verdict, .. }] = told.records()[..] else {
        panic!("{:#?}", told.0);
    };
    assert_eq!((report.duration, verdict), (Duration::from_secs(3), &crate::record::Verdict::Timeout));
    told.no_answer().has(&Effect::TerminateRuntime);
}

#[test]
fn timeout_tells_the_runtime_then_extensions_then_resets() {
    let mut story = Story::extended();
    let told = story.after(Duration::from_secs(3), Event::Deadline);
    assert_eq!(told.fails().0, "Sandbox.Timedout");
    told.has(&Effect::TerminateRuntime).lacks(&Effect::Available).lacks(&Effect::Reset);
    let told = story.after(Duration::from_millis(300), Event::Deadline);
    told.has(&Effect::KillProgram(None)).shuts_down(1, Reason::Timeout);
    story.then(crash()).silent();
    story.then(next(1)).has(&Effect::Reply(Verdicted::Accepted));
    story.then(died(0)).has(&Effect::Available).has(&Effect::Reset);
    // Both start anew within the next invocation.
    story.then(Event::Invoke(invocation(2)));
    story.then(Event::Reset).has(&Effect::StartExtensions);
    story.then(next(1)).refuses(Refusal::Unknown);
    story.then(register("a", 2, BOTH)).has(&Effect::StartRuntime);
    story.then(Event::Next);
    story.then(next(2)).delivers(2).tells(2);
}

#[test]
fn shutdown_has_awss_budgets() {
    // Two seconds in all, of which the runtime has 300 ms, when one is external.
    let mut story = Story::extended();
    for event in [success(1), Event::Next, next(1)] {
        story.then(event);
    }
    story.after(FREEZE_AFTER, Event::FreezeDue).has(&Effect::Freeze);
    let told = story.then(Event::Retire);
    assert_eq!(told.0[0], Effect::Thaw);
    let since = story.now;
    told.has(&Effect::TerminateRuntime).has(&Effect::Deadline(Some(since + 300 * MS))).lacks(&Effect::Kill);
    let told = story.then(crash());
    told.shuts_down(1, Reason::Spindown).has(&Effect::Deadline(Some(since + Duration::from_secs(2))));
    story.after(Duration::from_secs(2), Event::Deadline).has(&Effect::Kill);
    // Half a second when all are internal, and nobody is told but by SIGTERM.
    let mut story = Story::new();
    story.then(LAUNCHED);
    story.then(register("i", 1, Events { invoke: true, shutdown: false }));
    story.then(Event::Next);
    story.then(next(1)).has(&Effect::Available);
    let told = story.then(Event::Retire);
    told.has(&Effect::TerminateRuntime).has(&Effect::Deadline(Some(story.now + 500 * MS)));
    story.then(crash()).has(&Effect::Kill);
    // Who did not want to be told is killed.
    let mut story = Story::with(&["a"]);
    story.then(register("a", 1, Events::default()));
    story.then(Event::Next);
    story.then(next(1));
    story.then(crash()).has(&Effect::KillProgram(Some(0)));
    story.then(died(0)).has(&Effect::Reset);
}

#[test]
fn retiring_waits_for_the_invocation_and_its_extensions() {
    let mut story = Story::extended();
    story.then(Event::Retire).silent();
    story.then(success(1)).lacks(&Effect::Kill);
    story.then(Event::Next).lacks(&Effect::Kill);
    story.then(next(1)).has(&Effect::TerminateRuntime);
    story.then(crash()).shuts_down(1, Reason::Spindown);
    story.then(died(0)).has(&Effect::Kill);
}

#[test]
fn crash_of_an_extension_is_the_environments() {
    let message = |text: &str| format!("RequestId: {} Error: {text}", id(1));
    // While it runs.
    let mut story = Story::extended();
    let told = story.then(died(0));
    assert_eq!(told.fails(), ("Extension.Crash".into(), message("exit status 1")));
    told.has(&Effect::TerminateRuntime);
    story.then(crash()).has(&Effect::Reset);
    // By its own word.
    let mut story = Story::extended();
    let error_type = "Extension.Sorry".to_owned();
    story
        .then(Event::ExtensionError { identifier: extension(1), init: false, error_type })
        .has(&Effect::Reply(Verdicted::Accepted));
    assert_eq!(story.then(died(0)).fails().0, "Extension.ExitError");
    // In the initialisation, which is tried once more.
    let mut story = Story::with(&["a"]);
    story.then(died(0)).has(&Effect::Reset).no_answer();
    story.then(Event::Reset).has(&Effect::StartExtensions);
    let told =
        story.then(Event::ExtensionStartFailed { slot: 0, kind: "PermissionDenied", message: "no".into() });
    assert_eq!(told.fails(), ("Extension.LaunchError".into(), message("no")));
    let launch_error = told.records().into_iter().any(|record| {
        matches!(record, Record::Extension(standing)
            if standing.state == "LaunchError" && standing.error_type.as_deref() == Some("PermissionDenied"))
    });
    assert!(launch_error, "{:#?}", told.0);
    // Between invocations.
    let mut story = Story::extended();
    for event in [success(1), Event::Next, next(1)] {
        story.then(event);
    }
    story.then(died(0)).no_answer().has(&Effect::TerminateRuntime);
    story.then(Event::Invoke(invocation(2))).silent();
    story.then(crash()).has(&Effect::Reset);
    story.then(Event::Reset).has(&Effect::StartExtensions);
}
