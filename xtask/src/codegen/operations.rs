//! The service, its operations and their routes.

use std::fmt::Write as _;

use super::allow::Service;
use super::model::{Kind, Model, Operation, Reference};
use super::{names, shapes, text, types};

/// `SERVICE`, a static for each operation, and a module `op` with a type for each offered one.
pub(crate) fn emit(service: &Service, model: &Model) -> Result<String, String> {
    let mut out = String::new();
    let metadata = &model.metadata;
    let name = metadata.signing_name.as_ref().unwrap_or(&metadata.endpoint_prefix);
    let target = metadata.target_prefix.as_deref().unwrap_or_default();
    let protocol = protocol(model)?;
    let forms = metadata.aws_query_compatible.is_some();
    let (version, namespace) = (service.version, namespace(model));
    let all: Vec<String> =
        model.operations.keys().map(|name| format!("&operation::{}", names::constant(name))).collect();
    write!(
        out,
        "static ROUTES: crate::route::Table = crate::route::Table::new();\n/// The service.\npub static SERVICE: \
         crate::Service = crate::Service {{\nname: {name:?},\nprotocol: \
         crate::Protocol::{protocol},\ntarget_prefix: {target:?},\nversion: {version:?},\nnamespace: \
         {namespace:?},\nforms: {forms},\nflat: FLAT,\nroutes: &ROUTES,\noperations: &[{}],\n}};\n",
        all.join(",")
    )
    .map_err(text)?;
    let mut statics = String::new();
    let typed = service.typed(model)?;
    for (name, operation) in &model.operations {
        statics.push_str(&operation_static(typed.contains(&name.as_str()), model, name, operation)?);
    }
    out.push_str(
        "mod operation {\nuse super::{SERVICE, shape};\nuse crate::operation::{Operation, Route};\n",
    );
    for (mark, import) in [
        ("Segment::", "use crate::operation::Segment;\n"),
        ("Binding {", "use crate::operation::Binding;\nuse crate::shape::{Place, Scalar};\n"),
    ] {
        // An import without a use would be a warning in the generated file.
        out.push_str(if statics.contains(mark) { import } else { "" });
    }
    out.push_str(&statics);
    out.push_str("}\n/// The operations that are offered, as types.\npub mod op {\n");
    for name in &typed {
        out.push_str(&call(model, name, &model.operations[*name])?);
    }
    out.push_str("}\n");
    Ok(out)
}

/// Of a service that has moved on to JSON the model has forgotten it (Amazon SQS API Reference: the sample responses).
fn namespace(model: &Model) -> &str {
    match (&model.metadata.aws_query_compatible, &model.metadata.xml_namespace) {
        (Some(_), None) => "http://queue.amazonaws.com/doc/2012-11-05/",
        (_, namespace) => namespace.as_deref().unwrap_or_default(),
    }
}

fn protocol(model: &Model) -> Result<&'static str, String> {
    match (model.metadata.protocol.as_str(), model.metadata.json_version.as_deref()) {
        ("rest-json", _) => Ok("RestJson1"),
        ("json", Some("1.0")) => Ok("Json1_0"),
        ("json", Some("1.1")) => Ok("Json1_1"),
        ("query", _) => Ok("Query"),
        (other, version) => {
            Err(format!("protocol '{other}' {version:?} is not one the generator writes yet"))
        }
    }
}

fn operation_static(typed: bool, model: &Model, name: &str, operation: &Operation) -> Result<String, String> {
    let input = match &operation.input {
        Some(input) if typed => format!("Some(&shape::{})", names::constant(&input.shape)),
        _ => "None".to_owned(),
    };
    let output = match &operation.output {
        Some(output) if typed => {
            check_wrapper(model, name, output)?;
            bindings(model, output)?
        }
        _ => String::new(),
    };
    Ok(format!(
        "pub(super) static {}: Operation = Operation {{ name: {name:?}, service: &SERVICE, typed: {typed}, route: \
         {}, input: {input}, has_output: {}, output: &[{output}] }};\n",
        names::constant(name),
        route(operation)?,
        operation.output.is_some(),
    ))
}

