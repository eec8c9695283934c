//! The table of a service's operations, for services whose calls are answered by functions of a context and an input.

/// Answers the call that was matched by the function of its operation; an operation without one is not offered. `op`, the
/// operations as types, is whatever that is where the table stands.
macro_rules! dispatch {
    (($matched:expr, $parts:expr, $body:expr, $context:expr, $request_id:expr) $($call:ident => $answer:path,)*) => {{
        let matched = $matched;
        match matched.operation().name {
            $(name if name == <op::$call as lambent_wire::Call>::OPERATION.name => {
                let input = matched.decode::<op::$call>($parts, $body)?;
                let output = $answer($context, input).await?;
                Ok(lambent_wire::encode::<op::$call>(&output, $request_id))
            })*
            _ => Err(matched.operation().not_offered()),
        }
    }};
}

pub(crate) use dispatch;
