//! The EventBridge Scheduler API, a family of operations a file.

mod groups;
mod schedules;
mod tags;
#[cfg(test)]
mod tests;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::Response;
use http::request::Parts;
use lambent_model::Scope;
use lambent_wire::Error;
use lambent_wire::scheduler::{SERVICE, op};

use crate::dispatch::dispatch;

use super::{Inner, invalid};

/// One call being answered.
pub(super) struct Context<'a> {
    pub(super) inner: &'a Inner,
    pub(super) scope: &'a Scope,
}

/// Answers one call.
pub(super) async fn answer(
    inner: &Inner,
    scope: &Scope,
    parts: &Parts,
    body: Bytes,
    request_id: &str,
) -> Result<Response<Bytes>, Error> {
    let matched = SERVICE.route(parts)?;
    let context = &Context { inner, scope };
    dispatch! {
        (matched, parts, body, context, request_id)
        CreateSchedule => schedules::create,
        CreateScheduleGroup => groups::create,
        DeleteSchedule => schedules::delete,
        DeleteScheduleGroup => groups::delete,
        GetSchedule => schedules::get,
        GetScheduleGroup => groups::get,
        ListScheduleGroups => groups::list,
        ListSchedules => schedules::list,
        ListTagsForResource => tags::list,
        TagResource => tags::tag,
        UntagResource => tags::untag,
        UpdateSchedule => schedules::update,
    }
}

/// The most items of a page, and how many where nobody says ("Maximum value of 100").
const PAGE: usize = 100;

fn page_size(max: Option<i32>) -> usize {
    max.and_then(|max| usize::try_from(max).ok()).unwrap_or(PAGE).clamp(1, PAGE)
}

/// What a page's token names: the last item of the page before.
fn after(token: Option<&str>) -> Result<Option<String>, Error> {
    let read = |token: &str| {
        let name = URL_SAFE_NO_PAD.decode(token).ok().and_then(|name| String::from_utf8(name).ok());
        name.ok_or_else(|| invalid("Invalid NextToken."))
    };
    token.map(read).transpose()
}

fn token(last: &str) -> String {
    URL_SAFE_NO_PAD.encode(last)
}
