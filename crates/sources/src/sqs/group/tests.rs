//! Stories of a group, step by step.

use lambent_lambda::{Mapping, MappingSettings};
use lambent_model::{FunctionArn, Scope, Target};

use super::*;

const PLAIN: &str = "arn:aws:sqs:us-east-1:000000000000:q";
const FIFO: &str = "arn:aws:sqs:us-east-1:000000000000:q.fifo";

fn target() -> Target {
    let scope = Scope { account: "000000000000".parse().unwrap(), region: "us-east-1".parse().unwrap() };
    Target { function: FunctionArn { scope, name: "f".into() }, qualifier: None }
}

fn settings(source: &str, settings: MappingSettings) -> Settings {
    let at = Timestamp::from_millis(0);
    let function = target().function.to_string();
    let mapping = Mapping::create("id".into(), Some(source.into()), function, settings, at).unwrap();
    Settings::of(&mapping, target())
}

fn group(source: &str, given: MappingSettings) -> Group {
    Group::new(settings(source, given), 1.0)
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// Nobody else sees it for half a minute.
fn message(id: &str) -> Message {
    let record = format!(r#"{{"messageId":"{id}","body":"{id}"}}"#);
    Message { id: id.into(), handle: id.into(), group: None, trace: None, until: at(30_000), record }
}

fn received(ids: &[&str]) -> Event {
    Event::Received(ids.iter().map(|id| message(id)).collect())
}

/// Effects as texts, without counts.
fn told(effects: &[Effect]) -> Vec<String> {
    let ids = |messages: &[Arc<Message>]| {
        messages.iter().map(|message| message.id.as_str()).collect::<Vec<_>>().join(",")
    };
    let tell = |effect: &Effect| match effect {
        Effect::Receive { most, wait } => Some(format!("receive {most} {}", wait.as_secs())),
        Effect::Invoke(_, messages) => Some(format!("invoke {}", ids(messages))),
        Effect::Delete(messages) => Some(format!("delete {}", ids(messages))),
        Effect::GiveUp(code) => Some(format!("give up {code}")),
        Effect::Count(..) => None,
    };
    effects.iter().filter_map(tell).collect()
}

fn counted(effects: &[Effect]) -> Vec<(EventCount, u64)> {
    let count = |effect: &Effect| match effect {
        Effect::Count(what, by) => Some((*what, *by)),
        _ => None,
    };
    effects.iter().filter_map(count).collect()
}

fn invoked(effects: &[Effect]) -> Vec<BatchId> {
    let id = |effect: &Effect| match effect {
        Effect::Invoke(id, _) => Some(*id),
        _ => None,
    };
    effects.iter().filter_map(id).collect()
}

fn success() -> Attempt {
    Attempt::Succeeded("null".into())
}

#[test]
fn an_idle_group_has_one_call_that_waits_longer_and_longer() {
    let mut group = group(PLAIN, MappingSettings::default());
    let mut waits = told(&group.apply(Event::Woke, at(0)));
    for _ in 0..4 {
        assert_eq!(group.wake(at(0)), None, "nothing happens by itself");
        waits.extend(told(&group.apply(received(&[]), at(0))));
    }
    assert_eq!(waits, ["receive 10 2", "receive 10 4", "receive 10 8", "receive 10 16", "receive 10 20"]);
}

#[test]
fn a_batch_is_deleted_when_its_function_has_succeeded_and_not_before() {
    let mut group = group(PLAIN, MappingSettings::default());
    group.apply(Event::Woke, at(0));
    let effects = group.apply(received(&["a", "b"]), at(0));
    assert_eq!(told(&effects), ["invoke a,b", "receive 10 2"]);
    assert_eq!(counted(&effects), [(EventCount::Polled, 2), (EventCount::Invoked, 2)]);
    let effects = group.apply(Event::Ended(invoked(&effects)[0], success()), at(9));
    assert_eq!(told(&effects), ["delete a,b"]);
    assert_eq!(counted(&group.apply(Event::Deleted(2), at(10))), [(EventCount::Deleted, 2)]);
    let effects = group.apply(received(&["c"]), at(11));
    let effects = group.apply(Event::Ended(invoked(&effects)[0], Attempt::Failed), at(12));
    assert_eq!((told(&effects), counted(&effects)), (vec![], vec![(EventCount::FailedInvoke, 1)]));
}

#[test]
fn a_backlog_is_fetched_by_several_and_no_more_than_can_be_under_way() {
    let mut group = group(PLAIN, MappingSettings { concurrency: Some(3), ..MappingSettings::default() });
    group.apply(Event::Woke, at(0));
    let ten: Vec<String> = (0..10).map(|n| n.to_string()).collect();
    let ten: Vec<&str> = ten.iter().map(String::as_str).collect();
    // Two further batches may be under way, so two calls are made, of which one waits.
    let effects = group.apply(received(&ten), at(0));
    assert_eq!(told(&effects)[1..], ["receive 10 2", "receive 10 0"]);
    let first = invoked(&effects)[0];
    assert_eq!(told(&group.apply(received(&ten), at(0))).len(), 1, "handed over, nothing fetched");
    assert_eq!(told(&group.apply(received(&ten), at(0))).len(), 1);
    assert_eq!(group.under_way(), 3);
    let effects = group.apply(Event::Ended(first, Attempt::Failed), at(0));
    assert_eq!(told(&effects), Vec::<String>::new(), "a failure takes one of three");
}

#[test]
fn what_is_refused_is_tried_again_until_the_queue_shows_it() {
    let mut group = group(PLAIN, MappingSettings::default());
    group.apply(Event::Woke, at(0));
    let mut effects = group.apply(received(&["a"]), at(0));
    let (mut now, mut waits) = (at(0), Vec::new());
    while let Some(id) = invoked(&effects).first() {
        group.apply(Event::Ended(*id, Attempt::Refused), now);
        let Some(wake) = group.wake(now) else { break };
        waits.push(wake.millis() - now.millis());
        now = wake;
        effects = group.apply(Event::Woke, now);
    }
    assert_eq!(waits, [250, 500, 1000, 2000, 4000, 8000, 10_000], "not a thirtieth second");
    assert_eq!(group.under_way(), 0, "the queue has it again");
}

#[test]
fn reported_messages_stay_and_do_not_slow_the_group_down() {
    let types = Some(vec!["ReportBatchItemFailures".into()]);
    let mut group = group(PLAIN, MappingSettings { response_types: types, ..MappingSettings::default() });
    group.apply(Event::Woke, at(0));
    let effects = group.apply(received(&["a", "b", "c"]), at(0));
    let answer = br#"{"batchItemFailures":[{"itemIdentifier":"b"}]}"#;
    let ended = Event::Ended(invoked(&effects)[0], Attempt::Succeeded(answer[..].into()));
    let effects = group.apply(ended, at(1));
    assert_eq!(
        (told(&effects), counted(&effects)),
        (vec!["delete a,c".into()], vec![(EventCount::FailedInvoke, 1)])
    );
    for _ in 0..9 {
        let effects = group.apply(received(&["d"]), at(2));
        group.apply(Event::Ended(invoked(&effects)[0], Attempt::Failed), at(2));
    }
    assert_eq!(group.scaling.allowed(), 5);
}

#[test]
fn a_message_group_has_one_batch_under_way() {
    let mut group = group(FIFO, MappingSettings { batch_size: Some(2), ..MappingSettings::default() });
    let of = |id: &str, of: &str| Message { group: Some(of.into()), ..message(id) };
    group.apply(Event::Woke, at(0));
    let messages = vec![of("a1", "a"), of("a2", "a")];
    let effects = group.apply(Event::Received(messages), at(0));
    let first = invoked(&effects)[0];
    // A queue does not do that; should one, the order is kept here.
    let effects = group.apply(Event::Received(vec![of("a3", "a"), of("b1", "b")]), at(0));
    assert_eq!(told(&effects)[0], "invoke b1");
    let effects = group.apply(Event::Ended(first, success()), at(0));
    assert_eq!(told(&effects)[..2], ["delete a1,a2", "invoke a3"]);
}

#[test]
fn a_group_that_is_stopped_finishes_what_it_has() {
    let window = MappingSettings { batch_size: Some(100), window_s: Some(60), ..MappingSettings::default() };
    let mut group = group(PLAIN, window);
    group.apply(Event::Woke, at(0));
    assert_eq!(told(&group.apply(received(&["a"]), at(0))), ["receive 10 2"], "it waits for others");
    let effects = group.apply(Event::Stop, at(1));
    assert_eq!(told(&effects), ["invoke a"]);
    assert!(!group.is_over());
    let late = group.apply(received(&["b"]), at(2));
    assert_eq!(told(&late), ["invoke b"], "what a call brings that was under way is not thrown away");
    for effects in [effects, late] {
        group.apply(Event::Ended(invoked(&effects)[0], success()), at(3));
        group.apply(Event::Deleted(1), at(4));
    }
    assert!(group.is_over());
}

#[test]
fn what_was_filtered_out_is_deleted_at_once() {
    let filters = Some(vec![r#"{"body":["yes"]}"#.into()]);
    let mut group = group(PLAIN, MappingSettings { filters, ..MappingSettings::default() });
    group.apply(Event::Woke, at(0));
    let effects = group.apply(received(&["no", "yes"]), at(0));
    assert_eq!(told(&effects)[..2], ["delete no", "invoke yes"]);
    assert_eq!(
        counted(&effects),
        [(EventCount::Polled, 2), (EventCount::FilteredOut, 1), (EventCount::Invoked, 1)]
    );
}

#[test]
fn a_queue_that_does_not_answer_is_left_alone_for_a_while() {
    let mut group = group(PLAIN, MappingSettings::default());
    group.apply(Event::Woke, at(0));
    let gone = || Event::NotReceived(Trouble { code: Some("RESOURCE_NOT_FOUND"), text: String::new() });
    assert_eq!(told(&group.apply(gone(), at(0))), Vec::<String>::new());
    assert_eq!(group.wake(at(0)), Some(at(500)));
    assert_eq!(told(&group.apply(Event::Woke, at(500))), ["receive 10 2"]);
    assert_eq!(told(&group.apply(gone(), at(901_000))), ["give up RESOURCE_NOT_FOUND"]);
}

#[test]
fn of_a_loop_only_its_messages_are_stopped() {
    let mut group = group(PLAIN, MappingSettings::default());
    let mut header = String::new();
    while let Ok(next) = trace::step(&header, &target().function) {
        header = next;
    }
    group.apply(Event::Woke, at(0));
    let looping = Message { trace: Some(header), ..message("loop") };
    let effects = group.apply(Event::Received(vec![looping, message("other")]), at(0));
    let effects = group.apply(Event::Ended(invoked(&effects)[0], Attempt::Recursive), at(1));
    assert_eq!(told(&effects)[0], "invoke other");
    let effects = group.apply(Event::Ended(invoked(&effects)[0], Attempt::Recursive), at(1));
    assert_eq!(invoked(&effects), [], "nothing that could be told apart is tried for ever");
}

#[test]
fn a_window_ends_by_its_clock() {
    let window = MappingSettings { batch_size: Some(100), window_s: Some(5), ..MappingSettings::default() };
    let mut group = group(PLAIN, window.clone());
    group.apply(Event::Woke, at(0));
    group.apply(received(&["a"]), at(1000));
    assert_eq!(group.wake(at(1000)), Some(at(6000)));
    assert_eq!(told(&group.apply(Event::Woke, at(6000))), ["invoke a"]);
    group.apply(received(&["b"]), at(7000));
    let changed = Box::new(settings(PLAIN, MappingSettings { window_s: Some(1), ..window }));
    group.apply(Event::Changed(changed), at(7000));
    assert_eq!(group.wake(at(7000)), Some(at(8000)), "nobody waits longer than the new settings say");
}
