//! What the operations on function URLs have in common.

use lambent_lambda::{Cors, FunctionUrl, InvokeMode, UrlAuth};
use lambent_model::{FunctionArn, Qualifier};
use lambent_wire::Error;
use lambent_wire::lambda::{self, types as t};

use crate::refuse;
use crate::request::Context;

/// A function or an alias of it that a URL is of.
pub(crate) struct UrlTarget {
    pub(crate) arn: FunctionArn,
    /// The name under which the function's record has it.
    pub(crate) slot: String,
    alias: Option<String>,
}

impl UrlTarget {
    /// What `name` and `qualifier` mean.
    pub(crate) async fn named(
        context: &Context<'_>,
        name: &str,
        qualifier: Option<&str>,
        action: &str,
    ) -> Result<Self, Error> {
        let target = context.target(name, qualifier, action).await?;
        let slot = FunctionUrl::slot(target.qualifier.as_ref()).map_err(|error| refuse::refusal(&error))?;
        let alias = match target.qualifier {
            Some(Qualifier::Alias(alias)) => Some(alias),
            _ => None,
        };
        Ok(Self { arn: target.function, slot, alias })
    }

    /// The alias, where one was named.
    pub(crate) fn alias(&self) -> Option<&str> {
        self.alias.as_deref()
    }

    /// The ARN as AWS shows it.
    pub(crate) fn shown(&self) -> String {
        shown_arn(&self.arn, &self.slot)
    }
}

fn shown_arn(arn: &FunctionArn, slot: &str) -> String {
    if slot == Qualifier::Latest.to_string() { arn.to_string() } else { format!("{arn}:{slot}") }
}

/// AWS's answer where there is no such URL, or no such function.
pub(crate) fn absent() -> Error {
    lambda::error::resource_not_found_exception("The resource you requested does not exist.")
}

/// A URL as AWS shows it.
pub(crate) fn configuration(
    context: &Context<'_>,
    arn: &FunctionArn,
    slot: &str,
    url: &FunctionUrl,
) -> t::FunctionUrlConfig {
    t::FunctionUrlConfig {
        function_url: Some(address(&context.caller.base_url, arn.scope.region.as_str(), &url.id)),
        function_arn: Some(shown_arn(arn, slot)),
        creation_time: Some(url.created.to_string()),
        last_modified_time: Some(url.modified.to_string()),
        cors: url.cors.as_ref().map(cors_shown),
        auth_type: Some(match url.auth {
            UrlAuth::None => t::FunctionUrlAuthType::None,
            UrlAuth::Iam => t::FunctionUrlAuthType::AwsIam,
        }),
        invoke_mode: Some(mode_shown(url.invoke_mode.unwrap_or(InvokeMode::Buffered))),
    }
}

/// A name below `localhost`, which every resolver answers with this machine (RFC 6761, section 6.3): one below AWS's
/// domain would lead to AWS.
fn address(base_url: &str, region: &str, id: &str) -> String {
    let (scheme, authority) = base_url.split_once("://").unwrap_or(("http", base_url));
    let port = authority.rsplit_once(':').filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
    let port = port.map_or_else(String::new, |(_, port)| format!(":{port}"));
    format!("{scheme}://{id}.lambda-url.{region}.localhost{port}/")
}

pub(crate) fn mode_shown(mode: InvokeMode) -> t::InvokeMode {
    match mode {
        InvokeMode::Buffered => t::InvokeMode::Buffered,
        InvokeMode::ResponseStream => t::InvokeMode::ResponseStream,
    }
}

fn cors_shown(cors: &Cors) -> t::Cors {
    t::Cors {
        allow_credentials: cors.allow_credentials,
        allow_headers: cors.allow_headers.clone(),
        allow_methods: cors.allow_methods.clone(),
        allow_origins: cors.allow_origins.clone(),
        expose_headers: cors.expose_headers.clone(),
        max_age: cors.max_age_s.and_then(|seconds| i32::try_from(seconds).ok()),
    }
}

/// `Cors`, which the model's bounds have checked.
pub(crate) fn cors(given: t::Cors) -> Cors {
    Cors {
        allow_credentials: given.allow_credentials,
        allow_headers: given.allow_headers,
        allow_methods: given.allow_methods,
        allow_origins: given.allow_origins,
        expose_headers: given.expose_headers,
        max_age_s: given.max_age.and_then(|seconds| u32::try_from(seconds).ok()),
    }
}

/// `AuthType`, an enum that has been checked.
pub(crate) fn auth(given: &t::FunctionUrlAuthType) -> UrlAuth {
    match given {
        t::FunctionUrlAuthType::AwsIam => UrlAuth::Iam,
        _ => UrlAuth::None,
    }
}

/// `InvokeMode`, an enum that has been checked.
pub(crate) fn mode(given: &t::InvokeMode) -> InvokeMode {
    match given {
        t::InvokeMode::ResponseStream => InvokeMode::ResponseStream,
        _ => InvokeMode::Buffered,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_leads_to_this_machine() {
        for (base, shown) in [
            ("http://127.0.0.1:4566", "http://id.lambda-url.us-east-1.localhost:4566/"),
            ("http://localhost", "http://id.lambda-url.us-east-1.localhost/"),
            ("http://[::1]:80", "http://id.lambda-url.us-east-1.localhost:80/"),
        ] {
            assert_eq!(address(base, "us-east-1", "id"), shown);
        }
    }
}
