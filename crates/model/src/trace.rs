//! The trace header, what it says of recursion, and the port through which segments of traces leave.
//!
//! `Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=0;Lineage=a87bd80c:1|68fd508a:5`
//!
//! Functions find it as `_X_AMZN_TRACE_ID`, and AWS's SDKs send it along with their calls, so that a chain of invocations
//! carries its own history: for each function that took part a hash of its name, and how often it came back (Developer
//! Guide, "Use Lambda recursive loop detection to prevent infinite loops"). AWS documents what the history is for and not
//! how it is written; this is the form that X-Ray's propagators are tested with.

use crate::{Entropy, FunctionArn, Origin, Scope, Timestamp};

/// How often a function may be part of one chain. "When your function is invoked approximately 16 times in the same chain
/// of requests, Lambda automatically stops the next function invocation in that chain."
const MOST: u32 = 16;

/// Functions that a history names. It is sent in a header, which must stay short; a longer chain of different functions is
/// no loop that would be found here.
const MOST_FUNCTIONS: usize = 32;

/// The chain of an invocation of this function, out of the chain that called.
///
/// # Errors
/// [`Recursive`] when the function has been part of it so often that it is a loop.
pub fn step(header: &str, function: &FunctionArn) -> Result<String, Recursive> {
    let name = format!("{:08x}", hash(function));
    let (mut rest, mut lineage) = (Vec::new(), Vec::new());
    for part in header.split(';') {
        match part.trim().strip_prefix("Lineage=") {
            Some(text) => lineage.extend(text.split('|').filter_map(entry)),
            None => rest.push(part),
        }
    }
    match lineage.iter_mut().find(|(found, _)| *found == name) {
        Some((_, count)) if *count + 1 >= MOST => return Err(Recursive),
        Some((_, count)) => *count += 1,
        None => {
            // The oldest goes first.
            lineage.drain(..(lineage.len() + 1).saturating_sub(MOST_FUNCTIONS));
            lineage.push((&name, 0));
        }
    }
    let lineage: Vec<String> = lineage.iter().map(|(name, count)| format!("{name}:{count}")).collect();
    rest.retain(|part| !part.is_empty());
    let separator = if rest.is_empty() { "" } else { ";" };
    Ok(format!("{}{separator}Lineage={}", rest.join(";"), lineage.join("|")))
}

/// How often this function has come back in a chain.
#[must_use]
pub fn depth(header: &str, function: &FunctionArn) -> u32 {
    let name = format!("{:08x}", hash(function));
    let lineage = header.split(';').filter_map(|part| part.trim().strip_prefix("Lineage="));
    let mut entries = lineage.flat_map(|text| text.split('|')).filter_map(entry);
    entries.find(|(found, _)| *found == name).map_or(0, |(_, count)| count)
}

/// A root for a trace that nobody started: never sampled, since nothing records it (X-Ray Developer Guide, "Tracing
/// header").
#[must_use]
pub fn new_id(entropy: &dyn Entropy, now: Timestamp) -> String {
    let mut random = [0; 20];
    entropy.fill(&mut random);
    // As three numbers: text byte by byte costs more than all the rest of an invocation's headers.
    let number = |from: usize| {
        let bytes = random[from..from + 8].try_into().expect("eight bytes are an array of eight");
        u64::from_be_bytes(bytes)
    };
    // What does not fit into eight digits comes after the year 2106.
    let seconds = u64::try_from(now.seconds()).unwrap_or(0);
    let mut id = String::with_capacity(ID_BYTES);
    id.push_str("Root=1-");
    push_hex(&mut id, seconds, 8);
    id.push('-');
    push_hex(&mut id, number(0) >> 32, 8);
    push_hex(&mut id, number(4), 16);
    id.push_str(";Parent=");
    push_hex(&mut id, number(12), 16);
    id.push_str(";Sampled=0");
    id
}

/// The length of what [`new_id`] makes.
const ID_BYTES: usize = 74;

/// The last digits of a number. The standard library's formatting takes five times as long, which every invocation would.
fn push_hex(text: &mut String, number: u64, digits: u32) {
    for place in (0..digits).rev() {
        let digit = (number >> (4 * place)) & 0xf;
        text.push(char::from(b"0123456789abcdef"[digit as usize]));
    }
}

