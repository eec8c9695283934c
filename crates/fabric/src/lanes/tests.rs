use std::collections::BTreeMap;

use super::*;

const NOW: Timestamp = Timestamp::from_millis(1000);

fn lanes(slots: usize) -> Lanes {
    Lanes::new(Bounds { slots, bytes: 1000, first: slots }, LONGEST_PAUSE)
}

/// Takes as much as may be taken; every queue has as many messages as asked for, of a byte each.
fn fill(lanes: &mut Lanes) -> BTreeMap<Arc<str>, usize> {
    let mut taken = BTreeMap::new();
    while let Some(order) = lanes.next(NOW) {
        *taken.entry(Arc::clone(&order.queue)).or_default() += order.count;
        lanes.taken(&order.queue, order.count, order.count, Some(NOW));
    }
    taken
}

fn queue(name: &str) -> Arc<str> {
    name.into()
}

#[test]
fn one_queue_never_has_all_and_a_later_one_finds_room() {
    let mut lanes = lanes(100);
    lanes.arrived(&queue("a"), NOW);
    assert_eq!(fill(&mut lanes), [(queue("a"), 50)].into());
    lanes.arrived(&queue("b"), NOW);
    assert_eq!(fill(&mut lanes), [(queue("b"), 25)].into());
    for name in ["c", "d", "e", "f"] {
        lanes.arrived(&queue(name), NOW);
    }
    let rest = fill(&mut lanes);
    assert!(rest.len() == 4 && rest.values().all(|count| *count > 0), "{rest:?}");
    assert!(!rest.contains_key("a") && !rest.contains_key("b"));
    // What one gives back goes to whoever has least.
    lanes.ended(&queue("a"), 1, Pace::Made, NOW);
    lanes.arrived(&queue("g"), NOW);
    assert_eq!(fill(&mut lanes).get("g"), Some(&1));
}

#[test]
fn nothing_is_taken_before_it_is_due() {
    let mut lanes = lanes(10);
    let later = Timestamp::from_millis(2000);
    lanes.arrived(&queue("a"), later);
    assert_eq!((lanes.next(NOW), lanes.wake(NOW)), (None, Some(later)));
    // An earlier one makes the queue due earlier, a later one does not put it off.
    lanes.arrived(&queue("a"), NOW);
    lanes.arrived(&queue("a"), later);
    let order = lanes.next(NOW).unwrap();
    assert_eq!((lanes.next(NOW), lanes.wake(NOW)), (None, None), "one taking of a queue at a time");
    // What comes while the queue is read is not forgotten, though the reading has not seen it.
    lanes.arrived(&queue("a"), NOW);
    lanes.taken(&order.queue, 0, 0, None);
    assert!(lanes.next(NOW).is_some());
}

/// A function with so many places, whose attempts take no time: what is refused of `rounds` takings that are `apart`.
fn refused(lanes: &mut Lanes, places: usize, rounds: usize, apart: Duration, now: &mut Timestamp) -> usize {
    let mut refused = 0;
    for _ in 0..rounds {
        *now = now.plus(apart);
        let Some(order) = lanes.next(*now) else { continue };
        lanes.taken(&order.queue, order.count, order.count, Some(*now));
        for place in (0..order.count).rev() {
            let pace = if place < places { Pace::Made } else { Pace::Refused };
            refused += usize::from(pace == Pace::Refused);
            lanes.ended(&order.queue, 1, pace, *now);
        }
    }
    refused
}

#[test]
fn a_queue_that_is_refused_goes_on_with_what_it_gets_and_seldom_asks_for_more() {
    let (mut lanes, mut now) = (lanes(64), NOW);
    lanes.arrived(&queue("a"), NOW);
    assert_eq!(refused(&mut lanes, 4, 1, Duration::ZERO, &mut now), 28);
    // 200 seconds of takings, a hundredth of a second apart: a few refusals at first, then one in ten seconds.
    let (rounds, apart) = (1000, Duration::from_millis(10));
    assert!((5..13).contains(&refused(&mut lanes, 4, rounds, apart, &mut now)));
    for _ in 0..19 {
        assert!(refused(&mut lanes, 4, rounds, apart, &mut now) <= 1);
    }
    // It uses all that it has, and finds what there is more.
    let most = |lanes: &Lanes| lanes.lanes["a"].most;
    assert!(most(&lanes) >= 4);
    refused(&mut lanes, 1000, 1100, apart, &mut now);
    assert!(most(&lanes) > 32, "{}", most(&lanes));
}

