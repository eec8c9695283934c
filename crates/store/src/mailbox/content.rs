//! What messages say: rows that are written once and never changed.
//!
//! Messages that are sent together lie in one row, a *bundle*, for a row of its own costs each of them as much as all else
//! that is written for it. A bundle has the number of its first message, and a message says by how much its own is larger.
//! In the place of a head a bundle has two lengths for each message, head and text, and in that of a body all of them.

use std::collections::BTreeSet;

use rusqlite::{CachedStatement, Connection, params};

use super::NewMessage;

/// Messages of one bundle at most, and their bytes: whoever asks for one message reads the others with it, and the last
/// that is left keeps the room of all. The looking for what is left of a bundle relies on the former.
const MESSAGES: usize = 16;
const BYTES: usize = 16 * 1024;

/// Two lengths of four bytes each.
const ENTRY: usize = 8;

/// How many messages from the beginning on are to lie in one row. Those of groups lie alone, because they change their
/// number when they become dead letters.
pub(super) fn together(messages: &[NewMessage]) -> usize {
    let mut bytes = 0;
    let fits = |message: &&NewMessage| {
        bytes += message.head.len() + message.body.len();
        bytes <= BYTES && message.group.is_none()
    };
    messages.iter().take(MESSAGES).take_while(fits).count().max(1)
}

/// Writes what messages say whose numbers begin with `first`, as many as fit [`together`].
pub(super) fn write(
    insert: &mut CachedStatement<'_>,
    first: u64,
    messages: &[NewMessage],
) -> rusqlite::Result<()> {
    if let [alone] = messages {
        insert.execute(params![first, alone.head, &alone.body[..]])?;
        return Ok(());
    }
    let mut lengths = Vec::with_capacity(ENTRY * messages.len());
    let mut bytes = Vec::with_capacity(BYTES);
    for NewMessage { head, body, .. } in messages {
        for part in [&head[..], &body[..]] {
            let length = u32::try_from(part.len()).expect("a bundle has some kilobytes");
            lengths.extend(length.to_le_bytes());
            bytes.extend_from_slice(part);
        }
    }
    insert.execute(params![first, lengths, bytes])?;
    Ok(())
}

/// Prepares what [`write`] executes.
pub(super) fn insert(conn: &Connection) -> rusqlite::Result<CachedStatement<'_>> {
    conn.prepare_cached("INSERT INTO mail_content (id, head, body) VALUES (?1, ?2, ?3)")
}

/// Reads what messages say, and keeps the last bundle for the next of it.
pub(super) struct Reader<'c> {
    find: CachedStatement<'c>,
    last: Option<(u64, Vec<u8>, Vec<u8>)>,
}

impl<'c> Reader<'c> {
    pub(super) fn new(conn: &'c Connection) -> rusqlite::Result<Self> {
        let find = conn.prepare_cached("SELECT head, body FROM mail_content WHERE id = ?1")?;
        Ok(Self { find, last: None })
    }

    /// Head and body of a message that stands so far `back` in a bundle, or alone.
    pub(super) fn read(&mut self, number: u64, back: Option<u64>) -> rusqlite::Result<(Vec<u8>, Vec<u8>)> {
        let row = number - back.unwrap_or(0);
        let mut found = match self.last.take() {
            Some(last) if last.0 == row => last,
            _ => self.find.query_row(params![row], |found| Ok((row, found.get(0)?, found.get(1)?)))?,
        };
        let Some(back) = back else { return Ok((found.1, found.2)) };
        let place = usize::try_from(back).ok().and_then(|place| part(&found.1, &found.2, place));
        // Lengths that do not fit are reported as any damaged row is.
        let (head, body) = place.ok_or(rusqlite::Error::IntegralValueOutOfRange(0, number.cast_signed()))?;
        let message = (head.to_vec(), body.to_vec());
        found.0 = row;
        self.last = Some(found);
        Ok(message)
    }
}

