//! SQL92 filters: generated expressions over generated properties, compiled and evaluated by Java's `filter` module and by
//! ours; and the Bloom filters' positions.

use std::collections::BTreeMap;

use compat::number::{parse_double, parse_int, parse_long};
use rocketmq::filter::{BloomFilter, Expression, SyntaxError, Value};

use crate::items::{Map, Reader, Writer};
use crate::oracle::tell;
use crate::random::Random;

const CASES: usize = 10_000;

const NAMES: [&str; 8] = ["a", "b", "c", "TAGS", "a1", "_x", "$y", "Between"];
/// Property texts: numbers of all kinds and what only looks like one.
const TEXTS: [&str; 40] = [
    "",
    "0",
    "1",
    "5",
    "-5",
    "+5",
    "007",
    " 5",
    "5 ",
    "5.0",
    "2.5",
    "-2.5e3",
    ".5",
    "5.",
    "1e400",
    "-1e400",
    "1e-400",
    "2147483647",
    "2147483648",
    "-2147483649",
    "9223372036854775807",
    "9223372036854775808",
    "5L",
    "5f",
    "5d",
    "0x10",
    "0x1p3",
    "NaN",
    "Infinity",
    "-Infinity",
    "inf",
    "nan",
    "true",
    "TRUE",
    "false",
    "x",
    "it's",
    "ü",
    "漢",
    "1_0",
];
const LITERALS: [&str; 34] = [
    "0",
    "1",
    "5",
    "10",
    "5L",
    "5l",
    "2147483647",
    "2147483648",
    "9223372036854775807",
    "9223372036854775808",
    "1.0",
    "2.5",
    "0.5",
    ".5",
    "5.",
    "1e3",
    "1E-3",
    "2.5e+2",
    "0.0",
    "1e400",
    "1e-400",
    "4.9e-324",
    "'x'",
    "''",
    "'5'",
    "'2.5'",
    "'it''s'",
    "'true'",
    "'ü'",
    "TRUE",
    "false",
    "NULL",
    "'a' 'b'",
    "010",
];

struct Grammar<'r> {
    random: &'r mut Random,
}

