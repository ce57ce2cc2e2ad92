//! The value of an expression for one message (Java: `evaluate` of the classes in `filter.expression`), with three-valued
//! logic and Java's conversions between the types of two operands.

use std::cmp::Ordering;
use std::collections::HashSet;

use compat::number::{parse_double, parse_int, parse_long};

/// A value of an expression. Java: Boolean, Integer, Long, Double, String, null.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    Null,
    Boolean(bool),
    Int(i32),
    Long(i64),
    Double(f64),
    Text(&'a str),
}

/// Why an expression has no value for a message. Java: the exceptions of `evaluate`. It borrows the text: a property of
/// the wrong kind is nothing unusual, and costs each message that has one no copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EvaluationError<'a> {
    #[error("\"{0}\" cannot be read as the number that it is compared with")]
    Number(&'a str),
    #[error("a text cannot be compared with TRUE or FALSE on its left")]
    Boolean,
}

/// By what two values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// A part of a compiled expression.
#[derive(Debug, Clone, PartialEq)]
pub enum Node {
    /// But for texts.
    Constant(Value<'static>),
    Text(String),
    Property(String),
    /// Of nodes that are conditions; at least two.
    Or(Vec<Node>),
    And(Vec<Node>),
    Not(Box<Node>),
    Equal(Box<Node>, Box<Node>),
    Compare(Comparison, Box<Node>, Box<Node>),
    /// The value is evaluated once, and a bound that does not matter any more not at all.
    Between {
        value: Box<Node>,
        low: Box<Node>,
        high: Box<Node>,
        is_not: bool,
    },
    In {
        name: String,
        texts: HashSet<String>,
        is_not: bool,
    },
    /// A property where a condition is wanted.
    Cast(Box<Node>),
    Negate(Box<Node>),
}

/// Looks a property up.
type Lookup<'f, 'a> = &'f dyn Fn(&str) -> Option<&'a str>;

impl Value<'_> {
    /// Whether it is a number.
    pub fn is_number(self) -> bool {
        matches!(self, Value::Int(_) | Value::Long(_) | Value::Double(_))
    }

    /// Whether both are numbers and this one is the smaller.
    pub fn is_below(self, other: Value<'_>) -> bool {
        self.is_number() && other.is_number() && compare(self, other) == Ok(Ordering::Less)
    }
}

impl Node {
    /// Whether it is TRUE, FALSE or null. Java: `instanceof BooleanExpression`.
    pub fn is_boolean(&self) -> bool {
        match self {
            Node::Constant(value) => matches!(value, Value::Null | Value::Boolean(_)),
            Node::Text(_) | Node::Property(_) | Node::Negate(_) => false,
            _ => true,
        }
    }

    /// Its value.
    pub fn evaluate<'a>(&'a self, property: Lookup<'_, 'a>) -> Result<Value<'a>, EvaluationError<'a>> {
        Ok(match self {
            Node::Constant(value) => *value,
            Node::Text(text) => Value::Text(text),
            Node::Property(name) => property(name).map_or(Value::Null, Value::Text),
            Node::Or(nodes) => all_or_one(nodes, true, property)?,
            Node::And(nodes) => all_or_one(nodes, false, property)?,
            Node::Not(node) => match node.evaluate(property)? {
                Value::Boolean(value) => Value::Boolean(!value),
                _ => Value::Null,
            },
            Node::Equal(left, right) => equal(left.evaluate(property)?, right.evaluate(property)?)?,
            Node::Compare(by, left, right) => {
                // In this order: what stands beside a null is not looked at.
                let left = left.evaluate(property)?;
                if left == Value::Null {
                    return Ok(Value::Null);
                }
                ordered(*by, left, right.evaluate(property)?)?
            }
            Node::Between { value, low, high, is_not } => {
                let value = value.evaluate(property)?;
                if value == Value::Null {
                    return Ok(Value::Null);
                }
                let (by_low, by_high) = match is_not {
                    false => (Comparison::GreaterOrEqual, Comparison::LessOrEqual),
                    true => (Comparison::Less, Comparison::Greater),
                };
                // AND of the two, for NOT BETWEEN OR.
                let decisive = Value::Boolean(*is_not);
                let first = ordered(by_low, value, low.evaluate(property)?)?;
                if first == decisive {
                    return Ok(decisive);
                }
                let second = ordered(by_high, value, high.evaluate(property)?)?;
                if first == Value::Null && second != decisive { Value::Null } else { second }
            }
            Node::In { name, texts, is_not } => match property(name) {
                Some(text) => Value::Boolean(texts.contains(text) != *is_not),
                None => Value::Null,
            },
            Node::Cast(node) => match node.evaluate(property)? {
                Value::Null => Value::Null,
                Value::Boolean(value) => Value::Boolean(value),
                _ => Value::Boolean(false),
            },
            Node::Negate(node) => match node.evaluate(property)? {
                Value::Int(value) => Value::Int(value.wrapping_neg()),
                Value::Long(value) => Value::Long(value.wrapping_neg()),
                Value::Double(value) => Value::Double(-value),
                _ => Value::Null,
            },
        })
    }
}

