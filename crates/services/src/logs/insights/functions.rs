//! Functions on values (User Guide, "Supported operations and functions").

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use super::value::Value;

/// A function and how many arguments it takes.
macro_rules! functions {
    ($($name:ident $text:literal $least:literal $most:literal;)*) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Function { $($name),* }

        impl Function {
            pub(super) fn named(name: &str) -> Option<Self> {
                $(if name.eq_ignore_ascii_case($text) { return Some(Self::$name); })*
                None
            }

            fn arity(self) -> (usize, usize) {
                match self { $(Self::$name => ($least, $most)),* }
            }
        }
    };
}

functions! {
    Abs "abs" 1 1;
    Ceil "ceil" 1 1;
    Floor "floor" 1 1;
    Greatest "greatest" 1 100;
    Least "least" 1 100;
    Log "log" 1 1;
    Sqrt "sqrt" 1 1;
    IsPresent "ispresent" 1 1;
    IsEmpty "isempty" 1 1;
    IsBlank "isblank" 1 1;
    Coalesce "coalesce" 1 100;
    Concat "concat" 1 100;
    Ltrim "ltrim" 1 2;
    Rtrim "rtrim" 1 2;
    Trim "trim" 1 2;
    Strlen "strlen" 1 1;
    ToUpper "toupper" 1 1;
    ToLower "tolower" 1 1;
    Substr "substr" 2 3;
    Replace "replace" 3 3;
    StrContains "strcontains" 2 2;
    DateFloor "datefloor" 2 2;
    DateCeil "dateceil" 2 2;
    FromMillis "frommillis" 1 1;
    ToMillis "tomillis" 1 1;
    JsonParse "jsonparse" 1 1;
    JsonStringify "jsonstringify" 1 1;
    IsValidIp "isvalidip" 1 1;
    IsValidIpv4 "isvalidipv4" 1 1;
    IsValidIpv6 "isvalidipv6" 1 1;
    IsIpInSubnet "isipinsubnet" 2 2;
    IsIpv4InSubnet "isipv4insubnet" 2 2;
    IsIpv6InSubnet "isipv6insubnet" 2 2;
}

pub(super) fn takes(function: Function, arguments: usize) -> bool {
    let (least, most) = function.arity();
    (least..=most).contains(&arguments)
}

/// The longest text that a function makes: functions in functions would else grow without bound.
const TEXT_BYTES_MAX: usize = 1024 * 1024;

pub(super) fn call<'a>(function: Function, arguments: &[Value<'a>]) -> Value<'a> {
    let number = |value: Option<f64>| value.filter(|n| n.is_finite()).map_or(Value::Null, Value::Number);
    let first = || arguments[0].number();
    match function {
        Function::Abs => number(first().map(f64::abs)),
        Function::Ceil => number(first().map(f64::ceil)),
        Function::Floor => number(first().map(f64::floor)),
        Function::Log => number(first().map(f64::ln)),
        Function::Sqrt => number(first().map(f64::sqrt)),
        Function::Greatest => extreme(arguments, std::cmp::Ordering::Greater),
        Function::Least => extreme(arguments, std::cmp::Ordering::Less),
        Function::IsPresent => Value::truth(!arguments[0].is_null()),
        Function::IsEmpty => Value::truth(arguments[0].as_text().is_empty()),
        Function::IsBlank => Value::truth(arguments[0].as_text().trim().is_empty()),
        Function::Coalesce => arguments.iter().find(|value| !value.is_null()).cloned().unwrap_or(Value::Null),
        Function::DateFloor | Function::DateCeil => round_time(function, arguments),
        Function::FromMillis => first().map_or(Value::Null, |ms| Value::Time(whole(ms))),
        Function::ToMillis => number(first()),
        _ if arguments[0].is_null() => Value::Null,
        Function::JsonParse => structure(&arguments[0]).map_or(Value::Null, Value::Structure),
        Function::JsonStringify => {
            structure(&arguments[0]).map_or(Value::Null, |json| Value::Text(Cow::Owned(json.to_string())))
        }
        Function::IsValidIp => Value::truth(arguments[0].as_text().parse::<IpAddr>().is_ok()),
        Function::IsValidIpv4 => Value::truth(arguments[0].as_text().parse::<Ipv4Addr>().is_ok()),
        Function::IsValidIpv6 => Value::truth(arguments[0].as_text().parse::<Ipv6Addr>().is_ok()),
        Function::IsIpInSubnet => in_subnet(arguments, |_| true),
        Function::IsIpv4InSubnet => in_subnet(arguments, IpAddr::is_ipv4),
        Function::IsIpv6InSubnet => in_subnet(arguments, IpAddr::is_ipv6),
        _ => on_text(function, arguments),
    }
}

