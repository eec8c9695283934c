//! The examples that `lambent up --demo` deploys, embedded.

use anyhow::Context as _;
use lambent_cli::{DemoFunction, Family, package};
use lambent_runtimes::Catalogue;

use crate::newest_runtime;

const PYTHON: &[u8] = include_bytes!("../../../examples/python-hello/app.py");
const NODEJS: &[u8] = include_bytes!("../../../examples/nodejs-hello/index.mjs");
const NATIVE: &[u8] = include_bytes!(env!("LAMBENT_NATIVE_EXAMPLE"));

/// One of each kind; what this machine cannot run says why.
pub(crate) fn functions(catalogue: &Catalogue) -> anyhow::Result<Vec<DemoFunction>> {
    [
        ("lambent-demo-python", Family::Python, "app.handler", "app.py", 0o644, PYTHON),
        ("lambent-demo-nodejs", Family::Nodejs, "index.handler", "index.mjs", 0o644, NODEJS),
        ("lambent-demo-native", Family::Provided, "bootstrap", "bootstrap", 0o755, NATIVE),
    ]
    .into_iter()
    .map(|(name, family, handler, file, mode, content)| {
        let runtime = newest_runtime(family, catalogue);
        let zip =
            package::pack_files(&[(file, mode, content)]).with_context(|| format!("cannot pack {name}"))?;
        Ok(DemoFunction {
            name: name.into(),
            handler: handler.into(),
            zip,
            event: br#"{"name":"Lambent"}"#.to_vec(),
            available: match runtime {
                Some(_) => Ok(()),
                None => Err("no interpreter for it here; `lambent runtimes` says what to install".into()),
            },
            runtime: runtime.unwrap_or_else(|| "-".into()),
        })
    })
    .collect()
}
