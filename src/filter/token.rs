//! The words of a filter expression. Not its grammar: that is `parser`'s. Java: the token section of `SelectorParser.jj`.

use nom::branch::alt;
use nom::bytes::complete::{is_not, tag, take_until, take_while};
use nom::character::complete::{char, digit1, one_of, satisfy};
use nom::combinator::{map, opt, recognize, value, verify};
use nom::multi::many0_count;
use nom::sequence::{delimited, pair, terminated};
use nom::{IResult, Parser};

/// A word, as it stands in the text where that matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token<'a> {
    Not,
    And,
    Or,
    Between,
    In,
    True,
    False,
    Null,
    Is,
    Decimal(&'a str),
    Float(&'a str),
    /// Between its quotes, doubled ones still doubled.
    Text(&'a str),
    Name(&'a str),
    /// `=` `<>` `>` `>=` `<` `<=` `(` `)` `,` `+` `-`
    Symbol(&'static str),
}

const KEYWORDS: [(&str, Token<'_>); 9] = [
    ("NOT", Token::Not),
    ("AND", Token::And),
    ("OR", Token::Or),
    ("BETWEEN", Token::Between),
    ("IN", Token::In),
    ("TRUE", Token::True),
    ("FALSE", Token::False),
    ("NULL", Token::Null),
    ("IS", Token::Is),
];

/// A word and where it begins and ends, bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed<'a> {
    pub token: Token<'a>,
    pub from: usize,
    pub to: usize,
}

/// The words of a text up to its end or to where none begins, and where that is.
pub fn tokens(text: &str) -> (Vec<Placed<'_>>, usize) {
    let mut found = Vec::new();
    let mut rest = text;
    // Without this each of a hundred thousand dashes would be a look through all that follow.
    let last_line_end = text.rfind(['\n', '\r']);
    loop {
        let has_line_end = last_line_end.is_some_and(|at| at >= text.len() - rest.len());
        rest = blank(rest, has_line_end).map_or(rest, |(rest, ())| rest);
        let from = text.len() - rest.len();
        let Ok((after, token)) = token(rest) else { return (found, from) };
        found.push(Placed { token, from, to: text.len() - after.len() });
        rest = after;
    }
}

/// White space and comments. A line comment needs the end of its line: without it `--` is twice minus, as in Java.
fn blank(text: &str, has_line_end: bool) -> IResult<&str, ()> {
    let space = recognize(one_of(" \t\n\r\u{c}"));
    let line =
        recognize((verify(tag("--"), move |_: &str| has_line_end), opt(is_not("\n\r")), one_of("\n\r")));
    let block = recognize(delimited(tag("/*"), take_until("*/"), tag("*/")));
    value((), many0_count(alt((space, line, block)))).parse(text)
}

fn token(text: &str) -> IResult<&str, Token<'_>> {
    alt((number, quoted, word, symbol)).parse(text)
}

fn number(text: &str) -> IResult<&str, Token<'_>> {
    let exponent = |text| recognize((one_of("eE"), opt(one_of("+-")), digit1)).parse(text);
    let float = alt((
        recognize((digit1, char('.'), opt(digit1), opt(exponent))),
        recognize((char('.'), digit1, opt(exponent))),
        recognize((digit1, exponent)),
    ));
    let decimal = alt((
        recognize(terminated(verify(digit1, |digits: &str| !digits.starts_with('0')), opt(one_of("lL")))),
        tag("0"),
    ));
    alt((map(float, Token::Float), map(decimal, Token::Decimal))).parse(text)
}

fn quoted(text: &str) -> IResult<&str, Token<'_>> {
    let piece = alt((tag("''"), is_not("'")));
    map(delimited(char('\''), recognize(many0_count(piece)), char('\'')), Token::Text).parse(text)
}

fn word(text: &str) -> IResult<&str, Token<'_>> {
    let is_first = |c: char| c.is_ascii_alphabetic() || c == '_' || c == '$';
    let is_later = move |c: char| is_first(c) || c.is_ascii_digit();
    let name = recognize(pair(satisfy(is_first), take_while(is_later)));
    let classified = |name| {
        let keyword = KEYWORDS.iter().find(|(keyword, _)| keyword.eq_ignore_ascii_case(name));
        keyword.map_or(Token::Name(name), |(_, token)| *token)
    };
    map(name, classified).parse(text)
}

fn symbol(text: &str) -> IResult<&str, Token<'_>> {
    // Longer ones first.
    const SYMBOLS: [&str; 11] = ["<>", "<=", ">=", "<", ">", "=", "(", ")", ",", "+", "-"];
    let of = |symbol: &'static str| value(symbol, tag(symbol));
    let [a, b, c, d, e, f, g, h, i, j, k] = SYMBOLS.map(of);
    map(alt((a, b, c, d, e, f, g, h, i, j, k)), Token::Symbol).parse(text)
}
