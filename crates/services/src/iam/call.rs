//! The entry: one call in, one answer out.

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};
use lambent_identity::Principal;
use lambent_wire::iam::{SERVICE, op};
use lambent_wire::{Call, Error, Matched, encode};

use super::Iam;

impl Iam {
    /// Answers a request of the IAM API, for which the service's table of operations has found `matched`. Authentication
    /// is behind the caller.
    pub async fn call(
        &self,
        matched: &Matched,
        principal: &Principal,
        request: Request<Bytes>,
        request_id: &str,
    ) -> Response<Bytes> {
        let (parts, body) = request.into_parts();
        let call = Pending { matched, parts, body, request_id };
        let answered = self.dispatch(call, principal).await;
        answered.unwrap_or_else(|error| SERVICE.error_response(&error, request_id))
    }

    async fn dispatch(&self, call: Pending<'_>, principal: &Principal) -> Result<Response<Bytes>, Error> {
        let account = principal.account();
        // Each operation's handler is the method of its name.
        macro_rules! handlers {
            ($($operation:ident => $method:ident),+ $(,)?) => {
                match call.matched.operation().name {
                    $(stringify!($operation) => {
                        let input = call.input::<op::$operation>()?;
                        call.answer::<op::$operation>(&self.$method(account, input).await?)
                    })+
                    "GetUser" => {
                        let input = call.input::<op::GetUser>()?;
                        call.answer::<op::GetUser>(&Self::get_user(principal, input)?)
                    }
                    "ListAccountAliases" => {
                        call.input::<op::ListAccountAliases>()?;
                        call.answer::<op::ListAccountAliases>(&Self::list_account_aliases())
                    }
                    "GetAccountSummary" => {
                        call.answer::<op::GetAccountSummary>(&self.get_account_summary(account).await?)
                    }
                    _ => Err(call.matched.operation().not_offered()),
                }
            };
        }
        handlers! {
            AttachRolePolicy => attach_role_policy,
            CreatePolicy => create_policy,
            CreatePolicyVersion => create_policy_version,
            CreateRole => create_role,
            DeletePolicy => delete_policy,
            DeletePolicyVersion => delete_policy_version,
            DeleteRole => delete_role,
            DeleteRolePermissionsBoundary => delete_role_permissions_boundary,
            DeleteRolePolicy => delete_role_policy,
            DetachRolePolicy => detach_role_policy,
            GetPolicy => get_policy,
            GetPolicyVersion => get_policy_version,
            GetRole => get_role,
            GetRolePolicy => get_role_policy,
            ListAttachedRolePolicies => list_attached_role_policies,
            ListEntitiesForPolicy => list_entities_for_policy,
            ListInstanceProfilesForRole => list_instance_profiles_for_role,
            ListPolicies => list_policies,
            ListPolicyTags => list_policy_tags,
            ListPolicyVersions => list_policy_versions,
            ListRolePolicies => list_role_policies,
            ListRoleTags => list_role_tags,
            ListRoles => list_roles,
            PutRolePermissionsBoundary => put_role_permissions_boundary,
            PutRolePolicy => put_role_policy,
            SetDefaultPolicyVersion => set_default_policy_version,
            TagPolicy => tag_policy,
            TagRole => tag_role,
            UntagPolicy => untag_policy,
            UntagRole => untag_role,
            UpdateAssumeRolePolicy => update_assume_role_policy,
            UpdateRole => update_role,
            UpdateRoleDescription => update_role_description,
        }
    }
}

/// A request whose operation is known.
struct Pending<'a> {
    matched: &'a Matched,
    parts: Parts,
    body: Bytes,
    request_id: &'a str,
}

impl Pending<'_> {
    fn input<C: Call>(&self) -> Result<C::Input, Error> {
        self.matched.decode::<C>(&self.parts, self.body.clone())
    }

    #[allow(clippy::unnecessary_wraps, reason = "each arm of the table has the same type")]
    fn answer<C: Call>(&self, output: &C::Output) -> Result<Response<Bytes>, Error> {
        Ok(encode::<C>(output, self.request_id))
    }
}
