//! What callers are told of an invocation that the function did not answer.

use lambent_model::{Failure, Outcome};
use lambent_sandbox_client::Exit;
use serde_json::json;

use super::{Call, SIGKILL};

pub(super) fn failed(call: &Call, error_type: &str, message: &str) -> Outcome {
    let message = format!("RequestId: {} Error: {message}", call.invocation.request_id);
    // Written by hand for the order of the keys: `errorType` first, as AWS has it.
    let body = format!(r#"{{"errorType":{},"errorMessage":{}}}"#, json!(error_type), json!(message));
    Outcome::Failed(Failure { error_type: error_type.to_owned(), body: body.into() })
}

pub(super) fn killed(call: &Call) -> Outcome {
    failed(call, "Runtime.ExitError", &exit_text(Exit::Signal(SIGKILL)))
}

pub(super) fn response_too_large(limit: usize) -> Failure {
    Failure {
        error_type: "Function.ResponseSizeTooLarge".into(),
        body: format!(
            "{{\"errorMessage\":\"Response payload size exceeded maximum allowed payload size \
             ({limit} bytes).\",\"errorType\":\"Function.ResponseSizeTooLarge\"}}"
        )
        .into(),
    }
}

/// How AWS words the end of a runtime.
pub(super) fn exit_text(exit: Exit) -> String {
    match exit {
        Exit::Code(0) => "Runtime exited without providing a reason".into(),
        other => format!("Runtime exited with error: {}", ended(other)),
    }
}

/// How AWS words the end of a process; signal names are Go's, as its platform prints them.
pub(super) fn ended(exit: Exit) -> String {
    let signal = match exit {
        Exit::Code(0) => return "exit code 0".into(),
        Exit::Code(code) => return format!("exit status {code}"),
        Exit::Signal(signal) => signal,
    };
    let name = match signal {
        1 => "hangup",
        2 => "interrupt",
        3 => "quit",
        4 => "illegal instruction",
        5 => "trace/breakpoint trap",
        6 => "aborted",
        7 => "bus error",
        8 => "floating point exception",
        SIGKILL => "killed",
        10 => "user defined signal 1",
        11 => "segmentation fault",
        12 => "user defined signal 2",
        13 => "broken pipe",
        14 => "alarm clock",
        15 => "terminated",
        31 => "bad system call",
        other => return format!("signal: signal {other}"),
    };
    format!("signal: {name}")
}
