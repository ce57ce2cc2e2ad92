//! Topics.

use serde::{Deserialize, Serialize};

/// Whether a message has one tag or several. Java: `TopicFilterType`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TopicFilterType {
    /// One tag: all that any version uses.
    #[default]
    SingleTag,
    /// Several.
    MultiTag,
}