/// OR where `decisive` is true, AND where it is false: the first decisive value decides, else null if there is one.
fn all_or_one<'a>(
    nodes: &'a [Node],
    decisive: bool,
    property: Lookup<'_, 'a>,
) -> Result<Value<'a>, EvaluationError<'a>> {
    let mut result = Value::Boolean(!decisive);
    for node in nodes {
        match node.evaluate(property)? {
            Value::Boolean(value) if value == decisive => return Ok(Value::Boolean(decisive)),
            Value::Boolean(_) => {}
            _ => result = Value::Null,
        }
    }
    Ok(result)
}

fn equal<'a>(left: Value<'a>, right: Value<'a>) -> Result<Value<'a>, EvaluationError<'a>> {
    Ok(match (left, right) {
        (Value::Null, Value::Null) => Value::Boolean(true),
        (Value::Null, _) => Value::Null,
        (_, Value::Null) => Value::Boolean(false),
        _ => Value::Boolean(compare(left, right)? == Ordering::Equal),
    })
}

fn ordered<'a>(by: Comparison, left: Value<'a>, right: Value<'a>) -> Result<Value<'a>, EvaluationError<'a>> {
    let order = match (left, right) {
        (Value::Null, _) | (_, Value::Null) => return Ok(Value::Null),
        (Value::Text(left), Value::Text(right)) => {
            let (left, right) = (number(left, parse_double)?, number(right, parse_double)?);
            java_order(left, right)
        }
        _ => compare(left, right)?,
    };
    Ok(Value::Boolean(match by {
        Comparison::Less => order.is_lt(),
        Comparison::LessOrEqual => order.is_le(),
        Comparison::Greater => order.is_gt(),
        Comparison::GreaterOrEqual => order.is_ge(),
    }))
}

fn number<T>(text: &str, read: fn(&str) -> Option<T>) -> Result<T, EvaluationError<'_>> {
    read(text).ok_or(EvaluationError::Number(text))
}

/// `Double.compareTo`: -0.0 is below 0.0, NaN above all and equal to itself.
fn java_order(left: f64, right: f64) -> Ordering {
    match left.partial_cmp(&right) {
        Some(Ordering::Equal) => right.is_sign_negative().cmp(&left.is_sign_negative()),
        Some(order) => order,
        None => left.is_nan().cmp(&right.is_nan()),
    }
}

