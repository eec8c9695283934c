//! Mailboxes against a model that is slow and plain: whatever is done in whatever order, both say the same.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::collections::BTreeMap;

use lambent_model::Timestamp;
use lambent_store::mailbox::{
    Answer, Attempt, DeadLetters, Depth, Fate, Identity, NewMessage, Op, Receipt, Receive, Received, Send,
    Sent, Settle, Settled,
};
use lambent_store::{Error, Store, Write};

/// Times are seconds here.
fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds * 1000)
}

/// A generator that needs no seed but a number (Steele, Lea, Flood: "SplitMix").
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }

    fn seconds(&mut self, bound: u64) -> i64 {
        i64::try_from(self.below(bound)).unwrap()
    }
}

#[derive(Debug, Clone)]
struct Kept {
    mailbox: u64,
    due: i64,
    sent: i64,
    receives: u64,
    base: u64,
    group: Option<String>,
    source: bool,
    body: u64,
}

/// What a mailbox should do, with everything in one list by number.
#[derive(Default)]
struct Model {
    now: i64,
    kept: BTreeMap<u64, Kept>,
    identities: BTreeMap<(u64, String, String), (i64, u64)>,
    /// The last number that was given away.
    last: u64,
}

/// Runs of each kind: half a minute of a slow disk.
const SEEDS: u64 = 8;
/// After so many receives a message goes to the other mailbox.
const AFTER: u64 = 3;
const RETENTION: i64 = 40;

impl Model {
    fn send(&mut self, mailbox: u64, sent: &[Sent], messages: &[NewMessage], bodies: &[u64]) {
        for ((sent, message), body) in sent.iter().zip(messages).zip(bodies) {
            let identity = message.identity.as_ref().map(|i| (mailbox, i.scope.clone(), i.id.clone()));
            if let Some(identity) = identity {
                let since = message.identity.as_ref().unwrap().since;
                match self.identities.get(&identity) {
                    Some((then, number)) if at(*then) >= since => {
                        assert_eq!((sent.number, sent.repeats.is_some()), (*number, true));
                        continue;
                    }
                    _ => self.identities.insert(identity, (self.now, sent.number)),
                };
            }
            assert!(sent.repeats.is_none() && sent.number > self.last);
            self.last = sent.number;
            let kept = Kept {
                mailbox,
                due: message.due.micros() / 1_000_000,
                sent: self.now,
                receives: 0,
                base: 0,
                group: message.group.clone(),
                source: false,
                body: *body,
            };
            self.kept.insert(sent.number, kept);
        }
    }

    /// The numbers that can be received, in order.
    fn ready(&self, mailbox: u64, groups: Option<i64>) -> Vec<u64> {
        let here = || self.kept.iter().filter(|(_, kept)| kept.mailbox == mailbox);
        let Some(sent_until) = groups else {
            let mut due: Vec<_> = here().filter(|(_, kept)| kept.due <= self.now).collect();
            due.sort_by_key(|(number, kept)| (kept.due, kept.receives, **number));
            return due.into_iter().map(|(number, _)| *number).collect();
        };
        let mut found = Vec::new();
        let mut order: Vec<&String> = Vec::new();
        here().for_each(|(_, kept)| {
            let group = kept.group.as_ref().unwrap();
            if !order.contains(&group) {
                order.push(group);
            }
        });
        for group in order {
            let of_group = || here().filter(|(_, kept)| kept.group.as_ref() == Some(group));
            if of_group().all(|(_, kept)| kept.due <= self.now) {
                found.extend(
                    of_group().take_while(|(_, kept)| kept.sent <= sent_until).map(|(number, _)| *number),
                );
            }
        }
        found
    }

