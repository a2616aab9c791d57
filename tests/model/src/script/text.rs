// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Scripts as text, and back.

use super::{Act, Change, KeyError, Move, Script, Step, guests};
use ffa_abi::{PageOwner, PoolHolder};
use std::fmt;
use std::str::FromStr;

/// How accesses are written, by their bits.
pub(super) const ACCESSES: [&str; 4] = ["-", "r", "w", "rw"];

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Alloc { label, smmu } => write!(f, "alloc d{label} {smmu}"),
            Self::Free { label } => write!(f, "free d{label}"),
            Self::Attach { smmu, stream, label } => write!(f, "attach {smmu} {stream:#x} d{label}"),
            Self::Identity { smmu, stream } => write!(f, "identity {smmu} {stream:#x}"),
            Self::Block { smmu, stream } => write!(f, "block {smmu} {stream:#x}"),
            Self::Nest { smmu, stream, label, context } => match label {
                Some(label) => write!(f, "nest {smmu} {stream:#x} {context:#x} d{label}"),
                None => write!(f, "nest {smmu} {stream:#x} {context:#x}"),
            },
            Self::Forget { smmu, stream, first, second } => {
                write!(f, "forget {smmu} {stream:#x} {first:#x} {second:#x}")
            }
            Self::Map { label, iova, pa, size, access } => {
                let access =
                    usize::try_from(*access).ok().and_then(|bits| ACCESSES.get(bits)).unwrap_or(&"-");
                write!(f, "map d{label} {iova:#x} {pa:#x} {size:#x} {access}")
            }
            Self::Unmap { label, iova, size } => write!(f, "unmap d{label} {iova:#x} {size:#x}"),
            Self::Look { label, iova } => write!(f, "look d{label} {iova:#x}"),
            Self::Poll => write!(f, "poll"),
            Self::Claim => write!(f, "claim"),
            Self::Check { smmu } => write!(f, "check {smmu}"),
            Self::Move { pages: Move { change, first, count, owner }, key } => {
                let change = format!("{change:?}").to_lowercase();
                write!(f, "{change} {first:#x} {count} {:#x}{key}", owner.to_register())
            }
            Self::State { address, key } => write!(f, "state {address:#x}{key}"),
            Self::Statistics { key } => write!(f, "statistics{key}"),
            Self::Lend { memory, holder, key } => write!(f, "lend {memory:#x} {}{key}", u8::from(*holder)),
            Self::Reclaim { memory, key } => write!(f, "reclaim {memory:#x}{key}"),
            Self::Shares { holder, key } => write!(f, "shares {}{key}", u8::from(*holder)),
            Self::Guests { what, key } => write!(f, "{what}{key}"),
            Self::Raw { endpoint, registers: [a, b, c, d, e] } => {
                write!(f, "raw {endpoint:#x} {a:#x} {b:#x} {c:#x} {d:#x} {e:#x}")
            }
            Self::Keyed { registers: [a, b, c, d, e] } => {
                write!(f, "keyed {a:#x} {b:#x} {c:#x} {d:#x} {e:#x}")
            }
            Self::Burst { count } => write!(f, "burst {count}"),
            Self::Settle => write!(f, "settle"),
            Self::Interrupt { intid } => write!(f, "interrupt {intid}"),
            Self::Storm { smmu } => write!(f, "storm {smmu}"),
            Self::Wedge { smmu } => write!(f, "wedge {smmu}"),
            Self::Error { smmu, error } => write!(f, "error {smmu} {error:#x}"),
            Self::Meddle { smmu, register } => write!(f, "meddle {smmu} {register}"),
            Self::Power { smmu } => write!(f, "power {smmu}"),
            Self::Tamper { word, value } => write!(f, "tamper {word:#x} {value:#x}"),
        }
    }
}

/// The right key is not written.
impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self([0, 0]) => Ok(()),
            Self([low, high]) => write!(f, " wrong {low:#x} {high:#x}"),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x} {} {}", self.seed, self.gap, self.act)?;
        self.meanwhile.iter().try_for_each(|(after, act)| write!(f, " | {after} {act}"))
    }
}

impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "machine {:#x}", self.machine)?;
        self.steps.iter().try_for_each(|step| writeln!(f, "{step}"))
    }
}

/// The words of a line, one after the other.
pub(super) struct Words<'a>(std::str::SplitWhitespace<'a>);