/// Responses of the query protocol are written with the operation's name alone.
fn check_wrapper(model: &Model, name: &str, output: &Reference) -> Result<(), String> {
    let expected = format!("{name}Result");
    match &output.result_wrapper {
        None if model.metadata.protocol == "query" => Err(format!("the output of '{name}' has no wrapper")),
        Some(wrapper) if *wrapper != expected => {
            Err(format!("the output of '{name}' is wrapped in '{wrapper}' and not in '{expected}'"))
        }
        _ => Ok(()),
    }
}

fn route(operation: &Operation) -> Result<String, String> {
    let http = &operation.http;
    let (path, query) = http.request_uri.split_once('?').unwrap_or((&http.request_uri, ""));
    let mut segments = String::new();
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        let label = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        match label.map(|label| (label, label.strip_suffix('+'))) {
            // A greedy label takes all that follows (Smithy: "httpLabel trait"), so it stands at the end.
            Some((_, Some(greedy))) if path.ends_with("+}") => {
                write!(segments, "Segment::Greedy({greedy:?}),").map_err(text)?;
            }
            Some((_, Some(_))) => {
                return Err(format!(
                    "'{path}' has a greedy label before its end, which the generator does not write yet"
                ));
            }
            Some((label, None)) => write!(segments, "Segment::Label({label:?}),").map_err(text)?,
            None => write!(segments, "Segment::Literal({segment:?}),").map_err(text)?,
        }
    }
    let mut literals = String::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        write!(literals, "({key:?}, {value:?}),").map_err(text)?;
    }
    Ok(format!(
        "Route {{ method: {:?}, path: &[{segments}], query: &[{literals}], status: {} }}",
        http.method,
        http.response_code.unwrap_or(200)
    ))
}

/// The members of an output that are not in its JSON body.
fn bindings(model: &Model, output: &Reference) -> Result<String, String> {
    let shape = model.shape(&output.shape)?;
    let mut out = String::new();
    for (name, reference) in &shape.members.0 {
        let place = shapes::place(model, shape, name, reference)?;
        if place == "Place::Body" {
            continue;
        }
        let scalar = match model.shape(&reference.shape)?.kind {
            Kind::Integer | Kind::Long => "Number",
            Kind::Boolean => "Boolean",
            _ => "Text",
        };
        write!(
            out,
            "Binding {{ key: {:?}, place: {place}, scalar: Scalar::{scalar} }},",
            types::key(name, reference)
        )
        .map_err(text)?;
    }
    Ok(out)
}

fn call(model: &Model, name: &str, operation: &Operation) -> Result<String, String> {
    let side = |reference: &Option<Reference>| match reference {
        Some(reference) => format!("super::types::{}", reference.shape),
        None => "crate::Empty".to_owned(),
    };
    let mut out = format!(
        "/// `{name}`.\n#[derive(Debug, Clone, Copy)]\npub struct {name};\nimpl crate::Call for {name} {{\ntype Input = \
         {};\ntype Output = {};\nconst OPERATION: &'static crate::Operation = &super::operation::{};\n",
        side(&operation.input),
        side(&operation.output),
        names::constant(name)
    );
    for (label, reference) in [("input", &operation.input), ("output", &operation.output)] {
        if let Some(field) = payload_field(model, reference)? {
            let title = if label == "input" { "Input" } else { "Output" };
            write!(
                out,
                "fn {label}_payload({label}: &mut Self::{title}) -> Option<&mut Option<crate::Blob>> {{ Some(&mut \
                 {label}.{field}) }}\nfn {label}_payload_ref({label}: &Self::{title}) -> Option<&crate::Blob> {{ \
                 {label}.{field}.as_ref() }}\n"
            )
            .map_err(text)?;
        }
    }
    out.push_str("}\n");
    Ok(out)
}

fn payload_field(model: &Model, reference: &Option<Reference>) -> Result<Option<String>, String> {
    let Some(reference) = reference else { return Ok(None) };
    let shape = model.shape(&reference.shape)?;
    for (name, member) in &shape.members.0 {
        if types::is_payload_blob(model, shape, name, member)? {
            return Ok(Some(names::field(name)));
        }
    }
    Ok(None)
}
