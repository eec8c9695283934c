//! Terms in unstructured text: all that are required, one of the optional, none of the excluded. In their case.

use memchr::memmem::Finder;
use regex::Regex;

use super::PatternError;
use super::scanner::{Scanner, Token};

#[derive(Debug, Default)]
pub(super) struct Terms {
    required: Vec<Term>,
    optional: Vec<Term>,
    excluded: Vec<Term>,
}

#[derive(Debug)]
enum Term {
    Text(Box<Finder<'static>>),
    Regex(Regex),
}

impl Term {
    fn text(text: &str) -> Self {
        Self::Text(Box::new(Finder::new(text.as_bytes()).into_owned()))
    }

    fn is_in(&self, message: &str) -> bool {
        match self {
            Self::Text(finder) => finder.find(message.as_bytes()).is_some(),
            Self::Regex(regex) => regex.is_match(message),
        }
    }
}

pub(super) fn parse(text: &str) -> Result<Terms, PatternError> {
    let mut scanner = Scanner::new(text);
    let mut terms = Terms::default();
    loop {
        scanner.skip_spaces();
        if scanner.is_at_end() {
            return Ok(terms);
        }
        let list = if scanner.eat("?") {
            &mut terms.optional
        } else if scanner.eat("-") {
            &mut terms.excluded
        } else {
            &mut terms.required
        };
        let term = match scanner.token(|c| !c.is_whitespace() && c != '"')? {
            Token::Regex(regex) => Term::Regex(regex),
            Token::Quoted(phrase) => Term::text(&phrase),
            Token::Bare(word) => {
                // Terms of other characters stand in quotation marks (User Guide, "Match terms in unstructured log
                // events").
                if word.contains(|c: char| !c.is_alphanumeric() && c != '_') {
                    return Err(PatternError::new(format!(
                        "Invalid character(s) in term '{word}': put it in double quotation marks"
                    )));
                }
                Term::text(&word)
            }
        };
        list.push(term);
    }
}

impl Terms {
    pub(super) fn matches(&self, message: &str) -> bool {
        let required = self.required.iter().all(|term| term.is_in(message));
        // Beside required terms the optional ones have no say (User Guide: "any question mark terms are ignored").
        let optional = self.optional.is_empty()
            || !self.required.is_empty()
            || self.optional.iter().any(|term| term.is_in(message));
        required && optional && !self.excluded.iter().any(|term| term.is_in(message))
    }
}
