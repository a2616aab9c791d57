// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a place in an image is called: names that stay when lines move.

use crate::elf::Frame;

/// Returns file and name of the innermost function that is not the language's own library; `outermost` is the name of
/// the one that all others were inlined into. Debug information has names without their modules, so that the file tells
/// which one it is.
pub(super) fn blamed(frames: &[Frame], outermost: &str) -> Option<String> {
    let mut ours = frames.iter().filter(|frame| !frame.file.starts_with("/rustc/")).peekable();
    let file = ours.peek()?.file.clone();
    // A closure is known by the function that it stands in.
    let mut named = ours.filter(|frame| frame.file == file && !frame.function.starts_with("{closure"));
    let name = match named.next() {
        Some(frame) if !frame.function.is_empty() => &frame.function,
        _ => outermost,
    };
    Some(format!("{}: {}", short(&file), last_part(name)))
}

/// Returns a file's path from the top of its source tree.
fn short(file: &str) -> &str {
    file.trim_start_matches("./")
}

/// Returns all places in source text, the innermost one first.
pub(super) fn describe(frames: &[Frame]) -> String {
    let places: Vec<String> =
        frames.iter().map(|frame| format!("{}:{}", short(&frame.file), frame.line)).collect();
    places.join(" in ")
}

/// Returns a path's last part, without generic arguments.
pub(super) fn last_part(path: &str) -> &str {
    let mut depth = 0;
    let (mut start, mut end) = (0, None);
    for (at, c) in path.char_indices() {
        match c {
            '<' => {
                end = end.or((depth == 0 && at > start).then_some(at));
                depth += 1;
            }
            '>' => depth -= 1,
            ':' if depth == 0 => (start, end) = (at + 1, None),
            _ => {}
        }
    }
    path.get(start..end.unwrap_or(path.len())).unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_function_of_ours_is_blamed_by_file_and_name() {
        let frame =
            |function: &str, file: &str| Frame { function: function.into(), file: file.into(), line: 1 };
        let frames = [
            frame("add", "/rustc/1/library/core/src/ops/arith.rs"),
            frame("{closure#0}<u8>", "./spm/src/tables.rs"),
            frame("", "./spm/src/tables.rs"),
            frame("new", "./spm/src/mmu.rs"),
        ];
        assert_eq!(blamed(&frames, "spm::tables::take<u8>").as_deref(), Some("spm/src/tables.rs: take"));
        assert_eq!(blamed(&frames[2..], "").as_deref(), Some("spm/src/tables.rs: "));
        assert_eq!(blamed(&frames[3..], "x").as_deref(), Some("spm/src/mmu.rs: new"));
        assert_eq!(blamed(&frames[..1], "x"), None);
    }

    #[test]
    fn paths_are_cut_to_their_last_parts() {
        for (path, last) in [
            ("slot", "slot"),
            ("a::b::slot", "slot"),
            ("map_range<a::Pool, b::El2>", "map_range"),
            ("<a::Machine as b::Hardware>::log", "log"),
            ("a::<impl b::Spmc>::serve", "serve"),
            ("a::drop_in_place<x<y::z>>", "drop_in_place"),
            ("<u64 as core::fmt::Display>::fmt", "fmt"),
        ] {
            assert_eq!(last_part(path), last, "{path}");
        }
    }
}
