// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tests of [`super`]: what apt prints and what people write into its sources.

use super::*;

const TARGETS: &str = "\
http://mirror.invalid/debian-security/\tbookworm-security\tDebian\tmain\t/etc/apt/a.sources:2
http://mirror.invalid/debian/\tbookworm\tDebian\tcontrib\t/etc/apt/a.sources:1
http://mirror.invalid/debian/\tbookworm\tDebian\tmain\t/etc/apt/a.sources:1
http://other.invalid/\tbookworm\tSomebody\tmain\t/etc/apt/b.list:1
";

#[test]
fn the_release_itself_is_found_among_all_indexes() {
    let targets = parse_targets(TARGETS);
    assert_eq!(targets.len(), 4);
    let mirror = mirror(&targets, "bookworm").unwrap();
    assert_eq!(mirror.uri, "http://mirror.invalid/debian/");
    assert_eq!(super::mirror(&targets, "trixie"), None);
}

#[test]
fn lines_of_another_form_are_left_out() {
    assert_eq!(parse_targets(""), []);
    assert_eq!(parse_targets("E: Could not open lock file\nhttp://x/\tbookworm\tDebian\n\t\t\t\t\n"), []);
    assert_eq!(parse_targets("no-address\tbookworm\tDebian\tmain\tf:1\n"), []);
}

#[test]
fn the_key_comes_from_the_stanza_that_serves_the_suite() {
    let text = "\
Types: deb
# a comment
URIs: http://mirror.invalid/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/a.gpg

Types: deb
URIs: http://mirror.invalid/debian-security
Suites: bookworm-security
Signed-By: /usr/share/keyrings/b.gpg
";
    let of = |uri, suite| signed_by(text, uri, suite);
    assert_eq!(of("http://mirror.invalid/debian/", "bookworm").as_deref(), Some("/usr/share/keyrings/a.gpg"));
    assert_eq!(
        of("http://mirror.invalid/debian-security/", "bookworm-security").as_deref(),
        Some("/usr/share/keyrings/b.gpg")
    );
    assert_eq!(of("http://mirror.invalid/debian/", "bookworm-security"), None);
}

#[test]
fn one_line_entries_are_read_with_and_without_a_key() {
    let text = "# deb http://m.invalid/debian bookworm main
deb [arch=amd64 signed-by=/k.gpg] http://m.invalid/debian/ bookworm main
deb http://n.invalid/debian bookworm main
deb ] [ http://n.invalid/debian trixie main";
    assert_eq!(signed_by(text, "http://m.invalid/debian/", "bookworm").as_deref(), Some("/k.gpg"));
    assert_eq!(signed_by(text, "http://n.invalid/debian/", "bookworm"), None);
    assert_eq!(signed_by(text, "http://n.invalid/debian/", "trixie"), None);
}

#[test]
fn entries_keep_a_key_that_stands_within_them() {
    let text = "Types: deb\nURIs: http://m.invalid/debian\nSuites: bookworm\nSigned-By:\n -----BEGIN\n .\n abc\nTrusted: no\n";
    let key = signed_by(text, "http://m.invalid/debian/", "bookworm").unwrap();
    assert_eq!(key, "\n -----BEGIN\n .\n abc");
    let mirror = Mirror { uri: "http://m.invalid/debian/".into(), signed_by: Some(key) };
    assert_eq!(
        mirror.entry("deb-src", "trixie"),
        "Types: deb-src\nURIs: http://m.invalid/debian\nSuites: trixie\nComponents: main\nSigned-By:\n -----BEGIN\n .\n abc\n"
    );
    let plain = Mirror { uri: "http://m.invalid/debian/".into(), signed_by: Some("/k.gpg".into()) };
    assert!(plain.entry("deb", "x").ends_with("Signed-By: /k.gpg\n"));
    let unsigned = Mirror { uri: "http://m.invalid/debian/".into(), signed_by: None };
    assert!(!unsigned.entry("deb", "x").contains("Signed-By"));
}