#[test]
fn a_queue_whose_attempts_fail_has_fewer_at_a_time_and_waits_for_nothing() {
    let mut lanes = lanes(64);
    lanes.arrived(&queue("a"), NOW);
    for expected in [32, 1, 1, 1] {
        let order = lanes.next(NOW).expect("what is due is attempted");
        assert_eq!(order.count, expected);
        lanes.taken(&order.queue, expected, expected, Some(NOW));
        (0..expected).for_each(|_| lanes.ended(&order.queue, 1, Pace::Failed, NOW));
    }
}

#[test]
fn a_queue_that_gets_nothing_waits_longer_and_longer() {
    let (mut lanes, mut now) = (lanes(64), NOW);
    lanes.arrived(&queue("a"), NOW);
    refused(&mut lanes, 0, 1, Duration::ZERO, &mut now);
    let mut waits = Vec::new();
    for _ in 0..12 {
        assert_eq!(lanes.next(now), None, "all is refused, and asked for one at a time");
        let wake = lanes.wake(now).expect("there is something to take");
        waits.push((wake.millis() - now.millis()) / 10);
        now = wake;
        assert_eq!(refused(&mut lanes, 0, 1, Duration::ZERO, &mut now), 1);
    }
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000, 1000]);
    // Where time is shortened, the pauses are.
    let (mut short, mut then) = (Lanes::new(lanes.bounds, LONGEST_PAUSE / 100), NOW);
    short.arrived(&queue("a"), NOW);
    for _ in 0..12 {
        refused(&mut short, 0, 1, Duration::ZERO, &mut then);
        then = short.wake(then).expect("there is something to take");
    }
    assert_eq!(then.millis() - NOW.millis(), 10 + 20 + 40 + 80 + 8 * 100);
    // What is made goes on at once.
    now = lanes.wake(now).expect("there is something to take");
    assert_eq!(refused(&mut lanes, 64, 3, Duration::from_millis(1), &mut now), 0);
}

#[test]
fn a_queue_begins_with_a_few_and_doubles() {
    let mut lanes = Lanes::new(Bounds { slots: 1000, bytes: 100_000, first: 4 }, LONGEST_PAUSE);
    lanes.arrived(&queue("a"), NOW);
    for expected in [4, 8, 16, 32] {
        fill(&mut lanes);
        assert_eq!(lanes.under_way(), expected);
        (0..expected).for_each(|_| lanes.ended(&queue("a"), 1, Pace::Made, NOW));
    }
}

#[test]
fn bodies_are_bounded_and_empty_queues_forgotten() {
    let mut lanes = lanes(10);
    lanes.arrived(&queue("a"), NOW);
    let order = lanes.next(NOW).unwrap();
    assert_eq!(order.bytes, 500);
    lanes.taken(&order.queue, 1, 1200, Some(NOW));
    lanes.arrived(&queue("b"), NOW);
    assert_eq!(
        lanes.next(NOW),
        None,
        "one body may be larger than what is left, and then nothing else is taken"
    );
    lanes.ended(&queue("a"), 1200, Pace::Made, NOW);
    let order = lanes.next(NOW).unwrap();
    lanes.taken(&order.queue, 0, 0, None);
    let order = lanes.next(NOW).unwrap();
    lanes.taken(&order.queue, 0, 0, None);
    assert!(lanes.lanes.is_empty() && lanes.waiting.is_empty() && lanes.under_way == 0 && lanes.bytes == 0);
}

/// A world of queues: messages come, attempts take long or are refused, in an order that a seed decides. Whatever
/// happens, the bounds hold, no queue starves, and in the end everything is delivered.
#[test]
fn random_histories_keep_the_bounds_and_deliver_everything() {
    for seed in 0..300 {
        history(seed);
    }
}

