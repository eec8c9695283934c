use super::*;

const LIMITS: Limits =
    Limits { count: 3, bytes: 100, window: Duration::from_secs(5), batches: 2, items: 20, mixed: true };

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds * 1000)
}

fn item(value: u32, key: &str, bytes: usize) -> Item<u32> {
    Item { key: (!key.is_empty()).then(|| key.into()), bytes, value }
}

fn batches(limits: Limits, items: &[(u32, &str, usize)]) -> Batches<u32> {
    let mut batches = Batches::new(limits, |value| *value != 13);
    for (value, key, bytes) in items {
        assert_eq!(batches.offer(item(*value, key, *bytes), at(0)), Offered::Taken);
    }
    batches
}

#[test]
fn a_batch_is_ready_when_it_is_full_or_has_waited() {
    let mut some = batches(LIMITS, &[(1, "", 1), (2, "", 1)]);
    assert_eq!((some.next(at(4)), some.wake(at(4))), (None, Some(at(5))));
    assert_eq!(some.offer(item(3, "", 1), at(4)), Offered::Taken);
    assert_eq!(some.next(at(4)).unwrap().items, [1, 2, 3], "by number");
    let mut some = batches(LIMITS, &[(1, "", 60), (2, "", 60)]);
    assert_eq!(some.next(at(0)).unwrap().items, [1], "by bytes");
    assert_eq!(some.next(at(0)), None);
    assert_eq!(some.next(at(5)).unwrap().items, [2], "by time");
    let mut some = batches(LIMITS, &[(1, "", 1000)]);
    assert_eq!(some.next(at(0)).unwrap().items, [1], "what is too large goes alone");
}

#[test]
fn what_does_not_pass_and_what_has_no_room_is_given_back() {
    let mut some = batches(Limits { items: 1, ..LIMITS }, &[]);
    assert_eq!(some.offer(item(13, "", 1), at(0)), Offered::Filtered(item(13, "", 1)));
    assert_eq!((some.offer(item(1, "", 1), at(0)), some.room()), (Offered::Taken, 0));
    assert_eq!(some.offer(item(2, "", 1), at(0)), Offered::Full(item(2, "", 1)));
    let batch = some.next(at(9)).unwrap();
    assert_eq!(some.room(), 0, "what is under way is still its owner's");
    some.ended(batch.id, &Ended::Done);
    assert_eq!(some.room(), 1);
}

#[test]
fn a_key_waits_for_its_earlier_items_and_for_nobody_else() {
    let limits = Limits { count: 2, window: Duration::ZERO, ..LIMITS };
    let mut some = batches(limits, &[(1, "a", 1), (2, "a", 1), (3, "a", 1), (4, "b", 1), (5, "", 1)]);
    let first = some.next(at(0)).unwrap();
    assert_eq!(first.items, [1, 2]);
    let second = some.next(at(0)).unwrap();
    assert_eq!(second.items, [4, 5], "a is under way");
    // The second item of the first batch failed: the third waits for it.
    some.ended(first.id, &Ended::Again(vec![1], at(7)));
    assert_eq!((some.next(at(6)), some.wake(at(6))), (None, Some(at(7))));
    assert_eq!(some.next(at(7)).unwrap().items, [2, 3]);
}

#[test]
fn a_batch_of_a_shard_holds_one_key() {
    let limits = Limits { mixed: false, window: Duration::ZERO, ..LIMITS };
    let mut some = batches(limits, &[(1, "a", 1), (2, "b", 1), (3, "a", 1)]);
    assert_eq!(some.next(at(0)).unwrap().items, [1, 3]);
    assert_eq!(some.next(at(0)).unwrap().items, [2]);
}

/// A small generator (Marsaglia, "Xorshift RNGs"): the same numbers on each machine.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// Whatever fails and however long it takes: each key's items end in their order, each once, none is left, and no bound
/// is broken.
#[test]
fn whatever_happens_keys_keep_their_order() {
    for seed in 1..200_u64 {
        let mut chance = Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let limits = Limits { mixed: seed % 2 == 0, batches: 3, ..LIMITS };
        let mut some = batches(limits, &[]);
        let (mut now, mut offered, mut running) = (0, 0, Vec::new());
        let mut done: HashMap<u32, Vec<u32>> = HashMap::new();
        while offered < 100 || some.room() < limits.items {
            assert!(now < 100_000, "seed {seed}: it comes to an end");
            match chance.below(4) {
                0 if offered < 100 => {
                    let key = ["", "0", "1", "2"][usize::try_from(chance.below(4)).unwrap()];
                    let bytes = usize::try_from(chance.below(60)).unwrap();
                    // The value tells its key: hundreds.
                    let value = offered + key.parse::<u32>().map_or(900, |key| key * 100) * 10;
                    if some.offer(item(value, key, bytes), at(now)) == Offered::Taken || value == 13 {
                        offered += 1;
                    }
                }
                1 if !running.is_empty() => {
                    let Batch { id, items } =
                        running.swap_remove(usize::try_from(chance.below(running.len() as u64)).unwrap());
                    // From some place on it failed, as streams do.
                    let from = usize::try_from(chance.below(items.len() as u64 * 3)).unwrap();
                    let failed: Vec<usize> = (from..items.len()).collect();
                    for value in items.iter().take(from) {
                        done.entry(value / 1000).or_default().push(*value);
                    }
                    let due = at(now + i64::try_from(chance.below(9)).unwrap());
                    some.ended(id, &if failed.is_empty() { Ended::Done } else { Ended::Again(failed, due) });
                }
                2 => now += 1,
                _ => {
                    if let Some(batch) = some.next(at(now)) {
                        assert!(batch.items.len() <= limits.count && !batch.items.is_empty());
                        running.push(batch);
                        assert!(running.len() <= limits.batches);
                    }
                }
            }
        }
        for (key, values) in &done {
            assert!(*key == 9 || values.is_sorted(), "seed {seed}: {values:?}");
        }
        let mut all: Vec<u32> = done.into_values().flatten().map(|value| value % 1000).collect();
        all.sort_unstable();
        assert_eq!(
            all,
            (0..100).filter(|n| *n != 13 || all.contains(&13)).collect::<Vec<_>>(),
            "seed {seed}"
        );
    }
}
