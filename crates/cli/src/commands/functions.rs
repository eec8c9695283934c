//! `lambent functions`: what ListFunctions has.

use lambent_wire::lambda::op::ListFunctions;
use lambent_wire::lambda::types::{FunctionConfiguration, ListFunctionsRequest};

use super::Error;
use crate::client::Client;
use crate::render::{self, Table};
use crate::{ExitCode, Terminal};

pub(super) async fn functions(client: &Client, terminal: &Terminal) -> Result<ExitCode, Error> {
    let functions = terminal.waiting("listing functions", all(client)).await?;
    if terminal.json {
        render::json(terminal, &serde_json::json!({ "Functions": functions }))?;
        return Ok(ExitCode::Ok);
    }
    if functions.is_empty() {
        terminal.say("no functions yet; deploy a folder with \"lambent deploy DIR\"");
        return Ok(ExitCode::Ok);
    }
    for line in table(&functions).lines(terminal) {
        terminal.line(&line)?;
    }
    Ok(ExitCode::Ok)
}

async fn all(client: &Client) -> Result<Vec<FunctionConfiguration>, Error> {
    let mut functions = Vec::new();
    let mut request = ListFunctionsRequest::default();
    loop {
        let page = client.call::<ListFunctions>(&request).await?;
        functions.extend(page.functions.unwrap_or_default());
        match page.next_marker.filter(|marker| !marker.is_empty()) {
            // The same page again would be asked for without end.
            Some(marker) if request.marker.as_ref() == Some(&marker) => {
                let what = "its next page is the same one again".to_owned();
                return Err(Error::Answer { operation: "ListFunctions", what });
            }
            Some(marker) => request.marker = Some(marker),
            None => return Ok(functions),
        }
    }
}

fn table(functions: &[FunctionConfiguration]) -> Table {
    let mut table = Table::new(&["NAME", "RUNTIME", "MEMORY", "TIMEOUT", "MODIFIED"]);
    let or_dash = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    for function in functions {
        table.row(vec![
            or_dash(function.function_name.clone()),
            or_dash(function.runtime.as_ref().map(ToString::to_string)),
            or_dash(function.memory_size.map(|megabytes| format!("{megabytes} MB"))),
            or_dash(function.timeout.map(|seconds| format!("{seconds} s"))),
            or_dash(function.last_modified.clone()),
        ]);
    }
    table
}
