//! The service's limits where they are tighter than the model's (AWS Lambda Developer Guide, "Lambda quotas").

/// Longest name that `CreateFunction` takes.
pub const NAME_LENGTH: usize = 64;
/// Longest timeout in seconds.
pub const TIMEOUT_S: u32 = 900;
/// Most memory in MB.
pub const MEMORY_MB: u32 = 10_240;
/// Most ephemeral storage in MB.
pub const EPHEMERAL_MB: u32 = 10_240;
/// Environment variables, measured as compact JSON, in bytes.
pub const ENVIRONMENT_BYTES: usize = 4096;
/// Largest package in a request, zipped, in bytes.
pub const ZIPPED_BYTES: usize = 52_428_800;
/// Largest package unzipped, with layers, in bytes.
pub const UNZIPPED_BYTES: u64 = 262_144_000;
/// Largest body of a request in bytes: the zipped limit in base64 and room for the rest.
pub const REQUEST_BYTES: usize = 70_167_211;
/// Largest event of a synchronous invocation in bytes.
pub const SYNC_PAYLOAD_BYTES: usize = 6_291_456;
/// Payload of an asynchronous invocation in bytes (Lambda quotas: 1 MB, since October 2025).
pub const EVENT_PAYLOAD_BYTES: usize = 1_048_576;
/// Longest `X-Amz-Client-Context` in characters.
pub const CLIENT_CONTEXT_LENGTH: usize = 3583;
/// Layers of a function.
pub const LAYERS: usize = 5;
/// Code storage of an account and region in bytes.
pub const CODE_STORAGE_BYTES: u64 = 300 * 1024 * 1024 * 1024;
/// Concurrent executions of an account and region.
pub const CONCURRENT_EXECUTIONS: u32 = 1000;
/// Concurrent executions that must stay unreserved in an account and region.
pub const UNRESERVED_MINIMUM: u32 = 100;
/// A resource policy in bytes.
pub const POLICY_BYTES: usize = 20_480;
/// Tags of a resource.
pub const TAGS: usize = 50;
/// `ListFunctions` returns no more than this in a page.
pub const PAGE: usize = 50;