impl Grammar<'_> {
    fn pick(&mut self, from: &[&str]) -> String {
        (*self.random.pick(from)).to_owned()
    }

    fn space(&mut self) -> String {
        match self.random.below(40) {
            0 => "\n".to_owned(),
            1 => "/* c */".to_owned(),
            2 => "-- c\n".to_owned(),
            3 => "\t ".to_owned(),
            4 => "/***/".to_owned(),
            _ => " ".to_owned(),
        }
    }

    /// Words in any case.
    fn word(&mut self, word: &str) -> String {
        match self.random.below(4) {
            0 => word.to_lowercase(),
            1 => {
                word.chars().map(|c| if self.random.chance(2) { c.to_ascii_lowercase() } else { c }).collect()
            }
            _ => word.to_owned(),
        }
    }

    fn joined(&mut self, parts: &[String]) -> String {
        let mut text = String::new();
        for part in parts {
            text.push_str(part);
            text.push_str(&self.space());
        }
        text
    }

    fn operand(&mut self, depth: usize) -> String {
        match self.random.below(12) {
            0..5 => self.pick(&NAMES),
            5..10 => self.pick(&LITERALS),
            10 if depth > 0 => format!("({})", self.condition(depth - 1)),
            10 => self.pick(&NAMES),
            _ => format!("{}{}", self.random.pick(&["-", "+", "- -", "-+"]), self.pick(&NAMES[..3])),
        }
    }

    fn bound(&mut self, depth: usize) -> String {
        if self.random.chance(4) { self.operand(depth) } else { self.pick(&LITERALS[..18]) }
    }

    fn simple(&mut self, depth: usize) -> String {
        // Mostly what somebody would write: much of the rest does not even compile.
        let left = if self.random.chance(4) { self.operand(depth) } else { self.pick(&NAMES[..7]) };
        let parts = match self.random.below(9) {
            0..3 => vec![left, self.pick(&["=", "<>"]), self.operand(depth)],
            3..5 => vec![left, self.pick(&["<", "<=", ">", ">="]), self.bound(depth)],
            5 => vec![left, self.word("IS"), self.word("NULL")],
            6 => vec![left, self.word("IS"), self.word("NOT"), self.word("NULL")],
            7 => {
                let (low, high) = (self.bound(depth), self.bound(depth));
                vec![left, self.maybe_not(), self.word("BETWEEN"), low, self.word("AND"), high]
            }
            _ => {
                let count = 1 + self.random.below(7);
                let list = (0..count).map(|_| self.pick(&LITERALS[22..29])).collect::<Vec<_>>().join(", ");
                vec![left, self.maybe_not(), self.word("IN"), format!("({list})")]
            }
        };
        self.joined(&parts)
    }

    fn maybe_not(&mut self) -> String {
        if self.random.chance(2) { self.word("NOT") } else { String::new() }
    }

    fn condition(&mut self, depth: usize) -> String {
        let choice = self.random.below(if depth == 0 { 4 } else { 10 });
        let parts = match choice {
            0..3 => return self.simple(depth),
            3 => vec![self.operand(0)],
            4 | 5 => vec![self.condition(depth - 1), self.word("AND"), self.condition(depth - 1)],
            6 | 7 => vec![self.condition(depth - 1), self.word("OR"), self.condition(depth - 1)],
            8 => vec![self.word("NOT"), self.condition(depth - 1)],
            _ => vec![format!("({})", self.condition(depth - 1))],
        };
        self.joined(&parts)
    }

    /// Mostly right ones; some have a piece cut out, doubled, or something odd put in.
    fn expression(&mut self) -> String {
        let depth = self.random.below(4);
        let text = self.condition(depth);
        if !self.random.chance(6) {
            return text;
        }
        let places: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
        let (one, other) = (*self.random.pick(&places), *self.random.pick(&places));
        let (from, to) = (one.min(other), one.max(other));
        match self.random.below(4) {
            0 => format!("{}{}", &text[..from], &text[to..]),
            1 => format!("{}{}", &text[..to], &text[from..]),
            2 => text[..from].to_owned(),
            _ => {
                let odd =
                    ["'", "(", ")", ",", "!", "ü", "--", "/*", "5", "AND", "not", ".", "e5", "\\", "\u{c}"];
                format!("{}{}{}", &text[..from], self.random.pick(&odd), &text[from..])
            }
        }
    }

    fn properties(&mut self) -> Map {
        let mut properties = BTreeMap::new();
        for name in NAMES {
            if !self.random.chance(4) {
                properties.insert(name.to_owned(), self.pick(&TEXTS));
            }
        }
        properties
    }
}

/// As Java prints the values, and whether something follows the expression. Java ignores that (docs/DIFFERENCES.md), so
/// the value is then that of the expression before it.
fn ours(text: &str, properties: &Map) -> (String, bool) {
    let expression = match Expression::compile(text) {
        Ok(expression) => expression,
        Err(error) if error.is_trailing => return (ours(before(text, &error), properties).0, true),
        // A text that is not closed ends for Java at its last doubled quote, whose second half then begins the next word:
        // an error where Java looks at it, and behind a complete expression it does not.
        Err(error) if error.reason.contains("without its closing quote") => {
            let from = before(text, &error).len();
            let closed = text[from + 1..].rfind("''").map(|at| &text[..from + 1 + at + 1]);
            return closed
                .map(|closed| ours(closed, properties))
                .filter(|(_, is_trailing)| *is_trailing)
                .unwrap_or_else(|| ("not compiled".to_owned(), false));
        }
        Err(_) => return ("not compiled".to_owned(), false),
    };
    let property = |name: &str| properties.get(name).map(String::as_str);
    let value = match expression.evaluate(&property) {
        Ok(Value::Null) => "null".to_owned(),
        Ok(Value::Boolean(value)) => value.to_string(),
        Ok(other) => panic!("{text}: {other:?} is no condition"),
        Err(_) => "not evaluated".to_owned(),
    };
    (value, false)
}

/// What stands before the place of the error.
fn before<'t>(text: &'t str, error: &SyntaxError) -> &'t str {
    let line: usize = text.split_inclusive('\n').take(error.line - 1).map(str::len).sum();
    let column = text[line..].char_indices().nth(error.column - 1).map_or(text.len() - line, |(at, _)| at);
    &text[..line + column]
}

