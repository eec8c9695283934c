//! `lambent deploy`: a folder becomes a function, or the new code of one.

mod plan;

use lambent_wire::lambda::op::{CreateFunction, UpdateFunctionCode, UpdateFunctionConfiguration};
use lambent_wire::lambda::types::FunctionConfiguration;
use plan::Folder;

use super::{DefaultRuntime, Error, blocking, find, settle};
use crate::client::{Client, Endpoint, Settings};
use crate::package::{self, Package};
use crate::{DeployArgs, ExitCode, Terminal, render};

pub(super) async fn deploy(
    client: &Client,
    args: DeployArgs,
    terminal: &Terminal,
    default_runtime: DefaultRuntime<'_>,
) -> Result<ExitCode, Error> {
    let dir = args.dir.clone();
    let packing = format!("packing {}", dir.display());
    let package = terminal.waiting(&packing, blocking(move || package::pack(&dir))).await?;
    let name = plan::name(&args)?;
    terminal.say(&packed(&package));
    if package.bootstrap_not_executable {
        terminal
            .say("warning: bootstrap is not executable, so it will not start; run \"chmod +x bootstrap\"");
    }
    let deploying = format!("deploying {name}");
    let work = apply(client, &args, &name, package, default_runtime);
    let (done, function) = terminal.waiting(&deploying, work).await?;
    show(client.settings(), terminal, done, &name, &function)?;
    Ok(ExitCode::Ok)
}

/// Creates or updates, and waits until it is done; says which it was.
async fn apply(
    client: &Client,
    args: &DeployArgs,
    name: &str,
    package: Package,
    default_runtime: DefaultRuntime<'_>,
) -> Result<(&'static str, FunctionConfiguration), Error> {
    let folder = Folder { args, name, top_level: &package.top_level, default_runtime };
    let Some(existing) = find(client, name).await? else {
        let request = folder.create(package.zip, &client.settings().account())?;
        client.call::<CreateFunction>(&request).await?;
        return Ok(("created", settle(client, name).await?));
    };
    // Decided before anything is changed: a folder that does not fit leaves the function as it is.
    let configuration = folder.update_configuration(&existing)?;
    client.call::<UpdateFunctionCode>(&folder.update_code(package.zip)).await?;
    // Lambda refuses an update while another is in progress.
    let mut function = settle(client, name).await?;
    if let Some(request) = configuration {
        client.call::<UpdateFunctionConfiguration>(&request).await?;
        function = settle(client, name).await?;
    }
    Ok(("updated", function))
}

fn packed(package: &Package) -> String {
    let files = if package.files == 1 { "file" } else { "files" };
    let kilobytes = package.zip.len().div_ceil(1024);
    format!("packed {} {files}, {kilobytes} kB zipped", package.files)
}

fn show(
    settings: &Settings,
    terminal: &Terminal,
    done: &str,
    name: &str,
    function: &FunctionConfiguration,
) -> Result<(), Error> {
    if terminal.json {
        return Ok(render::json(
            terminal,
            &serde_json::json!({ "Action": done, "Configuration": function }),
        )?);
    }
    let runtime = function.runtime.as_ref().map(ToString::to_string).unwrap_or_default();
    let handler = function.handler.as_deref().unwrap_or_default();
    terminal.say(&format!("{done} {name}: {runtime}, handler {handler}"));
    let arn = function.function_arn.as_deref().ok_or_else(|| Error::Answer {
        operation: "GetFunctionConfiguration",
        what: "it has no FunctionArn".to_owned(),
    })?;
    terminal.line(&terminal.quote(arn))?;
    let endpoint = match &settings.endpoint {
        endpoint if *endpoint == Endpoint::default() => String::new(),
        endpoint => format!(" --endpoint http://{endpoint}"),
    };
    terminal.say(&format!("next: lambent invoke {name} --payload '{{}}'{endpoint}"));
    Ok(())
}
