//! Versions as frames carry them: the ordinal of a name in Java's list (Java: `MQVersion`, 613 names, most of
//! them never released).

use std::borrow::Cow;

/// The version we speak and claim: 4.3.0.
pub const CURRENT: i32 = V4_3_0;
/// Since then the broker can reset the offsets of a running consumer (codes 222, 223).
pub const V3_0_7_SNAPSHOT: i32 = 28;
/// Since then a broker's registration has its full body.
pub const V3_0_11: i32 = 37;
/// Since then clients answer codes 307 and 309.
pub const V3_1_8_SNAPSHOT: i32 = 62;
/// Since then clients send `maxReconsumeTimes`.
pub const V3_4_9: i32 = 121;
/// Since then brokers know SQL92 subscriptions.
pub const V4_1_0_SNAPSHOT: i32 = 232;
/// 4.2.0
pub const V4_2_0: i32 = 253;
/// 4.3.0
pub const V4_3_0: i32 = 273;
/// 4.4.0
pub const V4_4_0: i32 = 293;
/// 4.9.0
pub const V4_9_0: i32 = 393;
/// All that come later.
pub const HIGHER_VERSION: i32 = 612;

/// The first sixteen follow no rule.
const EARLY: [&str; 16] = [
    "V3_0_0_SNAPSHOT",
    "V3_0_0_ALPHA1",
    "V3_0_0_BETA1",
    "V3_0_0_BETA2",
    "V3_0_0_BETA3",
    "V3_0_0_BETA4",
    "V3_0_0_BETA5",
    "V3_0_0_BETA6_SNAPSHOT",
    "V3_0_0_BETA6",
    "V3_0_0_BETA7_SNAPSHOT",
    "V3_0_0_BETA7",
    "V3_0_0_BETA8_SNAPSHOT",
    "V3_0_0_BETA8",
    "V3_0_0_BETA9_SNAPSHOT",
    "V3_0_0_BETA9",
    "V3_0_0_FINAL",
];

/// A version's name in Java's list; `HIGHER_VERSION` beyond its end. Java throws for a negative one, which a
/// peer can send; here it counts as the first.
pub fn version_desc(version: i32) -> Cow<'static, str> {
    let ordinal = version.max(0);
    if let Some(name) = usize::try_from(ordinal).ok().and_then(|at| EARLY.get(at)) {
        return Cow::Borrowed(name);
    }
    if ordinal >= HIGHER_VERSION {
        return Cow::Borrowed("HIGHER_VERSION");
    }
    // From here on each patch has a snapshot and a release; minors start at patch 0 or 1.
    let (major, minor, patch, snapshot) = match ordinal {
        16..46 => split(ordinal - 16, 3, 0, 1, 15),
        46..86 => split(ordinal - 46, 3, 1, 0, 10),
        86..212 => split(ordinal - 86, 3, 3, 1, 9),
        212..412 => split(ordinal - 212, 4, 0, 0, 10),
        _ => split(ordinal - 412, 5, 0, 0, 10),
    };
    let suffix = if snapshot { "_SNAPSHOT" } else { "" };
    Cow::Owned(format!("V{major}_{minor}_{patch}{suffix}"))
}

/// Position `at` in a run of minors of `patches` patches each, as (major, minor, patch, is snapshot).
fn split(at: i32, major: i32, first_minor: i32, first_patch: i32, patches: i32) -> (i32, i32, i32, bool) {
    let minor = at / (2 * patches);
    let patch = at % (2 * patches) / 2;
    (major, first_minor + minor, first_patch + patch, at % 2 == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinals_have_javas_names() {
        let check = |version: i32, expected: &str| assert_eq!(version_desc(version), expected);
        check(0, "V3_0_0_SNAPSHOT");
        check(15, "V3_0_0_FINAL");
        check(16, "V3_0_1_SNAPSHOT");
        check(V3_0_7_SNAPSHOT, "V3_0_7_SNAPSHOT");
        check(V3_0_11, "V3_0_11");
        check(45, "V3_0_15");
        check(46, "V3_1_0_SNAPSHOT");
        check(V3_1_8_SNAPSHOT, "V3_1_8_SNAPSHOT");
        check(85, "V3_2_9");
        check(86, "V3_3_1_SNAPSHOT");
        check(V3_4_9, "V3_4_9");
        check(211, "V3_9_9");
        check(212, "V4_0_0_SNAPSHOT");
        check(V4_1_0_SNAPSHOT, "V4_1_0_SNAPSHOT");
        check(V4_2_0, "V4_2_0");
        check(CURRENT, "V4_3_0");
        check(V4_4_0, "V4_4_0");
        check(V4_9_0, "V4_9_0");
        check(412, "V5_0_0_SNAPSHOT");
        check(611, "V5_9_9");
        check(612, "HIGHER_VERSION");
        check(i32::MAX, "HIGHER_VERSION");
        check(-1, "V3_0_0_SNAPSHOT");
    }
    #[test]
    fn every_name_is_javas() {
        let names: String = (0..615).map(|version| version_desc(version).into_owned() + "\n").collect();
        // Of what MQVersion.getVersionDesc prints for the same numbers.
        assert_eq!(crc32fast::hash(names.as_bytes()), 0xb8a3_bcb0);
    }
}