    /// Applies a receive and says which bodies it gives, with how often they were received.
    fn receive(&mut self, ask: &Receive, dead: u64, groups: Option<i64>, received: &Received) {
        let mut expected = Vec::new();
        let (mut moved, mut renumbered) = (0, Vec::new());
        for number in self.ready(ask.mailbox, groups) {
            if expected.len() == ask.count {
                break;
            }
            let kept = self.kept.get_mut(&number).unwrap();
            if kept.sent < self.now - RETENTION {
                self.kept.remove(&number);
            } else if ask.dead_letters.is_some() && kept.receives - kept.base >= AFTER {
                let (receives, now) = (kept.receives, self.now);
                *kept = Kept { mailbox: dead, due: now, base: receives, source: true, ..kept.clone() };
                moved += 1;
                if groups.is_some() {
                    kept.sent = now;
                    renumbered.push(number);
                }
            } else {
                kept.receives += 1;
                kept.due = ask.hidden_until.micros() / 1_000_000;
                expected.push((kept.body, number, kept.receives, kept.source));
            }
        }
        let got: Vec<_> = received
            .messages
            .iter()
            .map(|m| {
                let body = std::str::from_utf8(&m.body).unwrap().parse().unwrap();
                (body, m.receipt.number, m.receipt.receives, m.source.is_some())
            })
            .collect();
        assert_eq!(got, expected);
        assert_eq!(received.moved, moved);
        // In a mailbox with groups a dead letter is the newest.
        for number in renumbered {
            let kept = self.kept.remove(&number).unwrap();
            self.last += 1;
            self.kept.insert(self.last, kept);
        }
        match received.next {
            None => assert!(self.kept.values().all(|kept| kept.mailbox != ask.mailbox), "nothing is left"),
            Some(next) if next > ask.now => {
                assert!(
                    self.ready(ask.mailbox, groups).is_empty()
                        || got.len() == ask.count
                        || ask.hidden_until <= ask.now
                );
            }
            Some(_) => {}
        }
    }

    fn settle(&mut self, settle: &Settle) -> Vec<Settled> {
        let one = |(receipt, fate): &(Receipt, Fate)| {
            let kept = self.kept.get_mut(&receipt.number);
            let Some(kept) = kept.filter(|k| k.mailbox == settle.mailbox && k.receives == receipt.receives)
            else {
                return Settled::Gone;
            };
            if settle.while_hidden && kept.due <= self.now {
                return Settled::Visible;
            }
            match fate {
                Fate::Deleted => drop(self.kept.remove(&receipt.number)),
                Fate::Hidden { until } => kept.due = until.micros() / 1_000_000,
            }
            Settled::Done
        };
        settle.fates.iter().map(one).collect()
    }
}

async fn only(store: &Store, op: Op) -> Answer {
    store.mail(vec![op]).await.unwrap().pop().unwrap()
}

