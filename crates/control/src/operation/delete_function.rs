//! `DeleteFunction`: of a whole function, or of one version.

use lambent_lambda::{Function, Pointed};
use lambent_model::{FunctionArn, Qualifier};
use lambent_store::Expect;
use lambent_wire::Error;
use lambent_wire::lambda::types as t;

use crate::functions::{self, Changes};
use crate::refuse::{self, invalid};
use crate::request::Context;

pub(crate) async fn answer(
    context: &Context<'_>,
    input: t::DeleteFunctionRequest,
) -> Result<t::DeleteFunctionResponse, Error> {
    let store = &context.control.parts.store;
    let qualifier = input.qualifier.as_deref();
    let target = context.target(&input.function_name, qualifier, "DeleteFunction").await?;
    let arn = target.function;
    loop {
        // Answers 404 for an absent function whatever the qualifier.
        let mut stored = functions::load(store, &arn).await?;
        let deleted = match target.qualifier {
            None => functions::delete("delete-function", store, &arn, &stored).await,
            Some(Qualifier::Latest) => {
                return Err(invalid("$LATEST version cannot be deleted without deleting the function."));
            }
            Some(Qualifier::Alias(_)) => {
                return Err(invalid("Deletion of aliases is not currently supported."));
            }
            Some(Qualifier::Version(number)) => {
                check_unreferenced(context, &arn, number).await?;
                // What is configured for it goes with it.
                stored.function.event_invoke.remove(&number.to_string());
                stored.function.provisioned.remove(&number.to_string());
                let changes = Changes { delete_version: Some(number), ..Changes::default() };
                let expect = Expect::Version(stored.version);
                functions::save("delete-version", store, &arn, expect, &stored.function, changes).await
            }
        };
        if deleted.map_err(|error| refuse::store(&error))? {
            // The model says 200 and binds the status to this member; AWS answers 204.
            return Ok(t::DeleteFunctionResponse { status_code: Some(204) });
        }
        // Somebody else changed the function meanwhile: decide again on what is there now.
    }
}

async fn check_unreferenced(context: &Context<'_>, arn: &FunctionArn, number: u64) -> Result<(), Error> {
    let aliases = functions::aliases(&context.control.parts.store, arn, "", usize::MAX).await?;
    let referring = aliases
        .iter()
        .filter(|alias| alias.versions().any(|version| version == Pointed::Version(number)))
        .map(|alias| alias.name.as_str());
    Function::check_unreferenced(referring).map_err(|error| refuse::refusal(&error))
}
