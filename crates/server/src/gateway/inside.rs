//! Calls that the platform makes of its own services: the same way as any other, without a connection.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use lambent_control::Caller;
use lambent_identity::{Principal, RoleSession};
use lambent_model::{AwsRequest, RequestId, Scope};
use lambent_wire::common;

use super::{Gateway, service};

/// Whether this server offers a service, by its name in signatures.
pub(crate) fn is_offered(name: &str) -> bool {
    service(name).is_some()
}

impl Gateway {
    /// Authorises a call as that of the session that makes it, and makes it.
    pub(crate) async fn call(
        self: &Arc<Self>,
        call: &AwsRequest,
        request: Request<Bytes>,
    ) -> Response<Bytes> {
        let request_id = RequestId::random(&*self.entropy).to_string();
        let Some(service) = service(call.service) else {
            let error = common::not_implemented(format!("lambent does not offer {}", call.service));
            return lambent_wire::lambda::SERVICE.error_response(&error, &request_id);
        };
        let (account, session) = (call.caller.account.clone(), call.caller.session.as_str());
        let principal =
            Principal::AssumedRole(RoleSession::for_function(account.clone(), &call.caller.role, session));
        // The caller's own account, in the region of what it calls: another account's resources are named by ARNs.
        let scope = Scope { account, region: call.scope.region.clone() };
        let (parts, body) = request.into_parts();
        let matched = service.route(&parts).and_then(|matched| {
            self.authoriser.check(&principal, &matched, &scope)?;
            Ok(matched)
        });
        let matched = match matched {
            Ok(matched) => matched,
            Err(error) => return service.error_response(&error, &request_id),
        };
        let caller = Caller {
            scope,
            arn: principal.to_string(),
            is_account: false,
            base_url: "http://localhost".to_owned(),
        };
        self.dispatch(&matched, &caller, &principal, Request::from_parts(parts, body), &request_id).await
    }
}
