//! SQL92 message filters (Java: the `filter` module, `SqlFilter`, and the classes of `filter.expression`): an expression
//! over a message's properties, compiled once and evaluated for each message. Which consumer filters by what is the
//! broker's to know; tag filters are no expressions.
//!
//! | | |
//! |---|---|
//! | operators, loosest first | OR; AND; `=` `<>` `IS [NOT] NULL`; `<` `<=` `>` `>=` `[NOT] BETWEEN` `[NOT] IN`; `+` `-` NOT |
//! | values | 'text', whole numbers, decimals, TRUE, FALSE, NULL, properties by name |
//! | a property that is missing | is null; comparisons with it are neither true nor false, IS NULL is true |
//! | a property in a comparison | is read as what it is compared with; where that fails, the message does not match |

mod bloom;
mod evaluate;
mod parser;
mod token;

pub use bloom::{BitsArray, BloomFilter};
pub use evaluate::{EvaluationError, Value};
pub use parser::SyntaxError;

use evaluate::Node;

/// Bytes of an expression. A heartbeat may carry many, and each is kept.
pub const TEXT_MAX_BYTES: usize = 256 * 1024;
/// Levels of an expression, parentheses and repeated operators among them: a thread's stack is not without end.
pub const DEPTH_MAX: usize = 100;

/// A compiled expression.
#[derive(Debug, Clone, PartialEq)]
pub struct Expression {
    node: Node,
}

impl Expression {
    /// Compiles an expression; what is wrong with it, and where.
    pub fn compile(text: &str) -> Result<Expression, SyntaxError> {
        parser::parse(text).map(|node| Expression { node })
    }

    /// Whether a message with these properties is wanted: evaluation gives TRUE.
    pub fn matches<'a>(&self, property: impl Fn(&str) -> Option<&'a str>) -> bool {
        matches!(self.evaluate(&|name| property(name)), Ok(Value::Boolean(true)))
    }

    /// The expression's value.
    pub fn evaluate<'a>(
        &'a self,
        property: &dyn Fn(&str) -> Option<&'a str>,
    ) -> Result<Value<'a>, EvaluationError<'a>> {
        self.node.evaluate(property)
    }
}
