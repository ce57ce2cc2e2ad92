//! A message's properties as a map that keeps their order (Java: `Message.properties`, whose order is any).

use std::collections::HashMap;

use super::{NAME_VALUE_SEPARATOR, PROPERTY_SEPARATOR, properties};

/// So many are searched as they stand. A usual message has two or three.
const FEW: usize = 16;

/// Names and values. Few, so a list is searched; to collect many, their places are kept meanwhile.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Properties {
    pairs: Vec<(String, String)>,
}

impl Properties {
    /// No properties.
    pub fn new() -> Properties {
        Properties::default()
    }

    /// The properties of a string; the last of equal names wins. Java: `string2messageProperties`.
    pub fn parse(raw: &str) -> Properties {
        properties(raw).collect()
    }

    /// A value.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// Puts a value in the place of any earlier one.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        match self.pairs.iter_mut().find(|(found, _)| found == name) {
            Some((_, old)) => *old = value.into(),
            None => self.pairs.push((name.to_owned(), value.into())),
        }
    }

    /// Takes a value away.
    pub fn remove(&mut self, name: &str) -> Option<String> {
        let at = self.pairs.iter().position(|(found, _)| found == name)?;
        Some(self.pairs.remove(at).1)
    }

    /// All in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Number of properties.
    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// The properties string, each property with its end mark. Java: `messageProperties2String`.
    pub fn encode(&self) -> String {
        let bytes = self.pairs.iter().map(|(name, value)| name.len() + value.len() + 2).sum();
        let mut raw = String::with_capacity(bytes);
        for (name, value) in &self.pairs {
            raw.push_str(name);
            raw.push(NAME_VALUE_SEPARATOR);
            raw.push_str(value);
            raw.push(PROPERTY_SEPARATOR);
        }
        raw
    }
}

impl<N: AsRef<str>, V: Into<String>> FromIterator<(N, V)> for Properties {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Properties {
        let mut properties = Properties::new();
        let mut pairs = pairs.into_iter();
        while properties.len() < FEW {
            let Some((name, value)) = pairs.next() else { return properties };
            properties.set(name.as_ref(), value);
        }
        let known = properties.pairs.iter().enumerate();
        let mut places: HashMap<String, usize> = known.map(|(at, (name, _))| (name.clone(), at)).collect();
        for (name, value) in pairs {
            let (name, value) = (name.as_ref(), value.into());
            match places.get(name) {
                Some(&at) => properties.pairs[at].1 = value,
                None => {
                    places.insert(name.to_owned(), properties.len());
                    properties.pairs.push((name.to_owned(), value));
                }
            }
        }
        properties
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_order_and_the_last_of_a_name() {
        let raw = "a\u{1}1\u{2}b\u{1}2\u{2}a\u{1}3\u{2}";
        let mut properties = Properties::parse(raw);
        assert_eq!(properties.encode(), "a\u{1}3\u{2}b\u{1}2\u{2}");
        properties.set("c", "4");
        assert_eq!(properties.remove("a").as_deref(), Some("3"));
        assert_eq!(properties.remove("a"), None);
        assert_eq!(properties.encode(), "b\u{1}2\u{2}c\u{1}4\u{2}");
        assert_eq!((properties.get("c"), properties.get("a"), properties.len()), (Some("4"), None, 2));
        assert_eq!(Properties::parse(&properties.encode()), properties);
    }

    /// Were each searched for among all before it, this would take hours.
    #[test]
    fn many_take_no_longer_than_they_are_long() {
        let name = |number: usize| format!("name{}", number % 500_000);
        let all: Properties = (0..1_000_000).map(|number| (name(number), number.to_string())).collect();
        assert_eq!(all.len(), 500_000);
        let first = all.iter().next();
        assert_eq!((first, all.iter().last()), (Some(("name0", "500000")), Some(("name499999", "999999"))));
    }
}
