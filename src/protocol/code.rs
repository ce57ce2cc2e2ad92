//! One table line per code: makes the enum, its numbers and its Java names. Not for anything but
//! `request_code` and `response_code`.

/// A number that is no code we know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown code {0}")]
pub struct UnknownCode(pub i32);

macro_rules! codes {
    ($(#[$doc:meta])* $type:ident; $($variant:ident = $number:literal, $name:literal;)*) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(i32)]
        pub enum $type {
            $(#[doc = $name] $variant = $number,)*
        }

        impl $type {
            /// Every code, by number.
            pub const ALL: &[$type] = &[$($type::$variant,)*];

            /// Java's name of the constant.
            pub const fn name(self) -> &'static str {
                match self {
                    $($type::$variant => $name,)*
                }
            }
        }

        impl TryFrom<i32> for $type {
            type Error = $crate::protocol::code::UnknownCode;

            fn try_from(number: i32) -> Result<$type, Self::Error> {
                match number {
                    $($number => Ok($type::$variant),)*
                    _ => Err($crate::protocol::code::UnknownCode(number)),
                }
            }
        }

        impl From<$type> for i32 {
            fn from(code: $type) -> i32 {
                code as i32
            }
        }
    };
}

pub(crate) use codes;
