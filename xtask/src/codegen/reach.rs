//! Which shapes the operations of the table reach, and from which side.

use std::collections::BTreeSet;

use super::allow::Service;
use super::model::Model;

/// Shapes by the side of a call on which they occur; a shape may be in both sets.
#[derive(Default)]
pub(crate) struct Reach {
    /// Reached from an input: checked against constraints, required members are not optional.
    pub(crate) input: BTreeSet<String>,
    /// Reached from an output.
    pub(crate) output: BTreeSet<String>,
}

impl Reach {
    pub(crate) fn of(service: &Service, model: &Model) -> Result<Self, String> {
        let mut reach = Self::default();
        for name in service.typed(model)? {
            let operation = &model.operations[name];
            if let Some(input) = &operation.input {
                walk(model, &input.shape, &mut reach.input)?;
                let streams = |name: &&String| model.shapes.get(*name).is_some_and(|shape| shape.eventstream);
                if let Some(stream) = reach.input.iter().find(streams) {
                    return Err(format!(
                        "'{stream}' is an event stream in an input, which the generator does not write yet"
                    ));
                }
            }
            if let Some(output) = &operation.output {
                walk(model, &output.shape, &mut reach.output)?;
            }
        }
        // What errors carry beside their message: the service layer sets `Reason` from its enum.
        for exception in model.shapes.values().filter(|shape| shape.exception) {
            exception.parts().try_for_each(|part| walk(model, &part.shape, &mut reach.output))?;
        }
        Ok(reach)
    }

    /// Every reached shape once, by name.
    pub(crate) fn all(&self) -> impl Iterator<Item = &String> {
        self.input.union(&self.output)
    }
}

fn walk(model: &Model, name: &str, seen: &mut BTreeSet<String>) -> Result<(), String> {
    if !seen.insert(name.to_owned()) {
        return Ok(());
    }
    let shape = model.shape(name)?;
    shape.parts().try_for_each(|part| walk(model, &part.shape, seen))
}
