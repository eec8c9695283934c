//! The statement that `AddPermission` makes of its parameters.

use lambent_identity::policy::{
    Effect, OneOrMany, Ordered, Principals, Statement, is_principal_arn, is_service,
};
use lambent_model::AccountId;

use crate::Refusal;

/// The parameters of `AddPermission`, checked against the model's patterns.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AddStatement {
    /// `StatementId`.
    pub sid: String,
    /// `Action`.
    pub action: String,
    /// `Principal`: an account, an ARN of IAM or STS, a service, `*`.
    pub principal: String,
    /// `SourceArn`.
    pub source_arn: Option<String>,
    /// `SourceAccount`.
    pub source_account: Option<String>,
    /// `EventSourceToken`.
    pub event_source_token: Option<String>,
    /// `PrincipalOrgID`.
    pub principal_org_id: Option<String>,
    /// `FunctionUrlAuthType`.
    pub function_url_auth_type: Option<String>,
    /// `InvokedViaFunctionUrl`.
    pub invoked_via_function_url: Option<bool>,
}

impl AddStatement {
    /// The statement for the resource `arn`, worded as AWS words it.
    ///
    /// # Errors
    /// When the principal is none, or a parameter does not go with the action.
    pub fn statement(self, arn: &str) -> Result<Statement, Refusal> {
        if self.function_url_auth_type.is_some() && self.action != "lambda:InvokeFunctionUrl" {
            return Err(Refusal::InvalidParameter(
                "FunctionUrlAuthType is only supported for lambda:InvokeFunctionUrl action".into(),
            ));
        }
        let principal = principal(&self.principal)?;
        let condition = self.condition();
        Ok(Statement {
            sid: Some(self.sid),
            effect: Effect::Allow,
            principal: Some(principal),
            not_principal: None,
            action: Some(OneOrMany::One(self.action)),
            not_action: None,
            resource: Some(OneOrMany::One(arn.to_owned())),
            not_resource: None,
            condition,
        })
    }

    fn condition(&self) -> Option<Ordered<Ordered<OneOrMany>>> {
        let operators = [
            (
                "StringEquals",
                vec![
                    ("AWS:SourceAccount", self.source_account.clone()),
                    ("lambda:FunctionUrlAuthType", self.function_url_auth_type.clone()),
                    ("aws:PrincipalOrgID", self.principal_org_id.clone()),
                    ("lambda:EventSourceToken", self.event_source_token.clone()),
                ],
            ),
            ("ArnLike", vec![("AWS:SourceArn", self.source_arn.clone())]),
            (
                "Bool",
                vec![(
                    "lambda:InvokedViaFunctionUrl",
                    self.invoked_via_function_url.map(|via| via.to_string()),
                )],
            ),
        ];
        let given = operators.into_iter().filter_map(|(operator, keys)| {
            let keys: Vec<_> = keys
                .into_iter()
                .filter_map(|(key, value)| Some((key.to_owned(), OneOrMany::One(value?))))
                .collect();
            (!keys.is_empty()).then(|| (operator.to_owned(), Ordered(keys)))
        });
        let given: Vec<_> = given.collect();
        (!given.is_empty()).then_some(Ordered(given))
    }
}

fn principal(text: &str) -> Result<Principals, Refusal> {
    if text == "*" {
        return Ok(Principals::Any(text.into()));
    }
    if text.parse::<AccountId>().is_ok() {
        return Ok(Principals::of_kind("AWS", format!("arn:aws:iam::{text}:root")));
    }
    if is_principal_arn(text) {
        return Ok(Principals::of_kind("AWS", text.into()));
    }
    if is_service(text) {
        return Ok(Principals::of_kind("Service", text.into()));
    }
    Err(Refusal::InvalidParameter(
        "The provided principal was invalid. Please check the principal and try again.".into(),
    ))
}
