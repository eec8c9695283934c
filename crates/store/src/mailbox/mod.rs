//! Mailboxes: queues that clients poll, whose messages are hidden while somebody has them.
//!
//! ```text
//! Send ──▶ message, due now or later
//! Receive ─▶ messages that are due, each hidden for a while from now on and counted      dead letters move on here
//! Settle ─▶ gone, or due at another time                 by the receipt of the last receive, for no other is worth anything
//! ```
//!
//! What [`crate::queue`] keeps in memory, who has taken what, is written down here: clients hold messages for longer than
//! a process lives, and how often each was received decides about it. So a receive is a commit too, and shares its fsync
//! with all others. The owner brings what messages say: a `head` and a `body`, which never change.
//!
//! A mailbox is a number that its owner chose, and takes messages from when it is opened until it is closed. What a
//! closed one holds is unreachable at once and removed bit by bit ([`Op::Discard`]).
//!
//! In a mailbox with *groups* messages of one group are received in the order in which they were sent, and none of a
//! group while another of it is hidden.

mod apply;
mod content;
mod groups;
mod read;
mod receive;
mod send;
mod settle;
mod sweep;

use bytes::Bytes;
use lambent_model::Timestamp;

pub(crate) use apply::{Refused, apply, close, open};
pub(crate) use read::{closed, depth, expired, hidden};

/// One action on a mailbox. Those of one commit share its fate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// Adds messages, in this order.
    Send(Send),
    /// Takes messages that are due.
    Receive(Receive),
    /// Deletes messages that were received, or changes when they are due.
    Settle(Settle),
    /// Removes messages whatever they are, by number: those whose time is over.
    Remove {
        /// Which, at most a few hundred.
        numbers: Vec<u64>,
    },
    /// Removes some of what a closed mailbox has left, and the mailbox with the last of it.
    Discard {
        /// The mailbox.
        mailbox: u64,
        /// How many messages at most.
        limit: usize,
    },
    /// Forgets identities and attempts of before a time.
    Forget {
        /// The time.
        before: Timestamp,
        /// How many of each at most.
        limit: usize,
    },
}

/// What an [`Op`] did, of the same name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// For each message.
    Sent(Vec<Sent>),
    /// What was taken.
    Received(Received),
    /// For each receipt.
    Settled(Vec<Settled>),
    /// How many rows [`Op::Remove`], [`Op::Discard`] or [`Op::Forget`] removed.
    Removed(usize),
}

/// Messages for a mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Send {
    /// The mailbox.
    pub mailbox: u64,
    /// When they are sent.
    pub now: Timestamp,
    /// The messages.
    pub messages: Vec<NewMessage>,
}

/// A message to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewMessage {
    /// When it can be received for the first time.
    pub due: Timestamp,
    /// Its group, in a mailbox with groups.
    pub group: Option<String>,
    /// What it is known by; a second one of the same identity is not added.
    pub identity: Option<Identity>,
    /// What its owner notes of it.
    pub head: Vec<u8>,
    /// What it says.
    pub body: Bytes,
}

/// By what a message is recognised when it is sent again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// What the identity is unique in, within the mailbox: a group, or nothing.
    pub scope: String,
    /// The identity.
    pub id: String,
    /// Earlier ones are forgotten.
    pub since: Timestamp,
    /// What a second sender is told of the first message.
    pub note: Vec<u8>,
}

/// What became of a message that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// Its number, or that of the message that it repeats. Later ones are larger.
    pub number: u64,
    /// The note of the message that it repeats, where it was not added for that reason.
    pub repeats: Option<Vec<u8>>,
}

/// A look into a mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receive {
    /// The mailbox.
    pub mailbox: u64,
    /// The time.
    pub now: Timestamp,
    /// Until when what is received is hidden.
    pub hidden_until: Timestamp,
    /// How many messages at most, ten or so.
    pub count: usize,
    /// With groups: what was sent after this is not received yet.
    pub groups: Option<Timestamp>,
    /// What was sent before this is removed instead of received.
    pub oldest: Timestamp,
    /// Where messages go that were received too often.
    pub dead_letters: Option<DeadLetters>,
    /// With groups: names the receive, so that whoever did not hear its answer is given the same messages once more.
    pub attempt: Option<Attempt>,
}

/// Where messages go that were received too often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetters {
    /// After how many receives in this mailbox.
    pub after: u64,
    /// The mailbox that takes them.
    pub mailbox: u64,
    /// What is noted of where they come from.
    pub source: String,
}

/// The name of a receive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The name.
    pub id: String,
    /// Earlier attempts are forgotten.
    pub since: Timestamp,
}

/// What was received.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Received {
    /// The messages.
    pub messages: Vec<Message>,
    /// When the next can be received, as far as that is known by now; in the past when there are more.
    pub next: Option<Timestamp>,
    /// How many messages went to the mailbox for dead letters.
    pub moved: usize,
}

/// A message that was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// What settles it.
    pub receipt: Receipt,
    /// When it was sent; to a mailbox with groups, when it came into that mailbox.
    pub sent: Timestamp,
    /// When it was received for the first time.
    pub first_received: Timestamp,
    /// Where it comes from, if it is a dead letter.
    pub source: Option<String>,
    /// As it was sent.
    pub head: Vec<u8>,
    /// As it was sent.
    pub body: Vec<u8>,
}

/// Names a message and one receive of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Receipt {
    /// The message.
    pub number: u64,
    /// How often it had been received then, in all mailboxes it was in.
    pub receives: u64,
}

/// Decisions about messages that were received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settle {
    /// The mailbox.
    pub mailbox: u64,
    /// The time.
    pub now: Timestamp,
    /// Whether a receipt is worth something only for as long as its message is hidden.
    pub while_hidden: bool,
    /// Whether nothing of the commit is to happen if one cannot be settled.
    pub strict: bool,
    /// What is to become of which.
    pub fates: Vec<(Receipt, Fate)>,
}

/// What is to become of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is done.
    Deleted,
    /// It is due then.
    Hidden {
        /// In the past it can be received at once.
        until: Timestamp,
    },
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// As was asked.
    Done,
    /// There is no such message, or somebody has received it since.
    Gone,
    /// It was not hidden any more.
    Visible,
}

/// How many messages a mailbox has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Depth {
    /// That can be received, unless others of their group are hidden.
    pub visible: u64,
    /// That somebody has.
    pub hidden: u64,
    /// That are not due for the first time yet.
    pub delayed: u64,
}

/// What the reading for messages whose time is over found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Expired {
    /// The messages.
    pub numbers: Vec<u64>,
    /// Where to go on, `None` at the end.
    pub after: Option<u64>,
}
