//! The command that somebody meant who mistyped it.

/// Up to so many mistakes count as one.
const MOST_MISTAKES: usize = 3;

/// The nearest of some names, if it is near.
pub fn nearest<'a>(typed: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let typed = typed.to_lowercase();
    // A short word is soon like any other.
    let most = MOST_MISTAKES.min(typed.chars().count() / 2);
    let scored = names.into_iter().map(|name| (distance(&typed, &name.to_lowercase()), name));
    scored
        .filter(|(mistakes, _)| *mistakes <= most)
        .min_by_key(|(mistakes, _)| *mistakes)
        .map(|(_, name)| name)
}

/// Letters that are wrong, missing, too many or the wrong way round.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for at in 1..=a.len() {
        let mut row = vec![at];
        for to in 1..=b.len() {
            let is_wrong = usize::from(a[at - 1] != b[to - 1]);
            let mut best = (rows[at - 1][to - 1] + is_wrong).min(rows[at - 1][to] + 1).min(row[to - 1] + 1);
            if at > 1 && to > 1 && a[at - 1] == b[to - 2] && a[at - 2] == b[to - 1] {
                best = best.min(rows[at - 2][to - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_counted() {
        let check = |a: &str, b: &str, expected: usize| assert_eq!(distance(a, b), expected, "{a} {b}");
        check("", "", 0);
        check("abc", "", 3);
        check("topicList", "topicList", 0);
        check("topcList", "topicList", 1);
        check("topciList", "topicList", 1);
        check("xopicLost", "topicList", 2);
    }

    #[test]
    fn only_what_is_near_is_meant() {
        let check = |typed: &str, expected: Option<&str>| {
            assert_eq!(nearest(typed, ["topicList", "topicRoute", "clusterList"]), expected, "{typed}");
        };
        check("topiclsit", Some("topicList"));
        check("clsterlist", Some("clusterList"));
        check("decodeMessageId", None);
        check("x", None);
    }
}
