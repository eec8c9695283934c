//! AWS's names as Rust's.

/// `KMSKeyArn` becomes `kms_key_arn`, `S3Bucket` `s3_bucket`, `CodeSha256` `code_sha256`.
pub(crate) fn snake(name: &str) -> String {
    let chars: Vec<char> = name.chars().collect();
    let mut out = String::new();
    for (index, &current) in chars.iter().enumerate() {
        if !current.is_ascii_alphanumeric() {
            out.push('_');
            continue;
        }
        let previous = index.checked_sub(1).map(|index| chars[index]);
        let next = chars.get(index + 1);
        let starts_word = current.is_ascii_uppercase()
            && previous.is_some_and(|previous| {
                previous.is_ascii_lowercase()
                    || previous.is_ascii_digit()
                    || (previous.is_ascii_uppercase() && next.is_some_and(char::is_ascii_lowercase))
            });
        if starts_word {
            out.push('_');
        }
        out.push(current.to_ascii_lowercase());
    }
    out
}

/// A member's field.
pub(crate) fn field(name: &str) -> String {
    let snake = snake(name);
    // Every keyword that is the name of a member in a model of AWS's so far.
    match snake.as_str() {
        "as" | "async" | "await" | "const" | "enum" | "final" | "for" | "in" | "loop" | "match" | "move"
        | "override" | "priv" | "pub" | "ref" | "return" | "static" | "try" | "type" | "use" | "where" => {
            format!("r#{snake}")
        }
        _ => snake,
    }
}

/// A type's name: models of before there were conventions have `policyScopeType`.
pub(crate) fn type_name(name: &str) -> String {
    let mut chars = name.chars();
    chars.next().map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + chars.as_str())
}

/// A static's name: `CreateFunctionRequest` becomes `CREATE_FUNCTION_REQUEST`.
pub(crate) fn constant(name: &str) -> String {
    snake(name).to_ascii_uppercase()
}

/// An enum value's variant: `nodejs22.x` becomes `Nodejs22X`, `python3.12` `Python3_12`, `ALL` `All`.
pub(crate) fn variant(value: &str) -> String {
    let shouting = !value.chars().any(|c| c.is_ascii_lowercase());
    let mut out = String::new();
    for word in value.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()) {
        let digits_meet =
            out.ends_with(|c: char| c.is_ascii_digit()) && word.starts_with(|c: char| c.is_ascii_digit());
        if digits_meet {
            out.push('_');
        }
        let mut chars = word.chars();
        let first = chars.next().expect("empty words were filtered out");
        out.push(first.to_ascii_uppercase());
        out.extend(chars.map(|c| if shouting { c.to_ascii_lowercase() } else { c }));
    }
    // `Other` is the variant for values that this release does not know.
    if out.is_empty() || out.starts_with(|c: char| c.is_ascii_digit()) || out == "Other" {
        out.insert_str(0, "Value");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_rust_conventions() {
        for (name, expected) in [
            ("KMSKeyArn", "kms_key_arn"),
            ("S3Bucket", "s3_bucket"),
            ("CodeSha256", "code_sha256"),
            ("EC2ErrorCode", "ec2_error_code"),
            ("logGroupName", "log_group_name"),
            ("Ipv6AllowedForDualStack", "ipv6_allowed_for_dual_stack"),
        ] {
            assert_eq!(snake(name), expected);
        }
        for (value, expected) in [
            ("nodejs4.3-edge", "Nodejs4_3Edge"),
            ("python3.12", "Python3_12"),
            ("provided.al2023", "ProvidedAl2023"),
            ("x86_64", "X86_64"),
            ("ALL", "All"),
            ("RequestResponse", "RequestResponse"),
            ("$LATEST.PUBLISHED", "LatestPublished"),
            ("7", "Value7"),
            ("Other", "ValueOther"),
        ] {
            assert_eq!(variant(value), expected);
        }
        assert_eq!(field("type"), "r#type");
    }
}
