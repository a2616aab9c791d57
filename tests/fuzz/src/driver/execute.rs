// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Runs a target on an input, and notices that it fails or does not end.

use fuzz::Target;
use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe};
use std::process;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// No input takes nearly as long on any machine.
const LIMIT: Duration = Duration::from_secs(20);
/// How often an input that fails is tried to be made smaller.
const MOST_TRIES: usize = 20_000;

thread_local! {
    /// Words and place of the last panic.
    static LAST: RefCell<String> = const { RefCell::new(String::new()) };
}

/// An input that fails.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The input.
    pub(crate) input: Vec<u8>,
    /// What it fails with.
    pub(crate) message: String,
}

/// What runs now, for the thread that watches the time.
type Running = Arc<Mutex<Option<(Instant, Vec<u8>)>>>;

/// Runs one target.
pub(crate) struct Runner<'a> {
    target: &'a Target,
    running: Running,
}

impl<'a> Runner<'a> {
    pub(crate) fn new(target: &'a Target) -> Self {
        panic::set_hook(Box::new(|info| LAST.with(|last| *last.borrow_mut() = info.to_string())));
        let running = Running::default();
        let (watched, name) = (Arc::downgrade(&running), target.name);
        thread::spawn(move || {
            while let Some(running) = watched.upgrade() {
                if let Ok(running) = running.lock()
                    && let Some((since, input)) = running.as_ref()
                    && since.elapsed() > LIMIT
                {
                    println!("    FAIL {name}: it does not end on the input {input:02x?}");
                    println!("0 passed, 1 failed");
                    process::exit(1);
                }
                thread::sleep(LIMIT / 20);
            }
        });
        Self { target, running }
    }

    fn set(&self, running: Option<(Instant, Vec<u8>)>) {
        if let Ok(mut now) = self.running.lock() {
            *now = running;
        }
    }

    /// Runs one input.
    ///
    /// # Errors
    /// Words and place of the panic that it ended in.
    pub(crate) fn run(&self, input: &[u8]) -> Result<(), String> {
        self.set(Some((Instant::now(), input.to_vec())));
        let result = panic::catch_unwind(AssertUnwindSafe(|| (self.target.run)(input)));
        self.set(None);
        result.map_err(|_| LAST.with(|last| last.borrow().clone()))
    }

    /// Takes away from an input what does not matter for its failure.
    pub(crate) fn minimise(&self, mut input: Vec<u8>, mut message: String) -> Failure {
        let mut tries = 0;
        let mut size = input.len().next_power_of_two();
        while size > 0 && tries < MOST_TRIES {
            let mut at = 0;
            while at < input.len() && tries < MOST_TRIES {
                let mut smaller = input.clone();
                drop(smaller.drain(at..(at + size).min(input.len())));
                tries += 1;
                match self.run(&smaller) {
                    Err(again) if place(&again) == place(&message) => (input, message) = (smaller, again),
                    _ => at += size,
                }
            }
            size /= 2;
        }
        for at in 0..input.len() {
            let mut simpler = input.clone();
            if let Some(byte) = simpler.get_mut(at) {
                *byte = 0;
            }
            if let Err(again) = self.run(&simpler)
                && place(&again) == place(&message)
            {
                (input, message) = (simpler, again);
            }
        }
        Failure { input, message }
    }
}

/// Returns where a panic was, which its first line says: two failures at one place are taken for the same.
fn place(message: &str) -> &str {
    message.lines().next().unwrap_or_default()
}
