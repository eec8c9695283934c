//! Where a service's limits differ from its model, with the source of each difference.

use crate::error::Error;
use crate::operation::Operation;
use crate::path::Path;
use crate::{common, logs};

/// What is different.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    /// The model's enum is not checked here: the service words that error itself.
    EnumLeftToService,
}

struct Override {
    service: &'static str,
    operations: &'static [&'static str],
    /// The model's member names from the input down.
    path: &'static [&'static str],
    rule: Rule,
}

const CONFIGURING: &[&str] = &["CreateFunction", "UpdateFunctionConfiguration"];

static OVERRIDES: &[Override] = &[
    // The live service answers InvalidParameterValueException with a text of its own, "… or be a valid ARN", and takes
    // ids that are newer than the model.
    Override {
        service: "lambda",
        operations: CONFIGURING,
        path: &["Runtime"],
        rule: Rule::EnumLeftToService,
    },
];

/// The differences of one operation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Overrides {
    service: &'static str,
    operation: &'static str,
}

impl Overrides {
    pub(crate) fn of(operation: &Operation) -> Self {
        Self { service: operation.service.name, operation: operation.name }
    }

    /// The error of an input that breaks constraints. CloudWatch Logs names it among the errors of its operations
    /// (Amazon CloudWatch Logs API Reference: `InvalidParameterException`); elsewhere it is a common error.
    /// SQS has a code for each of the two (Amazon SQS API Reference, "Common Errors").
    pub(crate) fn violation(self, message: String, missing: Option<String>) -> Error {
        match self.service {
            "sqs" => match missing {
                Some(path) => {
                    let name = path[..1].to_ascii_uppercase() + &path[1..];
                    common::missing_parameter(format!("The request must contain the parameter {name}."))
                }
                None => common::invalid_parameter_value(message),
            },
            "logs" => logs::error::invalid_parameter_exception(message),
            _ => common::validation_exception(message),
        }
    }

    /// Whether the enum at `path` is left to the service.
    pub(crate) fn leaves_enum(self, path: &Path<'_>) -> bool {
        // SQS words what is wrong with names of attributes itself, and takes those of messages where its model has those
        // of queues (`AttributeNames` of `ReceiveMessage`).
        self.service == "sqs" || self.at(path).any(|rule| rule == Rule::EnumLeftToService)
    }

    fn at(self, path: &Path<'_>) -> impl Iterator<Item = Rule> {
        OVERRIDES
            .iter()
            .filter(move |entry| {
                entry.service == self.service
                    && entry.operations.contains(&self.operation)
                    && path.is_members(entry.path)
            })
            .map(|entry| entry.rule)
    }
}
