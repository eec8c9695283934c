//! How long it takes to find the rules that an event meets, of a bus with a thousand: `cargo bench -p lambent-patterns`.

use std::fmt::Write as _;
use std::hint::black_box;

use lambent_patterns::{Dialect, Event, Index, Pattern};

const RULES: usize = 1_000;
const ROUNDS: usize = 15;
const TIMES: u32 = 20_000;

/// A hundred services with ten kinds of events each; of a kind one rule asks for something in the detail.
fn rule(n: usize) -> String {
    let (source, kind) = (n / 10, n % 10);
    format!(
        r#"{{"source":["shop.service-{source}"],"detail-type":["Kind {kind}"],
            "detail":{{"state":[{{"prefix":"pa"}}],"amount":[{{"numeric":[">",{kind}]}}]}}}}"#
    )
}

fn event(fields: usize) -> String {
    let mut more = String::new();
    for n in 0..fields {
        write!(more, r#","field-{n}":"some text of a field, number {n}""#)
            .expect("a string takes everything");
    }
    format!(
        r#"{{"version":"0","id":"6f1f","detail-type":"Kind 7","source":"shop.service-42","account":"000000000000",
            "time":"2026-11-22T06:00:00Z","region":"us-east-1","resources":["arn:aws:s3:::bucket"],
            "detail":{{"state":"paid","amount":19.5{more}}}}}"#
    )
}

/// What this process has run on a processor, in nanoseconds: what others do meanwhile is not counted (Linux,
/// Documentation/scheduler/sched-stats.rst).
fn ran() -> f64 {
    let text = std::fs::read_to_string("/proc/self/schedstat").expect("this is Linux");
    text.split(' ').next().and_then(|ran| ran.parse().ok()).expect("it begins with a number")
}

/// The median of some rounds, in microseconds of processor time for each call.
fn measure(mut call: impl FnMut()) -> f64 {
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let before = ran();
            (0..TIMES).for_each(|_| call());
            (ran() - before) / 1e3 / f64::from(TIMES)
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    rounds[ROUNDS / 2]
}

fn main() {
    let parse = |n| Pattern::parse(&rule(n), Dialect::Rule).expect("the rules are patterns");
    let index = Index::new((0..RULES).map(|n| (n, parse(n))));
    for fields in [0, 50] {
        let text = event(fields);
        let event = Event::parse(&text).expect("the event is JSON");
        assert_eq!(index.matches(&event), [&427], "it meets one rule");
        let matched = measure(|| {
            black_box(index.matches(black_box(&event)));
        });
        let read = measure(|| {
            black_box(Event::parse(black_box(&text))).expect("the event is JSON");
        });
        println!("{RULES} rules, {} bytes of event: match {matched:.2} us, read {read:.2} us", text.len());
    }
}
