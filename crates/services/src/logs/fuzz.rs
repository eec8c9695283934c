//! The targets behind [`crate::fuzz`].

use super::insights::{Query, Row, Run, fields_of};
use super::pattern::Pattern;
use super::storage::frame::{Builder, EventRef, Frame, MAGIC};
use super::storage::position::Position;
use super::storage::segment;

/// The first line, and what follows it.
fn halves(bytes: &[u8]) -> Option<(&str, &str)> {
    let text = std::str::from_utf8(bytes).ok()?;
    Some(text.split_once('\n').unwrap_or((text, "")))
}

/// Whatever a pattern says, it says it of every message, and extracts nothing larger than that.
pub(crate) fn pattern(bytes: &[u8]) {
    let Some((pattern, message)) = halves(bytes) else { return };
    // The model's limit, which the API has checked before.
    let Ok(pattern) = Pattern::parse(&pattern.chars().take(1_024).collect::<String>()) else { return };
    pattern.matches(message);
    let longest = pattern.extract(message).into_values().map(|value| value.len()).max().unwrap_or(0);
    // JSON is written anew, with its numbers and escapes in their longest form.
    assert!(longest <= 64 * (message.len() + 1), "{longest} bytes out of {}", message.len());
}

/// A query is refused inside of its text, or gives rows within their bounds.
pub(crate) fn query(bytes: &[u8]) {
    let Some((query, message)) = halves(bytes) else { return };
    let row = || Row::new((1_769_860_800_000, 1), ("0:g", "s"), message, true, &String::new);
    fields_of(&row());
    match Query::parse(query) {
        Err(error) => {
            assert!(error.span.start <= error.span.end && error.span.end <= query.len(), "{:?}", error.span)
        }
        Ok(parsed) => {
            let mut run = Run::new(parsed, Some(10));
            let taken = run.add(row()).and_then(|()| run.add(row()));
            if taken.is_ok()
                && let Ok(rows) = run.finish()
            {
                assert!(rows.len() <= 10, "{} rows", rows.len());
            }
        }
    }
}

/// Frames are read up to the first that is not whole, and events never past a frame.
pub(crate) fn segment(bytes: &[u8]) {
    let mut rest = bytes.strip_prefix(&MAGIC[..]).unwrap_or(bytes);
    let mut scratch = Vec::new();
    while let Some(frame) = Frame::read(rest) {
        frame.events(&mut scratch, |event| assert!(event.message.len() <= frame.summary.raw_bytes as usize));
        rest = &rest[frame.end..];
    }
    segment::fuzz_index(bytes);
}

/// Inputs to begin with, for [`pattern`].
#[must_use]
pub(crate) fn patterns() -> Vec<Vec<u8>> {
    [
        "ERROR -\"a b\" ?x\nan ERROR of a b",
        "%4[0-9]{2}%\nHTTP 404",
        "{ ($.a.b[0] = \"x*\" || $.n >= 1e2) && $['c'] NOT EXISTS && $.d[*] IS NULL }\n{\"a\":{\"b\":[\"xy\"]},\"n\":200}",
        "[ip, ..., status = 4* || status != 5*, bytes > 100]\n127.0.0.1 - \"GET /\" [now] 404 1534",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec()
}

/// Inputs to begin with, for [`query`].
#[must_use]
pub(crate) fn queries() -> Vec<Vec<u8>> {
    [
        "fields @timestamp, n * 2 + 1 as m | filter n in [1, 2] and @message like /a.b/ | sort m desc | limit 5\n{\"n\":1}",
        "parse @message \"user=*, m:*\" as u, `m x` | stats count(*) as c, pct(n, 95) by bin(5m), u | sort c\nuser=a, m:b",
        "parse /(?<a>\\d+)/ | dedup a | display concat(a, 'x'), replace(a, '1', '22'), substr(a, 1)\n123",
        "filter not (@duration > 1) or isIpInSubnet(ip, '10.0.0.0/8') # x\nREPORT RequestId: a\tDuration: 1.5 ms",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec()
}

/// Inputs to begin with, for [`segment`].
#[must_use]
pub(crate) fn segments() -> Vec<Vec<u8>> {
    let file = |compress: bool| {
        let mut bytes = MAGIC.to_vec();
        let mut builder = Builder::default();
        for number in 1..9 {
            let position = Position { at_ms: 1_000 * number, number };
            let message = "a line that repeats itself\n";
            builder.push(&EventRef {
                stream: number % 3,
                position,
                ingested_ms: 9,
                platform: false,
                message,
            });
        }
        let summary = builder.finish(&mut bytes, compress);
        let (offset, end) = (MAGIC.len() as u64, bytes.len() as u64);
        let block = segment::Block { offset, bytes: end - offset, summary };
        segment::encode_index(&mut bytes, &[block], end);
        bytes
    };
    vec![file(false), file(true)]
}