impl<'a> Words<'a> {
    fn next(&mut self) -> Result<&'a str, String> {
        self.0.next().ok_or_else(|| "the line ends too early".to_owned())
    }

    pub(super) fn number(&mut self) -> Result<u64, String> {
        let word = self.next()?;
        let parsed = match word.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16),
            None => word.parse(),
        };
        parsed.map_err(|_| format!("`{word}` is no number"))
    }

    pub(super) fn small<T: TryFrom<u64>>(&mut self) -> Result<T, String> {
        let number = self.number()?;
        T::try_from(number).map_err(|_| format!("{number} is too large"))
    }

    pub(super) fn label(&mut self) -> Result<u8, String> {
        self.label_if_any()?.ok_or_else(|| "the line ends too early".to_owned())
    }

    fn label_if_any(&mut self) -> Result<Option<u8>, String> {
        let Some(word) = self.0.next() else { return Ok(None) };
        let label = word
            .strip_prefix('d')
            .and_then(|digits| digits.parse().ok())
            .ok_or_else(|| format!("`{word}` names no domain"))?;
        Ok(Some(label))
    }

    fn registers(&mut self) -> Result<[u64; 5], String> {
        let mut registers = [0; 5];
        for register in &mut registers {
            *register = self.number()?;
        }
        Ok(registers)
    }

    /// Reads pages and an owner.
    fn moves(&mut self, change: Change) -> Result<Act, String> {
        let (first, count, owner) = (self.number()?, self.small()?, self.number()?);
        let owner = PageOwner::from_register(owner).ok_or_else(|| format!("{owner:#x} is nobody"))?;
        Ok(Act::Move { pages: Move { change, first, count, owner }, key: self.key()? })
    }

    fn holder(&mut self) -> Result<PoolHolder, String> {
        let number: u8 = self.small()?;
        PoolHolder::try_from(number).map_err(|_| format!("{number} is no holder"))
    }

    fn key(&mut self) -> Result<KeyError, String> {
        match self.0.next() {
            None => Ok(KeyError::default()),
            Some("wrong") => Ok(KeyError([self.number()?, self.number()?])),
            Some(other) => Err(format!("`{other}` is no key")),
        }
    }

    pub(super) fn access(&mut self) -> Result<u64, String> {
        let word = self.next()?;
        let place = ACCESSES.iter().position(|access| *access == word);
        place.and_then(|place| u64::try_from(place).ok()).ok_or_else(|| format!("`{word}` is no access"))
    }
}

fn act(words: &mut Words<'_>) -> Result<Act, String> {
    let first = words.next()?;
    if let Some(what) = guests::read(first, words) {
        return Ok(Act::Guests { what: what?, key: words.key()? });
    }
    Ok(match first {
        "alloc" => Act::Alloc { label: words.label()?, smmu: words.small()? },
        "free" => Act::Free { label: words.label()? },
        "attach" => Act::Attach { smmu: words.small()?, stream: words.small()?, label: words.label()? },
        "identity" => Act::Identity { smmu: words.small()?, stream: words.small()? },
        "block" => Act::Block { smmu: words.small()?, stream: words.small()? },
        "nest" => Act::Nest {
            smmu: words.small()?,
            stream: words.small()?,
            context: words.number()?,
            label: words.label_if_any()?,
        },
        "forget" => Act::Forget {
            smmu: words.small()?,
            stream: words.small()?,
            first: words.number()?,
            second: words.number()?,
        },
        "map" => Act::Map {
            label: words.label()?,
            iova: words.number()?,
            pa: words.number()?,
            size: words.number()?,
            access: words.access()?,
        },
        "unmap" => Act::Unmap { label: words.label()?, iova: words.number()?, size: words.number()? },
        "look" => Act::Look { label: words.label()?, iova: words.number()? },
        "poll" => Act::Poll,
        "claim" => Act::Claim,
        "check" => Act::Check { smmu: words.small()? },
        "own" => words.moves(Change::Own)?,
        "disown" => words.moves(Change::Disown)?,
        "share" => words.moves(Change::Share)?,
        "unshare" => words.moves(Change::Unshare)?,
        "state" => Act::State { address: words.number()?, key: words.key()? },
        "statistics" => Act::Statistics { key: words.key()? },
        "lend" => Act::Lend { memory: words.number()?, holder: words.holder()?, key: words.key()? },
        "reclaim" => Act::Reclaim { memory: words.number()?, key: words.key()? },
        "shares" => Act::Shares { holder: words.holder()?, key: words.key()? },
        "raw" => Act::Raw { endpoint: words.small()?, registers: words.registers()? },
        "keyed" => Act::Keyed { registers: words.registers()? },
        "burst" => Act::Burst { count: words.number()? },
        "settle" => Act::Settle,
        "interrupt" => Act::Interrupt { intid: words.small()? },
        "storm" => Act::Storm { smmu: words.small()? },
        "wedge" => Act::Wedge { smmu: words.small()? },
        "error" => Act::Error { smmu: words.small()?, error: words.small()? },
        "meddle" => Act::Meddle { smmu: words.small()?, register: words.small()? },
        "power" => Act::Power { smmu: words.small()? },
        "tamper" => Act::Tamper { word: words.number()?, value: words.number()? },
        other => return Err(format!("nobody knows how to `{other}`")),
    })
}

