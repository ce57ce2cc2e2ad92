//! What a topic or a broker allows (Java: `PermName`).

/// Unused by any version's server.
pub const PERM_PRIORITY: i32 = 0x8;
/// Messages can be pulled.
pub const PERM_READ: i32 = 0x4;
/// Messages can be sent.
pub const PERM_WRITE: i32 = 0x2;
/// An auto-created topic can take this one's settings.
pub const PERM_INHERIT: i32 = 0x1;

/// Whether messages can be pulled.
pub const fn is_readable(perm: i32) -> bool {
    perm & PERM_READ != 0
}

/// Whether messages can be sent.
pub const fn is_writeable(perm: i32) -> bool {
    perm & PERM_WRITE != 0
}

/// Whether auto-created topics can take this one's settings.
pub const fn is_inherited(perm: i32) -> bool {
    perm & PERM_INHERIT != 0
}

/// As remarks and admin tools print it: `RW-`. Java: `perm2String`.
pub const fn perm2string(perm: i32) -> &'static str {
    match perm & (PERM_READ | PERM_WRITE | PERM_INHERIT) {
        1 => "--X",
        2 => "-W-",
        3 => "-WX",
        4 => "R--",
        5 => "R-X",
        6 => "RW-",
        7 => "RWX",
        _ => "---",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_as_java() {
        let check = |perm: i32, expected: &str| assert_eq!(perm2string(perm), expected);
        check(6, "RW-");
        check(7, "RWX");
        check(2, "-W-");
        check(4, "R--");
        check(8, "---");
        check(-1, "RWX");
    }
}
