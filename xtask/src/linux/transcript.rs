// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What came out of the normal world's console: TF-A's warnings, the first process's words, and the kernel's log with the
//! level of each line.

/// Kernel levels up to this one are warnings or worse (Linux, include/linux/kern_levels.h).
const WARNING: u32 = 4;
/// What the first process prints before and after the log.
const LOG: &str = "@log";
const END: &str = "@end";

/// One line, without what the console puts before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// What it says.
    pub(super) text: String,
    /// Whether whoever says it calls it a warning or worse.
    pub(super) trouble: bool,
}

/// Where in the console's output we are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Part {
    /// The kernel prints to the console what stands in its log too.
    #[default]
    Before,
    /// The log itself.
    Log,
    /// The kernel prints warnings and worse only.
    After,
}

/// What was said so far.
#[derive(Debug, Default)]
pub(super) struct Transcript {
    part: Part,
    /// All lines that a rule may be about.
    pub(super) lines: Vec<Line>,
    /// How many lines the log has.
    pub(super) log_lines: usize,
}

impl Transcript {
    /// Takes the next line of the console.
    pub(super) fn take(&mut self, line: &str) {
        if ["ERROR:", "WARNING:"].iter().any(|level| line.starts_with(level)) {
            return self.push(line, true);
        }
        match self.part {
            _ if line == LOG => self.part = Part::Log,
            _ if line == END => self.part = Part::After,
            Part::Log => {
                // A line that is no record hides one: it is trouble by itself.
                let (level, text) = record(line).unwrap_or((0, line));
                self.log_lines += 1;
                self.push(text, level <= WARNING);
            }
            Part::After => {
                if let Some(text) = without_time(line) {
                    self.push(text, true);
                }
            }
            Part::Before => {
                if line.starts_with('@') {
                    self.push(line, false);
                }
            }
        }
    }

    /// Tells whether the log was printed to its end.
    pub(super) fn is_whole(&self) -> bool {
        self.part == Part::After && self.log_lines > 0
    }

    /// Returns what follows a word at the start of the first process's lines.
    pub(super) fn words_after<'a>(&'a self, word: &'a str) -> impl Iterator<Item = &'a str> {
        self.lines.iter().filter_map(move |line| line.text.strip_prefix(word))
    }

    fn push(&mut self, text: &str, trouble: bool) {
        self.lines.push(Line { text: text.to_owned(), trouble });
    }
}

/// Reads a record as `dmesg -r` prints it, `<priority>[time] text`; the priority's lower three bits are the level.
fn record(line: &str) -> Option<(u32, &str)> {
    let (priority, rest) = line.strip_prefix('<')?.split_once('>')?;
    Some((priority.parse::<u32>().ok()? & 7, without_time(rest)?))
}

/// Returns what follows `[   12.345678] `.
fn without_time(line: &str) -> Option<&str> {
    let (time, text) = line.strip_prefix('[')?.split_once("] ")?;
    time.trim_start().chars().all(|c| c.is_ascii_digit() || c == '.').then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(text: &str) -> Transcript {
        let mut transcript = Transcript::default();
        text.lines().for_each(|line| transcript.take(line));
        transcript
    }

    fn troubles(transcript: &Transcript) -> Vec<&str> {
        transcript.lines.iter().filter(|line| line.trouble).map(|line| line.text.as_str()).collect()
    }

    #[test]
    fn levels_decide_what_is_trouble() {
        let transcript = taken(
            "@log\n<6>[    0.000000] fine\n<4>[    1.5] warned\n<3>[    2.0] failed\n<5>[    2.1] noted\n\
             <28>[    3.0] a daemon warns\n<30>[    3.1] a daemon is fine\n@end\n",
        );
        assert_eq!(troubles(&transcript), ["warned", "failed", "a daemon warns"]);
        assert_eq!((transcript.log_lines, transcript.is_whole()), (6, true));
    }

    #[test]
    fn the_console_before_the_log_counts_only_for_what_the_first_process_says() {
        let transcript = taken("NOTICE:  BL1\n[    0.1] on the console\n@cores 2\n[    0.2] later\n");
        assert_eq!(transcript.lines, [Line { text: "@cores 2".to_owned(), trouble: false }]);
        assert!(!transcript.is_whole());
        assert_eq!(transcript.words_after("@cores ").collect::<Vec<_>>(), ["2"]);
    }

    #[test]
    fn what_the_kernel_still_says_after_its_log_is_trouble() {
        let transcript = taken("@log\n<6>[ 1.0] fine\n@end\n[    2.0] Oops\nno kernel line\n");
        assert_eq!(troubles(&transcript), ["Oops"]);
    }

    #[test]
    fn warnings_of_tf_a_are_trouble_wherever_they_stand() {
        let transcript = taken("WARNING: early\n@log\nERROR:   within\n@end\nERROR:   late\n");
        assert_eq!(troubles(&transcript), ["WARNING: early", "ERROR:   within", "ERROR:   late"]);
    }

    #[test]
    fn a_line_of_the_log_that_is_no_record_is_trouble() {
        let transcript = taken("@log\n<6>[ 1.0] fine\n<x>[ 1.0] torn\n<4>torn too\n@end\n");
        assert_eq!(troubles(&transcript), ["<x>[ 1.0] torn", "<4>torn too"]);
    }

    #[test]
    fn a_log_that_is_empty_or_has_no_end_is_not_whole() {
        assert!(!taken("@log\n@end\n").is_whole());
        assert!(!taken("@log\n<6>[ 1.0] fine\n").is_whole());
        assert!(!taken("").is_whole());
    }
}
