//! The AWS SDK for JavaScript, version 3, by npm.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::{AddError, failed, on_path, run};
use crate::sdk::STAMP;

/// What functions use most. AWS's runtimes bring every client, some four hundred packages; a function that needs
/// another one brings it in its package, as AWS recommends for all of them.
const PACKAGES: [&str; 32] = [
    "client-apigatewaymanagementapi",
    "client-athena",
    "client-bedrock-runtime",
    "client-cloudformation",
    "client-cloudwatch",
    "client-cloudwatch-logs",
    "client-cognito-identity-provider",
    "client-dynamodb",
    "client-ec2",
    "client-ecs",
    "client-eventbridge",
    "client-firehose",
    "client-iam",
    "client-kinesis",
    "client-kms",
    "client-lambda",
    "client-rds-data",
    "client-s3",
    "client-scheduler",
    "client-secrets-manager",
    "client-ses",
    "client-sesv2",
    "client-sfn",
    "client-sns",
    "client-sqs",
    "client-ssm",
    "client-sts",
    "credential-providers",
    "lib-dynamodb",
    "lib-storage",
    "s3-request-presigner",
    "util-dynamodb",
];

/// Fills `folder` as a `node_modules`.
pub(super) fn fetch(node: &Path, folder: &Path, from: Option<&Path>) -> Result<(), AddError> {
    match from {
        Some(from) => {
            let modules = from.join("node_modules");
            if !modules.join("@aws-sdk").is_dir() {
                let remedy = "make it elsewhere with `npm install @aws-sdk/client-s3 …`".to_owned();
                return Err(AddError::NotInFolder { file: "node_modules/@aws-sdk".into(), remedy });
            }
            copy(&modules, folder)?;
        }
        None => install(node, folder)?,
    }
    let stamp = folder.join(STAMP);
    fs::write(&stamp, format!("the AWS SDK {}", version(folder)?)).map_err(failed("write", &stamp))
}

fn install(node: &Path, folder: &Path) -> Result<(), AddError> {
    // npm of the same installation, or any other: nothing is built, so it matters little.
    let own = node.with_file_name("npm");
    let npm = if own.exists() { Some(own) } else { on_path("npm") };
    let npm = npm.ok_or(AddError::NoTool { needed: "npm", what: "the AWS SDK".to_owned() })?;
    let prefix = folder.join(".prefix");
    fs::create_dir(&prefix).map_err(failed("create", &prefix))?;
    let mut command = Command::new(npm);
    command.args(["install", "--no-audit", "--no-fund", "--ignore-scripts", "--engine-strict", "--no-save"]);
    command.args(["--loglevel=error", "--prefix"]).arg(&prefix);
    run("npm", command.args(PACKAGES.map(|name| format!("@aws-sdk/{name}"))).current_dir(&prefix))?;
    let modules = prefix.join("node_modules");
    for entry in fs::read_dir(&modules).map_err(failed("read", &modules))?.flatten() {
        let target = folder.join(entry.file_name());
        fs::rename(entry.path(), &target).map_err(failed("move", &target))?;
    }
    fs::remove_dir_all(&prefix).map_err(failed("remove", &prefix))
}

/// Files and folders; the links in `.bin` are for programs that nobody starts here.
fn copy(from: &Path, to: &Path) -> Result<(), AddError> {
    for entry in fs::read_dir(from).map_err(failed("read", from))? {
        let entry = entry.map_err(failed("read", from))?;
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().map_err(failed("read", &path))?;
        if kind.is_dir() {
            fs::create_dir(&target).map_err(failed("create", &target))?;
            copy(&path, &target)?;
        } else if kind.is_file() {
            fs::copy(&path, &target).map_err(failed("copy", &path))?;
        }
    }
    Ok(())
}

fn version(folder: &Path) -> Result<String, AddError> {
    let scope = folder.join("@aws-sdk");
    let mut clients: Vec<_> = fs::read_dir(&scope).map_err(failed("read", &scope))?.flatten().collect();
    clients.retain(|entry| entry.file_name().to_string_lossy().starts_with("client-"));
    let description = clients.first().map(|entry| entry.path().join("package.json"));
    let text = description.map(fs::read_to_string).transpose().map_err(failed("read", &scope))?;
    let parsed: Option<serde_json::Value> = text.and_then(|text| serde_json::from_str(&text).ok());
    let version = parsed.as_ref().and_then(|value| value["version"].as_str()).map(str::to_owned);
    version.ok_or(AddError::Tool { tool: "npm".into(), output: "it installed no client".into() })
}