/// Counts each kind of answer; fails where one differs, and where one is missing.
fn compare(cases: &[(String, Map)]) {
    let items: Vec<Vec<u8>> = cases
        .iter()
        .map(|(text, properties)| Writer::new().text(text).map(Some(properties)).done())
        .collect();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut different = Vec::new();
    for ((text, properties), answer) in cases.iter().zip(tell("filter", &items)) {
        let java = Reader(&answer).text();
        let (ours, is_trailing) = ours(text, properties);
        if ours != java {
            different.push(format!("{text:?} with {properties:?}: Java {java}, ours {ours}"));
        }
        *seen.entry(if is_trailing { "trailing".to_owned() } else { java }).or_default() += 1;
    }
    assert!(
        different.is_empty(),
        "{} differ:\n{}",
        different.len(),
        different[..different.len().min(20)].join("\n")
    );
    println!("{seen:?}");
    // A generator that makes too few of a kind proves little of it.
    for kind in ["true", "false", "null", "not evaluated", "not compiled", "trailing"] {
        assert!(seen.get(kind).copied().unwrap_or(0) > cases.len() / 200, "{seen:?}");
    }
}

#[test]
fn expressions_are_worth_the_same() {
    let mut random = Random::new(92);
    let mut grammar = Grammar { random: &mut random };
    let cases: Vec<(String, Map)> =
        (0..CASES).map(|_| (grammar.expression(), grammar.properties())).collect();
    compare(&cases);
}

/// Words in hardly any order, with and without space between them: where one word ends, and what a broken expression
/// still is.
#[test]
fn words_in_any_order_are_worth_the_same() {
    const OPERANDS: [&str; 13] =
        ["a", "b", "c", "_x", "$y", "'x'", "5", "2.5e1", "TRUE", "null", "(a", "not a", "-5"];
    const OPERATORS: [&str; 25] = [
        "=",
        "=",
        "<>",
        "<",
        "<=",
        ">",
        ">=",
        "IS NULL",
        "IS NOT NULL",
        "IS",
        "AND",
        "OR",
        "OR",
        "NOT",
        "between",
        "Between 1 and",
        "in",
        "IN ('x','5')",
        "not in ('5')",
        ")",
        "+",
        "-",
        "--",
        "/**/",
        "\r",
    ];
    let mut random = Random::new(36);
    let mut cases = Vec::new();
    for _ in 0..CASES {
        let mut text = String::new();
        for place in 0..1 + random.below(6) {
            let is_operand = (place % 2 == 0) != random.chance(20);
            text.push_str(random.pick::<&str>(if is_operand { &OPERANDS } else { &OPERATORS }));
            text.push_str(random.pick::<&str>(&["", " ", " "]));
        }
        cases.push((text, Grammar { random: &mut random }.properties()));
    }
    compare(&cases);
}