/// A part of a trace on its way to whoever keeps traces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// The account and region that it happened in.
    pub scope: Scope,
    /// When it came.
    pub at: Timestamp,
    /// Who says so: a function may send a segment under any name, and so forge none of the platform's.
    pub origin: Origin,
    /// The segment document, a JSON object (X-Ray Developer Guide, "AWS X-Ray segment documents"). Where it came over
    /// the daemon's socket it is as the function wrote it, without the line before it; nobody has looked into it.
    pub document: String,
}

/// Takes segments off the path of requests.
pub trait TraceSink: Send + Sync {
    /// Hands over one segment and returns at once. What does not fit is dropped and counted by the sink.
    fn write(&self, segment: Segment);
}

/// A function is invoked again and again by what it does itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the function has been invoked {MOST} times in one chain of requests")]
pub struct Recursive;

/// `HASH:COUNT`, or with a number before it, as AWS has come to write it.
fn entry(text: &str) -> Option<(&str, u32)> {
    let (name, count) = text.trim().rsplit_once(':')?;
    let name = name.rsplit(':').next().unwrap_or(name);
    let is_hash = name.len() == 8 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    Some((name, count.parse().ok()?)).filter(|_| is_hash)
}

/// FNV-1a (draft-eastlake-fnv): the same on each run and each machine.
fn hash(function: &FunctionArn) -> u32 {
    let (scope, name) = (&function.scope, &function.name);
    let parts = [scope.region.as_str(), ":", scope.account.as_str(), ":", name];
    parts
        .iter()
        .flat_map(|part| part.bytes())
        .fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Scope;

    fn function(name: &str) -> FunctionArn {
        let scope = Scope { account: "000000000000".parse().unwrap(), region: "us-east-1".parse().unwrap() };
        FunctionArn { scope, name: name.into() }
    }

    #[test]
    fn a_loop_is_stopped_after_sixteen_rounds() {
        let (a, b) = (function("a"), function("b"));
        let mut header = "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0".to_owned();
        for _ in 0..16 {
            header = step(&header, &a).unwrap();
            header = step(&header, &b).unwrap();
        }
        assert_eq!(step(&header, &a), Err(Recursive));
        assert_eq!(step(&header, &b), Err(Recursive));
        assert_eq!((depth(&header, &a), depth(&header, &function("c")), depth("", &a)), (15, 0, 0));
        assert!(step(&header, &function("c")).is_ok(), "others are not part of it");
        assert!(
            header.starts_with("Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0;Lineage="),
            "{header}"
        );
    }

    #[test]
    fn new_ids_have_their_numbers_at_their_full_width() {
        struct Counting;
        impl Entropy for Counting {
            fn fill(&self, buffer: &mut [u8]) {
                (0..).zip(buffer).for_each(|(number, byte)| *byte = number * 12);
            }
        }
        let id = new_id(&Counting, Timestamp::from_millis(1_465_510_280_000));
        assert_eq!(id, "Root=1-5759e988-000c1824303c4854606c7884;Parent=909ca8b4c0ccd8e4;Sampled=0");
        assert_eq!(id.len(), ID_BYTES);
    }

    #[test]
    fn every_form_is_read_and_what_is_none_is_left_out() {
        let name = format!("{:08x}", hash(&function("a")));
        for (header, expected) in [
            (String::new(), format!("Lineage={name}:0")),
            ("Root=1".into(), format!("Root=1;Lineage={name}:0")),
            (format!("Lineage={name}:3;Root=1"), format!("Root=1;Lineage={name}:4")),
            (
                format!("Root=1;Lineage=1:{name}:3|x|a:b|68fd508a:5"),
                format!("Root=1;Lineage={name}:4|68fd508a:5"),
            ),
            (format!("Root=1; Lineage={name}:99999999999"), format!("Root=1;Lineage={name}:0")),
        ] {
            assert_eq!(step(&header, &function("a")), Ok(expected), "{header}");
        }
        let mut header = String::new();
        for n in 0..100 {
            header = step(&header, &function(&n.to_string())).unwrap();
        }
        assert_eq!(header.matches('|').count(), 31, "{header}");
    }
}
