//! `DescribeLogGroups`.

use std::collections::HashSet;

use lambent_model::Scope;
use lambent_wire::logs::{DescribeLogGroupsRequest, DescribeLogGroupsResponse, LogGroup, LogGroupClass};

use super::super::catalog::document::{self, Kind};
use super::super::catalog::read::{self, Group};
use super::arn::{group_arn, name_in};
use super::token::{Token, refused};
use super::{DESCRIBE_PAGE, Refusal, View, invalid, page_size};

pub(super) fn answer(
    view: &View<'_>,
    scope: &Scope,
    input: DescribeLogGroupsRequest,
) -> Result<DescribeLogGroupsResponse, Refusal> {
    let filter = Filter::new(scope, &input)?;
    let after = match input.next_token.as_deref().map(Token::decode).transpose()? {
        None => String::new(),
        Some(Token::Group(name)) => name,
        Some(_) => return Err(refused().into()),
    };
    let size = page_size(input.limit, DESCRIBE_PAGE);
    // One more than the page, to see whether there is a next.
    let mut groups = read::groups(view.conn, scope, &after, size + 1, |group| filter.wants(group))?;
    let has_more = groups.len() > size;
    groups.truncate(size);
    let next = groups.last().filter(|_| has_more).map(|last| Token::Group(last.name.clone()).encode());
    let brief = input.log_group_name_pattern.is_some();
    let groups =
        groups.into_iter().map(|group| describe(view, scope, group, brief)).collect::<Result<_, _>>()?;
    Ok(DescribeLogGroupsResponse { log_groups: Some(groups), next_token: next })
}

/// Which groups are wanted: those of a class, if one is named, by their names.
struct Filter {
    class: Option<LogGroupClass>,
    names: Names,
}

enum Names {
    All,
    Nothing,
    Prefix(String),
    Pattern(String),
    These(HashSet<String>),
}

impl Filter {
    fn new(scope: &Scope, input: &DescribeLogGroupsRequest) -> Result<Self, lambent_wire::Error> {
        let (prefix, pattern) = (&input.log_group_name_prefix, &input.log_group_name_pattern);
        if prefix.is_some() && pattern.is_some() {
            return Err(invalid("logGroupNamePrefix and logGroupNamePattern are mutually exclusive"));
        }
        let filters = prefix.is_some() || pattern.is_some() || input.log_group_class.is_some();
        if input.log_group_identifiers.is_some() && filters {
            return Err(invalid(
                "logGroupIdentifiers cannot be combined with logGroupNamePrefix, logGroupNamePattern or logGroupClass",
            ));
        }
        let linked = input.include_linked_accounts == Some(true);
        if input.account_identifiers.is_some() && !linked {
            return Err(invalid("accountIdentifiers needs includeLinkedAccounts to be true"));
        }
        let class = input.log_group_class.clone();
        // No account is linked to this one.
        let elsewhere = input
            .account_identifiers
            .as_ref()
            .is_some_and(|accounts| accounts.iter().all(|account| account != scope.account.as_str()));
        let names = if elsewhere {
            Names::Nothing
        } else if let Some(identifiers) = &input.log_group_identifiers {
            let names = identifiers.iter().filter_map(|identifier| name_in(scope, identifier).transpose());
            Names::These(names.collect::<Result<_, _>>()?)
        } else {
            match (prefix, pattern) {
                (Some(prefix), _) => Names::Prefix(prefix.clone()),
                (None, Some(pattern)) => Names::Pattern(pattern.clone()),
                (None, None) => Names::All,
            }
        };
        Ok(Self { class, names })
    }

    fn wants(&self, group: &Group) -> bool {
        let name = &group.name;
        let is_named = match &self.names {
            Names::All => true,
            Names::Nothing => false,
            Names::Prefix(prefix) => name.starts_with(prefix.as_str()),
            Names::Pattern(pattern) => name.contains(pattern.as_str()),
            Names::These(names) => names.contains(name),
        };
        is_named && self.class.as_ref().is_none_or(|class| class.as_str() == group.class)
    }
}

/// `brief` is the answer to a search by pattern, which names three members alone (API Reference:
/// `logGroupNamePattern`).
fn describe(view: &View<'_>, scope: &Scope, group: Group, brief: bool) -> Result<LogGroup, Refusal> {
    let arn = group_arn(scope, &group.name);
    if brief {
        return Ok(LogGroup {
            arn: Some(format!("{arn}:*")),
            creation_time: Some(group.created_ms),
            log_group_name: Some(group.name),
            ..LogGroup::default()
        });
    }
    let filters = document::list(view.conn, scope, Kind::MetricFilter, Some(&group.name))?.len();
    Ok(LogGroup {
        stored_bytes: Some(view.segments.counted_bytes(group.id)),
        metric_filter_count: i32::try_from(filters).ok(),
        log_group_class: Some(LogGroupClass::from(group.class)),
        log_group_arn: Some(arn.clone()),
        retention_in_days: group.retention_days,
        arn: Some(format!("{arn}:*")),
        creation_time: Some(group.created_ms),
        log_group_name: Some(group.name),
        ..LogGroup::default()
    })
}