/// A map or a list; nothing is made of what is neither.
fn structure(value: &Value<'_>) -> Option<Arc<str>> {
    if let Value::Structure(json) = value {
        return Some(Arc::clone(json));
    }
    let json: serde_json::Value = serde_json::from_str(&value.as_text()).ok()?;
    (json.is_object() || json.is_array()).then(|| json.to_string().into())
}

fn on_text<'a>(function: Function, arguments: &[Value<'a>]) -> Value<'a> {
    let text = arguments[0].as_text();
    let other = |index: usize| arguments.get(index).map(Value::as_text).unwrap_or_default();
    let set: Vec<char> = other(1).chars().collect();
    let is_cut = |c: char| if set.is_empty() { c.is_whitespace() } else { set.contains(&c) };
    let made: String = match function {
        #[allow(clippy::cast_precision_loss, reason = "a text is far below 2^53 characters")]
        Function::Strlen => return Value::Number(text.chars().count() as f64),
        Function::StrContains => return Value::truth(text.contains(other(1).as_ref())),
        Function::Ltrim => text.trim_start_matches(is_cut).to_owned(),
        Function::Rtrim => text.trim_end_matches(is_cut).to_owned(),
        Function::Trim => text.trim_matches(is_cut).to_owned(),
        Function::ToUpper => text.to_uppercase(),
        Function::ToLower => text.to_lowercase(),
        Function::Concat => arguments.iter().map(Value::as_text).collect::<Vec<_>>().concat(),
        Function::Replace if other(1).is_empty() => text.into_owned(),
        Function::Replace => {
            let grown = text.len() / other(1).len() * other(2).len();
            if grown > TEXT_BYTES_MAX {
                return Value::Null;
            }
            text.replace(other(1).as_ref(), &other(2))
        }
        _ => {
            let index = |at: usize| {
                let number = arguments.get(at).and_then(Value::number);
                number.map(|n| usize::try_from(whole(n)).unwrap_or(0))
            };
            text.chars().skip(index(1).unwrap_or(0)).take(index(2).unwrap_or(usize::MAX)).collect()
        }
    };
    if made.len() > TEXT_BYTES_MAX { Value::Null } else { Value::Text(Cow::Owned(made)) }
}

fn extreme<'a>(arguments: &[Value<'a>], wanted: std::cmp::Ordering) -> Value<'a> {
    let mut best: Option<&Value<'a>> = None;
    for value in arguments.iter().filter(|value| !value.is_null()) {
        if best.is_none_or(|best| value.compare(best) == wanted) {
            best = Some(value);
        }
    }
    best.cloned().unwrap_or(Value::Null)
}

fn round_time<'a>(function: Function, arguments: &[Value<'a>]) -> Value<'a> {
    let (Some(time), Some(period)) = (arguments[0].number().map(whole), arguments[1].number().map(whole))
    else {
        return Value::Null;
    };
    if period <= 0 {
        return Value::Null;
    }
    let floor = time - time.rem_euclid(period);
    let is_up = function == Function::DateCeil && floor < time;
    Value::Time(if is_up { floor.saturating_add(period) } else { floor })
}

/// Cuts off what is behind the point.
#[allow(
    clippy::cast_possible_truncation,
    reason = "`as` stops at the ends of the range, which is what is wanted"
)]
fn whole(number: f64) -> i64 {
    number as i64
}

fn in_subnet<'a>(arguments: &[Value<'a>], wanted: fn(&IpAddr) -> bool) -> Value<'a> {
    let (address, subnet) = (arguments[0].as_text(), arguments[1].as_text());
    let holds = || {
        let address: IpAddr = address.parse().ok()?;
        let (network, bits) = subnet.split_once('/')?;
        let (network, bits): (IpAddr, u32) = (network.parse().ok()?, bits.parse().ok()?);
        let same = match (address, network) {
            (IpAddr::V4(a), IpAddr::V4(n)) if bits <= 32 => {
                let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
                a.to_bits() & mask == n.to_bits() & mask
            }
            (IpAddr::V6(a), IpAddr::V6(n)) if bits <= 128 => {
                let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
                a.to_bits() & mask == n.to_bits() & mask
            }
            _ => false,
        };
        Some(same && wanted(&address))
    };
    Value::truth(holds().unwrap_or(false))
}
