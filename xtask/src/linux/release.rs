// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Kernel releases in package names, as `7.2.13+deb14` in `linux-binary-7.2.13+deb14-arm64`, and which is the newest.

/// Returns the releases of one major version that stand in package names in place of the pattern's star, newest first.
///
/// Other flavours (`linux-binary-7.2.13+deb14-rt-arm64`) and what is no release yet (`7.3~rc1`) are left out.
pub(super) fn newest_first(names: &str, pattern: &str, major: u64) -> Vec<String> {
    let mut found: Vec<(Order, String)> = names
        .lines()
        .filter_map(|name| {
            let release = filled_in(pattern, name.trim())?;
            let order = order(release)?;
            (order.upstream.first() == Some(&major)).then(|| (order, release.to_owned()))
        })
        .collect();
    found.sort();
    found.dedup();
    found.into_iter().rev().map(|(_, release)| release).collect()
}

/// Returns what stands in `name` in place of the pattern's star.
fn filled_in<'a>(pattern: &str, name: &'a str) -> Option<&'a str> {
    let (before, after) = pattern.split_once('*')?;
    name.strip_prefix(before)?.strip_suffix(after)
}

/// How releases are ordered: by the kernel's own version, then by Debian's.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Order {
    upstream: Vec<u64>,
    debian: Vec<u64>,
}

/// Reads a release; `None` if it has anything but a version, a plus sign and Debian's revision.
fn order(release: &str) -> Option<Order> {
    let (upstream, debian) = release.split_once('+')?;
    let upstream = upstream.split('.').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let debian =
        debian.strip_prefix("deb")?.split('.').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    Some(Order { upstream, debian })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATTERN: &str = "linux-binary-*-arm64";

    #[test]
    fn the_newest_comes_first_by_number_and_not_by_letter() {
        let names = "linux-binary-7.2.9+deb14-arm64\nlinux-binary-7.2.13+deb14-arm64\nlinux-binary-7.10+deb14-arm64\n\
            linux-binary-7.2.13+deb15-arm64\nlinux-binary-7.2+deb14-arm64\n";
        let expected = ["7.10+deb14", "7.2.13+deb15", "7.2.13+deb14", "7.2.9+deb14", "7.2+deb14"];
        assert_eq!(newest_first(names, PATTERN, 7), expected);
    }

    #[test]
    fn other_flavours_other_majors_and_candidates_are_left_out() {
        let names = "linux-binary-7.2.13+deb14-rt-arm64\nlinux-binary-7.2.13+deb14-arm64-16k\n\
            linux-binary-7.3~rc1+deb14-arm64\nlinux-binary-8.0+deb14-arm64\nlinux-binary-6.12.1+deb13-arm64\n\
            linux-image-7.2.13+deb14-arm64\nlinux-binary-99999999999999999999+deb14-arm64\n\n";
        assert_eq!(newest_first(names, PATTERN, 7), Vec::<String>::new());
    }

    #[test]
    fn a_name_that_is_listed_twice_is_tried_once() {
        let names = "linux-binary-7.2+deb14-arm64\nlinux-binary-7.2+deb14-arm64\n";
        assert_eq!(newest_first(names, PATTERN, 7), ["7.2+deb14"]);
    }
}
