//! Flag words of requests and topics (Java: `PullSysFlag`, `TopicSysFlag`). Those of messages stand in
//! `message` (`SYS_FLAG_*`).

/// Pull: the header's commit offset is to be stored.
pub const PULL_COMMIT_OFFSET: i32 = 0x1;
/// Pull: may be held until a message comes.
pub const PULL_SUSPEND: i32 = 0x2;
/// Pull: the header's subscription counts, not the heartbeat's.
pub const PULL_SUBSCRIPTION: i32 = 0x4;
/// Pull: class filter, which brokers ignore.
pub const PULL_CLASS_FILTER: i32 = 0x8;

/// Topic of a unit.
pub const TOPIC_UNIT: i32 = 0x1;
/// Topic with subscribers in a unit.
pub const TOPIC_UNIT_SUB: i32 = 0x2;

/// Whether every bit of `bits` is set.
pub const fn has(flags: i32, bits: i32) -> bool {
    flags & bits == bits
}

/// Java: `PullSysFlag.buildSysFlag`.
pub const fn pull_sys_flag(
    commit_offset: bool,
    suspend: bool,
    subscription: bool,
    class_filter: bool,
) -> i32 {
    let mut flags = 0;
    if commit_offset {
        flags |= PULL_COMMIT_OFFSET;
    }
    if suspend {
        flags |= PULL_SUSPEND;
    }
    if subscription {
        flags |= PULL_SUBSCRIPTION;
    }
    if class_filter {
        flags |= PULL_CLASS_FILTER;
    }
    flags
}

/// Java: `TopicSysFlag.buildSysFlag`.
pub const fn topic_sys_flag(unit: bool, has_unit_sub: bool) -> i32 {
    let unit = if unit { TOPIC_UNIT } else { 0 };
    if has_unit_sub { unit | TOPIC_UNIT_SUB } else { unit }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_stand_where_java_has_them() {
        assert_eq!(pull_sys_flag(true, false, false, true), 9);
        assert_eq!(pull_sys_flag(false, true, true, false), 6);
        assert_eq!(topic_sys_flag(true, true), 3);
        assert!(has(6, PULL_SUSPEND) && !has(6, PULL_COMMIT_OFFSET));
    }
}
