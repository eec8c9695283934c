//! What an expression is worth for one row.

use std::cmp::Ordering;

use super::ast::{Comparison, Expression};
use super::functions;
use super::value::Value;

/// Something with fields.
pub(super) trait Fields {
    /// The value of a field; nothing where there is none.
    fn field(&self, name: &str) -> Value<'_>;
}

pub(super) fn eval<'a>(expression: &'a Expression, row: &'a impl Fields) -> Value<'a> {
    match expression {
        Expression::Field(name) => row.field(name),
        Expression::Number(number) => Value::Number(*number),
        Expression::Text(text) => Value::text(text),
        Expression::Not(inner) => Value::truth(!eval(inner, row).is_true()),
        Expression::And(left, right) => Value::truth(eval(left, row).is_true() && eval(right, row).is_true()),
        Expression::Or(left, right) => Value::truth(eval(left, row).is_true() || eval(right, row).is_true()),
        Expression::Compare(comparison, left, right) => {
            Value::truth(compare(*comparison, &eval(left, row), &eval(right, row)))
        }
        Expression::LikeText(left, text) => {
            let value = eval(left, row);
            Value::truth(!value.is_null() && value.as_text().contains(text.as_str()))
        }
        Expression::LikeRegex(left, regex) => {
            let value = eval(left, row);
            Value::truth(!value.is_null() && regex.is_match(&value.as_text()))
        }
        Expression::In(left, list) => {
            let value = eval(left, row);
            Value::truth(list.iter().any(|item| compare(Comparison::Equal, &value, &eval(item, row))))
        }
        Expression::Arithmetic(sign, left, right) => arithmetic(*sign, &eval(left, row), &eval(right, row)),
        Expression::Bin(period, time) => match eval(time, row) {
            Value::Time(ms) => Value::Time(ms - ms.rem_euclid(*period)),
            _ => Value::Null,
        },
        Expression::Call(function, arguments) => {
            let arguments: Vec<Value<'a>> = arguments.iter().map(|argument| eval(argument, row)).collect();
            functions::call(*function, &arguments)
        }
    }
}

/// What is not there equals nothing and is unequal to everything.
fn compare(comparison: Comparison, left: &Value<'_>, right: &Value<'_>) -> bool {
    if left.is_null() || right.is_null() {
        return comparison == Comparison::NotEqual && left.is_null() != right.is_null();
    }
    let ordering = match (left.number(), right.number()) {
        (Some(one), Some(two)) => one.partial_cmp(&two),
        _ => Some(left.as_text().cmp(&right.as_text())),
    };
    let Some(ordering) = ordering else { return false };
    match comparison {
        Comparison::Equal => ordering == Ordering::Equal,
        Comparison::NotEqual => ordering != Ordering::Equal,
        Comparison::Less => ordering == Ordering::Less,
        Comparison::LessOrEqual => ordering != Ordering::Greater,
        Comparison::Greater => ordering == Ordering::Greater,
        Comparison::GreaterOrEqual => ordering != Ordering::Less,
    }
}

fn arithmetic<'a>(sign: char, left: &Value<'_>, right: &Value<'_>) -> Value<'a> {
    let (Some(left), Some(right)) = (left.number(), right.number()) else { return Value::Null };
    let result = match sign {
        '+' => left + right,
        '-' => left - right,
        '*' => left * right,
        '/' => left / right,
        '%' => left % right,
        _ => left.powf(right),
    };
    if result.is_finite() { Value::Number(result) } else { Value::Null }
}
