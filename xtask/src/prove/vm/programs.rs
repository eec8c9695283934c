//! The test programs that go into the machine.

use std::path::PathBuf;

use crate::test::process;

/// A test program and what it is called.
pub(crate) struct Program {
    pub(crate) name: String,
    pub(crate) file: PathBuf,
}

/// Builds the sandbox's integration tests and answers where they are.
pub(crate) fn build() -> Result<Vec<Program>, String> {
    let test = ["test", "--package", "lambent-sandbox-client", "--test", "*", "--no-run"];
    // Once for the reader, who may have to wait or to read an error; once for us.
    process::succeed(crate::cargo().args(test))?;
    let output = crate::cargo()
        .args(test)
        .args(["--quiet", "--message-format", "json"])
        .output()
        .map_err(|error| format!("cannot run cargo: {error}"))?;
    let programs: Vec<Program> = String::from_utf8_lossy(&output.stdout).lines().filter_map(read).collect();
    if programs.is_empty() {
        return Err("cargo named no test program of lambent-sandbox-client".to_owned());
    }
    Ok(programs)
}

/// Reads one of cargo's messages ("The Cargo Book", External tools: JSON messages).
fn read(line: &str) -> Option<Program> {
    let message: serde_json::Value = serde_json::from_str(line).ok()?;
    let is_test = message["target"]["kind"].as_array()?.iter().any(|kind| kind == "test");
    let file = message["executable"].as_str().filter(|_| is_test)?;
    Some(Program { name: message["target"]["name"].as_str()?.to_owned(), file: file.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_programs_alone_are_read() {
        let artifact = |kind: &str, executable: &str| {
            format!(
                r#"{{"reason":"compiler-artifact","target":{{"kind":["{kind}"],"name":"limits"}},"executable":{executable}}}"#
            )
        };
        let program = read(&artifact("test", r#""/target/limits-1""#)).expect("it is a test");
        assert_eq!((program.name.as_str(), program.file), ("limits", "/target/limits-1".into()));
        assert!(read(&artifact("test", "null")).is_none());
        assert!(read(&artifact("lib", r#""/target/lib""#)).is_none());
        assert!(read(r#"{"reason":"build-finished","success":true}"#).is_none());
    }
}
