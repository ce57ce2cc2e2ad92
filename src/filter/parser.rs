//! From words to an expression (Java: the grammar of `SelectorParser.jj`, and what the constructors in
//! `ComparisonExpression` and `UnaryExpression` check). Java ignores whatever follows a complete expression; here that
//! is an error.

use std::collections::HashSet;
use std::fmt;

use super::evaluate::{Comparison, Node, Value};
use super::token::{Placed, Token, tokens};
use super::{DEPTH_MAX, TEXT_MAX_BYTES};

/// What is wrong with an expression. Prints the place in it, too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyntaxError {
    /// From 1; characters, not bytes.
    pub line: usize,
    pub column: usize,
    pub reason: String,
    /// A complete expression ends before this place: Java takes it and ignores the rest.
    pub is_trailing: bool,
    /// The line, and below it a mark under the place.
    picture: String,
}

/// Characters of the line that are shown before and after the place.
const PICTURE_CHARS: usize = 60;

impl SyntaxError {
    fn at(text: &str, byte: usize, reason: impl Into<String>) -> SyntaxError {
        let before = &text[..byte];
        let line_from = before.rfind('\n').map_or(0, |at| at + 1);
        let column = before[line_from..].chars().count() + 1;
        let line_text = text[line_from..].lines().next().unwrap_or("");
        let skipped = (column - 1).saturating_sub(PICTURE_CHARS);
        let shown: String = line_text.chars().skip(skipped).take(2 * PICTURE_CHARS).collect();
        let picture = format!("{}\n{}^", shown.replace('\t', " "), " ".repeat(column - 1 - skipped));
        let line = before.matches('\n').count() + 1;
        SyntaxError { line, column, reason: reason.into(), is_trailing: false, picture }
    }
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}\n{}", self.line, self.column, self.reason, self.picture)
    }
}

impl std::error::Error for SyntaxError {}

/// Compiles an expression.
pub fn parse(text: &str) -> Result<Node, SyntaxError> {
    if text.len() > TEXT_MAX_BYTES {
        let reason = format!("the expression has {} bytes, more than {TEXT_MAX_BYTES}", text.len());
        return Err(SyntaxError::at("", 0, reason));
    }
    let (tokens, end) = tokens(text);
    let mut parser = Parser { text, tokens: &tokens, end, next: 0, nesting: 0 };
    let from = parser.place();
    let whole = parser.or()?;
    let whole = parser.boolean(whole, from)?;
    if parser.next < tokens.len() {
        let reason = format!("{} follows a complete expression; expected its end, AND or OR", parser.found());
        return Err(SyntaxError { is_trailing: true, ..parser.error(reason) });
    }
    if end < text.len() {
        return Err(parser.unexpected("an operator or the end"));
    }
    Ok(whole.node)
}

/// A part of the expression and the levels below it.
struct Part {
    node: Node,
    depth: usize,
}

impl Part {
    fn leaf(node: Node) -> Part {
        Part { node, depth: 1 }
    }

    fn pair(left: Part, right: Part, join: impl FnOnce(Box<Node>, Box<Node>) -> Node) -> Part {
        let depth = left.depth.max(right.depth) + 1;
        Part { node: join(Box::new(left.node), Box::new(right.node)), depth }
    }

    fn over(self, wrap: impl FnOnce(Box<Node>) -> Node) -> Part {
        Part { node: wrap(Box::new(self.node)), depth: self.depth + 1 }
    }
}

struct Parser<'a> {
    text: &'a str,
    tokens: &'a [Placed<'a>],
    /// Where the words end.
    end: usize,
    next: usize,
    nesting: usize,
}

