//! A custom runtime whose handler attacks: each event names one attack, each answer says whether it succeeded and what
//! was seen.
//!
//! The escape suite (`tests/conformance/escape`) runs this program twice for each attack: without the fence that is to
//! contain it, where the attack has to succeed, and in a sandbox, where it must not. It is no part of Lambent.

mod attacks;
mod kernel;
mod runtime;

use std::process::ExitCode;

use serde_json::{Value, json};

use crate::kernel::Tried;

fn main() -> ExitCode {
    match runtime::serve(|event| answer(&event)) {
        Ok(never) => match never {},
        Err(error) => {
            eprintln!("the runtime API failed: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the attack that the event names, in a process of its own: it may be killed, and may change what it cannot
/// change back.
fn answer(event: &Value) -> Value {
    let name = event["attack"].as_str().unwrap_or_default();
    let Some(attack) = attacks::find(name) else {
        return json!({ "succeeded": false, "saw": format!("there is no attack {name:?}") });
    };
    let tried = kernel::in_a_child(|| attack(event));
    match tried {
        Ok(saw) => json!({ "succeeded": true, "saw": saw }),
        Err(refusal) => json!({ "succeeded": false, "saw": refusal.0 }),
    }
}

/// What every attack looks like.
type Attack = fn(&Value) -> Tried;
