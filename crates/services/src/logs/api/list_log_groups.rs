//! `ListLogGroups`: names alone, by a pattern.

use lambent_model::Scope;
use lambent_wire::logs::{ListLogGroupsRequest, ListLogGroupsResponse, LogGroupClass, LogGroupSummary};

use super::super::catalog::read::{self, Group};
use super::arn::group_arn;
use super::token::{Token, refused};
use super::{DESCRIBE_PAGE, Refusal, View, invalid, page_size};

pub(super) fn answer(
    view: &View<'_>,
    scope: &Scope,
    input: ListLogGroupsRequest,
) -> Result<ListLogGroupsResponse, Refusal> {
    let linked = input.include_linked_accounts == Some(true);
    if input.account_identifiers.is_some() && !linked {
        return Err(invalid("accountIdentifiers needs includeLinkedAccounts to be true").into());
    }
    for (member, is_there) in [
        ("dataSources", input.data_sources.is_some()),
        ("fieldIndexNames", input.field_index_names.is_some()),
        ("logGroupTags", input.log_group_tags.is_some()),
    ] {
        if is_there {
            return Err(invalid(format!("{member} is not supported: leave it out")).into());
        }
    }
    let after = match input.next_token.as_deref().map(Token::decode).transpose()? {
        None => String::new(),
        Some(Token::Group(name)) => name,
        Some(_) => return Err(refused().into()),
    };
    // No account is linked to this one.
    let here = input.account_identifiers.iter().flatten();
    let is_here =
        input.account_identifiers.is_none() || here.into_iter().any(|id| id == scope.account.as_str());
    let pattern = input.log_group_name_pattern.as_deref();
    let class = input.log_group_class.as_ref().map(LogGroupClass::as_str);
    let wanted = |group: &Group| {
        is_here
            && pattern.is_none_or(|pattern| matches(pattern, &group.name))
            && class.is_none_or(|class| class == group.class)
    };
    let size = page_size(input.limit, DESCRIBE_PAGE);
    let mut groups = read::groups(view.conn, scope, &after, size + 1, wanted)?;
    let has_more = groups.len() > size;
    groups.truncate(size);
    let next_token = groups.last().filter(|_| has_more).map(|last| Token::Group(last.name.clone()).encode());
    let summary = |group: Group| LogGroupSummary {
        log_group_arn: Some(group_arn(scope, &group.name)),
        log_group_class: Some(LogGroupClass::from(group.class)),
        log_group_name: Some(group.name),
    };
    Ok(ListLogGroupsResponse { log_groups: Some(groups.into_iter().map(summary).collect()), next_token })
}

/// Alternatives by `|`, each a part of the name, or its beginning after `^` (API Reference: `logGroupNamePattern`).
fn matches(pattern: &str, name: &str) -> bool {
    pattern.split('|').any(|part| match part.strip_prefix('^') {
        Some(prefix) => name.starts_with(prefix),
        None => name.contains(part),
    })
}
