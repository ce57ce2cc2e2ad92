//! YAML as `plain_acl.yml` and `tools.yml` have it: texts as they were written, lists and tables. Not its types: what a text without quotes
//! stands for is for whoever reads it, as YAML's rules would change some of them (`0777` is 511).

use std::collections::HashMap;

use yaml_rust2::parser::{Event, MarkedEventReceiver, Parser};
use yaml_rust2::scanner::{Marker, TScalarStyle};

/// A piece of YAML.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// `is_plain`: without quotes.
    Text {
        text: String,
        is_plain: bool,
    },
    List(Vec<Node>),
    /// In the file's order; each key once.
    Table(Vec<(String, Node)>),
}

impl Node {
    /// The one document of a text.
    pub fn parse(text: &str) -> Result<Node, String> {
        let mut builder = Builder::default();
        Parser::new_from_str(text).load(&mut builder, true).map_err(|error| error.to_string())?;
        if let Some(error) = builder.error {
            return Err(error);
        }
        match builder.documents.len() {
            0 | 1 => builder.documents.pop().ok_or_else(|| "is empty".to_owned()),
            _ => Err("has several documents".to_owned()),
        }
    }

    /// Nothing is there, or what stands for nothing.
    pub fn is_null(&self) -> bool {
        matches!(self, Node::Text { text, is_plain: true } if matches!(&**text, "" | "~" | "null" | "Null" | "NULL"))
    }

    /// The value of `key`, as it is written; no value is an empty text.
    pub fn text(&self, key: &str) -> Result<String, String> {
        match self {
            node if node.is_null() => Ok(String::new()),
            Node::Text { text, .. } => Ok(text.clone()),
            _ => Err(format!("{key} is no text")),
        }
    }

    /// A text that Java reads as it is written, too. Of one without quotes that YAML 1.1 takes for something else than a
    /// decimal number it makes another: `01234567` is 342391, `1e7` a fraction, `2026-11-30` a time.
    pub fn same_in_java(&self, key: &str) -> Result<String, String> {
        let text = self.text(key)?;
        let Node::Text { is_plain: true, .. } = self else { return Ok(text) };
        let unsigned = text.trim_start_matches(['-', '+']);
        let looks_like_a_number = unsigned.starts_with(|char: char| char.is_ascii_digit() || char == '.')
            && unsigned.chars().all(|char| char.is_ascii_hexdigit() || "xXoO._:eE+- TZtz".contains(char));
        let is_decimal = unsigned.len() == text.len() && text.bytes().all(|byte| byte.is_ascii_digit());
        let is_octal = text.len() > 1 && text.starts_with('0') && !text.contains(['8', '9']);
        match looks_like_a_number && (!is_decimal || is_octal) {
            // Not the text: it may be a secret, and this is logged.
            true => Err(format!("{key} looks like a number that YAML would change: put it into quotes")),
            false => Ok(text),
        }
    }
}

/// A list or table that is not closed yet, with its anchor.
enum Open {
    List(Vec<Node>, usize),
    /// The last one is the key whose value comes next.
    Table(Vec<(String, Node)>, usize, Option<String>),
}

#[derive(Default)]
struct Builder {
    documents: Vec<Node>,
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    error: Option<String>,
}

impl Builder {
    /// `anchor` is 0 without one.
    fn add(&mut self, node: Node, anchor: usize) -> Result<(), String> {
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        match self.open.last_mut() {
            None => self.documents.push(node),
            Some(Open::List(items, _)) => items.push(node),
            Some(Open::Table(entries, _, key)) => match (key.take(), node) {
                (None, Node::Text { text, .. }) if entries.iter().any(|(name, _)| *name == text) => {
                    return Err(format!("{text} is there twice"));
                }
                (None, Node::Text { text, .. }) => *key = Some(text),
                (None, _) => return Err("a key is no text".to_owned()),
                (Some(name), value) => entries.push((name, value)),
            },
        }
        Ok(())
    }

    fn take(&mut self, event: Event) -> Result<(), String> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let is_plain = style == TScalarStyle::Plain && tag.is_none();
                self.add(Node::Text { text, is_plain }, anchor)
            }
            Event::SequenceStart(anchor, _) => {
                self.open.push(Open::List(Vec::new(), anchor));
                Ok(())
            }
            Event::MappingStart(anchor, _) => {
                self.open.push(Open::Table(Vec::new(), anchor, None));
                Ok(())
            }
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(Open::List(items, anchor)) => self.add(Node::List(items), anchor),
                Some(Open::Table(entries, anchor, _)) => self.add(Node::Table(entries), anchor),
                None => Ok(()),
            },
            Event::Alias(anchor) => match self.anchors.get(&anchor).cloned() {
                Some(node) => self.add(node, 0),
                None => Err("an alias names no anchor before it".to_owned()),
            },
            _ => Ok(()),
        }
    }
}

impl MarkedEventReceiver for Builder {
    fn on_event(&mut self, event: Event, at: Marker) {
        if self.error.is_none()
            && let Err(error) = self.take(event)
        {
            self.error = Some(format!("line {}: {error}", at.line()));
        }
    }
}
