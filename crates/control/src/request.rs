//! Who calls, and which function they mean.

use lambent_model::{FunctionArn, FunctionReference, Qualifier, Scope, Target};
use lambent_wire::{Error, common, lambda};

use crate::Control;

/// Who calls.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The account and region the call acts in.
    pub scope: Scope,
    /// The caller's ARN, for error texts.
    pub arn: String,
    /// Scheme, host and port under which the caller reached us: what links in answers begin with.
    pub base_url: String,
}

/// One call being answered.
pub(crate) struct Context<'a> {
    pub(crate) control: &'a Control,
    pub(crate) caller: &'a Caller,
    pub(crate) request_id: &'a str,
    pub(crate) trace_id: Option<&'a str>,
}

impl Context<'_> {
    /// Finds out which function `name` and `qualifier` mean (names, partial and full ARNs). The shapes' patterns have
    /// been checked already.
    pub(crate) fn target(&self, name: &str, qualifier: Option<&str>, action: &str) -> Result<Target, Error> {
        let reference: FunctionReference =
            name.parse().map_err(|_| invalid(format!("{name} is not a function name or ARN")))?;
        let scope = &self.caller.scope;
        if let Some(region) = &reference.region
            && *region != scope.region
        {
            return Err(lambda::error::resource_not_found_exception(format!(
                "Functions from '{region}' are not reachable in this region ('{}')",
                scope.region
            )));
        }
        let given = qualifier.map(Qualifier::parse);
        if let (Some(embedded), Some(given)) = (&reference.qualifier, &given)
            && embedded != given
        {
            return Err(invalid(
                "The derived qualifier from the function name does not match the specified qualifier.",
            ));
        }
        let function = FunctionArn { scope: scope.clone(), name: reference.name };
        if let Some(account) = reference.account
            && account != scope.account
        {
            let foreign = FunctionArn { scope: Scope { account, ..scope.clone() }, ..function };
            return Err(common::access_denied(format!(
                "User: {} is not authorized to perform: lambda:{action} on resource: {foreign} because no \
                 resource-based policy allows the lambda:{action} action",
                self.caller.arn
            )));
        }
        Ok(Target { function, qualifier: reference.qualifier.or(given) })
    }

    /// The function of an operation that takes no versions and aliases.
    pub(crate) fn function(&self, name: &str, action: &str) -> Result<FunctionArn, Error> {
        let target = self.target(name, None, action)?;
        match target.qualifier {
            None => Ok(target.function),
            Some(_) => Err(invalid(
                "This operation is permitted on Lambda functions only. Aliases and versions do not support this \
                 operation. Please specify either a function name or an unqualified function ARN.",
            )),
        }
    }

    /// The function whose `$LATEST` the caller may name as `NAME` or `NAME:$LATEST`, for updates.
    pub(crate) fn latest(&self, name: &str, action: &str) -> Result<FunctionArn, Error> {
        let target = self.target(name, None, action)?;
        match target.qualifier {
            None | Some(Qualifier::Latest) => Ok(target.function),
            Some(_) => Err(invalid("This operation is permitted on the unpublished version only.")),
        }
    }
}

/// `InvalidParameterValueException`.
pub(crate) fn invalid(message: impl Into<String>) -> Error {
    lambda::error::invalid_parameter_value_exception(message)
}

/// The answer for a function, version or alias that does not exist.
pub(crate) fn not_found(arn: impl std::fmt::Display) -> Error {
    lambda::error::resource_not_found_exception(format!("Function not found: {arn}"))
}
