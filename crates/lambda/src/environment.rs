//! A function's environment variables.

use std::collections::BTreeMap;

use crate::{Refusal, limits};

/// Checks variables against the reserved names and the size limit ("Working with Lambda environment variables").
///
/// # Errors
/// With AWS's texts.
pub fn check_variables(
    variables: &BTreeMap<String, String>,
    is_reserved: impl Fn(&str) -> bool,
) -> Result<(), Refusal> {
    let reserved: Vec<&str> = variables.keys().map(String::as_str).filter(|name| is_reserved(name)).collect();
    if !reserved.is_empty() {
        return Err(Refusal::InvalidParameter(format!(
            "Lambda was unable to configure your environment variables because the environment variables you have \
             provided contains reserved keys that are currently not supported for modification. Reserved keys used \
             in this request: {}",
            reserved.join(", ")
        )));
    }
    // Measured on the compact JSON of the whole map, not on the sum of the lengths.
    let measured = serde_json::to_string(variables).expect("a map of strings is JSON");
    if measured.len() > limits::ENVIRONMENT_BYTES {
        return Err(Refusal::InvalidParameter(format!(
            "Lambda was unable to configure your environment variables because the environment variables you have \
             provided exceeded the 4KB limit. String measured: {measured}"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn size_is_that_of_the_compact_json() {
        // {"A":"…"} adds eight bytes to the value.
        let fits = "x".repeat(limits::ENVIRONMENT_BYTES - 8);
        assert_eq!(check_variables(&map(&[("A", &fits)]), |_| false), Ok(()));
        let over = format!("{fits}x");
        assert!(check_variables(&map(&[("A", &over)]), |_| false).is_err());
    }

    #[test]
    fn reserved_names_are_listed() {
        let refusal =
            check_variables(&map(&[("A", "1"), ("AWS_REGION", "x")]), |n| n == "AWS_REGION").unwrap_err();
        assert!(refusal.to_string().ends_with("Reserved keys used in this request: AWS_REGION"));
    }
}