/// A text that is, or nearly is, a number to one of `Integer`, `Long` and `Double`.
fn number(random: &mut Random) -> String {
    const MARGINS: [&str; 16] =
        ["", "", "", "", "", "", "", "", "", "", "", " ", "\t", "\u{1}", "\u{a0}", "_"];
    const SIGNS: [&str; 11] = ["", "", "", "", "-", "-", "-", "+", "+", "+", "--"];
    const SUFFIXES: [&str; 10] = ["", "", "", "", "", "", "f", "D", "L", "dd"];
    let is_hexadecimal = random.chance(3);
    let alphabet = if is_hexadecimal { "0123456789abcDEF" } else { "0123456789" };
    let digits = |random: &mut Random, most: usize| -> String {
        let count = random.below(most + 1);
        (0..count).map(|_| char::from(*random.pick(alphabet.as_bytes()))).collect()
    };
    let whole = match random.below(4) {
        0 => random.i64().to_string(),
        1 => random.i32().to_string(),
        _ => digits(random, 22),
    };
    let fraction = match random.below(3) {
        0 => String::new(),
        1 => format!(".{}", digits(random, 3)),
        // Whether the last bit is rounded up may hang on what stands far behind it.
        _ => format!(".{}{}{}", digits(random, 20), "0".repeat(random.below(30)), digits(random, 2)),
    };
    let mark = if is_hexadecimal {
        *random.pick(&["p", "P", "p", "p", ""])
    } else {
        *random.pick(&["", "", "e", "E"])
    };
    let exponent = match (mark, random.below(8)) {
        ("", _) => String::new(),
        (_, 0) => format!(
            "{mark}{}",
            random.pick(&["", "+", "-", "99999999999999999999", "-99999999999", "1.5", "x"])
        ),
        (_, 1..4) if is_hexadecimal => format!("{mark}{}", -1000 - random.below(160) as i64),
        (_, 1..4) => format!("{mark}{}", -290 - random.below(60) as i64),
        _ => {
            format!("{mark}{}{}", random.pick(&SIGNS), random.below(if is_hexadecimal { 1100 } else { 320 }))
        }
    };
    let prefix = if is_hexadecimal { *random.pick(&["0x", "0X"]) } else { "" };
    let magnitude = match random.below(30) {
        // Whole ones, many about the ends of their types.
        1..8 => match random.below(4) {
            0 => (i128::from(random.i64()) + i128::from(random.i32() % 3)).unsigned_abs().to_string(),
            1 => (i64::from(random.i32()) + random.below(3) as i64 - 1).unsigned_abs().to_string(),
            _ => format!("{}{}", "0".repeat(random.below(30)), random.below(1 << 20)),
        },
        0 => (*random.pick(&["NaN", "Infinity", "nan", "inf", "infinity", "INFINITY", "Inf"])).to_owned(),
        _ => format!("{prefix}{whole}{fraction}{exponent}"),
    };
    let (before, sign) = (random.pick(&MARGINS), random.pick(&SIGNS));
    format!("{before}{sign}{magnitude}{}{}", random.pick(&SUFFIXES), random.pick(&MARGINS))
}

/// Property texts become numbers as Java's do, to the last bit.
#[test]
fn texts_are_the_same_numbers() {
    let mut random = Random::new(754);
    let texts: Vec<String> = (0..CASES).map(|_| number(&mut random)).collect();
    let items: Vec<Vec<u8>> = texts.iter().map(|text| Writer::new().text(text).done()).collect();
    let mut seen = [0; 3];
    for (text, answer) in texts.iter().zip(tell("numbers", &items)) {
        let mut rest = Reader(&answer);
        let java = [(); 3].map(|()| rest.maybe_text());
        let bits = |value: f64| if value.is_nan() { f64::NAN.to_bits() } else { value.to_bits() } as i64;
        let ours = [
            parse_int(text).map(|value| value.to_string()),
            parse_long(text).map(|value| value.to_string()),
            parse_double(text).map(|value| bits(value).to_string()),
        ];
        assert_eq!(ours, java, "{text:?}");
        java.iter().zip(&mut seen).for_each(|(number, seen)| *seen += usize::from(number.is_some()));
    }
    assert!(seen.iter().all(|count| (CASES / 100..CASES * 9 / 10).contains(count)), "{seen:?}");
}

#[test]
fn bloom_positions_are_the_same() {
    let mut random = Random::new(112);
    let cases: Vec<(u32, u32, String)> = (0..2000)
        .map(|_| (1 + random.below(99) as u32, 1 + random.below(200) as u32, random.text() + &random.text()))
        .collect();
    let item = |(error_rate, expected, text): &(u32, u32, String)| {
        Writer::new().i32(*error_rate as i32).i32(*expected as i32).text(text).done()
    };
    let items: Vec<Vec<u8>> = cases.iter().map(item).collect();
    for ((error_rate, expected, text), answer) in cases.iter().zip(tell("bloom", &items)) {
        let filter = BloomFilter::new(*error_rate, *expected);
        let words = answer.chunks_exact(4).map(|word| u32::from_be_bytes(word.try_into().unwrap()));
        let ours = std::iter::once(filter.bits()).chain(filter.positions(text));
        assert!(words.eq(ours), "{error_rate} % of {expected}: {text:?}");
    }
}
