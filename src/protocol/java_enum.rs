//! Enums that travel as Java's names: one table line per constant. Java's JSON reader also takes a constant's
//! ordinal, which the C++ client sends, and makes null of an unknown name, such as a later version's: here
//! that is the default.

macro_rules! java_enum {
    ($(#[$doc:meta])* $type:ident { $($(#[$variant_doc:meta])* $variant:ident = $name:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $type {
            $($(#[$variant_doc])* $variant,)*
        }

        impl $type {
            /// Every constant, by ordinal.
            pub const ALL: &[$type] = &[$($type::$variant,)*];

            /// Java's name of the constant.
            pub const fn name(self) -> &'static str {
                match self {
                    $($type::$variant => $name,)*
                }
            }

            /// The constant of that name.
            pub fn of_name(name: &str) -> Option<$type> {
                Self::ALL.iter().copied().find(|constant| constant.name() == name)
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }

        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_unit_variant(stringify!($type), *self as u32, self.name())
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<$type, D::Error> {
                struct Constant;

                impl serde::de::Visitor<'_> for Constant {
                    type Value = $type;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str(concat!("one of", $(" ", $name),*))
                    }

                    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<$type, E> {
                        Ok($type::of_name(name).unwrap_or_default())
                    }

                    fn visit_u64<E: serde::de::Error>(self, ordinal: u64) -> Result<$type, E> {
                        let constant = usize::try_from(ordinal).ok().and_then(|at| $type::ALL.get(at));
                        let unknown = || E::invalid_value(serde::de::Unexpected::Unsigned(ordinal), &self);
                        constant.copied().ok_or_else(unknown)
                    }

                    fn visit_i64<E: serde::de::Error>(self, ordinal: i64) -> Result<$type, E> {
                        match u64::try_from(ordinal) {
                            Ok(ordinal) => self.visit_u64(ordinal),
                            Err(_) => Err(E::invalid_value(serde::de::Unexpected::Signed(ordinal), &self)),
                        }
                    }
                }

                deserializer.deserialize_any(Constant)
            }
        }
    };
}

pub(crate) use java_enum;