async fn run(seed: u64, with_groups: bool) {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path()).unwrap();
    let mut random = Random(seed);
    let mut model = Model { now: 1_000, ..Model::default() };
    let (mut mailbox, dead) = (1, 2);
    let open = |mailbox| Write::OpenMailbox { mailbox };
    let numbers = store.commit(vec![open(mailbox), open(dead)]).await.unwrap();
    model.last = numbers[1];
    let (mut receipts, mut bodies) = (Vec::new(), 0_u64);
    for _ in 0..300 {
        let from = if random.below(5) == 0 { dead } else { mailbox };
        match random.below(20) {
            0..7 => {
                let numbers: Vec<u64> = (0..=random.below(3)).map(|n| bodies + n).collect();
                bodies += 3;
                let messages: Vec<NewMessage> = numbers
                    .iter()
                    .map(|body| NewMessage {
                        due: at(model.now + if with_groups { 0 } else { random.seconds(4) }),
                        group: with_groups
                            .then(|| ["a", "b", "c"][usize::try_from(random.below(3)).unwrap()].into()),
                        identity: (random.below(2) == 0).then(|| Identity {
                            scope: "s".into(),
                            id: random.below(8).to_string(),
                            since: at(model.now - 5),
                            note: body.to_string().into_bytes(),
                        }),
                        head: b"head".to_vec(),
                        body: body.to_string().into(),
                    })
                    .collect();
                let send = Send { mailbox, now: at(model.now), messages: messages.clone() };
                let Answer::Sent(sent) = only(&store, Op::Send(send)).await else { panic!() };
                model.send(mailbox, &sent, &messages, &numbers);
            }
            7..14 => {
                let groups = with_groups.then(|| model.now - random.seconds(3));
                let ask = Receive {
                    mailbox: from,
                    now: at(model.now),
                    hidden_until: at(model.now + random.seconds(5)),
                    count: usize::try_from(1 + random.below(5)).unwrap(),
                    groups: groups.map(at),
                    oldest: at(model.now - RETENTION),
                    dead_letters: (from == mailbox).then(|| DeadLetters {
                        after: AFTER,
                        mailbox: dead,
                        source: "source".into(),
                    }),
                    attempt: None,
                };
                let Answer::Received(received) = only(&store, Op::Receive(ask.clone())).await else {
                    panic!()
                };
                let found = received.messages.iter().map(|m| (from, m.receipt));
                receipts.extend(found);
                model.receive(&ask, dead, groups, &received);
            }
            14..17 if !receipts.is_empty() => {
                let index = usize::try_from(random.below(receipts.len() as u64)).unwrap();
                let (mailbox, receipt) = receipts[index];
                let fate = match random.below(2) {
                    0 => Fate::Deleted,
                    _ => Fate::Hidden { until: at(model.now + random.seconds(6)) },
                };
                let settle = Settle {
                    mailbox,
                    now: at(model.now),
                    while_hidden: random.below(2) == 0,
                    strict: false,
                    fates: vec![(receipt, fate)],
                };
                match store.mail(vec![Op::Settle(settle.clone())]).await {
                    Ok(answers) => assert_eq!(answers, [Answer::Settled(model.settle(&settle))]),
                    Err(Error::MailboxClosed { .. }) => {}
                    Err(error) => panic!("{error}"),
                }
            }
            17 => {
                store.close().await.unwrap();
                store = Store::open(dir.path()).unwrap();
            }
            18 if random.below(6) == 0 => {
                let next = mailbox + 10;
                let writes = vec![Write::CloseMailbox { mailbox }, open(next)];
                model.last = store.commit(writes).await.unwrap()[1];
                model.kept.retain(|_, kept| kept.mailbox != mailbox);
                mailbox = next;
                while let Some(closed) = store.closed_mailbox().await.unwrap() {
                    only(&store, Op::Discard { mailbox: closed, limit: 3 }).await;
                }
            }
            _ => model.now += random.seconds(3),
        }
        let depth = store.depth(mailbox, at(model.now), None).await.unwrap();
        let count = |f: fn(&Kept, i64) -> bool| {
            model.kept.values().filter(|k| k.mailbox == mailbox && f(k, model.now)).count() as u64
        };
        let expected = Depth {
            visible: count(|k, now| k.due <= now),
            hidden: count(|k, now| k.due > now && k.receives > 0),
            delayed: count(|k, now| k.due > now && k.receives == 0),
        };
        assert_eq!(depth, expected);
    }
    store.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mailboxes_do_what_the_model_does() {
    for seed in 0..SEEDS {
        run(seed, false).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mailboxes_with_groups_do_what_the_model_does() {
    for seed in 0..SEEDS {
        run(seed, true).await;
    }
}

fn message(group: &str, body: &str) -> NewMessage {
    NewMessage {
        due: at(1),
        group: Some(group.into()),
        identity: None,
        head: Vec::new(),
        body: body.to_owned().into(),
    }
}

#[tokio::test]
async fn an_attempt_that_is_repeated_gives_the_same_and_strict_settling_is_all_or_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    store.commit(vec![Write::OpenMailbox { mailbox: 1 }]).await.unwrap();
    let messages = vec![message("a", "1"), message("a", "2"), message("b", "3")];
    only(&store, Op::Send(Send { mailbox: 1, now: at(1), messages })).await;
    let ask = |now: i64| {
        Op::Receive(Receive {
            mailbox: 1,
            now: at(now),
            hidden_until: at(now + 10),
            count: 2,
            groups: Some(at(now)),
            oldest: at(0),
            dead_letters: None,
            attempt: Some(Attempt { id: "try".into(), since: at(now - 300) }),
        })
    };
    let Answer::Received(first) = only(&store, ask(2)).await else { panic!() };
    let Answer::Received(again) = only(&store, ask(5)).await else { panic!() };
    assert_eq!((first.messages.len(), &first.messages), (2, &again.messages));
    let receipts: Vec<Receipt> = again.messages.iter().map(|m| m.receipt).collect();
    let settle = |now: i64, strict: bool, receipts: &[Receipt]| {
        let fates = receipts.iter().map(|receipt| (*receipt, Fate::Deleted)).collect();
        Op::Settle(Settle { mailbox: 1, now: at(now), while_hidden: true, strict, fates })
    };
    // Hidden anew at 5, so not before 15.
    let settled = only(&store, settle(14, false, &receipts[..1])).await;
    assert_eq!(settled, Answer::Settled(vec![Settled::Done]));
    // One of them is gone: nothing of the commit happens, the sending neither.
    let copy = Op::Send(Send { mailbox: 1, now: at(14), messages: vec![message("c", "4")] });
    let refused = store.mail(vec![copy, settle(14, true, &receipts)]).await;
    assert!(matches!(refused, Err(Error::LeaseLost { .. })), "{refused:?}");
    assert_eq!(store.depth(1, at(14), None).await.unwrap(), Depth { visible: 1, hidden: 1, delayed: 0 });
    // And a repeated attempt finds them changed, so it is one of its own.
    let Answer::Received(other) = only(&store, ask(14)).await else { panic!() };
    assert_eq!(other.messages.iter().map(|m| &m.body[..]).collect::<Vec<_>>(), [b"3"]);
    store.close().await.unwrap();
}

#[tokio::test]
async fn what_is_over_is_found_and_removed() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    store.commit(vec![Write::OpenMailbox { mailbox: 1 }]).await.unwrap();
    for now in 1..=9 {
        let messages = vec![message("a", &now.to_string())];
        only(&store, Op::Send(Send { mailbox: 1, now: at(now), messages })).await;
    }
    let over = |_: u64, sent: Timestamp| sent < at(4);
    let found = store.expired_mail(0, 2, at(7), over).await.unwrap();
    assert_eq!((found.numbers.len(), found.after.is_some()), (2, true));
    let rest = store.expired_mail(found.after.unwrap(), 100, at(7), over).await.unwrap();
    assert_eq!((rest.numbers.len(), rest.after), (1, None), "the newest are not looked at");
    let numbers = found.numbers.into_iter().chain(rest.numbers).collect();
    assert_eq!(only(&store, Op::Remove { numbers }).await, Answer::Removed(3));
    let send = Send { mailbox: 5, now: at(9), messages: Vec::new() };
    assert!(matches!(store.mail(vec![Op::Send(send)]).await, Err(Error::MailboxClosed { mailbox: 5 })));
    assert_eq!(store.depth(1, at(9), None).await.unwrap().visible, 6);
    store.close().await.unwrap();
}

