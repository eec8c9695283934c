//! What all batches have in common (Amazon SQS API Reference, "Batch actions").

use std::collections::HashSet;

use lambent_wire::Error;
use lambent_wire::sqs::{error, types as t};

/// "The maximum number of entries in a batch request is 10."
const ENTRIES: usize = 10;
/// "The identifier can have up to 80 characters."
const ID: usize = 80;

/// An entry of any batch.
pub(crate) trait Entry {
    fn id(&self) -> &str;
}

macro_rules! entries {
    ($($name:ident)+) => {
        $(impl Entry for t::$name {
            fn id(&self) -> &str {
                &self.id
            }
        })+
    };
}
entries!(ChangeMessageVisibilityBatchRequestEntry DeleteMessageBatchRequestEntry SendMessageBatchRequestEntry);

/// Checks how many there are and what they are called.
pub(crate) fn check<E: Entry>(entries: &[E]) -> Result<(), Error> {
    if entries.is_empty() {
        return Err(error::empty_batch_request(
            "There should be at least one SendMessageBatchRequestEntry in the request.",
        ));
    }
    if entries.len() > ENTRIES {
        return Err(error::too_many_entries_in_batch_request(format!(
            "Maximum number of entries per request are 10. You have sent {}.",
            entries.len()
        )));
    }
    let mut seen = HashSet::new();
    for entry in entries {
        let id = entry.id();
        let plain = |c: u8| c.is_ascii_alphanumeric() || c == b'-' || c == b'_';
        if !(1..=ID).contains(&id.len()) || !id.bytes().all(plain) {
            return Err(error::invalid_batch_entry_id(
                "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 \
                 letters long.",
            ));
        }
        if !seen.insert(id) {
            return Err(error::batch_entry_ids_not_distinct(format!("Id {id} repeated.")));
        }
    }
    Ok(())
}

/// What is said of an entry that failed. Codes are those of the query protocol, which batches have kept.
pub(crate) fn failure(id: String, error: &Error) -> t::BatchResultErrorEntry {
    let code = match error.code {
        "InvalidParameterValueException" => "InvalidParameterValue",
        "MissingRequiredParameterException" => "MissingParameter",
        "MessageNotInflight" => "AWS.SimpleQueueService.MessageNotInflight",
        code => code,
    };
    t::BatchResultErrorEntry {
        id: Some(id),
        sender_fault: Some(!error.is_server_fault()),
        code: Some(code.to_owned()),
        message: Some(error.message.clone()),
    }
}

/// Lists are left out of answers where they are empty, but for those of batches, which the model has as required.
pub(crate) struct Entries<T>(pub(crate) Vec<T>);

impl<T> Entries<T> {
    pub(crate) fn some(self) -> Option<Vec<T>> {
        Some(self.0).filter(|entries| !entries.is_empty())
    }
}