/// Java's `__compare`: one operand is brought to the other's type; what cannot be is smaller.
fn compare<'a>(left: Value<'a>, right: Value<'a>) -> Result<Ordering, EvaluationError<'a>> {
    use Value::{Boolean, Double, Int, Long, Text};
    Ok(match (left, right) {
        (Boolean(left), Boolean(right)) => left.cmp(&right),
        (Int(left), Int(right)) => left.cmp(&right),
        (Long(left), Long(right)) => left.cmp(&right),
        (Double(left), Double(right)) => java_order(left, right),
        (Text(left), Text(right)) => left.cmp(right),
        (Int(left), Long(right)) => i64::from(left).cmp(&right),
        (Long(left), Int(right)) => left.cmp(&i64::from(right)),
        (Int(left), Double(right)) => java_order(f64::from(left), right),
        (Double(left), Int(right)) => java_order(left, f64::from(right)),
        (Long(left), Double(right)) => java_order(left as f64, right),
        (Double(left), Long(right)) => java_order(left, right as f64),
        (Int(left), Text(right)) => left.cmp(&number(right, parse_int)?),
        (Text(left), Int(right)) => number(left, parse_int)?.cmp(&right),
        (Long(left), Text(right)) => left.cmp(&number(right, parse_long)?),
        (Text(left), Long(right)) => number(left, parse_long)?.cmp(&right),
        (Double(left), Text(right)) => java_order(left, number(right, parse_double)?),
        (Text(left), Double(right)) => java_order(number(left, parse_double)?, right),
        (Text(left), Boolean(right)) => left.eq_ignore_ascii_case("true").cmp(&right),
        (Boolean(_), Text(_)) => return Err(EvaluationError::Boolean),
        _ => Ordering::Less,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::Expression;

    /// The value of an expression over `n`=5, `d`=2.5, `t`=true, `s`=it's; `none` is missing.
    fn value(text: &str) -> Result<Option<bool>, String> {
        let property = |name: &str| match name {
            "n" => Some("5"),
            "d" => Some("2.5"),
            "t" => Some("true"),
            "s" => Some("it's"),
            _ => None,
        };
        let expression = Expression::compile(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let value = expression.evaluate(&property).map_err(|error| error.to_string())?;
        assert_eq!(expression.matches(property), value == Value::Boolean(true));
        match value {
            Value::Boolean(value) => Ok(Some(value)),
            Value::Null => Ok(None),
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn values_are_javas() {
        let check = |text: &str, expected: Option<bool>| assert_eq!(value(text), Ok(expected), "{text}");
        let (yes, no, null) = (Some(true), Some(false), None);
        for text in [
            "n=5",
            "n='5'",
            "n=5.0",
            "n = 5L",
            "5 = n",
            "n <> 6",
            "n > 4.5",
            "n BETWEEN 5 AND 5",
            "d > 2.0",
            "n > d",
        ] {
            check(text, yes);
        }
        check("n", no);
        check("NOT n", yes);
        check("none", null);
        check("NOT none", null);
        check("t = TRUE", yes);
        check("s = TRUE", no);
        check("none = 1", null);
        check("none <> 1", null);
        check("none = none", yes);
        check("n = none", no);
        check("none IS NULL", yes);
        check("n IS NULL", no);
        check("n IS NOT NULL", yes);
        check("NULL", null);
        check("none > 1 OR TRUE", yes);
        check("none > 1 OR FALSE", null);
        check("none > 1 AND FALSE", no);
        check("none > 1 AND TRUE", null);
        check("s IN ('x', 'it''s')", yes);
        check("s NOT IN ('x')", yes);
        check("none IN ('x')", null);
        check("none NOT IN ('x')", null);
        check("NOT t=TRUE", yes);
        check("NOT n=5", no);
        check("-n < 0", null);
        check("n = -5", no);
        check("n NOT BETWEEN 1 AND 4", yes);
        check("none BETWEEN 1 AND 4", null);
        check("n BETWEEN 6 AND none", no);
        check("n BETWEEN 1 AND none", null);
        check("n NOT BETWEEN none AND 4", yes);
        check("(n = 5) = 5", no);
        check("5 = (n = 5)", no);
        check("'true' = (n = 5)", yes);
    }

    #[test]
    fn what_java_throws_matches_nothing() {
        let check = |text: &str| assert!(value(text).is_err(), "{text}");
        for text in
            ["d > 2", "s = 5", "n > s", "s BETWEEN 1 AND 2", "TRUE = t", "s > 1 OR TRUE", "NOT n = '5'"]
        {
            check(text);
        }
        let error = value("s = 5").unwrap_err();
        assert_eq!(error, "\"it's\" cannot be read as the number that it is compared with");
        assert_eq!(value("FALSE AND s > 1"), Ok(Some(false)));
        assert_eq!(value("TRUE OR s > 1"), Ok(Some(true)));
    }
}