type Parsed = Result<Part, SyntaxError>;

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<Token<'a>> {
        self.tokens.get(self.next).map(|placed| placed.token)
    }

    fn second(&self) -> Option<Token<'a>> {
        self.tokens.get(self.next + 1).map(|placed| placed.token)
    }

    fn take(&mut self, token: Token<'_>) -> bool {
        let is_it = self.peek() == Some(token);
        self.next += usize::from(is_it);
        is_it
    }

    /// Where the next word begins.
    fn place(&self) -> usize {
        self.tokens.get(self.next).map_or(self.end, |placed| placed.from)
    }

    fn found(&self) -> String {
        match self.tokens.get(self.next) {
            Some(placed) => format!("\"{}\"", &self.text[placed.from..placed.to]),
            None => match self.text[self.end..].chars().next() {
                Some('\'') => "a text without its closing quote".to_owned(),
                Some(c) => format!("\"{c}\""),
                None => "the end".to_owned(),
            },
        }
    }

    fn error(&self, reason: impl Into<String>) -> SyntaxError {
        SyntaxError::at(self.text, self.place(), reason)
    }

    fn unexpected(&self, expected: &str) -> SyntaxError {
        self.error(format!("found {}, expected {expected}", self.found()))
    }

    fn expect(&mut self, token: Token<'_>, expected: &str) -> Result<(), SyntaxError> {
        if self.take(token) { Ok(()) } else { Err(self.unexpected(expected)) }
    }

    /// Each level of the grammar that calls itself, and each operator in a chain.
    fn checked(&self, part: Part) -> Parsed {
        if part.depth > DEPTH_MAX { Err(self.too_deep()) } else { Ok(part) }
    }

    fn too_deep(&self) -> SyntaxError {
        self.error(format!("the expression is nested more than {DEPTH_MAX} levels deep"))
    }

    /// Java: `asBooleanExpression`.
    fn boolean(&self, part: Part, from: usize) -> Parsed {
        match &part.node {
            Node::Property(_) => Ok(part.over(Node::Cast)),
            node if node.is_boolean() => Ok(part),
            _ => Err(SyntaxError::at(self.text, from, "this is no condition: it is neither true nor false")),
        }
    }

    fn or(&mut self) -> Parsed {
        self.chain(Token::Or, Parser::and, Node::Or)
    }

    fn and(&mut self) -> Parsed {
        self.chain(Token::And, Parser::equality, Node::And)
    }

    /// Conditions joined by one operator: a list and not a tree, so that there may be any number.
    fn chain(
        &mut self,
        operator: Token<'_>,
        element: fn(&mut Parser<'a>) -> Parsed,
        join: fn(Vec<Node>) -> Node,
    ) -> Parsed {
        let from = self.place();
        let first = element(self)?;
        if self.peek() != Some(operator) {
            return Ok(first);
        }
        let first = self.boolean(first, from)?;
        let mut depth = first.depth;
        let mut nodes = vec![first.node];
        while self.take(operator) {
            let from = self.place();
            let next = element(self)?;
            let next = self.boolean(next, from)?;
            depth = depth.max(next.depth);
            nodes.push(next.node);
        }
        self.checked(Part { node: join(nodes), depth: depth + 1 })
    }

    fn equality(&mut self) -> Parsed {
        let from = self.place();
        let mut left = self.comparison()?;
        loop {
            let place = self.place();
            left = if self.take(Token::Symbol("=")) {
                let right = self.comparison()?;
                self.equal(left, right, from, place)?
            } else if self.take(Token::Symbol("<>")) {
                let right = self.comparison()?;
                self.equal(left, right, from, place)?.over(Node::Not)
            } else if self.take(Token::Is) {
                let is_not = self.take(Token::Not);
                self.expect(Token::Null, if is_not { "NULL" } else { "NULL or NOT NULL" })?;
                let is_null = Part::pair(left, Part::leaf(Node::Constant(Value::Null)), Node::Equal);
                if is_not { is_null.over(Node::Not) } else { is_null }
            } else {
                return Ok(left);
            };
            left = self.checked(left)?;
        }
    }

    /// Java: `createEqual`.
    fn equal(&self, left: Part, right: Part, from: usize, operator: usize) -> Parsed {
        let is_constant = |part: &Part| matches!(part.node, Node::Constant(_) | Node::Text(_));
        if [&left, &right].into_iter().any(|part| part.node == Node::Constant(Value::Null)) {
            return Err(SyntaxError::at(self.text, operator, "NULL cannot be compared; write IS NULL"));
        }
        if is_constant(&left) && is_constant(&right) && left.node.is_boolean() && !right.node.is_boolean() {
            return Err(SyntaxError::at(
                self.text,
                from,
                "TRUE and FALSE cannot be compared with a number or a text",
            ));
        }
        Ok(Part::pair(left, right, Node::Equal))
    }

    fn comparison(&mut self) -> Parsed {
        let from = self.place();
        let mut left = self.unary()?;
        loop {
            let is_not = self.peek() == Some(Token::Not);
            let operator = match self.peek() {
                Some(Token::Symbol("<")) => Comparison::Less,
                Some(Token::Symbol("<=")) => Comparison::LessOrEqual,
                Some(Token::Symbol(">")) => Comparison::Greater,
                Some(Token::Symbol(">=")) => Comparison::GreaterOrEqual,
                Some(Token::Not) if !matches!(self.second(), Some(Token::Between | Token::In)) => {
                    self.next += 1;
                    return Err(self.unexpected("BETWEEN or IN"));
                }
                Some(Token::Not | Token::Between | Token::In) => {
                    self.next += usize::from(is_not);
                    left = if self.take(Token::Between) {
                        self.between(left, from, is_not)?
                    } else {
                        self.next += 1;
                        self.one_of(left, from, is_not)?
                    };
                    left = self.checked(left)?;
                    continue;
                }
                _ => return Ok(left),
            };
            self.next += 1;
            let right_from = self.place();
            let right = self.unary()?;
            self.check_ordered(&left, from)?;
            self.check_ordered(&right, right_from)?;
            left = self.checked(Part::pair(left, right, |l, r| Node::Compare(operator, l, r)))?;
        }
    }

    /// Java: `createBetween`, `createNotBetween`.
    fn between(&mut self, value: Part, from: usize, is_not: bool) -> Parsed {
        let low_from = self.place();
        let low = self.unary()?;
        self.expect(Token::And, "AND and the upper bound")?;
        let high_from = self.place();
        let high = self.unary()?;
        for (part, from) in [(&value, from), (&low, low_from), (&high, high_from)] {
            self.check_ordered(part, from)?;
        }
        if let (false, Node::Constant(low), Node::Constant(high)) = (is_not, &low.node, &high.node)
            && high.is_below(*low)
        {
            return Err(SyntaxError::at(self.text, low_from, "the lower bound is above the upper bound"));
        }
        let depth = value.depth.max(low.depth).max(high.depth) + 1;
        let [value, low, high] = [value, low, high].map(|part| Box::new(part.node));
        Ok(Part { node: Node::Between { value, low, high, is_not }, depth })
    }

    /// Only numbers and properties have an order (Java: `checkLessThanOperand`).
    fn check_ordered(&self, part: &Part, from: usize) -> Result<(), SyntaxError> {
        let is_ordered = match &part.node {
            Node::Constant(value) => value.is_number(),
            Node::Text(_) => false,
            node => !node.is_boolean(),
        };
        if is_ordered {
            return Ok(());
        }
        let reason = "only numbers and properties can be compared by <, <=, >, >= and BETWEEN";
        Err(SyntaxError::at(self.text, from, reason))
    }

    fn one_of(&mut self, left: Part, from: usize, is_not: bool) -> Parsed {
        self.expect(Token::Symbol("("), "( and texts")?;
        let mut texts = HashSet::new();
        loop {
            let Some(Token::Text(raw)) = self.peek() else { return Err(self.unexpected("a text in quotes")) };
            self.next += 1;
            texts.insert(unquoted(raw));
            if !self.take(Token::Symbol(",")) {
                break;
            }
        }
        self.expect(Token::Symbol(")"), ", or )")?;
        match left.node {
            Node::Property(name) => {
                Ok(Part { node: Node::In { name, texts, is_not }, depth: left.depth + 1 })
            }
            _ => Err(SyntaxError::at(self.text, from, "IN takes a property")),
        }
    }

    /// Every way down leads through here.
    fn unary(&mut self) -> Parsed {
        self.nesting += 1;
        if self.nesting > DEPTH_MAX {
            return Err(self.too_deep());
        }
        let unary = if self.take(Token::Symbol("+")) {
            self.unary()?
        } else if self.take(Token::Symbol("-")) {
            self.unary()?.over(Node::Negate)
        } else if self.take(Token::Not) {
            let from = self.place();
            let inner = self.unary()?;
            self.boolean(inner, from)?.over(Node::Not)
        } else {
            self.primary()?
        };
        self.nesting -= 1;
        self.checked(unary)
    }

    fn primary(&mut self) -> Parsed {
        let expected = "a value, a property, NOT or (";
        let token = self.peek().ok_or_else(|| self.unexpected(expected))?;
        let node = match token {
            Token::Text(raw) => Node::Text(unquoted(raw)),
            Token::Decimal(image) => Node::Constant(self.whole(image)?),
            Token::Float(image) => Node::Constant(self.float(image)?),
            Token::True => Node::Constant(Value::Boolean(true)),
            Token::False => Node::Constant(Value::Boolean(false)),
            Token::Null => Node::Constant(Value::Null),
            Token::Name(name) => Node::Property(name.to_owned()),
            Token::Symbol("(") => {
                self.next += 1;
                let inner = self.or()?;
                self.expect(Token::Symbol(")"), "an operator or )")?;
                return Ok(inner);
            }
            _ => return Err(self.unexpected(expected)),
        };
        self.next += 1;
        Ok(Part::leaf(node))
    }

    /// Java: `createFromDecimal`.
    fn whole(&self, image: &str) -> Result<Value<'static>, SyntaxError> {
        let digits = image.trim_end_matches(['l', 'L']);
        let long = compat::number::parse_long(digits)
            .ok_or_else(|| self.error(format!("{image} is greater than {}", i64::MAX)))?;
        Ok(i32::try_from(long).map_or(Value::Long(long), Value::Int))
    }

    /// Java: `createFloat`, which takes its smallest double for the smallest that may be.
    fn float(&self, image: &str) -> Result<Value<'static>, SyntaxError> {
        match compat::number::parse_double(image) {
            Some(value) if value > 0.0 && value <= f64::MAX => Ok(Value::Double(value)),
            Some(value) if value <= 0.0 => {
                Err(self.error(format!("{image} is less than the smallest decimal; write 0")))
            }
            _ => Err(self.error(format!("{image} is greater than any decimal can be"))),
        }
    }
}

