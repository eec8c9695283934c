//! Saved queries of CloudWatch Logs Insights.

use lambent_model::Scope;
use lambent_wire::logs::error::resource_not_found_exception;
use lambent_wire::logs::{
    DeleteQueryDefinitionRequest, DeleteQueryDefinitionResponse, DescribeQueryDefinitionsRequest,
    DescribeQueryDefinitionsResponse, PutQueryDefinitionRequest, PutQueryDefinitionResponse, QueryDefinition,
    QueryLanguage,
};

use super::super::catalog::document::{self, Kind};
use super::super::store::Change;
use super::{Refusal, View, documents, invalid};

/// `new_id` is for a definition that has none yet.
pub(super) fn put(
    change: &mut Change<'_>,
    scope: &Scope,
    input: PutQueryDefinitionRequest,
    new_id: String,
) -> Result<PutQueryDefinitionResponse, Refusal> {
    if input.parameters.as_ref().is_some_and(|parameters| !parameters.is_empty()) {
        return Err(invalid("parameters of queries are not supported: leave them out").into());
    }
    let language = only_insights(input.query_language)?;
    let id = match input.query_definition_id {
        None => new_id,
        Some(id) => match document::get(change.conn, scope, Kind::QueryDefinition, "", &id)? {
            Some(_) => id,
            None => return Err(absent().into()),
        },
    };
    let definition = QueryDefinition {
        query_language: Some(language),
        query_definition_id: Some(id.clone()),
        name: Some(input.name),
        query_string: Some(input.query_string),
        last_modified: Some(change.now_ms),
        log_group_names: input.log_group_names,
        parameters: None,
    };
    documents::put(change.conn, scope, Kind::QueryDefinition, ("", &id), change.now_ms, &definition)?;
    Ok(PutQueryDefinitionResponse { query_definition_id: Some(id) })
}

/// SQL and PPL are languages of their own.
pub(super) fn only_insights(language: Option<QueryLanguage>) -> Result<QueryLanguage, lambent_wire::Error> {
    match language {
        None | Some(QueryLanguage::Cwli) => Ok(QueryLanguage::Cwli),
        Some(other) => Err(invalid(format!(
            "queryLanguage {} is not supported: write the query in CWLI, the language of CloudWatch Logs Insights",
            other.as_str()
        ))),
    }
}

pub(super) fn delete(
    change: &mut Change<'_>,
    scope: &Scope,
    input: DeleteQueryDefinitionRequest,
) -> Result<DeleteQueryDefinitionResponse, Refusal> {
    if !document::delete(change.conn, scope, Kind::QueryDefinition, "", &input.query_definition_id)? {
        return Err(absent().into());
    }
    Ok(DeleteQueryDefinitionResponse { success: Some(true) })
}

pub(super) fn describe(
    view: &View<'_>,
    scope: &Scope,
    input: DescribeQueryDefinitionsRequest,
) -> Result<DescribeQueryDefinitionsResponse, Refusal> {
    only_insights(input.query_language)?;
    let prefix = input.query_definition_name_prefix.unwrap_or_default();
    let page = (input.next_token.as_deref(), input.max_results);
    let wanted = |_: &document::Document, definition: &QueryDefinition| {
        definition.name.as_ref().is_some_and(|name| name.starts_with(&prefix))
    };
    let listed = documents::list(view, scope, Kind::QueryDefinition, None, page, wanted)?;
    Ok(DescribeQueryDefinitionsResponse {
        query_definitions: Some(listed.items),
        next_token: listed.next_token,
    })
}

fn absent() -> lambent_wire::Error {
    resource_not_found_exception("The specified query definition does not exist.")
}
