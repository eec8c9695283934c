//! `ListFunctions`.

use lambent_lambda::{Function, Refusal};
use lambent_model::FunctionArn;
use lambent_wire::Error;
use lambent_wire::lambda::types as t;

use crate::present::Form;
use crate::refuse::invalid;
use crate::request::Context;
use crate::{functions, paging, refuse};

pub(crate) async fn answer(
    context: &Context<'_>,
    input: t::ListFunctionsRequest,
) -> Result<t::ListFunctionsResponse, Error> {
    if input.master_region.is_some() {
        return Err(refuse::refusal(&Refusal::Unsupported("MasterRegion")));
    }
    let store = &context.control.parts.store;
    let after = paging::open(input.marker.as_deref())?;
    let size = paging::page_size(input.max_items);
    let every_version = input.function_version.is_some();
    // One more than the page, to know whether there is a next one.
    let mut functions = if every_version {
        with_versions(context, after.as_deref(), size + 1).await?
    } else {
        functions::list(store, &context.caller.scope, after.as_deref(), size + 1).await?
    };
    let next_marker = paging::cut(&mut functions, size, |last| match every_version {
        true => format!("{}/{}", last.name, last.version.unwrap_or_default()),
        false => last.name.clone(),
    });
    let show = |function: &Function| {
        let arn = match every_version {
            true => format!("{}:{}", function.arn, function.version_text()),
            false => function.arn.clone(),
        };
        context.configuration(function, arn, Form::Listed)
    };
    Ok(t::ListFunctionsResponse { next_marker, functions: Some(functions.iter().map(show).collect()) })
}

/// Each function's `$LATEST`, followed by its versions; `after` is `NAME/NUMBER`, 0 standing for `$LATEST`.
async fn with_versions(
    context: &Context<'_>,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<Function>, Error> {
    let store = &context.control.parts.store;
    let scope = &context.caller.scope;
    let versions = |name: &str, after: u64, limit: usize| {
        let arn = FunctionArn { scope: scope.clone(), name: name.to_owned() };
        async move { functions::versions(store, &arn, after, limit).await }
    };
    let mut all = Vec::new();
    let mut name = None;
    if let Some((of, number)) = after.and_then(|after| after.split_once('/')) {
        let number = number.parse().map_err(|_| invalid("Invalid pagination token: it is another list's"))?;
        all.extend(versions(of, number, limit).await?);
        name = Some(of.to_owned());
    }
    while all.len() < limit {
        let mut next = functions::list(store, scope, name.as_deref(), 1).await?;
        let Some(function) = next.pop() else { break };
        name = Some(function.name.clone());
        all.push(function);
        let of = name.as_deref().expect("it was set just now");
        all.extend(versions(of, 0, limit - all.len()).await?);
    }
    Ok(all)
}
