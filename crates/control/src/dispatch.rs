//! Which function answers which operation.

use bytes::Bytes;
use lambent_wire::lambda::op;
use lambent_wire::{Call, Error, Matched};

use crate::apart::apart;
use crate::operation;
use crate::request::Context;

macro_rules! operations {
    ($($call:ident => $module:ident,)*) => {
        /// The operations that are answered, by AWS's names.
        pub const ANSWERED: &[&str] = &["Invoke", "InvokeWithResponseStream", $(stringify!($call)),*];

        /// Answers one call.
        pub(crate) async fn answer(
            context: &Context<'_>,
            matched: &Matched,
            parts: &http::request::Parts,
            body: Bytes,
        ) -> Result<http::Response<Bytes>, Error> {
            match matched.operation().name {
                // Shapes its response itself: headers that are no part of the model. Its body is the event, read where it is checked.
                "Invoke" => {
                    let input = matched.decode::<op::Invoke>(parts, body)?;
                    operation::invoke::answer(context, input).await
                }
                $(name if name == <op::$call as Call>::OPERATION.name => {
                    let input = apart(body.len(), || matched.decode::<op::$call>(parts, body))?;
                    // On the heap: else an invocation, which moves this future, would be as large as the largest of them.
                    let output = Box::pin(operation::$module::answer(context, input)).await?;
                    Ok(lambent_wire::encode::<op::$call>(&output, context.request_id))
                })*
                _ => Err(matched.operation().not_offered()),
            }
        }
    };
}

operations! {
    AddLayerVersionPermission => add_layer_version_permission,
    AddPermission => add_permission,
    CreateAlias => create_alias,
    CreateCodeSigningConfig => create_code_signing_config,
    CreateEventSourceMapping => create_event_source_mapping,
    CreateFunction => create_function,
    CreateFunctionUrlConfig => create_function_url_config,
    DeleteAlias => delete_alias,
    DeleteCapacityProvider => delete_capacity_provider,
    DeleteCodeSigningConfig => delete_code_signing_config,
    DeleteDurableExecution => delete_durable_execution,
    DeleteEventSourceMapping => delete_event_source_mapping,
    DeleteFunction => delete_function,
    DeleteFunctionCodeSigningConfig => delete_function_code_signing_config,
    DeleteFunctionConcurrency => delete_function_concurrency,
    DeleteFunctionEventInvokeConfig => delete_function_event_invoke_config,
    DeleteFunctionUrlConfig => delete_function_url_config,
    DeleteLayerVersion => delete_layer_version,
    DeleteProvisionedConcurrencyConfig => delete_provisioned_concurrency_config,
    DeleteResourcePolicy => delete_resource_policy,
    GetAccountSettings => get_account_settings,
    GetAlias => get_alias,
    GetCapacityProvider => get_capacity_provider,
    GetCodeSigningConfig => get_code_signing_config,
    GetDurableExecution => get_durable_execution,
    GetDurableExecutionHistory => get_durable_execution_history,
    GetEventSourceMapping => get_event_source_mapping,
    GetFunction => get_function,
    GetFunctionCodeSigningConfig => get_function_code_signing_config,
    GetFunctionConcurrency => get_function_concurrency,
    GetFunctionConfiguration => get_function_configuration,
    GetFunctionEventInvokeConfig => get_function_event_invoke_config,
    GetFunctionRecursionConfig => get_function_recursion_config,
    GetFunctionUrlConfig => get_function_url_config,
    GetLayerVersion => get_layer_version,
    GetLayerVersionByArn => get_layer_version_by_arn,
    GetLayerVersionPolicy => get_layer_version_policy,
    GetPolicy => get_policy,
    GetProvisionedConcurrencyConfig => get_provisioned_concurrency_config,
    GetResourcePolicy => get_resource_policy,
    GetRuntimeManagementConfig => get_runtime_management_config,
    InvokeAsync => invoke_async,
    ListAliases => list_aliases,
    ListCapacityProviders => list_capacity_providers,
    ListCodeSigningConfigs => list_code_signing_configs,
    ListDurableExecutionsByFunction => list_durable_executions_by_function,
    ListEventSourceMappings => list_event_source_mappings,
    ListFunctionEventInvokeConfigs => list_function_event_invoke_configs,
    ListFunctionUrlConfigs => list_function_url_configs,
    ListFunctionVersionsByCapacityProvider => list_function_versions_by_capacity_provider,
    ListFunctions => list_functions,
    ListFunctionsByCodeSigningConfig => list_functions_by_code_signing_config,
    ListLayerVersions => list_layer_versions,
    ListLayers => list_layers,
    ListProvisionedConcurrencyConfigs => list_provisioned_concurrency_configs,
    ListTags => list_tags,
    ListVersionsByFunction => list_versions_by_function,
    PauseDurableExecution => pause_durable_execution,
    PublishLayerVersion => publish_layer_version,
    PublishVersion => publish_version,
    PutFunctionCodeSigningConfig => put_function_code_signing_config,
    PutFunctionConcurrency => put_function_concurrency,
    PutFunctionEventInvokeConfig => put_function_event_invoke_config,
    PutFunctionRecursionConfig => put_function_recursion_config,
    PutProvisionedConcurrencyConfig => put_provisioned_concurrency_config,
    PutResourcePolicy => put_resource_policy,
    PutRuntimeManagementConfig => put_runtime_management_config,
    RemoveLayerVersionPermission => remove_layer_version_permission,
    RemovePermission => remove_permission,
    ResumeDurableExecution => resume_durable_execution,
    StopDurableExecution => stop_durable_execution,
    TagResource => tag_resource,
    UntagResource => untag_resource,
    UpdateAlias => update_alias,
    UpdateCapacityProvider => update_capacity_provider,
    UpdateCodeSigningConfig => update_code_signing_config,
    UpdateEventSourceMapping => update_event_source_mapping,
    UpdateFunctionCode => update_function_code,
    UpdateFunctionConfiguration => update_function_configuration,
    UpdateFunctionEventInvokeConfig => update_function_event_invoke_config,
    UpdateFunctionUrlConfig => update_function_url_config,
}
