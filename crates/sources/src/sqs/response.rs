//! What a function's answer says of its batch.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::Value;

/// What is to become of a batch whose function has answered.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All of it is done.
    Done,
    /// These are not, by their places; the rest is.
    Failed(Vec<usize>),
    /// None of it is.
    AllFailed,
}

#[derive(Deserialize)]
struct Response {
    #[serde(rename = "batchItemFailures", default)]
    failures: Option<Vec<Failure>>,
}

#[derive(Deserialize)]
struct Failure {
    #[serde(rename = "itemIdentifier")]
    id: String,
}

/// Reads the answer of a function with `ReportBatchItemFailures` (Developer Guide, "Handling errors for an SQS event
/// source", "Success and failure conditions"): without a list, or with an empty one, all is well; what cannot be made sense
/// of fails the whole batch.
#[must_use]
pub fn read(response: &[u8], ids: &[&str]) -> Verdict {
    if response.iter().all(u8::is_ascii_whitespace) {
        return Verdict::Done;
    }
    let answer: Value = match serde_json::from_slice(response) {
        Ok(Value::Null) => return Verdict::Done,
        Ok(answer @ Value::Object(_)) => answer,
        _ => return Verdict::AllFailed,
    };
    let Ok(Response { failures }) = Response::deserialize(answer) else { return Verdict::AllFailed };
    let places: HashMap<&str, usize> = ids.iter().enumerate().map(|(place, id)| (*id, place)).collect();
    let failed: Option<Vec<usize>> =
        failures.iter().flatten().map(|failure| places.get(failure.id.as_str()).copied()).collect();
    match failed {
        Some(failed) if failed.is_empty() => Verdict::Done,
        Some(mut failed) => {
            failed.sort_unstable();
            failed.dedup();
            Verdict::Failed(failed)
        }
        None => Verdict::AllFailed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_that_the_guide_names() {
        let failed = |places: &[usize]| Verdict::Failed(places.to_vec());
        for (response, verdict) in [
            ("", Verdict::Done),
            (" \n", Verdict::Done),
            ("null", Verdict::Done),
            ("{}", Verdict::Done),
            (r#"{"statusCode":200}"#, Verdict::Done),
            (r#"{"batchItemFailures":null}"#, Verdict::Done),
            (r#"{"batchItemFailures":[]}"#, Verdict::Done),
            (r#"{"batchItemFailures":[{"itemIdentifier":"b"}]}"#, failed(&[1])),
            (r#"{"batchItemFailures":[{"itemIdentifier":"c"},{"itemIdentifier":"a"}]}"#, failed(&[0, 2])),
            (r#"{"batchItemFailures":[{"itemIdentifier":"c"},{"itemIdentifier":"c"}]}"#, failed(&[2])),
            (r#"{"batchItemFailures":[{"itemIdentifier":""}]}"#, Verdict::AllFailed),
            (r#"{"batchItemFailures":[{"itemIdentifier":null}]}"#, Verdict::AllFailed),
            (r#"{"batchItemFailures":[{"itemIdentifier":7}]}"#, Verdict::AllFailed),
            (r#"{"batchItemFailures":[{"messageId":"b"}]}"#, Verdict::AllFailed),
            (r#"{"batchItemFailures":[{"itemIdentifier":"b"},{}]}"#, Verdict::AllFailed),
            (r#"{"batchItemFailures":[{"itemIdentifier":"b"},{"itemIdentifier":"z"}]}"#, Verdict::AllFailed),
            (r#"{"batchItemFailures":["b"]}"#, Verdict::AllFailed),
            (r#"{"batchItemFailures":[null]}"#, Verdict::AllFailed),
            (r#"{"batchItemFailures":"b"}"#, Verdict::AllFailed),
            (r#"{"batchItemFailures":{"itemIdentifier":"b"}}"#, Verdict::AllFailed),
            (r#""done""#, Verdict::AllFailed),
            ("[]", Verdict::AllFailed),
            ("{", Verdict::AllFailed),
        ] {
            assert_eq!(read(response.as_bytes(), &["a", "b", "c"]), verdict, "{response}");
        }
    }
}
