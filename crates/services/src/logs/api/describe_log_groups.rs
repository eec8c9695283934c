//! `DescribeLogGroups`.

use std::collections::HashSet;

use lambent_model::Scope;
use lambent_wire::logs::{DescribeLogGroupsRequest, DescribeLogGroupsResponse, LogGroup, LogGroupClass};
use rusqlite::Connection;

use super::super::read::{self, Group};
use super::arn::{group_arn, name_in};
use super::token::{Token, refused};
use super::{DESCRIBE_PAGE, Refusal, invalid, page_size};

pub(super) fn answer(
    conn: &Connection,
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
    let mut groups = match filter {
        Filter::Nothing => Vec::new(),
        filter => read::groups(conn, scope, &after, size + 1, |name| filter.wants(name))?,
    };
    let has_more = groups.len() > size;
    groups.truncate(size);
    let next = groups.last().filter(|_| has_more).map(|last| Token::Group(last.name.clone()).encode());
    let brief = input.log_group_name_pattern.is_some();
    let groups = groups.into_iter().map(|group| describe(scope, group, brief)).collect();
    Ok(DescribeLogGroupsResponse { log_groups: Some(groups), next_token: next })
}

/// Which groups are wanted.
enum Filter {
    All,
    Nothing,
    Prefix(String),
    Pattern(String),
    Names(HashSet<String>),
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
        // No account is linked to this one, and every group is of the Standard class.
        let elsewhere = input
            .account_identifiers
            .as_ref()
            .is_some_and(|accounts| accounts.iter().all(|account| account != scope.account.as_str()));
        if elsewhere || input.log_group_class.as_ref().is_some_and(|class| *class != LogGroupClass::Standard)
        {
            return Ok(Self::Nothing);
        }
        if let Some(identifiers) = &input.log_group_identifiers {
            let names = identifiers.iter().filter_map(|identifier| name_in(scope, identifier).transpose());
            return Ok(Self::Names(names.collect::<Result<_, _>>()?));
        }
        Ok(match (prefix, pattern) {
            (Some(prefix), _) => Self::Prefix(prefix.clone()),
            (None, Some(pattern)) => Self::Pattern(pattern.clone()),
            (None, None) => Self::All,
        })
    }

    fn wants(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Nothing => false,
            Self::Prefix(prefix) => name.starts_with(prefix.as_str()),
            Self::Pattern(pattern) => name.contains(pattern.as_str()),
            Self::Names(names) => names.contains(name),
        }
    }
}

/// `brief` is the answer to a search by pattern, which names three members alone (API Reference:
/// `logGroupNamePattern`).
fn describe(scope: &Scope, group: Group, brief: bool) -> LogGroup {
    let arn = group_arn(scope, &group.name);
    let named = LogGroup {
        arn: Some(format!("{arn}:*")),
        creation_time: Some(group.created_ms),
        log_group_name: Some(group.name),
        ..LogGroup::default()
    };
    if brief {
        return named;
    }
    LogGroup {
        stored_bytes: Some(group.stored_bytes),
        metric_filter_count: Some(0),
        log_group_class: Some(LogGroupClass::Standard),
        log_group_arn: Some(arn),
        ..named
    }
}
