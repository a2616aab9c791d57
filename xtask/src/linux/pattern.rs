// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Patterns of lines: a star stands for any text, everything else for itself.

/// Tells whether a whole line is like a pattern.
pub(super) fn is_like(line: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| line.strip_prefix(first)) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        // The first place is the best one: it leaves most for the parts that follow.
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::is_like;

    #[test]
    fn without_a_star_a_pattern_is_the_line() {
        assert!(is_like("a line", "a line"));
        assert!(!is_like("a line.", "a line"));
        assert!(!is_like("my a line", "a line"));
        assert!(is_like("", ""));
    }

    #[test]
    fn a_star_stands_for_any_text_and_for_none() {
        assert!(is_like("kvm [1]: ready", "kvm [*]: ready"));
        assert!(is_like("abc", "*abc*"));
        assert!(is_like("a-b-b-c", "a*b*c"));
        assert!(is_like("x ab", "*ab"));
        assert!(is_like("anything", "*"));
        assert!(!is_like("a-c", "a*b*c"));
    }

    #[test]
    fn parts_do_not_share_text() {
        assert!(!is_like("aba", "ab*ba"));
        assert!(!is_like("a", "a*a"));
        assert!(is_like("abba", "ab*ba"));
    }
}