#[tokio::test]
async fn large_messages_come_a_few_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    store.commit(vec![Write::OpenMailbox { mailbox: 1 }, Write::OpenMailbox { mailbox: 2 }]).await.unwrap();
    for (mailbox, with_groups) in [(1, false), (2, true)] {
        let large = || NewMessage {
            group: with_groups.then(|| "a".to_owned()),
            body: vec![b'x'; 1024 * 1024].into(),
            ..message("a", "")
        };
        let messages = (0..5).map(|_| large()).collect();
        only(&store, Op::Send(Send { mailbox, now: at(1), messages })).await;
        let ask = Receive {
            mailbox,
            now: at(1),
            hidden_until: at(9),
            count: 10,
            groups: with_groups.then(|| at(1)),
            oldest: at(0),
            dead_letters: None,
            attempt: None,
        };
        let Answer::Received(received) = only(&store, Op::Receive(ask)).await else { panic!() };
        assert_eq!((received.messages.len(), received.next), (3, Some(at(1))));
        assert_eq!(store.depth(mailbox, at(1), None).await.unwrap().visible, 2);
    }
    store.close().await.unwrap();
}

#[tokio::test]
async fn what_was_sent_together_goes_with_the_last_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    store.commit(vec![Write::OpenMailbox { mailbox: 1 }]).await.unwrap();
    let plain = |n: usize| NewMessage { group: None, body: n.to_string().into(), ..message("", "") };
    let messages = (0..40).map(plain).collect();
    let Answer::Sent(sent) = only(&store, Op::Send(Send { mailbox: 1, now: at(1), messages })).await else {
        panic!()
    };
    let rows = || {
        let conn = rusqlite::Connection::open(dir.path().join("lambent.db")).unwrap();
        conn.query_row("SELECT count(*) FROM mail_content", [], |row| row.get::<_, u64>(0)).unwrap()
    };
    assert_eq!(rows(), 3);
    let number = |place: usize| sent[place].number;
    // Of the first bundle one is left, nothing of the second, all of the third but its first.
    let numbers = (0..33).filter(|place| *place != 5).map(number).collect();
    assert_eq!(only(&store, Op::Remove { numbers }).await, Answer::Removed(32));
    assert_eq!(rows(), 2);
    let ask = Receive {
        mailbox: 1,
        now: at(1),
        hidden_until: at(9),
        count: 10,
        groups: None,
        oldest: at(0),
        dead_letters: None,
        attempt: None,
    };
    let Answer::Received(received) = only(&store, Op::Receive(ask)).await else { panic!() };
    let texts: Vec<&[u8]> = received.messages.iter().map(|message| &message.body[..]).collect();
    assert_eq!(texts, [&b"5"[..], b"33", b"34", b"35", b"36", b"37", b"38", b"39"]);
    let fates = received.messages.iter().map(|message| (message.receipt, Fate::Deleted)).collect();
    let settle = Settle { mailbox: 1, now: at(2), while_hidden: false, strict: false, fates };
    assert_eq!(only(&store, Op::Settle(settle)).await, Answer::Settled(vec![Settled::Done; 8]));
    assert_eq!(rows(), 0);
    store.close().await.unwrap();
}