fn unquoted(raw: &str) -> String {
    raw.replace("''", "'")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_java_takes_is_taken() {
        for text in [
            "a",
            "NOT a",
            "a = 5",
            "a=5 AND b<>'x' oR c IS NOT NULL",
            "a = 5 -- five\n",
            "a /* b */ = /**/ 5",
            "(((a)))=5",
            "a BETWEEN 1 AND 9 AND b NOT BETWEEN -1.5 AND 2L",
            "a IN ('x', 'it''s') OR b NOT IN ('')",
            "- -a < 0",
            "- - 5 < a",
            "+a > .5e-3",
            "TRUE",
            "null",
            "$a_1 = 9223372036854775807",
            "NOT x=1",
            "a IS NULL IS NULL = TRUE",
            "-(a = 1) < 5",
            "a < 5.",
        ] {
            assert!(parse(text).is_ok(), "{text}: {}", parse(text).unwrap_err());
        }
    }

    #[test]
    fn errors_point_at_their_place() {
        let check = |text: &str, line: usize, column: usize, reason: &str| {
            let error = parse(text).unwrap_err();
            assert_eq!((error.line, error.column), (line, column), "{text}: {error}");
            assert!(error.reason.contains(reason), "{text}: {error}");
        };
        check("", 1, 1, "found the end, expected a value");
        check("a = ", 1, 5, "found the end");
        check("a =\n  AND", 2, 3, "found \"AND\"");
        check("a > 5 \u{fc}", 1, 7, "found \"\u{fc}\"");
        check("\u{fc} = 5", 1, 1, "found \"\u{fc}\"");
        check("a = 'x", 1, 5, "a text without its closing quote");
        check("(a = 5", 1, 7, "expected an operator or )");
        check("a IN ()", 1, 7, "a text in quotes");
        check("a IN (5)", 1, 7, "a text in quotes");
        check("a IN ('x' 'y')", 1, 11, ", or )");
        check("5 IN ('x')", 1, 1, "IN takes a property");
        check("a IS 5", 1, 6, "NULL or NOT NULL");
        check("a NOT LIKE 'x'", 1, 7, "BETWEEN or IN");
        check("a > '4'", 1, 5, "only numbers");
        check("a < TRUE", 1, 5, "only numbers");
        check("a BETWEEN '1' AND '9'", 1, 11, "only numbers");
        check("a BETWEEN 9 AND 1", 1, 11, "lower bound is above");
        check("a BETWEEN 1", 1, 12, "expected AND");
        check("a = NULL", 1, 3, "IS NULL");
        check("TRUE = 5", 1, 1, "TRUE and FALSE cannot be compared");
        check("5", 1, 1, "no condition");
        check("a OR 'x'", 1, 6, "no condition");
        check("a = 0.0", 1, 5, "smallest decimal");
        check("a = 1e400", 1, 5, "greater than any decimal");
        check("a = 9223372036854775808", 1, 5, "greater than 9223372036854775807");
        let error = parse("a = 5 AND\tb ! 6").unwrap_err().to_string();
        assert_eq!(
            error,
            "line 1, column 13: found \"!\", expected an operator or the end\n\
                           a = 5 AND b ! 6\n            ^"
        );
    }

    #[test]
    fn what_java_ignores_behind_an_expression_is_refused() {
        for (text, column) in [
            ("a = 5 garbage", 7),
            ("a=5)", 4),
            ("a LIKE 'x'", 3),
            ("a-b=1", 2),
            ("a = 010", 6),
            ("a = 0x10", 6),
            ("a = 5 -- five", 7),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.is_trailing, "{text}");
            assert_eq!(error.column, column, "{text}");
        }
    }

    #[test]
    fn no_expression_is_too_deep_for_the_stack() {
        let deep = |open: &str, inner: &str, close: &str, count: usize| {
            parse(&[open.repeat(count), inner.to_owned(), close.repeat(count)].concat())
        };
        for (open, close) in [("(", ")"), ("NOT ", ""), ("-", ""), ("+", ""), ("-(", " = 1)")] {
            let error = deep(open, "a", close, 30_000).unwrap_err();
            assert!(error.reason.contains("nested more than"), "{error}");
        }
        assert!(deep("(", "a", ")", DEPTH_MAX - 2).is_ok());
        assert!(deep("", "a", " = TRUE", 20_000).is_err());
        assert!(deep("", "a", " IS NULL", 20_000).is_err());
        assert!(deep("a = 1 OR ", "b", "", 20_000).is_ok());
        let error = parse(&format!("a = '{}'", "x".repeat(TEXT_MAX_BYTES))).unwrap_err();
        assert!(error.reason.contains("bytes"), "{error}");
    }
}