fn history(seed: u64) {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut random = move |below: u64| {
        // xorshift64 (Marsaglia, "Xorshift RNGs")
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below).unwrap()
    };
    let bounds = Bounds { slots: 1 + random(20), bytes: 50, first: 1 + random(4) };
    let mut lanes = Lanes::new(bounds, LONGEST_PAUSE);
    let names: Vec<Arc<str>> = (0..1 + random(6)).map(|n| queue(&format!("q{n}"))).collect();
    let mut left: HashMap<Arc<str>, usize> = HashMap::new();
    let mut readings: Vec<Order> = Vec::new();
    let mut attempts: Vec<(Arc<str>, usize)> = Vec::new();
    let (mut sent, mut done, mut now) = (0, 0, NOW);
    for step in 0.. {
        let calm = step > 300;
        now = now.plus(Duration::from_millis(random(100) as u64));
        match random(4) {
            0 if !calm => {
                let name = &names[random(names.len() as u64)];
                *left.entry(Arc::clone(name)).or_default() += 1;
                sent += 1;
                lanes.arrived(name, now);
            }
            1 => readings.extend(lanes.next(now)),
            2 if !readings.is_empty() => {
                let order = readings.swap_remove(random(readings.len() as u64));
                let there = left.entry(Arc::clone(&order.queue)).or_default();
                let count = order.count.min(*there);
                *there -= count;
                let next = (*there > 0).then_some(now);
                attempts.extend((0..count).map(|_| (Arc::clone(&order.queue), 1)));
                lanes.taken(&order.queue, count, count, next);
            }
            3 if !attempts.is_empty() => {
                let (name, bytes) = attempts.swap_remove(random(attempts.len() as u64));
                if random(3) == 0 && !calm {
                    *left.entry(Arc::clone(&name)).or_default() += 1;
                    lanes.ended(&name, bytes, Pace::Refused, now);
                    lanes.arrived(&name, now);
                } else {
                    done += 1;
                    lanes.ended(&name, bytes, Pace::Made, now);
                }
            }
            _ => {}
        }
        assert!(lanes.under_way <= bounds.slots && attempts.len() <= bounds.slots, "seed {seed}");
        if calm && done == sent {
            break;
        }
        assert!(step < 100_000, "seed {seed}: {done} of {sent} delivered");
    }
    for order in readings {
        lanes.taken(&order.queue, 0, 0, None);
    }
    assert_eq!((lanes.under_way, lanes.bytes), (0, 0), "seed {seed}");
}

#[test]
fn a_queue_in_order_waits_for_its_first_message() {
    let (mut lanes, line) = (lanes(100), queue("line"));
    let later = Timestamp::from_millis(2000);
    lanes.arrived_in_order(&line, NOW);
    let order = lanes.next(NOW).unwrap();
    assert_eq!(order.count, 1, "one at a time");
    lanes.taken(&line, 1, 1, Some(NOW));
    assert_eq!(lanes.next(NOW), None, "the second waits for the first");
    // The first comes back, due as before, and nothing is taken until it is tried again.
    lanes.arrived_in_order(&line, NOW);
    lanes.ended(&line, 1, Pace::Held(later), NOW);
    lanes.arrived_in_order(&line, NOW);
    lanes.arrived(&queue("other"), NOW);
    assert_eq!(lanes.next(NOW).map(|order| order.queue), Some(queue("other")));
    assert_eq!((lanes.next(NOW), lanes.wake(NOW)), (None, Some(later)));
    assert_eq!(lanes.next(later).map(|order| (order.queue, order.count)), Some((line.clone(), 1)));
    lanes.taken(&line, 1, 1, Some(NOW));
    lanes.ended(&line, 1, Pace::Made, NOW);
    // The next is due at once, and still one alone.
    assert_eq!(lanes.next(later).map(|order| order.count), Some(1));
    lanes.taken(&line, 1, 1, None);
    // The last comes back, which is heard of after its end: it waits nevertheless.
    let latest = Timestamp::from_millis(3000);
    lanes.ended(&line, 1, Pace::Held(latest), NOW);
    lanes.arrived_in_order(&line, NOW);
    assert_eq!(lanes.next(later), None);
    assert_eq!(lanes.wake(later), Some(latest));
    assert_eq!(lanes.next(latest).map(|order| order.queue), Some(line));
}