/// One message of a bundle.
fn part<'b>(lengths: &[u8], bytes: &'b [u8], place: usize) -> Option<(&'b [u8], &'b [u8])> {
    let length = |index: usize| {
        let four = lengths.get(4 * index..4 * index + 4)?;
        usize::try_from(u32::from_le_bytes(four.try_into().ok()?)).ok()
    };
    let mut begin = 0;
    for before in 0..2 * place {
        begin += length(before)?;
    }
    let (head, body) = (length(2 * place)?, length(2 * place + 1)?);
    Some((bytes.get(begin..begin + head)?, bytes.get(begin + head..begin + head + body)?))
}

/// Messages that are being removed. To be [`finished`](Self::finish), with which their bundles go as well that nobody is
/// left of.
pub(super) struct Removal<'c> {
    conn: &'c Connection,
    numbers: BTreeSet<u64>,
    /// Those of them that lie alone.
    alone: BTreeSet<u64>,
    bundles: BTreeSet<u64>,
}

impl<'c> Removal<'c> {
    pub(super) fn new(conn: &'c Connection) -> Self {
        Self { conn, numbers: BTreeSet::new(), alone: BTreeSet::new(), bundles: BTreeSet::new() }
    }

    /// Removes one; whoever does it looks after its group.
    pub(super) fn remove(&mut self, number: u64, back: Option<u64>) {
        self.numbers.insert(number);
        match back {
            Some(back) => self.bundles.insert(number - back),
            None => self.alone.insert(number),
        };
    }

    pub(super) fn finish(self) -> rusqlite::Result<()> {
        // What was sent together is mostly removed together: a statement for each run costs a tenth of one for each message.
        let of_both = [
            ("DELETE FROM mail WHERE id BETWEEN ?1 AND ?2", self.numbers),
            ("DELETE FROM mail_content WHERE id BETWEEN ?1 AND ?2", self.alone),
        ];
        for (sql, numbers) in of_both {
            for (first, last) in runs(numbers) {
                self.conn.prepare_cached(sql)?.execute(params![first, last])?;
            }
        }
        if self.bundles.is_empty() {
            return Ok(());
        }
        let mut delete = self.conn.prepare_cached(
            "DELETE FROM mail_content WHERE id = ?1 AND NOT EXISTS
                 (SELECT 1 FROM mail WHERE id >= ?1 AND id < ?2 AND id - back = ?1)",
        )?;
        for bundle in self.bundles {
            delete.execute(params![bundle, bundle + MESSAGES as u64])?;
        }
        Ok(())
    }
}

/// Numbers that grow, as runs without a gap: the first and the last of each.
pub(super) fn runs(numbers: impl IntoIterator<Item = u64>) -> Vec<(u64, u64)> {
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for number in numbers {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => runs.push((number, number)),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_have_no_gaps() {
        assert_eq!(runs([]), []);
        assert_eq!(runs([3, 4, 5, 7, 9, 10]), [(3, 5), (7, 7), (9, 10)]);
    }

    fn message(bytes: usize, group: Option<&str>) -> NewMessage {
        NewMessage {
            due: lambent_model::Timestamp::from_millis(0),
            group: group.map(str::to_owned),
            identity: None,
            head: Vec::new(),
            body: vec![b'x'; bytes].into(),
        }
    }

    #[test]
    fn what_is_small_and_in_no_group_lies_together() {
        for (bytes, count) in [(1024, 16), (1, 16), (2 * 1024, 8), (8 * 1024, 2), (16 * 1024, 1), (20_000, 1)]
        {
            let messages: Vec<_> = (0..40).map(|_| message(bytes, None)).collect();
            assert_eq!(together(&messages), count, "{bytes}");
        }
        assert_eq!(together(&[message(1, None), message(1, None), message(1, Some("g"))]), 2);
        assert_eq!(together(&[message(1, Some("g")), message(1, Some("g"))]), 1);
    }
}