impl FromStr for Step {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let mut parts = line.split('|').map(|part| Words(part.split_whitespace()));
        let first = parts
            .next()
            .as_mut()
            .map(|words| Ok::<_, String>((words.number()?, words.number()?, act(words)?)));
        let (seed, gap, act_itself) = first.ok_or("the line is empty")??;
        let others = parts.map(|mut words| Ok((words.number()?, act(&mut words)?)));
        Ok(Self { seed, gap, act: act_itself, meanwhile: others.collect::<Result<_, String>>()? })
    }
}

impl FromStr for Script {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
        let machine = lines.next().ok_or("there is nothing in it")?;
        let number = machine.strip_prefix("machine").ok_or("the first line names no machine")?;
        let machine = Words(number.split_whitespace()).number()?;
        Ok(Self { machine, steps: lines.map(Step::from_str).collect::<Result<_, _>>()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_act_survives_as_text() {
        let text = "machine 0x2a\n\
            0x1 1 alloc d3 1\n\
            0x2 7 map d3 0x100000 0x40000000 0x3000 rw | 2 unmap d3 0x100000 0x1000 | 0 look d4 0x1fff\n\
            0x3 1 attach 0 0x10 d3\n0x4 1 block 0 0x10\n0x5 1 unmap d3 0x0 0x1000\n0x6 1 free d3\n0x7 1 poll\n\
            0x8 1 raw 0x8001 0x1 0x2 0x3 0x4 0x5\n0x9 1 burst 9\n0xa 1 settle\n0xb 1 wedge 2\n\
            0xc 1 error 1 0x100\n0xd 1 power 0\n0xe 1 tamper 0x200 0xdead\n\
            0xf 1 claim | 1 own 0x40000000 512 0x1\n0x10 1 disown 0x40000000 1 0x70002 wrong 0x1 0x0\n\
            0x11 1 share 0x1 0 0x3\n0x12 1 unshare 0x40000000 3 0x2\n0x13 1 state 0x40000fff wrong 0x0 0x8000\n\
            0x14 1 statistics\n0x15 1 keyed 0x8010 0x2 0x3 0x4 0x5\n\
            0x16 1 storm 1\n0x17 1 poll | 2 interrupt 106\n0x18 1 check 2\n0x19 1 meddle 0 2\n\
            0x1a 1 identity 1 0x38\n0x1b 1 nest 0 0x10 0x100040 d3\n0x1c 1 nest 0 0x10 0x40000000\n\
            0x1d 1 forget 0 0x10 0x12 0x100001\n0x1e 1 guest-alloc d12 0 0x70002\n\
            0x1f 1 guest-map d12 0x1000 0x40000000 3 rw wrong 0x1 0x0 | 2 guest-unmap d12 0x1000 1\n\
            0x20 1 assign 0 0x38 d12\n0x21 1 return 0 0x38\n0x22 1 quarantine 1 0x10\n0x23 1 release 1 0x10\n\
            0x24 1 guest-free d12 | 0 guest-look d12 0x1fff\n0x25 1 guest-poll\n";
        let script: Script = text.parse().unwrap();
        assert_eq!(script.len(), 37);
        assert_eq!(script.to_string(), text);
        assert!("machine".parse::<Script>().is_err());
        assert!("machine 1\n0 0 dance".parse::<Script>().is_err());
        for line in ["map d1 1 2 3 x", "own 0x1000 1 0x4", "own 0x1000 1 0x1 right"] {
            assert!(format!("machine 1\n0 0 {line}").parse::<Script>().is_err());
        }
    }
}
