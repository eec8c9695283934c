//! Patterns: `*`, `?` and variables (IAM User Guide, "IAM policy elements: Variables and tags").

/// `*` for any text, `?` for one character.
#[must_use]
pub fn like(pattern: &str, text: &str) -> bool {
    matches(&pieces(pattern), text)
}

/// Each of the six parts of an ARN by itself: a `*` does not reach over a colon but in the last. A pattern that is
/// nothing but `*` has no parts, and stands for every ARN.
pub(super) fn arn_like(pattern: &[Piece], value: &str) -> bool {
    if pattern == [Piece::Any] {
        return true;
    }
    let mut patterns = pattern.splitn(6, |piece| *piece == Piece::Char(':'));
    let mut values = value.splitn(6, ':');
    loop {
        match (patterns.next(), values.next()) {
            (None, None) => return true,
            (Some(pattern), Some(value)) if matches(pattern, value) => {}
            _ => return false,
        }
    }
}

/// A pattern taken apart, so that what a variable stands for is no pattern itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece {
    Char(char),
    One,
    Any,
}

/// A pattern without variables.
pub(super) fn pieces(pattern: &str) -> Vec<Piece> {
    pattern.chars().map(piece).collect()
}

fn piece(character: char) -> Piece {
    match character {
        '*' => Piece::Any,
        '?' => Piece::One,
        other => Piece::Char(other),
    }
}

/// A pattern with its variables filled in; `None` when one of them is not known of the call.
pub(super) fn expand(pattern: &str, value_of: impl Fn(&str) -> Option<String>) -> Option<Vec<Piece>> {
    let mut out = Vec::new();
    let mut rest = pattern;
    while let Some(start) = rest.find("${") {
        let (before, after) = rest.split_at(start);
        out.extend(before.chars().map(piece));
        let Some(end) = after.find('}') else { break };
        let name = &after[2..end];
        let (name, default) = name.split_once(',').map_or((name, None), |(name, text)| {
            (name.trim(), text.trim().strip_prefix('\'').and_then(|text| text.strip_suffix('\'')))
        });
        let value = match name {
            // What would be a wildcard or a variable otherwise.
            "*" | "?" | "$" => name.to_owned(),
            name => value_of(name).or_else(|| default.map(str::to_owned))?,
        };
        out.extend(value.chars().map(Piece::Char));
        rest = &after[end + 1..];
    }
    out.extend(rest.chars().map(piece));
    Some(out)
}

/// The usual walk without recursion.
pub(super) fn matches(pattern: &[Piece], text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    let (mut p, mut t) = (0, 0);
    // Where to go on when the last star has to take one more.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(Piece::Any) => {
                star = Some((p, t));
                p += 1;
            }
            Some(Piece::One) => (p, t) = (p + 1, t + 1),
            Some(Piece::Char(character)) if *character == text[t] => (p, t) = (p + 1, t + 1),
            _ => match star {
                Some((at, taken)) => {
                    star = Some((at, taken + 1));
                    (p, t) = (at + 1, taken + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|piece| *piece == Piece::Any)
}
