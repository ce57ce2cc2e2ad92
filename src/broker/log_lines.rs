//! What goes to the log of the lists and texts that requests bring: their beginning. A peer that may send 16 MiB must not
//! fill the disk with lines about them.

/// So much of a text is shown, bytes.
const TEXT_BYTES: usize = 200;
/// So many items of one request have a line of their own.
const LINES_MAX: usize = 20;

/// The beginning of a text.
pub fn beginning(text: &str) -> &str {
    &text[..text.floor_char_boundary(TEXT_BYTES)]
}

/// Counts the items of a request.
#[derive(Debug, Default)]
pub struct Lines {
    count: usize,
}

impl Lines {
    /// Another item: whether it has a line of its own.
    pub fn has_next(&mut self) -> bool {
        self.count += 1;
        self.count <= LINES_MAX
    }

    /// How many had none, where that is any.
    pub fn left_out(&self) -> Option<usize> {
        self.count.checked_sub(LINES_MAX + 1).map(|more| more + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beginnings_end_between_characters() {
        assert_eq!(beginning("short"), "short");
        assert_eq!(beginning(&"é".repeat(200)).len(), 200);
        assert_eq!(beginning(&format!("x{}", "é".repeat(200))).len(), 199);
    }

    #[test]
    fn what_has_no_line_is_counted() {
        let mut lines = Lines::default();
        assert!((0..LINES_MAX).all(|_| lines.has_next()));
        assert_eq!(lines.left_out(), None);
        assert!(!lines.has_next() && !lines.has_next());
        assert_eq!(lines.left_out(), Some(2));
    }
}
