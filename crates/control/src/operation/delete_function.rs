//! `DeleteFunction`.

use lambent_model::Qualifier;
use lambent_store::{Expect, Write};
use lambent_wire::Error;
use lambent_wire::lambda::types as t;

use crate::request::{Context, invalid};
use crate::{functions, refuse};

pub(crate) async fn answer(
    context: &Context<'_>,
    input: t::DeleteFunctionRequest,
) -> Result<t::DeleteFunctionResponse, Error> {
    let store = &context.control.parts.store;
    let target = context.target(&input.function_name, input.qualifier.as_deref(), "DeleteFunction")?;
    // Answers 404 for an absent function whatever the qualifier.
    functions::load(store, &target.function).await?;
    match target.qualifier {
        None => {
            let delete = Write::Delete { key: functions::key(&target.function), expect: Expect::Any };
            store.commit(vec![delete]).await.map_err(|error| refuse::store(&error))?;
        }
        Some(Qualifier::Latest) => {
            return Err(invalid("$LATEST version cannot be deleted without deleting the function."));
        }
        Some(Qualifier::Alias(_)) => return Err(invalid("Deletion of aliases is not currently supported.")),
        // A version that does not exist is as good as deleted, and none exists yet.
        Some(Qualifier::Version(_)) => {}
    }
    // The model says 200 and binds the status to this member; AWS answers 204.
    Ok(t::DeleteFunctionResponse { status_code: Some(204) })
}
