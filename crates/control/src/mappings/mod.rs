//! Event source mappings: their records, and how requests and answers put them.

mod input;
mod queue;
mod view;

pub(crate) use input::{Given, settings};
pub(crate) use view::shown;

use lambent_lambda::{MAPPING_IDENTITY_KIND, MAPPING_KIND, Mapping};
use lambent_model::{FunctionArn, Scope, Target};
use lambent_store::{Error as StoreError, Expect, Key, Store, Write};
use lambent_wire::Error;
use lambent_wire::lambda;

use crate::refuse::invalid;
use crate::request::Context;
use crate::resources::{self, Kept};
use crate::{find, refuse};

/// Refuses to change what is being changed, as AWS does.
pub(crate) fn check_rests(mapping: &Mapping, verb: &str) -> Result<(), Error> {
    match mapping.transition {
        None => Ok(()),
        Some(_) => Err(lambda::error::resource_in_use_exception(format!(
            "Cannot {verb} the event source mapping because it is in use."
        ))),
    }
}

pub(crate) fn key(scope: &Scope, id: &str) -> Key {
    resources::key(MAPPING_KIND, scope, id)
}

fn identity_key(scope: &Scope, mapping: &Mapping) -> Key {
    resources::key(MAPPING_IDENTITY_KIND, scope, mapping.identity())
}

/// A mapping that has to exist.
pub(crate) async fn load(store: &Store, scope: &Scope, id: &str) -> Result<Kept<Mapping>, Error> {
    // UUIDs are compared without regard to case (RFC 9562, section 4).
    let found = resources::get(store, &key(scope, &id.to_ascii_lowercase())).await?;
    found.ok_or_else(|| {
        lambda::error::resource_not_found_exception("The resource you requested does not exist.")
    })
}

/// Commits a new mapping.
pub(crate) async fn create(store: &Store, scope: &Scope, mapping: &Mapping) -> Result<(), Error> {
    let writes = || {
        Ok(vec![
            Write::put(key(scope, &mapping.id), Expect::Absent, mapping)?,
            Write::put(identity_key(scope, mapping), Expect::Absent, &mapping.id)?,
        ])
    };
    while !resources::commit("mapping-create", store, writes()).await? {
        check_free(store, scope, mapping).await?;
    }
    Ok(())
}

/// Refuses what another mapping is already; it may be gone by the time it is looked for.
async fn check_free(store: &Store, scope: &Scope, mapping: &Mapping) -> Result<(), Error> {
    match resources::get::<String>(store, &identity_key(scope, mapping)).await? {
        Some(other) => Err(refuse::refusal(&mapping.taken(&other.value))),
        None => Ok(()),
    }
}

/// Replaces a mapping that is as it was read; false when it was not.
pub(crate) async fn replace(
    store: &Store,
    scope: &Scope,
    old: &Kept<Mapping>,
    new: &Mapping,
) -> Result<bool, Error> {
    let moved = old.value.identity() != new.identity();
    let writes = || {
        let mut writes = vec![Write::put(key(scope, &new.id), old.expect(), new)?];
        if moved {
            writes.push(Write::Delete { key: identity_key(scope, &old.value), expect: Expect::Any });
            writes.push(Write::put(identity_key(scope, new), Expect::Absent, &new.id)?);
        }
        Ok(writes)
    };
    let saved = resources::commit("mapping-replace", store, writes()).await?;
    if !saved && moved {
        check_free(store, scope, new).await?;
    }
    Ok(saved)
}

/// Deletes a mapping that is as it was read; false when it was not.
pub(crate) async fn delete(store: &Store, scope: &Scope, old: &Kept<Mapping>) -> Result<bool, Error> {
    let writes: Result<_, StoreError> = Ok(vec![
        Write::Delete { key: key(scope, &old.value.id), expect: old.expect() },
        Write::Delete { key: identity_key(scope, &old.value), expect: Expect::Any },
    ]);
    resources::commit("mapping-delete", store, writes).await
}

/// Up to `limit` mappings after the id `after`.
pub(crate) async fn list(
    store: &Store,
    scope: &Scope,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<Mapping>, Error> {
    resources::list(store, &key(scope, "").partition(), after, limit).await
}

/// What a mapping has to know of its function.
pub(crate) struct MappedFunction {
    /// The function's ARN, with the qualifier that was given.
    pub(crate) shown: String,
    /// The function itself.
    pub(crate) arn: FunctionArn,
    /// In whose name its sources are polled.
    pub(crate) role: String,
    /// How long it may take.
    pub(crate) timeout_s: u32,
}

/// The function that a request means, which has to exist.
pub(crate) async fn function(
    context: &Context<'_>,
    name: &str,
    action: &str,
) -> Result<MappedFunction, Error> {
    let target: Target = context.target(name, None, action).await?;
    let found = find::Found::load(&context.control.parts.store, target).await;
    let found = found.map_err(|error| match error.status.as_u16() {
        404 => invalid("Function does not exist"),
        _ => error,
    })?;
    let settings = &found.function().settings;
    settings.check_has_no_tenants("Event source mapping").map_err(|error| refuse::refusal(&error))?;
    Ok(MappedFunction {
        shown: found.arn(),
        role: settings.role.clone(),
        timeout_s: settings.timeout_s,
        arn: found.target.function.clone(),
    })
}

/// Refuses a source that could not be polled for this function.
pub(crate) async fn check_source(
    context: &Context<'_>,
    mapping: &Mapping,
    function: &MappedFunction,
) -> Result<(), Error> {
    match &mapping.source {
        Some(arn) if mapping.kind.is_queue() => {
            queue::check(&*context.control.parts.calls, arn, function).await
        }
        _ => Ok(()),
    }
}

/// The ARN of a function that need not exist any more: mappings outlive theirs.
pub(crate) async fn function_named(
    context: &Context<'_>,
    name: &str,
    action: &str,
) -> Result<(FunctionArn, String), Error> {
    let target = context.target(name, None, action).await?;
    let shown = crate::request::shown(&target);
    Ok((target.function, shown))
}
