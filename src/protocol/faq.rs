//! The pointer that Java ends many remarks with (Java: `FAQUrl.suggestTodo`; all its pages are one).

/// What stands behind a remark.
pub const SUFFIX: &str = "\nSee http://rocketmq.apache.org/docs/faq/ for further details.";
