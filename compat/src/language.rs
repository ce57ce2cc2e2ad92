//! The language that a peer is written in (Java: `LanguageCode`), as connection lists show it.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

macro_rules! languages {
    ($($variant:ident = $code:literal, $name:literal;)*) => {
        /// A peer's language.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum LanguageCode {
            $(#[doc = $name] $variant = $code,)*
        }

        impl LanguageCode {
            /// Java's name of the constant.
            pub const fn name(self) -> &'static str {
                match self {
                    $(LanguageCode::$variant => $name,)*
                }
            }

            /// The language of a binary header's code. Unknown ones, such as those of later versions, are OTHER.
            pub const fn of_code(code: u8) -> LanguageCode {
                match code {
                    $($code => LanguageCode::$variant,)*
                    _ => LanguageCode::Other,
                }
            }

            /// The language of a JSON header's name; unknown ones are OTHER.
            pub fn of_name(name: &str) -> LanguageCode {
                match name {
                    $($name => LanguageCode::$variant,)*
                    _ => LanguageCode::Other,
                }
            }
        }
    };
}

languages! {
    Java = 0, "JAVA";
    Cpp = 1, "CPP";
    Dotnet = 2, "DOTNET";
    Python = 3, "PYTHON";
    Delphi = 4, "DELPHI";
    Erlang = 5, "ERLANG";
    Ruby = 6, "RUBY";
    Other = 7, "OTHER";
    Http = 8, "HTTP";
    Go = 9, "GO";
    Php = 10, "PHP";
    Oms = 11, "OMS";
}

/// A header that does not say is Java's.
impl Default for LanguageCode {
    fn default() -> LanguageCode {
        LanguageCode::Java
    }
}

impl Serialize for LanguageCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for LanguageCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<LanguageCode, D::Error> {
        Ok(LanguageCode::of_name(&String::deserialize(deserializer)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_names_agree() {
        for code in 0..=11 {
            let language = LanguageCode::of_code(code);
            assert_eq!((language as u8, LanguageCode::of_name(language.name())), (code, language));
        }
        assert_eq!(LanguageCode::of_code(12), LanguageCode::Other);
        assert_eq!(LanguageCode::of_name("RUST"), LanguageCode::Other);
        assert_eq!(LanguageCode::Cpp.name(), "CPP");
    }
}
