//! Which services and operations are generated.

/// A service of the table.
pub(crate) struct Service {
    /// Name of the generated module and file.
    pub(crate) module: &'static str,
    /// Folder of the service in botocore's data.
    pub(crate) folder: &'static str,
    /// Version folder in it; named, because some services carry several.
    pub(crate) version: &'static str,
    /// Operations with types and constraints. Every other one of the model gets a route alone, so that the answer
    /// can tell "known, but not offered" from "no such operation".
    pub(crate) operations: &'static [&'static str],
}

/// Everything that `cargo xtask codegen` writes.
pub(crate) const SERVICES: &[Service] = &[
    Service {
        module: "lambda",
        folder: "lambda",
        version: "2015-03-31",
        operations: &[
            "CreateFunction",
            "DeleteFunction",
            "GetAccountSettings",
            "GetFunction",
            "GetFunctionCodeSigningConfig",
            "GetFunctionConcurrency",
            "GetFunctionConfiguration",
            "GetFunctionRecursionConfig",
            "GetPolicy",
            "GetRuntimeManagementConfig",
            "Invoke",
            "ListFunctions",
            "ListTags",
            "ListVersionsByFunction",
            "TagResource",
            "UntagResource",
            "UpdateFunctionCode",
            "UpdateFunctionConfiguration",
        ],
    },
    Service {
        module: "logs",
        folder: "logs",
        version: "2014-03-28",
        operations: &["DescribeLogGroups", "DescribeLogStreams", "FilterLogEvents", "GetLogEvents"],
    },
];
