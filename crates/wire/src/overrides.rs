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
    /// A smaller maximum of the value.
    Maximum(i64),
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
    // AWS Lambda Developer Guide, "Lambda quotas": function timeout 900 seconds. The model's 5,400 is for managed
    // instances.
    Override { service: "lambda", operations: CONFIGURING, path: &["Timeout"], rule: Rule::Maximum(900) },
    // The same page: memory up to 10,240 MB. The model's 32,768 is for managed instances.
    Override {
        service: "lambda",
        operations: CONFIGURING,
        path: &["MemorySize"],
        rule: Rule::Maximum(10_240),
    },
    // The same page: /tmp up to 10,240 MB.
    Override {
        service: "lambda",
        operations: CONFIGURING,
        path: &["EphemeralStorage", "Size"],
        rule: Rule::Maximum(10_240),
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
    pub(crate) fn violation(self, message: String) -> Error {
        match self.service {
            "logs" => logs::error::invalid_parameter_exception(message),
            _ => common::validation_exception(message),
        }
    }

    /// Whether the enum at `path` is left to the service.
    pub(crate) fn leaves_enum(self, path: &Path<'_>) -> bool {
        self.at(path).any(|rule| rule == Rule::EnumLeftToService)
    }

    /// The maximum of the value at `path`, where it is tighter than the model's.
    pub(crate) fn maximum(self, path: &Path<'_>) -> Option<i64> {
        self.at(path).find_map(|rule| match rule {
            Rule::Maximum(maximum) => Some(maximum),
            Rule::EnumLeftToService => None,
        })
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
